"""What a fix touches, the other fixes of its themes, its stages and its driver volume."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from closedloop.domain.actions import ActionStatus
from closedloop.domain.errors import NotMeasurable
from closedloop.domain.impact import MeasurementWindow, Verdict
from closedloop.domain.themes import ThemeStatus
from closedloop.models import (
    DriverDay,
)
from closedloop.queries.series import channel_counts
from closedloop.services.impact import (
    measure_intervention,
    reproduce_measurement,
)
from closedloop.services.impact_days import read_channels
from tests.factories.series import (
    add_days,
    make_alike,
    make_definitions,
)
from tests.factories.themes import make_action, make_intervention, make_theme
from tests.services.test_impact import (
    BY,
    FIRST,
    LIVE,
    LOOKS,
    N_PRE,
    ROLLOUT,
    SECOND_LOOK,
    Site,
    check,
    measure,
)


def add_second_fix(site, after, **values):
    """Another fix of the same theme, live some days after the first."""
    action = make_action(site.session, site.theme, ActionStatus.SHIPPED, title="Second try")
    return make_intervention(
        site.session, action, went_live_on=LIVE + timedelta(days=after), **values
    )


def test_fixes_of_one_theme_within_four_weeks_are_measured_as_one(session, settings):
    site = Site(session)
    second = add_second_fix(site, 10, rollout_days=3)
    found = measure(site, settings)
    assert check(found, "together")["state"] == "warn"
    assert "Second try" in check(found, "together")["sentence"]
    assert "measured as one change" in found.reasons[0]
    assert found.detail["joint"][1]["id"] == second.id
    assert found.n_post == 28 - 3  # days on which either was rolled out are not counted
    assert site.action.status is ActionStatus.EFFECTIVE
    assert site.theme.status is ThemeStatus.MEASURING  # the newer one rules
    # the second is the same change from the first go-live on: the same days, the same number
    other = measure_intervention(
        session, settings=settings, intervention_id=second.id, as_of=SECOND_LOOK, by=BY
    )
    assert (other.observed, other.avoided, other.n_pre) == (found.observed, found.avoided, N_PRE)
    assert check(other, "other_fixes")["sentence"].startswith("No other fix went live or was")


def test_a_sibling_that_began_with_the_change_is_named_by_a_check(session, settings):
    site = Site(session)
    born = make_theme(session, name="App does not open")
    make_alike(session, site.theme, born, 0.9)
    site.write(born, mean=9, first_day=LIVE, n_days=40, seed=3)
    found = measure(site, settings)
    said = check(found, "newborn")
    assert said["state"] == "warn"
    assert "contacts about App does not open begin on" in said["sentence"]


def test_before_the_second_went_live_the_first_is_measured_alone(session, settings):
    site = Site(session)
    add_second_fix(site, 20)
    found = measure(site, settings, LOOKS[0])
    assert found.detail["joint"] == []
    assert site.theme.status is ThemeStatus.MEASURING


def test_a_fix_too_soon_after_another_is_refused_and_the_first_says_so(session, settings):
    site = Site(session)
    second = add_second_fix(site, 40)
    with pytest.raises(NotMeasurable, match="60 are needed"):
        measure_intervention(
            session, settings=settings, intervention_id=second.id, as_of=LOOKS[3], by=BY
        )
    found = measure(site, settings, LOOKS[3])
    assert check(found, "together")["state"] == "warn"
    assert "Their effects add up here" in check(found, "together")["sentence"]
    assert site.theme.status is ThemeStatus.HELD  # nobody else measures it


def test_a_later_fix_is_measured_against_the_days_since_the_first_had_settled(session, settings):
    site = Site(session, after=150)
    second = add_second_fix(site, 100)
    again = LIVE + timedelta(days=100)
    site.write(site.theme, mean=9, first_day=again, n_days=50, channel="chat", seed=3)
    found = measure_intervention(
        session,
        settings=settings,
        intervention_id=second.id,
        as_of=again + timedelta(days=27),
        by=BY,
    )
    settled = LIVE + timedelta(days=ROLLOUT + 14)
    assert found.detail["window"]["first_day"] == settled.isoformat()
    assert found.n_pre == (again - settled).days
    assert found.verdict is Verdict.ROSE  # against the level the first fix had reached
    assert "had settled" in check(found, "together")["sentence"]
    with pytest.raises(NotMeasurable, match="Its last look stands"):
        measure(site, settings, again)


def add_touched(site, *, mean, change, seed=11):
    """Another theme that the fix touches, as declared when it was shipped."""
    theme = make_theme(site.session)
    site.write(theme, mean=mean, change=change, seed=seed)
    also = site.intervention.plan.get("also", [])
    one = {"id": theme.id, "key": theme.key, "name": theme.name}
    site.intervention.plan = site.intervention.plan | {"also": [*also, one]}
    make_definitions(site.session, [site.theme, theme], number=2)
    return theme


def test_the_number_is_of_all_themes_that_the_fix_touches(session, settings):
    site = Site(session)
    alone = measure(site, settings)
    other = add_touched(site, mean=15, change=-0.4)
    make_alike(session, site.theme, other, 0.9)
    found = measure(site, settings)
    truth = (20 * 0.45 + 15 * 0.4) * 28
    assert found.avoided_low < truth < found.avoided_high
    assert found.observed > alone.observed
    assert [part["key"] for part in found.detail["parts"]] == [site.theme.key, other.key]
    assert sum(part["observed"] for part in found.detail["parts"]) == found.observed
    assert found.detail["siblings"] == []  # alike, but touched: in the number, not beside it
    assert other.key not in found.detail["controls"]
    assert check(found, "family")["state"] == "ok"
    again = reproduce_measurement(session, measurement_id=found.id)
    assert again.same, again.differences


def test_what_moved_within_the_declared_family_is_no_fall(session, settings):
    site = Site(session, change=-0.5)
    add_touched(site, mean=14, change=10 / 14)
    found = measure(site, settings)
    assert found.verdict is not Verdict.FELL
    assert check(found, "family")["state"] == "warn"
    assert site.action.status is not ActionStatus.EFFECTIVE


def test_a_theme_that_another_fix_touches_is_no_control(session, settings):
    site = Site(session)
    action = make_action(session, site.controls[0], ActionStatus.SHIPPED)
    touched = site.controls[1]
    make_intervention(
        session,
        action,
        went_live_on=LIVE,
        plan={"also": [{"id": touched.id, "key": touched.key, "name": touched.name}]},
    )
    found = measure(site, settings)
    assert not {site.controls[0].key, touched.key} & set(found.detail["controls"])
    assert "the 2 themes it touches are left out" in check(found, "other_fixes")["sentence"]


def test_a_touched_theme_merged_elsewhere_is_refused_and_merged_within_is_counted(
    session, settings
):
    site = Site(session)
    other = add_touched(site, mean=15, change=-0.4)
    other.status, other.merged_into_id = ThemeStatus.MERGED, site.theme.id
    assert measure(site, settings).detail["parts"] == []
    other.merged_into_id = site.controls[0].id
    with pytest.raises(NotMeasurable, match="merged into a theme that it does not touch"):
        measure(site, settings, LOOKS[2])


def test_contacts_that_came_by_another_channel_are_in_the_number_and_said(session, settings):
    site = Site(session, change=-0.6)
    site.write(site.theme, mean=2, change=4.0, seed=21, channel="chat")
    found = measure(site, settings)
    assert check(found, "channels")["state"] == "warn"
    assert "by chat" in check(found, "channels")["sentence"]
    assert [one["channel"] for one in found.detail["channel_figures"]] == ["phone", "chat"]
    assert sum(one["observed"] for one in found.detail["channel_figures"]) == found.observed


def test_by_one_channel_none_can_have_moved(session, settings):
    assert check(measure(Site(session), settings), "channels")["state"] == "off"


def test_a_roll_out_in_stages_counts_its_days_by_who_was_reached(session, settings):
    site = Site(session)
    stages = [{"day": LIVE.isoformat(), "share": 0.5}]
    stages.append({"day": (LIVE + timedelta(days=ROLLOUT)).isoformat(), "share": 1.0})
    site.intervention.stages = stages
    found = measure(site, settings)
    assert (found.look, found.is_look) == (2, True)  # looks count from the last stage
    assert found.n_post == ROLLOUT + 28
    assert found.detail["window"]["counted_from"] == LIVE.isoformat()
    assert 0.5 < found.detail["reached"]["share"] < 1
    assert "of customers; of their contacts" in check(found, "stages")["sentence"]
    again = reproduce_measurement(session, measurement_id=found.id)
    assert again.same, again.differences


def add_driver(site, *, change=0.0, missing=0):
    """Orders a day, which change with the go-live; none are known of the first few days."""
    session, days = site.session, range(missing, site.n_days)
    session.add_all(
        DriverDay(
            driver="orders",
            day=FIRST + timedelta(days=n),
            volume=1_000.0 * (1 + (change if n >= N_PRE + ROLLOUT else 0)),
        )
        for n in days
    )
    session.flush()
    site.intervention.driver = "orders"


def test_with_a_driver_fewer_orders_are_no_success_of_the_fix(session, settings):
    site = Site(session, n_controls=0)
    assert measure(site, settings).verdict is Verdict.FELL
    add_driver(site, change=-0.45)
    found = measure(site, settings)
    assert found.verdict is Verdict.NO_CHANGE
    assert found.detail["rate"]["observed"] == pytest.approx(found.observed / (550 * 28))
    assert check(found, "driver_volume")["state"] == "ok"
    again = reproduce_measurement(session, measurement_id=found.id)
    assert again.same, again.differences


def test_a_driver_with_holes_is_said_or_not_used(session, settings):
    site = Site(session)
    add_driver(site, missing=5)
    found = measure(site, settings)
    assert "5 days without a volume are not counted" in check(found, "driver_volume")["sentence"]
    assert found.n_pre == N_PRE - 5
    session.execute(sa.delete(DriverDay).where(DriverDay.day < FIRST + timedelta(days=60)))
    found = measure(site, settings)
    assert "not held against it" in check(found, "driver_volume")["sentence"]
    assert (found.n_pre, found.detail["rate"]) == (N_PRE, None)


def test_a_claim_does_not_rest_on_days_that_are_not_counted_for_want_of_a_volume(session, settings):
    site = Site(session, change=0.8)
    add_driver(site)
    first = LIVE + timedelta(days=ROLLOUT + 5)
    busy = [first + timedelta(days=n) for n in range(3)]
    add_days(session, site.theme, first, [400] * len(busy), channel="letter")
    session.execute(sa.delete(DriverDay).where(DriverDay.day.in_(busy)))

    found = measure(site, settings)

    assert (found.verdict, found.n_post) == (Verdict.ROSE, 28 - len(busy))
    assert "few_days" not in [one["name"] for one in found.detail["checks"]]


def test_days_since_the_change_whose_volumes_are_still_to_come_are_waited_for(session, settings):
    site = Site(session)
    add_driver(site)
    late = DriverDay.day.between(LOOKS[0] - timedelta(days=3), LOOKS[0])
    session.execute(sa.delete(DriverDay).where(late))

    with pytest.raises(NotMeasurable, match="4 of the 14 days counted since the change have no"):
        measure(site, settings, LOOKS[0])  # a look would be spent on “too early”

    session.add_all(
        DriverDay(driver="orders", day=LOOKS[0] - timedelta(days=n), volume=1_000.0)
        for n in range(4)
    )
    assert measure(site, settings, LOOKS[0]).n_post == 14


def test_no_look_is_spent_on_too_early_for_want_of_one_volume_after_a_roll_out(session, settings):
    site = Site(session)
    add_driver(site)
    lost = LOOKS[0] - timedelta(days=3)
    session.execute(sa.delete(DriverDay).where(DriverDay.day == lost))

    with pytest.raises(NotMeasurable, match="1 of the 14 days counted since the change has no"):
        measure(site, settings, LOOKS[0])

    session.execute(sa.delete(DriverDay).where(DriverDay.day == LIVE))  # it is not counted anyway
    session.add(DriverDay(driver="orders", day=lost, volume=1_000.0))
    assert measure(site, settings, LOOKS[0]).n_post == 14


def test_one_day_without_a_volume_is_told_as_one(session, settings):
    site = Site(session)
    add_driver(site, missing=1)
    sentence = check(measure(site, settings), "driver_volume")["sentence"]
    assert sentence.endswith(" 1 day without a volume is not counted.")


def test_no_more_than_all_contacts_of_those_reached_is_said_to_be_avoided(session, settings):
    site = Site(session, change=-0.9)
    site.intervention.stages = [
        {"day": LIVE.isoformat(), "share": 0.1},
        {"day": (LIVE + timedelta(days=ROLLOUT)).isoformat(), "share": 0.3},
    ]
    found = check(measure(site, settings), "stages")
    assert found["state"] == "warn"
    assert "more fell than all of their contacts, so something else fell" in found["sentence"]


def test_all_themes_that_a_fix_touches_are_named_where_their_contacts_moved(session, settings):
    site = Site(session, change=-0.5)
    other = add_touched(site, mean=14, change=-0.3)
    site.add_sibling(mean=20, change=0.8)
    found = measure(site, settings)
    assert found.detail["displacement"] == "moved"
    assert f"fewer came about {site.theme.name} and {other.name}, but" in found.reasons[0]


def test_contacts_of_no_channel_are_with_the_rest_and_not_lost(session):
    site = Site(session, n_controls=0, after=30)
    for channel, mean in (("", 9.0), ("fax", 0.01), ("phone", 20.0)):
        site.write(site.theme, mean=mean, channel=channel)
    window = MeasurementWindow(FIRST, LIVE, ROLLOUT, FIRST + timedelta(days=site.n_days - 1))

    counts, names = read_channels(session, [site.theme.id], window)

    everything = channel_counts(session, [site.theme.id], window.first_day, window.as_of)
    assert "" in everything
    assert names[-1] == ""
    assert counts.sum() == sum(map(sum, everything.values()))
