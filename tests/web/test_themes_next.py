"""What comes next, frequent questions and the map in the browser."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from closedloop.domain.accounts import Role
from closedloop.domain.themes import DemandType, ThemeStatus
from closedloop.models import DailySlice, DefinitionSet, ThemeFollower, ThemeMap
from tests.factories.contacts import make_batch, make_contact, make_customer
from tests.factories.rollups import make_rollup
from tests.factories.themes import make_stats, make_theme
from tests.pages import text_of
from tests.statements import statements_of

AS_OF = date(2026, 5, 11)


def make_pair(session, theme, then, *, followed=180, customers=132, expected=75.0):
    session.add(
        ThemeFollower(
            theme_id=theme.id,
            next_id=then.id,
            as_of=AS_OF,
            contacts=1000,
            followed=followed,
            customers=customers,
            expected=expected,
        )
    )
    session.flush()


def make_open(session, name, **values):
    theme = make_theme(session, ThemeStatus.TRIAGED, name=name, **values)
    make_stats(session, theme)
    return theme


@pytest.fixture
def pairs(session):
    card, refund = make_open(session, "Card is late"), make_open(session, "Refund is late")
    app = make_open(session, "App crashes")
    make_pair(session, card, refund)
    make_pair(session, card, app, followed=30, customers=28, expected=31.0)
    make_pair(session, card, card, followed=200, customers=190, expected=40.0)
    make_pair(session, app, refund, followed=9, customers=4, expected=1.0)
    return card, refund, app


def test_the_list_of_themes_is_kept_to_those_before_a_theme(manager, session, pairs):
    card, refund, app = pairs
    gone = make_theme(session, ThemeStatus.RETIRED, name="Gone")
    make_pair(session, gone, refund)

    def listed(query):
        html = manager.get(f"/themes/?view=all{query}")
        return set(re.findall(r'<a href="/themes/(T-\d+)" data-open', html)), html

    # the pair from the app to refunds is of four customers
    keys, html = listed(f"&next={refund.key}")
    assert keys == {card.key}
    assert f'<option value="{refund.key}" selected>' in html
    assert listed(f"&next={app.key}")[0] == {card.key}
    assert f'<option value="{card.key}"' not in html, "it only follows itself"
    assert listed(f"&next={card.key}")[0] == set()
    assert "No theme fits these filters" in listed("&next=T-404")[1]
    assert f"next={refund.key}" in re.search(r'href="(/themes/export[^"]*)"', html)[1]
    rows = manager.raw(f"/themes/export.csv?view=all&next={refund.key}").text.splitlines()
    assert len(rows) == 2
    assert len(listed("")[0]) > 2


def test_pairs_say_that_contacts_changed_their_theme_since_they_were_counted(
    manager, session, pairs
):
    card, _, app = pairs
    for theme in (card, app):
        make_rollup(session, theme, AS_OF - timedelta(days=30), 1000)
    for path in ("/themes/next?show=all", f"/themes/{card.key}"):
        assert "Counted before" not in text_of(manager.get(path)), path

    make_rollup(session, card, AS_OF - timedelta(days=31), 40)  # another one was merged into it

    assert "They are counted anew tonight" in text_of(manager.get("/themes/next?show=all"))
    assert "counted anew tonight" in text_of(manager.get(f"/themes/{card.key}"))


def test_next_says_in_a_sentence_what_follows_what(manager, pairs):
    text = text_of(manager.get("/themes/next"))

    lead = "18.0 % of contacts are followed by one of the same customer about Refund is late"
    assert f"After Card is late, {lead}" in text
    assert "2.4 times as often as after any contact" in text
    assert "132" in text
    assert "1 pair of fewer than 5 customers not shown" in text
    assert "The same theme again" in text


def test_next_says_what_share_of_contacts_can_be_in_no_pair(manager, session, pairs):
    counts = {"contacts": 200, "identified": 150}
    for days_ago, kind in ((1, "all"), (179, "all"), (180, "all"), (1, "channel")):
        session.add(make_slice(AS_OF - timedelta(days=days_ago), kind, **counts))
    session.add(make_slice(AS_OF, "all", contacts=200, identified=200))
    session.flush()

    said = "16.7 % of the contacts of these days have no known customer and are in no pair."
    assert said in text_of(manager.get("/themes/next"))


def make_slice(day, kind, **figures):
    columns = {
        column.name: 0
        for column in DailySlice.__table__.columns
        if not column.primary_key and not column.nullable
    }
    return DailySlice(day=day, kind=kind, value="", **(columns | figures))


def test_next_leads_to_the_contacts_it_counts(manager, pairs):
    card, _, _ = pairs
    html = manager.get("/themes/next")
    days = "from=2025-11-13&amp;to=2026-05-04&amp;who=known"
    assert f'href="/contacts/?theme={card.id}&amp;{days}"' in html
    assert "chain=" not in html, "no list holds those alone that this theme came next after"


def test_what_comes_next_after_a_theme_that_is_not_there_says_so(manager, pairs):
    answer = manager.raw("/themes/next?after=T-99999")

    assert answer.status_code == 404
    assert "There is no theme T-99999." in answer.get_data(as_text=True)


def test_the_page_of_a_theme_says_of_which_days_it_tells_what_comes_next(manager, pairs):
    text = text_of(manager.get(f"/themes/{pairs[0].key}"))

    assert "within 7 days, 180 days to 11 May 2026" in text


def test_next_shows_chance_only_when_asked_and_calls_it_so(manager, pairs):
    card, _, app = pairs
    row = f'<span class="cl-id">{app.key}</span><a href="/themes/{app.key}">App crashes'

    assert row not in manager.get("/themes/next")
    html = manager.get(f"/themes/next?show=all&after={card.key}")
    assert row in html
    assert "no more than after any contact" in text_of(html)
    assert "Nothing beyond" not in html
    assert "nothing comes more often" in text_of(manager.get(f"/themes/next?after={app.key}"))


def test_a_filter_that_nothing_fits_says_what_was_asked_and_where_to_go_on(manager, session):
    card = make_open(session, "Card is late")
    make_pair(session, card, card, followed=200, customers=190, expected=40.0)

    html = manager.get(f"/themes/next?after={card.key}")
    assert f"After {card.key} nothing comes more often" in text_of(html)
    assert f'href="/themes/next?show=all&amp;after={card.key}"' in html
    text = text_of(manager.get(f"/themes/next?show=all&after={card.key}"))
    assert f"No other theme follows {card.key} for 5 customers or more" in text
    assert "No pair of two themes" in text_of(manager.get("/themes/next?show=all"))


def test_next_without_pairs_teaches(manager):
    assert "Nothing to show yet" in manager.get("/themes/next")


def test_next_as_csv_holds_what_may_be_shown(manager, pairs):
    rows = csv_of(manager.raw("/themes/next.csv"))

    assert [(row["name"], row["next_name"], row["more_than_chance"]) for row in rows] == [
        ("Card is late", "Refund is late", "yes"),
        ("Card is late", "Card is late", "same theme"),
        ("Card is late", "App crashes", "no"),
    ]
    assert rows[0]["share"] == "0.18"
    assert rows[0]["lift"] == "2.4"


def csv_of(response):
    return list(csv.DictReader(io.StringIO(response.get_data(as_text=True).lstrip("\ufeff"))))


def test_a_theme_says_what_comes_next_and_how_to_avoid_it(manager, pairs):
    card, _, app = pairs

    text = text_of(manager.get(f"/themes/{card.key}"))

    assert "What comes next" in text
    assert "The same again 20.0 %" in text
    assert "132 customers, 2.4 times as often as after any contact" in text
    assert "28 customers, no more than after any contact" in text
    assert "Avoid the next issue. Whoever answers this can take in Refund is late" in text
    assert "What comes next" not in text_of(manager.get(f"/themes/{app.key}")).replace(
        "List Map What comes next", ""
    )


@pytest.fixture
def answered(session):
    """A theme of value demand that six customers were answered about."""
    theme = make_open(session, "Second card", demand_type=DemandType.VALUE)
    batch = make_batch(session)
    for number in range(6):
        contact = make_contact(
            session,
            started_at=datetime(2026, 5, 1, 10, tzinfo=UTC) + timedelta(minutes=number),
            customer=make_customer(session),
            theme=theme,
            batch=batch,
            text=f"How do I get a <second> card, {number}?",
            csat=5,
            next_gap_seconds=None,
        )
        contact.text.turns = [
            ["customer", "How do I get one?"],
            ["agent", f"Open the app, choose Cards and order it there, {number}."],
        ]
    session.flush()
    return theme


def test_faq_shows_questions_with_the_answers_that_settled_them(manager, answered):
    html = manager.get("/themes/faq")
    text = text_of(html)

    assert "Second card" in text
    assert "How do I get a <second> card, 0?" in text
    assert "Open the app, choose Cards and order it there, 0." in text
    assert "at least 6 customers answered in one contact" in text
    assert html.count("data-copy=") == 3


def test_faq_links_contacts_only_for_those_who_may_see_them(sign_in_as, answered):
    assert "/contacts/" in sign_in_as(Role.CX_MANAGER).get("/themes/faq")
    assert 'href="/contacts/' not in sign_in_as(Role.EXECUTIVE).get("/themes/faq")


def test_faq_as_csv_has_a_row_a_question(manager, answered):
    rows = csv_of(manager.raw("/themes/faq.csv"))

    assert len(rows) == 3
    assert rows[0]["theme"] == answered.key
    assert rows[0]["customers_answered_in_one_contact_at_least"] == "6"
    assert rows[0]["answer"].startswith("Open the app")


def test_faq_without_candidates_teaches(manager):
    assert "No candidate yet" in manager.get("/themes/faq")


@pytest.fixture
def mapped(session):
    """A map with two islands, the second of too few people to be shown when asked for."""

    def draw(**values):
        definitions = DefinitionSet(
            number=4, encoder="e", model=b"", label_themes=[], is_current=True, reason="x"
        )
        session.add(definitions)
        themes = [make_theme(session, ThemeStatus.TRIAGED, name=n) for n in ("Card", "Refund")]
        make_stats(session, themes[0], contacts=900)
        make_stats(session, themes[1], **{"contacts": 300, **values})
        session.flush()
        out = io.BytesIO()
        np.savez_compressed(
            out,
            x=np.array([0, 2, 1, 9, 10], np.float32),
            y=np.array([0, 0, 2, 5, 5], np.float32),
            label=np.array([0, 0, 0, 1, 1], np.int32),
            theme_id=np.array([theme.id for theme in themes]),
            measured=np.array([0.97, 0.61]),
        )
        session.add(
            ThemeMap(
                definition_set_id=definitions.id, as_of=AS_OF, n_points=5, points=out.getvalue()
            )
        )
        session.flush()
        return themes

    return draw


def test_the_map_stands_as_a_table_beside_its_picture(manager, mapped):
    card, refund = mapped()

    html = manager.get("/themes/map")
    text = text_of(html)
    assert "10 % unknown" not in text
    data = json.loads(re.search(r'id="theme-map-data">(.*?)</script>', html)[1])

    assert "5 contacts of 90 days to 11 May 2026 in 2 themes" in text
    assert "9.7 are of its own theme" in text
    assert "0.61" in text
    assert [(t["key"], t["n"]) for t in data["themes"]] == [(card.key, 3), (refund.key, 2)]
    assert f'<a href="/themes/{refund.key}" data-open>Refund' in html


def test_the_table_of_the_map_says_whose_repeats_are_not_known(manager, mapped):
    mapped(unidentified=30)

    assert "10 % unknown" in text_of(manager.get("/themes/map"))


def test_repeats_of_a_few_contacts_read_the_same_on_the_map_as_in_the_list(manager, mapped):
    mapped(repeats_same=3)

    row = text_of(manager.get("/themes/map")).split("Refund")[-1]
    assert re.search(r"352\s+few", row)


def test_the_points_come_as_bytes_and_only_once(manager, mapped):
    mapped()

    answer = manager.raw("/themes/map/points")
    again = manager.raw("/themes/map/points", headers={"If-None-Match": answer.headers["ETag"]})

    x, y = np.frombuffer(answer.data, "<u2").reshape(2, -1)
    assert x.tolist() == [0, 13107, 6554, 58982, 65535]
    assert y.tolist() == [0, 0, 13107, 32768, 32768]
    assert answer.headers["Cache-Control"] == "private, no-cache"
    assert again.status_code == 304


def test_a_theme_of_few_customers_is_not_on_the_map(manager, mapped):
    mapped(customers=4)

    text = text_of(manager.get("/themes/map"))

    assert "Refund" not in text
    assert "1 theme with fewer than 5 customers is left out" in text
    assert len(manager.raw("/themes/map/points").data) == 4 * 3


def test_without_a_map_the_page_teaches(manager):
    assert "No map yet" in manager.get("/themes/map")
    assert manager.raw("/themes/map/points").data == b""


def test_everybody_who_sees_themes_sees_these_pages(sign_in_as, pairs):
    for role in (Role.STAKEHOLDER, Role.EXECUTIVE):
        page = sign_in_as(role)
        for path in ("/themes/next", "/themes/faq", "/themes/map"):
            assert page.raw(path).status_code == 200


@pytest.mark.parametrize("path", ["/themes/next?show=all", "/themes/faq", "/themes/map"])
def test_statements_do_not_grow_with_the_rows(manager, session, mapped, answered, pairs, path):
    mapped()
    before = statements_of(manager, path)
    for number in range(6):
        theme = make_open(session, f"More {number}", demand_type=DemandType.VALUE)
        make_pair(session, theme, pairs[0])
    assert statements_of(manager, path) == before <= 9
