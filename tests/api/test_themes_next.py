"""What comes next over the API."""

from __future__ import annotations

from datetime import date

import pytest

from closedloop.models import ThemeFollower
from tests.factories.themes import make_theme


@pytest.fixture
def pairs(session):
    """Card leads to refund; refund to itself, and to a few customers' app."""
    card, refund, app = (make_theme(session, name=name) for name in ("Card", "Refund", "App"))
    rows = ((card, refund, 180, 132, 75.0), (refund, refund, 300, 250, 75.0), (app, card, 9, 4, 1))
    for theme, then, followed, customers, expected in rows:
        session.add(
            ThemeFollower(
                theme_id=theme.id,
                next_id=then.id,
                as_of=date(2026, 5, 11),
                contacts=1000,
                followed=followed,
                customers=customers,
                expected=expected,
            )
        )
    session.flush()
    return card, refund, app


def test_next_gives_what_is_more_than_chance(api, pairs):
    card, refund, _ = pairs

    answer = api.get("/themes/next")

    assert answer["as_of"] == "2026-05-11"
    assert answer["items"] == [
        {
            "theme": card.key,
            "name": "Card",
            "next_theme": refund.key,
            "next_name": "Refund",
            "contacts": 1000,
            "followed": 180,
            "customers": 132,
            "share": 0.18,
            "lift": 2.4,
            "more_than_chance": True,
        }
    ]


def test_next_gives_all_but_what_would_describe_few(api, pairs):
    card, refund, app = pairs

    found = api.get("/themes/next?all=1")["items"]

    assert [(pair["theme"], pair["next_theme"]) for pair in found] == [
        (card.key, refund.key),
        (refund.key, refund.key),
    ]
    assert api.get(f"/themes/next?all=1&after={app.key}")["items"] == []
    assert len(api.get(f"/themes/next?all=1&after={refund.key}")["items"]) == 1


def test_themes_are_kept_to_those_before_a_theme(api, pairs):
    card, refund, _ = pairs

    items = api.get(f"/themes?view=all&next_theme={refund.key}")["items"]

    assert [one["key"] for one in items] == [card.key]
    assert api.get(f"/themes?view=all&next_theme={card.key}")["items"] == []  # of four customers
    api.problem("/themes?view=all&next_theme=T-404", 404)
