"""Charts drawn on the server: days from left to right, contacts from the foot upwards."""

from __future__ import annotations

from datetime import date, timedelta

from closedloop.web.impact_drawing import (
    BOTTOM,
    LEFT,
    TOP,
    WIDE,
    draw_impact,
    draw_residuals,
    draw_running,
)

FIRST, LIVE = date(2026, 1, 20), date(2026, 3, 3)
DAYS = [FIRST + timedelta(days=n) for n in range(60)]


def chart(**values):
    return {
        "days": DAYS,
        "observed": [30 if on < LIVE else 20 for on in DAYS],
        "expected": [30.0] * 60,
        "low": [-4.0] * 60,
        "high": [40.0] * 60,
        "go_live": LIVE,
        "go_live_label": "Live 3 Mar",
        "counted_from": LIVE + timedelta(days=3),
        "not_counted": [],
        "looks": [{"day": LIVE + timedelta(days=16), "label": "Look 1"}],
        **values,
    }


def points(text):
    return [tuple(map(float, pair.split(","))) for pair in text.split()]


def test_days_go_from_edge_to_edge_and_more_contacts_stand_higher():
    drawn = draw_impact(chart())
    line = points(drawn.line)

    assert (line[0][0], line[-1][0]) == (LEFT, WIDE - 8)
    assert all(TOP <= y <= BOTTOM for _, y in [*line, *points(drawn.band)])
    assert drawn.dots[0][1] < drawn.dots[-1][1]  # 30 above 20; y grows downwards
    assert [tick.label for tick in drawn.values] == ["0", "10", "20", "30", "40"]
    assert drawn.zero is None  # no day brings fewer than no contacts


def test_the_gap_is_shaded_from_the_first_counted_day_on_and_the_roll_out_is_hatched():
    drawn = draw_impact(chart())
    live, look = drawn.marks

    assert (live.label, live.kind, look.kind) == ("Live 3 Mar", "live", "look")
    ((begin, width),) = drawn.hatched
    assert begin == live.at
    assert min(x for x, _ in points(drawn.gap)) == begin + width


def test_a_change_at_once_has_nothing_hatched():
    assert draw_impact(chart(counted_from=LIVE)).hatched == ()


def test_a_day_that_is_not_counted_is_hatched_and_no_gap_is_shaded_on_it():
    gap = LIVE + timedelta(days=9)
    observed = [0 if on == gap else 20 for on in DAYS]
    drawn = draw_impact(chart(observed=observed, counted_from=LIVE, not_counted=[gap]))

    heights = {}
    for x, y in points(drawn.gap):
        heights.setdefault(x, set()).add(y)
    ((begin, width),) = drawn.hatched

    assert {x for x, found in heights.items() if len(found) == 1} == {begin}
    assert 0 < width < 20
    assert drawn.dots[DAYS.index(gap)] == (begin, BOTTOM)  # what came still stands there


def test_marks_that_are_too_near_keep_their_line_without_words():
    looks = [{"day": LIVE + timedelta(days=n), "label": f"Look {n}"} for n in (1, 2, 17)]

    labels = [mark.label for mark in draw_impact(chart(looks=looks)).marks]

    assert labels == ["Live 3 Mar", "", "", "Look 17"]


def test_running_totals_below_zero_show_where_zero_is():
    days = DAYS[:20]
    drawn = draw_running(
        {
            "days": days,
            "low": [-5.0 * n for n in range(20)],
            "middle": [2.0 * n for n in range(20)],
            "high": [9.0 * n for n in range(20)],
            "looks": [],
        }
    )

    assert TOP < drawn.zero < BOTTOM
    assert points(drawn.line)[-1][1] < drawn.zero
    assert len(drawn.months) in (2, 3)  # single days, as no two months begin


def test_residuals_lie_around_zero():
    values = [-10.0 if on >= LIVE else 1.0 for on in DAYS]
    drawn = draw_residuals(chart(values=values, low=[-8.0] * 60, high=[8.0] * 60))

    assert {y for _, y in points(drawn.line)} == {drawn.zero}
    assert drawn.dots[-1][1] > drawn.zero


def test_a_residual_that_is_not_known_is_not_drawn():
    values = [None if n == 50 else 1.0 for n in range(60)]
    drawn = draw_residuals(chart(values=values, not_counted=[DAYS[50]]))

    assert len(drawn.dots) == 59


def test_a_single_day_is_not_joined():
    empty = {name: [] for name in ("days", "observed", "expected", "low", "high")}

    assert draw_impact(chart(**empty)) is None
