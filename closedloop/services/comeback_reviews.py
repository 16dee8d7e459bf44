"""Review an alarm of the comeback watch, with the old evidence beside it."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.domain.audit import Actor
from closedloop.domain.clock import utc_now
from closedloop.domain.comebacks import ComebackOutcome, check_review
from closedloop.domain.errors import Conflict, NotFound
from closedloop.domain.impact_words import spelt
from closedloop.domain.themes import ThemeStatus
from closedloop.models import Comeback, Intervention, Theme
from closedloop.services.askers import require_permission
from closedloop.services.audit import record_event
from closedloop.services.theme_moves import move_theme


def review_comeback(
    session: Session,
    *,
    comeback_id: int,
    outcome: ComebackOutcome | str,
    note: str = "",
    by: Actor,
) -> Comeback:
    """Put down what the working group found behind an alarm, once.

    A rise that is real leaves the theme open for a new action. One that something else explains,
    or that does not matter, lets the theme hold again unless another alarm of it says otherwise;
    the watch goes on with the day after the alarm.

    Parameters
    ----------
    outcome : ComebackOutcome
    note : str, optional
        What was found; needed when something else explains it.

    Raises
    ------
    Invalid
        With a sentence per field.
    Conflict
        If it was reviewed before.
    NotAllowed, NotFound
    """
    require_permission(
        session, by, "impact.review", "Only a CX manager reviews an alarm; ask one of them."
    )
    found, note = check_review(outcome, note)
    comeback = session.get(Comeback, comeback_id, with_for_update=True, populate_existing=True)
    if comeback is None:
        raise NotFound(f"There is no alarm {comeback_id} of the comeback watch.")
    if comeback.reviewed_at is not None:
        raise Conflict(
            f"This alarm was reviewed by {comeback.reviewed_by}: "
            f"“{ComebackOutcome(comeback.outcome).label}”. A review stands as it was written."
        )
    comeback.reviewed_at, comeback.reviewed_by = utc_now(), by.name
    comeback.outcome, comeback.review_note = found.value, note
    _record(session, comeback, found, by)
    session.flush()  # the count below must hold this one
    live = session.get_one(Intervention, comeback.intervention_id)
    if found is not ComebackOutcome.REAL and live.taken_back_at is None:
        _let_hold(session, comeback, found, by)
        session.flush()
    return comeback


def _let_hold(session: Session, comeback: Comeback, outcome: ComebackOutcome, by: Actor) -> None:
    """Let a reopened theme hold again, unless another of its alarms waits or was real."""
    theme = session.get_one(Theme, comeback.theme_id, with_for_update=True, populate_existing=True)
    others = sa.exists().where(
        Comeback.theme_id == comeback.theme_id,
        Comeback.id != comeback.id,
        Comeback.intervention_id == comeback.intervention_id,
        Comeback.outcome.in_(("", ComebackOutcome.REAL.value)),
    )
    if theme.status is not ThemeStatus.REOPENED or session.scalar(sa.select(others)):
        return
    move_theme(
        session,
        theme=theme,
        wanted=ThemeStatus.HELD,
        through=ThemeStatus.MEASURING,
        why=f"the alarm of {spelt(comeback.alarm_on)} was reviewed: {outcome.label.lower()}",
        by=by,
    )


def _record(session: Session, comeback: Comeback, outcome: ComebackOutcome, by: Actor) -> None:
    said = f": {comeback.review_note}" if comeback.review_note else ""
    record_event(
        session,
        by=by,
        verb="impact.comeback_reviewed",
        target_kind="intervention",
        target_id=comeback.intervention_id,
        summary=(
            f"reviewed the alarm of {spelt(comeback.alarm_on)}, “{outcome.label.lower()}”{said}"
        ),
        detail={
            "comeback_id": comeback.id,
            "theme_id": comeback.theme_id,
            "outcome": outcome.value,
        },
    )
