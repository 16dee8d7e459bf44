"""Which contacts are wanted: a filter, its conditions, and how the roll-ups say it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta

import sqlalchemy as sa

from closedloop.domain.contacts import DAY, WINDOWS, Basis, Window, window_for
from closedloop.models import Contact, ContactLink, ContactText
from closedloop.queries.contact_among import Among
from closedloop.queries.contact_marks import Mark
from closedloop.queries.contact_totals import Rolled
from closedloop.queries.figures import Figures, themes_under

NOT_SAID = "-"
"""In a filter: contacts whose channel, queue or disposition is empty."""

NO_THEME = "none"
CHOSEN = ("channel", "queue", "disposition", "team", "language")
"""Dimensions of a filter that are texts of the contact itself."""

FOLLOW_KINDS = ("followed", "unfollowed", "again", "opens", "resolved")
_FOLLOW = re.compile(rf"({'|'.join(FOLLOW_KINDS)})-(any|same)-(\w+)")


@dataclass(frozen=True)
class Follow:
    """What came before or after.

    Attributes
    ----------
    kind : str
        "followed" by another within the window, or "unfollowed"; "again": came within the window
        after another; "opens": none in the window before; "resolved": none before, none after.
    basis : Basis
    window : Window
    """

    kind: str
    basis: Basis
    window: Window

    @property
    def key(self) -> str:
        """As in addresses: "followed-any-7d"."""
        return f"{self.kind}-{self.basis.value}-{self.window.key}"

    @property
    def figures(self) -> tuple[str, str]:
        """The figures of the roll-up whose difference counts such contacts; the second if any."""
        name = f"{self.basis.value}_{self.window.key}"
        return {
            "followed": (name, ""),
            "unfollowed": ("identified", name),
            "again": ("identified", f"opening_{name}"),
            "opens": (f"opening_{name}", ""),
            "resolved": (f"resolved_{name}", ""),
        }[self.kind]

    @property
    def words(self) -> str:
        """As shown in a list of choices."""
        reason = "any reason" if self.basis is Basis.ANY else "same theme"
        verb = {
            "followed": "followed within",
            "unfollowed": "not followed within",
            "again": "came after another within",
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
    mark : Mark or None
        What the contact carries.
    among : Among or None
        Only contacts that certain metrics count.
    contact_driver_id : int or None
        Only contacts whose theme is under this contact driver today.
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
    mark: Mark | None = None
    among: Among | None = None
    contact_driver_id: int | None = None
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


def period_conditions(
    wanted: ContactFilter, *, by_start: bool = False
) -> list[sa.ColumnElement[bool]]:
    """Return the conditions that an index answers newest first.

    Parameters
    ----------
    by_start : bool
        A bound of the start is there beside them: PostgreSQL is not to go through an index of the
        days as well, which would be read for the whole period.
    """
    day: sa.ColumnElement[date] = Contact.local_day.expression
    if by_start:
        day = sa.func.coalesce(day, day)
    found: list[sa.ColumnElement[bool]] = []
    # a local day lies within a day of the same date in UTC: said of the start as well, so that
    # a page of a month long ago is read from the index that is in order of start
    if wanted.first_day is not None:
        found.append(day >= wanted.first_day)
        if wanted.first_day > date.min:
            found.append(Contact.started_at >= _midnight(wanted.first_day) - timedelta(days=1))
    if wanted.last_day is not None:
        found.append(day <= wanted.last_day)
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
        found.append(_linked(_follow(wanted.follow)))
    if wanted.mark is not None:
        found.append(wanted.mark.condition)
    if wanted.among is not None:
        found.append(wanted.among.on_contacts())
    if wanted.contact_driver_id is not None:
        found.append(Contact.theme_id.in_(themes_under(wanted.contact_driver_id)))
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


def _follow(follow: Follow) -> sa.ColumnElement[bool]:
    """Say a column of the roll-up as a condition on links, so that lists show what it counts."""
    is_any = follow.basis is Basis.ANY
    link = ContactLink
    before = link.previous_gap_seconds if is_any else link.previous_same_gap_seconds
    after = link.next_gap_seconds if is_any else link.next_same_gap_seconds
    limit = follow.window.seconds
    opens = sa.or_(before.is_(None), before > limit)
    is_last = sa.or_(after.is_(None), after > limit)
    return {
        "followed": after <= limit,
        "unfollowed": is_last,
        "again": before <= limit,
        "opens": opens,
        "resolved": sa.and_(opens, is_last),
    }[follow.kind]


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
    figures = _figures(wanted)
    if figures is None:
        return None
    among, driver_id = wanted.among, wanted.contact_driver_id
    under = ("theme",) if driver_id is not None else ()
    return Rolled(
        _rolled_values(wanted),
        *figures,
        wanted.first_day,
        wanted.last_day,
        touching=(*under, *(among.touching if among else ())),
        within=tuple(_within(wanted)),
    )


def _within(wanted: ContactFilter) -> Iterator[Callable[[Figures], sa.ColumnElement[bool]]]:
    """Yield what else must hold of a row of the roll-up."""
    if wanted.among is not None:
        yield wanted.among.on_figures
    driver_id = wanted.contact_driver_id
    if driver_id is not None:
        yield lambda source: source.in_themes(themes_under(driver_id))


def _figures(wanted: ContactFilter) -> tuple[str, str] | None:
    """Return the figures whose difference counts such contacts; None where no two do."""
    figure = wanted.among.figure if wanted.among else ""
    asked = [wanted.repeats_only, wanted.follow is not None, wanted.mark is not None, bool(figure)]
    if sum(asked) > 1:
        return None
    if wanted.repeats_only or wanted.follow is not None:
        # both are of known customers only
        return None if wanted.identified is False else _linked_figures(wanted)
    if wanted.mark is not None or figure:
        named = (wanted.mark.figure if wanted.mark else figure, "")
        return named if wanted.identified is None else None
    if wanted.identified is None:
        return "contacts", ""
    return ("identified", "") if wanted.identified else ("contacts", "identified")


def _linked_figures(wanted: ContactFilter) -> tuple[str, str] | None:
    if wanted.follow is not None:
        return wanted.follow.figures
    window = next((w for w in WINDOWS if w.seconds == wanted.repeat_days * DAY), None)
    return ("identified", f"opening_any_{window.key}") if window else None


def _rolled_values(wanted: ContactFilter) -> dict[str, str]:
    chosen = {name: getattr(wanted, name) for name in CHOSEN}
    found = {name: "" if v == NOT_SAID else v for name, v in chosen.items() if v is not None}
    if wanted.without_theme:
        return {**found, "theme": ""}
    return found if wanted.theme_id is None else {**found, "theme": str(wanted.theme_id)}
