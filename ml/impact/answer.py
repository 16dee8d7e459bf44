"""From numbers to a verdict and the sentences that go with it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from math import ceil
from statistics import NormalDist

from ml.impact.types import Verdict

LEAST_POST_DAYS = 14
LEAST_PRE_DAYS = 60
LEAST_EXPECTED = 30.0  # contacts
MOST_CONTROLS_MOVED = 0.20  # share of unaffected themes above which nothing is claimed
LEAST_CONTROLS_MOVED = 2  # one theme alone moves by chance
LOW_SENSITIVITY = 0.50  # a look that only sees falls larger than this sees little
POWER = 0.80
LONGEST_WAIT = 730  # days; a theme that needs more is too small to be judged by itself
ENDLESS = 1e6  # days
LEAST_PACE = 0.01  # contacts a day that are told as a number
HALF_A_CONTACT = 0.5  # counts are whole: a range that ends nearer to zero than this holds it


@dataclass(frozen=True)
class Finding:
    """The numbers a verdict rests on; see `ImpactEstimate` for their meaning.

    `moved` of `tried` unaffected themes moved on the same date. `expected_a_day` are the
    contacts expected on a counted day after the change; `n_days` days, counted or not, were
    handed in from `first_day` on.
    """

    observed: int
    expected: float
    avoided_low: float
    avoided_high: float
    p_value: float
    could_have_seen: float
    n_pre: int
    n_post: int
    moved: int = 0
    tried: int = 0
    alpha: float = 0.05
    level: float = 0.95
    expected_a_day: float = 0.0
    first_day: date | None = None
    n_days: int = 0

    @property
    def avoided(self) -> float:
        """Expected minus observed."""
        return self.expected - self.observed


@dataclass(frozen=True)
class Needs:
    """What is missing before a verdict can be given; None where nothing is.

    Attributes
    ----------
    days : int or None
        Days still to be counted after the change, at the contacts a day expected now; None,
        too, when no contacts are expected at all.
    contacts : int or None
        Contacts still to be expected after the change.
    history : int or None
        Counted days missing before the change; waiting does not bring them.
    """

    days: int | None = None
    contacts: int | None = None
    history: int | None = None


def list_needs(finding: Finding) -> Needs:
    """Say what too_early and not_enough_data are waiting for; nothing for other verdicts."""
    if decide(finding) not in (Verdict.TOO_EARLY, Verdict.NOT_ENOUGH_DATA):
        return Needs()
    days = max(LEAST_POST_DAYS - finding.n_post, 0)
    contacts = ceil(max(LEAST_EXPECTED - finding.expected, 0.0))
    if contacts and finding.expected_a_day > 0:
        lacking = (LEAST_EXPECTED - finding.expected) / finding.expected_a_day
        days = max(days, ceil(min(lacking, ENDLESS)))
    history = max(LEAST_PRE_DAYS - finding.n_pre, 0)
    return Needs(days or None, contacts or None, history or None)


def visible_share(sd: float, alpha: float) -> float:
    """Smallest true change, as a share, that a look would notice in four cases of five.

    2.8 sd at alpha .05; a stricter look needs more. Never above 1.
    """
    normal = NormalDist()
    return min(1.0, (normal.inv_cdf(1 - alpha / 2) + normal.inv_cdf(POWER)) * sd)


def decide(finding: Finding) -> Verdict:
    """Apply the answer rules, in the order in which they silence each other."""
    if finding.n_post < LEAST_POST_DAYS:
        return Verdict.TOO_EARLY
    if finding.n_pre < LEAST_PRE_DAYS or finding.expected < LEAST_EXPECTED:
        return Verdict.NOT_ENOUGH_DATA
    if are_many(finding.moved, finding.tried):
        return Verdict.INCONCLUSIVE
    side = _side(finding)
    if side is Verdict.NO_CHANGE or finding.p_value < finding.alpha:
        return side
    return Verdict.INCONCLUSIVE


def explain(finding: Finding) -> tuple[str, ...]:
    """Say why, the verdict's own sentence first."""
    verdict = decide(finding)
    if verdict is Verdict.TOO_EARLY:
        return (_too_early(finding), *_too_little(finding, final=False))
    if verdict is Verdict.NOT_ENOUGH_DATA:
        return _too_little(finding, final=True)
    if verdict is Verdict.NO_CHANGE:
        return (_no_change(finding), _sensitivity(finding))
    if verdict is Verdict.INCONCLUSIVE:
        return (_unsure(finding), _balance(finding))
    return (_at_least(finding), _balance(finding))


def are_many(moved: int, tried: int) -> bool:
    """Return whether so many unaffected themes moved that something else may have happened."""
    return moved >= LEAST_CONTROLS_MOVED and moved > MOST_CONTROLS_MOVED * tried


def _side(finding: Finding) -> Verdict:
    """Which side of zero the range lies on."""
    if finding.avoided_low > HALF_A_CONTACT:
        return Verdict.FELL
    if finding.avoided_high < -HALF_A_CONTACT:
        return Verdict.ROSE
    return Verdict.NO_CHANGE


