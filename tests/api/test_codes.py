"""Wrap-up codes against themes over the API."""

from __future__ import annotations

from datetime import date

from closedloop.domain.themes import ThemeStatus
from tests.factories.contacts import make_contact
from tests.factories.rollups import make_rollup
from tests.factories.themes import make_stats, make_theme

DAY = date(2026, 5, 11)


def make_coded(session, name: str, **codes):
    theme = make_theme(session, ThemeStatus.TRIAGED, name=name)
    make_stats(session, theme)
    for code, contacts in codes.items():
        make_rollup(session, theme, DAY, contacts, disposition=code)
    return theme


def test_the_table_comes_with_what_stands_out_and_hides_small_cells(api, session):
    make_contact(session)
    make_coded(session, "Card late", Card=400, Charge=2, Post=4)
    make_coded(session, "Refund late", Refund=300, Card=12, Charge=3, Post=20)
    charged = make_coded(session, "Charged twice", Refund=120, Charge=180, Card=3, Post=4)

    found = api.get("/themes/codes?from=2026-03-01&to=2026-05-11")

    assert [code["code"] for code in found["codes"]] == ["Refund", "Card", "Charge", "Post"]
    row = next(row for row in found["themes"] if row["key"] == charged.key)
    assert row["contacts"] == 307
    assert row["cells"][1] == {"contacts": None, "share_of_theme": None, "mark": ""}
    (finding,) = [one for one in found["findings"] if one["kind"] == "elsewhere"]
    assert (finding["theme"], finding["code"], finding["contacts"]) == (charged.key, "Refund", 120)
    assert finding["q_value"] < 0.05


def test_before_the_first_contact_the_table_is_empty(api):
    found = api.get("/themes/codes")

    assert (found["first_day"], found["codes"], found["themes"]) == (None, [], [])


def test_days_the_wrong_way_round_are_refused(api, session):
    make_contact(session)

    problem = api.problem("/themes/codes?from=2026-05-11&to=2026-05-01", 422)

    assert "lies after" in problem["detail"]
