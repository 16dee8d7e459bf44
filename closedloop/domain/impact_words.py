"""What a measurement says, in sentences for people who are not statisticians."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from closedloop.domain.impact import LOOK_DAYS, LOOK_Q, Displacement, Range, Verdict
from closedloop.domain.impact_doubts import NOT_TOLD, Doubt, DoubtKind

NARROW = "\N{NARROW NO-BREAK SPACE}"
MINUS = "\N{MINUS SIGN}"


class Part(NamedTuple):
    """A stretch of a sentence, and whether it is what the eye should catch."""

    text: str
    is_strong: bool = False


@dataclass(frozen=True)
class Finding:
    """The numbers a sentence is made of.

    Attributes
    ----------
    verdict : Verdict
    avoided : Range
        Contacts; negative when more came than expected.
    expected : float
        Contacts without the change, over the counted days.
    observed : int
        Contacts that came.
    counted_from : date
        First counted day, after the roll-out.
    n_post : int
        Counted days.
    p_value : float
        0 to 1.
    could_have_seen : float or None
        Share of expected, 0 to 1, that would have been noticed in four cases of five.
    smallest_drop : float or None
        Share that was worth having, as planned.
    displacement : Displacement
    net : Range or None
        Contacts avoided over the theme and those beside it.
    reasons : tuple of str
        The method's own sentences.
    doubt : Doubt
        Why it is inconclusive; says nothing of other verdicts.
    failed_checks : tuple of str
        Names of the checks that question what it says, the gravest first.
    n_themes : int
        Themes that the change touches, added up.
    """

    verdict: Verdict
    avoided: Range
    expected: float
    observed: int
    counted_from: date
    n_post: int
    p_value: float
    could_have_seen: float | None = None
    smallest_drop: float | None = None
    displacement: Displacement = Displacement.NONE
    net: Range | None = None
    reasons: tuple[str, ...] = ()
    doubt: Doubt = NOT_TOLD
    failed_checks: tuple[str, ...] = ()
    n_themes: int = 1


def contacts(value: float) -> str:
    """Write a number of contacts with thousands and a true minus sign."""
    text = f"{abs(value):,.0f}"
    return f"{MINUS}{text}" if value < 0 and text != "0" else text


def to_words(low: float, high: float) -> str:
    """Write a range: "310 to 540"; ends that would read alike get decimals, to stay a range."""
    if low != high and contacts(low) == contacts(high):
        return f"{_tenths(low)} to {_tenths(high)}"
    return f"{contacts(low)} to {contacts(high)}"


def _tenths(value: float) -> str:
    text = f"{abs(value):,.1f}"
    return f"{MINUS}{text}" if value < 0 and text != "0.0" else text


def per_cent(share: float) -> str:
    """Write a share in whole per cent; what is above 0 is never called 0, and 0 has no minus."""
    whole = f"{abs(share):.0%}".removesuffix("%")
    if whole == "0" and share > 0:
        return f"under 1{NARROW}%"
    sign = MINUS if share < 0 and whole != "0" else ""
    return f"{sign}{whole}{NARROW}%"


def spelt(day: date) -> str:
    """Write a day: "3 March 2026"."""
    return f"{day.day} {day:%B %Y}"


def how_many(count: int, noun: str) -> str:
    """Write how many there are: "1 day", "2 days"."""
    return f"1 {noun}" if count == 1 else f"{count:,} {noun}s"


def on_themes(count: int) -> str:
    """Say of what a number is that leaves out the themes beside it."""
    return "on this theme" if count == 1 else f"on the {count:,} themes it touches"


def plain(parts: Iterable[Part]) -> str:
    """Return a sentence without its emphasis."""
    return "".join(part.text for part in parts)


def answer(found: Finding) -> list[Part]:
    """Return the one sentence that answers whether the change worked."""
    since = f"since {spelt(found.counted_from)}"
    low, middle, high = found.avoided.low, found.avoided.middle, found.avoided.high
    if found.verdict is Verdict.TOO_EARLY:
        days = "1 day is" if found.n_post == 1 else f"{max(found.n_post, 0)} days are"
        return [
            Part("Too early to say. ", True),
            Part(f"{days} counted since the roll-out; the first look needs {LOOK_DAYS[0]}."),
        ]
    if found.verdict is Verdict.NOT_ENOUGH_DATA:
        return [Part("There is not enough data to tell. ", True), Part(_first(found.reasons))]
    if found.verdict is Verdict.INCONCLUSIVE:
        yet = "" if found.doubt.kind is DoubtKind.OTHERS_MOVED else " yet"
        return [
            Part(f"It cannot be told{yet}. ", True),
            Part(
                f"Between {to_words(low, high).replace(' to ', ' and ')} contacts avoided {since}"
            ),
            Part(f" (95{NARROW}%), {_doubt(found.doubt)}."),
        ]
    if found.verdict is Verdict.NO_CHANGE:
        return [
            Part("No change can be shown. ", True),
            Part(
                f"Between {to_words(low, high).replace(' to ', ' and ')} contacts avoided {since}"
            ),
            Part(f" (95{NARROW}%); zero is in that range."),
        ]
    if found.verdict is Verdict.ROSE:
        return _ended_apart(
            -high, -middle, -low, f"more contacts came {since} than expected", found
        )
    if found.displacement is Displacement.MOVED and found.net is not None:
        return [
            Part("The contacts moved to themes beside it. ", True),
            Part(
                f"{to_words(low, high)} fewer came {on_themes(found.n_themes)} {since} "
                f"(95{NARROW}%), but over them together "
                f"{to_words(found.net.low, found.net.high)} were avoided: {_no_fall(found.net)}."
            ),
        ]
    return _ended_apart(low, middle, high, f"contacts avoided {since}", found)


def _no_fall(net: Range) -> str:
    if net.low > 0:
        return "too few for chance to be ruled out as surely as a look asks"
    return "no fall can be shown"


def _ended_apart(low: float, middle: float, high: float, what: str, found: Finding) -> list[Part]:
    share = middle / found.expected if found.expected > 0 else 0.0
    more = " more than" if found.verdict is Verdict.ROSE else " of"
    return [
        Part("At least "),
        Part(contacts(low), True),
        Part(f" and most likely {contacts(middle)} {what} (95{NARROW}%: {to_words(low, high)}), "),
        Part(per_cent(share), True),
        Part(f"{more} the {contacts(found.expected)} expected."),
    ]


def _doubt(doubt: Doubt) -> str:
    """Return what speaks against claiming it, as the second half of a sentence."""
    if doubt.kind is DoubtKind.CHANCE:
        return "and chance has not been ruled out"
    if doubt.kind is DoubtKind.MANY_LOOKS and doubt.q_value is not None:
        return (
            "but it was judged among other looks, and of what they would claim together "
            f"{_above(doubt.q_value)} would be chance; more than {per_cent(LOOK_Q)} is not "
            "claimed"
        )
    return f"but {why_not(doubt)}"


def _above(q_value: float) -> str:
    """Write a share of chance that is more than allowed, so that it never reads like what is."""
    said, allowed = per_cent(q_value), per_cent(LOOK_Q)
    return f"just over {allowed}" if said == allowed else said


def why_not(doubt: Doubt) -> str:
    """Say in half a sentence why a verdict is inconclusive."""
    if doubt.kind is DoubtKind.OTHERS_MOVED:
        return (
            "something else may have happened as well: "
            f"{moved_words(doubt.moved, doubt.tried)} on the same date"
        )
    if doubt.kind is DoubtKind.CHANCE:
        return "chance has not been ruled out"
    if doubt.kind is DoubtKind.MANY_LOOKS:
        return "too much of what so many looks would claim together would be chance"
    if doubt.kind is DoubtKind.OWN_HISTORY:
        return f"its own history alone says {doubt.alone.replace('_', ' ')}"
    if doubt.kind is DoubtKind.MAY_HAVE_MOVED:
        return (
            "the contacts may have moved: a theme beside it, unusually busy or quiet right before, "
            "may have got more than it would have without the change"
        )
    return "it is not clear enough to be claimed"


def moved_words(moved: int, tried: int) -> str:
    """Say how many unaffected themes moved, of those that were tried."""
    return f"{moved} of {tried} unaffected themes moved"


def support(found: Finding) -> list[str]:
    """Return the sentences below the answer: what came, against the plan, against chance."""
    if found.verdict is Verdict.TOO_EARLY:
        return []
    if found.verdict is Verdict.NOT_ENOUGH_DATA:
        # what was expected would be read as a claim, and its range is not shown
        return [f"{found.observed:,} came."]
    said = [
        f"{found.observed:,} came; {contacts(found.expected)} were expected without the change."
    ]
    if found.displacement is Displacement.MOVED:
        said.append("So this fall is not counted as a success.")
    elif found.verdict in (Verdict.FELL, Verdict.NO_CHANGE, Verdict.INCONCLUSIVE):
        said += _against_plan(found)
    if found.verdict in (Verdict.FELL, Verdict.ROSE):
        said.append(f"Chance alone would show a gap this large in {chance(found.p_value)}.")
    elif found.could_have_seen is not None and _rests_on_size(found):
        said.append(
            f"A change of {per_cent(found.could_have_seen)} or more would have been noticed in "
            "four cases of five."
        )
    return said


def _rests_on_size(found: Finding) -> bool:
    """Return whether a larger change would have been told: only its size was in the way."""
    if found.verdict is Verdict.INCONCLUSIVE:
        return found.doubt.kind in (DoubtKind.CHANCE, DoubtKind.NOT_TOLD)
    return found.verdict is Verdict.NO_CHANGE


def _against_plan(found: Finding) -> list[str]:
    """Hold the range against the smallest drop worth having; only a fall is ever that at least."""
    worth = found.smallest_drop
    if worth is None or found.expected <= 0 or found.doubt.kind is DoubtKind.OTHERS_MOVED:
        return []
    wanted = f"{per_cent(worth)} worth having ({contacts(worth * found.expected)} contacts)"
    if found.verdict is Verdict.FELL and found.avoided.low >= worth * found.expected:
        return [f"The fall is at least the {wanted}."]
    if found.avoided.high < worth * found.expected:
        return [f"A fall of the {wanted} can be ruled out."]
    if found.verdict is Verdict.FELL:
        return [f"Whether it reaches the {wanted} is still open."]
    return [f"A fall of the {wanted} cannot be ruled out."]


def chance(p_value: float) -> str:
    """Write a probability as people say it: "about 1 of 40 quiet periods"."""
    if p_value < 0.001:
        return "fewer than 1 of 1,000 quiet periods"
    if p_value > 0.3:
        return f"{per_cent(p_value)} of quiet periods"
    return f"about 1 of {round(1 / p_value):,} quiet periods"


def _first(reasons: tuple[str, ...]) -> str:
    return " ".join(reasons) or "Too few contacts came to tell a change from chance."


CHECK_TITLES: dict[str, str] = {
    "controls": "Unaffected themes.",
    "many_looks": "Many looks at once.",
    "family": "What the fix touches.",
    "newborn": "Themes that began lately.",
    "spill": "Did they go elsewhere?",
    "channels": "Other channels.",
    "together": "Other fixes of the same theme.",
    "other_fixes": "Other fixes.",
    "lately": "Does it still hold?",
    "stages": "Roll-out in stages.",
    "own_history": "Its own history.",
    "repeat_rate": "Repeats.",
    "smallest_drop": "Worth having.",
    "regression_to_mean": "Back to normal.",
    "few_days": "A few days.",
    "earlier_trend": "The trend before.",
    "holidays": "Holidays.",
    "data_gaps": "Missing days.",
    "driver_volume": "Driver volume.",
}
"""What each check is about, in a word or three."""
