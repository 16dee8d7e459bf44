"""Contacts and repeats: the rules, each in words that stand beside the number they make.

Rates look forward: a contact is followed by a repeat when the same customer contacts again at
most W seconds after it, both ends in UTC; of two in the same second the one whose source id
sorts later is the repeat. Days whose window is still open are *maturing* and stay out of every
rate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum

from closedloop.domain.clock import day_bounds

HOUR = 3600
DAY = 24 * HOUR


@dataclass(frozen=True)
class Window:
    """A repeat window.

    Attributes
    ----------
    key : str
        As in URLs and columns: "7d".
    seconds : int
        Inclusive upper end of the gap between two contacts.
    label : str
        As shown.
    """

    key: str
    seconds: int
    label: str

    @property
    def days(self) -> int:
        """Whole days a contact needs to mature, rounded up."""
        return -(-self.seconds // DAY)


WINDOWS: tuple[Window, ...] = (
    Window("24h", 24 * HOUR, "24 hours"),
    Window("72h", 72 * HOUR, "72 hours"),
    Window("7d", 7 * DAY, "7 days"),
    Window("14d", 14 * DAY, "14 days"),
    Window("30d", 30 * DAY, "30 days"),
)
HEADLINE_WINDOW = WINDOWS[2]


def window_for(key: str) -> Window:
    """Return the window called `key`; KeyError when there is none."""
    return {window.key: window for window in WINDOWS}[key]


class Basis(StrEnum):
    """What counts as the same reason."""

    ANY = "any"
    SAME = "same"

    @property
    def label(self) -> str:
        """As shown, with which bound it is."""
        return "Any reason" if self is Basis.ANY else "Same theme"


class Measure(StrEnum):
    """The two forward-looking figures made from the same counts."""

    REPEAT_RATE = "repeat_rate"
    FCR = "fcr"


def rule_in_words(measure: Measure, basis: Basis, window: Window) -> str:
    """Return the sentence that stands beside a rate."""
    reason = "for any reason" if basis is Basis.ANY else "about the same theme or as its follow-up"
    bound = "an upper bound" if basis is Basis.ANY else "a lower bound"
    if measure is Measure.REPEAT_RATE:
        return (
            f"Of the contacts with a known customer whose {window.label} have passed, the share "
            f"after which the same customer contacted again {reason} within {window.label}. "
            f"This is {bound}."
        )
    return (
        f"Of the contacts that open a matter (same customer, none {reason} in the {window.label} "
        f"before) and whose {window.label} have passed, the share not followed by another one "
        f"{reason} within {window.label}. Silence is not proof that it was resolved."
    )


def last_mature_day(cut: date, window: Window, zone: str) -> date:
    """Return the last reporting day all of whose contacts have had the whole window.

    Parameters
    ----------
    cut : date
        The last reporting day that is complete: contacts are known to the end of it.
    window : Window
    zone : str
        Of the reporting days. Where the clocks went forward inside the window, its days hold an
        hour less than it needs, and one day more has to pass.

    Returns
    -------
    date
        Inclusive. A contact in the last second of it matures in the last second of the cut or
        before, to the second.
    """
    complete_until = day_bounds(cut, zone)[1]
    day = cut - timedelta(days=window.days)
    while day_bounds(day, zone)[1] + timedelta(seconds=window.seconds) > complete_until:
        day -= timedelta(days=1)
    return day


def share(part: int, whole: int) -> float | None:
    """Return part / whole in 0–1, or None when there is nothing to divide by."""
    return part / whole if whole else None


def is_few(contacts: int, k: int) -> bool:
    """Return whether there are some contacts, but fewer than may be told."""
    return 0 < contacts < k


def share_of_enough(part: int, whole: int, k: int, *, unsaid: int = 0) -> float | None:
    """Return a share in 0–1, or None where it tells of a few or there is nothing to divide by.

    Parameters
    ----------
    part, whole : int
    k : int
        Fewest contacts that are told, other than none.
    unsaid : int
        Contacts of the part whose own shares may not be told: with the others told, a few of them
        would be the part less those.
    """
    tells_few = any(is_few(contacts, k) for contacts in (part, whole, unsaid))
    return None if tells_few else share(part, whole)


@dataclass(frozen=True)
class MessageTime:
    """One message of a customer, for gathering into contacts."""

    message_id: str
    sent_at: datetime


@dataclass(frozen=True)
class SessionGaps:
    """The longest silence inside a contact, by channel.

    Attributes
    ----------
    general : int
        Seconds, for every channel not named; 0 makes each of their rows a contact.
    by_channel : mapping of str to int
        Seconds by channel, lower case. Messages of a channel named here are gathered among
        themselves; those of all other channels together.
    """

    general: int = 0
    by_channel: Mapping[str, int] = field(default_factory=dict)

    @property
    def gathers(self) -> bool:
        """Whether the rows of any channel are messages, to be gathered."""
        return self.general > 0 or any(gap > 0 for gap in self.by_channel.values())

    def of(self, channel: str) -> int:
        """Return the gap of a channel in seconds."""
        return self.by_channel.get(channel, self.general)

    def group(self, channel: str) -> str:
        """Return what the messages of a channel are gathered under: itself, or the others."""
        return channel if channel in self.by_channel else ""


def gather_sessions(
    messages: list[MessageTime], gap_seconds: int | Callable[[MessageTime, MessageTime], int]
) -> list[list[MessageTime]]:
    """Gather one customer's messages into contacts.

    Two neighbours in time belong to one contact when they lie at most `gap_seconds` apart
    (inclusive); the gap is between neighbours, not from the first.

    Parameters
    ----------
    messages : list of MessageTime
        In any order; equal times are ordered by id.
    gap_seconds : int, or function of two neighbours to int
        0 makes each message with a time of its own a contact.

    Returns
    -------
    list of list of MessageTime
        In time order, each inner list too.
    """
    sessions: list[list[MessageTime]] = []
    gap = gap_seconds if callable(gap_seconds) else _always(gap_seconds)
    for message in sorted(messages, key=lambda m: (m.sent_at, m.message_id)):
        last = sessions[-1][-1] if sessions else None
        if last and (message.sent_at - last.sent_at).total_seconds() <= gap(last, message):
            sessions[-1].append(message)
        else:
            sessions.append([message])
    return sessions


def _always(gap_seconds: int) -> Callable[[MessageTime, MessageTime], int]:
    return lambda last, message: gap_seconds
