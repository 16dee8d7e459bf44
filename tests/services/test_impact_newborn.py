"""A theme that began around a change steps into the sums that it is in."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from closedloop.domain.impact import CheckState, Displacement, Verdict
from closedloop.services.impact_estimates import make_estimates
from closedloop.services.impact_inputs import ThemeName
from closedloop.services.impact_newborn import check_newborn, find_newborn
from closedloop.services.impact_packing import MeasurementInputs

N_PRE, N_DAYS, FIRST = 200, 228, date(2025, 9, 1)
OLD, NEW, MORE = ThemeName(1, "T-1", "Card"), ThemeName(2, "T-2", "App"), ThemeName(3, "T-3", "Pin")


def since(born: int, a_day: int = 8) -> list[int]:
    return [0] * born + [a_day] * (N_DAYS - born)


def find(*columns, touched=(OLD, NEW), beside=()):
    stacked = np.array(columns, dtype=np.int32).T
    return find_newborn(touched, beside, stacked, n_pre=N_PRE, first_day=FIRST)


@pytest.mark.parametrize(
    ("born", "when"),
    [
        (170, "30 days before the change"),
        (199, "1 day before the change"),
        (200, "on the day of the change"),
        (207, "7 days after the change"),
    ],
)
def test_a_touched_theme_that_began_around_the_change_is_named(born, when):
    (found,) = find(since(0, 20), since(born))
    assert (found.theme, found.first_on) == (NEW, FIRST + timedelta(days=born))
    (check,) = check_newborn([found])
    assert check.state is CheckState.WARN
    assert "contacts about App begin on" in check.sentence
    assert f"{when}; since the change {found.came} came. That is in the number." in check.sentence
    assert "look like a rise there or hide a fall" in check.sentence
    assert "they only moved" in check.sentence


def test_a_sibling_that_began_lately_is_named_as_no_part_of_the_number():
    (found,) = find(since(0, 20), since(190), touched=(OLD,), beside=(NEW,))
    assert not found.is_touched
    (check,) = check_newborn([found])
    assert "not the number" in check.sentence


@pytest.mark.parametrize(
    "columns",
    [
        (since(0, 20), since(100)),  # old enough to be forecast
        (since(0, 20), since(N_DAYS)),  # never came
        (since(190, 20), since(195)),  # all began together
        (since(0, 400), since(190, 1)),  # too few to move the sum
        (since(N_DAYS), since(190)),  # it is the only one
    ],
)
def test_a_theme_that_moves_no_sum_is_not_spoken_of(columns):
    assert check_newborn(find(*columns)) == []


def estimate(rng_seed: int, born: int, *, effect: float, touched: bool):
    """Estimate made-up days: an older theme, and one that is born among them."""
    rng = np.random.default_rng(rng_seed)
    at = np.arange(N_DAYS)
    week = np.array([1.3, 1.2, 1.1, 1.0, 1.0, 0.8, 0.6])[at % 7]
    old = rng.poisson(20 * week * np.where(at >= N_PRE, 1 - effect, 1)).astype(np.int32)
    new = np.where(at >= born, rng.poisson(8 * week), 0).astype(np.int32)
    controls = np.stack([rng.poisson(30 * week) for _ in range(6)], 1).astype(np.int32)
    alone = MeasurementInputs(
        counts=old,
        controls=controls,
        control_ids=tuple(range(10, 16)),
        siblings=new[:, None],
        sibling_ids=(NEW.id,),
        first_day=FIRST,
        n_pre=N_PRE,
        skip=(),
        holidays=(),
        alpha=0.015,
        definition_set_id=1,
        method_version="test",
    )
    if not touched:
        return make_estimates(alone)
    none = np.zeros((N_DAYS, 0), dtype=np.int32)
    both = np.stack([old, new], 1)
    parts = {"parts": both, "part_ids": (OLD.id, NEW.id)}
    return make_estimates(replace(alone, counts=old + new, siblings=none, sibling_ids=(), **parts))


def test_what_the_check_warns_of_happens_where_nothing_changed():
    found = estimate(1, N_PRE, effect=0.0, touched=True)
    assert found.verdict is Verdict.ROSE  # only the new theme came


def test_contacts_that_moved_into_a_theme_born_with_the_change_still_count_as_moved():
    found = estimate(1, N_PRE, effect=0.3, touched=False)
    assert (found.verdict, found.displacement) == (Verdict.FELL, Displacement.MOVED)
