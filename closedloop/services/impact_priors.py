"""The site's own prior over the model's settings: which one holds, and how it is learnt."""

from __future__ import annotations

from datetime import date, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.config import Settings
from closedloop.domain.audit import Actor
from closedloop.domain.clock import today
from closedloop.domain.errors import Conflict, NotMeasurable
from closedloop.domain.impact import MOST_CONTROLS, PRE_DAYS_MAX
from closedloop.domain.jobs import JobKind, Progress
from closedloop.models import ImpactPrior, Job
from closedloop.queries.impact_site import list_themes_with_history
from closedloop.queries.site import get_data_span
from closedloop.services.askers import require_permission
from closedloop.services.audit import record_event
from closedloop.services.impact_panels import SitePanel, read_panel
from closedloop.services.jobs import queue_job
from closedloop.services.long_work import Report, Transactions, tell_nobody
from ml.impact import METHOD_VERSION
from ml.impact.learning import LearntPrior, delivered_prior, learn_prior, log_evidence
from ml.impact.monitor import controls_of
from ml.impact.types import Floats

LEAST_THEMES = 50
"""Themes with history below which a site's own prior would be more chance than knowledge."""

HISTORY_DAYS = 120
"""Days of contacts that a theme is learnt from at least."""

DIGITS = 8  # of a stored weight: more than the prior can know

_NOT_YOURS = "Only a CX manager chooses what measurements start from; ask one of them."


def current_prior(session: Session) -> tuple[float, ...] | None:
    """Return the weights that measurements are made with, in the order of the grid.

    Returns
    -------
    tuple of float or None
        One weight for each of the model's settings, adding up to 1; None is the prior that
        is delivered with the program.
    """
    held = _newest(session)
    if held is None or not held.weights:
        return None
    return tuple(float(weight) for weight in held.weights)


def _newest(session: Session) -> ImpactPrior | None:
    return session.scalar(sa.select(ImpactPrior).order_by(ImpactPrior.id.desc()).limit(1))


def count_themes_to_learn_from(session: Session, *, as_of: date | None) -> int:
    """Return how many themes have history enough; 0 before the first whole day."""
    if as_of is None:
        return 0
    return len(list_themes_with_history(session, last_day=as_of, days=HISTORY_DAYS))


def queue_learning(session: Session, *, settings: Settings, by: Actor) -> Job:
    """Queue the learning of the site's own prior.

    Raises
    ------
    NotAllowed
    NotMeasurable
        When fewer than 50 themes have history enough.
    """
    require_permission(session, by, "impact.measure", _NOT_YOURS)
    cut = get_data_span(session).cut(settings.reporting_zone)
    _check_enough(count_themes_to_learn_from(session, as_of=cut))
    return queue_job(
        session,
        kind=JobKind.MEASURE_IMPACT,
        arguments={"learn_prior": True, "asked_by": by.name},
        by=by,
    )


def _check_enough(themes: int) -> None:
    if themes < LEAST_THEMES:
        have = "1 theme has" if themes == 1 else f"{themes} themes have"
        raise NotMeasurable(
            f"{have} {HISTORY_DAYS} days of contacts on which nothing was shipped; "
            f"{LEAST_THEMES} are needed. The delivered prior stays."
        )


def learn_site_prior(
    transactions: Transactions,
    *,
    settings: Settings,
    as_of: date,
    by: Actor,
    report: Report = tell_nobody,
) -> int:
    """Learn the prior from the site's own themes; measurements made from now on start from it.

    Parameters
    ----------
    as_of : date
        Last complete reporting day, inclusive.
    report : callable
        Told how far it is; may raise `Cancelled`, and then nothing is stored.

    Returns
    -------
    int
        Id of the new row.

    Raises
    ------
    NotAllowed
    NotMeasurable
        When fewer than 50 themes have history enough, or when themes that were held back are
        described no better than by the delivered prior.
    """
    with transactions() as session:
        require_permission(session, by, "impact.measure", _NOT_YOURS)
        themes = list_themes_with_history(session, last_day=as_of, days=HISTORY_DAYS)
        _check_enough(len(themes))
        read = read_panel(session, settings=settings, as_of=as_of, days=PRE_DAYS_MAX)
    if read is None:
        raise NotMeasurable("There are no contacts yet. Import some first.")
    learnt = learn_prior(_weigh(read, themes, report), delivered_prior())
    if learnt.gain <= 0:
        raise NotMeasurable(
            f"The delivered prior describes the site's {learnt.n_themes} themes as well as one "
            "learnt from them, so nothing was changed."
        )
    with transactions() as session:
        return _store(session, as_of, learnt, by).id


def _weigh(read: SitePanel, themes: list[int], report: Report) -> list[Floats]:
    """Return how well each setting explains each theme; those with a fix are no comparison."""
    panel, first_days = read.panel, read.panel.first_contact_days()
    columns = [read.theme_ids.index(theme) for theme in themes]
    steady = {column for column, stretches in enumerate(panel.fixes) if not stretches}
    evidence = []
    for number, column in enumerate(columns):
        report(Progress(number, len(columns), "learning from themes"))
        first, end = first_days[column], panel.n_days
        beside = controls_of(panel, end, column, end - 1, first, MOST_CONTROLS)
        beside = [one for one in beside if one in steady]
        evidence.append(
            log_evidence(
                panel.counts[first:, column],
                panel.first_day + timedelta(days=first),
                controls=panel.counts[first:][:, beside] if beside else None,
                holidays=panel.holidays,
            )
        )
    report(Progress(len(columns), len(columns), "learning from themes"))
    return evidence


def _store(session: Session, as_of: date, learnt: LearntPrior, by: Actor) -> ImpactPrior:
    row = ImpactPrior(
        as_of=as_of,
        method_version=METHOD_VERSION,
        n_themes=learnt.n_themes,
        weights=[round(float(weight), DIGITS) for weight in learnt.weights],
        learnt_by=by.name,
    )
    session.add(row)
    session.flush()
    record_event(
        session,
        by=by,
        verb="impact.prior_learnt",
        target_kind="site",
        target_id=None,
        summary=f"learnt what themes are like from {learnt.n_themes} of the site's own",
        detail={
            "impact_prior_id": row.id,
            "themes": learnt.n_themes,
            "gain": round(learnt.gain, 4),
            "as_of": as_of.isoformat(),
        },
    )
    return row


def return_to_delivered(session: Session, *, settings: Settings, by: Actor) -> ImpactPrior:
    """Go back to the prior that is delivered with the program.

    Raises
    ------
    NotAllowed
    Conflict
        When it is in force already.
    """
    require_permission(session, by, "impact.measure", _NOT_YOURS)
    if current_prior(session) is None:
        raise Conflict("The delivered prior is in force already.")
    zone = settings.reporting_zone
    row = ImpactPrior(
        as_of=get_data_span(session).cut(zone) or today(zone),
        method_version=METHOD_VERSION,
        n_themes=0,
        weights=[],
        learnt_by=by.name,
    )
    session.add(row)
    session.flush()
    record_event(
        session,
        by=by,
        verb="impact.prior_returned",
        target_kind="site",
        target_id=None,
        summary="went back to the delivered prior",
        detail={"impact_prior_id": row.id},
    )
    return row
