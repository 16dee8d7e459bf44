"""The page of codes against themes."""

from __future__ import annotations

import csv
import io
from datetime import date

import pytest

from closedloop.domain.accounts import Role
from closedloop.domain.themes import ThemeStatus
from tests.factories.contacts import make_contact
from tests.factories.rollups import make_rollup
from tests.factories.themes import make_stats, make_theme
from tests.pages import text_of
from tests.statements import statements_of

DAY = date(2026, 5, 11)
PERIOD = "from=2026-02-11&to=2026-05-11"


def make_coded(session, name: str, **codes):
    theme = make_theme(session, ThemeStatus.TRIAGED, name=name)
    make_stats(session, theme)
    for code, contacts in codes.items():
        make_rollup(session, theme, DAY, contacts, disposition=code)
    return theme


@pytest.fixture
def confused(session):
    make_contact(session)
    return [
        make_coded(session, "Card late", Card=400, Refund=9, General=80),
        make_coded(session, "Refund late", Card=12, Refund=300, General=70),
        make_coded(session, "Charged twice", Card=8, Refund=120, Charge=180, General=60),
        make_coded(session, "PIN forgotten", PIN=70, General=50, Card=3),
    ]


def test_the_page_says_what_is_worth_a_conversation_and_shows_the_table(manager, confused):
    html = manager.get(f"/themes/codes?{PERIOD}")
    text = text_of(html)

    assert "1 code hardly says why customers came" in text
    assert "120 contacts of" in text
    assert "which usually means" in text
    assert "worth a conversation: 120" in text
    assert "hidden" in text
    charge = confused[2]
    link = f"/contacts/?theme={charge.id}&amp;disposition=Refund&amp;to=2026-05-11&amp;from="
    assert link in html


def test_the_link_of_a_cell_shows_its_contacts(manager, session, confused):
    charge = confused[2]
    make_contact(session, theme=charge, disposition="Refund", text="Wanted words.")
    make_contact(session, theme=charge, disposition="Charge", text="Other words.")

    html = manager.get(f"/contacts/?theme={charge.id}&disposition=Refund&from=2026-01-01")

    assert "Wanted words." in html
    assert "Other words." not in html


def test_readers_without_contacts_see_numbers_and_no_links(sign_in_as, confused):
    page = sign_in_as(Role.EXECUTIVE)

    html = page.get(f"/themes/codes?{PERIOD}")

    assert "120 contacts of" in text_of(html)
    assert "/contacts/?" not in html


def test_the_file_holds_what_is_shown_and_runs_nothing(manager, session, confused):
    make_coded(session, "=cmd()", **{"=1+1": 40})

    answer = manager.raw(f"/themes/codes.csv?{PERIOD}")
    rows = list(csv.DictReader(io.StringIO(answer.get_data(as_text=True).lstrip("\ufeff"))))

    shown = {(row["name"], row["code"]): row for row in rows}
    assert shown["'=cmd()", "'=1+1"]["contacts"] == "40"
    marked = shown["Charged twice", "Refund"]
    assert (marked["contacts"], marked["worth_a_conversation"]) == ("120", "yes")
    assert "usually means" in marked["reason"]
    hidden = shown["PIN forgotten", "Card"]
    assert (hidden["contacts"], hidden["share_of_theme"]) == ("", "")
    assert hidden["reason"] == "hidden: few contacts"
    assert {row["first_day"] for row in rows} == {"2026-02-11"}


def test_without_contacts_or_codes_the_page_says_what_is_missing(manager, session):
    assert "There are no contacts yet" in manager.get("/themes/codes")
    assert manager.raw("/themes/codes.csv").status_code == 200
    make_contact(session)

    assert "No codes to compare" in manager.get("/themes/codes")


def test_nonsense_in_the_address_is_said(manager, confused):
    assert "is not a day" in text_of(manager.get("/themes/codes?from=soon"))
    html = manager.get("/themes/codes?from=2026-05-11&to=2026-05-01")
    assert "Swap them" in text_of(html)


def test_names_and_codes_are_escaped(manager, session):
    make_contact(session)
    make_coded(session, "<script>alert(1)</script>", **{"<b>code</b>": 40})

    html = manager.get(f"/themes/codes?{PERIOD}")

    assert "<script>alert" not in html
    assert "<b>code" not in html


def test_the_number_of_statements_does_not_grow(manager, session, confused):
    first = statements_of(manager, f"/themes/codes?{PERIOD}")
    for number in range(8):
        make_coded(session, f"More {number}", **{f"code{number}": 50, "Card": 20})

    assert statements_of(manager, f"/themes/codes?{PERIOD}") == first
    assert first <= 10
