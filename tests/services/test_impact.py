"""Measuring impact: does the number mean what its name says, and who follows it?"""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import undefer

from closedloop.domain.accounts import Role
from closedloop.domain.actions import ActionStatus
from closedloop.domain.audit import COMMAND_LINE, NIGHTLY_ROUND, Actor
from closedloop.domain.errors import InvalidTransition, NotAllowed, NotFound, NotMeasurable
from closedloop.domain.impact import (
    FOLLOW_UP_DAYS,
    LOOK_ALPHA,
    LOOK_DAYS,
    QUARTER_ALPHA,
    Displacement,
    Verdict,
    looks,
)
from closedloop.domain.impact_judging import q_values
from closedloop.domain.themes import ThemeStatus
from closedloop.models import (
    Action,
    AuditEvent,
    Comeback,
    DailyRollup,
    DriverDay,
    ImpactMeasurement,
    ImpactPrior,
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
from closedloop.services.impact_estimates import list_figures, make_estimates
from closedloop.services.impact_pool import Estimators, Helper
from closedloop.services.impact_readings import read_for_measuring
from closedloop.services.impact_verdicts import speak_look
from closedloop.services.impact_writing import prepare, write_measurement
from closedloop.services.long_work import Cancelled
from closedloop.services.site import set_pence_per_minute
from tests.factories.accounts import make_user
from tests.factories.contacts import make_contact
from tests.factories.impact import make_measurement
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

    def write(
        self,
        theme,
        *,
        mean,
        change=0.0,
        seed=1,
        n_pre=N_PRE + ROLLOUT,
        first_day=FIRST,
        n_days=None,
        **values,
    ):
        counts = draw_counts(
            seed,
            mean=mean,
            change=change,
            n_pre=n_pre,
            first_day=first_day,
            n_days=n_days or self.n_days,
        )
        add_days(self.session, theme, first_day, counts, **values)
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
    assert check(other, "other_fixes")["sentence"] == "No other fix went live around it."


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


def test_measure_due_runs_every_night_for_half_a_year_then_once_a_week(session, settings, database):
    Site(session, change=0, n_controls=0, after=FOLLOW_UP_DAYS + 30)
    session.commit()
    end = LIVE + timedelta(days=FOLLOW_UP_DAYS)  # a day after the fifth look
    summary = run_due(database, settings, end)
    assert (summary.measured, summary.looks) == (6, 5)
    for nights, measured in ((1, 0), (6, 0), (7, 1), (8, 0)):
        assert run_due(database, settings, end + timedelta(days=nights)).measured == measured
    assert [row.look for row in list_rows(database) if row.is_look] == [1, 2, 3, 4, 5]


def test_after_the_last_look_nothing_is_measured_any_more(session, settings, database):
    Site(session, change=0, n_controls=0, after=LOOK_DAYS[-1] + ROLLOUT + 10)
    session.commit()
    last = LOOKS[-1]
    assert run_due(database, settings, last).looks == len(LOOK_DAYS)
    for nights in (1, 9):
        assert run_due(database, settings, last + timedelta(days=nights)).interventions == 0


def test_what_held_is_measured_again_on_its_own_days_and_speaks_no_verdict(
    session, settings, database
):
    Site(session, n_controls=0, after=ROLLOUT + 84)
    session.commit()
    run_due(database, settings, LOOKS[0])
    status = held_status(database)
    summary = run_due(database, settings, LOOKS[0] + timedelta(days=61))
    assert status == ThemeStatus.HELD == held_status(database)
    again = [LOOKS[0] + timedelta(days=days) for days in (30, 60)]
    with database.reading() as reading:
        found = reading.execute(
            sa.select(
                ImpactMeasurement.as_of,
                ImpactMeasurement.is_look,
                ImpactMeasurement.detail["remeasured_after"].as_integer(),
            ).order_by(ImpactMeasurement.as_of)
        ).all()
    marked = {row[0]: row[2] for row in found if row[2]}
    assert marked == {again[0]: 30, again[1]: 60}
    assert not any(row[1] for row in found if row[0] in again)
    assert summary.measured == 5  # two looks, two days again, and what runs
    assert run_due(database, settings, LOOKS[0] + timedelta(days=61)).measured == 0


def held_status(database):
    with database.reading() as reading:
        return reading.scalars(
            sa.select(Theme.status).join(Intervention, Intervention.theme_id == Theme.id)
        ).one()


def test_the_newest_days_tell_whether_the_fall_still_stands(session, settings):
    site = Site(session, n_controls=0)
    assert check(measure(site, settings, LOOKS[3]), "lately")["state"] == "ok"
    back = LOOKS[3] - timedelta(days=27)
    site.write(site.theme, mean=9, first_day=back, n_days=28, channel="chat", seed=8)
    found = measure(site, settings, LOOKS[3])
    assert found.verdict is Verdict.FELL  # over all its days
    assert check(found, "lately")["state"] == "warn"
    assert found.detail["still"] != "stands"
    assert found.detail["lately"]["expected"] < found.expected / 2


# many looks at once


def test_looks_of_one_night_are_judged_together(session, settings, database):
    site = Site(session, n_controls=0)
    others = [add_second_site(site, seed=40 + n) for n in range(5)]
    make_definitions(session, [site.theme, *(one.theme for one in others)], number=2)
    session.commit()
    run_due(database, settings, LOOKS[0])
    with database.reading() as reading:
        rows = reading.execute(
            sa.select(
                ImpactMeasurement.p_value,
                ImpactMeasurement.q_value,
                ImpactMeasurement.verdict,
                ImpactMeasurement.detail,
            )
        ).all()
    assert len(rows) == 6
    expected = q_values([row.p_value for row in rows])
    assert [row.q_value for row in rows] == pytest.approx(expected)
    assert all(row.q_value > row.p_value for row in rows if row.p_value < max(expected))
    for row in rows:
        others = sorted(one.p_value for one in rows if one is not row)
        assert row.detail["judged_with"] == others


def withheld(session, settings, p_beside):
    """A fall at the first look, judged with forty looks of other changes with that p-value."""
    site = Site(session, change=-0.22, n_controls=0, seed=5)
    inputs = read_for_measuring(session, settings, site.intervention, LOOKS[0]).inputs
    return site, replace(inputs, others=(p_beside,) * 40)


def test_a_claim_that_may_be_one_of_many_by_chance_is_not_made(session, settings):
    site, inputs = withheld(session, settings, 0.9)
    alone = make_estimates(replace(inputs, others=()))
    assert alone.verdict is Verdict.FELL
    assert alone.q_value == alone.own.p_value
    assert 0.1 / 41 < alone.own.p_value < 0.015  # else this site tells nothing
    among = make_estimates(inputs)
    assert (among.verdict, among.is_withheld) == (Verdict.INCONCLUSIVE, True)
    assert among.q_value == pytest.approx(alone.own.p_value * 41)
    # among many that are as sure it may be claimed
    sure = make_estimates(replace(inputs, others=(alone.own.p_value,) * 40))
    assert sure.verdict is Verdict.FELL
    assert site.theme.status is ThemeStatus.MEASURING


def test_a_withheld_claim_is_written_with_its_sentence_and_reproduced(session, settings):
    site, inputs = withheld(session, settings, 0.9)
    reading = read_for_measuring(session, settings, site.intervention, LOOKS[0])
    found = write_measurement(
        session,
        site.intervention,
        prepare(reading),
        inputs,
        make_estimates(inputs),
        settings=settings,
        by=BY,
    )
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "judged together with 40 other looks" in found.reasons[0]
    assert not any(sentence.startswith("At least") for sentence in found.reasons)
    assert check(found, "many_looks")["state"] == "warn"
    assert (site.action.status, site.theme.status) == ("cannot_tell", ThemeStatus.MEASURING)
    again = reproduce_measurement(session, measurement_id=found.id)
    assert again.same, again.differences


def test_a_look_measured_by_itself_is_judged_with_those_of_its_day(session, settings):
    site = Site(session, n_controls=0)
    second = add_second_site(site)
    make_definitions(session, [site.theme, second.theme], number=2)
    first = measure(site, settings, LOOKS[0])
    assert (first.q_value, first.detail["judged_with"]) == (first.p_value, [])
    other = measure_intervention(
        session, settings=settings, intervention_id=second.id, as_of=LOOKS[0], by=BY
    )
    assert other.detail["judged_with"] == [first.p_value]
    # and the first stands as it was, though another look has come since
    assert measure(site, settings, LOOKS[0]) is first


def test_what_runs_between_looks_is_judged_with_nobody(session, settings):
    found = measure(Site(session), settings, SECOND_LOOK + timedelta(days=3))
    assert (found.q_value, found.detail["judged_with"]) == (None, None)


# quarterly looks


@pytest.mark.parametrize(("change", "alpha"), [(0, QUARTER_ALPHA), (-0.45, LOOK_ALPHA)])
def test_a_quarterly_look_asks_for_more_unless_it_repeats_a_claim(session, settings, change, alpha):
    site = Site(session, change=change, n_controls=0, after=LOOK_DAYS[4] + ROLLOUT)
    assert measure(site, settings, LOOKS[0]).detail["alpha"] == LOOK_ALPHA
    assert measure(site, settings, LOOKS[4]).detail["alpha"] == alpha


def test_a_fall_that_a_quarterly_look_no_longer_shows_is_told_from_one_that_is_gone(
    session, settings
):
    site = Site(session, n_controls=0)
    site.theme.status, site.action.status = ThemeStatus.HELD, ActionStatus.EFFECTIVE
    make_measurement(session, site.intervention, as_of=LOOKS[3], verdict=Verdict.FELL)
    measurement = make_measurement(
        session,
        site.intervention,
        as_of=LOOKS[4],
        verdict=Verdict.NO_CHANGE,
        avoided=(-50.0, 150.0, 600.0),
        expected=1_000.0,
    )
    speak_look(session, measurement, Displacement.NONE, BY)
    assert (site.action.status, site.theme.status) == ("cannot_tell", ThemeStatus.HELD)
    gone = make_measurement(
        session,
        site.intervention,
        as_of=LOOKS[5],
        verdict=Verdict.NO_CHANGE,
        avoided=(-50.0, 20.0, 90.0),
        expected=1_000.0,
    )
    speak_look(session, gone, Displacement.NONE, BY)
    assert (site.action.status, site.theme.status) == ("not_effective", ThemeStatus.NOT_HELD)


# what a fix touches


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


# stages and driver volumes


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


def test_the_prior_in_force_is_kept_with_the_measurement(session, settings):
    site = Site(session)
    first = measure(site, settings)
    weights = [1 / 56] * 56
    session.add(
        ImpactPrior(
            as_of=LIVE, method_version=METHOD_VERSION, n_themes=50, weights=weights, learnt_by="x"
        )
    )
    session.flush()
    second = measure(site, settings)
    assert second.id != first.id
    assert second.expected != first.expected
    for found in (first, second):
        again = reproduce_measurement(session, measurement_id=found.id)
        assert again.same, again.differences


def test_a_measurement_comes_out_the_same_after_its_theme_was_renamed_merged_and_redefined(
    session, settings
):
    site = Site(session)
    site.add_sibling(mean=14, change=0.1)
    found = measure(site, settings)
    site.theme.name = "Another name"
    make_definitions(session, site.controls, number=2)
    site.theme.status, site.theme.merged_into_id = ThemeStatus.MERGED, site.controls[0].id
    session.commit()
    again = reproduce_measurement(session, measurement_id=found.id)
    assert again.same, again.differences


def test_late_contacts_make_a_new_measurement_and_leave_the_first_as_it_was(session, settings):
    site = Site(session)
    first = measure(site, settings, SECOND_LOOK + timedelta(days=1))
    before = {name: getattr(first, name) for name in ("observed", "avoided", "input_sha256")}
    session.commit()
    add_days(session, site.theme, SECOND_LOOK, [40], channel="letter")
    second = measure(site, settings, SECOND_LOOK + timedelta(days=1))
    session.commit()
    session.expire_all()
    stands = session.get_one(ImpactMeasurement, first.id)
    assert {name: getattr(stands, name) for name in before} == before
    assert second.observed == stands.observed + 40
    assert reproduce_measurement(session, measurement_id=first.id).same


def test_many_measurements_come_out_the_same_wherever_they_are_computed(session, settings):
    site = Site(session)
    second = add_second_site(site)
    make_definitions(session, [site.theme, second.theme], number=2)
    inputs = [
        read_for_measuring(session, settings, one, day).inputs
        for one in (site.intervention, second)
        for day in (LOOKS[0], LOOKS[1])
    ]
    plain = Estimators().estimate(inputs)
    beside = [Helper(), Helper()]
    try:
        spread = Estimators(helpers=beside).estimate(inputs)
    finally:
        for helper in beside:
            helper.close()
    for here, there, one in zip(plain, spread, inputs, strict=True):
        alone = make_estimates(one)
        figures = [list_figures(made, one) for made in (alone, here, there)]
        assert figures[0] == figures[1] == figures[2]


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

    def killed_after(number):
        begun = []

        @contextmanager
        def mortal():
            with database.transaction() as inner:
                yield inner
                begun.append(1)
                if len(begun) == number:
                    raise Killed

        return mortal

    # the list, six looks read, the first two written, and the third before its commit
    with pytest.raises(Killed):
        run_due(database, settings, SECOND_LOOK, killed_after(1 + 6 + 3))
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
