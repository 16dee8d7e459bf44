"""What else could explain a number: the checks that stand beside every measurement."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from closedloop.domain.impact import (
    LATELY_DAYS,
    LOOK_Q,
    WARN_FROM_MOVED,
    Check,
    CheckState,
    Displacement,
    Verdict,
)
from closedloop.domain.impact_judging import CLAIMS, Lately
from closedloop.domain.impact_stages import stages_in_words
from closedloop.domain.impact_words import how_many, per_cent, spelt
from closedloop.services.impact_around import Surroundings, signed
from closedloop.services.impact_estimates import Estimates
from closedloop.services.impact_few_days import check_few_days
from closedloop.services.impact_moves import (
    check_channels,
    check_family,
    check_other_fixes,
    check_spill,
    check_together,
    joined_reasons,
    moved_reasons,
    open_reasons,
)
from closedloop.services.impact_newborn import check_newborn
from closedloop.services.impact_regression import check_regression
from closedloop.services.impact_trend import check_trend

REPEATS_ROSE = 0.05  # points
FEWEST_REPEATS = 30  # contacts on either side before two rates are compared

_TOO_LITTLE_HISTORY = "Not enough history:"  # how the method begins to say so

_OK, _WARN, _OFF = CheckState.OK, CheckState.WARN, CheckState.OFF


def list_checks(estimates: Estimates, around: Surroundings) -> list[Check]:
    """Return every check with its sentence, those that could not be made included."""
    missing = [(day - around.first_day).days for day in around.empty.before]
    is_claimed = estimates.verdict in CLAIMS
    return [
        _controls(estimates),
        *_many_looks(estimates),
        *check_family(estimates, around),
        *check_newborn(around.newborn),
        check_spill(estimates, around),
        check_channels(estimates),
        _repeat_rate(around),
        *check_together(around),
        check_other_fixes(around),
        _own_history(estimates),
        check_regression(
            around.before,
            gap_days=estimates.own.gap_days,
            gap_is_low=estimates.own.low_stayed is not None,
            avoided=estimates.own.avoided,
            missing=missing,
            is_claimed=is_claimed,
        ),
        *check_few_days(
            estimates.own, around.since, verdict=estimates.verdict, go_live=_go_live(around)
        ),
        check_trend(
            around.before,
            avoided=estimates.own.avoided,
            missing=missing,
            is_claimed=is_claimed,
        ),
        *_lately(estimates),
        _smallest_drop(estimates, around),
        *_stages(estimates, around),
        _holidays(around),
        _driver_volume(estimates, around),
        *_data_gaps(around),
    ]


def _go_live(around: Surroundings) -> date:
    return around.first_day + timedelta(days=len(around.before))


def list_reasons(estimates: Estimates, around: Surroundings) -> list[str]:
    """Return the reasons for a verdict: what must be said first, then the method's own."""
    return [
        *moved_reasons(estimates, around),
        *_withheld(estimates),
        *open_reasons(estimates, around),
        *joined_reasons(around),
        *_own_reasons(estimates, around),
    ]


def _own_reasons(estimates: Estimates, around: Surroundings) -> Iterator[str]:
    """Yield the method's own reasons, as far as they fit what it cannot know."""
    # a sentence that makes the claim would contradict the one that withholds it
    takes_back = estimates.is_withheld or estimates.displacement is Displacement.OPEN
    for sentence in estimates.own.reasons[1 if takes_back else 0 :]:
        is_of_history = sentence.startswith(_TOO_LITTLE_HISTORY)
        yield _young(estimates, around) if around.is_young and is_of_history else sentence


def _young(estimates: Estimates, around: Surroundings) -> str:
    """Say why a theme that began only lately has too little history; an import brings none."""
    own, days = estimates.own, len(around.before)
    needed = own.n_pre + (own.history_needed or 0)
    name = around.theme.name if len(around.touched) < 2 else "the themes that it touches"
    came = f"No contact about {name} came before the change"
    if sum(around.before):
        came = (
            f"The first contact about {name} came {days} {'day' if days == 1 else 'days'} before "
            f"the change, on {spelt(around.first_day)}"
        )
    return (
        f"{came}, and {needed} days of contacts are needed to say what would have come without "
        f"it. Waiting does not help: unless older contacts about {name} are still to be imported, "
        "this change cannot be judged."
    )


