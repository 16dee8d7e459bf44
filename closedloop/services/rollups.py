"""Add the days up: every figure of the metrics, by all dimensions and by each alone.

One set-based statement for a day or the whole history. A day that changed is marked in the
same transaction (`DueDay`), so that an import killed anywhere leaves nothing forgotten.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.domain.contacts import WINDOWS, Basis
from closedloop.domain.jobs import Progress
from closedloop.models import Contact, ContactLink, DailyRollup, DailySlice, DueDay
from closedloop.services.long_work import Report, Transactions, tell_nobody
from closedloop.services.repeats import in_portions, take_turn

DAYS_PER_STATEMENT = 500
DAYS_PER_TRANSACTION = 60
DIMENSIONS = ("theme", "channel", "queue", "disposition", "team", "language")

_contacts: Any = Contact.__table__
_links: Any = ContactLink.__table__
_rollups: Any = DailyRollup.__table__
_slices: Any = DailySlice.__table__
_due: Any = DueDay.__table__
_KEYS = ("day", "theme_id", "channel", "queue", "disposition", "team", "language")
FIGURES = tuple(c.name for c in _rollups.c if c.name not in ("id", *_KEYS))


def roll_up_due(
    transactions: Transactions, *, report: Report = tell_nobody, most: int = DAYS_PER_TRANSACTION
) -> int:
    """Add up every day that is marked as due, a few in each transaction.

    Returns
    -------
    int
        Days that were added up.
    """
    done = 0
    while True:
        with transactions() as session:
            take_turn(session)
            left = session.scalar(sa.select(sa.func.count()).select_from(_due)) or 0
            days = session.scalars(sa.select(_due.c.day).order_by(_due.c.day).limit(most)).all()
            if not days:
                return done
            report(Progress(done, done + left, "adding the days up"))
            roll_up_days(session, days=days)
        done += len(days)


def roll_up_days(session: Session, *, days: Collection[date] | None) -> int:
    """Add the contacts of some reporting days up anew; doing it twice changes nothing.

    Parameters
    ----------
    session : Session
    days : collection of date or None
        None is the whole history.

    Returns
    -------
    int
        Rows the roll-up of all dimensions now has for these days.
    """
    session.flush()
    take_turn(session)
    if days is None:
        for table in (_rollups, _slices, _due):
            session.execute(sa.delete(table))
        return _insert(session, sa.true(), sa.true())
    rows = 0
    for portion in in_portions(sorted(set(days)), DAYS_PER_STATEMENT):
        for table in (_rollups, _slices, _due):
            session.execute(sa.delete(table).where(table.c.day.in_(portion)))
        rows += _insert(session, _contacts.c.local_day.in_(portion), _rollups.c.day.in_(portion))
    return rows


def _insert(
    session: Session, contacts: sa.ColumnElement[bool], rollups: sa.ColumnElement[bool]
) -> int:
    rows = _insert_rollups(session, contacts)
    slice_rollups(session, rollups)
    return rows


def slice_rollups(session: Session, condition: sa.ColumnElement[bool]) -> None:
    """Add each dimension up alone, from the rows of the roll-up that meet a condition."""
    for kind in ("all", *DIMENSIONS):
        _insert_slices(session, kind, condition)


def _insert_rollups(session: Session, condition: sa.ColumnElement[bool]) -> int:
    c = _contacts.c
    keys = {"day": c.local_day, **{name: c[name] for name in _KEYS[1:]}}
    figures = {**_plain_figures(), **_window_figures()}
    rows = (
        sa.select(*keys.values(), *(figures[name] for name in FIGURES))
        .select_from(_contacts.outerjoin(_links, _links.c.contact_id == c.id))
        .where(condition)
        .group_by(*keys.values())
    )
    result: Any = session.execute(
        sa.insert(_rollups).from_select([*keys, *FIGURES], rows, include_defaults=False),
        execution_options={"preserve_rowcount": True},
    )
    return int(result.rowcount)


def _insert_slices(session: Session, kind: str, condition: sa.ColumnElement[bool]) -> None:
    """Add one dimension up from the roll-up of all of them."""
    r = _rollups.c
    value = {
        "all": sa.literal(""),
        "theme": sa.func.coalesce(sa.cast(r.theme_id, sa.String(120)), ""),
    }
    column = value[kind] if kind in value else r[kind]
    keys = (r.day,) if kind == "all" else (r.day, r.theme_id if kind == "theme" else column)
    rows = (
        sa.select(r.day, sa.literal(kind), column, *(sa.func.sum(r[name]) for name in FIGURES))
        .where(condition)
        .group_by(*keys)
    )
    session.execute(
        sa.insert(_slices).from_select(
            ["day", "kind", "value", *FIGURES], rows, include_defaults=False
        )
    )


def _plain_figures() -> dict[str, sa.ColumnElement[Any]]:
    """Return what does not depend on a window, by the name of its column."""
    c = _contacts.c
    return {
        "contacts": sa.func.count(),
        "identified": sa.func.count(c.customer_id),
        "themed": _count(c.customer_id.is_not(None) & c.theme_id.is_not(None)),
        "handled": sa.func.count(c.handle_seconds),
        "handle_seconds": _sum(c.handle_seconds),
        "queued": sa.func.count(c.abandoned),
        "abandoned": _count(c.abandoned),
        "transferable": sa.func.count(c.transfers),
        "transferred": _count(c.transfers > 0),
        "resolution_known": sa.func.count(c.resolved),
        "resolution_yes": _count(c.resolved),
        "survey_answers": sa.func.count(c.survey_resolved),
        "survey_yes": _count(c.survey_resolved),
        "csat_answers": sa.func.count(c.csat),
        "csat_satisfied": _count(c.csat >= 4),
        "nps_answers": sa.func.count(c.nps),
        "nps_promoters": _count(c.nps >= 9),
        "nps_detractors": _count(c.nps <= 6),
        "ces_answers": sa.func.count(c.ces),
        "ces_hundredths": _sum(sa.cast(sa.func.round(c.ces * 100), sa.BigInteger)),
    }


def _window_figures() -> dict[str, sa.ColumnElement[int]]:
    """Return the counts of each basis and window by the name of their column."""
    links = _links.c
    gaps = {
        Basis.ANY: (links.previous_gap_seconds, links.next_gap_seconds),
        Basis.SAME: (links.previous_same_gap_seconds, links.next_same_gap_seconds),
    }
    known = links.contact_id.is_not(None)
    figures = {}
    for basis, (before, after) in gaps.items():
        for window in WINDOWS:
            opens = known & (before.is_(None) | (before > window.seconds))
            ends = after.is_(None) | (after > window.seconds)
            name = f"{basis.value}_{window.key}"
            figures[name] = _count(after <= window.seconds)
            figures[f"opening_{name}"] = _count(opens)
            figures[f"resolved_{name}"] = _count(opens & ends)
            if basis is Basis.ANY:
                minutes = sa.case((before <= window.seconds, _contacts.c.handle_seconds))
                figures[f"beyond_seconds_{window.key}"] = _sum(minutes)
    return figures


def _count(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
    return sa.func.count(sa.case((condition, 1)))


def _sum(column: sa.ColumnElement[Any]) -> sa.ColumnElement[int]:
    return sa.func.coalesce(sa.func.sum(column), 0)
