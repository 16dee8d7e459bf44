"""Alarms of the comeback watch as cases: the rise, the evidence from before, the review."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.domain.comebacks import ComebackOutcome
from closedloop.models import Action, Comeback, ImpactMeasurement, Intervention
from closedloop.queries.go_lives import stands
from closedloop.queries.impact_measured import Measured, list_measured


@dataclass(frozen=True)
class ComebackCase:
    """One alarm and what became of it.

    Attributes
    ----------
    id : int
    action_key, action_title : str
        The fix that had worked.
    alarm_on, since_on : date
        Day of the alarm, and day on which the rise is thought to begin.
    excess : float
        Contacts above the level that the fix had reached, from `since_on` to the alarm.
    reasons : tuple of str
    evidence : Measured or None
        The newest look before the alarm: what was believed until then.
    outcome : ComebackOutcome or None
        None while it waits for its review.
    """

    id: int
    action_key: str
    action_title: str
    alarm_on: date
    since_on: date
    excess: float
    reasons: tuple[str, ...]
    evidence: Measured | None
    outcome: ComebackOutcome | None
    reviewed_at: datetime | None
    reviewed_by: str
    review_note: str


def list_comeback_cases(session: Session, theme_id: int) -> Sequence[ComebackCase]:
    """Return the alarms of a theme with the evidence from before each, the newest first."""
    evidence = (
        sa.select(ImpactMeasurement.id)
        .where(
            ImpactMeasurement.intervention_id == Comeback.intervention_id,
            ImpactMeasurement.is_look,
            ImpactMeasurement.as_of < Comeback.alarm_on,
        )
        .order_by(ImpactMeasurement.as_of.desc(), ImpactMeasurement.id.desc())
        .limit(1)
        .correlate(Comeback)
        .scalar_subquery()
    )
    rows = session.execute(
        sa.select(Comeback, Action.key, Action.title, evidence.label("evidence_id"))
        .join(Intervention, Intervention.id == Comeback.intervention_id)
        .join(Action, Action.id == Intervention.action_id)
        .where(Comeback.theme_id == theme_id, stands())
        .order_by(Comeback.alarm_on.desc(), Comeback.id.desc())
    ).all()
    found = list_measured(session, [row.evidence_id for row in rows if row.evidence_id])
    return [_case(row.Comeback, row.key, row.title, found.get(row.evidence_id)) for row in rows]


def _case(row: Comeback, key: str, title: str, evidence: Measured | None) -> ComebackCase:
    return ComebackCase(
        id=row.id,
        action_key=key,
        action_title=title,
        alarm_on=row.alarm_on,
        since_on=row.since_on,
        excess=row.excess,
        reasons=tuple(row.reasons),
        evidence=evidence,
        outcome=ComebackOutcome(row.outcome) if row.outcome else None,
        reviewed_at=row.reviewed_at,
        reviewed_by=row.reviewed_by,
        review_note=row.review_note,
    )
