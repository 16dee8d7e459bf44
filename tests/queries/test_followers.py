"""Pairs of themes: which are shown, and which are called more than chance."""

from __future__ import annotations

from datetime import date

import pytest

from closedloop.domain.themes import Strategy, ThemeStatus
from closedloop.models import ThemeFollower
from closedloop.queries.followers import find_next_issues, list_followers
from tests.factories.themes import make_stats, make_theme
from tests.statements import count_statements

AS_OF = date(2026, 5, 11)


@pytest.fixture
def pair(session):
    """Add a pair: `pair(a, b, followed=30, customers=30, expected=10)`."""

    def add(theme, then, *, contacts=1000, followed, customers=None, expected):
        row = ThemeFollower(
            theme_id=theme.id,
            next_id=then.id,
            as_of=AS_OF,
            contacts=contacts,
            followed=followed,
            customers=followed if customers is None else customers,
            expected=expected,
        )
        session.add(row)
        session.flush()

    return add


def pairs_of(rows):
    return [(row.key, row.next_key) for row in rows]


def test_a_pair_beyond_chance_is_marked_and_one_as_often_as_any_is_not(session, pair):
    a, b, c = (make_theme(session) for _ in range(3))
    pair(a, b, followed=40, expected=12)
    pair(a, c, followed=40, expected=39)
    pair(b, c, followed=10, expected=39)

    found = list_followers(session, k=5)

    assert pairs_of(found.marked) == [(a.key, b.key)]
    assert len(found.rows) == 3
    assert found.rows[0].probability == 0.04
    assert found.rows[0].lift == pytest.approx(40 / 12)
    assert found.as_of == AS_OF


def test_the_same_theme_again_is_a_repeat_and_never_a_next_issue(session, pair):
    a = make_theme(session)
    pair(a, a, followed=400, expected=20)

    found = list_followers(session, k=5)

    assert found.marked == ()
    assert found.rows[0].is_same


@pytest.mark.parametrize(("customers", "marks"), [(60, 1), (5, 0)])
def test_a_few_customers_going_round_and_round_mark_nothing(session, pair, customers, marks):
    a, b = make_theme(session), make_theme(session)
    pair(a, b, followed=60, customers=customers, expected=30)

    assert len(list_followers(session, k=5).marked) == marks


def test_many_pairs_of_small_chance_are_not_all_marked(session, pair):
    themes = [make_theme(session) for _ in range(12)]
    for theme in themes:  # each alone would pass a test at 5 %: P(X >= 9 | 4.5) is 0.04
        for then in themes:
            if then is not theme:
                lucky = theme is themes[0] and then is themes[1]
                pair(theme, then, followed=9 if lucky else 5, expected=4.5)

    assert list_followers(session, k=5).marked == ()


def test_fewer_than_k_customers_are_not_told_nor_is_a_theme_that_is_too_small(session, pair):
    a, b, small = (make_theme(session) for _ in range(3))
    make_stats(session, small, customers=4)
    pair(a, b, followed=9, customers=4, expected=1)
    pair(a, small, followed=30, expected=1)
    pair(b, a, followed=5, expected=1)

    found = list_followers(session, k=5)

    assert pairs_of(found.rows) == [(b.key, a.key)]
    assert found.too_small == 2


def test_themes_that_are_gone_are_left_out(session, pair):
    a, b = make_theme(session), make_theme(session, ThemeStatus.RETIRED)
    pair(a, b, followed=30, expected=1)
    pair(b, a, followed=30, expected=1)

    assert list_followers(session, k=5).rows == ()


def test_a_theme_tells_what_comes_after_it_and_how_much_could_be_spared(session, pair):
    a, c = make_theme(session), make_theme(session)
    b = make_theme(session, strategy=Strategy.INFORM)
    pair(a, a, followed=200, expected=50)
    pair(a, b, followed=180, customers=132, expected=75)
    pair(a, c, followed=20, expected=30)
    pair(b, c, followed=500, expected=30)

    after = find_next_issues(session, a.key, k=5)

    assert after.again.probability == 0.2
    assert pairs_of(after.rows) == [(a.key, b.key), (a.key, c.key)]
    assert after.rows[0].strategy == "Inform proactively"
    assert after.probability == pytest.approx(0.18)
    assert after.contacts == 1000
    assert find_next_issues(session, c.key, k=5).probability is None


def test_the_list_takes_two_statements(session, pair):
    a, b = make_theme(session), make_theme(session)
    pair(a, b, followed=30, expected=10)
    with count_statements(session.get_bind().engine) as seen:
        list_followers(session, k=5)
    assert len(seen) == 2
