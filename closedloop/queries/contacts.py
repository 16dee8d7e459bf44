"""Contacts as people look for them: filters, the list, what there is to choose from."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from closedloop.domain.themes import GONE_STATUSES
from closedloop.models import (
    Contact,
    ContactDriver,
    ContactLink,
    ContactText,
    Customer,
    Theme,
)
from closedloop.queries.contact_among import find_among
from closedloop.queries.contact_filter import (
    CHOSEN,
    NO_THEME,
    NOT_SAID,
    ContactFilter,
    Follow,
    all_conditions,
    as_rolled,
    find_follow,
    other_conditions,
    period_conditions,
)
from closedloop.queries.contact_marks import find_mark
from closedloop.queries.contact_search import Hit, Reach, find_hits
from closedloop.queries.contact_totals import (
    count_rolled,
    days_of_newest,
    may_ask_rollups,
)
from closedloop.queries.rolled_values import list_values

__all__ = [
    "COUNTED_CONTACTS",
    "FIRST_WORDS",
    "NOT_SAID",
    "NO_THEME",
    "SEARCHED_AMONG",
    "SEARCHED_CONTACTS",
    "ContactFilter",
    "ContactRow",
    "Cursor",
    "FilterOptions",
    "Follow",
    "ThemeOption",
    "count_contacts",
    "find_among",
    "find_follow",
    "find_mark",
    "get_filter_options",
    "has_words",
    "list_and_count",
    "list_contact_ids",
    "list_contacts",
]

SEARCHED_CONTACTS = 20_000
"""A search for words reads at most this many contacts, the newest inside the filters."""

SEARCHED_AMONG = 100_000
"""Where there are filters, a search asks so many contacts of the period whether they fit them."""

COUNTED_CONTACTS = 10_000
FIRST_WORDS = 160
_CLOSE_DAYS = 2
"""Of so few days a list is read in order of start; of more, each day of a channel is looked up."""

_OPTION_DAYS = 400
_MOST_OPTIONS = 60
_LAST_DAY = date.max - timedelta(days=3)


@dataclass(frozen=True)
class Cursor:
    """The last row that was shown: the next page begins below it."""

    started_at: datetime
    contact_id: int


class ContactRow(NamedTuple):
    """One line of the list.

    Attributes
    ----------
    customer_hash : str or None
        None when nobody knows who it was.
    chain_position : int or None
        1 opens the episode.
    chain_seconds : int
        Seconds since the episode opened; 0 for its first contact.
    handle_seconds : int or None
    first_words : str or None
        Beginning of the redacted text; None without text, empty where it only greets or thanks.
    """

    id: int
    source_contact_id: str
    started_at: datetime
    channel: str
    queue: str
    disposition: str
    customer_hash: str | None
    theme_id: int | None
    theme_key: str | None
    theme_name: str | None
    chain_position: int | None
    chain_seconds: int
    handle_seconds: int | None
    first_words: str | None
    team: str = ""
    language: str = ""


_STARTED = ContactRow._fields.index("started_at")


def list_contacts(
    session: Session, wanted: ContactFilter, *, after: Cursor | None = None, limit: int = 50
) -> list[ContactRow]:
    """Return the newest contacts that fit, below `after` when given.

    Parameters
    ----------
    session : Session
    wanted : ContactFilter
        With `words`, only the newest `SEARCHED_CONTACTS` inside the other filters are looked
        through, among the newest `SEARCHED_AMONG` of the period; a whole contact id is found
        wherever it is.
    after : Cursor, optional
    limit : int
        Rows at most; ask for one more than a page to know whether there is another.
    """
    if wanted.words.strip():
        return _list_hits(session, _hits(session, wanted), after, limit)
    where = _on_days_that_have_some(session, wanted, after, limit)
    return _list(session, where if after is None else [*where, _below(after)], limit)


def list_and_count(
    session: Session, wanted: ContactFilter, *, after: Cursor | None = None, limit: int = 50
) -> tuple[list[ContactRow], int]:
    """Return what `list_contacts` and `count_contacts` do; a search is gone through once."""
    if wanted.words.strip():
        hits = _hits(session, wanted)
        return _list_hits(session, hits, after, limit), min(len(hits), COUNTED_CONTACTS + 1)
    rows = list_contacts(session, wanted, after=after, limit=limit)
    return rows, count_contacts(session, wanted)


def _hits(session: Session, wanted: ContactFilter) -> list[Hit]:
    reach = Reach(SEARCHED_AMONG, SEARCHED_CONTACTS)
    return find_hits(
        session,
        wanted.words,
        period=period_conditions(wanted),
        period_by_start=period_conditions(wanted, by_start=True),
        others=other_conditions(wanted),
        reach=reach,
    )


def _list_hits(
    session: Session, hits: list[Hit], after: Cursor | None, limit: int
) -> list[ContactRow]:
    """Return a page of what a search found."""
    if after is not None:
        below = (after.started_at, after.contact_id)
        hits = [hit for hit in hits if (hit.started_at, hit.id) < below]
    return _list(session, [Contact.id.in_([hit.id for hit in hits[:limit]])], limit)


def _list(session: Session, where: list[sa.ColumnElement[bool]], limit: int) -> list[ContactRow]:
    first = aliased(Contact)
    statement = (
        sa.select(
            Contact.id,
            Contact.source_contact_id,
            Contact.started_at,
            Contact.channel,
            Contact.queue,
            Contact.disposition,
            Customer.key_hash,
            Theme.id.label("theme_id"),
            Theme.key,
            Theme.name,
            ContactLink.chain_position,
            first.started_at.label("opened_at"),
            Contact.handle_seconds,
            sa.func.substr(ContactText.issue_text, 1, FIRST_WORDS).label("first_words"),
            Contact.team,
            Contact.language,
        )
        .outerjoin(Customer, Customer.id == Contact.customer_id)
        .outerjoin(Theme, Theme.id == Contact.theme_id)
        .outerjoin(ContactText, ContactText.contact_id == Contact.id)
        .outerjoin(ContactLink, ContactLink.contact_id == Contact.id)
        .outerjoin(first, first.id == ContactLink.chain_id)
        .where(*where)
        .order_by(Contact.started_at.desc(), Contact.id.desc())
        .limit(limit)
    )
    return [_contact_row(row) for row in session.execute(statement)]


def list_contact_ids(session: Session, wanted: ContactFilter, *, limit: int) -> list[int]:
    """Return the ids of the newest contacts that fit, at most `limit`."""
    if wanted.words.strip():
        return [hit.id for hit in _hits(session, wanted)[:limit]]
    rows = (
        sa.select(Contact.id)
        .where(*_on_days_that_have_some(session, wanted, None, limit))
        .order_by(Contact.started_at.desc(), Contact.id.desc())
        .limit(limit)
    )
    return list(session.scalars(rows))


def count_contacts(session: Session, wanted: ContactFilter) -> int:
    """Return how many contacts fit; `COUNTED_CONTACTS` + 1 means more than that."""
    if wanted.words.strip():
        return min(len(_hits(session, wanted)), COUNTED_CONTACTS + 1)
    rolled = as_rolled(wanted)
    if rolled is not None and may_ask_rollups(session):
        return count_rolled(session, rolled, most=COUNTED_CONTACTS)
    rows = sa.select(Contact.id).where(*all_conditions(wanted)).limit(COUNTED_CONTACTS + 1)
    return session.scalar(sa.select(sa.func.count()).select_from(rows.subquery())) or 0


def _on_days_that_have_some(
    session: Session, wanted: ContactFilter, after: Cursor | None, limit: int
) -> list[sa.ColumnElement[bool]]:
    """Return the conditions of a list, which keep it from going through years for what is rare.

    The days are enough for `limit` contacts below the cursor, or all there are. Those around
    the cursor are always among them: a day of the reporting zone may be another one in UTC.
    """
    rolled = as_rolled(wanted)
    fits = all_conditions(wanted)
    if rolled is None or rolled.is_all or not may_ask_rollups(session):
        return fits
    near: list[date] = []
    if after is not None:
        near = [after.started_at.date() + timedelta(days=i) for i in (-1, 0, 1)]
    before = near[0] if near else None
    days = days_of_newest(session, rolled, rows=limit, before=before)
    fits.append(Contact.local_day.in_([*days, *near]))
    if len(days) > _CLOSE_DAYS and _is_looked_up_by_day(session, wanted):
        return [Contact.id.in_(sa.select(Contact.id).where(*fits))]
    return [*fits, *_around([*days, *near])]


def _is_looked_up_by_day(session: Session, wanted: ContactFilter) -> bool:
    """Return whether contacts are found quicker on each day than in order of start.

    PostgreSQL chooses well by itself. SQLite reads whatever lies between; told not to, it is quick
    where the index of days goes on with the filter, and slow where it is about the customer.
    """
    is_sqlite = session.get_bind().dialect.name == "sqlite"
    is_indexed = wanted.channel is not None or wanted.language is not None
    return is_sqlite and is_indexed and wanted.identified is not False


def _around(days: list[date]) -> list[sa.ColumnElement[bool]]:
    """Say days of the start as well, whose index the list is read from."""
    if not days:
        return []
    first, last = max(min(days), date.min + timedelta(days=1)), min(max(days), _LAST_DAY)
    return [
        Contact.started_at >= datetime.combine(first, time(), UTC) - timedelta(days=1),
        Contact.started_at < datetime.combine(last, time(), UTC) + timedelta(days=2),
    ]


def has_words(session: Session) -> bool:
    """Return whether any contact holds what a customer came for, in words."""
    return bool(session.scalar(sa.select(sa.exists().where(ContactText.issue_text != ""))))


def _below(after: Cursor) -> sa.ColumnElement[bool]:
    return sa.and_(
        Contact.started_at <= after.started_at,  # where the index is to begin
        sa.or_(Contact.started_at < after.started_at, Contact.id < after.contact_id),
    )


def _contact_row(row: Any) -> ContactRow:
    """Return a row of `_list`, whose columns stand in the order of the attributes."""
    *before, opened, handle_seconds, first_words, team, language = row
    seconds = int((before[_STARTED] - opened).total_seconds()) if opened else 0
    return ContactRow._make((*before, seconds, handle_seconds, first_words, team, language))


@dataclass(frozen=True)
class ThemeOption:
    """A theme, or a contact driver, to choose."""

    id: int
    key: str
    name: str


@dataclass(frozen=True)
class FilterOptions:
    """What there is to choose from, sorted; of very many values the most frequent."""

    channels: list[str]
    queues: list[str]
    dispositions: list[str]
    themes: list[ThemeOption]
    teams: list[str] = field(default_factory=list)
    languages: list[str] = field(default_factory=list)
    contact_drivers: list[ThemeOption] = field(default_factory=list)


def get_filter_options(session: Session, *, last_day: date | None) -> FilterOptions:
    """Return the values of the last 400 days before `last_day`, read from the roll-up."""
    values: dict[str, list[str]] = {name: [] for name in CHOSEN}
    if last_day is not None:
        begin = date.fromordinal(last_day.toordinal() - _OPTION_DAYS)
        values = list_values(session, CHOSEN, after=begin, most=_MOST_OPTIONS)
    of = ContactDriver
    themes = session.execute(
        sa.select(Theme.id, Theme.key, Theme.name, of.id, of.key, of.name)
        .outerjoin(of, of.id == Theme.driver_id)
        .where(Theme.status.not_in(GONE_STATUSES))
        .order_by(Theme.key)
    ).all()
    drivers = {row[3]: ThemeOption(*row[3:]) for row in themes if row[3] is not None}
    return FilterOptions(
        values["channel"],
        values["queue"],
        values["disposition"],
        [ThemeOption(*row[:3]) for row in themes],
        values["team"],
        values["language"],
        sorted(drivers.values(), key=lambda one: (one.name, one.id)),
    )
