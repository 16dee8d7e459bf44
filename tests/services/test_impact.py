"""Measuring impact: does the number mean what its name says, and who follows it?"""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from datetime import date, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import undefer

from closedloop.domain.accounts import Role
from closedloop.domain.actions import ActionStatus
from closedloop.domain.audit import COMMAND_LINE, NIGHTLY_ROUND, Actor
from closedloop.domain.errors import InvalidTransition, NotAllowed, NotFound, NotMeasurable
from closedloop.domain.impact import FOLLOW_UP_DAYS, Verdict, looks
from closedloop.domain.themes import ThemeStatus
from closedloop.models import (
    Action,
    AuditEvent,
    Comeback,
    DailyRollup,
    ImpactMeasurement,
    Intervention,
    Theme,
)
from closedloop.services.impact import (
    METHOD_VERSION,
    close_theme,
    measure_due,
    measure_intervention,
    reproduce_measurement,
    watch_comebacks,
)
from closedloop.services.long_work import Cancelled
from closedloop.services.site import set_pence_per_minute
from tests.factories.accounts import make_user
from tests.factories.contacts import make_contact
from tests.factories.rollups import slice_again
from tests.factories.series import (
    add_days,
    draw_counts,
    make_alike,
    make_controls,
    make_definitions,
)
from tests.factories.themes import make_action, make_intervention, make_theme

FIRST, LIVE, ROLLOUT = date(2025, 6, 2), date(2026, 2, 3), 4
N_PRE = (LIVE - FIRST).days
LOOKS = looks(LIVE, ROLLOUT)
SECOND_LOOK = LOOKS[1]
BY = Actor("Priya Nair")


class Site:
    """A theme with a fix among unaffected themes, counted to the last day of the last look."""

    def __init__(self, session, *, change=-0.45, mean=20.0, after=None, n_controls=6, seed=1):
        self.session = session
        self.n_days = (LOOKS[3] - FIRST).days + 1 if after is None else N_PRE + after
        self.theme = make_theme(session, ThemeStatus.MEASURING)
        self.write(self.theme, mean=mean, change=change, seed=seed)
        self.controls = make_controls(
            session, number=n_controls, first_day=FIRST, n_days=self.n_days
        )
        action = make_action(session, self.theme, ActionStatus.SHIPPED)
        self.intervention = make_intervention(
            session, action, went_live_on=LIVE, rollout_days=ROLLOUT
        )
        self.action = action
        make_definitions(session, [self.theme])

    def write(self, theme, *, mean, change=0.0, seed=1, n_pre=N_PRE + ROLLOUT, **values):
        counts = draw_counts(
            seed, mean=mean, change=change, n_pre=n_pre, first_day=FIRST, n_days=self.n_days
        )
        add_days(self.session, theme, FIRST, counts, **values)
        return counts

    def add_sibling(self, *, mean, change, likeness=0.72):
        sibling = make_theme(self.session)
        self.write(sibling, mean=mean, change=change, seed=7)
        make_alike(self.session, self.theme, sibling, likeness)
        return sibling


def measure(site, settings, as_of=SECOND_LOOK):
    return measure_intervention(
        site.session,
        settings=settings,
        intervention_id=site.intervention.id,
        as_of=as_of,
        by=BY,
    )


def verbs(session):
    return session.scalars(sa.select(AuditEvent.verb).order_by(AuditEvent.id)).all()


def check(measurement, name):
    found = {one["name"]: one for one in measurement.detail["checks"]}
    return found[name]


def test_a_fix_that_works_fell_with_the_truth_in_its_range(session, settings):
    site = Site(session)
    found = measure(site, settings)

    truth = 20 * 0.45 * 28  # the weekly rhythm averages 1 over four weeks
    assert found.verdict is Verdict.FELL
    assert found.avoided_low < truth < found.avoided_high
    assert found.avoided_low > 0
    assert (found.n_pre, found.n_post) == (N_PRE, 28)
    assert found.avoided == found.expected - found.observed
    assert (found.look, found.is_look) == (2, True)
    assert (site.action.status, site.theme.status) == (ActionStatus.EFFECTIVE, ThemeStatus.HELD)
    assert verbs(session) == ["impact.measured", "actions.judged", "themes.status_changed"]


