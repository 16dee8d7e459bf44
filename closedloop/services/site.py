"""Settings that people change in the interface; everything else comes from the environment."""

from __future__ import annotations

from sqlalchemy.orm import Session

from closedloop.domain.audit import Actor
from closedloop.domain.errors import Invalid
from closedloop.models import SiteSetting
from closedloop.services.audit import record_event


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
