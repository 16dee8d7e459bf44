"""Contact drivers in the browser: grouped figures, moves seen first, everything taken back."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa

from closedloop.domain.accounts import Role
from closedloop.domain.contact_drivers import DriverChangeKind, DriverState
from closedloop.domain.themes import ThemeStatus
from closedloop.models import ContactDriver, DailySlice, DriverChange, Theme
from tests.factories.contacts import make_contact
from tests.factories.themes import make_driver, make_stats, make_theme
from tests.pages import text_of
from tests.statements import statements_of

AS_OF = date(2026, 5, 11)
STATUS = ThemeStatus.TRIAGED


@pytest.fixture
def money(session):
    """Two themes of 450 contacts in all, and one of too few customers."""
    driver = make_driver(session, name="Money & bills")
    for name, contacts, customers in (("Refund", 300, 200), ("Charge", 150, 90), ("Tiny", 7, 3)):
        theme = make_theme(session, STATUS, name=name, driver_id=driver.id)
        make_stats(session, theme, contacts=contacts, customers=customers, mature=contacts)
        session.add(make_slice(theme, AS_OF - timedelta(days=10), contacts))
    return driver


@pytest.fixture
def parcels(session):
    driver = make_driver(session, name="Parcels")
    theme = make_theme(session, name="Late parcel", driver_id=driver.id)
    make_stats(session, theme, contacts=100)
    return driver


def make_slice(theme, day, contacts):
    columns = {
        column.name: 0
        for column in DailySlice.__table__.columns
        if not column.primary_key and not column.nullable
    }
    figures = {**columns, "contacts": contacts}
    return DailySlice(day=day, kind="theme", value=str(theme.id), **figures)


def ids_of(session, *names):
    return sorted(session.scalars(sa.select(Theme.id).where(Theme.name.in_(names))))


def place_of(session, name):
    session.expire_all()
    return session.execute(
        sa.select(ContactDriver.key, Theme.is_driver_by_person)
        .select_from(Theme)
        .outerjoin(ContactDriver, ContactDriver.id == Theme.driver_id)
        .where(Theme.name == name)
    ).one()


def test_drivers_are_listed_with_counts_share_and_trend_and_small_themes_are_in_no_sum(
    manager, session, money, parcels
):
    loose = make_theme(session, name="Something else")
    make_stats(session, loose, contacts=50)
    html = manager.get("/themes/drivers")
    text = text_of(html)
    assert "“Money & bills” stands behind 75" in text.replace("&amp;", "&")
    assert "600 contacts in themes of the last 90 days" in text
    assert "Themes without a contact driver" in text
    row = re.search(rf"<tr data-row>.*?{money.key}.*?</tr>", html, re.DOTALL)[0]
    assert "Refund · Charge · Tiny" in text  # names hold commas themselves
    assert ">450</td>" in row
    assert "+38" in row
    assert "<svg" in row
    assert "view=all&amp;driver=" in row
    assert "457" not in html


def test_drivers_without_themes_are_folded_away(manager, session, money, parcels):
    make_driver(session, name="Nothing here")
    make_driver(session, name="Nothing there")

    html = manager.get("/themes/drivers")
    table, rest = html.split("2 without themes</summary>")

    assert "Parcels" in table
    assert "Nothing here" not in table
    assert "Nothing here" in rest
    assert "Nothing there" in rest
    assert "2 contact drivers hold them" in text_of(html)
    for theme in session.scalars(sa.select(Theme)):
        theme.driver_id = None
    bare = manager.get("/themes/drivers")
    assert re.search(r"<details [^>]*open[^>]*><summary>4 without themes", bare)


def test_repeats_of_a_driver_stand_beside_the_share_that_enters_none(manager, session, money):
    theme = make_theme(session, STATUS, name="Fee", driver_id=money.id)
    make_stats(session, theme, contacts=50, unidentified=50)
    (row,) = csv.DictReader(io.StringIO(manager.raw("/themes/drivers.csv").text))
    assert float(row["share_without_customer"]) == 0.1
    assert "10 % unknown" in text_of(manager.get("/themes/drivers"))
    assert "10 % without a known customer" in text_of(manager.get(f"/themes/drivers/{money.key}"))


def test_csv_says_the_same(manager, money, parcels):
    rows = list(csv.DictReader(io.StringIO(manager.raw("/themes/drivers.csv").text)))
    assert [row["name"] for row in rows] == ["Money & bills", "Parcels"]
    assert rows[0]["contacts_90_days"] == "450"
    assert rows[0]["themes"] == "3"
    assert rows[0]["themes_too_small_to_show"] == "1"
    assert rows[1]["candidates"] == "1"
    assert float(rows[0]["share"]) == pytest.approx(450 / 550, abs=1e-4)


def test_a_driver_shows_its_themes_and_the_weeks_of_those_that_may_be_shown(
    manager, session, money
):
    make_contact(session, started_at=datetime(2026, 3, 2, 10, tzinfo=UTC))
    html = manager.get(f"/themes/drivers/{money.key}")
    text = text_of(html)
    assert "450 contacts of the last 90 days are in its 3 themes" in text
    assert "fewer than 5 customers" in text
    data = json.loads(re.search(r'id="trend-data">(.*?)</script>', html)[1])
    assert sum(data["contacts"]) == 450
    weeks = manager.raw(f"/themes/drivers/{money.key}/trend.csv").text
    assert sum(int(line.split(",")[1]) for line in weeks.split()[1:]) == 450


def test_a_week_of_few_contacts_of_a_driver_is_hidden_wherever_it_stands(manager, session, money):
    make_contact(session, started_at=datetime(2026, 3, 2, 10, tzinfo=UTC))
    session.execute(sa.update(DailySlice).values(contacts=2))  # of two themes: four in all

    html = manager.get(f"/themes/drivers/{money.key}")
    data = json.loads(re.search(r'id="trend-data">(.*?)</script>', html)[1])
    weeks = manager.raw(f"/themes/drivers/{money.key}/trend.csv").text.split()[1:]

    assert None in data["contacts"]
    assert not {1, 2, 3, 4} & set(data["contacts"])
    assert any(line.endswith(",") for line in weeks)
    assert "too few people to show" in text_of(html)


def test_the_list_of_themes_is_filtered_by_driver(manager, session, money, parcels):
    html = manager.get(f"/themes/?view=all&driver={parcels.id}")
    assert "Late parcel" in html
    assert ">Refund<" not in html
    assert f'<option value="{parcels.id}" selected>' in html
    make_theme(session, STATUS, name="Loose one")
    html = manager.get("/themes/?view=all&driver=0")
    assert "Loose one" in html
    assert "Late parcel" not in html
    assert "No theme fits these filters" in manager.get("/themes/?view=all&driver=99999")


def test_themes_are_moved_in_bulk_after_a_look_and_moved_back(manager, session, money, parcels):
    ids = ids_of(session, "Refund", "Charge")
    address = "/themes/drivers/move?" + "&".join(f"id={one}" for one in ids)
    text = text_of(manager.get(f"{address}&to={parcels.key}"))
    assert f"2 themes would move to {parcels.key} Parcels" in text
    assert "450 contacts of the last 90 days" in text
    assert place_of(session, "Refund")[0] == money.key
    manager.post("/themes/drivers/move", {"id": ids, "to": parcels.key})
    assert place_of(session, "Refund") == (parcels.key, True)
    assert place_of(session, "Tiny") == (money.key, False)
    text = text_of(manager.get("/themes/drivers/changes"))
    assert f"moved 2 themes to {parcels.key} Parcels" in text
    change = session.scalar(sa.text("SELECT max(id) FROM driver_changes"))
    manager.post(f"/themes/drivers/changes/{change}/undo")
    assert place_of(session, "Refund") == (money.key, False)
    assert "taken back by" in text_of(manager.get("/themes/drivers/changes"))


def test_a_theme_goes_to_a_new_driver_or_out_of_all_from_its_own_page(
    manager, session, money, parcels
):
    (refund,) = ids_of(session, "Refund")
    key = session.get(Theme, refund).key
    html = manager.get(f"/themes/{key}")
    assert f'/themes/drivers/{money.key}">{money.key} Money &amp; bills' in html
    assert "put here by a run" in html
    assert f'<input type="hidden" name="id" value="{refund}">' in html
    assert "Name of the new contact driver" in manager.get(
        f"/themes/drivers/move?id={refund}&to=new"
    )
    page = manager.post(
        "/themes/drivers/move", {"id": [refund], "to": "new", "name": "parcels"}, status=422
    )
    assert "There is a contact driver “parcels” already" in page.text
    manager.post("/themes/drivers/move", {"id": [refund], "to": "new", "name": "Refunds"})
    assert place_of(session, "Refund")[1] is True
    manager.post("/themes/drivers/move", {"id": [refund], "to": "none"})
    assert place_of(session, "Refund") == (None, True)
    assert "somebody took it out of every contact driver" in text_of(manager.get(f"/themes/{key}"))


def test_what_cannot_be_moved_is_said_on_the_page(manager, session, money):
    (refund,) = ids_of(session, "Refund")
    cases = [
        ({"to": money.key}, "Pick at least one theme"),
        ({"id": [refund], "to": ""}, "Choose the contact driver they belong to"),
        ({"id": [refund], "to": money.key}, "They are there already"),
    ]
    for form, words in cases:
        assert words in manager.post("/themes/drivers/move", form, status=422).text


def test_a_driver_is_made_named_merged_retired_and_restored(manager, session, money, parcels):
    manager.post("/themes/drivers", {"name": "  Own   one "})
    own = session.scalars(sa.select(ContactDriver).where(ContactDriver.name == "Own one")).one()
    assert own.is_named_by_person
    assert "No theme is under it" in manager.get(f"/themes/drivers/{own.key}")
    manager.post(f"/themes/drivers/{own.key}/retire")
    assert "Restore" in manager.get(f"/themes/drivers/{own.key}")
    manager.post(f"/themes/drivers/{own.key}/restore")
    manager.post(f"/themes/drivers/{own.key}/name", {"name": "Better"})
    session.expire_all()
    assert (own.name, own.state) == ("Better", DriverState.IN_USE)
    page = manager.post(f"/themes/drivers/{own.key}/name", {"name": "Parcels"}, status=422)
    assert "already" in page.text
    held = manager.post(f"/themes/drivers/{money.key}/retire", status=409)
    assert "still holds 3 themes" in held.text
    text = text_of(manager.get(f"/themes/drivers/{money.key}/merge?into={parcels.key}"))
    assert f"3 themes would move to {parcels.key} Parcels" in text
    assert "would be left without themes" not in text
    manager.post(f"/themes/drivers/{money.key}/merge", {"into": parcels.key})
    assert place_of(session, "Refund") == (parcels.key, False)
    assert f"Merged into {parcels.key} Parcels" in text_of(
        manager.get(f"/themes/drivers/{money.key}")
    )
    page = manager.post(f"/themes/drivers/{parcels.key}/merge", {"into": ""}, status=422)
    assert "Choose the contact driver" in page.text


def test_without_themes_the_page_teaches_and_proposing_says_why_nothing_came(manager, session):
    assert "No theme yet" in manager.get("/themes/drivers")
    make_theme(session, name="Alone")
    html = manager.get("/themes/drivers")
    assert "Propose drivers" in html
    manager.post("/themes/drivers/proposals")
    assert "1 theme has no contact driver still" in text_of(manager.get("/themes/drivers"))


def test_who_may_not_curate_sees_no_way_to_and_is_refused(sign_in_as, session, money):
    page = sign_in_as(Role.STAKEHOLDER)
    html = page.get(f"/themes/drivers/{money.key}") + page.get("/themes/drivers")
    assert 'name="id"' not in html
    assert 'method="post" action="/themes' not in html
    for path in ("", "/move", f"/{money.key}/name", f"/{money.key}/retire", "/changes/1/undo"):
        page.post(f"/themes/drivers{path}", status=403)
    page.get("/themes/drivers/move", status=403)


def test_a_driver_that_is_not_there_is_not_found(manager):
    assert "There is no contact driver D-404" in manager.get("/themes/drivers/D-404", status=404)


def test_more_themes_and_drivers_take_no_more_statements(manager, session, money, parcels):
    paths = ["/themes/drivers", f"/themes/drivers/{money.key}", "/themes/drivers/changes"]
    paths.append("/themes/drivers/move?" + "&".join(f"id={one}" for one in ids_of(session, "Tiny")))
    first = [statements_of(manager, path) for path in paths]
    for number in range(8):
        driver = make_driver(session)
        for owner in (driver, money):
            theme = make_theme(session, name=f"More {owner.key} {number}", driver_id=owner.id)
            make_stats(session, theme)
    assert [statements_of(manager, path) for path in paths] == first
    assert max(first) <= 12


def test_more_changes_than_a_page_holds_go_on_with_older_ones(manager, session, money):
    changes = [
        DriverChange(kind=DriverChangeKind.RENAME, driver_id=money.id, themes=0, changed_by="Ada")
        for _ in range(101)
    ]
    session.add_all(changes)
    session.flush()
    numbers = sorted(change.id for change in changes)

    html = manager.get("/themes/drivers/changes")
    assert f'href="/themes/drivers/changes?before={numbers[1]}"' in html
    assert f"/changes/{numbers[0]}/undo" not in html
    html = manager.get(f"/themes/drivers/changes?before={numbers[1]}")
    assert f"/changes/{numbers[0]}/undo" in html