def test_the_roll_out_is_read_but_not_counted(session, settings):
    site = Site(session, change=0)
    add_days(session, site.theme, LIVE, [900] * ROLLOUT, channel="chat")
    found = measure(site, settings)
    counted = session.scalar(
        sa.select(sa.func.sum(DailyRollup.contacts)).where(
            DailyRollup.theme_id == site.theme.id,
            DailyRollup.day.between(LIVE + timedelta(days=ROLLOUT), SECOND_LOOK),
        )
    )
    assert (found.observed, found.verdict) == (counted, Verdict.NO_CHANGE)
    assert found.detail["path"]["observed"][N_PRE] > 900
    assert len(found.detail["path"]["days"]) == N_PRE + ROLLOUT + 28
    assert len(found.detail["cumulative"]["avoided"]) == ROLLOUT + 28


def test_a_fix_that_does_nothing_is_no_change(session, settings):
    site = Site(session, change=0)
    found = measure(site, settings)
    assert found.verdict is Verdict.NO_CHANGE
    assert (site.action.status, site.theme.status) == ("not_effective", ThemeStatus.NOT_HELD)


def test_a_fix_that_harms_rose(session, settings):
    site = Site(session, change=0.6)
    found = measure(site, settings)
    assert found.verdict is Verdict.ROSE
    assert found.avoided_high < 0
    assert (site.action.status, site.theme.status) == ("not_effective", ThemeStatus.NOT_HELD)


def test_a_rare_theme_has_not_enough_data_and_after_the_last_look_cannot_be_told(session, settings):
    site = Site(session, mean=0.25, change=-0.45)
    found = measure(site, settings)
    assert found.verdict is Verdict.NOT_ENOUGH_DATA
    assert (site.action.status, site.theme.status) == ("cannot_tell", ThemeStatus.MEASURING)
    measure(site, settings, LOOKS[3])
    assert site.theme.status is ThemeStatus.NOT_HELD
    last = session.scalars(
        sa.select(AuditEvent).where(AuditEvent.verb == "themes.status_changed")
    ).one()
    assert "cannot tell" in last.summary


def test_when_everything_moved_it_is_inconclusive(session, settings):
    site = Site(session, n_controls=0)
    for n in range(6):
        theme = make_theme(session)
        site.write(theme, mean=30, change=-0.45 if n % 2 else -0.3, seed=20 + n)
    found = measure(site, settings)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert (site.action.status, site.theme.status) == ("cannot_tell", ThemeStatus.MEASURING)
    assert check(found, "controls")["state"] == "warn"


def test_too_early_says_so_and_moves_nothing(session, settings):
    site = Site(session)
    found = measure(site, settings, LOOKS[0] - timedelta(days=1))
    assert found.verdict is Verdict.TOO_EARLY
    assert "13 days counted" in found.reasons[0]
    assert (found.look, found.is_look) == (0, False)
    assert (site.action.status, site.theme.status) == ("shipped", ThemeStatus.MEASURING)
    assert verbs(session) == ["impact.measured"]


def test_between_looks_the_estimate_runs_and_moves_nothing(session, settings):
    site = Site(session)
    found = measure(site, settings, SECOND_LOOK + timedelta(days=3))
    assert (found.verdict, found.look, found.is_look) == (Verdict.FELL, 2, False)
    assert (site.action.status, site.theme.status) == ("shipped", ThemeStatus.MEASURING)


def test_a_later_look_may_take_the_praise_back(session, settings):
    site = Site(session)
    # from the second look on contacts are far above what they were before the fix
    add_days(session, site.theme, SECOND_LOOK + timedelta(days=1), [50] * 40, channel="chat")
    assert measure(site, settings, LOOKS[1]).verdict is Verdict.FELL
    assert site.theme.status is ThemeStatus.HELD
    assert measure(site, settings, LOOKS[2]).verdict is not Verdict.FELL
    assert site.action.status is not ActionStatus.EFFECTIVE
    assert site.theme.status is not ThemeStatus.HELD


