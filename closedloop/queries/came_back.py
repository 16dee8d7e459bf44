"""Which fixes' contacts came back, as the watch told and its reviews left it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.domain.comebacks import ComebackOutcome
from closedloop.domain.impact_overlap import GoLive, find_overlap
from closedloop.models import Comeback


def is_taken_for_real(until: date | None = None) -> list[sa.ColumnElement[bool]]:
    """Return the conditions that a rise is taken for a comeback."""
    real = Comeback.outcome.in_(("", ComebackOutcome.REAL.value))
    return [real] if until is None else [real, Comeback.alarm_on <= until]


def list_came_back(session: Session, *, until: date | None = None) -> frozenset[int]:
    """Return the interventions of which an alarm was raised that is taken for real.

    Parameters
    ----------
    until : date, optional
        Only by alarms to this day, inclusive.
    """
    return frozenset(
        session.scalars(
            sa.select(Comeback.intervention_id).where(*is_taken_for_real(until)).distinct()
        )
    )


def list_came_back_since(
    session: Session, go_lives: Collection[GoLive], *, until: date | None = None
) -> dict[int, date]:
    """Return the first day of the newest rise of each intervention whose contacts came back.

    Of the changes that are measured as one, the watch reads the last one of each theme. Its alarm
    tells of all that touch the theme: they have the same contacts.

    Parameters
    ----------
    go_lives : collection of GoLive
        Every change that stands; what was taken back tells of no other one.
    until : date, optional
        Only by alarms to this day, inclusive.
    """
    rows = session.execute(
        sa.select(
            Comeback.intervention_id, Comeback.theme_id, Comeback.alarm_on, Comeback.since_on
        ).where(*is_taken_for_real(until))
    )
    known = {one.id: one for one in go_lives}
    found: dict[int, date] = {}
    for raised_of, theme_id, alarm_on, since_on in rows:
        told = {raised_of}
        if mine := known.get(raised_of):
            others = [one for one in go_lives if one is not mine]
            members = find_overlap(mine, others, as_of=alarm_on).members
            told |= {one.id for one in members if theme_id in one.theme_ids}
        for one in told:
            found[one] = max(found.get(one, since_on), since_on)
    return found
