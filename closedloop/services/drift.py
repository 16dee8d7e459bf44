"""Count by week how surely contacts fit their themes, so that ageing definitions are seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from datetime import date, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.domain.drift import monday_of
from closedloop.models import Contact, ContactText, DefinitionSet, ThemeWeek
from closedloop.models.base import day_number
from closedloop.queries.site import get_data_span
from closedloop.services.bulk import in_portions

DUE_WEEKS = 8
_FIRST_MONDAY = date(1970, 1, 5)
_DAYS_BEFORE_IT = 4


def refresh_weeks(session: Session, *, days: Collection[date] | None) -> int:
    """Count the weeks of these days anew, None is every week, under the set in force.

    Called with every change of what contacts are counted under, in the same transaction. Weeks
    that are not counted anew stand under the set in force as well: nothing of theirs changed.
    A week most of whose texts have expired keeps what it had: the few that are left say nothing of
    how it was.

    Parameters
    ----------
    days : collection of date or None

    Returns
    -------
    int
        Rows written: a theme and week each.
    """
    current = session.scalar(sa.select(DefinitionSet.id).where(DefinitionSet.is_current))
    if current is None:
        return 0
    mondays = None if days is None else sorted({monday_of(day) for day in days})
    session.flush()
    rows = [row for some in _portions(mondays) for row in _count(session, current, some)]
    past = _find_expired(session, rows, mondays)
    rows = [row for row in rows if row["week"] not in past]
    gone = sa.delete(ThemeWeek).where(ThemeWeek.week.not_in(past))
    for some in _portions(mondays):
        where = gone if some is None else gone.where(ThemeWeek.week.in_(some))
        session.execute(where.execution_options(synchronize_session=False))
    if rows:
        session.execute(sa.insert(ThemeWeek), rows)
    session.execute(
        sa.update(ThemeWeek)
        .where(ThemeWeek.definition_set_id != current)
        .values(definition_set_id=current)
        .execution_options(synchronize_session=False)
    )
    return len(rows)


def refresh_due_weeks(session: Session) -> int:
    """Count the last weeks anew, and every week where none was counted yet: the nightly look.

    Whatever changed earlier weeks counted them itself; weeks whose texts have expired since keep
    what they had.
    """
    last_day = get_data_span(session).last_day
    if last_day is None:
        return 0
    if session.scalar(sa.select(ThemeWeek.week).limit(1)) is None:
        return refresh_weeks(session, days=None)
    return refresh_weeks(session, days=[last_day - timedelta(weeks=n) for n in range(DUE_WEEKS)])


def _find_expired(
    session: Session, rows: Collection[dict[str, Any]], mondays: list[date] | None
) -> list[date]:
    """Return the weeks that hold most of the contacts they were counted with, but not their texts.

    A week whose contacts themselves are gone, for example with an import that was taken back, is
    none.
    """
    query = sa.select(ThemeWeek.week, sa.func.sum(ThemeWeek.contacts)).group_by(ThemeWeek.week)
    with_text: Counter[date] = Counter()
    for row in rows:
        with_text[row["week"]] += row["contacts"]
    asked = None if mondays is None else set(mondays)
    expired = []
    for monday, stood in session.execute(query):
        if (asked is None or monday in asked) and 2 * with_text[monday] < stood:
            span = Contact.local_day.between(monday, monday + timedelta(days=6))
            still = session.scalar(sa.select(sa.func.count(Contact.id)).where(span)) or 0
            if 2 * still >= stood:
                expired.append(monday)
    return expired


def _portions(mondays: list[date] | None) -> list[list[date] | None]:
    return [None] if mondays is None else list(in_portions(mondays, 200))


def _count(session: Session, set_id: int, mondays: list[date] | None) -> list[dict[str, Any]]:
    number = (day_number(Contact.local_day) - _DAYS_BEFORE_IT) // 7
    theme = sa.func.coalesce(Contact.theme_id, 0)
    unidentified = sa.func.sum(sa.case((Contact.customer_id.is_(None), 1), else_=0))
    query = (
        sa.select(
            theme.label("theme"),
            number.label("number"),
            sa.func.count().label("contacts"),
            (sa.func.count(sa.distinct(Contact.customer_id)) + unidentified).label("customers"),
            sa.func.coalesce(sa.func.sum(Contact.theme_confidence), 0.0).label("confidence"),
        )
        .join(ContactText, ContactText.contact_id == Contact.id)
        .where(ContactText.issue_text != "")
        .group_by(sa.text("1"), sa.text("2"))
    )
    if mondays is not None:
        spans = [
            Contact.local_day.between(monday, monday + timedelta(days=6)) for monday in mondays
        ]
        query = query.where(sa.or_(sa.false(), *spans))
    return [
        {
            "theme_id": row.theme,
            "week": _FIRST_MONDAY + timedelta(weeks=int(row.number)),
            "definition_set_id": set_id,
            "contacts": int(row.contacts),
            "customers": int(row.customers),
            "confidence": float(row.confidence),
        }
        for row in session.execute(query)
    ]