def test_an_earlier_look_measured_late_does_not_overrule_a_later_one(session, settings):
    site = Site(session)
    add_days(session, site.theme, SECOND_LOOK + timedelta(days=1), [50] * 40, channel="chat")
    measure(site, settings, LOOKS[2])
    status = site.action.status
    assert measure(site, settings, LOOKS[1]).verdict is Verdict.FELL
    assert site.action.status is status is not ActionStatus.EFFECTIVE


def test_contacts_that_moved_to_a_sibling_are_not_praised(session, settings):
    site = Site(session, change=-0.5)
    sibling = site.add_sibling(mean=14, change=10 / 14)
    found = measure(site, settings)

    assert found.verdict is Verdict.FELL  # of the theme alone
    assert found.detail["displacement"] == "moved"
    net = found.detail["net"]
    assert net["low"] < 0 < net["high"]
    assert found.reasons[0].startswith("The contacts moved")
    assert sibling.name in found.reasons[0]
    assert check(found, "spill")["state"] == "warn"
    assert sibling.name in check(found, "spill")["sentence"]
    assert (site.action.status, site.theme.status) == ("cannot_tell", ThemeStatus.NOT_HELD)
    assert [one["key"] for one in found.detail["siblings"]] == [sibling.key]
    assert found.detail["siblings"][0]["avoided"] < 0


def test_a_sibling_that_stays_put_leaves_the_praise_and_is_no_control(session, settings):
    site = Site(session)
    sibling = site.add_sibling(mean=14, change=0)
    cousin = site.add_sibling(mean=9, change=0, likeness=0.59)
    found = measure(site, settings)
    assert found.detail["displacement"] == "none"
    assert check(found, "spill")["state"] == "ok"
    assert sibling.key not in found.detail["controls"]
    assert cousin.key in found.detail["controls"]
    assert site.action.status is ActionStatus.EFFECTIVE


def test_a_family_named_in_the_plan_takes_the_place_of_likeness(session, settings):
    site = Site(session)
    site.add_sibling(mean=14, change=0)
    site.intervention.plan = {"family": [site.controls[0].id]}
    found = measure(site, settings)
    assert [one["key"] for one in found.detail["siblings"]] == [site.controls[0].key]


def test_themes_with_a_fix_of_their_own_are_neither_controls_nor_siblings(session, settings):
    site = Site(session)
    fixed, alike = site.controls[1], site.add_sibling(mean=14, change=-0.6)
    for theme, day in ((fixed, LIVE + timedelta(days=10)), (alike, LIVE - timedelta(days=3))):
        action = make_action(session, theme, ActionStatus.SHIPPED)
        make_intervention(session, action, went_live_on=day)
    later = make_action(session, site.controls[2], ActionStatus.SHIPPED)
    make_intervention(session, later, went_live_on=SECOND_LOOK + timedelta(days=1))
    merged = make_theme(session, ThemeStatus.MERGED, merged_into_id=site.theme.id)
    site.write(merged, mean=9)
    found = measure(site, settings)
    left_out = {one["key"]: one["reason"] for one in found.detail["left_out"]}
    assert "fix of its own" in left_out[fixed.key]
    assert "fix of its own" in left_out[alike.key]
    assert found.detail["siblings"] == []
    assert site.controls[2].key in found.detail["controls"]
    assert merged.key not in left_out
    assert merged.key not in found.detail["controls"]
    assert check(found, "other_fixes")["state"] == "ok"
    assert "2 other fixes" in check(found, "other_fixes")["sentence"]


