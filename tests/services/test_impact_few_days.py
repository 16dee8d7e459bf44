"""Does a claim rest on a few days?"""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from closedloop.domain.impact import CheckState, Verdict
from closedloop.services.impact_few_days import check_few_days
from ml.impact import estimate_impact

MONDAY, LIVE = date(2026, 1, 5), date(2026, 5, 25)
N_PRE = 140


def draw(n_post=28, *, times=1.0, seed=1):
    means = np.full(N_PRE + n_post, 40.0)
    means[N_PRE:] *= times
    return np.random.default_rng(seed).poisson(means)


def check(counts, *, skip=()):
    own = estimate_impact(counts, N_PRE, MONDAY, skip=skip, alpha=0.015)
    since = [None if N_PRE + day in skip else int(n) for day, n in enumerate(counts[N_PRE:])]
    verdict = Verdict(own.verdict.value)
    return verdict, check_few_days(own, since, verdict=verdict, go_live=LIVE)


def test_a_rise_that_an_outage_brought_is_questioned_with_its_day():
    counts = draw()
    counts[N_PRE + 5 : N_PRE + 8] *= 6
    verdict, (found,) = check(counts)

    assert verdict is Verdict.ROSE
    assert found.state is CheckState.WARN
    assert found.sentence.startswith("3 of the 28 counted days, the first on 30 May 2026, stand")
    assert "Without that no rise could be shown" in found.sentence


def test_days_that_are_not_counted_shift_no_date():
    counts = draw()
    counts[N_PRE + 5] = 900
    verdict, (found,) = check(counts, skip=(N_PRE, N_PRE + 1))

    assert verdict is Verdict.ROSE
    assert found.sentence.startswith("One counted day, 30 May 2026, stands out")


def test_a_fall_of_three_days_without_contacts_is_questioned():
    counts = draw(14)
    counts[N_PRE + 2 : N_PRE + 5] = 0
    verdict, (found,) = check(counts)

    assert verdict is Verdict.FELL
    assert "fewer contacts than would fit the other days" in found.sentence


@pytest.mark.parametrize("times", [0.6, 1.6])
@pytest.mark.parametrize("n_post", [14, 56])
def test_a_change_that_is_the_same_each_day_rests_on_all_of_them(times, n_post):
    for seed in range(6):
        verdict, found = check(draw(n_post, times=times, seed=seed))

        assert verdict is (Verdict.FELL if times < 1 else Verdict.ROSE)
        assert found == []


def test_an_outage_beside_a_change_that_shows_without_it_questions_nothing():
    counts = draw(times=1.6)
    counts[N_PRE + 5 : N_PRE + 7] *= 2

    assert check(counts) == (Verdict.ROSE, [])


def test_where_nothing_is_claimed_there_is_nothing_to_question():
    counts = draw()
    counts[N_PRE + 5] *= 2

    assert check(counts) == (Verdict.NO_CHANGE, [])
