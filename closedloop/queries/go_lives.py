"""Every change that went live, with the themes that it touches, and where a later took over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.domain.impact_overlap import GoLive, superseded_on
from closedloop.models import Action, ImpactMeasurement, Intervention


def stands() -> sa.ColumnElement[bool]:
    """Return the condition that a go-live was not taken back: of those an action has one."""
    return Intervention.taken_back_at.is_(None)


def list_go_lives(session: Session) -> list[GoLive]:
    """Return every change that went live with all themes it touches, in order of id.

    What was taken back went live nowhere, and what others are measured with knows nothing of it.
    """
    rows = session.execute(
        sa.select(
            Intervention.id,
            Action.key,
            Action.title,
            Intervention.went_live_on,
            Intervention.rollout_days,
            Intervention.theme_id,
            Intervention.plan["also"].label("also"),
        )
        .join(Action, Action.id == Intervention.action_id)
        .where(stands())
        .order_by(Intervention.id)
    )
    return [
        GoLive(
            row.id,
            row.key,
            row.title,
            row.went_live_on,
            row.rollout_days,
            frozenset({row.theme_id, *(one["id"] for one in row.also or ())}),
        )
        for row in rows
    ]


def list_superseded(session: Session) -> dict[int, date]:
    """Return since when a later change is measured instead, by the intervention taken over."""
    return superseded_of(list_go_lives(session))


def superseded_of(known: Sequence[GoLive], *, key: str | None = None) -> dict[int, date]:
    """Return the same of changes that were read before.

    Parameters
    ----------
    known : sequence of GoLive
        Every change that stands.
    key : str, optional
        Only of the action of this key.
    """
    ends = {one.id: superseded_on(one, known) for one in known if key is None or one.key == key}
    return {intervention_id: day for intervention_id, day in ends.items() if day is not None}


def is_in_force(
    ends: Mapping[int, date], measurement: type[ImpactMeasurement] = ImpactMeasurement
) -> sa.ColumnElement[bool]:
    """Return the condition that a measurement reads no day on which a later change counts.

    Such days are told by the later one, even where it was entered after the earlier was measured.

    Parameters
    ----------
    ends : mapping of int to date
        What `list_superseded` gave.
    """
    if not ends:
        return sa.true()
    end = sa.case(dict(ends), value=measurement.intervention_id, else_=date.max)
    return measurement.as_of < end
