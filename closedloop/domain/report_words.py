"""The sentences of the executive report: what worked, what did not, what is to be decided."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from closedloop.domain.impact import Displacement, Range, Verdict
from closedloop.domain.impact_doubts import DoubtKind
from closedloop.domain.impact_questions import caution
from closedloop.domain.impact_words import (
    Finding,
    contacts,
    per_cent,
    spelt,
    to_words,
    why_not,
)

NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def in_words(number: int, one: str, many: str = "") -> str:
    """Write a small count as people say it: "one fix", "three fixes", "14 fixes"."""
    word = NUMBERS[number] if number < len(NUMBERS) else f"{number:,}"
    return f"{word} {one if number == 1 else many or one + 's'}"


def headline(avoided: Range | None, *, came_back: int, rose: int, inconclusive: int = 0) -> str:
    """Return the title of the report: only what the ranges and the watch allow.

    Parameters
    ----------
    avoided : Range or None
        Contacts avoided over all actions; None while none has a verdict that can be added.
    came_back, rose : int
        Fixes whose contacts came back, and changes after which more came.
    inconclusive : int
        Changes of which nothing can be told; they are not in the range.
    """
    if avoided is None and inconclusive:
        first = f"Nothing can be claimed yet: {_are_inconclusive(inconclusive)}"
    elif avoided is None:
        first = "No change has a verdict yet"
    elif avoided.low > 0:
        first = f"{to_words(avoided.low, avoided.high)} contacts avoided"
    elif avoided.high < 0:
        first = f"{to_words(-avoided.high, -avoided.low)} more contacts came than expected"
    else:
        first = "No avoided contacts can be shown yet"
    if came_back:
        return f"{first}; {in_words(came_back, 'fix', 'fixes')} came back"
    if rose:
        return f"{first}; {in_words(rose, 'change')} made it worse"
    return first


def _are_inconclusive(number: int) -> str:
    return f"{in_words(number, 'verdict is', 'verdicts are')} inconclusive"


@dataclass(frozen=True)
class Line:
    """A line of a list: what it is about, what is said, and more in small letters."""

    lead: str
    text: str
    note: str = ""
    key: str = ""


def what_worked(title: str, key: str, found: Finding) -> Line:
    """Say what a change that worked achieved."""
    least = contacts(found.avoided.low)
    text = f"at least {least} contacts avoided since {spelt(found.counted_from)}."
    return Line(f"{title}:", text, caution(found.failed_checks), key)


def what_did_not(
    title: str, key: str, found: Finding | None, came_back_since: date | None
) -> Line | None:
    """Say what a change that did not work, or did not last, teaches; None where nothing is known.

    Parameters
    ----------
    found : Finding or None
        Of the newest look; None before the first.
    came_back_since : date or None
        First day of the rise after it.
    """
    if came_back_since is not None:
        text = f"worked at first, and came back on {spelt(came_back_since)}."
        return Line(title, text, key=key)
    if found is None:
        return None
    if (
        found.verdict is Verdict.FELL
        and found.net is not None
        and found.displacement is Displacement.MOVED
    ):
        text = "moved its contacts to themes beside it instead of removing them."
        return Line(title, text, f"Over them together: {_net(found.net)} avoided.", key)
    if found.verdict is Verdict.ROSE:
        more = to_words(-found.avoided.high, -found.avoided.low)
        return Line(
            title,
            f"made it worse: {more} more contacts came than expected.",
            caution(found.failed_checks),
            key,
        )
    if found.verdict is Verdict.NO_CHANGE:
        return Line(title, "changed nothing that can be shown.", _plan(found), key)
    if found.verdict is Verdict.INCONCLUSIVE:
        return _inconclusive(title, key, found)
    if found.verdict is Verdict.NOT_ENOUGH_DATA:
        return Line(title, "cannot be judged: too few contacts or days.", "", key)
    return None


def _inconclusive(title: str, key: str, found: Finding) -> Line:
    if found.doubt.kind is DoubtKind.CHANCE:
        return Line(title, "cannot be told from chance so far.", _plan(found), key)
    said = f"cannot be told: {why_not(found.doubt)}."
    is_confounded = found.doubt.kind is DoubtKind.OTHERS_MOVED
    return Line(title, said, "" if is_confounded else _plan(found), key)


def _net(net: Range) -> str:
    return to_words(net.low, net.high)


def _plan(found: Finding) -> str:
    """Return what the range says about the drop that was worth having."""
    worth = found.smallest_drop
    if worth is None or found.expected <= 0:
        return ""
    can = "can" if found.avoided.high < worth * found.expected else "cannot"
    fall = f"{per_cent(worth)} ({contacts(worth * found.expected)} contacts)"
    return f"A fall of {fall} {can} be ruled out."


def rates_sentence(
    days: tuple[date, date],
    any_reason: tuple[float | None, float | None],
    same_theme: tuple[float | None, float | None],
) -> str:
    """Say how the repeat rates stood at either end: no more than the numbers.

    Parameters
    ----------
    days : (date, date)
        Last day of the first and of the last four weeks, inclusive.
    any_reason, same_theme : (float or None, float or None)
        Rates of those weeks, 0 to 1.
    """
    pairs = (("any reason", any_reason), ("same theme", same_theme))
    said = [
        f"{word} {_rate(first)} and {_rate(last)}"
        for word, (first, last) in pairs
        if first is not None and last is not None
    ]
    if not said:
        return ""
    return f"In the four weeks to {spelt(days[0])} and to {spelt(days[1])}: {', '.join(said)}."


def _rate(share: float) -> str:
    return f"{share * 100:.1f}\N{NARROW NO-BREAK SPACE}%"