def _withheld(estimates: Estimates) -> list[str]:
    if not estimates.is_withheld or estimates.q_value is None:
        return []
    side = "fewer" if estimates.own.avoided > 0 else "more"
    number = len(estimates.judged_with or ())
    return [
        f"Alone, this look would say that {side} contacts came "
        f"({_p_words(estimates.own.p_value)}). It was judged together with {number} other "
        f"{'look' if number == 1 else 'looks'}, and "
        f"among what would have to be claimed with it {_q_words(estimates.q_value)} would be "
        f"chance; more than {LOOK_Q:.0%} is not claimed. The next look tells more."
    ]


def _p_words(p_value: float) -> str:
    return "p below 0.001" if p_value < 0.001 else f"p = {p_value:.3f}"


def _q_words(q_value: float) -> str:
    """Write a q-value; one just above the limit is never rounded to it."""
    if q_value > LOOK_Q and f"{q_value:.0%}" == f"{LOOK_Q:.0%}":
        return f"just over {LOOK_Q:.0%}"
    return "under 1%" if q_value < 0.005 else f"about {q_value:.0%}"


def _controls(estimates: Estimates) -> Check:
    own = estimates.own
    if own.share_of_controls_moved is None and own.n_post <= 0:
        sentence = "No day is counted yet, so whether unaffected themes moved, too, cannot be told."
        return Check("controls", _OFF, sentence)
    if own.share_of_controls_moved is None:
        sentence = (
            "No unaffected theme has contacts enough to tell whether something else happened."
        )
        return Check("controls", _OFF, sentence)
    moved = round(own.share_of_controls_moved * own.controls_tried)
    sentence = f"{moved} of {own.controls_tried} unaffected themes moved on the same date."
    if own.share_of_controls_moved > WARN_FROM_MOVED:
        return Check("controls", _WARN, f"{sentence} Something else may have happened as well.")
    return Check("controls", _OK, sentence)


def _many_looks(estimates: Estimates) -> list[Check]:
    """Say how the look stands among those judged with it; nothing where it stood alone."""
    if estimates.q_value is None or not estimates.judged_with:
        return []
    number = len(estimates.judged_with or ())
    sentence = (
        f"It was judged together with {number} other {'look' if number == 1 else 'looks'}: among "
        f"everything claimed down to this one, {_q_words(estimates.q_value)} would be chance."
    )
    if estimates.is_withheld:
        return [Check("many_looks", _WARN, f"{sentence} More than {LOOK_Q:.0%} is not claimed.")]
    return [Check("many_looks", _OK, sentence)]


def _lately(estimates: Estimates) -> list[Check]:
    """Say whether the fall stands in the newest days; nothing where it is too young to ask."""
    lately, still = estimates.lately, estimates.still
    if lately is None or still is None:
        return []
    between = f"between {signed(lately.avoided_low)} and {signed(lately.avoided_high)} contacts"
    days = f"In the last {LATELY_DAYS} days alone"
    if still is Lately.STANDS:
        return [Check("lately", _OK, f"{days} {between} were avoided: the fall still stands.")]
    if still is Lately.GONE:
        sentence = (
            f"{days} {between} were avoided: no fall shows any more, and one of the size worth "
            "having is ruled out."
        )
        return [Check("lately", _WARN, sentence)]
    sentence = f"{days} {between} were avoided: whether the fall still stands cannot be told."
    return [Check("lately", _WARN, sentence)]


