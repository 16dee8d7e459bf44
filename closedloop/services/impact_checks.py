"""What else could explain a number: the checks that stand beside every measurement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from closedloop.domain.impact import SHARE_MOVED, Check, CheckState, Displacement, Verdict
from closedloop.queries.series import SameThemeRepeats
from closedloop.services.impact_estimates import Estimates
from closedloop.services.impact_inputs import OtherFix, ThemeName

MOST_CONTROLS_MOVED = 0.10  # above it false claims become half as frequent again (study)
REPEATS_ROSE = 0.05  # points
FEWEST_REPEATS = 30  # contacts on either side before two rates are compared

_OK, _WARN, _OFF = CheckState.OK, CheckState.WARN, CheckState.OFF


@dataclass(frozen=True)
class Surroundings:
    """What stands around an estimate and is not part of it.

    Attributes
    ----------
    theme : ThemeName
    siblings : tuple of ThemeName
        In the order of the estimates.
    other_fixes : tuple of OtherFix
    country : str
        Code of the calendar asked for; empty is none.
    holidays : tuple of (date, str) or None
        None when there is no such calendar.
    counted_from : date
        First day after the roll-out.
    repeats_before, repeats_after : SameThemeRepeats
        7-day repeats of mature days.
    smallest_drop : float or None
        Share worth having, as planned.
    empty_days : tuple of date
        Days from go-live on without a contact of any theme.
    """

    theme: ThemeName
    siblings: tuple[ThemeName, ...]
    other_fixes: tuple[OtherFix, ...]
    country: str
    holidays: tuple[tuple[date, str], ...] | None
    counted_from: date
    repeats_before: SameThemeRepeats
    repeats_after: SameThemeRepeats
    smallest_drop: float | None
    empty_days: tuple[date, ...]


def list_checks(estimates: Estimates, around: Surroundings) -> list[Check]:
    """Return every check with its sentence, those that could not be made included."""
    checks = [
        _controls(estimates),
        _spill(estimates, around),
        _other_fixes(around),
        _own_history(estimates),
        _repeat_rate(around),
        _smallest_drop(estimates, around),
        _holidays(around),
        Check(
            "driver_volume",
            _OFF,
            "No driver volume (orders, customers, bills) is imported, so contacts are not "
            "held against it.",
        ),
    ]
    return [*checks, *_data_gaps(around)]


def first_reasons(estimates: Estimates, around: Surroundings) -> list[str]:
    """Return what must be said before the verdict's own reasons."""
    if estimates.displacement is not Displacement.MOVED or estimates.net is None:
        return []
    own, net = estimates.own, estimates.net
    return [
        f"The contacts moved: {own.avoided:,.0f} fewer came about {around.theme.name}, but more "
        f"than a fix leaves behind came about {_takers(estimates, around)}. Over the family of "
        f"{len(around.siblings) + 1} themes no fall can be shown: between "
        f"{signed(net.avoided_low)} and {signed(net.avoided_high)} contacts were avoided."
    ]


def signed(value: float) -> str:
    """Write a number of contacts with thousands and a true minus sign."""
    text = f"{abs(value):,.0f}"
    return f"−{text}" if value < 0 and text != "0" else text


def _controls(estimates: Estimates) -> Check:
    own = estimates.own
    if own.share_of_controls_moved is None:
        sentence = (
            "No unaffected theme has contacts enough to tell whether something else happened."
        )
        return Check("controls", _OFF, sentence)
    moved = round(own.share_of_controls_moved * own.controls_tried)
    sentence = f"{moved} of {own.controls_tried} unaffected themes moved on the same date."
    if own.share_of_controls_moved > MOST_CONTROLS_MOVED:
        return Check("controls", _WARN, f"{sentence} Something else may have happened as well.")
    return Check("controls", _OK, sentence)


def _spill(estimates: Estimates, around: Surroundings) -> Check:
    net = estimates.net
    if net is None:
        return Check("spill", _OFF, "No other theme is alike enough for contacts to move to it.")
    names = _listed([sibling.name for sibling in around.siblings])
    over = (
        f"Over the family, {signed(net.avoided)} contacts were avoided "
        f"(95 %: {signed(net.avoided_low)} to {signed(net.avoided_high)})."
    )
    if takers := list_takers(estimates, around.siblings):
        rose = _listed([f"{extra:,.0f} more about {sibling.name}" for sibling, extra in takers])
        return Check("spill", _WARN, f"Contacts came up beside it: {rose}. {over}")
    if estimates.displacement is Displacement.MOVED:
        return Check("spill", _WARN, f"Contacts came up across {names}. {over}")
    if estimates.displacement is Displacement.POSSIBLE:
        sentence = (
            f"No rise stands out in {names}, but together they are too noisy to rule out that "
            f"contacts moved there. {over}"
        )
        return Check("spill", _WARN, sentence)
    return Check("spill", _OK, f"No contacts moved to {names}. {over}")


