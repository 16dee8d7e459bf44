"""The table of metrics: words, windows, goals, and what may be shown."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from closedloop.domain.contacts import WINDOWS, window_for
from closedloop.domain.errors import NotFound
from closedloop.domain.metric_formulas import Value
from closedloop.domain.metric_table import METRICS, get_metric
from closedloop.domain.metrics import WINDOWED, Better, Unit, is_goal, show, show_all
from closedloop.models.rollups import RollupFigures

ADDED_BY_SCOPES = {
    *("volume", "days", "days_with_volume", "judged", "failure", "priced", "pence", "customers"),
}


def value(part: int, whole: int, small: tuple[int, ...] = ()) -> Value:
    return Value(part / whole if whole else None, part, whole, whole, "", small or (part,))


def test_every_metric_has_words_and_columns_of_its_own():
    keys = [metric.key for metric in METRICS]
    assert len(set(keys)) == len(keys) == 26
    assert len({metric.name for metric in METRICS}) == 26
    columns = set(RollupFigures.__annotations__) | ADDED_BY_SCOPES
    for metric in METRICS:
        assert re.fullmatch(r"[a-z0-9_]{3,40}", metric.key)
        for window in WINDOWS:
            assert set(metric.columns(window).values()) <= columns, metric.key
            words = metric.rule_in_words(window)
            assert "{" not in words
            assert words.endswith(".")
            if metric.needs_window:
                assert metric.window(window).label in words
        assert metric.needs_window is bool(WINDOWED & set(metric.counts))
        assert ("whose" in metric.rule and "stay out" in metric.rule) or not metric.matures


def test_a_metric_can_be_computed_from_counts_of_nothing_and_then_says_why():
    for metric in METRICS:
        found = metric.compute(dict.fromkeys(metric.counts, 0))
        assert (found.value is None) is bool(found.why), metric.key
        assert found.value in (None, 0.0)


def test_a_metric_that_nobody_knows_is_not_found():
    with pytest.raises(NotFound, match="no metric magic"):
        get_metric("magic")


def test_a_fixed_window_stays_whatever_is_asked():
    metric = get_metric("resolution_team_repeats")
    assert metric.columns(window_for("30d"))["any"] == "any_7d"
    assert metric.goal_window(window_for("30d")) == "7d"
    assert get_metric("csat").goal_window(window_for("30d")) == ""


def test_a_goal_is_met_on_its_good_side():
    assert get_metric("repeat_rate_any").meets(0.15, 0.15)
    assert not get_metric("repeat_rate_any").meets(0.16, 0.15)
    assert get_metric("csat").meets(0.9, 0.8)
    assert not get_metric("csat").meets(0.7, 0.8)
    assert get_metric("aht").better is Better.NEITHER


@pytest.mark.parametrize(
    ("unit", "goal", "fits"),
    [
        (Unit.SHARE, 1.0, True),
        (Unit.SHARE, 1.01, False),
        (Unit.SHARE, float("nan"), False),
        (Unit.POINTS, -100, True),
        (Unit.SCORE, 0.5, False),
        (Unit.SECONDS, float("inf"), False),
        (Unit.PENCE, 0, True),
    ],
)
def test_a_goal_lies_where_values_can(unit, goal, fits):
    assert is_goal(unit, goal) is fits


def test_a_cell_of_fewer_than_k_shows_nothing():
    assert show(value(0, 4), Unit.SHARE, 5).state == "few"
    assert show(value(0, 4), Unit.SHARE, 5).n is None
    assert show(value(0, 5), Unit.SHARE, 5).value == 0.0
    assert show(Value(None, 0, 0, 0, "Nothing."), Unit.SHARE, 5).state == "none"


def test_a_part_below_k_shows_only_a_bound():
    under = show(value(4, 100), Unit.SHARE, 5)
    assert (under.state, under.value, under.bound) == ("under", None, 0.05)
    over = show(Value(0.97, 97, 100, 100, "", (3,)), Unit.SHARE, 5)
    assert (over.state, over.bound) == ("over", 0.95)
    assert show(value(5, 100), Unit.SHARE, 5).value == 0.05
    assert show(value(0, 100), Unit.SHARE, 5).value == 0.0
    # a bound of everything would say nothing
    assert show(value(3, 5), Unit.SHARE, 5).state == "few"


def test_a_small_count_behind_anything_but_a_share_is_hidden():
    assert show(Value(1.02, 102, 100, 102, "", (2,)), Unit.RATIO, 5).state == "few"


def test_a_lone_hidden_cell_takes_the_next_smallest_with_it():
    cells = show_all([value(20, 90), value(8, 30), value(1, 3), value(6, 20)], Unit.SHARE, 5)
    assert [cell.state for cell in cells] == ["known", "known", "few", "cover"]
    assert cells[3].n is None
    assert cells[3].value is None


def test_two_hidden_cells_cover_each_other():
    cells = show_all([value(20, 90), value(3, 3), value(2, 4)], Unit.SHARE, 5)
    assert [cell.state for cell in cells] == ["known", "few", "few"]


def test_two_hidden_cells_of_too_few_together_are_covered_as_well():
    # the total less the first is 1 + 2 contacts: three people at most
    cells = show_all([value(20, 90), value(1, 3), value(2, 4)], Unit.SHARE, 5)
    assert [cell.state for cell in cells] == ["cover", "few", "few"]
    assert cells[0].n == 90


def test_a_lone_part_below_k_is_not_the_total_less_the_others():
    cells = show_all([value(20, 90), value(3, 100), value(30, 95)], Unit.SHARE, 5)
    assert [cell.state for cell in cells] == ["cover", "under", "known"]
    assert [cell.n for cell in cells] == [90, 100, 95]


def test_many_contacts_of_few_people_are_hidden_and_no_bound_is_claimed():
    of_one = Value(0.07, 7, 100, 100, "", (7,), people=(60, 1))
    assert show(of_one, Unit.SHARE, 5).state == "few"
    assert show(of_one, Unit.SHARE, 5).value is None
    whole = Value(0.5, 50, 100, 100, "", (50,), people=(4, 4))
    assert show(whole, Unit.SHARE, 5).n is None


def test_what_was_not_counted_is_not_shown_and_not_called_few():
    cell = show(Value(0.07, 7, 100, 100, "", (7,), people=(60, None)), Unit.SHARE, 5)
    assert (cell.state, cell.value, cell.bound) == ("unsure", None, None)
    assert cell.is_hidden


def test_hidden_cells_of_the_same_person_are_covered_whatever_their_contacts():
    # six contacts in two cells, all of one customer: the spread says so, the counts do not
    one = [Value(1.0, 3, 3, 3, "", (), people=(1,), spread=(0.5,)) for _ in range(2)]
    shown = Value(1.0, 30, 30, 30, "", (), people=(30,), spread=(30.0,))
    cells = show_all([shown, *one], Unit.SHARE, 5)
    assert [cell.state for cell in cells] == ["cover", "few", "few"]


def test_a_cell_without_contacts_covers_nothing():
    cells = show_all([value(20, 90), value(1, 3), value(0, 0)], Unit.SHARE, 5)
    assert [cell.state for cell in cells] == ["cover", "few", "none"]


def test_the_page_of_the_documentation_has_every_rule_as_the_code_has_it():
    page = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text("utf-8")
    for metric in METRICS:
        rule = metric.rule.replace("{window}", "7 days" if metric.fixed_window else "W")
        for words in (f"### {metric.name}", f"`{metric.key}`", rule, metric.source, metric.forks):
            assert words in page, (metric.key, words)
    assert page.count("### ") == len(METRICS)
