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
