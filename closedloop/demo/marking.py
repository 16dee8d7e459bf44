"""Mark the demo's measurements: what was truly avoided, by the theme's own definition.

A contact that a fix prevented counts for a theme when the theme's definition would have claimed
it: its words are put to the same model that assigns real contacts. A contact that the fix moved
counts when the original would have been claimed and the one that came instead was not.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.config import Settings
from closedloop.demo.centre import DemoCentre
from closedloop.domain.impact import counted_from
from closedloop.models import Action, Contact, ImpactMeasurement, Intervention
from closedloop.queries.go_lives import stands
from closedloop.services.claims import themes_of_texts
from ml.text.clean import issue_text


def mark_actions(
    session: Session, *, settings: Settings, centre: DemoCentre
) -> list[dict[str, Any]]:
    """Return one line per shipped action: verdict, range and truth in contacts.

    `truth` counts the days that the last measurement counted, and `covered` says whether it lies
    inside the range.
    """
    away = _claimed(session, settings, centre)
    marks = []
    rows = session.execute(
        sa.select(Action, Intervention)
        .join(Intervention, sa.and_(Intervention.action_id == Action.id, stands()))
        .order_by(Action.id)
    )
    for action, intervention in rows:
        last = session.scalars(
            sa.select(ImpactMeasurement)
            .where(ImpactMeasurement.intervention_id == intervention.id)
            .order_by(ImpactMeasurement.id.desc())
            .limit(1)
        ).one_or_none()
        if last is None:
            continue
        first = counted_from(intervention.went_live_on, intervention.rollout_days)
        truth = sum(
            n for day, n in away[intervention.theme_id].items() if first <= day <= last.as_of
        )
        marks.append(
            {
                "key": action.key,
                "title": action.title,
                "verdict": last.verdict.value,
                "avoided": round(last.avoided, 1),
                "low": round(last.avoided_low, 1),
                "high": round(last.avoided_high, 1),
                "truth": truth,
                "covered": last.avoided_low <= truth <= last.avoided_high,
                "status": action.status.value,
                "theme_status": intervention.theme.status.value,
            }
        )
    return marks


def _claimed(
    session: Session, settings: Settings, centre: DemoCentre
) -> dict[int, dict[date, int]]:
    """Return theme id → day → contacts that the fixes took from it."""
    rows = list(centre.removed())
    texts = [
        issue_text([(turn["speaker"], turn["text"]) for turn in row["turns"]]) for _, row in rows
    ]
    themes = themes_of_texts(session, settings=settings, texts=texts)
    came = {row["contact_id"] for _, row in rows if not row["contact_id"].startswith("never-")}
    theme_of_came: dict[str, int | None] = {}
    ids = sorted(came)
    for start in range(0, len(ids), 500):
        theme_of_came |= dict(
            session.execute(
                sa.select(Contact.source_contact_id, Contact.theme_id).where(
                    Contact.source_contact_id.in_(ids[start : start + 500])
                )
            )
            .tuples()
            .all()
        )
    away: dict[int, dict[date, int]] = defaultdict(lambda: defaultdict(int))
    for (_, row), theme_id in zip(rows, themes, strict=True):
        day = date.fromisoformat(row["started_at"][:10])
        if theme_id is not None:
            away[theme_id][day] += 1
        instead = theme_of_came.get(row["contact_id"])
        if instead is not None:
            away[instead][day] -= 1
    return away