def test_sparse_themes_are_no_controls_and_days_without_contacts_are_zeros(session, settings):
    site = Site(session)
    sparse, edge = make_theme(session), make_theme(session)
    add_days(session, sparse, FIRST, [10] * 12)  # 120 in 246 days
    add_days(session, edge, FIRST, [123])  # .5 a day exactly, all on one day
    found = measure(site, settings)
    left_out = {one["key"]: one["reason"] for one in found.detail["left_out"]}
    assert "0.49 a day" in left_out[sparse.key]
    assert edge.key in found.detail["controls"]


def test_a_second_fix_of_the_same_theme_is_a_warning_and_the_newer_one_rules(session, settings):
    site = Site(session)
    action = make_action(session, site.theme, ActionStatus.SHIPPED, title="Second try")
    make_intervention(session, action, went_live_on=LIVE + timedelta(days=10))
    found = measure(site, settings)
    assert check(found, "other_fixes")["state"] == "warn"
    assert "Second try" in check(found, "other_fixes")["sentence"]
    assert site.action.status is ActionStatus.EFFECTIVE
    assert site.theme.status is ThemeStatus.MEASURING


def test_a_theme_that_people_are_acting_on_again_stays_acting(session, settings):
    site = Site(session)
    site.theme.status = ThemeStatus.ACTING
    measure(site, settings)
    assert (site.action.status, site.theme.status) == ("effective", ThemeStatus.ACTING)


def test_the_same_inputs_return_the_row_that_stands(session, settings):
    site = Site(session)
    first = measure(site, settings)
    events = len(verbs(session))
    assert measure(site, settings) is first
    assert len(verbs(session)) == events
    add_days(session, site.theme, SECOND_LOOK, [1], channel="letter")  # arrived late
    second = measure(site, settings)
    assert second.id != first.id
    assert second.observed == first.observed + 1


def test_another_definition_is_another_row(session, settings):
    site = Site(session)
    first = measure(site, settings)
    current = make_definitions(session, [site.theme], number=2)
    second = measure(site, settings)
    assert second.id != first.id
    assert (second.definition_set_id, second.definition_number) == (current.id, 2)


def test_definitions_whose_history_is_not_assigned_are_refused(session, settings):
    site = Site(session)
    make_definitions(session, [site.theme], number=2, assigned=False)
    with pytest.raises(NotMeasurable, match="Assign all contacts again"):
        measure(site, settings)
    assert verbs(session) == []


def test_a_theme_that_is_not_in_the_current_definitions_is_refused(session, settings):
    site = Site(session)
    make_definitions(session, site.controls, number=2)
    with pytest.raises(NotMeasurable, match="no definition in the current set"):
        measure(site, settings)


