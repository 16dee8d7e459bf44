"""Judging contacts of a theme one by one, and rejecting quotes, in the browser."""

from __future__ import annotations

import csv
import io
import re

import pytest
import sqlalchemy as sa

from closedloop.domain.accounts import Role
from closedloop.domain.themes import ThemeStatus
from closedloop.models import DefinitionSet, MembershipCheck, QuoteRejection
from tests.factories.contacts import make_batch, make_contact
from tests.factories.rollups import make_evidence
from tests.factories.themes import make_stats, make_theme
from tests.pages import text_of
from tests.statements import statements_of


@pytest.fixture
def theme(session):
    theme = make_theme(session, ThemeStatus.TRIAGED, name="Card late")
    make_stats(session, theme)
    session.add(
        DefinitionSet(
            number=1,
            encoder="words@1",
            model=b"",
            label_themes=[theme.id],
            is_current=True,
            reason="Test",
        )
    )
    batch = make_batch(session)
    for number in range(8):
        make_contact(session, theme=theme, batch=batch, text=f"Card number {number} is late <b>")
    return theme


def question(html: str) -> str:
    return re.search(r'action="(/themes/[^"]+/check/\d+)"', html)[1]


def test_a_sample_is_drawn_and_judged_one_by_one_to_the_end(manager, session, theme):
    url = f"/themes/{theme.key}/check"
    assert "Draw a sample" in text_of(manager.get(url))
    assert "Never checked" in text_of(manager.get(f"/themes/{theme.key}"))

    assert manager.post(url, {"size": "5"}).location == url
    for number in range(1, 6):
        html = manager.get(url)
        assert f"Contact {number} of 5" in html
        assert "is late &lt;b&gt;" in html
        assert 'data-key="y"' in html
        assert 'data-key="n"' in html
        manager.post(question(html), {"belongs": "no" if number == 2 else "yes"})

    text = text_of(manager.get(url))
    assert "Round 1 is done" in text
    assert "38 to 96 % belong" in text
    assert "4 of 5 looked at" in text
    assert "38 to 96 % belong" in text_of(manager.get(f"/themes/{theme.key}"))
    stray = session.scalar(
        sa.select(MembershipCheck.contact_id).where(MembershipCheck.belongs.is_(False))
    )
    assert "Move the one that does not belong" in text
    assert f"/themes/{theme.key}/move?id={stray}" in manager.get(url)
    answers = session.scalars(sa.select(MembershipCheck.belongs).order_by(MembershipCheck.id))
    assert list(answers) == [True, False, True, True, True]


def test_an_answer_given_since_the_page_was_opened_is_not_taken_back(manager, session, theme):
    url = f"/themes/{theme.key}/check"
    manager.post(url, {"size": "5"})
    first = question(manager.get(url))
    manager.post(first, {"belongs": "no"})
    html = manager.get(url)
    seen = {n: re.search(rf'name="{n}" value="([^"]*)"', html)[1] for n in ("seen", "seen_by")}
    manager.post(f"{first}/take-back", seen)
    manager.post(first, {"belongs": "yes"})

    manager.post(f"{first}/take-back", seen)

    text = text_of(manager.get(url))
    assert "has answered this one anew since you opened the page, with yes" in text
    assert "Last answer: belongs" in text


def test_the_last_answer_can_be_taken_back(manager, session, theme):
    url = f"/themes/{theme.key}/check"
    manager.post(url, {"size": "5"})
    first = question(manager.get(url))
    manager.post(first, {"belongs": "no"})
    assert "Last answer: does not belong" in text_of(manager.get(url))

    manager.post(f"{first}/take-back")

    html = manager.get(url)
    assert question(html) == first
    assert "Last answer" not in html
    manager.post(f"{first}/take-back")
    assert "no answer to take back" in manager.get(url)


def test_what_makes_no_sense_is_said_and_changes_nothing(manager, session, theme):
    url = f"/themes/{theme.key}/check"
    answer = manager.post(url, {"size": "many"}, status=422)
    assert "Draw 5 to 200 contacts" in text_of(answer.text)
    manager.post(url, {"size": "5"})
    manager.post(url, {"size": "5"})
    assert "still has 5 contacts to look at" in manager.get(url)
    manager.post(question(manager.get(url)), {"belongs": "perhaps"})
    assert "yes or no" in manager.get(url)
    assert session.scalars(sa.select(MembershipCheck.belongs)).all() == [None] * 5


