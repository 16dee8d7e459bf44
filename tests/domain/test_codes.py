from __future__ import annotations

import random

import numpy as np
import pytest
from scipy.stats import hypergeom
from scipy.stats.contingency import expected_freq

from closedloop.domain.codes import (
    adjusted_residual,
    chance_of_as_many,
    effective_number,
    find_elsewhere,
    find_spread,
    hide_small,
)

# Rows are themes, columns are codes; the last code is "General enquiry".
CONFUSED = [
    [400, 10, 8, 90],
    [12, 300, 9, 70],
    [9, 120, 180, 60],  # a third of the third theme stands under the second code
    [7, 6, 5, 80],
]


def test_the_effective_number_counts_equal_parts_and_less_of_unequal_ones():
    assert effective_number([7, 7, 7, 0]) == pytest.approx(3)
    assert effective_number([0, 12]) == 1
    assert effective_number([0, 0]) == 0
    assert 1 < effective_number([97, 1, 1, 1]) < 1.2


def test_the_residual_is_pearsons_adjusted_one():
    table = np.array(CONFUSED)
    expected = expected_freq(table)
    rows, columns, total = table.sum(axis=1), table.sum(axis=0), table.sum()
    spread = expected * np.outer(1 - rows / total, 1 - columns / total)
    wanted = (table - expected) / np.sqrt(spread)

    for row in range(4):
        for column in range(4):
            found = adjusted_residual(
                int(table[row, column]), int(rows[row]), int(columns[column]), int(total)
            )
            assert found == pytest.approx((expected[row, column], wanted[row, column]))


@pytest.mark.parametrize(
    ("observed", "row", "column", "total"),
    [
        (12, 40, 60, 400),
        (3, 3, 3, 1000),
        (0, 5, 5, 50),
        (600, 5000, 9000, 90_000),
        (30, 40, 35, 45),
    ],
)
def test_the_chance_of_a_cell_is_the_exact_one(observed, row, column, total):
    wanted = hypergeom.sf(observed - 1, total, row, column)

    assert chance_of_as_many(observed, row, column, total) == pytest.approx(wanted, rel=1e-7)


def test_a_table_that_leaves_nothing_to_compare_has_no_residual():
    assert adjusted_residual(0, 0, 0, 0) == (0, 0)
    assert adjusted_residual(5, 5, 5, 5) == (5, 0)


def test_a_theme_under_the_code_of_another_is_found_with_both_named():
    (cell,) = find_elsewhere(CONFUSED, least=10)

    assert (cell.row, cell.column, cell.contacts) == (2, 1, 120)
    assert cell.usual_row == 1
    assert cell.share == pytest.approx(120 / 369)
    assert cell.usual_share == pytest.approx(300 / 436)
    assert cell.expected < 60
    assert cell.q_value < 1e-6


def test_the_usual_theme_of_a_code_does_not_hide_the_others_behind_it():
    # Against the whole table 30 % of the second theme is less than expected of the first code.
    table = [[900, 0], [30, 70], [5, 295], [5, 295]]

    (cell,) = find_elsewhere(table, least=10)

    assert (cell.row, cell.column) == (1, 0)
    assert adjusted_residual(30, 100, 940, 1600)[1] < 0 < cell.residual


def test_few_contacts_and_small_shares_are_no_matter_for_a_conversation():
    few = [[90, 0, 0], [9, 60, 0], [0, 0, 80]]
    small = [[900, 0, 0], [40, 960, 0], [0, 0, 800]]

    assert len(find_elsewhere(few, least=9)) == 1
    assert find_elsewhere(few, least=10) == []
    assert find_elsewhere(small, least=10) == []


def test_agents_who_err_evenly_are_hardly_ever_marked():
    drawn, marked = random.Random(7), 0
    for _ in range(40):
        table = [[0] * 8 for _ in range(8)]
        for row in range(8):
            for _ in range(300):
                right = drawn.random() < 0.7
                table[row][row if right else drawn.randrange(8)] += 1
        marked += bool(find_elsewhere(table, least=5))
    assert marked <= 4


def test_a_code_over_everything_is_spread_and_the_code_of_one_theme_is_not():
    (code,) = find_spread(CONFUSED, least=10)

    assert code.column == 3
    assert code.contacts == 300
    assert code.themes == pytest.approx(3.9555, abs=1e-3)
    assert (code.largest_row, code.largest_share) == (0, pytest.approx(0.3))


def test_a_code_of_few_contacts_is_not_called_spread():
    table = [[100, 2], [90, 3], [80, 2], [70, 2]]

    assert [code.column for code in find_spread(table, least=10)] == [0]


def test_an_empty_table_has_nothing_to_say():
    assert find_spread([], least=5) == find_elsewhere([], least=5) == hide_small([], 5) == []
    assert find_elsewhere([[0, 0], [0, 0]], least=5) == []


def test_a_lone_hidden_cell_takes_a_neighbour_along_in_its_row_and_its_column():
    hidden = hide_small([[3, 40, 50], [60, 20, 80], [70, 90, 30]], 5)

    assert hidden == [[True, True, False], [True, True, False], [False, False, False]]


def cells_told(table, hidden):
    """Return the hidden cells that follow from the totals of rows and columns."""
    places = [(r, c) for r, line in enumerate(hidden) for c, mark in enumerate(line) if mark]
    sums = np.zeros((len(table) + len(table[0]), len(places)))
    for i, (row, column) in enumerate(places):
        sums[row, i] = sums[len(table) + column, i] = 1
    told = np.eye(len(places)) - np.linalg.pinv(sums) @ sums
    return [at for at, free in zip(places, told, strict=True) if np.abs(free).max() < 1e-8]


def test_a_row_of_one_cell_does_not_give_a_chain_of_hidden_cells_away():
    table = [[5, 0, 4], [0, 16, 4], [19, 0, 0], [0, 17, 0]]

    hidden = hide_small(table, 5)

    assert hidden[0][2]
    assert hidden[1][2]
    assert not any(table[row][column] in range(1, 5) for row, column in cells_told(table, hidden))


@pytest.mark.parametrize("seed", range(60))
def test_no_small_cell_follows_from_the_totals(seed):
    drawn = random.Random(seed)
    values = (0, 0, 0, 0, 1, 3, 4, 5, 9, 60)
    table = [[drawn.choice(values) for _ in range(6)] for _ in range(7)]
    table = [row for row in table if sum(row) >= 5]
    wide = [column for column in zip(*table, strict=True) if sum(column) >= 5]
    table = [list(row) for row in zip(*wide, strict=True) if sum(row) >= 5]

    hidden = hide_small(table, 5)

    told = cells_told(table, hidden)
    assert not any(0 < table[row][column] < 5 for row, column in told)


@pytest.mark.parametrize("seed", range(20))
def test_no_row_and_no_column_hides_fewer_than_k(seed):
    drawn = random.Random(seed)
    table = [[drawn.choice((0, 0, 1, 3, 4, 5, 9, 60)) for _ in range(6)] for _ in range(7)]
    table = [[*row, 20] for row in table] + [[20] * 7]

    hidden = hide_small(table, 5)

    lines = [list(zip(row, marks, strict=True)) for row, marks in zip(table, hidden, strict=True)]
    lines += [list(column) for column in zip(*lines, strict=True)]
    for line in lines:
        concealed = sum(n for n, is_hidden in line if is_hidden)
        assert concealed == 0 or concealed >= 5
        assert sum(is_hidden for _, is_hidden in line) != 1
        assert all(is_hidden for n, is_hidden in line if 0 < n < 5)
        assert not any(is_hidden for n, is_hidden in line if n == 0)