def test_contacts_that_wait_for_a_theme_are_refused_not_counted_as_avoided(session, settings):
    site = Site(session, after=ROLLOUT + 28)
    total = session.scalar(
        sa.select(sa.func.sum(DailyRollup.contacts)).where(DailyRollup.day >= LIVE)
    )
    for _ in range(total // 100 + 1):
        make_contact(session, local_day=SECOND_LOOK)
    with pytest.raises(NotMeasurable, match="have not been assigned to themes yet"):
        measure(site, settings)


@pytest.mark.parametrize(
    ("went_live_on", "sentence"),
    [(FIRST, "no day before it"), (LOOKS[3] + timedelta(days=1), "no day after it yet")],
)
def test_days_out_of_reach_are_refused(session, settings, went_live_on, sentence):
    site = Site(session)
    site.intervention.went_live_on = went_live_on
    with pytest.raises(NotMeasurable, match=sentence):
        measure(site, settings, LOOKS[3] + timedelta(days=5))


def test_no_contacts_no_definitions_no_intervention(session, settings):
    with pytest.raises(NotFound, match="intervention 404"):
        measure_intervention(session, settings=settings, intervention_id=404, as_of=LIVE, by=BY)
    theme = make_theme(session, ThemeStatus.MEASURING)
    found = make_intervention(session, make_action(session, theme, ActionStatus.SHIPPED))
    with pytest.raises(NotMeasurable, match="Discover themes first"):
        measure_intervention(
            session, settings=settings, intervention_id=found.id, as_of=LIVE, by=BY
        )
    make_definitions(session, [theme])
    with pytest.raises(NotMeasurable, match="Import some"):
        measure_intervention(
            session, settings=settings, intervention_id=found.id, as_of=LIVE, by=BY
        )


def test_days_past_the_last_contacts_are_not_zeros(session, settings):
    site = Site(session, change=0, after=ROLLOUT + 20)
    found = measure(site, settings, LOOKS[3])
    assert found.as_of == LIVE + timedelta(days=ROLLOUT + 19)
    assert (found.n_post, found.verdict) == (20, Verdict.NO_CHANGE)


def test_a_missing_import_is_a_warning(session, settings):
    site = Site(session)
    gap = LIVE + timedelta(days=20)
    session.execute(
        sa.delete(DailyRollup).where(DailyRollup.day.between(gap, gap + timedelta(days=2)))
    )
    slice_again(session)
    found = measure(site, settings)
    assert check(found, "data_gaps")["sentence"].startswith("3 days since the change")


def test_money_and_repeats_and_holidays_come_with_it(session, settings):
    site = Site(session)
    set_pence_per_minute(session, pence=71, by=BY)
    found = measure(site, settings)
    assert (found.handle_seconds, found.pence_per_minute) == (300, 71)
    assert (
        found.detail["holidays"][0]
        == {
            "day": "2025-08-25",
            "name": "Late Summer Bank Holiday",
        }
        or found.detail["holidays"][0]["day"] == "2025-08-25"
    )
    assert {one["day"] for one in found.detail["holidays"]} == {
        "2025-08-25",
        "2025-12-25",
        "2025-12-26",
        "2026-01-01",
    }
    after = found.detail["repeats"]["after"]
    mature = session.scalar(
        sa.select(sa.func.sum(DailyRollup.contacts)).where(
            DailyRollup.theme_id == site.theme.id,
            DailyRollup.day.between(
                LIVE + timedelta(days=ROLLOUT), SECOND_LOOK - timedelta(days=7)
            ),
        )
    )
    assert after["identified"] == mature
    assert check(found, "repeat_rate")["state"] == "ok"
    assert check(found, "driver_volume")["state"] == "off"
    assert (found.method_version, found.definition_number) == (METHOD_VERSION, 1)


@pytest.mark.parametrize(("country", "state"), [("", "off"), ("XX", "warn"), ("GB-XYZ", "warn")])
def test_a_calendar_that_is_missing_is_said(session, settings, country, state):
    object.__setattr__(settings, "holiday_country", country)
    found = measure(Site(session), settings)
    assert check(found, "holidays")["state"] == state
    assert found.detail["holidays"] == []


def test_whether_the_drop_is_worth_having_is_said(session, settings):
    site = Site(session)
    for worth, state in ((0.05, "ok"), (0.95, "warn")):
        site.intervention.plan = {"smallest_drop": worth}
        as_of = SECOND_LOOK + timedelta(days=1 if state == "ok" else 2)
        assert check(measure(site, settings, as_of), "smallest_drop")["state"] == state


def test_measurements_are_never_rewritten(session, settings):
    site = Site(session)
    found = measure(site, settings)
    session.commit()
    for change in (
        sa.update(ImpactMeasurement).values(avoided=9_999),
        sa.delete(ImpactMeasurement),
    ):
        with pytest.raises(sa.exc.DBAPIError, match="append-only"):
            session.execute(change)
        session.rollback()
    assert session.get_one(ImpactMeasurement, found.id).avoided == found.avoided


def test_a_measurement_is_reproduced_from_what_it_kept(session, settings):
    site = Site(session)
    site.add_sibling(mean=14, change=0.1)
    found = measure(site, settings)
    session.execute(sa.delete(DailyRollup))
    slice_again(session)
    session.commit()
    session.expire_all()

    again = reproduce_measurement(session, measurement_id=found.id)
    assert again.same, again.differences
    stored = session.scalars(
        sa.select(ImpactMeasurement).options(undefer(ImpactMeasurement.inputs))
    ).one()
    assert hashlib.sha256(stored.inputs).hexdigest() == stored.input_sha256


def test_a_number_that_was_tampered_with_does_not_reproduce(session, settings):
    site = Site(session)
    found = measure(site, settings)
    session.refresh(found, ["inputs"])
    values = {
        column.name: getattr(found, column.name)
        for column in ImpactMeasurement.__table__.columns
        if column.name != "id"
    }
    values |= {"avoided_high": found.avoided_high + 1e-9, "look": 1, "input_sha256": "0" * 64}
    values["detail"] = found.detail | {"z": 0.5}
    forged = ImpactMeasurement(**values)
    session.add(forged)
    session.flush()
    again = reproduce_measurement(session, measurement_id=forged.id)
    assert not again.same
    said = " ".join(again.differences)
    assert "stored inputs" in said
    assert "avoided_high" in said
    assert "z comes out otherwise" in said
    with pytest.raises(NotFound):
        reproduce_measurement(session, measurement_id=404)


# measure_due


def add_second_site(site, *, change=0.0, seed=5):
    """Another theme with a fix of the same day, so that neither is the other's control."""
    theme = make_theme(site.session, ThemeStatus.MEASURING)
    site.write(theme, mean=15, change=change, seed=seed)
    action = make_action(site.session, theme, ActionStatus.SHIPPED)
    return make_intervention(site.session, action, went_live_on=LIVE, rollout_days=ROLLOUT)


def run_due(database, settings, as_of, transactions=None, **values):
    return measure_due(
        transactions or database.transaction,
        settings=settings,
        as_of=as_of,
        by=NIGHTLY_ROUND,
        **values,
    )


def list_rows(database):
    with database.reading() as session:
        return session.execute(
            sa.select(
                ImpactMeasurement.intervention_id,
                ImpactMeasurement.as_of,
                ImpactMeasurement.look,
                ImpactMeasurement.is_look,
                ImpactMeasurement.avoided,
            ).order_by(ImpactMeasurement.intervention_id, ImpactMeasurement.as_of)
        ).all()


def test_measure_due_speaks_the_looks_that_are_due_on_their_own_days(session, settings, database):
    Site(session)
    session.commit()
    as_of = LOOKS[1] + timedelta(days=5)
    summary = run_due(database, settings, as_of)
    assert (summary.interventions, summary.measured, summary.looks) == (1, 3, 2)
    rows = list_rows(database)
    assert [(row.as_of, row.is_look) for row in rows] == [
        (LOOKS[0], True),
        (LOOKS[1], True),
        (as_of, False),
    ]
    again = run_due(database, settings, as_of)
    assert (again.measured, again.looks) == (0, 0)
    assert list_rows(database) == rows


def test_a_look_that_was_spoken_is_not_spoken_again_when_contacts_arrive_late(
    session, settings, database
):
    site = Site(session)
    session.commit()
    run_due(database, settings, LOOKS[0])
    add_days(session, site.theme, LOOKS[0], [30], channel="letter")
    session.commit()
    as_of = LOOKS[0] + timedelta(days=3)
    summary = run_due(database, settings, as_of)
    assert (summary.measured, summary.looks) == (1, 0)
    assert [row.as_of for row in list_rows(database)] == [LOOKS[0], as_of]


def test_measure_due_on_the_day_of_a_look_measures_once(session, settings, database):
    Site(session)
    session.commit()
    run_due(database, settings, LOOKS[0])
    assert [(row.as_of, row.is_look) for row in list_rows(database)] == [(LOOKS[0], True)]


def test_measure_due_follows_up_for_half_a_year_and_speaks_late_looks(session, settings, database):
    Site(session, after=FOLLOW_UP_DAYS + 10)
    session.commit()
    summary = run_due(database, settings, LIVE + timedelta(days=FOLLOW_UP_DAYS + 1))
    assert (summary.measured, summary.looks) == (4, 4)
    assert run_due(database, settings, LIVE + timedelta(days=FOLLOW_UP_DAYS + 1)).interventions == 0
    assert run_due(database, settings, LIVE + timedelta(days=FOLLOW_UP_DAYS)).measured == 1


def test_measure_due_leaves_merged_themes_alone(session, settings, database):
    site = Site(session)
    other = make_theme(session)
    site.theme.merged_into_id = other.id
    site.theme.status = ThemeStatus.MERGED
    session.commit()
    assert run_due(database, settings, SECOND_LOOK).interventions == 0


def test_one_that_cannot_be_measured_and_one_that_breaks_do_not_stop_the_rest(
    session, settings, database, caplog
):
    site = Site(session)
    refused, broken, last = (add_second_site(site, seed=n) for n in (5, 6, 7))
    broken.plan = {"family": 5}
    make_definitions(session, [site.theme, broken.theme, last.theme], number=2)
    session.commit()
    summary = run_due(database, settings, LOOKS[0])
    assert summary.measured == 2
    assert [one.intervention_id for one in summary.refused] == [refused.id]
    assert "no definition" in summary.refused[0].sentence
    assert summary.failed == (broken.id,)
    assert {row.intervention_id for row in list_rows(database)} == {site.intervention.id, last.id}
    assert f"Intervention {broken.id} could not be measured: TypeError" in caplog.text


class Killed(BaseException):
    """The process is gone."""


def test_a_round_killed_in_the_middle_goes_on_where_it_stopped(session, settings, database):
    site = Site(session)
    others = [add_second_site(site, seed=n) for n in (5, 6)]
    make_definitions(session, [site.theme, *(one.theme for one in others)], number=2)
    session.commit()
    begun = []

    @contextmanager
    def mortal():
        with database.transaction() as inner:
            yield inner
            begun.append(1)
            if len(begun) == 3:  # the list, the first one, and the second before its commit
                raise Killed

    with pytest.raises(Killed):
        run_due(database, settings, SECOND_LOOK, mortal)
    kept = list_rows(database)
    assert {row.intervention_id for row in kept} == {site.intervention.id}
    assert len(kept) == 2

    summary = run_due(database, settings, SECOND_LOOK)
    assert summary.measured == 4
    rows = list_rows(database)
    assert len(rows) == 6
    assert rows[:2] == kept
    with database.reading() as reading:
        events = reading.scalars(sa.select(AuditEvent.verb)).all()
    assert events.count("impact.measured") == 6
    assert run_due(database, settings, SECOND_LOOK).measured == 0


def test_people_can_stop_a_round(session, settings, database):
    site = Site(session)
    add_second_site(site)
    session.commit()

    def stop(progress):
        if progress.done == 1:
            raise Cancelled("Stopped.")

    with pytest.raises(Cancelled):
        run_due(database, settings, LOOKS[0], report=stop)
    assert len(list_rows(database)) == 1


# closing and coming back


def test_only_a_theme_that_held_is_closed_and_by_a_manager(session, settings):
    site = Site(session)
    with pytest.raises(InvalidTransition, match="measuring cannot become closed"):
        close_theme(session, theme_id=site.theme.id, by=BY)
    measure(site, settings, LOOKS[3])
    stakeholder = make_user(session, Role.STAKEHOLDER)
    with pytest.raises(NotAllowed):
        close_theme(
            session,
            theme_id=site.theme.id,
            by=Actor(stakeholder.name, user_id=stakeholder.id),
        )
    assert site.theme.status is ThemeStatus.HELD
    close_theme(session, theme_id=site.theme.id, by=BY)
    close_theme(session, theme_id=site.theme.id, by=BY)
    assert site.theme.status is ThemeStatus.CLOSED
    assert verbs(session).count("themes.status_changed") == 2
    with pytest.raises(NotFound):
        close_theme(session, theme_id=404, by=BY)


BACK_AFTER = 100  # days after go-live


def make_held(session, *, comes_back, status=ThemeStatus.HELD):
    """A fix of -45 % whose contacts are all back from day `BACK_AFTER` on, or stay away."""
    site = Site(session, after=BACK_AFTER + 40)
    if comes_back:
        back = draw_counts(9, mean=9, first_day=LIVE + timedelta(days=BACK_AFTER), n_days=40)
        add_days(session, site.theme, LIVE + timedelta(days=BACK_AFTER), back, channel="chat")
    site.theme.status, site.action.status = status, ActionStatus.EFFECTIVE
    session.commit()
    return site


def watch(database, settings, as_of=LIVE + timedelta(days=BACK_AFTER + 39)):
    return watch_comebacks(database.transaction, settings=settings, as_of=as_of, by=COMMAND_LINE)


@pytest.mark.parametrize("status", [ThemeStatus.HELD, ThemeStatus.CLOSED])
def test_contacts_that_come_back_reopen_the_theme_once(session, settings, database, status):
    site = make_held(session, comes_back=True, status=status)
    assert watch(database, settings, LIVE + timedelta(days=BACK_AFTER - 1)) == 0
    assert watch(database, settings) == 1
    assert watch(database, settings) == 0
    with database.reading() as reading:
        found = reading.scalars(sa.select(Comeback)).one()
        back_on = LIVE + timedelta(days=BACK_AFTER)
        assert back_on - timedelta(days=4) <= found.since_on <= back_on + timedelta(days=10)
        assert back_on < found.alarm_on <= back_on + timedelta(days=28)
        assert found.excess > 0
        assert reading.get_one(Theme, site.theme.id).status is ThemeStatus.REOPENED
        assert reading.get_one(Action, site.action.id).status is ActionStatus.EFFECTIVE
        events = reading.scalars(sa.select(AuditEvent.verb).order_by(AuditEvent.id)).all()
    assert events == ["impact.comeback_raised", "themes.status_changed"]


def test_what_stays_away_raises_no_alarm(session, settings, database):
    site = make_held(session, comes_back=False)
    assert watch(database, settings) == 0
    with database.reading() as reading:
        assert reading.get_one(Theme, site.theme.id).status is ThemeStatus.HELD


def test_an_alarm_that_was_looked_into_is_not_raised_again(session, settings, database, caplog):
    site = make_held(session, comes_back=True)
    watch(database, settings)
    with database.transaction() as inner:
        inner.get_one(Theme, site.theme.id).status = ThemeStatus.HELD
        alarm_on = inner.scalars(sa.select(Comeback.alarm_on)).one()
    assert watch(database, settings, alarm_on) == 0
    assert "could not be watched" not in caplog.text


@pytest.mark.parametrize(
    ("theme", "action"),
    [(ThemeStatus.MEASURING, "effective"), (ThemeStatus.HELD, "cannot_tell")],
)
def test_only_themes_that_held_by_a_fix_that_worked_are_watched(
    session, settings, database, theme, action
):
    site = make_held(session, comes_back=True, status=theme)
    site.action.status = ActionStatus(action)
    session.commit()
    assert watch(database, settings) == 0


def test_a_theme_that_cannot_be_read_does_not_stop_the_watch(session, settings, database):
    site = make_held(session, comes_back=True)
    other = make_theme(session, ThemeStatus.HELD)
    make_intervention(
        session,
        make_action(session, other, ActionStatus.EFFECTIVE),
        went_live_on=LIVE - timedelta(days=60),
    )
    broken = make_theme(session, ThemeStatus.HELD)
    make_intervention(
        session,
        make_action(session, broken, ActionStatus.EFFECTIVE),
        went_live_on=LIVE - timedelta(days=60),
        plan={"family": 5},
    )
    make_definitions(session, [site.theme, broken], number=2)
    session.commit()
    assert watch(database, settings) == 1
    with database.reading() as reading:
        assert reading.scalars(sa.select(Comeback.theme_id)).all() == [site.theme.id]
        assert reading.scalar(sa.select(sa.func.count(Intervention.id))) == 3
