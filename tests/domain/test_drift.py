"""When a definition ages: the rule, at its edges."""

from __future__ import annotations

from datetime import date, timedelta

from closedloop.domain.drift import Watched, monday_of, watch

BEGAN = date(2026, 1, 5)  # a Monday


def weeks(base, late, gap=0):
    """Return 13 weeks of `base` (a list is repeated), a gap, and the weeks of `late`."""
    pattern = base if isinstance(base, list) else [base]
    values = [pattern[n % len(pattern)] for n in range(13)] + [None] * gap + list(late)
    return [
        (BEGAN + timedelta(weeks=n), value) for n, value in enumerate(values) if value is not None
    ]


def judge(base, late, gap=0):
    found = weeks(base, late, gap)
    return watch(found, began=BEGAN, last_day=found[-1][0] + timedelta(days=6))


def test_a_fall_of_more_than_five_points_and_three_errors_is_ageing():
    seen = judge([0.78, 0.80, 0.82], [0.70, 0.70, 0.70, 0.70])
    assert seen.is_aged is True
    assert round(seen.before, 3) == 0.798
    assert round(seen.lately, 3) == 0.700


def test_a_fall_of_five_points_or_less_is_not_however_sure():
    assert judge(0.80, [0.751] * 4).is_aged is False
    assert judge(0.80, [0.749] * 4).is_aged is True


def test_a_fall_within_three_errors_is_not_however_large():
    # 13 weeks that differ by .1 around .75: three errors are .17 or so.
    wide = [0.65, 0.85]
    assert judge(wide, [0.63] * 4).is_aged is False
    assert judge(wide, [0.50] * 4).is_aged is True


def test_only_the_last_four_weeks_speak():
    assert judge(0.80, [0.40] * 6 + [0.80] * 4).is_aged is False
    assert judge(0.80, [0.80] * 6 + [0.40] * 4).is_aged is True


def test_only_the_thirteen_weeks_after_it_began_are_the_measure():
    before = [(BEGAN - timedelta(weeks=n), 0.2) for n in range(1, 30)]
    found = before + weeks(0.80, [0.70] * 4)
    last_day = BEGAN + timedelta(weeks=17, days=-1)
    assert watch(found, began=BEGAN, last_day=last_day) == judge(0.80, [0.70] * 4)


def test_a_week_that_has_not_ended_does_not_count():
    found = [*weeks(0.80, [0.80] * 4), (BEGAN + timedelta(weeks=17), 0.1)]
    for days in (0, 5):
        last_day = BEGAN + timedelta(weeks=17, days=days)
        assert watch(found, began=BEGAN, last_day=last_day).lately == 0.80


def test_too_few_weeks_say_nothing():
    assert judge(0.80, []) == Watched(None)
    assert judge(0.80, [0.1, 0.1]) == Watched(None)
    assert judge(0.80, [0.1, 0.1, 0.1]).is_aged is True
    few = weeks(0.80, [0.1] * 4)[6:]
    assert watch(few, began=BEGAN, last_day=few[-1][0] + timedelta(days=6)) == Watched(None)


def test_a_definition_that_began_in_mid_week_is_measured_from_the_next_monday():
    odd = [(BEGAN, 0.0), *weeks(0.80, [0.80] * 5)[1:]]
    last_day = odd[-1][0] + timedelta(days=6)
    seen = watch(odd, began=BEGAN + timedelta(days=2), last_day=last_day)
    assert seen.before == 0.80


def test_monday_is_the_first_day_of_the_week():
    assert monday_of(date(2026, 1, 11)) == BEGAN
    assert monday_of(BEGAN) == BEGAN
