"""How many distinct people stand behind the figures of a period, for what may be shown.

Daily sums decide nearly every cell (`domain.metric_people`). Where they do not, the contacts are
read once: all of the days if they are few enough to be read on a page, else the first of them.
Where these are of too few people, it is not told how many there are, and the cell is not shown.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.domain.contacts import Window, window_for
from closedloop.domain.metric_formulas import Value
from closedloop.domain.metric_people import BEHIND, people_at_least, size_of, spread_over
from closedloop.domain.metrics import Counts, Metric, Scope
from closedloop.models import Contact, ContactLink, DailySlice, DriverDay
from closedloop.queries.figures import themes_under
from closedloop.queries.metric_counts import (
    add_up,
    contact_column,
    contact_is,
    contact_is_among,
)
from closedloop.queries.metric_scopes import LISTS, TOUCHED, price_of, within_list
from closedloop.queries.metric_sums import MetricFilter, people_name, spread_name
from closedloop.queries.metric_terms import Terms

MOST_READ = 8_000
"""Contacts that are looked at for one page, at most."""

MOST_PASSED = 100_000
"""Contacts of other channels or languages that an index is gone through for, at most."""

SAMPLE = 2_000
"""Of days with more than that, the first so many are looked at."""

COVERED_BY_KNOWN = frozenset({"contacts"})
"""Metrics beside which stands how many of their contacts have a known customer."""

_PERSON = sa.func.coalesce(Contact.customer_id, -Contact.id)
_IDENTIFIED = Contact.customer_id.is_not(None)
_INDEXED = ("theme", "channel", "language")
_NEEDS_LINK = ("any", "same", "again", "opening", "resolved", "unresolved")


def group_of_contacts(group: str, window: Window, terms: Terms) -> sa.ColumnElement[bool]:
    """Return whether a contact, outer joined with its link, is of a group of `BEHIND`."""
    kind, _, basis = group.partition("_")
    if kind in _NEEDS_LINK:
        return _linked(kind, basis or kind, window.seconds)
    if group == "priced":
        price = price_of(terms, Contact.channel, Contact.local_day)
        known = price.is_not(None) if price is not None else sa.false()
        return sa.and_(Contact.handle_seconds.is_not(None), known)
    if group in ("judged", "failure"):
        ids = terms.judged_themes if group == "judged" else terms.failure_themes
        return Contact.theme_id.in_([int(key) for key in sorted(ids)])
    found: sa.ColumnElement[bool] = _PLAIN[group]
    return found


_PLAIN: dict[str, Any] = {
    "contacts": sa.true(),
    "identified": _IDENTIFIED,
    "handled": Contact.handle_seconds.is_not(None),
    "queued": Contact.abandoned.is_not(None),
    "abandoned": Contact.abandoned.is_(True),
    "transferable": Contact.transfers.is_not(None),
    "transferred": Contact.transfers > 0,
    "resolution_yes": Contact.resolved.is_(True),
    "survey_answers": Contact.survey_resolved.is_not(None),
    "survey_yes": Contact.survey_resolved.is_(True),
    "csat_answers": Contact.csat.is_not(None),
    "csat_satisfied": Contact.csat >= 4,
    "nps_answers": Contact.nps.is_not(None),
    "ces_answers": Contact.ces.is_not(None),
}


@functools.cache  # the same few for every page, and dear to put together
def _linked(kind: str, basis: str, seconds: int) -> sa.ColumnElement[bool]:
    link: Any = ContactLink
    same = basis == "same"
    before = link.previous_same_gap_seconds if same else link.previous_gap_seconds
    after = link.next_same_gap_seconds if same else link.next_gap_seconds
    followed = sa.and_(after.is_not(None), after <= seconds)
    opens = sa.and_(_IDENTIFIED, sa.or_(before.is_(None), before > seconds))
    return {
        "any": followed,
        "same": followed,
        "again": sa.and_(before.is_not(None), before <= seconds),
        "opening": opens,
        "resolved": sa.and_(opens, sa.not_(followed)),
        "unresolved": sa.and_(opens, followed),
    }[kind]


def without_coverage(found: Value, identified: float, people: int | None, k: int) -> Value:
    """Return a value without its coverage, where that would tell of fewer than k customers."""
    is_small = identified > 0 and (people is None or people < k)
    return replace(found, coverage=()) if is_small else found


def contact_conditions(
    scope: Scope, wanted: MetricFilter, terms: Terms, first_day: date, last_day: date
) -> list[sa.ColumnElement[bool]]:
    """Return the conditions of the contacts that the sums of a scope are of."""
    days = (first_day, last_day)
    found: list[sa.ColumnElement[bool]] = [
        Contact.local_day.between(*days),
        *(contact_is(name, value) for name, value in wanted.values.items()),
    ]
    if wanted.contact_driver_id is not None:
        found.append(Contact.theme_id.in_(themes_under(wanted.contact_driver_id)))
    if scope is Scope.DRIVEN:
        known = sa.select(DriverDay.day).where(
            DriverDay.driver == wanted.driver, DriverDay.day.between(*days)
        )
        found.append(Contact.local_day.in_(known))
    if scope in LISTS:
        column = contact_column(TOUCHED[scope])
        found.append(within_list(scope, column, Contact.local_day, terms.periods(LISTS[scope])))
    return found


@dataclass
class DaySums:
    """The sums of the days of one scope, and who stands behind them.

    Attributes
    ----------
    daily : dict of date to counts
        With the `SLACK_COLUMNS` among them.
    k : int
        People that are enough.
    reach : (first day, last day)
        Both inclusive: where contacts may be read when the sums do not decide.
    """

    session: Session
    scope: Scope
    wanted: MetricFilter
    terms: Terms
    k: int
    daily: Mapping[date, Counts]
    reach: tuple[date, date]
    groups: Set[tuple[str, str]] = frozenset()
    _read: list[tuple[date, int, int]] | None = field(default=None, repr=False)
    _of: dict[tuple[str, str], list[tuple[date, int]]] = field(default_factory=dict, repr=False)
    _known: dict[tuple[str, str, date | None, date | None], int | None] = field(
        default_factory=dict, repr=False
    )
    _is_all: bool = True

    def value(
        self, metric: Metric, days: Sequence[date], *, of_days: int = 0, asked: Window | None = None
    ) -> Value:
        """Return a metric over some days, with the people behind it.

        Parameters
        ----------
        of_days : int
            Days of the whole that these are a part of; 0 when they are no part.
        """
        asked = asked or self.wanted.window
        counts = add_up(self.daily, metric.columns(asked).values(), days)
        found = metric.of(counts, asked)
        window = metric.window(asked)
        if metric.key in COVERED_BY_KNOWN:
            known = self.people("identified", window, days)
            found = without_coverage(found, counts["identified"], known, self.k)
        return self.with_people(found, BEHIND[metric.key], window, days, of_days)

    def contacts(self, days: Sequence[date], *, of_days: int = 0) -> Value:
        """Return all contacts of some days, with the people behind them."""
        n = int(add_up(self.daily, ["contacts"], days)["contacts"])
        found = Value(float(n), n, n, n)
        return self.with_people(found, ("contacts",), self.wanted.window, days, of_days)

    def with_people(
        self,
        found: Value,
        groups: Sequence[str],
        window: Window,
        days: Sequence[date],
        of_days: int = 0,
    ) -> Value:
        """Return a value with the people behind its counts."""
        groups = groups[: len(found.small) + 1]
        people = tuple([self.people(group, window, days) for group in groups])
        spread = [
            spread_over(group, self.daily, days, window.key, of_days=of_days)
            for group in groups
            if of_days
        ]
        return found.with_people(people, tuple(spread))

    def people(self, group: str, window: Window, days: Sequence[date]) -> int | None:
        """Return distinct people of a group on days without gaps; None when it is not told.

        Where the sums decide, as many as are surely enough.
        """
        ends = (days[0], days[-1]) if days else (None, None)
        key = (group, window.key, *ends)
        if key not in self._known:  # many metrics of a page are of the same contacts
            self._known[key] = self._count_people(group, window, days)
        return self._known[key]

    def _count_people(self, group: str, window: Window, days: Sequence[date]) -> int | None:
        size = 0.0
        for day in days:
            if size < self.k and day in self.daily:
                size += size_of(group, self.daily[day], window.key)
        if size < self.k:
            return int(size)  # at most; fewer than k either way
        sure = people_at_least(group, self.daily, days, window.key, enough=self.k)
        if sure >= self.k or not days:
            return sure
        rows = self._rows(group, window, days)
        if rows is None:
            return None
        people = len({person for day, person in rows if days[0] <= day <= days[-1]})
        return people if self._is_all or people >= self.k else None

    def _rows(
        self, group: str, window: Window, days: Sequence[date]
    ) -> list[tuple[date, int]] | None:
        if not self.reach[0] <= days[0] <= days[-1] <= self.reach[1]:
            return None
        key = (group, window.key)
        if key not in self.groups:
            return None
        if key not in self._of:
            bit = 1 << sorted(self.groups).index(key)
            self._of[key] = [(day, who) for day, who, of in self._contacts() if of & bit]
        return self._of[key]

    def _contacts(self) -> list[tuple[date, int, int]]:
        """Return day, person and groups, one bit each, of the contacts that are looked at."""
        if self._read is None:
            kept = {name: [value] for name, value in self.wanted.values.items()}
            self._is_all = _are_few(self.session, kept, *self.reach, daily=self.daily)
            self._read = self._read_contacts()
        return self._read

    def _read_contacts(self) -> list[tuple[date, int, int]]:
        where = contact_conditions(self.scope, self.wanted, self.terms, *self.reach)
        if not self._is_all:
            first = max(self.wanted.first_day, self.reach[0])
            where.append(_is_among_first(first, self.reach[1]))
        rows = self.session.execute(
            sa.select(Contact.local_day, _PERSON, _bits(tuple(sorted(self.groups)), self.terms))
            .outerjoin(ContactLink, ContactLink.contact_id == Contact.id)
            .where(*where)
        )
        return [tuple(row) for row in rows]


@functools.lru_cache(maxsize=64)  # the same few for every page, and dear to put together
def _bits(groups: Sequence[tuple[str, str]], terms: Terms) -> Any:
    """Return the groups a contact is of, one bit each in their order.

    One number instead of a column each: there are dozens of groups and thousands of rows.
    """
    bits = [
        sa.case(
            (group_of_contacts(name, window_for(key), terms), sa.literal_column(f"{1 << i}")),
            else_=sa.literal_column("0"),
        )
        for i, (name, key) in enumerate(groups)
    ]
    return functools.reduce(operator.add, bits, sa.literal_column("0", sa.BigInteger()))


def _is_among_first(first_day: date, last_day: date) -> sa.ColumnElement[bool]:
    """Return whether a contact is among the first of some days: a sample that costs little."""
    first = sa.select(Contact.id).where(Contact.local_day.between(first_day, last_day))
    return Contact.id.in_(first.order_by(Contact.local_day).limit(SAMPLE))


def _are_few(
    session: Session,
    kept: Mapping[str, Collection[str]],
    first_day: date,
    last_day: date,
    *,
    daily: Mapping[date, Counts] | None = None,
) -> bool:
    """Return whether looking at the contacts of some days means reading few of them.

    Those of a theme are found by an index of their own, those of a channel or a language by the
    index of the days, in which the others are passed over; any other filter reads every contact.

    Parameters
    ----------
    kept : mapping of dimension to values
        Contacts with another value are left out.
    daily : mapping of date to counts, optional
        Of the contacts themselves, where they are of one theme.
    """
    if "theme" in kept and daily is not None:
        return sum(c.get("contacts", 0) for c in daily.values()) <= MOST_READ
    within = {"all": [""], **{name: kept[name] for name in _INDEXED if name in kept}}
    totals = sa.union_all(
        *(
            sa.select(sa.literal(kind), sa.func.sum(DailySlice.contacts)).where(
                DailySlice.kind == kind,
                DailySlice.value.in_(values),
                DailySlice.day.between(first_day, last_day),
            )
            for kind, values in within.items()
        )
    )
    total: dict[str, int] = {kind: int(n or 0) for kind, n in session.execute(totals)}
    if total["all"] > MOST_PASSED:
        return total.get("theme", total["all"]) <= MOST_READ
    return min(total.values()) <= MOST_READ


def groups_behind(metrics: Iterable[Metric], asked: Window) -> set[tuple[str, str]]:
    """Return the groups of contacts behind metrics, each with the window it is of."""
    found = {("contacts", asked.key), ("identified", asked.key)}
    for metric in metrics:
        if metric.scope is not Scope.CUSTOMERS:
            found |= {(group, metric.window(asked).key) for group in BEHIND[metric.key]}
    return found


def count_people(
    session: Session,
    scope: Scope,
    wanted: MetricFilter,
    terms: Terms,
    *,
    by: str,
    unsure: Mapping[str, Collection[tuple[str, str]]],
    first_day: date,
    last_day: date,
) -> tuple[dict[tuple[str, str, str], int], bool]:
    """Return distinct people of (value, group, window) of a breakdown, and whether of all days.

    Where the days hold many contacts only the first of them are looked at.

    Parameters
    ----------
    unsure : mapping of value to groups
        What the sums did not decide; one statement reads it all.
    """
    if not unsure:
        return {}, True
    kept = {by: unsure, **{name: [value] for name, value in wanted.values.items()}}
    is_all = _are_few(session, kept, first_day, last_day)
    groups = sorted(set().union(*unsure.values()))
    key = contact_column(by)
    counts = [
        sa.func.count(
            sa.distinct(sa.case((group_of_contacts(name, window_for(window), terms), _PERSON)))
        )
        for name, window in groups
    ]
    rows = session.execute(
        sa.select(key, *counts)
        .select_from(Contact)
        .outerjoin(ContactLink, ContactLink.contact_id == Contact.id)
        .where(
            *contact_conditions(scope, wanted, terms, first_day, last_day),
            contact_is_among(by, unsure),
            *([] if is_all else [_is_among_first(first_day, last_day)]),
        )
        .group_by(key)
    ).all()
    return {
        (row[0], name, window): row[i + 1]
        for row in rows
        for i, (name, window) in enumerate(groups)
    }, is_all


@dataclass(frozen=True)
class GroupPeople:
    """How many people stand behind the parts of a breakdown, `is_all` when all were counted."""

    k: int
    counted: dict[tuple[str, str, str], int]
    is_all: bool

    def of(
        self, key: str, counts: Counts, found: Value, behind: Sequence[tuple[str, str]]
    ) -> Value:
        """Return a value of a part with the people behind its counts."""
        behind = behind[: len(found.small) + 1]
        if behind[0][0] in COVERED_BY_KNOWN:
            known = self._people(key, counts, "identified", behind[0][1])
            found = without_coverage(found, counts.get("identified", 0), known, self.k)
        people = tuple(self._people(key, counts, *group) for group in behind)
        spread = tuple(counts[spread_name(*group)] for group in behind)
        return found.with_people(people, spread)

    def contacts(self, key: str, counts: Counts, window: str) -> Value:
        """Return all contacts of a part with the people behind them."""
        n = int(counts["contacts"])
        return self.of(key, counts, Value(float(n), n, n, n), [("contacts", window)])

    def _people(self, key: str, counts: Counts, group: str, window: str) -> int | None:
        sure = int(counts[people_name(group, window)])
        if sure >= self.k or size_of(group, counts, window) < self.k:
            return sure
        found = self.counted.get((key, group, window), sure)
        return found if self.is_all or found >= self.k else None


def read_group_people(
    session: Session,
    scope: Scope,
    wanted: MetricFilter,
    terms: Terms,
    found: Mapping[str, Counts],
    groups: Collection[tuple[str, str]],
    *,
    k: int,
    by: str,
    days: tuple[date, date],
) -> GroupPeople:
    """Return who stands behind the parts of a breakdown, counting what the sums do not decide."""
    unsure: dict[str, list[tuple[str, str]]] = {}
    for key, counts in found.items():
        for group in groups:
            many = size_of(group[0], counts, group[1]) >= k
            if many and counts[people_name(*group)] < k:
                unsure.setdefault(key, []).append(group)
    counted, is_all = count_people(
        session,
        scope,
        wanted,
        terms,
        by=by,
        unsure=unsure,
        first_day=days[0],
        last_day=days[1],
    )
    return GroupPeople(k, counted, is_all)
