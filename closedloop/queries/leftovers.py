"""Contacts that are in no theme: coverage by week against its goal, and what emerges there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.domain.contacts import share
from closedloop.domain.errors import NotFound
from closedloop.domain.leftovers import (
    COVERAGE_GOAL,
    SPAN_DAYS,
    USUAL_GOAL,
    WEEKS_SHOWN,
    EmergingState,
    rise_in_words,
)
from closedloop.domain.themes import ThemeStatus
from closedloop.models import (
    Contact,
    ContactText,
    EmergingTheme,
    MetricGoal,
    Theme,
    ThemeWeek,
)
from closedloop.queries.theme_figures import shorten

QUOTES_EACH = 3
MEMBERS_READ = 25
"""Nearest contacts of an emerging theme that quotes are picked from."""

MOST_EMERGING = 20


@dataclass(frozen=True)
class CoverageCount:
    """Contacts with text, by whether a theme holds them.

    Attributes
    ----------
    with_text : int
    with_theme : int
        In a theme that was not dismissed or retired.
    dismissed : int
        In a theme that was.
    customers : int
        At least so many different ones are behind them.
    """

    with_text: int = 0
    with_theme: int = 0
    dismissed: int = 0
    customers: int = 0

    @property
    def without_theme(self) -> int:
        """Contacts with text that no theme holds, those of dismissed themes among them."""
        return self.with_text - self.with_theme

    @property
    def value(self) -> float | None:
        """Share 0–1 that has a theme; None without contacts."""
        return share(self.with_theme, self.with_text)

    def __add__(self, other: CoverageCount) -> CoverageCount:
        return CoverageCount(
            self.with_text + other.with_text,
            self.with_theme + other.with_theme,
            self.dismissed + other.dismissed,
            max(self.customers, other.customers),
        )


@dataclass(frozen=True)
class Coverage:
    """Coverage of the last weeks, Monday to Sunday, and week by week.

    Attributes
    ----------
    first_day, last_day : date
        Of `now`, both inclusive.
    now, before : CoverageCount
        The last 4 weeks, of which the last may not be over, and the 4 weeks before them.
    weeks : tuple of (date, CoverageCount)
        By their Monday, oldest first.
    goal : float
        Share 0–1 that holds on `last_day`.
    is_usual_goal : bool
        Whether nobody has set one.
    """

    first_day: date
    last_day: date
    now: CoverageCount
    before: CoverageCount
    weeks: tuple[tuple[date, CoverageCount], ...]
    goal: float
    is_usual_goal: bool

    @property
    def meets_goal(self) -> bool | None:
        """Whether the last 4 weeks reach the goal; None without contacts."""
        return None if self.now.value is None else self.now.value >= self.goal


def get_coverage(session: Session, *, last_day: date) -> Coverage:
    """Return which share of the contacts with text is in a theme.

    Read from what is counted by week whenever contacts get their themes, so that it costs the
    same for millions of them, and stays when texts expire.

    Parameters
    ----------
    session : Session
    last_day : date
        The last of the `WEEKS_SHOWN` weeks holds it.
    """
    n = SPAN_DAYS // 7
    last_week = last_day - timedelta(days=last_day.weekday())
    weeks = [last_week - timedelta(weeks=ago) for ago in reversed(range(WEEKS_SHOWN))]
    counts = _count_weeks(session, weeks[0], weeks[-1])
    goal = _find_goal(session, last_day)
    found = [counts.get(week, CoverageCount()) for week in weeks]
    return Coverage(
        first_day=weeks[-n],
        last_day=last_day,
        now=sum(found[-n:], CoverageCount()),
        before=sum(found[-2 * n : -n], CoverageCount()),
        weeks=tuple(zip(weeks, found, strict=True)),
        goal=USUAL_GOAL if goal is None else goal,
        is_usual_goal=goal is None,
    )


def _count_weeks(session: Session, first: date, last: date) -> dict[date, CoverageCount]:
    rows = session.execute(
        sa.select(ThemeWeek.week, Theme.status, ThemeWeek.contacts, ThemeWeek.customers)
        .outerjoin(Theme, Theme.id == ThemeWeek.theme_id)
        .where(ThemeWeek.week.between(first, last))
    )
    found: dict[date, CoverageCount] = {}
    for week, status, contacts, customers in rows:
        is_gone = status is ThemeStatus.RETIRED
        held = contacts if status is not None and not is_gone else 0
        part = CoverageCount(contacts, held, contacts if is_gone else 0, customers)
        found[week] = found.get(week, CoverageCount()) + part
    return found


def _find_goal(session: Session, day: date) -> float | None:
    return session.scalar(
        sa.select(MetricGoal.goal)
        .where(MetricGoal.metric == COVERAGE_GOAL, MetricGoal.valid_from <= day)
        .order_by(MetricGoal.valid_from.desc(), MetricGoal.id.desc())
        .limit(1)
    )


@dataclass(frozen=True)
class EmergingQuote:
    """What one customer said, redacted."""

    text: str
    day: date
    channel: str
    contact_id: int


@dataclass(frozen=True)
class EmergingRow:
    """An emerging theme as it is shown.

    Attributes
    ----------
    contacts : int
        Of the last 8 weeks.
    customers, customers_before : int
        Distinct, in the last 4 weeks and in the 4 weeks before; before, None where fewer than may
        be shown, but not none.
    why : str
        Why it is thought to rise.
    quotes : tuple of EmergingQuote
        One a customer; none where fewer than k customers can still be quoted.
    """

    id: int
    name: str
    keywords: tuple[str, ...]
    contacts: int
    customers: int
    customers_before: int | None
    why: str
    found_on: date
    seen_on: date
    quotes: tuple[EmergingQuote, ...] = field(default=())


def list_emerging(session: Session, *, k: int) -> tuple[EmergingRow, ...]:
    """Return the emerging themes that wait for a decision, with the most customers first.

    Parameters
    ----------
    session : Session
    k : int
        One with fewer customers in the last 4 weeks is not shown, nor a number or quotes of
        fewer.
    """
    rows = list(
        session.scalars(
            sa.select(EmergingTheme)
            .where(EmergingTheme.state == EmergingState.PROPOSED, EmergingTheme.customers >= k)
            .order_by(EmergingTheme.customers.desc(), EmergingTheme.id)
            .limit(MOST_EMERGING)
        )
    )
    return _emerging_rows(session, rows, k)


def get_emerging(session: Session, emerging_id: int, *, k: int) -> EmergingRow:
    """Return one emerging theme, whatever was decided about it.

    Raises
    ------
    NotFound
        Also if fewer than k customers are behind it.
    """
    row = session.get(EmergingTheme, emerging_id)
    if row is None or row.customers < k:
        raise NotFound("There is no such emerging theme.")
    return _emerging_rows(session, [row], k)[0]


def _emerging_rows(
    session: Session, rows: Sequence[EmergingTheme], k: int
) -> tuple[EmergingRow, ...]:
    quotes = _pick_quotes(session, {row.id: row.members[:MEMBERS_READ] for row in rows}, k)
    return tuple(
        EmergingRow(
            id=row.id,
            name=row.name,
            keywords=tuple(str(word) for word in row.keywords),
            contacts=row.contacts,
            customers=row.customers,
            customers_before=None if 0 < row.customers_before < k else row.customers_before,
            why=rise_in_words(row.customers, row.customers_before, k=k),
            found_on=row.found_on,
            seen_on=row.seen_on,
            quotes=quotes[row.id],
        )
        for row in rows
    )


def _pick_quotes(
    session: Session, members: Mapping[int, Sequence[int]], k: int
) -> dict[int, tuple[EmergingQuote, ...]]:
    ids = sorted({contact for wanted in members.values() for contact in wanted})
    if not ids:
        return dict.fromkeys(members, ())
    rows = session.execute(
        sa.select(
            Contact.id,
            Contact.customer_id,
            ContactText.issue_text,
            Contact.local_day,
            Contact.channel,
        )
        .join(ContactText, ContactText.contact_id == Contact.id)
        .where(Contact.id.in_(ids), ContactText.issue_text != "", Contact.theme_id.is_(None))
    ).all()
    said = {row[0]: row for row in rows}
    return {
        number: _one_each((said[contact] for contact in wanted if contact in said), k)
        for number, wanted in members.items()
    }


def _one_each(rows: Iterable[Any], k: int) -> tuple[EmergingQuote, ...]:
    quotes: dict[int, EmergingQuote] = {}
    for contact, customer, text, day, channel in rows:
        person = -contact if customer is None else customer
        quotes.setdefault(person, EmergingQuote(shorten(text), day, channel, contact))
    return tuple(quotes.values())[:QUOTES_EACH] if len(quotes) >= k else ()


@dataclass(frozen=True)
class DismissedRow:
    """An emerging theme that was dismissed."""

    id: int
    name: str
    decided_by: str
    seen_on: date


def list_dismissed(session: Session) -> tuple[DismissedRow, ...]:
    """Return what was dismissed last, so that it can be taken back."""
    rows = session.execute(
        sa.select(
            EmergingTheme.id, EmergingTheme.name, EmergingTheme.decided_by, EmergingTheme.seen_on
        )
        .where(EmergingTheme.state == EmergingState.DISMISSED)
        .order_by(EmergingTheme.decided_at.desc(), EmergingTheme.id.desc())
        .limit(MOST_EMERGING)
    )
    return tuple(DismissedRow(*row) for row in rows)
