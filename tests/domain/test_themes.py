"""The arithmetic of priority."""

from __future__ import annotations

import pytest

from closedloop.domain.themes import (
    PRIORITY_WEIGHTS,
    VALUED_BY,
    DemandType,
    Quadrant,
    follow_mergers,
    priority_parts,
    priority_points,
    priority_values,
    rank_among,
)

FIGURES = {
    "customers": 352,
    "mature": 400,
    "repeats_any": 120,
    "repeats_same": 80,
    "handle_seconds": 216_000,
    "contacts_4_weeks": 190,
    "contacts_4_weeks_before": 152,
}


@pytest.mark.parametrize(
    ("demand_type", "minutes"),
    [
        (DemandType.FAILURE, 1200.0),
        (DemandType.VALUE, 240.0),
        (DemandType.UNCLEAR, 240.0),
        (None, 240.0),
    ],
)
def test_all_of_failure_demand_is_avoidable_and_of_other_demand_the_repeats(demand_type, minutes):
    values = priority_values(demand_type=demand_type, **FIGURES)
    assert values == pytest.approx((minutes, 352, 0.3, 0.25))


def test_a_theme_without_contacts_has_figures_too():
    nothing = dict.fromkeys(FIGURES, 0)
    assert priority_values(demand_type=None, **nothing) == (0, 0, 0, 0)
    appeared = nothing | {"contacts_4_weeks": 7}
    assert priority_values(demand_type=None, **appeared)[3] == 7


def test_weights_add_up_to_one():
    assert sum(weight for _, weight in PRIORITY_WEIGHTS) == pytest.approx(1)


def test_ranks_count_ties_half():
    assert rank_among(5.0, [1.0, 5.0, 5.0, 9.0, 2.0]) == pytest.approx(62.5)
    assert rank_among(5.0, [5.0]) == 50


def test_priority_is_the_weighted_sum_of_ranks():
    population = [(10.0, 1.0, 0.1, 0.0), (20.0, 3.0, 0.1, -0.5), (30.0, 2.0, 0.4, 0.5)]
    points = [priority_points(priority_parts(own, population)) for own in population]
    assert points == pytest.approx([6.25 + 5, 20 + 25 + 6.25, 40 + 12.5 + 25 + 10])


def test_a_theme_is_counted_under_the_last_of_its_mergers():
    into = {1: 2, 2: 3, 3: None, 4: None, 5: 6, 6: 5}

    assert [follow_mergers(theme, into) for theme in (1, 2, 3, 4, 9)] == [3, 3, 3, 4, 9]
    assert follow_mergers(5, into) in {5, 6}


def test_each_cell_of_the_matrix_says_who_values_it():
    assert VALUED_BY == {
        Quadrant.LEVERAGE: (True, True),
        Quadrant.DIGITISE: (True, False),
        Quadrant.SIMPLIFY: (False, True),
        Quadrant.ELIMINATE: (False, False),
    }
