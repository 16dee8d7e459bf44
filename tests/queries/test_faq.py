"""Candidates for a page of answers: which themes, and which conversations stand for them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from closedloop.domain.themes import DemandType, Strategy, ThemeStatus
from closedloop.models import SiteSetting
from closedloop.queries.faq import list_faq_candidates
from closedloop.queries.theme_figures import MATURE_DAY
from tests.factories.contacts import make_batch, make_contact, make_customer
from tests.factories.themes import make_stats, make_theme
from tests.statements import count_statements

AS_OF = date(2026, 5, 11)
ANSWER = "Open Cards in the app, choose Add a card, and follow the steps, number {}."
WEEK = 7 * 86_400


@pytest.fixture
def themed(session):
    """Add a theme with figures: `themed(demand_type=DemandType.VALUE)`."""

    def add(customers=50, **values):
        theme = make_theme(session, ThemeStatus.TRIAGED, **values)
        make_stats(session, theme, as_of=AS_OF, customers=customers)
        return theme

    return add


@pytest.fixture
def ask(session):
    """Add contacts of a theme, each of a customer of their own unless one is given."""
    batch = make_batch(session)

    def add(theme, n=1, *, question="How do I add a card, number {}", answer=ANSWER, **values):
        for number in range(n):
            days_ago = values.pop("days_ago", 20)
            contact = make_contact(
                session,
                **{
                    "started_at": datetime(2026, 5, 11, 10, tzinfo=UTC) - timedelta(days=days_ago),
                    "customer": make_customer(session),
                    "theme": theme,
                    "batch": batch,
                    "text": question.format(number),
                    "next_gap_seconds": None,
                    **values,
                },
            )
            contact.text.turns = [
                ["customer", question.format(number)],
                ["agent", answer.format(number)],
            ]
        session.flush()

    return add


def keys(found):
    return [theme.key for theme in found]


def test_value_demand_informing_self_service_and_questions_are_candidates(session, themed, ask):
    value = themed(demand_type=DemandType.VALUE)
    inform = themed(strategy=Strategy.INFORM, demand_type=DemandType.FAILURE)
    serve = themed(strategy=Strategy.SELF_SERVE)
    asks, tells, failure = themed(), themed(), themed(demand_type=DemandType.FAILURE)
    for theme in (asks, failure):
        ask(theme, 12)
        ask(theme, 10, question="My card number {} is blocked.")
    ask(tells, 9)
    ask(tells, 13, question="My card number {} is blocked.")

    found = {theme.key: theme for theme in list_faq_candidates(session, k=5)}

    assert set(found) == {value.key, inform.key, serve.key, asks.key}
    assert found[asks.key].reasons == ("customers ask",)
    assert found[asks.key].asking == pytest.approx(12 / 22)
    assert found[value.key].asking is None


def test_few_texts_say_nothing_about_what_customers_do(session, themed, ask):
    ask(themed(), 19)
    assert list_faq_candidates(session, k=5) == ()


def test_an_exemplar_settled_the_matter_in_one_contact(session, themed, ask):
    theme = themed(demand_type=DemandType.VALUE)
    bad = {
        "came back": {"next_same_gap_seconds": WEEK},
        "had asked before": {"previous_same_gap_seconds": 3600},
        "is not mature": {"days_ago": 6},
        "is too old": {"days_ago": 90},
        "is of nobody known": {"customer": None},
        "was not resolved": {"resolved": False},
        "has no answer": {"answer": "One moment please."},
    }
    for words, values in bad.items():
        ask(theme, question=f"How about one that {words}?", **{"csat": 5, **values})
    ask(theme, 6, next_same_gap_seconds=WEEK + 1)

    (candidate,) = list_faq_candidates(session, k=5)

    assert candidate.answered == 6
    assert len(candidate.exemplars) == 3
    assert all("number" in said.question for said in candidate.exemplars)
    assert candidate.exemplars[0].answer.startswith("Open Cards in the app")


def test_a_day_that_the_clock_has_not_let_mature_gives_no_answer(session, themed, ask):
    theme = themed(demand_type=DemandType.VALUE)
    ask(theme, 5, days_ago=7)
    assert list_faq_candidates(session, k=5)[0].exemplars

    kept = {AS_OF.isoformat(): (AS_OF - timedelta(days=8)).isoformat()}
    session.add(SiteSetting(key=MATURE_DAY, value={"value": kept}))
    session.flush()

    assert list_faq_candidates(session, k=5)[0].exemplars == ()


def test_satisfied_customers_come_first_and_nobody_twice(session, themed, ask):
    theme = themed(demand_type=DemandType.VALUE)
    ask(theme, 5, theme_confidence=0.9, csat=2)
    one = make_customer(session)
    for n in range(2):
        ask(theme, question=f"Can I have card {n} at home?", customer=one, csat=5, answer=ANSWER)

    (candidate,) = list_faq_candidates(session, k=5)

    assert candidate.exemplars[0].csat == 5
    assert [said.csat for said in candidate.exemplars].count(5) == 1
    assert candidate.answered == 6


def test_the_same_words_are_shown_once(session, themed, ask):
    theme = themed(demand_type=DemandType.VALUE)
    ask(theme, 8, answer="You can do that in the app, under your cards.")

    (candidate,) = list_faq_candidates(session, k=5)

    assert len(candidate.exemplars) == 1


def test_below_k_customers_no_words_and_no_theme(session, themed, ask):
    ask(themed(demand_type=DemandType.VALUE), 4)
    ask(themed(demand_type=DemandType.VALUE, customers=4), 9)

    (candidate,) = list_faq_candidates(session, k=5)

    assert candidate.exemplars == ()
    assert candidate.answered is None


def test_the_statements_do_not_grow_with_the_themes(session, themed, ask):
    for _ in range(4):
        ask(themed(demand_type=DemandType.VALUE), 6)
    with count_statements(session.get_bind().engine) as seen:
        assert len(list_faq_candidates(session, k=5)) == 4
    assert len(seen) == 4


def test_no_more_candidates_than_asked_for_the_largest(session, themed):
    small, large = (themed(demand_type=DemandType.VALUE) for _ in range(2))
    large.stats.contacts, small.stats.contacts = 900, 100
    session.flush()
    assert keys(list_faq_candidates(session, k=5)) == [large.key, small.key]
    assert keys(list_faq_candidates(session, k=5, most=1)) == [large.key]


def test_without_themes_there_is_nothing_to_ask(session):
    assert list_faq_candidates(session, k=5) == ()
