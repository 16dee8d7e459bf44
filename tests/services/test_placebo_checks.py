"""The placebo monitor: one row a day of data, bounded, told, and left alone when cancelled."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import date, timedelta

import pytest
import sqlalchemy as sa

from closedloop.domain.accounts import Role
from closedloop.domain.audit import COMMAND_LINE, NIGHTLY_ROUND, Actor
from closedloop.domain.errors import NotAllowed, NotMeasurable
from closedloop.domain.jobs import JobKind
from closedloop.models import AuditEvent, DailyRollup, ImpactPrior, PlaceboCheck
from closedloop.queries.impact_site import find_newest_check, list_checks
from closedloop.services.impact_panels import read_panel
from closedloop.services.long_work import Cancelled
from closedloop.services.placebo_checks import (
    are_placebos_due,
    check_placebos,
    queue_placebos,
)
from ml.impact import METHOD_VERSION
from tests.factories.accounts import make_user
from tests.factories.rollups import slice_again
from tests.factories.series import add_days, draw_counts, make_alike, make_controls
from tests.factories.themes import make_action, make_intervention, make_theme

FIRST, LAST = date(2025, 6, 2), date(2026, 2, 2)
N_DAYS = (LAST - FIRST).days + 1


@pytest.fixture
def themes(session):
    return make_controls(session, number=6, first_day=FIRST, n_days=N_DAYS)


def run(session, settings, *, as_of=LAST, most=5, **values):
    @contextmanager
    def transactions():
        yield session
        session.flush()

    return check_placebos(
        transactions, settings=settings, as_of=as_of, by=NIGHTLY_ROUND, most=most, **values
    )


def row_of(session, row_id):
    return session.get_one(PlaceboCheck, row_id)


def test_a_check_is_stored_with_what_it_stands_on(session, settings, themes):
    row = row_of(session, run(session, settings))

    assert (row.as_of, row.method_version) == (LAST, METHOD_VERSION)
    assert row.n_placebos == 5
    assert 0 <= row.n_false <= 5
    assert row.sd_z > 0
    assert row.detail["n_looks"] == 20
    assert row.detail["alpha"] == 0.015
    assert [look["days"] for look in row.detail["looks"]] == [14, 28, 56, 84]
    event = session.scalars(sa.select(AuditEvent)).one()
    assert event.verb == "impact.placebos_checked"
    assert "On 5 dates on which nothing was changed" in event.summary


def test_the_same_day_is_checked_once(session, settings, themes):
    first = run(session, settings)

    assert run(session, settings) == first
    assert session.scalar(sa.select(sa.func.count()).select_from(PlaceboCheck)) == 1
    assert session.scalar(sa.select(sa.func.count()).select_from(AuditEvent)) == 1


def test_the_same_day_gives_the_same_numbers(session, settings, themes):
    row = row_of(session, run(session, settings))
    was = (row.n_placebos, row.n_false, row.sd_z, dict(row.detail))
    session.delete(row)
    session.flush()

    again = row_of(session, run(session, settings))

    assert (again.n_placebos, again.n_false, again.sd_z, dict(again.detail)) == was


def test_progress_is_told_and_a_stop_leaves_nothing(session, settings, themes):
    told = []

    def stop_at_the_second(progress):
        told.append((progress.done, progress.total))
        if progress.done:
            raise Cancelled("Stopped.")

    with pytest.raises(Cancelled):
        run(session, settings, report=stop_at_the_second)

    assert told[0] == (0, 5)
    assert session.scalar(sa.select(PlaceboCheck)) is None


def test_too_little_history_is_said(session, settings):
    make_controls(session, number=2, first_day=FIRST, n_days=157)
    with pytest.raises(NotMeasurable, match="158 days of contacts"):
        run(session, settings, as_of=FIRST + timedelta(days=156))
    with pytest.raises(NotMeasurable):
        run(session, settings, as_of=FIRST - timedelta(days=1))


def test_a_theme_with_a_fix_is_not_checked_around_it(session, settings, themes):
    for theme in themes[:5]:
        action = make_action(session, theme)
        make_intervention(
            session, action, went_live_on=FIRST + timedelta(days=150), rollout_days=30
        )
    read = read_panel(session, settings=settings, as_of=LAST, days=728)

    assert read.panel.fixes[0] == ((150, 180, 180 + 83),)
    assert read.panel.fixes[5] == ()
    row = row_of(session, run(session, settings, most=50))
    assert row.detail["themes"] == 1


def test_the_panel_holds_themes_families_and_holidays(session, settings, themes):
    make_alike(session, themes[1], themes[4], 0.7)
    make_alike(session, themes[2], themes[3], 0.5)
    read = read_panel(session, settings=settings, as_of=LAST, days=100)

    assert read.theme_ids == tuple(theme.id for theme in themes)
    assert read.panel.counts.shape == (100, 6)
    assert read.panel.first_day == LAST - timedelta(days=99)
    assert read.panel.families[1] == {4}
    assert read.panel.families[4] == {1}
    assert read.panel.families[2] == set()
    assert date(2025, 12, 25) in read.panel.holidays
    assert read.panel.lacking == ()
    first = draw_counts(100, mean=6, first_day=FIRST, n_days=N_DAYS)
    assert read.panel.counts[:, 0].tolist() == first[-100:]


def test_the_panel_knows_the_days_that_lack_an_import(session, settings, themes):
    gap = [FIRST + timedelta(days=n) for n in (60, 61)]
    session.execute(sa.delete(DailyRollup).where(DailyRollup.day.in_(gap)))
    slice_again(session, gap)
    read = read_panel(session, settings=settings, as_of=LAST, days=728)
    assert read.panel.lacking == (60, 61)


def test_it_is_due_once_a_week_or_when_the_prior_changed(session, settings, themes):
    assert are_placebos_due(session, as_of=LAST)
    run(session, settings)

    assert not are_placebos_due(session, as_of=LAST + timedelta(days=6))
    assert are_placebos_due(session, as_of=LAST + timedelta(days=7))
    prior = ImpactPrior(
        as_of=LAST, method_version=METHOD_VERSION, n_themes=60, weights=[], learnt_by="Priya"
    )
    session.add(prior)
    session.flush()
    assert are_placebos_due(session, as_of=LAST + timedelta(days=1))
    assert not are_placebos_due(session, as_of=LAST), "that day has its row"


def test_another_method_is_checked_at_once(session, settings, themes):
    row_of(session, run(session, settings)).method_version = "0.9"
    session.flush()

    assert are_placebos_due(session, as_of=LAST)
    run(session, settings)
    assert [found.method_version for found in list_checks(session)] == [METHOD_VERSION, "0.9"]
    assert find_newest_check(session).method_version == METHOD_VERSION


def test_a_theme_that_doubles_every_five_weeks_is_a_false_alarm(session, settings):
    make_controls(session, number=6, first_day=FIRST, n_days=N_DAYS)
    wild = make_theme(session)
    add_days(session, wild, FIRST, [round(5 * 1.02**n) for n in range(N_DAYS)])
    row = row_of(session, run(session, settings, most=40))

    assert row.n_false >= 1
    assert row.sd_z > 1


def test_only_who_may_measure_queues_a_check(session, settings):
    executive = make_user(session, Role.EXECUTIVE)
    with pytest.raises(NotAllowed):
        queue_placebos(session, by=Actor(executive.name, user_id=executive.id))

    job = queue_placebos(session, by=COMMAND_LINE)
    assert (job.kind, job.arguments) == (JobKind.MEASURE_IMPACT, {"placebos": True})
