"""Contacts as people look for them: filters, the list, what there is to choose from."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from closedloop.domain.contacts import WINDOWS, Basis, Window, window_for
from closedloop.domain.themes import GONE_STATUSES
from closedloop.models import (
    Contact,
    ContactLink,
    ContactText,
    Customer,
    DailySlice,
    ImportBatch,
    Theme,
)

NOT_SAID = "-"
"""In a filter: contacts whose channel, queue or disposition is empty."""

NO_THEME = "none"
SEARCHED_CONTACTS = 20_000
"""A search for words reads at most this many contacts, the newest inside the filters."""

COUNTED_CONTACTS = 10_000
FIRST_WORDS = 160
_OPTION_DAYS = 400
_CHOSEN = ("channel", "queue", "disposition", "team", "language")
_FOLLOW = re.compile(r"(followed|opens|resolved)-(any|same)-(\w+)")


@dataclass(frozen=True)
class Follow:
    """What came before or after: `followed`, `opens` (none before) or `resolved` (nor after)."""

    kind: str
    basis: Basis
    window: Window

    @property
    def key(self) -> str:
        """As in addresses: "followed-any-7d"."""
        return f"{self.kind}-{self.basis.value}-{self.window.key}"

    @property
    def words(self) -> str:
        """As shown in a list of choices."""
        reason = "any reason" if self.basis is Basis.ANY else "same theme"
        verb = {
            "followed": "followed within",
            "opens": "none before in",
            "resolved": "opened a matter, not followed within",
        }[self.kind]
        return f"{verb} {self.window.label} ({reason})"


def find_follow(key: str) -> Follow | None:
    """Return what a key stands for, None when it stands for nothing."""
    found = _FOLLOW.fullmatch(key)
    if found is None or found[3] not in {window.key for window in WINDOWS}:
        return None
    return Follow(found[1], Basis(found[2]), window_for(found[3]))


@dataclass(frozen=True, kw_only=True)
class ContactFilter:
    """Which contacts are wanted; what is None or False is not asked for.

    Attributes
    ----------
    words : str
        Beginning of a contact id, or words that all stand in the redacted text.
    first_day, last_day : date or None
        Reporting days, both inclusive.
    channel, queue, disposition, team, language : str or None
        `NOT_SAID` asks for contacts without one.
    theme_id : int or None
    without_theme : bool
    with_words : bool
        Only contacts that hold what the customer said.
    repeats_only : bool
        Second or later of their episode.
    follow : Follow or None
    identified : bool or None
        False asks for contacts whose customer is not known.
    customer_id, batch_id : int or None
    """

    words: str = ""
    first_day: date | None = None
    last_day: date | None = None
    channel: str | None = None
    queue: str | None = None
    disposition: str | None = None
    team: str | None = None
    language: str | None = None
    theme_id: int | None = None
    without_theme: bool = False
    with_words: bool = False
    repeats_only: bool = False
    follow: Follow | None = None
    identified: bool | None = None
    customer_id: int | None = None
    batch_id: int | None = None

    @property
    def is_empty(self) -> bool:
        """Whether every contact is wanted."""
        return self == ContactFilter()


@dataclass(frozen=True)
class Cursor:
    """The last row that was shown: the next page begins below it."""

    started_at: datetime
    contact_id: int


@dataclass(frozen=True)
class ContactRow:
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


def list_contacts(
    session: Session, wanted: ContactFilter, *, after: Cursor | None = None, limit: int = 50
) -> list[ContactRow]:
    """Return the newest contacts that fit, below `after` when given.

    Parameters
    ----------
    session : Session
    wanted : ContactFilter
        With `words`, only the newest `SEARCHED_CONTACTS` inside the other filters are looked
        through; a whole contact id is found wherever it is.
    after : Cursor, optional
    limit : int
        Rows at most; ask for one more than a page to know whether there is another.
    """
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
        )
        .outerjoin(Customer, Customer.id == Contact.customer_id)
        .outerjoin(Theme, Theme.id == Contact.theme_id)
        .outerjoin(ContactText, ContactText.contact_id == Contact.id)
        .outerjoin(ContactLink, ContactLink.contact_id == Contact.id)
        .outerjoin(first, first.id == ContactLink.chain_id)
        .where(*_conditions(session, wanted))
        .order_by(Contact.started_at.desc(), Contact.id.desc())
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(_below(after))
    return [_contact_row(row) for row in session.execute(statement)]


def list_contact_ids(session: Session, wanted: ContactFilter, *, limit: int) -> list[int]:
    """Return the ids of the newest contacts that fit, at most `limit`."""
    rows = (
        sa.select(Contact.id)
        .outerjoin(ContactText, ContactText.contact_id == Contact.id)
        .where(*_conditions(session, wanted))
        .order_by(Contact.started_at.desc(), Contact.id.desc())
        .limit(limit)
    )
    return list(session.scalars(rows))


def count_contacts(session: Session, wanted: ContactFilter) -> int:
    """Return how many contacts fit; `COUNTED_CONTACTS` + 1 means more than that."""
    rows = (
        sa.select(Contact.id)
        .outerjoin(ContactText, ContactText.contact_id == Contact.id)
        .where(*_conditions(session, wanted))
        .limit(COUNTED_CONTACTS + 1)
    )
    if not wanted.words:
        rows = sa.select(Contact.id).where(*_plain(wanted)).limit(COUNTED_CONTACTS + 1)
    return session.scalar(sa.select(sa.func.count()).select_from(rows.subquery())) or 0


def has_words(session: Session) -> bool:
    """Return whether any contact holds what a customer came for, in words."""
    return bool(session.scalar(sa.select(sa.exists().where(ContactText.issue_text != ""))))


def _below(after: Cursor) -> sa.ColumnElement[bool]:
    return sa.or_(
        Contact.started_at < after.started_at,
        sa.and_(Contact.started_at == after.started_at, Contact.id < after.contact_id),
    )


def _contact_row(row: Any) -> ContactRow:
    opened = row.opened_at or row.started_at
    return ContactRow(
        id=row.id,
        source_contact_id=row.source_contact_id,
        started_at=row.started_at,
        channel=row.channel,
        queue=row.queue,
        disposition=row.disposition,
        customer_hash=row.key_hash,
        theme_id=row.theme_id,
        theme_key=row.key,
        theme_name=row.name,
        chain_position=row.chain_position,
        chain_seconds=int((row.started_at - opened).total_seconds()),
        handle_seconds=row.handle_seconds,
        first_words=row.first_words,
    )


def _conditions(session: Session, wanted: ContactFilter) -> list[sa.ColumnElement[bool]]:
    if not wanted.words.strip():
        return _plain(wanted)
    newest = (
        sa.select(Contact.id)
        .where(*_plain(wanted))
        .order_by(Contact.started_at.desc(), Contact.id.desc())
        .limit(SEARCHED_CONTACTS)
    )
    text = wanted.words.strip()
    in_text = sa.and_(*(ContactText.issue_text.icontains(w, autoescape=True) for w in text.split()))
    by_id = Contact.source_contact_id.istartswith(text, autoescape=True)
    sources = session.scalars(sa.select(ImportBatch.source).distinct()).all()
    whole_id = sa.select(Contact.id).where(  # sources stand first in the index of ids
        Contact.source.in_(sources), Contact.source_contact_id == text, *_plain(wanted)
    )
    found = sa.and_(Contact.id.in_(newest), sa.or_(by_id, in_text))
    return [sa.or_(found, Contact.id.in_(whole_id))]


def _plain(wanted: ContactFilter) -> list[sa.ColumnElement[bool]]:
    """Return the conditions that need no text."""
    found: list[sa.ColumnElement[bool]] = []
    if wanted.first_day is not None:
        found.append(Contact.local_day >= wanted.first_day)
    if wanted.last_day is not None:
        found.append(Contact.local_day <= wanted.last_day)
    for name in _CHOSEN:
        value = getattr(wanted, name)
        if value is not None:
            found.append(getattr(Contact, name) == ("" if value == NOT_SAID else value))
    if wanted.without_theme:
        found.append(Contact.theme_id.is_(None))
    elif wanted.theme_id is not None:
        found.append(Contact.theme_id == wanted.theme_id)
    if wanted.with_words:
        found.append(_has_words())
    if wanted.repeats_only:
        found.append(_linked(ContactLink.chain_position > 1))
    if wanted.follow is not None:
        found += _follow(wanted.follow)
    if wanted.identified is not None:
        is_unknown = Contact.customer_id.is_(None)
        found.append(sa.not_(is_unknown) if wanted.identified else is_unknown)
    if wanted.customer_id is not None:
        found.append(Contact.customer_id == wanted.customer_id)
    if wanted.batch_id is not None:
        found.append(Contact.batch_id == wanted.batch_id)
    return found


def _has_words() -> sa.ColumnElement[bool]:
    # the list joins texts too, so say which table the question is about
    texts = sa.select(ContactText.contact_id).where(
        ContactText.contact_id == Contact.id, ContactText.issue_text != ""
    )
    return texts.correlate(Contact).exists()


def _follow(follow: Follow) -> list[sa.ColumnElement[bool]]:
    """Say a column of the roll-up as a condition on contacts, so that links show what it counts."""
    is_any = follow.basis is Basis.ANY
    link = ContactLink
    before = link.previous_gap_seconds if is_any else link.previous_same_gap_seconds
    after = link.next_gap_seconds if is_any else link.next_same_gap_seconds
    limit = follow.window.seconds
    if follow.kind == "followed":
        return [_linked(after <= limit)]
    opens = sa.or_(before.is_(None), before > limit)
    if follow.kind == "opens":
        return [_linked(opens)]
    return [_linked(sa.and_(opens, sa.or_(after.is_(None), after > limit)))]


def _linked(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    """Return a condition on where a contact stands among those of its customer."""
    # the list joins links too, so say which table the question is about
    links = sa.select(ContactLink.contact_id).where(ContactLink.contact_id == Contact.id, condition)
    return links.correlate(Contact).exists()


@dataclass(frozen=True)
class ThemeOption:
    """A theme to choose."""

    id: int
    key: str
    name: str


@dataclass(frozen=True)
class FilterOptions:
    """What there is to choose from, most frequent first."""

    channels: list[str]
    queues: list[str]
    dispositions: list[str]
    themes: list[ThemeOption]
    teams: list[str] = field(default_factory=list)
    languages: list[str] = field(default_factory=list)


def get_filter_options(session: Session, *, last_day: date | None) -> FilterOptions:
    """Return the values of the last 400 days before `last_day`, read from the roll-up."""
    values: dict[str, list[str]] = {name: [] for name in _CHOSEN}
    if last_day is not None:
        parts = [_frequent(name, last_day) for name in values]
        for name, value, _ in session.execute(sa.union_all(*parts)):
            values[name].append(value)
    themes = session.execute(
        sa.select(Theme.id, Theme.key, Theme.name)
        .where(Theme.status.not_in(GONE_STATUSES))
        .order_by(Theme.key)
    )
    return FilterOptions(
        sorted(values["channel"]),
        sorted(values["queue"]),
        sorted(values["disposition"]),
        [ThemeOption(*row) for row in themes],
        sorted(values["team"]),
        sorted(values["language"]),
    )


def _frequent(name: str, last_day: date, limit: int = 60) -> sa.Select[Any]:
    column = DailySlice.value
    total = sa.func.sum(DailySlice.contacts)
    inner = (
        sa.select(sa.literal(name).label("name"), column.label("value"), total.label("total"))
        .where(DailySlice.kind == name)
        .where(DailySlice.day > date.fromordinal(last_day.toordinal() - _OPTION_DAYS))
        .group_by(column)
        .order_by(total.desc(), column)
        .limit(limit)
        .subquery()
    )
    return sa.select(inner.c.name, inner.c.value, inner.c.total)
