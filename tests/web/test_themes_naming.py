"""A machine's suggestion on a theme's page: labelled, escaped, accepted or dismissed by people."""

from __future__ import annotations

import re

import pytest

from closedloop.domain.accounts import Role
from closedloop.models import Theme, ThemeSuggestion
from tests.factories.themes import make_stats, make_theme
from tests.pages import text_of
from tests.statements import statements_of

LABEL = "written by a machine (small-1)"
SUMMARY = "Customers wait for a card that does not come."


def suggested(session, people=352, **values):
    theme = make_theme(session, name="card arrived")
    make_stats(session, theme, customers=people)
    row = {"name": "Card has not come", "summary": SUMMARY, "model": "small-1", **values}
    session.add(ThemeSuggestion(theme_id=theme.id, asked_by="Command line", **row))
    session.flush()
    return theme


def test_the_page_shows_the_suggestion_with_who_wrote_it_and_keeps_the_name(manager, session):
    theme = suggested(session)
    html = manager.get(f"/themes/{theme.key}")
    text = text_of(html)
    assert re.search(r"<h1[^>]*>\s*card arrived", html)
    assert "Suggested name" in text
    assert "Card has not come" in text
    assert SUMMARY in text
    assert text.count(LABEL) == 1


def test_what_the_machine_wrote_is_escaped(manager, session):
    theme = suggested(session, name='<b>"x', summary="<script>alert(1)</script>", model="<i>m")
    html = manager.get(f"/themes/{theme.key}")
    assert "<script>alert" not in html
    assert "<i>m" not in html
    assert 'value="&lt;b&gt;&#34;x"' in html


def test_accepting_renames_with_a_way_back(manager, session):
    theme = suggested(session)
    response = manager.post(f"/themes/{theme.key}/suggestion/accept", {"name": "Card has not come"})
    assert session.get(Theme, theme.id).name == "Card has not come"
    html = manager.get(response.location)
    text = text_of(html)
    assert "Suggested name" not in text
    assert "suggested by it, too, and accepted by a person" in text
    assert LABEL in text
    undo = re.search(r'action="(/themes/changes/\d+/undo)"', html)[1]
    manager.post(undo)
    assert session.get(Theme, theme.id).name == "card arrived"


def test_accepting_another_name_than_stands_there_is_refused(manager, session):
    theme = suggested(session)
    url = f"/themes/{theme.key}/suggestion/accept"
    response = manager.post(url, {"name": "Something else"}, status=409)
    assert "Another name is suggested" in text_of(response.text)
    assert session.get(Theme, theme.id).name == "card arrived"


def test_dismissing_hides_it_and_undo_brings_it_back(manager, session):
    theme = suggested(session)
    response = manager.post(f"/themes/{theme.key}/suggestion/dismiss")
    html = manager.get(response.location)
    assert SUMMARY not in html
    assert f'action="/themes/{theme.key}/suggestion/bring-back"' in html
    manager.post(f"/themes/{theme.key}/suggestion/bring-back")
    assert SUMMARY in manager.get(f"/themes/{theme.key}")
    plain = make_theme(session)
    manager.post(f"/themes/{plain.key}/suggestion/dismiss", status=404)


@pytest.mark.parametrize("role", [Role.STAKEHOLDER, Role.EXECUTIVE])
def test_readers_see_it_with_its_label_and_no_buttons(sign_in_as, session, role):
    theme = suggested(session)
    page = sign_in_as(role)
    html = page.get(f"/themes/{theme.key}")
    assert LABEL in text_of(html)
    assert "/suggestion/" not in html
    for verb in ("accept", "dismiss", "bring-back"):
        page.post(f"/themes/{theme.key}/suggestion/{verb}", {"name": "x"}, status=403)


def test_nothing_of_it_is_shown_for_fewer_than_k_customers(manager, session):
    theme = suggested(session, people=4)
    html = manager.get(f"/themes/{theme.key}")
    assert SUMMARY not in html
    assert "Card has not come" not in html


def test_a_suggestion_adds_no_statement_to_the_page(manager, session):
    plain = make_theme(session)
    make_stats(session, plain)
    theme = suggested(session)
    first = statements_of(manager, f"/themes/{plain.key}")
    assert statements_of(manager, f"/themes/{theme.key}") == first <= 27
