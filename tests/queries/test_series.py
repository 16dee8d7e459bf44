"""Daily series from the roll-up."""

from __future__ import annotations

from datetime import date

import sqlalchemy as sa

from closedloop.queries.series import (
    SameThemeRepeats,
    count_unassigned,
    daily_counts,
    find_first_contact_day,
    get_mean_handle_seconds,
    get_same_theme_repeats,
    get_series_span,
)
from tests.factories.contacts import make_contact
from tests.factories.series import add_days
from tests.factories.themes import make_theme

FIRST, LAST = date(2026, 3, 2), date(2026, 3, 5)


def test_daily_counts_fill_gaps_add_channels_up_and_keep_to_the_days(session):
    theme, other, silent = (make_theme(session) for _ in range(3))
    add_days(session, theme, date(2026, 3, 1), [9, 1, 0, 3, 0, 9])
    add_days(session, theme, FIRST, [2], channel="chat")
    add_days(session, other, LAST, [5])
    add_days(session, None, FIRST, [7, 7])

    days, counts = daily_counts(session, [silent.id, theme.id], FIRST, LAST)
    assert days == [FIRST, date(2026, 3, 3), date(2026, 3, 4), LAST]
    assert counts == {theme.id: [3, 0, 3, 0], silent.id: [0, 0, 0, 0]}
    _, counts = daily_counts(session, None, FIRST, LAST)
    assert counts == {theme.id: [3, 0, 3, 0], other.id: [0, 0, 0, 5]}


def test_daily_counts_ask_once_however_many_themes(session, database):
    asked = []
    sa.event.listen(
        session.get_bind(), "before_cursor_execute", lambda *args: asked.append(args[2])
    )
    for _ in range(3):
        add_days(session, make_theme(session), FIRST, [1, 2])
    asked.clear()
    daily_counts(session, None, FIRST, LAST)
    assert len(asked) == 1


def test_spans_and_first_days(session):
    theme = make_theme(session)
    assert find_first_contact_day(session, theme.id) is None
    assert get_series_span(session).first_day is None
    add_days(session, theme, FIRST, [0, 1, 1])
    add_days(session, None, date(2026, 3, 1), [1])
    assert find_first_contact_day(session, theme.id) == date(2026, 3, 3)
    assert get_series_span(session).first_day == date(2026, 3, 1)
    assert get_series_span(session).last_day == date(2026, 3, 4)


def test_means_are_per_contact_with_a_handle_time_and_both_days_count(session):
    theme = make_theme(session)
    add_days(session, theme, FIRST, [1], handle_seconds=100)
    add_days(session, theme, LAST, [3], handle_seconds=200, same_rate=1 / 3)
    add_days(session, theme, date(2026, 3, 6), [9], handle_seconds=900)
    assert get_mean_handle_seconds(session, theme.id, FIRST, LAST) == 175
    assert get_mean_handle_seconds(session, theme.id + 1, FIRST, LAST) == 0
    assert get_same_theme_repeats(session, theme.id, FIRST, LAST) == SameThemeRepeats(4, 1)


def test_unassigned_are_those_with_words_that_no_definition_has_seen(session):
    theme = make_theme(session)
    add_days(session, None, FIRST, [6])
    make_contact(session, local_day=FIRST)
    make_contact(session, local_day=FIRST, cluster=-1)  # seen, left over
    make_contact(session, local_day=FIRST, theme=theme, cluster=0)
    make_contact(session, local_day=FIRST, text=None)
    make_contact(session, local_day=FIRST, text="")
    make_contact(session, local_day=date(2026, 3, 6))
    assert count_unassigned(session, FIRST, LAST) == (1, 6)
