"""What customers come back about after each theme, and whether that is more than chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from closedloop.domain.contacts import share
from closedloop.domain.followers import FOLLOWER_DAYS, chance_of_as_many, stand_out
from closedloop.domain.themes import GONE_STATUSES
from closedloop.models import DailySlice, Theme, ThemeFollower, ThemeStats
from closedloop.queries.theme_figures import find_mature_day


@dataclass(frozen=True)
class Follower:
    """One theme that comes next after another.

    Attributes
    ----------
    contacts, followed, customers : int
        Mature contacts of the theme before; those whose next contact within 7 days was about
        the other; distinct customers among these.
    expected : float
        Followed if it were as after any contact.
    is_more_than_chance : bool
        Stands out among all pairs of different themes; never said of a theme after itself.
    strategy : str
        The lever agreed for the theme that comes next, empty while none is.
    """

    theme_id: int
    key: str
    name: str
    next_key: str
    next_name: str
    strategy: str
    contacts: int
    followed: int
    customers: int
    expected: float
    is_more_than_chance: bool = False

    @property
    def probability(self) -> float:
        """Share 0–1 of the contacts before."""
        return self.followed / self.contacts

    @property
    def lift(self) -> float:
        """How many times as often as after any contact."""
        return self.followed / self.expected

    @property
    def is_same(self) -> bool:
        """Whether it is the same theme again: a repeat, not a next issue."""
        return self.key == self.next_key


@dataclass(frozen=True)
class FollowerList:
    """All pairs that may be shown, those that stand out first, then by customers.

    Attributes
    ----------
    as_of : date or None
        Last day counted; None before the first count.
    too_small : int
        Pairs of fewer than k customers, which are not told.
    unidentified_share : float or None
        Contacts without a known customer of all of the days counted, 0 to 1: they are in no pair.
        None where no pair may be shown.
    """

    rows: tuple[Follower, ...]
    as_of: date | None
    too_small: int
    unidentified_share: float | None = None

    @property
    def marked(self) -> tuple[Follower, ...]:
        """Pairs of different themes that are more than chance."""
        return tuple(row for row in self.rows if row.is_more_than_chance)

    def after(self, key: str) -> tuple[Follower, ...]:
        """Return what comes after one theme, the same theme included."""
        return tuple(row for row in self.rows if row.key == key)


def list_followers(session: Session, *, k: int) -> FollowerList:
    """Return which theme follows which.

    Parameters
    ----------
    session : Session
    k : int
        Fewest distinct customers of a pair that may be shown, and of either theme.

    Returns
    -------
    FollowerList
    """
    pairs = _read(session, k)
    others = [row for row, *_ in pairs if not row.is_same]
    tests = len({row.key for row, *_ in pairs}) * max(
        len({row.next_key for row, *_ in pairs}) - 1, 1
    )
    p_values = [chance_of_as_many(r.customers, r.followed, r.expected) for r in others]
    marked = {
        (row.key, row.next_key)
        for row, is_marked in zip(others, stand_out(p_values, max(tests, len(others))), strict=True)
        if is_marked
    }
    rows = [
        _with_mark(row, (row.key, row.next_key) in marked)
        for row, _, is_large in pairs
        if is_large and row.customers >= k
    ]
    rows.sort(key=lambda r: (not r.is_more_than_chance, -r.customers, r.key, r.next_key))
    as_of = pairs[0][1] if pairs else None
    without = _unidentified_share(session, pairs[0][1]) if rows else None
    return FollowerList(tuple(rows), as_of, len(pairs) - len(rows), without)


def _unidentified_share(session: Session, as_of: date) -> float | None:
    first_day = as_of - timedelta(days=FOLLOWER_DAYS - 1)
    sums = sa.select(sa.func.sum(DailySlice.contacts), sa.func.sum(DailySlice.identified)).where(
        DailySlice.kind == "all",
        DailySlice.value == "",
        DailySlice.day.between(first_day, as_of),
    )
    contacts, identified = (int(value or 0) for value in session.execute(sums).one())
    return share(contacts - identified, contacts)


def were_counted_before(session: Session, rows: Sequence[Follower], as_of: date) -> bool:
    """Return whether contacts of the themes before came in, went or changed their theme since.

    Pairs are counted at night, and what people put right by day is seen in them the next morning.

    Parameters
    ----------
    session : Session
    rows : sequence of Follower
    as_of : date
        Last day counted.
    """
    counted = {str(row.theme_id): row.contacts for row in rows}
    first_day = as_of - timedelta(days=FOLLOWER_DAYS - 1)
    sums = session.execute(
        sa.select(DailySlice.value, sa.func.sum(DailySlice.identified))
        .where(
            DailySlice.kind == "theme",
            DailySlice.value.in_(sorted(counted)),
            DailySlice.day.between(first_day, find_mature_day(session, as_of)),
        )
        .group_by(DailySlice.value)
    )
    return counted != {theme: int(n) for theme, n in sums}


def _with_mark(row: Follower, is_marked: bool) -> Follower:
    return Follower(**{**vars(row), "is_more_than_chance": is_marked and row.lift > 1})


def _read(session: Session, k: int) -> list[tuple[Follower, date, bool]]:
    """Return every pair of themes that stand, with whether both describe k people or more."""
    first, then = aliased(Theme), aliased(Theme)
    stats, next_stats = aliased(ThemeStats), aliased(ThemeStats)
    rows: Sequence[Any] = session.execute(
        sa.select(
            first.id,
            first.key,
            first.name,
            then.key,
            then.name,
            then.strategy,
            ThemeFollower.contacts,
            ThemeFollower.followed,
            ThemeFollower.customers,
            ThemeFollower.expected,
            ThemeFollower.as_of,
            sa.func.coalesce(stats.people, k) >= k,
            sa.func.coalesce(next_stats.people, k) >= k,
        )
        .join(first, first.id == ThemeFollower.theme_id)
        .join(then, then.id == ThemeFollower.next_id)
        .outerjoin(stats, stats.theme_id == first.id)
        .outerjoin(next_stats, next_stats.theme_id == then.id)
        .where(first.status.not_in(GONE_STATUSES), then.status.not_in(GONE_STATUSES))
        .order_by(ThemeFollower.theme_id, ThemeFollower.next_id)
    ).all()
    pairs = []
    for *names, strategy, contacts, followed, customers, expected, as_of, is_large, next_is in rows:
        theme_id, key, name, next_key, next_name = names
        lever = strategy.label if strategy else ""
        numbers = (contacts, followed, customers, expected)
        pair = Follower(theme_id, key, name, next_key, next_name, lever, *numbers)
        pairs.append((pair, as_of, bool(is_large and next_is)))
    return pairs


@dataclass(frozen=True)
class NextIssues:
    """What comes after one theme, for its page.

    Attributes
    ----------
    again : Follower or None
        The same theme again.
    rows : tuple of Follower
        Other themes, those that are more than chance first.
    """

    again: Follower | None
    rows: tuple[Follower, ...]
    as_of: date | None

    @property
    def contacts(self) -> int | None:
        """Contacts these are shares of; None when nothing may be told."""
        shown = (*self.rows, *((self.again,) if self.again else ()))
        return shown[0].contacts if shown else None

    @property
    def probability(self) -> float | None:
        """Share 0–1 followed by another theme that stands out; None when none does."""
        marked = [row for row in self.rows if row.is_more_than_chance]
        return share(sum(row.followed for row in marked), marked[0].contacts) if marked else None


def find_next_issues(session: Session, key: str, *, k: int, most: int = 5) -> NextIssues:
    """Return what customers come back about after one theme."""
    found = list_followers(session, k=k)
    after = found.after(key)
    again = next((row for row in after if row.is_same), None)
    return NextIssues(again, tuple(r for r in after if not r.is_same)[:most], found.as_of)


def themes_before(key: str, *, k: int) -> sa.Select[int]:
    """Return the ids of the themes after which customers come back about another one.

    Parameters
    ----------
    key : str
        Of the theme that comes next.
    k : int
        Fewest distinct customers of a pair that may be shown, and of either theme.
    """
    pairs: sa.Select[int] = _shown_pairs(sa.select(ThemeFollower.theme_id), k)
    return pairs.where(Theme.key == key)


def list_next_themes(session: Session, *, k: int) -> list[tuple[str, str]]:
    """Return key and name of the themes that come after another one, by name."""
    pairs = _shown_pairs(sa.select(Theme.key, Theme.name), k).distinct()
    rows = session.execute(pairs.order_by(Theme.name, Theme.key))
    return [(row[0], row[1]) for row in rows]


def _shown_pairs(statement: Any, k: int) -> Any:
    """Return a statement over pairs of two themes that may be shown; `Theme` is what comes next."""
    first, stats, next_stats = aliased(Theme), aliased(ThemeStats), aliased(ThemeStats)
    return (
        statement.select_from(ThemeFollower)
        .join(Theme, Theme.id == ThemeFollower.next_id)
        .join(first, first.id == ThemeFollower.theme_id)
        .outerjoin(stats, stats.theme_id == ThemeFollower.theme_id)
        .outerjoin(next_stats, next_stats.theme_id == ThemeFollower.next_id)
        .where(
            ThemeFollower.theme_id != ThemeFollower.next_id,
            ThemeFollower.customers >= k,
            first.status.not_in(GONE_STATUSES),
            Theme.status.not_in(GONE_STATUSES),
            sa.func.coalesce(stats.people, k) >= k,
            sa.func.coalesce(next_stats.people, k) >= k,
        )
    )
