"""Home: the counts, the trend and the changes are those of the tables."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from closedloop.domain.actions import ActionStatus
from closedloop.domain.audit import Actor, ActorKind
from closedloop.domain.clock import as_if
from closedloop.domain.home import Change
from closedloop.domain.themes import ThemeStatus
from closedloop.queries.home import (
    TREND_DAYS,
    count_open_actions,
    count_themes,
    get_home_trend,
    headline_of,
    list_changes,
    list_due_actions,
    list_reopened,
)
from closedloop.queries.site import DataSpan
from closedloop.services.audit import record_event
from tests.factories.accounts import make_department, make_user
from tests.factories.impact import make_comeback
from tests.factories.rollups import make_rollup
from tests.factories.themes import make_action, make_intervention, make_stats, make_theme

CUT = date(2026, 5, 11)
TODAY = date(2026, 5, 12)
NIGHT = Actor("Nightly round", ActorKind.JOB)


def fill(session, first: date, last: date, any_7d, contacts: int = 1000, **values) -> None:
    """Write one row a day; `any_7d` is a number or a function of the day."""
    theme = make_theme(session)
    for n in range((last - first).days + 1):
        day = first + timedelta(n)
        number = any_7d(day) if callable(any_7d) else any_7d
        make_rollup(session, theme, day, contacts, any_7d=number, same_7d=number // 2, **values)


def headline(session, first: date, *, fewest: int = 5):
    trend = get_home_trend(session, DataSpan(first, CUT), CUT, k=1)
    return headline_of(trend, fewest=fewest)


def test_headline_is_the_last_four_mature_weeks_against_those_half_a_year_before(
    session,
):
    first = date(2025, 5, 1)
    fill(session, first, CUT, lambda day: 210 if day < date(2026, 3, 1) else 180)

    found = headline(session, first)

    assert found.last_day == date(2026, 5, 4)  # seven days later the window has closed
    assert found.any == pytest.approx(0.18)
    assert found.same == pytest.approx(0.09)
    assert found.any_before == pytest.approx(0.21)
    assert found.before_day == date(2025, 12, 8)  # within the 26 weeks of the chart
    assert (found.last_day - found.before_day).days % 7 == 0
    assert found.change is Change.FELL


def test_headline_of_less_than_four_mature_weeks_is_of_seven_days(session):
    first = date(2026, 4, 8)
    fill(session, first, CUT, lambda day: 100 if day < date(2026, 4, 28) else 200)

    found = headline(session, first)

    assert (found.n_days, found.any) == (7, pytest.approx(0.2))


def test_one_odd_week_is_not_the_headline(session):
    first = date(2025, 5, 1)
    fill(session, first, CUT, lambda day: 300 if day > date(2026, 4, 27) else 200)

    assert headline(session, first).any == pytest.approx(0.225)


def test_headline_weighs_days_by_their_contacts(session):
    first = date(2026, 4, 28)
    fill(session, first, date(2026, 5, 3), 10, contacts=100)
    fill(session, date(2026, 5, 4), CUT, 900, contacts=1800)

    assert headline(session, first).any == pytest.approx((60 + 900) / 2400)


def test_headline_calls_no_change_what_chance_explains(session):
    first = date(2026, 1, 1)
    fill(session, first, CUT, lambda day: 21 if day < date(2026, 3, 1) else 20, contacts=100)

    assert headline(session, first).change is Change.FLAT


def test_headline_compares_with_nothing_that_lies_less_than_four_weeks_back(session):
    first = date(2026, 4, 8)  # its first seven days end 20 days before the last mature day
    fill(session, first, CUT, 200)

    found = headline(session, first)

    assert found.any == pytest.approx(0.2)
    assert found.before_day is None
    assert found.any_before is None


def test_headline_is_not_compared_with_four_weeks_in_which_data_only_begin(session):
    theme = make_theme(session)
    for day in (date(2025, 11, 20), date(2026, 2, 1)):  # a few that came in with an export
        make_rollup(session, theme, day, 8, any_7d=4)
    fill(session, date(2026, 2, 2), CUT, 200)

    found = headline(session, date(2025, 11, 20))

    assert found.before_day == date(2026, 2, 23)
    assert found.any_before == pytest.approx(0.2, abs=0.001)
    assert found.change is Change.FLAT


def test_headline_is_not_compared_with_weeks_around_one_that_is_missing(session):
    fill(session, date(2026, 1, 6), date(2026, 1, 19), 900)
    fill(session, date(2026, 1, 27), CUT, 200)

    assert headline(session, date(2026, 1, 6)).before_day == date(2026, 2, 23)


def test_what_may_not_be_shown_of_the_same_theme_leaves_the_headline_of_any_reason(session):
    theme, first = make_theme(session), date(2026, 3, 3)
    for n in range((CUT - first).days + 1):
        make_rollup(session, theme, first + timedelta(n), 100, any_7d=20, same_7d=n % 7 == 0)

    trend = get_home_trend(session, DataSpan(first, CUT), CUT, k=5)
    found = headline_of(trend, fewest=5)

    assert found.any == pytest.approx(0.2)
    assert found.same is None


def test_headline_needs_seven_mature_days(session):
    first = date(2026, 4, 29)
    fill(session, first, CUT, 200)

    assert headline(session, first) is None


def test_headline_hides_a_week_of_fewer_contacts_than_may_be_shown(session):
    first = date(2026, 4, 28)
    theme = make_theme(session)
    make_rollup(session, theme, date(2026, 5, 1), 4, any_7d=1)
    make_rollup(session, theme, CUT, 1)

    assert headline(session, first) is None
    assert headline(session, first, fewest=4) is not None


def test_trend_is_26_weeks_long_and_maturing_after_its_last_mature_day(session):
    first = date(2025, 1, 1)
    fill(session, date(2025, 11, 1), CUT, 200)

    trend = get_home_trend(session, DataSpan(first, CUT), CUT, k=1)

    assert len(trend.days) == TREND_DAYS
    assert trend.days[-1].day == CUT
    assert trend.maturing_from == date(2026, 5, 5)


def test_count_themes_says_what_waits_and_since_when(session):
    old, new = (
        make_theme(session, waiting_since=datetime(2026, 5, day, tzinfo=UTC)) for day in (3, 9)
    )
    make_stats(session, old, contacts=100)
    make_stats(session, new, contacts=30)
    owner = make_user(session)
    make_theme(session, ThemeStatus.TRIAGED, owner_id=owner.id)
    make_theme(session, ThemeStatus.TRIAGED)
    make_theme(session, ThemeStatus.HELD)  # has no owner either, but waits for nobody
    make_theme(session, ThemeStatus.RETIRED)

    found = count_themes(session)

    assert found.of(ThemeStatus.CANDIDATE) == 2
    assert found.candidate_contacts == 130
    assert found.oldest_candidate == datetime(2026, 5, 3, tzinfo=UTC)
    assert found.without_owner == 1
    assert found.agreed == 3


def test_list_reopened_says_since_when_and_newest_first(session):
    older, newer = (make_theme(session, ThemeStatus.REOPENED, name=n) for n in ("Old", "New"))
    make_theme(session, ThemeStatus.HELD)
    for theme, since in ((older, date(2026, 3, 1)), (newer, date(2026, 4, 28))):
        action = make_action(session, theme, ActionStatus.EFFECTIVE)
        make_comeback(session, make_intervention(session, action), since_on=since)

    found = list_reopened(session)

    assert [(theme.name, theme.since_on) for theme in found] == [
        ("New", date(2026, 4, 28)),
        ("Old", date(2026, 3, 1)),
    ]


def test_count_open_actions_leaves_the_due_day_itself_in_time(session):
    for due in (TODAY - timedelta(1), TODAY, TODAY + timedelta(7), TODAY + timedelta(8), None):
        make_action(session, due_on=due)
    make_action(session, due_on=TODAY - timedelta(9), status=ActionStatus.SHIPPED)
    make_action(session, due_on=None, status=ActionStatus.HANDED_BACK)

    found = count_open_actions(session, today=TODAY)

    assert (found.any, found.open, found.overdue, found.due_soon, found.handed_back) == (
        7,
        6,
        1,
        2,
        1,
    )


def test_actions_of_a_scope_are_those_of_the_department_and_those_owned(session):
    mine, other = make_department(session), make_department(session)
    me = make_user(session)
    late = TODAY - timedelta(3)
    make_action(session, department=mine, due_on=late, title="Ours")
    make_action(session, department=other, owner_id=me.id, due_on=late, title="Mine")
    make_action(session, department=other, due_on=late, title="Theirs")

    scope = {"department_id": mine.id, "owner_id": me.id}

    assert count_open_actions(session, today=TODAY, **scope).overdue == 2
    assert {a.title for a in list_due_actions(session, today=TODAY, **scope)} == {"Ours", "Mine"}


def test_list_due_actions_names_three_of_a_kind_the_longest_overdue_first(session):
    for days in (1, 9, 5, 7):
        make_action(session, due_on=TODAY - timedelta(days), title=f"{days} days")
    make_action(session, due_on=TODAY + timedelta(2), title="Soon")
    make_action(session, due_on=TODAY + timedelta(30), title="Later")
    make_action(session, due_on=None, status=ActionStatus.HANDED_BACK, title="Back")
    make_action(session, due_on=None, status=ActionStatus.PROPOSED, title="Proposed")

    found = [action.title for action in list_due_actions(session, today=TODAY)]

    assert found == ["9 days", "7 days", "5 days", "Soon", "Back", "Proposed"]


def record(session, verb, kind="theme", target=None, by=NIGHT, **detail):
    event = record_event(
        session, by=by, verb=verb, target_kind=kind, target_id=target, summary=verb, detail=detail
    )
    session.flush()
    return event


def test_list_changes_names_what_each_was_about(session):
    theme = make_theme(session, name="Card late")
    action = make_action(session, theme, title="Text when posted")
    intervention = make_intervention(session, action)
    record(session, "themes.renamed", "theme", theme.id)
    record(session, "actions.agreed", "action", action.id)
    record(session, "impact.comeback_raised", "intervention", intervention.id)
    record(session, "contacts.imported", "import", 7)

    found = [(row.verb, row.key, row.name) for row in list_changes(session, with_admin=False)]

    assert found == [
        ("contacts.imported", "", ""),
        ("impact.comeback_raised", action.key, "Text when posted"),
        ("actions.agreed", action.key, "Text when posted"),
        ("themes.renamed", theme.key, "Card late"),
    ]


def test_list_changes_leaves_out_what_says_nothing_new(session):
    record(session, "impact.measured", "intervention", 1, is_look=False)
    record(session, "impact.measured", "intervention", 1, is_look=True)
    record(session, "jobs.done", "job", 1)
    record(session, "jobs.failed", "job", 1)
    record(session, "accounts.signed_in", "user", 1)
    record(session, "accounts.user_added", "user", 1)
    record(session, "site.minute_cost_set", "site")

    for_all = [row.verb for row in list_changes(session, with_admin=False)]
    for_admins = [row.verb for row in list_changes(session, with_admin=True)]

    assert for_all == ["jobs.failed", "impact.measured"]
    assert for_admins == [
        "site.minute_cost_set",
        "accounts.user_added",
        "jobs.failed",
        "impact.measured",
    ]


def test_list_changes_pages_back_and_starts_after_the_last_look(session):
    looked = datetime(2026, 5, 1, tzinfo=UTC)
    events = []
    for n in range(4):
        with as_if(looked + timedelta(hours=n)):
            events.append(record(session, f"themes.v{n}"))

    since = list_changes(session, with_admin=False, since=looked)
    older = list_changes(session, with_admin=False, before_id=events[2].id, limit=1)

    assert [row.verb for row in since] == ["themes.v3", "themes.v2", "themes.v1"]
    assert [row.verb for row in older] == ["themes.v1"]
