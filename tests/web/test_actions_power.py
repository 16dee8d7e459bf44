"""The card that says before shipping whether an action could be proven."""

from __future__ import annotations

import pytest

from closedloop.domain.accounts import Role
from closedloop.domain.actions import ActionStatus
from tests.factories.power import FIRST, N_DAYS, make_site
from tests.factories.series import make_controls
from tests.factories.themes import make_action, make_intervention
from tests.pages import text_of
from tests.statements import statements_of

HTMX = {"HX-Request": "true"}


def test_the_card_answers_first_and_has_a_row_for_each_look(manager, session):
    action = make_site(session)
    text = text_of(manager.get(f"/actions/{action.key}/power"))

    assert "If it works as planned (30 % fewer), the look on 5 March 2026 would prove it" in text
    assert "may stay unseen" in text
    assert all(day in text for day in ("5 Mar 2026", "19 Mar 2026", "16 Apr 2026", "14 May 2026"))
    assert "beside 6 unaffected themes" in text
    assert "Live from 20 Feb 2026" in text


def test_htmx_gets_the_card_alone(manager, session):
    action = make_site(session)
    html = manager.get(f"/actions/{action.key}/power", headers=HTMX)

    assert html.lstrip().startswith('<section class="card" id="power"')
    assert "<html" not in html
    assert "would prove it" in html


def test_the_page_of_an_open_action_leads_to_the_card_without_reckoning(manager, session):
    action = make_action(session)
    html = manager.get(f"/actions/{action.key}")

    assert f'hx-get="/actions/{action.key}/power"' in html
    assert f'<a href="/actions/{action.key}/power">' in html


def test_the_page_of_a_shipped_action_does_not(manager, session):
    action = make_action(session, status=ActionStatus.SHIPPED)
    make_intervention(session, action)

    assert "/power" not in manager.get(f"/actions/{action.key}")


def test_the_form_that_ships_asks_for_its_own_day(manager, session):
    action = make_site(session, status=ActionStatus.IN_PROGRESS)
    html = manager.get(f"/actions/{action.key}/ship?went_live_on=2026-01-12&rollout_days=3")
    asked = f"/actions/{action.key}/power?went_live_on=2026-01-12&rollout_days=3"

    assert f'hx-get="{asked.replace("&", "&amp;")}"' in html
    text = text_of(manager.get(asked))
    assert "data to 11 Jan 2026" in text
    assert "Live from 12 Jan 2026, 3 days of roll-out not counted" in text


def test_a_hopeless_case_says_what_would_help(manager, session):
    text = text_of(manager.get(f"/actions/{make_site(session, mean=1.0).key}/power"))

    assert "none of the looks would prove it reliably" in text
    assert "Give it more days" in text or "Aim at a wider theme" in text


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("went_live_on=soon", "“soon” is not a day"),
        ("went_live_on=0001-01-01", "Write a day of this century"),
        ("rollout_days=x", "as a whole number"),
        ("rollout_days=999", "The roll-out takes 0 to"),
        ("went_live_on=2025-08-01", "no day before 2025-08-01"),
    ],
)
def test_what_cannot_be_reckoned_is_said_in_both_answers(manager, session, query, words):
    url = f"/actions/{make_site(session).key}/power?{query}"

    assert words in text_of(manager.get(url))
    assert words in text_of(manager.get(url, headers=HTMX))


def test_without_contacts_the_card_says_so(manager, session):
    key = make_action(session).key
    assert "There are no contacts of a whole day yet" in text_of(
        manager.get(f"/actions/{key}/power")
    )


def test_an_action_that_is_not_there_is_not_found(manager):
    manager.get("/actions/A-404/power", 404)


def test_everybody_who_sees_actions_sees_it(sign_in_as, session):
    action = make_site(session)
    assert "would prove it" in sign_in_as(Role.EXECUTIVE).get(f"/actions/{action.key}/power")


def test_statements_do_not_grow_with_themes(manager, session):
    action = make_site(session)
    url = f"/actions/{action.key}/power"
    before = statements_of(manager, url)
    make_controls(session, number=3, first_day=FIRST, n_days=N_DAYS, seed=400)

    assert statements_of(manager, url) == before
