"""The list of themes grouped by contact driver: order, sums that add up, paging, CSV, cost."""

from __future__ import annotations

import csv
import io
import re

import pytest

from closedloop.domain.accounts import Role
from closedloop.domain.contact_drivers import DriverState
from closedloop.domain.themes import DemandType, ThemeStatus
from closedloop.queries.themes import ThemeFilter, ThemeSort, ThemeView, list_themes
from tests.factories.themes import make_driver, make_stats, make_theme
from tests.pages import text_of
from tests.statements import statements_of

URL = "/themes/?group=driver"
K = 5


def add(session, driver, name, contacts, customers=200, status=ThemeStatus.TRIAGED, **values):
    theme = make_theme(session, status, name=name, driver_id=driver and driver.id, **values)
    figures = {"mature": contacts, "repeats_same": contacts // 10, "repeats_any": contacts // 5}
    seconds = {"handled": contacts, "handle_seconds": contacts * 60}
    make_stats(session, theme, contacts=contacts, customers=customers, **figures, **seconds)
    return theme


@pytest.fixture
def site(session):
    """Money holds 700 of 1,400 contacts, Parcels 500; 200 are under no contact driver.

    The largest theme is in the smaller group, and the one under none is larger than some.
    """
    parcels, money = (make_driver(session, name=name) for name in ("Parcels", "Money"))
    add(session, parcels, "Late", 500, demand_type=DemandType.FAILURE)
    add(session, money, "Refund", 300)
    add(session, None, "Hours", 200)
    add(session, money, "Charge", 250, demand_type=DemandType.FAILURE)
    add(session, money, "Tiny", 7, customers=3)
    add(session, money, "Proposed", 150, status=ThemeStatus.CANDIDATE)
    return {"Parcels": parcels, "Money": money}


def rows_of(html):
    """Return the first words of each row of the table, and whether it heads a group."""
    table = html[html.index("<tbody") : html.index("</table>")]
    rows = re.findall(r'<tr(?: class="(cl-group)")?[^>]*>(.*?)</tr>', table, re.DOTALL)
    return [
        (text_of(re.search(r"data-open>(.*?)</a>", row)[1]), bool(group))
        for group, row in rows
        if "data-open" in row
    ]


def group_row(html, name):
    rows = re.findall(r'<tr class="cl-group".*?</tr>', html, re.DOTALL)
    (found,) = [row for row in rows if f">{name}</a>" in row]
    return found


def test_the_list_stands_as_it_did_unless_groups_are_asked_for(manager, site):
    for url in ("/themes/", "/themes/?group=", "/themes/?group=colour"):
        assert rows_of(manager.get(url)) == [
            (name, False) for name in ("Late", "Refund", "Charge", "Hours", "Tiny")
        ]


def test_themes_stand_under_their_contact_driver_the_largest_first(manager, site):
    html = manager.get(URL)

    assert rows_of(html) == [
        ("Money", True),
        ("Refund", False),
        ("Charge", False),
        ("Tiny", False),
        ("Parcels", True),
        ("Late", False),
        ("No contact driver", True),
        ("Hours", False),
    ]
    assert f'href="/themes/drivers/{site["Money"].key}"' in group_row(html, "Money")
    assert html.count("</tbody>") == html.count("<tbody")


def test_a_group_sums_up_what_is_listed_and_tells_what_its_driver_holds(manager, site):
    html = manager.get(URL)
    money = text_of(group_row(html, "Money"))

    assert "3 themes here" in money  # the one too small is listed, and in no sum
    assert "in all 700 contacts, 50 % of those in themes" in money
    assert re.search(r"\b550\b.*\b10 to 20 %.*\b550\b", money)
    assert "557" not in html
    foot = text_of(html[html.index("<tfoot") : html.index("</tfoot>")])
    assert "1,250" in foot  # 550 + 500 + 200
    other = text_of(group_row(html, "No contact driver"))
    assert "1 theme here; in all 200 contacts, 14 % of those in themes" in other


def test_the_sums_follow_the_filters_and_the_driver_does_not(manager, site):
    html = manager.get(f"{URL}&demand=failure")
    money = text_of(group_row(html, "Money"))

    assert rows_of(html) == [
        ("Money", True),
        ("Charge", False),
        ("Parcels", True),
        ("Late", False),
    ]
    assert "1 theme here; in all 700 contacts" in money
    assert re.search(r"\b250\b.*\b10 to 20 %.*\b250\b", money)


def test_a_group_of_too_few_customers_has_no_sum(manager, session):
    driver = make_driver(session, name="Small")
    add(session, driver, "Tiny", 9753, customers=4)

    html = manager.get(URL)

    assert rows_of(html) == [("Small", True), ("Tiny", False)]
    assert "1 theme here" in text_of(group_row(html, "Small"))
    assert "9,753" not in html
    assert "contacts," not in text_of(group_row(html, "Small"))


def test_a_theme_under_a_driver_out_of_use_is_under_none(manager, session, site):
    gone = make_driver(session, name="Gone", state=DriverState.RETIRED)
    add(session, gone, "Old", 40, status=ThemeStatus.RETIRED)

    html = manager.get(f"{URL}&view=all")

    assert rows_of(html)[-3:] == [("No contact driver", True), ("Hours", False), ("Old", False)]
    assert "2 themes here" in group_row(html, "No contact driver")


def test_every_link_and_the_form_keep_the_groups(manager, site):
    html = manager.get(URL)

    assert "view=parked&amp;group=driver" in html
    assert "group=driver&amp;sort=minutes" in html
    assert "/themes/export.csv?view=open&amp;group=driver" in html
    form = html[html.index('id="f-group"') :]
    assert '<option value="driver" selected>' in form[: form.index("</select>")]


def test_without_a_contact_driver_nothing_offers_groups_and_asking_breaks_nothing(manager, session):
    add(session, None, "Hours", 200)

    assert 'id="f-group"' not in manager.get("/themes/")
    assert rows_of(manager.get(URL)) == [("No contact driver", True), ("Hours", False)]


@pytest.mark.parametrize("sort", list(ThemeSort))
@pytest.mark.parametrize("descending", [True, False])
def test_pages_of_groups_give_each_theme_once_in_the_order_of_the_whole(
    session, site, sort, descending
):
    for driver in (*site.values(), None):  # ties, so that only the id can part them
        add(session, driver, "Equal", 100)
        add(session, driver, "Equal", 100)
    asked = {"view": ThemeView.ALL, "sort": sort, "descending": descending, "by_driver": True}
    whole = list_themes(session, ThemeFilter(**asked), k=K, limit=None)
    paged, after, last = [], "", ""
    while after or not paged:
        page = list_themes(session, ThemeFilter(**asked, after=after), k=K, limit=2)
        paged += page.rows
        after, last = page.after, after
        assert after != last
        assert [page.group_of(row).driver.name for row in page.rows] == [
            row.driver_name for row in page.rows
        ]

    assert [row.key for row in paged] == [row.key for row in whole.rows]
    names = [row.driver_name for row in whole.rows]
    assert names == ["Money"] * 6 + ["Parcels"] * 3 + [""] * 3
    assert [group.themes for group in whole.groups] == [6, 3, 3]


def test_a_page_that_begins_inside_a_group_says_which(manager, session, site):
    for number in range(100):
        add(session, site["Money"], f"Bill {number}", 10)

    html = manager.get(URL)
    more = re.search(r'rel="next" href="([^"]*)"', html)[1].replace("&amp;", "&")
    second = rows_of(manager.get(more))

    assert len([name for name, is_group in rows_of(html) if not is_group]) == 100
    assert second[0] == ("Money", True)
    assert second[-4:] == [
        ("Parcels", True),
        ("Late", False),
        ("No contact driver", True),
        ("Hours", False),
    ]


def test_the_csv_comes_in_the_order_of_the_groups(manager, site):
    answer = manager.raw("/themes/export.csv?view=open&group=driver")
    rows = list(csv.DictReader(io.StringIO(answer.get_data(as_text=True).lstrip("\ufeff"))))

    assert [(row["name"], row["contact_driver"]) for row in rows] == [
        ("Refund", "Money"),
        ("Charge", "Money"),
        ("Tiny", "Money"),
        ("Late", "Parcels"),
        ("Hours", ""),
    ]


def test_what_a_driver_is_called_is_escaped(manager, session):
    add(session, make_driver(session, name="<script>alert(1)</script>"), "Theme", 100)

    assert "<script>alert" not in manager.get(URL)


def test_executives_see_the_groups(sign_in_as, site):
    assert rows_of(sign_in_as(Role.EXECUTIVE).get(URL))[0] == ("Money", True)


def test_groups_take_three_statements_more_however_many_there_are(manager, session, site):
    plain, grouped = statements_of(manager, "/themes/"), statements_of(manager, URL)
    for number in range(6):
        driver = make_driver(session, name=f"Driver {number}")
        add(session, driver, f"Theme {number}", 100 + number)

    again = statements_of(manager, URL)

    assert grouped == plain + 3
    assert again == grouped
