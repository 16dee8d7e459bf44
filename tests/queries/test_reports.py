"""The executive report and the summary of repeats."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta

import pytest

from closedloop.domain.contacts import window_for
from closedloop.domain.impact import Verdict
from closedloop.domain.themes import ThemeStatus
from closedloop.queries.reports import default_period, get_repeat_summary, get_report
from closedloop.services.repeats import chain_contacts, mark_due
from closedloop.services.rollups import roll_up_days
from tests.factories.contacts import make_batch, make_contact, make_customer
from tests.factories.impact import make_comeback, make_measurement
from tests.factories.rollups import make_rollup
from tests.factories.themes import make_action, make_intervention, make_stats, make_theme
from tests.statements import count_statements

FIRST, CUT = date(2025, 11, 10), date(2026, 5, 11)


def report_of(session, *, first_day=FIRST, last_day=CUT):
    return get_report(
        session, first_day=first_day, last_day=last_day, cut=CUT, first_data_day=FIRST, k=1
    )


def test_the_period_reaches_back_to_january_or_half_a_year():
    old = date(2020, 1, 1)

    assert default_period(date(2026, 11, 30), old) == (date(2026, 1, 1), date(2026, 11, 30))
    assert default_period(date(2026, 2, 1), old) == (date(2025, 8, 3), date(2026, 2, 1))
    assert default_period(CUT, date(2026, 4, 1)) == (date(2026, 4, 1), CUT)


def test_only_actions_that_went_live_in_the_period_are_in_it(session):
    inside = make_intervention(session, went_live_on=date(2026, 1, 1))
    edge = make_intervention(session, went_live_on=date(2026, 3, 1))
    make_intervention(session, went_live_on=date(2025, 12, 31))
    make_intervention(session, went_live_on=date(2026, 3, 2))

    found = report_of(session, first_day=date(2026, 1, 1), last_day=date(2026, 3, 1))

    assert {row.key for row in found.shipped} == {inside.action.key, edge.action.key}
    assert found.earlier == 1


def test_verdicts_are_those_known_on_the_last_day(session):
    intervention = make_intervention(session)
    make_measurement(session, intervention, as_of=date(2026, 3, 16), verdict=Verdict.FELL)
    make_measurement(session, intervention, as_of=date(2026, 3, 30), verdict=Verdict.NO_CHANGE)

    assert report_of(session, last_day=date(2026, 3, 29)).shipped[0].verdict is Verdict.FELL
    assert report_of(session).shipped[0].verdict is Verdict.NO_CHANGE


def test_the_pace_leaves_out_what_had_come_back_by_the_last_day(session):
    intervention = make_intervention(session)
    make_measurement(session, intervention)
    make_comeback(session, intervention, alarm_on=date(2026, 5, 6))

    then, now = report_of(session, last_day=date(2026, 5, 5)), report_of(session)

    assert then.money.people is not None
    assert (now.money.people, now.money.came_back) == (None, 1)
    assert now.money.contacts == then.money.contacts


def test_what_fell_most_stands_first_and_what_is_too_early_last(session):
    early = make_intervention(session)
    rose = make_intervention(session)
    make_measurement(session, rose, verdict=Verdict.ROSE, avoided=(-300, -200, -100))
    little = make_intervention(session)
    make_measurement(session, little, avoided=(10, 50, 90))
    much = make_intervention(session)
    make_measurement(session, much, avoided=(300, 400, 500))

    found = [row.key for row in report_of(session).shipped]

    assert found == [made.action.key for made in (much, little, rose, early)]


def test_rates_compare_the_first_and_last_four_mature_weeks(session):
    theme = make_theme(session)
    for i in range((CUT - FIRST).days + 1):
        day = FIRST + timedelta(days=i)
        repeats = 30 if i < 28 else 20
        make_rollup(session, theme, day, 100, any_7d=repeats, same_7d=repeats // 2)

    found = report_of(session)

    assert found.at_first is not None
    assert found.at_last is not None
    assert (found.at_first.any, found.at_first.same) == (0.30, 0.15)
    assert (found.at_last.any, found.at_last.same) == (0.20, 0.10)
    assert found.at_first.last_day == FIRST + timedelta(days=27)
    assert found.at_last.last_day == CUT - timedelta(days=7)  # later days are still maturing


def test_a_period_too_short_for_two_times_four_weeks_compares_nothing(session):
    theme = make_theme(session)
    for i in range(55):
        make_rollup(session, theme, FIRST + timedelta(days=i), 100, any_7d=20)

    found = report_of(session, last_day=FIRST + timedelta(days=54))

    assert (found.at_first, found.at_last) == (None, None)


def test_open_actions_and_what_waits_are_of_now(session):
    soon = make_action(session, due_on=date(2026, 5, 20))
    overdue = make_action(session, due_on=date(2026, 5, 4))
    make_stats(session, make_theme(session, ThemeStatus.CANDIDATE), contacts=900)
    make_theme(session, ThemeStatus.CANDIDATE)

    found = report_of(session)

    assert [row.key for row in found.open_actions] == [overdue.key, soon.key]
    assert [row.key for row in found.overdue(date(2026, 5, 12))] == [overdue.key]
    assert (found.waiting.candidates, found.waiting.contacts) == (2, 900)


def test_reopened_themes_are_named_with_their_newest_alarm(session):
    theme = make_theme(session, ThemeStatus.REOPENED)
    intervention = make_intervention(session, make_action(session, theme))
    make_comeback(session, intervention, alarm_on=date(2026, 2, 1), since_on=date(2026, 1, 20))
    make_comeback(session, intervention)
    make_comeback(session, make_intervention(session))  # its theme is not reopened

    (back,) = report_of(session).back_again

    assert (back.key, back.since_on, back.excess) == (theme.key, date(2026, 4, 28), 87.0)


@pytest.fixture
def repeating(session):
    """Three known customers and one unknown; one came twice within a week, one after ten days."""
    at = datetime(2026, 3, 2, 10, tzinfo=UTC)
    theme = make_theme(session)
    week, ten_days = 3 * 86400, 10 * 86400
    first, second, third = (make_customer(session) for _ in range(3))

    def add(customer, days, previous=None, following=None, same=None):
        make_contact(
            session,
            customer=customer,
            theme=theme,
            started_at=at + timedelta(days=days),
            previous_gap_seconds=previous,
            next_gap_seconds=following,
            next_same_gap_seconds=same,
        )

    add(first, 0, following=week, same=None)
    add(first, 3, previous=week)
    add(second, 0, following=ten_days, same=ten_days)
    add(second, 10, previous=ten_days)
    add(third, 9)
    add(None, 1)
    session.flush()
    return session


def test_the_summary_counts_contacts_customers_and_repeats(repeating):
    found = get_repeat_summary(repeating, window=window_for("7d"), cut=date(2026, 3, 12), k=1)

    assert (found.contacts, found.identified_contacts, found.customers) == (6, 5, 3)
    assert found.repeat_share_any == pytest.approx(1 / 5)
    assert found.customers_repeating_share == pytest.approx(1 / 3)


def test_the_forward_rates_leave_out_days_that_are_still_open(repeating):
    found = get_repeat_summary(repeating, window=window_for("7d"), cut=date(2026, 3, 12), k=1)

    assert found.mature_until == date(2026, 3, 5)
    assert found.repeat_rate_any == pytest.approx(1 / 3)  # the first three of known customers
    assert found.repeat_rate_same_theme == 0.0


def test_a_longer_window_finds_more(repeating):
    found = get_repeat_summary(repeating, window=window_for("14d"), cut=date(2026, 5, 12), k=1)

    assert found.repeat_share_any == pytest.approx(2 / 5)
    assert found.repeat_rate_any == pytest.approx(2 / 5)
    assert found.repeat_rate_same_theme == pytest.approx(1 / 5)
    assert found.customers_repeating_share == pytest.approx(2 / 3)


def test_without_contacts_every_share_is_unknown(session):
    found = get_repeat_summary(session, window=window_for("7d"), cut=None, k=5)

    assert (found.contacts, found.customers) == (0, 0)
    assert found.repeat_share_any is None
    assert found.repeat_rate_any is None


def test_the_summary_of_rolled_up_days_is_that_of_the_contacts(session, settings, database):
    theme, batch, draw = make_theme(session), make_batch(session), random.Random(3)
    customers = [make_customer(session) for _ in range(12)]
    for i in range(120):
        make_contact(
            session,
            batch=batch,
            customer=draw.choice([*customers, None]),
            theme=draw.choice([theme, None]),
            text=None,
            started_at=datetime(2026, 3, 2, tzinfo=UTC) + timedelta(hours=draw.randrange(900)),
            source_contact_id=f"n{i}",
        )
    chain_contacts(session, settings=settings, customer_ids=None)
    session.commit()
    for key in ("24h", "7d", "30d"):
        asked = {"window": window_for(key), "cut": date(2026, 4, 8), "k": 1}
        due = get_repeat_summary(session, **asked)  # every day still waits to be added up
        roll_up_days(session, days=None)
        session.commit()
        with count_statements(database.engine) as seen, database.reading() as reading:
            rolled = get_repeat_summary(reading, **asked)
        assert rolled == due
        assert due.repeat_share_any is not None
        assert 0 < due.repeat_rate_same_theme < due.repeat_rate_any
        assert not any("LEFT OUTER JOIN contact_links" in statement for statement in seen)
        mark_due(session, {date(2026, 3, 3)})


def test_the_summary_leaves_out_what_fewer_than_k_people_stand_behind(session, settings):
    one = make_customer(session)
    for i in range(30):  # thirty contacts and 29 repeats, all of one customer
        make_contact(
            session,
            customer=one,
            text=None,
            started_at=datetime(2026, 3, 2, tzinfo=UTC) + timedelta(hours=5 * i),
            source_contact_id=f"one{i}",
        )
    for i in range(6):
        make_contact(
            session,
            customer=make_customer(session) if i < 4 else None,
            text=None,
            started_at=datetime(2026, 3, 2, tzinfo=UTC) + timedelta(days=i),
            source_contact_id=f"other{i}",
        )
    chain_contacts(session, settings=settings, customer_ids=None)
    roll_up_days(session, days=None)

    found = get_repeat_summary(session, window=window_for("7d"), cut=date(2026, 4, 8), k=5)
    assert (found.contacts, found.identified_contacts, found.customers) == (36, 34, 5)
    assert found.unidentified_share == pytest.approx(2 / 36)
    assert (found.repeat_share_any, found.repeat_rate_any) == (None, None)
    assert (found.repeat_rate_same_theme, found.customers_repeating_share) == (None, None)
    fewer = get_repeat_summary(session, window=window_for("7d"), cut=date(2026, 4, 8), k=6)
    assert (fewer.contacts, fewer.identified_contacts, fewer.customers) == (36, None, None)
    assert fewer.unidentified_share is None
