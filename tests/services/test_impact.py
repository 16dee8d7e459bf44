"""Measuring impact: does the number mean what its name says, and who follows it?"""

from __future__ import annotations

from datetime import date, timedelta

import pytest
import sqlalchemy as sa

from closedloop.domain.actions import ActionStatus
from closedloop.domain.audit import NIGHTLY_ROUND, Actor
from closedloop.domain.errors import NotFound, NotMeasurable
from closedloop.domain.impact import (
    LOOK_ALPHA,
    LOOK_DAYS,
    QUARTER_ALPHA,
    Displacement,
    Verdict,
    looks,
)
from closedloop.domain.themes import ThemeStatus
from closedloop.models import (
    AuditEvent,
    DailyRollup,
    ImpactMeasurement,
)
from closedloop.services.impact import (
    METHOD_VERSION,
    measure_due,
    measure_intervention,
)
from closedloop.services.impact_verdicts import speak_look
from closedloop.services.site import set_pence_per_minute
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

    def add_sibling(self, *, mean, change, likeness=0.72, peak=0):
        """Add a theme beside it; `peak` more contacts came on each of its last 14 days before."""
        sibling = make_theme(self.session)
        self.write(sibling, mean=mean, change=change, seed=7)
        if peak:
            add_days(self.session, sibling, LIVE - timedelta(days=14), [peak] * 14)
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
    assert check(found, "smallest_drop")["state"] == "off", "no drop was had"


def test_before_any_verdict_nothing_passes_for_want_of_one(session, settings):
    site = Site(session)
    first = LIVE + timedelta(days=ROLLOUT)
    still = measure(site, settings, LIVE)
    assert "No day is counted yet" in check(still, "controls")["sentence"]
    early = measure(site, settings, first)
    assert early.verdict is Verdict.TOO_EARLY
    assert [check(one, "own_history")["state"] for one in (still, early)] == ["off", "off"]
    fell = check(measure(site, settings), "own_history")
    assert fell["sentence"] == "The theme's own history alone says the same: fell."


def test_a_sibling_that_may_have_been_that_busy_before_leaves_it_open(session, settings):
    site = Site(session, change=-0.5)
    sibling = site.add_sibling(mean=14, change=10 / 14, peak=10)
    found = measure(site, settings)

    assert found.detail["displacement"] == "open"
    assert found.verdict is Verdict.INCONCLUSIVE
    beside = found.detail["siblings"][0]
    assert beside["low"] < 0 < beside["high"], "it may have been at that level before"
    assert found.reasons[0].startswith(f"Alone, {site.theme.name} fell")
    assert f"more came about {sibling.name}" in found.reasons[0]
    assert not any(sentence.startswith("At least") for sentence in found.reasons)
    assert check(found, "spill")["state"] == "warn"
    assert "a new level before the change" in check(found, "spill")["sentence"]
    assert (site.action.status, site.theme.status) == ("cannot_tell", ThemeStatus.MEASURING)


def test_a_sibling_that_may_only_have_come_back_from_a_lull_leaves_it_open(session, settings):
    site = Site(session, change=-0.5)
    sibling = site.add_sibling(mean=14, change=10 / 14)
    add_days(session, sibling, FIRST, [10] * ((LIVE - FIRST).days - 14))  # 24 before
    found = measure(site, settings)

    assert found.detail["displacement"] == "open"
    assert found.verdict is Verdict.INCONCLUSIVE
    beside = found.detail["siblings"][0]
    assert beside["low"] < 0 < beside["high"], "it may have come back by itself"
    assert "the days of few contacts right before the change would have gone on" in found.reasons[0]
    assert "come back from a lull by itself" in check(found, "spill")["sentence"]


