"""What the clock does about the measuring itself: placebo checks and the site's own prior."""

from __future__ import annotations

from datetime import date
from typing import Any

from closedloop.config import Settings
from closedloop.domain.audit import Actor
from closedloop.domain.errors import NotMeasurable
from closedloop.extensions import Database
from closedloop.queries.impact_site import find_newest_check
from closedloop.services.impact_priors import learn_site_prior
from closedloop.services.long_work import Report
from closedloop.services.placebo_checks import are_placebos_due, check_placebos


def check_false_alarms(
    database: Database, settings: Settings, as_of: date, by: Actor, report: Report
) -> dict[str, Any]:
    """Check how often the method cries wolf, and say what came out."""
    check_placebos(database.transaction, settings=settings, as_of=as_of, by=by, report=report)
    with database.reading() as session:
        found = find_newest_check(session)
    if found is None:
        return {}
    return {"placebos": found.n, "false_alarms": found.n_false, "as_of": found.as_of.isoformat()}


def check_false_alarms_weekly(
    database: Database, settings: Settings, as_of: date | None, by: Actor, report: Report
) -> dict[str, Any]:
    """Check when a week has passed; a site with too little history is no failure of the night."""
    if as_of is None:
        return {}
    with database.reading() as session:
        if not are_placebos_due(session, as_of=as_of):
            return {}
    try:
        found = check_false_alarms(database, settings, as_of, by, report)
    except NotMeasurable:
        return {}
    return {name: value for name, value in found.items() if name != "as_of"}


def learn_from_themes(
    database: Database, settings: Settings, as_of: date, by: Actor, report: Report
) -> dict[str, Any]:
    """Learn the site's own prior."""
    prior_id = learn_site_prior(
        database.transaction, settings=settings, as_of=as_of, by=by, report=report
    )
    return {"prior_id": prior_id, "as_of": as_of.isoformat()}
