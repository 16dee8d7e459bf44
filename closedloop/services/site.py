"""Settings that people change in the interface; everything else comes from the environment."""

from __future__ import annotations

from sqlalchemy.orm import Session

from closedloop.domain.audit import Actor
from closedloop.domain.errors import Invalid
from closedloop.models import SiteSetting
from closedloop.services.audit import record_event

LEAST_PERSON_MINUTES = 100 * 60
MOST_PERSON_MINUTES = 3_000 * 60


def set_pence_per_minute(session: Session, *, pence: float, by: Actor) -> None:
    """Set what an agent minute costs; measurements made before keep the rate they used.

    Raises
    ------
    Invalid
        If it is negative or absurd (above 100,000 pence).
    """
    if not 0 <= pence <= 100_000:
        sentence = "The cost of an agent minute must be between 0 and 1,000 in the site's currency."
        raise Invalid(sentence, {"pence_per_minute": sentence})
    session.merge(SiteSetting(key="pence_per_minute", value={"value": pence}))
    record_event(
        session,
        by=by,
        verb="site.minute_cost_set",
        target_kind="site",
        target_id=None,
        summary=f"set the cost of an agent minute to {pence / 100:g}",
        detail={"pence_per_minute": pence},
    )


def set_person_minutes(session: Session, *, minutes: float, by: Actor) -> None:
    """Set how long a full-time person handles contacts in a year.

    Measurements made before keep what they used.

    Parameters
    ----------
    minutes : float
        A year, between `LEAST_PERSON_MINUTES` and `MOST_PERSON_MINUTES`.

    Raises
    ------
    Invalid
    """
    if not LEAST_PERSON_MINUTES <= minutes <= MOST_PERSON_MINUTES:
        sentence = (
            f"A full-time person works between {LEAST_PERSON_MINUTES / 60:,.0f} and "
            f"{MOST_PERSON_MINUTES / 60:,.0f} hours a year."
        )
        raise Invalid(sentence, {"person_minutes": sentence})
    session.merge(SiteSetting(key="person_minutes", value={"value": minutes}))
    record_event(
        session,
        by=by,
        verb="site.person_minutes_set",
        target_kind="site",
        target_id=None,
        summary=f"set the working year of a full-time person to {minutes / 60:g} hours",
        detail={"person_minutes": minutes},
    )
