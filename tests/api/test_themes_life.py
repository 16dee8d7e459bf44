"""The life of a theme, the map and the candidates for answers over the API."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from closedloop.domain.clock import as_if
from closedloop.domain.themes import DemandType, ThemeStatus
from closedloop.models import DefinitionSet, EncodedText, ThemeWeek
from closedloop.services.theme_map import renew_theme_map
from closedloop.services.triage import merge_themes
from tests.factories.contacts import make_batch, make_contact, make_customer
from tests.factories.series import make_definitions
from tests.factories.theme_maker import WordEncoder
from tests.factories.themes import make_stats, make_theme

NOW = datetime(2026, 5, 12, 9, tzinfo=UTC)


@pytest.fixture(autouse=True)
def on_the_day():
    with as_if(NOW):
        yield


@pytest.fixture
def pair(session):
    pair = [make_theme(session, ThemeStatus.TRIAGED, name=name) for name in ("Card", "Pin")]
    make_definitions(session, pair)
    return pair


def test_a_merger_is_a_step_of_both_and_a_new_definition(api, session, settings, actor, pair):
    card, pin = pair
    merge_themes(
        session, settings=settings, theme_id=pin.id, into_id=card.id, reason="Same.", by=actor
    )

    steps = {
        theme.key: [
            (s["kind"], s["other"]) for s in api.get(f"/themes/{theme.key}/lineage")["items"]
        ]
        for theme in pair
    }
    numbers = [d["number"] for d in api.get(f"/themes/{card.key}/definitions")["items"]]

    assert ("merged into", {"key": card.key, "name": "Card"}) in steps[pin.key]
    assert ("merged with", {"key": pin.key, "name": "Pin"}) in steps[card.key]
    assert steps[card.key][0] == ("born", None)
    assert numbers == [2, 1]
    latest = [d["is_latest"] for d in api.get(f"/themes/{card.key}/definitions")["items"]]
    assert latest == [True, False]


def test_the_fit_of_a_week_of_few_customers_is_null(api, session, pair):
    card = pair[0]
    for week, customers in ((date(2026, 4, 20), 9), (date(2026, 4, 27), 4)):
        session.add(
            ThemeWeek(
                theme_id=card.id,
                week=week,
                definition_set_id=session.query(DefinitionSet).first().id,
                contacts=10,
                customers=customers,
                confidence=7.5,
            )
        )

    found = api.get(f"/themes/{card.key}/fit")
    site = api.get("/themes/fit")

    assert [(w["week_from"], w["contacts"], w["confidence"]) for w in found["weeks"]] == [
        ("2026-04-20", 10, 0.75),
        ("2026-04-27", None, None),
    ]
    assert found["confidence"]["is_aged"] is None
    assert [week["coverage"] for week in site["weeks"]] == [1, None]


@pytest.fixture
def drawn(session, database, settings):
    """Two themes on the map and one of too few customers."""
    encoder = WordEncoder()
    session.add(
        DefinitionSet(
            number=1, encoder=encoder.name, model=b"", label_themes=[], is_current=True, reason="x"
        )
    )
    batch, themes = make_batch(session), []
    for topic, n, people in (("CARD", 12, 12), ("PIN", 8, 8), ("FEW", 6, 4)):
        theme = make_theme(session, ThemeStatus.TRIAGED, name=topic.title())
        make_stats(session, theme, contacts=n, customers=people)
        themes.append(theme)
        for number in range(n):
            contact = make_contact(
                session,
                started_at=NOW - timedelta(days=1 + number),
                customer=make_customer(session),
                theme=theme,
                batch=batch,
                text=f"{topic} {number}",
            )
            vector = encoder.encode([f"{topic} {number}"])[0].astype("<f2").tobytes()
            text_hash = contact.text.text_hash
            session.add(EncodedText(encoder=encoder.name, text_hash=text_hash, vector=vector))
    session.commit()
    renew_theme_map(database.transaction, settings=settings)
    return themes


def test_the_map_gives_islands_and_points_only_when_asked(api, drawn):
    found = api.get("/themes/map")
    pointed = api.get("/themes/map?points=1")

    assert [(i["key"], i["drawn"], i["xs"]) for i in found["items"]] == [
        (drawn[0].key, 12, None),
        (drawn[1].key, 8, None),
    ]
    assert found["hidden"] == 1
    for island in pointed["items"]:
        assert len(island["xs"]) == len(island["ys"]) == island["drawn"]
        for x, y in zip(island["xs"], island["ys"], strict=True):
            away = (x - island["x"]) ** 2 + (y - island["y"]) ** 2
            assert away <= (island["radius"] + 2) ** 2


def test_before_the_first_picture_the_map_is_empty(api):
    found = api.get("/themes/map?points=1")

    assert (found["as_of"], found["items"]) == (None, [])


def test_what_a_page_of_answers_could_take_comes_with_answers(api, session):
    theme = make_theme(session, ThemeStatus.TRIAGED, demand_type=DemandType.VALUE)
    make_stats(session, theme, as_of=date(2026, 5, 11), customers=50)
    batch = make_batch(session)
    for number in range(6):
        contact = make_contact(
            session,
            started_at=NOW - timedelta(days=21),
            customer=make_customer(session),
            theme=theme,
            batch=batch,
            text=f"How do I add a card, number {number}",
            next_gap_seconds=None,
        )
        answer = f"Open Cards in the app, choose Add a card, and follow the steps, number {number}."
        contact.text.turns = [["customer", contact.text.issue_text], ["agent", answer]]
    make_stats(session, make_theme(session, demand_type=DemandType.VALUE), customers=4)

    (found,) = api.get("/themes/faq")["items"]

    assert (found["key"], found["reasons"]) == (theme.key, ["value demand"])
    assert found["answered"] == 6
    assert len(found["exemplars"]) == 3
    assert found["exemplars"][0]["answer"].startswith("Open Cards in the app")
    api.problem("/themes/faq?limit=0", 422)