def _too_early(finding: Finding) -> str:
    days = LEAST_POST_DAYS - finding.n_post
    whole = list_needs(finding).days or days
    found = (
        f"Too early to say: {_days(finding.n_post)} counted since the change, "
        f"{LEAST_POST_DAYS} are needed: {days} more{_until(finding, days)}."
    )
    contacts = list_needs(finding).contacts
    if contacts and (whole > days or finding.expected_a_day <= 0):
        pace = _pace(finding)
        unit = "contact" if pace == "1" else "contacts"
        are = "is" if contacts == 1 else "are"
        found += (
            f" At {pace} {unit} a day, the {contacts} that {are} still needed {_wait(finding)}."
        )
    return found


def _too_little(finding: Finding, *, final: bool) -> tuple[str, ...]:
    found = []
    if finding.n_pre < LEAST_PRE_DAYS:
        found.append(
            f"Not enough history: {_days(finding.n_pre)} counted before the change, "
            f"{LEAST_PRE_DAYS} are needed. Waiting does not help: contacts of "
            f"{_more_days(LEAST_PRE_DAYS - finding.n_pre)}{_before(finding)} have to be imported."
        )
    if final and finding.expected < LEAST_EXPECTED:
        # to a tenth, rounded down, so that 29.97 never reads as "30 are needed, 30 expected"
        expected = int(finding.expected * 10) / 10
        found.append(
            f"Too few contacts: {expected:g} were expected without the change, at least "
            f"{LEAST_EXPECTED:.0f} are needed to tell a change from chance; at "
            f"{_pace(finding)} a day, {list_needs(finding).contacts} more {_wait(finding)}."
        )
    return tuple(found)


def _pace(finding: Finding) -> str:
    a_day = finding.expected_a_day
    return f"{a_day:.2g}" if a_day >= LEAST_PACE else f"less than {LEAST_PACE}"


def _wait(finding: Finding) -> str:
    """How long the contacts that are needed take, from a verb on."""
    needs = list_needs(finding)
    days, take = needs.days, "takes" if needs.contacts == 1 else "take"
    if days is None or days > LONGEST_WAIT or finding.expected_a_day <= 0:
        return f"{take} more than two years, so the theme is too small to be judged by itself"
    return f"{take} about {_more_days(days)}{_until(finding, days)}"


def _until(finding: Finding, days: int) -> str:
    if finding.first_day is None:
        return ""
    return f", until about {spelt(finding.first_day + timedelta(finding.n_days - 1 + days))}"


def _before(finding: Finding) -> str:
    return "" if finding.first_day is None else f" before {spelt(finding.first_day)}"


def _unsure(finding: Finding) -> str:
    if are_many(finding.moved, finding.tried):
        return (
            f"{finding.moved} of {finding.tried} themes that the change does not touch moved "
            "on the same date as well, so something else may have happened, and the change "
            "cannot be told apart from it."
        )
    direction = "Fewer" if _side(finding) is Verdict.FELL else "More"
    came, asked = _apart(finding.p_value, finding.alpha)
    return (
        f"{direction} contacts came than expected, but not clearly enough to call it yet: "
        f"chance alone would look like this in {came} of cases, and this look asks for less than "
        f"{asked}."
    )


def _apart(p_value: float, alpha: float) -> tuple[str, str]:
    """Write both with as many decimals, 1 to 4, as it takes for them to read unlike."""
    for decimals in range(1, 5):
        said = f"{p_value:.{decimals}%}", f"{alpha:.{decimals}%}"
        if said[0] != said[1]:
            break
    return said


def _no_change(finding: Finding) -> str:
    return (
        f"No change can be shown: between {signed(finding.avoided_low)} and "
        f"{signed(finding.avoided_high)} contacts were avoided "
        f"({_percent(finding.level)} range), and none at all lies in between."
    )


def _sensitivity(finding: Finding) -> str:
    share = f"{finding.could_have_seen:.0%}"
    if finding.could_have_seen > LOW_SENSITIVITY:
        return (
            f"This theme is hard to read: only a change of {share} or more would have been "
            "noticed, so a smaller real one may hide behind chance."
        )
    return f"A change of {share} or more would have been noticed in four cases of five."


def _at_least(finding: Finding) -> str:
    if _side(finding) is Verdict.FELL:
        least, most, word = finding.avoided_low, finding.avoided_high, "fewer"
    else:
        least, most, word = -finding.avoided_high, -finding.avoided_low, "more"
    return (
        f"At least {least:,.0f} {word} contacts came than would have come without the change, "
        f"most likely {abs(finding.avoided):,.0f} "
        f"({_percent(finding.level)} range: {least:,.0f} to {most:,.0f})."
    )


def _balance(finding: Finding) -> str:
    return (
        f"{finding.expected:,.0f} contacts were expected without the change over "
        f"{_days(finding.n_post)}; {finding.observed:,} came."
    )


def _days(number: int) -> str:
    return f"{number} day" if number == 1 else f"{number} days"


def _more_days(number: int) -> str:
    return f"{number} more day" if number == 1 else f"{number} more days"


def signed(value: float) -> str:
    """Write a number of contacts with thousands and a true minus sign."""
    text = f"{abs(value):,.0f}"
    return f"−{text}" if value < 0 and text != "0" else text


def spelt(day: date) -> str:
    """Write a date as 3 March 2026."""
    return f"{day.day} {day:%B %Y}"


def _percent(level: float) -> str:
    return f"{100 * level:.3g}%"
