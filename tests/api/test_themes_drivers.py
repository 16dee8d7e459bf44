"""Contact drivers over the API."""

from __future__ import annotations

import pytest

from closedloop.domain.themes import ThemeStatus
from tests.factories.themes import make_driver, make_stats, make_theme


@pytest.fixture
def money(session):
    driver = make_driver(session, name="Money")
    for key, contacts, customers in (("T-901", 300, 200), ("T-902", 7, 3)):
        theme = make_theme(session, ThemeStatus.TRIAGED, key=key, driver_id=driver.id)
        make_stats(session, theme, contacts=contacts, customers=customers)
    return driver


@pytest.fixture
def parcels(session):
    driver = make_driver(session, name="Parcels")
    make_stats(session, make_theme(session, key="T-903", driver_id=driver.id), contacts=100)
    make_stats(session, make_theme(session, key="T-904"), contacts=100)
    return driver


def test_drivers_come_with_their_share_and_without_what_would_describe_few(api, money, parcels):
    answer = api.get("/contact-drivers")
    first, second = answer["items"]
    assert (first["key"], first["contacts"], first["share"]) == (money.key, 300, 0.6)
    assert [(t["key"], t["contacts"]) for t in first["themes"]] == [("T-901", 300), ("T-902", None)]
    assert second["name"] == "Parcels"
    assert [theme["key"] for theme in answer["themes_without"]] == ["T-904"]


def test_themes_say_their_driver_and_are_found_by_it(api, money, parcels):
    items = api.get(f"/themes?view=all&contact_driver={parcels.key}")["items"]
    assert [(one["key"], one["contact_driver"]) for one in items] == [("T-903", parcels.key)]
    assert api.get("/themes/T-901")["contact_driver"] == money.key
    items = api.get("/themes?view=all&contact_driver=none")["items"]
    assert [(one["key"], one["contact_driver"]) for one in items] == [("T-904", None)]
    api.problem("/themes?contact_driver=D-404", 404)


def test_each_change_gives_the_number_that_takes_it_back(api, money, parcels):
    done = api.send("/contact-drivers/move", {"themes": ["T-901"], "to": parcels.key})
    assert done["themes"] == 1
    assert api.get("/themes/T-901")["contact_driver"] == parcels.key
    made = api.send("/contact-drivers", {"name": "Own", "themes": ["T-904"]})
    assert api.get("/themes/T-904")["contact_driver"] == made["contact_driver"]
    merged = api.send(f"/contact-drivers/{money.key}/merge", {"into": parcels.key})
    assert api.get(f"/contact-drivers/{money.key}")["merged_into"] == parcels.key
    changes = api.get("/contact-drivers/changes")["items"]
    assert [one["kind"] for one in changes] == ["merge", "create", "move"]
    for one in (merged, made, done):
        api.send(f"/contact-drivers/changes/{one['change']}/undo")
    assert api.get("/themes/T-901")["contact_driver"] == money.key
    assert api.get("/themes/T-904")["contact_driver"] is None
    assert api.get(f"/contact-drivers/{money.key}")["state"] == "in_use"


def test_a_driver_is_renamed_retired_and_restored(api, money, parcels):
    renamed = api.send(f"/contact-drivers/{money.key}", {"name": "Bills"}, method="PATCH")
    assert (renamed["name"], renamed["named_by_person"]) == ("Bills", True)
    api.send(f"/contact-drivers/{money.key}/retire", status=409)
    key = api.send("/contact-drivers", {"name": "Empty"})["contact_driver"]
    api.send(f"/contact-drivers/{key}/retire")
    assert api.get(f"/contact-drivers/{key}")["state"] == "retired"
    api.send(f"/contact-drivers/{key}/restore")
    assert api.get(f"/contact-drivers/{key}")["state"] == "in_use"


def test_what_cannot_be_done_is_refused(api, money, parcels):
    api.send("/contact-drivers", {"name": "money"}, status=422)
    api.send("/contact-drivers/move", {"themes": ["T-999"], "to": "none"}, status=404)
    api.send("/contact-drivers/move", {"themes": [], "to": "none"}, status=422)
    wrong = {"themes": ["T-901"], "to": "none", "expected_count": 2}
    api.send("/contact-drivers/move", wrong, status=422)
    assert api.get("/themes/T-901")["contact_driver"] == money.key


def test_a_preview_says_what_would_move_and_changes_nothing(api, money, parcels):
    sent = {"themes": ["T-901", "T-902"], "to": parcels.key}
    found = api.send("/contact-drivers/move/preview", sent)
    assert [(t["key"], t["contact_driver"], t["contacts"]) for t in found["themes"]] == [
        ("T-901", money.key, 300),
        ("T-902", money.key, None),
    ]
    assert (found["contacts"], found["left_empty"]) == (300, [f"{money.key} Money"])
    merged = api.send(f"/contact-drivers/{parcels.key}/merge/preview", {"into": money.key})
    assert [theme["key"] for theme in merged["themes"]] == ["T-903"]
    assert merged["left_empty"] == []
    assert api.get("/themes/T-901")["contact_driver"] == money.key
    assert api.get("/contact-drivers/changes")["items"] == []


def test_proposing_says_which_themes_still_have_none(api, money, parcels):
    found = api.send("/contact-drivers/proposals")
    assert found["themes_without"] == ["T-904"]
    assert found["placed_themes"] == found["new_drivers"] == []


def test_changes_go_on_where_the_page_before_ended(api, money, parcels):
    names = ["A", "B", "C"]
    made = [api.send("/contact-drivers", {"name": name})["change"] for name in names]
    first = api.get("/contact-drivers/changes?limit=2")
    rest = api.get(f"/contact-drivers/changes?limit=2&after={first['next']}")
    assert [one["change"] for one in first["items"] + rest["items"]] == made[::-1]
    assert rest["next"] is None
