"""A night's round: what is due, judged together, kept when it dies, measured again."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from multiprocessing import get_context

import pytest
import sqlalchemy as sa

from closedloop.domain.actions import ActionStatus
from closedloop.domain.chance import false_discovery_rates
from closedloop.domain.impact import (
    FOLLOW_UP_DAYS,
    LOOK_ALPHA,
    LOOK_DAYS,
    Verdict,
)
from closedloop.domain.themes import ThemeStatus
from closedloop.models import (
    AuditEvent,
    ImpactMeasurement,
    Intervention,
    Theme,
)
from closedloop.services.impact import (
    measure_intervention,
    reproduce_measurement,
)
from closedloop.services.impact_estimates import make_estimates
from closedloop.services.impact_readings import read_for_measuring
from closedloop.services.impact_writing import prepare, write_measurement
from closedloop.services.long_work import Cancelled
from tests.factories.series import (
    add_days,
    make_definitions,
)
from tests.factories.themes import make_action, make_intervention, make_theme
from tests.services.test_impact import (
    BY,
    LIVE,
    LOOKS,
    ROLLOUT,
    SECOND_LOOK,
    Site,
    add_second_site,
    check,
    list_rows,
    measure,
    run_due,
)


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


def test_an_executor_leaves_the_same_rows_to_the_bit(session, settings):
    site = Site(session)
    second = add_second_site(site)
    make_definitions(session, [site.theme, second.theme], number=2)
    session.commit()
    kept = [
        column
        for column in ImpactMeasurement.__table__.columns
        if column.name not in {"id", "measured_at", "created_at", "updated_at"}
    ]

    @contextmanager
    def uncommitted():
        yield session

    def rows_by(executor):
        as_of = LOOKS[1] + timedelta(days=2)
        summary = run_due(None, settings, as_of, uncommitted, executor=executor)
        assert (summary.measured, summary.failed, summary.refused) == (6, (), ())
        order = (ImpactMeasurement.intervention_id, ImpactMeasurement.as_of)
        found = session.execute(sa.select(*kept).order_by(*order)).all()
        session.rollback()
        return [tuple(row) for row in found]

    serial = rows_by(None)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        assert rows_by(pool) == serial
    assert {column.name for column in kept} > {"avoided", "p_value", "detail", "inputs"}


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
    expected = false_discovery_rates([row.p_value for row in rows])
    assert [row.q_value for row in rows] == pytest.approx(expected)
    assert all(row.q_value > row.p_value for row in rows if row.p_value < max(expected))
    for row in rows:
        others = sorted(one.p_value for one in rows if one is not row)
        assert row.detail["judged_with"] == others


def add_twin(site):
    """The same change, recorded as another action of the same theme."""
    action = make_action(site.session, site.theme, ActionStatus.SHIPPED, title="The same again")
    return make_intervention(site.session, action, went_live_on=LIVE, rollout_days=ROLLOUT)


def test_a_change_recorded_twice_is_judged_as_one(session, settings, database):
    site = Site(session, n_controls=0)
    others = [add_second_site(site, seed=40 + n) for n in range(3)]
    twins = {site.intervention.id, add_twin(site).id}
    make_definitions(session, [site.theme, *(one.theme for one in others)], number=2)
    session.commit()
    run_due(database, settings, LOOKS[0])
    with database.reading() as reading:
        rows = reading.scalars(sa.select(ImpactMeasurement)).all()
    mine = [row for row in rows if row.intervention_id in twins]
    apart = [row for row in rows if row.intervention_id not in twins]
    assert len({row.p_value for row in mine}) == 1
    for row in mine:
        assert row.detail["judged_with"] == sorted(one.p_value for one in apart)
    for row in apart:
        beside = [mine[0].p_value, *(one.p_value for one in apart if one is not row)]
        assert row.detail["judged_with"] == sorted(beside)
    expected = false_discovery_rates([mine[0].p_value, *(row.p_value for row in apart)])
    assert [row.q_value for row in (*mine[:1], *apart)] == pytest.approx(expected)


def test_a_change_recorded_twice_and_measured_by_itself_is_judged_as_one(session, settings):
    site = Site(session, n_controls=0)
    second, twin = add_second_site(site), add_twin(site)
    make_definitions(session, [site.theme, second.theme], number=2)
    first = measure(site, settings, LOOKS[0])
    same, other = (
        measure_intervention(
            session, settings=settings, intervention_id=one.id, as_of=LOOKS[0], by=BY
        )
        for one in (twin, second)
    )
    assert same.p_value == first.p_value
    assert (first.detail["judged_with"], same.detail["judged_with"]) == ([], [])
    assert other.detail["judged_with"] == [first.p_value]


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

    # the list, the first look of each read, two of them written, and the third before its commit
    with pytest.raises(Killed):
        run_due(database, settings, SECOND_LOOK, killed_after(1 + 3 + 3))
    kept = list_rows(database)
    expected = {site.intervention.id, others[0].id}
    assert {row.intervention_id for row in kept} == expected
    assert {row.look for row in kept} == {1}

    summary = run_due(database, settings, SECOND_LOOK)
    assert summary.measured == 4
    rows = list_rows(database)
    assert len(rows) == 6
    assert [row for row in rows if row in kept] == kept
    with database.reading() as reading:
        events = reading.scalars(sa.select(AuditEvent.verb)).all()
    assert events.count("impact.measured") == 6
    assert run_due(database, settings, SECOND_LOOK).measured == 0


def test_a_look_that_somebody_spoke_while_the_round_computed_is_not_spoken_twice(
    session, settings, database
):
    site = Site(session)
    theme_id, intervention_id = site.theme.id, site.intervention.id
    session.commit()
    begun = []

    @contextmanager
    def overtaken():
        begun.append(1)
        if len(begun) == 3:  # after the list and the reading, before the writing
            with database.transaction() as other:
                add_days(other, other.get_one(Theme, theme_id), LOOKS[0], [7], channel="letter")
                measure_intervention(
                    other,
                    settings=settings,
                    intervention_id=intervention_id,
                    as_of=LOOKS[0],
                    by=BY,
                )
        with database.transaction() as inner:
            yield inner

    summary = run_due(database, settings, LOOKS[0], overtaken)

    assert (len(begun), summary.measured, summary.looks) == (3, 0, 0)
    assert [(row.as_of, row.is_look) for row in list_rows(database)] == [(LOOKS[0], True)]


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


def test_a_late_quarterly_look_asks_what_the_look_before_it_said(session, settings, database):
    site = Site(session, after=LOOK_DAYS[4] + ROLLOUT)
    session.commit()
    quarterly = site.intervention.went_live_on + timedelta(days=ROLLOUT + LOOK_DAYS[4] - 1)

    run_due(database, settings, quarterly)

    with database.reading() as reading:
        rows = reading.scalars(
            sa.select(ImpactMeasurement)
            .where(ImpactMeasurement.is_look)
            .order_by(ImpactMeasurement.look)
        ).all()
    assert [row.look for row in rows] == [1, 2, 3, 4, 5]
    assert rows[3].verdict is Verdict.FELL
    assert rows[4].detail["alpha"] == LOOK_ALPHA  # repeating a claim, not making a first one