def test_the_words_of_few_customers_are_not_shown(manager, session, theme):
    url = f"/themes/{theme.key}/check"
    manager.post(url, {"size": "5"})
    theme.stats.customers = 4

    html = manager.get(url)

    assert "is late" not in html
    assert "fewer than 5 customers" in html


def test_the_list_shows_the_range_and_a_dash_where_nobody_looked(manager, session, theme):
    other = make_theme(session, ThemeStatus.TRIAGED, name="Never looked at")
    make_stats(session, other)
    url = f"/themes/{theme.key}/check"
    manager.post(url, {"size": "5"})
    for _ in range(5):
        manager.post(question(manager.get(url)), {"belongs": "yes"})

    html = manager.get("/themes/")

    assert "57 to 100 %" in text_of(html)
    assert "5 of 5 looked at belong, round 1" in html
    assert "Never checked: open the theme" in html
    answer = manager.raw("/themes/export.csv")
    rows = list(csv.DictReader(io.StringIO(answer.get_data(as_text=True).lstrip("\ufeff"))))
    found = {row["theme"]: row for row in rows}
    assert found[theme.key]["precision_low"] == "0.5655"
    assert found[theme.key]["precision_looked_at"] == "5"
    assert found[theme.key]["precision_is_stale"] == "no"
    assert found[other.key]["precision_low"] == ""


def test_where_nobody_has_looked_yet_the_list_has_no_column_of_dashes(manager, session, theme):
    html = manager.get("/themes/?group=driver")

    heads = re.findall(r"<th scope=.col.", html.split("Table of themes")[1].split("</thead>")[0])
    row = html.split("<tr data-row>")[1].split("</tr>")[0]
    assert "Belong" not in html
    assert len(heads) == len(re.findall(r"<t[hd]\b", row))


def test_readers_may_see_the_precision_and_not_judge(sign_in_as, theme):
    page = sign_in_as(Role.STAKEHOLDER)

    html = page.get(f"/themes/{theme.key}")

    assert "Never checked" in html
    assert f"/themes/{theme.key}/check" not in html
    page.get(f"/themes/{theme.key}/check", 403)


def test_the_number_of_statements_does_not_grow_with_the_round(manager, theme):
    url = f"/themes/{theme.key}/check"
    manager.post(url, {"size": "5"})
    manager.post(question(manager.get(url)), {"belongs": "yes"})
    first = statements_of(manager, url)
    for _ in range(3):
        manager.post(question(manager.get(url)), {"belongs": "yes"})

    assert statements_of(manager, url) == first
    assert first <= 14


def test_a_quote_is_rejected_and_taken_back_on_the_page(manager, session, theme):
    for rank in range(1, 6):
        contact = make_contact(session, theme=theme, text=f"Quote of rank {rank}")
        make_evidence(session, theme, contact, rank=rank)
    url = f"/themes/{theme.key}"
    html = manager.get(url)
    assert "Quote of rank 3" in html
    assert "Quote of rank 4" not in html
    assert "Customer" in html
    reject = re.search(r'action="(/themes/[^"]+/quotes/\d+/reject)"', html)[1]

    assert manager.post(reject).location == f"{url}#evidence"

    html = manager.get(url)
    assert "Quote of rank 4" in html
    assert "1 rejected quote" in text_of(html)
    back = re.search(r'action="(/themes/[^"]+/quotes/\d+/take-back)"', html)[1]
    manager.post(back)
    assert session.scalars(sa.select(QuoteRejection)).all() == []
    assert "Quote of rank 4" not in manager.get(url)
    manager.post(back, status=404)


def test_only_curators_reject_quotes(sign_in_as, session, theme):
    contact = make_contact(session, theme=theme, text="Quoted")
    make_evidence(session, theme, contact)
    page = sign_in_as(Role.EXECUTIVE)

    html = page.get(f"/themes/{theme.key}")

    assert "Quoted" in html
    assert "/quotes/" not in html
    page.post(f"/themes/{theme.key}/quotes/{contact.id}/reject", status=403)
