"""`closedloop themes next|faq|map`: what they print and what they write."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime

import pytest

from closedloop.domain.themes import DemandType, ThemeStatus
from closedloop.models import ThemeFollower
from tests.factories.contacts import make_contact, make_customer
from tests.factories.themes import make_stats, make_theme


@pytest.fixture
def run(run_on_new):
    """Run a command; give what it prints."""
    return lambda *arguments: run_on_new(*arguments).stdout


@pytest.fixture
def writing(run_on_new):
    """A session on the instance's own database."""
    return run_on_new.database.transaction


def test_next_prints_what_is_more_than_chance(run, writing):
    with writing() as session:
        card, refund = (make_theme(session, name=name) for name in ("Card", "Refund"))
        for theme, then, followed in ((card, refund, 180), (refund, card, 70)):
            session.add(
                ThemeFollower(
                    theme_id=theme.id,
                    next_id=then.id,
                    as_of=date(2026, 5, 11),
                    contacts=1000,
                    followed=followed,
                    customers=followed,
                    expected=75.0,
                )
            )
        keys = card.key, refund.key

    told = json.loads(run("themes", "next", "--json"))
    assert [(pair["theme"], pair["next_theme"], pair["lift"]) for pair in told] == [(*keys, 2.4)]
    assert len(json.loads(run("themes", "next", "--all", "--json"))) == 2
    assert json.loads(run("themes", "next", "--after", keys[1], "--json")) == []
    assert "18.0%" in run("themes", "next")


def test_commands_say_what_is_missing(run):
    assert "Nothing is counted yet" in run("themes", "next")
    assert "No theme is value demand" in run("themes", "faq")
    assert "0 pairs of themes counted; the map stands as it was" in run("themes", "map")


def test_faq_gives_questions_with_answers(run, writing):
    with writing() as session:
        theme = make_theme(session, ThemeStatus.TRIAGED, demand_type=DemandType.VALUE)
        make_stats(session, theme)
        for number in range(5):
            contact = make_contact(
                session,
                started_at=datetime(2026, 5, 1, 10, tzinfo=UTC),
                customer=make_customer(session),
                theme=theme,
                text=f"How do I get card {number}?",
                next_gap_seconds=None,
            )
            contact.text.turns = [
                ["customer", "How?"],
                ["agent", f"Open the app, choose Cards and order it there, {number}."],
            ]

    (candidate,) = json.loads(run("themes", "faq", "--json"))

    assert candidate["answered"] == 5
    assert candidate["exemplars"][0]["question"] == "How do I get card 0?"
    assert candidate["exemplars"][0]["day"] == "2026-05-01"
    assert "A Open the app" in run("themes", "faq")


def test_map_counts_pairs_as_the_night_does(run, writing):
    with writing() as session:
        a, b = make_theme(session), make_theme(session)
        customer = make_customer(session)
        for day, theme in ((1, a), (3, b), (20, b)):
            at = datetime(2026, 3, day, 10, tzinfo=UTC)
            make_contact(session, started_at=at, customer=customer, theme=theme)

    assert json.loads(run("themes", "map", "--json")) == {"pairs": 1, "points": 0}
