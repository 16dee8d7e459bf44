"""Why a verdict is inconclusive: told from what was written down, and no more than that."""

from __future__ import annotations

import pytest

from closedloop.domain.impact import LEAST_MOVED, MOST_MOVED, Displacement, Range
from closedloop.domain.impact_doubts import NOT_TOLD, Doubt, DoubtKind, are_many, find_doubt
from ml.impact import answer

FELL = Range(112.0, 340.0, 560.0)


def doubt(**values) -> Doubt:
    return find_doubt(**{"avoided": FELL, "p_value": 0.001, "alpha": 0.015, **values})


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ({"share_moved": 0.25, "tried": 12}, DoubtKind.OTHERS_MOVED),
        # chance is the lesser reason where so many moved
        ({"share_moved": 0.25, "tried": 12, "p_value": 0.3}, DoubtKind.OTHERS_MOVED),
        ({"share_moved": 0.2, "tried": 10, "p_value": 0.02}, DoubtKind.CHANCE),
        ({"p_value": 0.015}, DoubtKind.CHANCE),
        ({"q_value": 0.14}, DoubtKind.MANY_LOOKS),
        ({"q_value": 0.10, "alone": "no_change"}, DoubtKind.OWN_HISTORY),
        ({"displacement": Displacement.OPEN}, DoubtKind.MAY_HAVE_MOVED),
        ({"displacement": Displacement.OPEN, "p_value": 0.03}, DoubtKind.CHANCE),
        ({"displacement": Displacement.POSSIBLE}, DoubtKind.NOT_TOLD),
        ({"alone": "rose"}, DoubtKind.OWN_HISTORY),
        ({"alone": "fell"}, DoubtKind.NOT_TOLD),
        ({"alone": "inconclusive"}, DoubtKind.NOT_TOLD),
        ({"alpha": None, "p_value": 0.3}, DoubtKind.NOT_TOLD),
    ],
)
def test_the_reason_is_the_first_that_would_have_kept_the_method_from_a_claim(values, kind):
    assert doubt(**values).kind is kind


def test_the_numbers_of_the_reason_come_with_it():
    assert doubt(share_moved=0.25, tried=12) == Doubt(DoubtKind.OTHERS_MOVED, moved=3, tried=12)
    assert doubt(q_value=0.14) == Doubt(DoubtKind.MANY_LOOKS, q_value=0.14)
    assert find_doubt(avoided=FELL, p_value=0.001) == NOT_TOLD


def test_so_many_moved_is_what_the_method_takes_for_it():
    assert (MOST_MOVED, LEAST_MOVED) == (answer.MOST_CONTROLS_MOVED, answer.LEAST_CONTROLS_MOVED)
    for tried in range(1, 61):
        for moved in range(tried + 1):
            assert are_many(moved / tried, tried) == answer.are_many(moved, tried)