def test_a_theme_beside_it_that_took_nothing_up_does_not_say_what_is_open(session, settings):
    site = Site(session, change=-0.5)
    taker = site.add_sibling(mean=14, change=10 / 14, peak=10)
    lull = site.add_sibling(mean=3, change=0)
    add_days(session, lull, FIRST, [2] * ((LIVE - FIRST).days - 14))  # it stays that low
    found = measure(site, settings)

    assert found.detail["displacement"] == "open"
    assert (taker.name in found.reasons[0], lull.name in found.reasons[0]) == (True, False)
    assert "few contacts" not in found.reasons[0]
    assert "lull" not in check(found, "spill")["sentence"]


def test_a_theme_that_had_fallen_for_good_before_the_change_is_not_praised(session, settings):
    site = Site(session, mean=14, change=0)
    add_days(session, site.theme, FIRST, [12] * ((LIVE - FIRST).days - 10))  # 26 before
    found = measure(site, settings)

    assert found.verdict is Verdict.NO_CHANGE
    assert (found.detail["gap_days"], found.detail["gap_is_low"]) == (14, True)
    assert "unusually quiet" in check(found, "regression_to_mean")["sentence"]


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


def test_a_theme_that_moved_on_the_same_date_is_named_as_left_out_with_why(session, settings):
    site = Site(session, n_controls=12)
    moved = [make_theme(session) for _ in range(2)]
    for seed, theme in enumerate(moved, start=40):
        site.write(theme, mean=30, change=-0.7, seed=seed)
    found = measure(site, settings)
    left_out = {one["key"]: one["reason"] for one in found.detail["left_out"]}
    for theme in moved:
        assert left_out[theme.key] == "moved on the same date, and apart from the others"
        assert theme.key not in found.detail["controls"]
    assert len(found.detail["controls"]) == found.detail["controls_used"] == 12


def test_without_a_comparison_no_theme_is_said_to_be_compared_with(session, settings):
    site = Site(session, n_controls=3)
    found = measure(site, settings)
    assert (found.detail["controls"], found.detail["controls_used"]) == ([], 0)
    assert {one["key"] for one in found.detail["left_out"]} == {one.key for one in site.controls}
    assert "too few unaffected themes" in found.detail["left_out"][0]["reason"]


def test_sparse_themes_are_no_controls_and_days_without_contacts_are_zeros(session, settings):
    site = Site(session)
    sparse, edge = make_theme(session), make_theme(session)
    add_days(session, sparse, FIRST, [10] * 12)  # 120 in 246 days
    add_days(session, edge, FIRST, [123])  # .5 a day exactly, all on one day
    found = measure(site, settings)
    left_out = {one["key"]: one["reason"] for one in found.detail["left_out"]}
    assert "0.49 a day" in left_out[sparse.key]
    assert edge.key in found.detail["controls"]


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


def test_days_of_the_roll_out_are_no_part_of_the_effect(session, settings):
    site = Site(session)
    counts = draw_counts(
        1, mean=20.0, change=-0.45, n_pre=N_PRE + ROLLOUT, first_day=FIRST, n_days=site.n_days
    )
    calm = measure(site, settings)
    ramp = sa.and_(
        DailyRollup.theme_id == site.theme.id,
        DailyRollup.day.between(LIVE, LIVE + timedelta(days=ROLLOUT - 1)),
    )
    session.execute(sa.update(DailyRollup).where(ramp).values(contacts=DailyRollup.contacts + 300))
    slice_again(session, [LIVE, LIVE + timedelta(days=ROLLOUT - 1)])

    wild = measure(site, settings)

    assert wild.id != calm.id  # the wild days were read
    first = N_PRE + ROLLOUT
    assert wild.observed == sum(counts[first : (SECOND_LOOK - FIRST).days + 1])
    assert wild.n_post == LOOK_DAYS[1]
    figures = ("observed", "expected", "avoided", "avoided_low", "avoided_high", "p_value")
    for name in (*figures, "verdict", "n_pre", "n_post"):
        assert getattr(wild, name) == getattr(calm, name), name


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