def _stages(estimates: Estimates, around: Surroundings) -> list[Check]:
    """Say how far the change had reached; nothing where it reached all at once."""
    if not around.stages:
        return []
    sentence = f"It was rolled out in stages: {stages_in_words(around.stages)}."
    reached = estimates.own.reached
    if reached is None:
        return [Check("stages", _OK, sentence)]
    sentence += f" Over the counted days it had reached {per_cent(reached.share)} of customers; "
    if reached.drop_low > 1:
        sentence += "more fell than all of their contacts, so something else fell as well."
        return [Check("stages", _WARN, sentence)]
    ends = f"{per_cent(reached.drop_low)} to {per_cent(reached.drop_high)}"
    return [Check("stages", _OK, f"{sentence}of their contacts {ends} were avoided.")]


def _driver_volume(estimates: Estimates, around: Surroundings) -> Check:
    driver = around.driver
    if driver is None:
        sentence = (
            "No driver volume (orders, customers, bills) was chosen in the plan, so contacts are "
            "not held against one."
        )
        return Check("driver_volume", _OFF, sentence)
    if not driver.is_used:
        sentence = (
            f"“{driver.name}” has no volume on {driver.missing} of the {driver.days} days read, "
            "so contacts are not held against it. Import the missing days and measure again."
        )
        return Check("driver_volume", _WARN, sentence)
    sentence = f"Contacts are held against “{driver.name}”"
    if (rate := estimates.own.rate) is not None:
        sentence += (
            f": {_per_thousand(rate.observed)} contacts for 1,000 came, "
            f"{_per_thousand(rate.expected_low)} to {_per_thousand(rate.expected_high)} were "
            "expected without the change"
        )
    missing = (
        f" {how_many(driver.missing, 'day')} without a volume "
        f"{'is' if driver.missing == 1 else 'are'} not counted."
        if driver.missing
        else ""
    )
    return Check("driver_volume", _WARN if driver.missing else _OK, f"{sentence}.{missing}")


def _per_thousand(rate: float) -> str:
    return f"{rate * 1_000:,.4g}"


def _own_history(estimates: Estimates) -> Check:
    own, alone = estimates.own, estimates.own.own_history
    if alone is None:
        sentence = "There is no comparison: the estimate is the theme's own history alone."
        return Check("own_history", _OFF, sentence)
    if own.verdict.value in (Verdict.TOO_EARLY.value, Verdict.NOT_ENOUGH_DATA.value):
        sentence = "There is no verdict yet that the theme's own history alone could contradict."
        return Check("own_history", _OFF, sentence)
    said = alone.verdict.replace("_", " ")
    if alone.verdict is own.verdict:
        sentence = f"The theme's own history alone says the same: {said}."
        return Check("own_history", _OK, sentence)
    sentence = (
        f"The theme's own history alone says {said}: "
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
    if estimates.displacement is Displacement.MOVED:
        sentence = (
            "The contacts moved to themes beside it, so what fell here alone is not held against "
            "the drop that was worth having."
        )
        return Check("smallest_drop", _OFF, sentence)
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
    number = len(around.holidays)
    sentence = (
        f"{number} public holidays of {around.country} are taken into account, {since} of them "
        "since the change."
    )
    if number == 1:
        when = "since" if since else "before"
        sentence = f"1 public holiday of {around.country} is taken into account, {when} the change."
    return Check("holidays", _OK, sentence)


def _data_gaps(around: Surroundings) -> list[Check]:
    """Say which days have no contact of any theme; nothing where there is none."""
    empty, said = around.empty, []
    if empty.since:
        said.append(
            f"{_empty(empty.since, 'since')}, as if an import were missing: not counted. Once it "
            "is there, the next measurement counts them."
        )
    if empty.before:
        said.append(f"{_empty(empty.before, 'before')}: not counted.")
    if empty.counted:
        said.append(
            f"{_empty(empty.counted, 'since')}, as such days had at times before: counted. If an "
            "import is missing, the number is too good."
        )
    return [Check("data_gaps", _WARN, " ".join(said))] if said else []


def _empty(days: Sequence[date], when: str) -> str:
    if len(days) == 1:
        return f"1 day {when} the change, {spelt(days[0])}, holds no contact of any theme"
    return (
        f"{len(days)} days {when} the change, the first on {spelt(days[0])}, hold no contact of "
        "any theme"
    )