def list_takers(
    estimates: Estimates, siblings: Sequence[ThemeName]
) -> list[tuple[ThemeName, float]]:
    """Return siblings that rose beyond chance or by a third of what was avoided, and by how much.

    Of a theme that avoided nothing only a rise beyond chance counts.
    """
    enough = SHARE_MOVED * estimates.own.avoided
    found = []
    for sibling, one in zip(siblings, estimates.siblings, strict=True):
        extra = -one.avoided
        if one.verdict.value == Verdict.ROSE.value or (enough > 0 and extra > enough):
            found.append((sibling, extra))
    return found


def _takers(estimates: Estimates, around: Surroundings) -> str:
    takers = list_takers(estimates, around.siblings)
    if takers:
        return _listed([f"{sibling.name} (+{extra:,.0f})" for sibling, extra in takers])
    return _listed([sibling.name for sibling in around.siblings]) + " together"


def _other_fixes(around: Surroundings) -> Check:
    same = [fix for fix in around.other_fixes if fix.theme_id == around.theme.id]
    if same:
        what = _listed([f"“{fix.title}” ({_spelt(fix.went_live_on)})" for fix in same])
        sentence = f"Another change to the same theme was live: {what}. Their effects add up here."
        return Check("other_fixes", _WARN, sentence)
    if around.other_fixes:
        themes = len({fix.theme_id for fix in around.other_fixes})
        sentence = (
            f"{len(around.other_fixes)} other fixes went live around it; the {themes} themes they "
            "touch are left out of the comparison."
            if len(around.other_fixes) > 1
            else "One other fix went live around it; its theme is left out of the comparison."
        )
        return Check("other_fixes", _OK, sentence)
    return Check("other_fixes", _OK, "No other fix went live around it.")


def _own_history(estimates: Estimates) -> Check:
    own, alone = estimates.own, estimates.own.own_history
    if alone is None:
        sentence = "There is no comparison: the estimate is the theme's own history alone."
        return Check("own_history", _OFF, sentence)
    if alone.verdict is own.verdict:
        return Check("own_history", _OK, "The theme's own history alone says the same.")
    sentence = (
        f"The theme's own history alone says {alone.verdict.replace('_', ' ')}: "
        f"{signed(alone.avoided_low)} to {signed(alone.avoided_high)} contacts avoided."
    )
    return Check("own_history", _WARN, sentence)


def _repeat_rate(around: Surroundings) -> Check:
    before, after = around.repeats_before, around.repeats_after
    if not before.identified or not after.identified:
        sentence = "No day since the change has had 7 days yet for a repeat to come."
        if not before.identified:
            sentence = "No day before the change has contacts with a known customer."
        return Check("repeat_rate", _OFF, sentence)
    was, now = before.repeats / before.identified, after.repeats / after.identified
    sentence = (
        f"{now:.1%} of its contacts were followed by the same theme within 7 days since the "
        f"change, {was:.1%} before."
    )
    enough = min(before.identified, after.identified) >= FEWEST_REPEATS
    state = _WARN if enough and now - was > REPEATS_ROSE else _OK
    return Check("repeat_rate", state, sentence)


def _smallest_drop(estimates: Estimates, around: Surroundings) -> Check:
    own, worth = estimates.own, around.smallest_drop
    spoken = estimates.verdict in (Verdict.FELL, Verdict.NO_CHANGE, Verdict.ROSE)
    if worth is None or own.expected <= 0 or not spoken:
        return Check(
            "smallest_drop", _OFF, "It cannot be said yet whether the drop is worth having."
        )
    low, high = own.avoided_low / own.expected, own.avoided_high / own.expected
    if low >= worth:
        sentence = f"The drop is at least the {worth:.0%} that was worth having."
        return Check("smallest_drop", _OK, sentence)
    if high < worth:
        sentence = f"The drop is smaller than the {worth:.0%} that was worth having."
        return Check("smallest_drop", _WARN, sentence)
    sentence = f"Whether the drop reaches the {worth:.0%} that was worth having is still open."
    return Check("smallest_drop", _WARN, sentence)


def _holidays(around: Surroundings) -> Check:
    if around.holidays is None:
        sentence = (
            f"There is no holiday calendar for {around.country}; set CLOSEDLOOP_HOLIDAY_COUNTRY "
            "to a code like GB or GB-ENG. A quiet public holiday may look like an effect."
        )
        return Check("holidays", _WARN, sentence)
    if not around.country:
        sentence = "No holiday calendar is set, so a quiet public holiday may look like an effect."
        return Check("holidays", _OFF, sentence)
    since = sum(day >= around.counted_from for day, _ in around.holidays)
    sentence = (
        f"{len(around.holidays)} public holidays of {around.country} are taken into account, "
        f"{since} of them since the change."
    )
    return Check("holidays", _OK, sentence)


def _data_gaps(around: Surroundings) -> list[Check]:
    if not around.empty_days:
        return []
    days = len(around.empty_days)
    sentence = (
        f"{days} {'day' if days == 1 else 'days'} since the change, the first on "
        f"{_spelt(around.empty_days[0])}, hold no contact of any theme. If an import is missing, "
        "the number is too good."
    )
    return [Check("data_gaps", _WARN, sentence)]


def _listed(names: Sequence[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def _spelt(day: date) -> str:
    return f"{day.day} {day:%B %Y}"
