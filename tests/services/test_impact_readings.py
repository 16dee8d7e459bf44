"""Which days a measurement reads, which of them it counts, and what it asks of a claim."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from closedloop.domain.errors import NotMeasurable
from closedloop.domain.impact import LOOK_ALPHA, LOOK_DAYS, QUARTER_ALPHA, Verdict, looks
from closedloop.domain.themes import ThemeStatus
from closedloop.models import DailyRollup
from closedloop.services.impact import measure_intervention, reproduce_measurement
from closedloop.services.impact_estimates import make_estimates
from closedloop.services.impact_inputs import list_holidays
from closedloop.services.impact_readings import read_for_measuring
from tests.factories.impact import make_measurement
from tests.factories.rollups import slice_again
from tests.factories.series import add_days, draw_counts, make_controls, make_definitions
from tests.factories.themes import make_action, make_intervention, make_theme
from tests.services.test_impact import (
    BY,
    FIRST,
    LIVE,
    LOOKS,
    N_PRE,
    ROLLOUT,
    Site,
    check,
    measure,
)


def add_young(session, *, days, mean=30.0, number=1):
    """A theme whose first contact came so many days before a fix that did nothing."""
    make_controls(session, number=8, first_day=FIRST, n_days=(LOOKS[3] - FIRST).days + 1)
    theme = make_theme(session, ThemeStatus.MEASURING, name="New trouble")
    start = LIVE - timedelta(days=days)
    counts = draw_counts(11, mean=mean, first_day=start, n_days=(LOOKS[3] - start).days + 1)
    add_days(session, theme, start, counts)
    make_definitions(session, [theme], number=number)
    action = make_action(session, theme)
    return make_intervention(session, action, went_live_on=LIVE, rollout_days=0)


def measure_young(session, settings, intervention, as_of):
    return measure_intervention(
        session, settings=settings, intervention_id=intervention.id, as_of=as_of, by=BY
    )


def test_days_before_the_first_contact_of_a_theme_are_not_its_history(session, settings):
    young = add_young(session, days=30)

    for as_of in looks(LIVE, 0)[:3]:
        found = measure_young(session, settings, young, as_of)
        assert (found.n_pre, found.verdict) == (30, Verdict.NOT_ENOUGH_DATA)
    assert found.detail["window"]["first_day"] == (LIVE - timedelta(days=30)).isoformat()
    assert found.reasons[0].startswith(
        "The first contact about New trouble came 30 days before the change, on 4 January 2026, "
        "and 60 days of contacts are needed"
    )
    assert not any("Not enough history" in sentence for sentence in found.reasons)
    again = reproduce_measurement(session, measurement_id=found.id)
    assert again.same, again.differences


def test_a_theme_that_is_old_enough_is_measured_from_its_first_contact_on(session, settings):
    young = add_young(session, days=80)
    found = measure_young(session, settings, young, looks(LIVE, 0)[1])
    assert (found.n_pre, found.verdict) == (80, Verdict.NO_CHANGE)


def test_days_without_a_contact_after_the_first_one_stay_history(session, settings):
    site = Site(session)
    theme = make_theme(session, ThemeStatus.MEASURING)
    add_days(session, theme, FIRST, [1])
    add_days(session, theme, LIVE - timedelta(days=30), [9] * 50)
    make_definitions(session, [site.theme, theme], number=2)
    action = make_action(session, theme)
    fix = make_intervention(session, action, went_live_on=LIVE, rollout_days=0)
    found = measure_young(session, settings, fix, looks(LIVE, 0)[0])
    assert found.n_pre == (LIVE - FIRST).days


def test_of_a_fix_that_touches_several_themes_the_first_contact_of_any_counts(session, settings):
    site = Site(session)
    theme = make_theme(session)
    add_days(session, theme, LIVE - timedelta(days=30), [9] * 50)
    site.intervention.plan = {"also": [{"id": theme.id, "key": theme.key, "name": theme.name}]}
    make_definitions(session, [site.theme, theme], number=2)
    assert measure(site, settings).n_pre == (LIVE - FIRST).days


@pytest.mark.parametrize("days", [0, -20])
def test_a_theme_without_a_contact_before_its_fix_is_said_and_not_refused(session, settings, days):
    young = add_young(session, days=days)
    found = measure_young(session, settings, young, looks(LIVE, 0)[1])
    assert (found.n_pre, found.verdict) == (1, Verdict.NOT_ENOUGH_DATA)
    assert found.reasons[0].startswith("No contact about New trouble came before the change")


def test_history_that_is_missing_for_all_themes_is_to_be_imported(session, settings):
    site = Site(session)
    site.intervention.went_live_on = FIRST + timedelta(days=20)
    found = measure(site, settings, looks(FIRST + timedelta(days=20), 4)[0])
    assert "contacts of 40 more days before 2 June 2025 have to be imported" in found.reasons[0]


def lose(session, days):
    """Take away an import: whatever came on these days, of all themes."""
    session.execute(sa.delete(DailyRollup).where(DailyRollup.day.in_(days)))
    session.flush()
    slice_again(session, days)


@pytest.mark.parametrize("n_controls", [0, 6])
def test_days_that_lack_an_import_are_not_counted_as_contacts_avoided(
    session, settings, n_controls
):
    site = Site(session, change=0, n_controls=n_controls, mean=40)
    counted_from = LIVE + timedelta(days=ROLLOUT)
    lose(session, [counted_from + timedelta(days=n) for n in (2, 3, 4, 5, 9, 20)])
    lose(session, [FIRST + timedelta(days=n) for n in (100, 101)])

    with pytest.raises(NotMeasurable, match="5 of the 14 days counted since the change hold no"):
        measure(site, settings, LOOKS[0])
    found = measure(site, settings, LOOKS[1])

    assert found.verdict is Verdict.NO_CHANGE
    assert (found.n_pre, found.n_post) == (N_PRE - 2, 28 - 6)
    said = check(found, "data_gaps")
    assert said["state"] == "warn"
    assert "6 days since the change, the first on 9 February 2026, hold no" in said["sentence"]
    assert "2 days before the change, the first on 10 September 2025, hold" in said["sentence"]
    rolled_out = [LIVE + timedelta(days=n) for n in range(ROLLOUT)]
    gaps = [counted_from + timedelta(days=n) for n in (2, 3, 4, 5, 9, 20)]
    before = [FIRST + timedelta(days=n) for n in (100, 101)]
    assert found.detail["not_counted"] == [day.isoformat() for day in (*before, *rolled_out, *gaps)]
    again = reproduce_measurement(session, measurement_id=found.id)
    assert again.same, again.differences


def test_a_look_that_waited_for_an_import_is_made_up_for(session, settings):
    site = Site(session, change=0, n_controls=0, mean=40)
    gap = LIVE + timedelta(days=ROLLOUT + 3)
    lose(session, [gap])
    with pytest.raises(NotMeasurable, match="1 of the 14 days counted"):
        measure(site, settings, LOOKS[0])
    add_days(session, site.theme, gap, [40])
    found = measure(site, settings, LOOKS[0])
    assert (found.is_look, found.n_post) == (True, 14)


def test_a_site_that_is_closed_at_weekends_and_on_holidays_counts_these_days(session, settings):
    site = Site(session, change=0, n_controls=6, mean=40)
    all_days = [FIRST + timedelta(days=n) for n in range((LOOKS[3] - FIRST).days + 1)]
    holidays = set(list_holidays("GB-ENG", FIRST, LOOKS[3]))
    lose(session, [day for day in all_days if day.weekday() > 4 or day in holidays])
    found = measure(site, settings, LOOKS[3])
    assert (found.n_pre, found.n_post) == (N_PRE, 84)
    assert "data_gaps" not in {one["name"] for one in found.detail["checks"]}


def asked_at(session, settings, site, as_of):
    inputs = read_for_measuring(session, settings, site.intervention, as_of).inputs
    return inputs.alpha, inputs.alpha_fell, inputs.alpha_rose


def test_a_claim_that_was_taken_back_is_none_to_repeat(session, settings):
    site = Site(session, change=0, n_controls=0, after=LOOK_DAYS[4] + ROLLOUT)
    make_measurement(session, site.intervention, as_of=LOOKS[0], verdict=Verdict.ROSE)
    assert asked_at(session, settings, site, LOOKS[4]) == (LOOK_ALPHA, QUARTER_ALPHA, None)
    assert asked_at(session, settings, site, LOOKS[3]) == (LOOK_ALPHA, None, None)
    make_measurement(session, site.intervention, as_of=LOOKS[1], verdict=Verdict.NO_CHANGE)
    assert asked_at(session, settings, site, LOOKS[4]) == (QUARTER_ALPHA, None, None)
    make_measurement(session, site.intervention, as_of=LOOKS[3], verdict=Verdict.FELL)
    assert asked_at(session, settings, site, LOOKS[4]) == (LOOK_ALPHA, None, QUARTER_ALPHA)
    # between looks it asks what the next one will
    day = LOOKS[3] + timedelta(days=9)
    assert asked_at(session, settings, site, day) == (LOOK_ALPHA, None, QUARTER_ALPHA)


def test_a_quarterly_claim_to_the_other_side_asks_for_what_a_first_claim_does(session, settings):
    site = Site(session, change=0.4, n_controls=0, mean=9, after=LOOK_DAYS[4] + ROLLOUT, seed=5)
    make_measurement(session, site.intervention, as_of=LOOKS[3], verdict=Verdict.FELL)
    inputs = read_for_measuring(session, settings, site.intervention, LOOKS[4]).inputs
    alone = make_estimates(replace(inputs, alpha_rose=None))
    assert (alone.verdict, alone.alpha) == (Verdict.ROSE, LOOK_ALPHA)
    assert QUARTER_ALPHA < alone.own.p_value < LOOK_ALPHA  # else this site tells nothing

    found = measure(site, settings, LOOKS[4])

    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.detail["alpha"] == QUARTER_ALPHA
    assert (found.avoided, found.p_value) == (alone.own.avoided, alone.own.p_value)
    assert "this look asks for less than 0.1%" in found.reasons[0]
    again = reproduce_measurement(session, measurement_id=found.id)
    assert again.same, again.differences
    # a rise that repeats a rise is claimed
    repeated = make_estimates(replace(inputs, alpha_fell=QUARTER_ALPHA, alpha_rose=None))
    assert (repeated.verdict, repeated.alpha) == (Verdict.ROSE, LOOK_ALPHA)
