"""Which contacts are wanted: a filter, its conditions, and how the roll-ups say it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta

import sqlalchemy as sa

from closedloop.domain.contacts import DAY, WINDOWS, Basis, Window, window_for
from closedloop.models import Contact, ContactLink, ContactText
from closedloop.queries.contact_totals import Rolled

NOT_SAID = "-"
"""In a filter: contacts whose channel, queue or disposition is empty."""

NO_THEME = "none"
CHOSEN = ("channel", "queue", "disposition", "team", "language")
"""Dimensions of a filter that are texts of the contact itself."""

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
    def figure(self) -> str:
        """The figure of the roll-up that counts such contacts."""
        prefix = {"followed": "", "opens": "opening_", "resolved": "resolved_"}[self.kind]
        return f"{prefix}{self.basis.value}_{self.window.key}"

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
    repeat_days : int
        Longest gap inside an episode, where it is known: what lets the roll-ups count repeats.
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
    repeat_days: int = field(default=0, compare=False)
    follow: Follow | None = None
    identified: bool | None = None
    customer_id: int | None = None
    batch_id: int | None = None

    @property
    def is_empty(self) -> bool:
        """Whether every contact is wanted."""
        return self == ContactFilter()


def all_conditions(wanted: ContactFilter) -> list[sa.ColumnElement[bool]]:
    """Return the conditions of everything but words."""
    return [*period_conditions(wanted), *other_conditions(wanted)]


def period_conditions(wanted: ContactFilter) -> list[sa.ColumnElement[bool]]:
    """Return the conditions that an index answers newest first."""
    found: list[sa.ColumnElement[bool]] = []
    # a local day lies within a day of the same date in UTC: said of the start as well, so that
    # a page of a month long ago is read from the index that is in order of start
    if wanted.first_day is not None:
        found.append(Contact.local_day >= wanted.first_day)
        if wanted.first_day > date.min:
            found.append(Contact.started_at >= _midnight(wanted.first_day) - timedelta(days=1))
    if wanted.last_day is not None:
        found.append(Contact.local_day <= wanted.last_day)
        if wanted.last_day < date.max - timedelta(days=1):
            found.append(Contact.started_at < _midnight(wanted.last_day) + timedelta(days=2))
    if wanted.theme_id is not None and not wanted.without_theme:
        found.append(Contact.theme_id == wanted.theme_id)
    if wanted.customer_id is not None:
        found.append(Contact.customer_id == wanted.customer_id)
    if wanted.batch_id is not None:
        found.append(Contact.batch_id == wanted.batch_id)
    return found


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def other_conditions(wanted: ContactFilter) -> list[sa.ColumnElement[bool]]:
    """Return the conditions that must be asked of each contact."""
    found: list[sa.ColumnElement[bool]] = []
    for name in CHOSEN:
        value = getattr(wanted, name)
        if value is not None:
            found.append(getattr(Contact, name) == ("" if value == NOT_SAID else value))
    if wanted.without_theme:
        found.append(Contact.theme_id.is_(None))
    if wanted.with_words:
        found.append(_has_words())
    if wanted.repeats_only:
        found.append(_linked(ContactLink.chain_position > 1))
    if wanted.follow is not None:
        found += _follow(wanted.follow)
    if wanted.identified is not None:
        is_unknown = Contact.customer_id.is_(None)
        found.append(sa.not_(is_unknown) if wanted.identified else is_unknown)
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


def as_rolled(wanted: ContactFilter) -> Rolled | None:
    """Return a filter as the roll-ups can answer it; None where they cannot."""
    asks_contacts = wanted.with_words or wanted.customer_id is not None
    if asks_contacts or wanted.batch_id is not None or wanted.words.strip():
        return None
    is_linked = wanted.repeats_only or wanted.follow is not None
    if (is_linked and wanted.identified is False) or (wanted.repeats_only and wanted.follow):
        return None
    plus, minus = "contacts", ""
    if wanted.repeats_only:
        window = next((w for w in WINDOWS if w.seconds == wanted.repeat_days * DAY), None)
        if window is None:
            return None
        plus, minus = "identified", f"opening_any_{window.key}"
    elif wanted.follow is not None:
        plus = wanted.follow.figure
    elif wanted.identified is not None:
        plus, minus = ("identified", "") if wanted.identified else ("contacts", "identified")
    return Rolled(_rolled_values(wanted), plus, minus, wanted.first_day, wanted.last_day)


def _rolled_values(wanted: ContactFilter) -> dict[str, str]:
    chosen = {name: getattr(wanted, name) for name in CHOSEN}
    found = {name: "" if v == NOT_SAID else v for name, v in chosen.items() if v is not None}
    if wanted.without_theme:
        return {**found, "theme": ""}
    return found if wanted.theme_id is None else {**found, "theme": str(wanted.theme_id)}
