"""Repeat rates: do only mature days enter, and is nothing claimed about what is not known?"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from closedloop.domain.contacts import HEADLINE_WINDOW, Basis
from closedloop.queries.contacts import NOT_SAID
from closedloop.queries.repeats import (
    Group,
    RepeatFilter,
    default_period,
    get_trend,
    get_window_figures,
    list_group_figures,
)
from closedloop.services.repeats import chain_contacts
from closedloop.services.rollups import roll_up_days
from tests.factories.contacts import make_batch, make_contact, make_customer
from tests.factories.themes import make_theme

FIRST = date(2026, 3, 1)
CUT = date(2026, 3, 31)


def at(day: int, hour: int = 10) -> datetime:
    return datetime(2026, 3, day, hour, tzinfo=UTC)


@pytest.fixture
def centre(session, settings):
    """Make a month: two customers who repeat, one who does not, one contact of nobody known."""
    theme, batch = make_theme(session), make_batch(session)

    def come(customer, day, **values):
        make_contact(session, customer=customer, started_at=at(day), batch=batch, **values)

    a, b, c = (make_customer(session) for _ in range(3))
    come(a, 2, theme=theme)
    come(a, 5, theme=theme)  # after 3 days, same theme
    come(b, 10, channel="chat")
    come(b, 16, channel="chat")  # after 6 days, no theme
    come(c, 20)
    come(a, 24, theme=theme)  # the last mature day of 7 days
    come(a, 25, theme=theme)  # maturing; makes the 24th a repeat
    come(None, 3)
    chain_contacts(session, settings=settings, customer_ids=None)
    roll_up_days(session, days=None)
    session.flush()
    return theme


def month(**values) -> RepeatFilter:
    return RepeatFilter(first_day=FIRST, last_day=CUT, **values)


def test_after_the_clocks_went_forward_the_last_day_of_whole_days_is_not_mature_yet(
    session, centre
):
    """The last contact of 24 March had its 7 days at 1 in the morning of 1 April, in London."""
    london = {"cut": CUT, "k": 1, "zone": "Europe/London"}

    week = get_window_figures(session, month(), **london)[2]
    assert week.last_day == date(2026, 3, 23)
    assert (week.identified, week.any.repeats) == (5, 2)  # without the 24th, followed on the 25th
    groups = list_group_figures(
        session, month(), group=Group.CHANNEL, window=HEADLINE_WINDOW, **london
    )
    assert {g.figures.last_day for g in groups} == {date(2026, 3, 23)}
    assert sum(g.figures.identified for g in groups) == 5
    found = trend(session, month(), zone="Europe/London")
    assert found.maturing_from == date(2026, 3, 24)
    assert default_period(FIRST, CUT, HEADLINE_WINDOW, "Europe/London")[1] == date(2026, 3, 23)


def test_default_period_is_ninety_mature_days_and_not_before_the_data():
    window = HEADLINE_WINDOW
    assert default_period(date(2025, 1, 1), CUT, window) == (date(2025, 12, 25), date(2026, 3, 24))
    assert default_period(date(2026, 3, 5), CUT, window) == (date(2026, 3, 5), date(2026, 3, 24))
    # younger than the window: no day is mature, and the period stays inside the data
    assert default_period(date(2026, 3, 30), CUT, window) == (date(2026, 3, 30),) * 2


def test_each_window_counts_its_own_mature_days(session, centre):
    by_key = {f.window.key: f for f in get_window_figures(session, month(), cut=CUT, k=1)}

    week = by_key["7d"]
    assert week.last_day == date(2026, 3, 24)
    assert (week.contacts, week.identified, week.themed) == (7, 6, 3)
    assert (week.any.repeats, week.same.repeats) == (3, 2)
    assert week.repeat_rate(Basis.ANY) == pytest.approx(3 / 6)
    assert (week.any.opening, week.any.resolved) == (4, 1)  # 2, 10, 20, 24 open; only 20 is silent
    assert week.any.fcr == pytest.approx(1 / 4)
    assert week.unidentified_share == pytest.approx(1 / 7)
    fortnight = by_key["14d"]  # until 17 March
    assert (fortnight.identified, fortnight.any.repeats) == (4, 2)
    day = by_key["24h"]  # until 30 March, so the 25th is in
    assert (day.identified, day.any.repeats) == (7, 1)


def test_a_window_without_a_mature_day_counts_nothing(session, centre):
    wanted = RepeatFilter(first_day=date(2026, 3, 26), last_day=CUT)

    figures = {f.window.key: f for f in get_window_figures(session, wanted, cut=CUT, k=1)}

    assert figures["7d"].last_day is None
    assert figures["7d"].repeat_rate(Basis.ANY) is None


def test_the_period_bounds_every_window(session, centre):
    wanted = RepeatFilter(first_day=date(2026, 3, 3), last_day=date(2026, 3, 10))

    week = get_window_figures(session, wanted, cut=CUT, k=1)[2]

    assert (week.last_day, week.contacts, week.identified) == (date(2026, 3, 10), 3, 2)
    assert week.any.repeats == 1  # the 10th; the 2nd lies before


def test_groups_hold_mature_days_only_and_most_repeats_come_first(session, centre):
    found = list_group_figures(
        session, month(), group=Group.CHANNEL, window=HEADLINE_WINDOW, cut=CUT, k=1
    )

    assert [(g.value, g.figures.contacts, g.figures.any.repeats) for g in found] == [
        ("phone", 5, 2),
        ("chat", 2, 1),
    ]


def test_the_same_theme_cannot_be_told_where_nothing_has_a_theme(session, centre):
    found = list_group_figures(
        session, month(), group=Group.THEME, window=HEADLINE_WINDOW, cut=CUT, k=1
    )

    by_value = {g.value: g for g in found}
    assert by_value["none"].label == "no theme"
    assert not by_value["none"].figures.can_tell(Basis.SAME)
    assert by_value["none"].figures.can_tell(Basis.ANY)
    assert by_value[str(centre.id)].label.startswith(centre.key)
    assert by_value[str(centre.id)].figures.can_tell(Basis.SAME)


def test_filters_reach_every_figure(session, centre):
    chat = get_window_figures(session, month(channel="chat"), cut=CUT, k=1)[2]
    themed = get_window_figures(session, month(theme_id=centre.id), cut=CUT, k=1)[2]
    nowhere = get_window_figures(session, month(queue=NOT_SAID), cut=CUT, k=1)[2]

    bare = get_window_figures(session, month(without_theme=True), cut=CUT, k=1)[2]

    assert (chat.contacts, themed.contacts, nowhere.contacts, bare.contacts) == (2, 3, 0, 4)


def trend(session, wanted, **values):
    return get_trend(
        session,
        wanted,
        window=HEADLINE_WINDOW,
        cut=CUT,
        **{"first_data_day": date(2026, 3, 2), "k": 1, **values},
    )


def test_the_trend_goes_on_to_the_cut_but_claims_nothing_about_maturing_days(session, centre):
    found = trend(session, RepeatFilter(first_day=FIRST, last_day=date(2026, 3, 24)))

    assert [d.day for d in found.days] == [date(2026, 3, 2) + timedelta(days=i) for i in range(30)]
    assert found.maturing_from == date(2026, 3, 25)
    by_day = {d.day.day: d for d in found.days}
    assert (by_day[24].any, by_day[24].any7) == (1.0, 1 / 2)  # the 20th and the 24th
    assert by_day[25].identified == 1
    assert (by_day[25].any, by_day[25].any7) == (None, None)


def test_a_seven_day_rate_needs_seven_days_of_data(session, centre):
    by_day = {d.day.day: d for d in trend(session, month()).days}

    assert by_day[7].any7 is None  # 2 March is the first day with data
    assert by_day[8].any7 == pytest.approx(1 / 2)  # the 2nd is followed, the 5th is not
    assert by_day[4].any is None  # nobody came


def test_the_first_day_of_a_period_looks_back_a_whole_week_before_it(session, centre):
    first = trend(session, RepeatFilter(first_day=date(2026, 3, 11), last_day=CUT)).days[0]

    assert (first.day, first.identified) == (date(2026, 3, 11), 0)
    assert first.any7 == pytest.approx(1 / 2)  # the 5th is not followed, the 10th is


def test_a_trend_inside_mature_time_has_nothing_maturing(session, centre):
    found = trend(session, RepeatFilter(first_day=FIRST, last_day=date(2026, 3, 20)))

    assert found.maturing_from is None
    assert found.days[-1].day == date(2026, 3, 20)


def test_rates_over_few_people_are_not_given(session, centre):
    by_day = {d.day.day: d for d in trend(session, month(), k=2).days}

    assert by_day[2].any is None
    assert by_day[8].any7 is None  # of two contacts, both of one customer
    assert by_day[22].any7 == 0.0  # of two customers
    assert by_day[24].any7 is None  # one of two is followed: that one alone
    assert by_day[2].identified == 1
    assert by_day[2].shown_identified is None
