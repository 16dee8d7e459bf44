"""The list of themes and a theme's page in the browser."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa

from closedloop.domain.accounts import Role
from closedloop.domain.actions import ActionStatus
from closedloop.domain.jobs import JobKind
from closedloop.domain.themes import DemandType, Strategy, ThemeStatus
from closedloop.models import Job, Theme, ThemeLikeness
from closedloop.services.rollups import roll_up_days
from closedloop.services.triage import accept_candidate
from tests.factories.accounts import make_department, make_user
from tests.factories.contacts import make_contact
from tests.factories.rollups import make_evidence, make_likeness, make_rollup
from tests.factories.themes import make_action, make_intervention, make_stats, make_theme
from tests.pages import text_of
from tests.statements import statements_of

AS_OF = date(2026, 5, 11)


def make_open(session, **values):
    theme = make_theme(
        session,
        ThemeStatus.ACTING,
        name=values.pop("name", "Card has not arrived"),
        demand_type=DemandType.FAILURE,
        customer_values=False,
        company_values=False,
        department=make_department(session),
    )
    make_stats(session, theme, **values)
    return theme


def test_index_without_contacts_teaches_to_import(manager):
    text = text_of(manager.get("/themes/"))

    assert "There are no contacts yet" in text
    assert "Look for themes" not in text


def test_index_with_contacts_but_no_themes_teaches_to_discover(manager, session):
    make_contact(session)

    html = manager.get("/themes/")

    assert "No themes yet" in html
    assert html.count('action="/themes/discoveries"') == 1


def test_index_shows_figures_with_both_repeat_rates(manager, session):
    theme = make_open(session, contacts=2281, mature=1000, repeats_same=310, repeats_any=370)

    html = manager.get("/themes/")
    text = text_of(html)

    assert f'href="/themes/{theme.key}"' in html
    assert "2,281" in text
    assert "31 to 37 %" in text
    assert f"theme={theme.id}&amp;to=2026-05-11&amp;from=2026-02-11" in html
    data = json.loads(re.search(r'id="map-data">(.*?)</script>', html)[1])
    assert data["themes"][0]["repeat_rate"] == 0.31


def test_themes_without_a_mark_in_the_picture_are_counted_beside_it(manager, session):
    make_open(session)
    assert "left out" not in text_of(manager.get("/themes/"))
    make_open(session, repeats_same=3)

    text = text_of(manager.get("/themes/"))

    assert "1 theme is left out: too few of the contacts came back to tell a share" in text


def test_minutes_that_nobody_measured_are_not_drawn_as_none(manager, session):
    make_open(session, handled=0, handle_seconds=0)

    html = manager.get("/themes/")

    assert (
        json.loads(re.search(r'id="map-data">(.*?)</script>', html)[1])["themes"][0]["minutes"]
        is None
    )


def test_index_tells_the_owner_from_the_department(manager, session):
    owned = make_open(session)
    owned.owner = make_user(session, name="Ruth Adeyemi")
    make_open(session, name="Nobody answers for this")

    rows = re.findall(r"<tr data-row>.*?</tr>", manager.get("/themes/"), re.DOTALL)
    said = {text_of(row).startswith(owned.key): text_of(row) for row in rows}

    assert f"{owned.department.name} Ruth Adeyemi" in said[True]
    assert said[False].endswith("no owner")


def test_index_says_fewer_than_k_customers_instead_of_figures(manager, session):
    make_open(session, customers=4, contacts=9753)

    html = manager.get("/themes/?view=all")

    assert "fewer than 5 customers" in html
    assert "9,753" not in html
    assert "9753" not in html


def test_index_keeps_the_filters_in_its_links(manager, session):
    make_open(session)

    html = manager.get("/themes/?view=open&quadrant=eliminate&sort=minutes")

    assert "quadrant=eliminate&amp;sort=minutes&amp;order=up" in html
    assert 'aria-sort="descending"' in html
    assert "view=parked&amp;quadrant=eliminate" in html


def test_index_that_filters_everything_away_says_so(manager, session):
    make_open(session)

    assert "No theme fits these filters" in manager.get("/themes/?quadrant=digitise")


def test_index_does_not_break_on_nonsense(manager, session):
    make_open(session)

    html = manager.get("/themes/?view=x&sort=y&order=z&department=a&owner=b&status=c&after=T-9999")

    assert "Card has not arrived" in html


def test_search_looks_into_all_themes(manager, session):
    make_theme(session, ThemeStatus.CLOSED, name="Exchange rate shown twice")

    assert "Exchange rate shown twice" in manager.get("/themes/?q=exchange")


def test_index_escapes_what_people_typed(manager, session):
    make_open(session, name="<script>alert(1)</script>")

    assert "<script>alert" not in manager.get("/themes/?q=%3Cscript%3E")


def test_export_gives_what_is_shown_and_runs_nothing(manager, session):
    shown = make_open(session, name="=cmd()", mature=200, repeats_same=50)
    small = make_open(session, customers=4, contacts=9753)
    make_theme(session, ThemeStatus.CLOSED)

    response = manager.raw("/themes/export.csv?view=open")
    rows = list(csv.DictReader(io.StringIO(response.get_data(as_text=True).lstrip("\ufeff"))))

    assert [row["theme"] for row in rows] == [shown.key, small.key]
    assert rows[0]["name"] == "'=cmd()"
    assert rows[0]["repeat_rate_same_theme_7_days"] == "0.25"
    assert rows[1]["contacts_90_days"] == ""
    assert rows[1]["note"] == "fewer than 5 customers"


@pytest.mark.parametrize("column", ["Contacts", "Customers", "Minutes", "Priority", "Change"])
def test_every_number_of_the_list_says_by_what_rule_it_is_made(manager, session, column):
    make_open(session)
    html = manager.get("/themes/")
    heading = re.search(rf'<th scope="col"[^>]*>(?:(?!</th>).)*>{column}(?:(?!</th>).)*</th>', html)
    assert heading is not None
    assert 'role="tooltip"' in heading[0]
    assert "sort=" in heading[0]


def test_codes_of_a_theme_lead_to_its_contacts_with_that_code(manager, session):
    theme, _ = make_full(session)
    html = manager.get(f"/themes/{theme.key}")
    link = f"/contacts/?theme={theme.id}&amp;disposition=Card+delivery&amp;to="
    assert link in html


def test_a_customers_sentence_stands_under_the_name_until_somebody_describes(manager, session):
    theme = make_open(session)
    contact = make_contact(session, theme=theme, text="Hello. My card has not arrived & no news.")
    theme.summary_contact_id = contact.id
    small = make_open(session, customers=4)
    hidden = make_contact(session, theme=small, text="Only I say this.")
    small.summary_contact_id = hidden.id
    theme.scenario = small.scenario = ""
    session.flush()

    for page in (manager.get("/themes/"), manager.get(f"/themes/{theme.key}")):
        assert "My card has not arrived &amp; no news." in page
        assert "Only I say this" not in page
    export = manager.raw("/themes/export.csv?view=open").get_data(as_text=True)
    assert "My card has not arrived & no news." in export
    assert "Only I say this" not in export + manager.get(f"/themes/{small.key}")

    theme.scenario = "Cards come too late."
    session.flush()
    for page in (manager.get("/themes/"), manager.get(f"/themes/{theme.key}")):
        assert "Cards come too late." in page
        assert "My card has not" not in page


def test_discover_queues_a_job_and_shows_it(manager, session):
    response = manager.post("/themes/discoveries")

    job = session.scalars(sa.select(Job)).one()
    assert job.kind is JobKind.DISCOVER_THEMES
    assert response.location == f"/jobs/{job.id}"
    assert job.arguments == {}


def test_a_look_can_be_finer_or_coarser_and_no_more_than_two_steps(manager, session):
    make_stats(session, make_theme(session))
    make_contact(session)
    assert '<option value="-2">Much coarser themes</option>' in manager.get("/themes/")
    manager.post("/themes/discoveries", {"finer": "-2"})
    assert [job.arguments for job in session.scalars(sa.select(Job))] == [{"finer": -2}]
    for refused in ("3", "-3", "two", "1.5"):
        response = manager.post("/themes/discoveries", {"finer": refused}, status=422)
        assert "from -2 (much coarser) to 2" in response.get_data(as_text=True)
    assert len(session.scalars(sa.select(Job)).all()) == 1


@pytest.mark.parametrize("role", [Role.STAKEHOLDER, Role.EXECUTIVE])
def test_readers_see_themes_and_no_buttons_they_may_not_press(sign_in_as, session, role):
    theme = make_open(session)
    make_contact(session, theme=theme)
    page = sign_in_as(role)

    html = page.get("/themes/") + page.get(f"/themes/{theme.key}")

    assert "Card has not arrived" in html
    for forbidden in ("/discoveries", "/name", "/cause", "/merge", "/park", "/actions/new"):
        assert f"{forbidden}" not in html, forbidden
    assert ("/contacts/?theme=" in html) is (role is Role.STAKEHOLDER)
    for url in ("discoveries", f"{theme.key}/name", f"{theme.key}/cause"):
        page.post(f"/themes/{url}", {"name": "x"}, status=403)


def test_strangers_are_sent_to_sign_in(page):
    assert page.raw("/themes/").status_code == 303
    assert page.raw("/themes/T-001").status_code == 303
    assert page.raw("/themes/export.csv").status_code == 303


def make_full(session):
    theme = make_open(session)
    at = datetime(2026, 5, 2, 10, tzinfo=UTC)
    for rank, text in ((1, "It has been eleven days."), (2, "I can’t pay for anything.")):
        contact = make_contact(session, theme=theme, text=text, started_at=at, chain_position=3)
        make_evidence(session, theme, contact, rank=rank)
    for ago in range(30):
        day = AS_OF - timedelta(days=ago)
        make_rollup(session, theme, day, 6, same_7d=2, disposition="Card delivery")
        make_rollup(session, theme, day, 3, disposition="General enquiry")
    action = make_action(session, theme, ActionStatus.SHIPPED)
    make_intervention(session, action, went_live_on=date(2026, 5, 4), rollout_days=2)
    make_likeness(session, theme, make_open(session, name="PIN not known"))
    return theme, action


def test_show_brings_evidence_codes_actions_and_neighbours_together(manager, session):
    theme, action = make_full(session)

    html = manager.get(f"/themes/{theme.key}")
    text = text_of(html)

    assert "It has been eleven days." in text
    assert "third contact" in text
    assert "33 % are coded as something else than Card delivery" in text
    assert action.title in text
    assert "PIN not known" in text
    data = json.loads(re.search(r'id="trend-data">(.*?)</script>', html)[1])
    assert data["marks"] == [
        {"day": "2026-05-04", "kind": "go_live", "label": f"{action.key} live"}
    ]
    assert data["roll_outs"] == [{"first": "2026-05-04", "last": "2026-05-05"}]
    assert data["contacts"][-1] == 63
    assert data["maturing_from"] == "2026-05-05"


def test_show_of_few_customers_says_why_nothing_is_shown(manager, session):
    theme = make_open(session, customers=4)
    contact = make_contact(session, theme=theme, text="Only I say this.")
    make_evidence(session, theme, contact)

    html = manager.get(f"/themes/{theme.key}")

    assert "fewer than 5 customers" in html
    assert "Only I say this." not in html


@pytest.mark.parametrize(("contacts", "is_said"), [(3, True), (0, False)])
def test_a_retired_theme_without_contacts_is_not_said_to_wait_for_customers(
    manager, session, contacts, is_said
):
    theme = make_theme(session, ThemeStatus.RETIRED)
    make_stats(session, theme, contacts=contacts, customers=contacts)

    text = text_of(manager.get(f"/themes/{theme.key}"))

    assert ("They appear by themselves once there are more" in text) is is_said
    assert "Not counted yet" not in text


def test_trend_gives_whole_weeks(manager, session):
    theme, _ = make_full(session)
    make_contact(session, theme=theme, started_at=datetime(2026, 1, 1, tzinfo=UTC))

    lines = manager.raw(f"/themes/{theme.key}/trend.csv").get_data(as_text=True).splitlines()

    assert lines[-2:] == ["2026-04-27,63,14", "2026-05-04,63,"]


def test_a_week_of_few_people_is_hidden_on_the_page_in_its_data_and_in_the_file(manager, session):
    theme = make_open(session)
    make_contact(session, theme=theme, started_at=datetime(2026, 1, 1, tzinfo=UTC))
    make_rollup(session, theme, date(2026, 4, 8), 4)  # few contacts
    make_rollup(session, theme, date(2026, 4, 15), 9, same_7d=5)  # of four people at least
    make_rollup(session, theme, date(2026, 4, 22), 9, same_7d=4)

    html = manager.get(f"/themes/{theme.key}")
    data = json.loads(re.search(r'id="trend-data">(.*?)</script>', html)[1])
    lines = manager.raw(f"/themes/{theme.key}/trend.csv").get_data(as_text=True).splitlines()

    weeks = dict(
        zip(data["days"], zip(data["contacts"], data["repeats"], strict=True), strict=True)
    )
    assert weeks["2026-03-30"] == (0, 0)
    assert weeks["2026-04-06"] == weeks["2026-04-13"] == (None, None)
    assert weeks["2026-04-20"] == (9, None)
    assert {"2026-04-06,,", "2026-04-13,,", "2026-04-20,9,"} <= set(lines)
    assert text_of(html).count("too few people to show") == 5
    assert "Weeks of fewer than 5 people are left out" in text_of(html)
    assert "data-step" not in html  # days are nowhere: no button offers them
    said = re.search(r'id="trend-say">(.*?)</p>', html)
    assert said is not None
    # no mean, and no sum to subtract from
    assert said[1].strip() == "Not every week has enough people to be shown."


def test_a_theme_whose_weeks_are_all_shown_is_told_by_first_and_last_weeks(manager, session):
    theme = make_open(session)
    make_contact(session, theme=theme, started_at=datetime(2026, 1, 1, tzinfo=UTC))
    for n in range(18):
        make_rollup(session, theme, date(2026, 1, 5) + timedelta(days=7 * n), 20 if n < 4 else 12)

    html = manager.get(f"/themes/{theme.key}")

    assert "About 20 contacts a week in the first four weeks shown and 12 in the last four." in html
    assert "people are left out" not in html


def test_rename_keeps_the_name(manager, session):
    theme = make_open(session)

    manager.post(f"/themes/{theme.key}/name", {"name": "Replacement card is late"})

    text = text_of(manager.get(f"/themes/{theme.key}"))
    assert "Replacement card is late" in text
    assert "Name saved." in text


def test_rename_to_nothing_says_what_to_do_and_keeps_what_was_typed(manager, session):
    theme = make_open(session)
    long = "x" * 161

    response = manager.post(f"/themes/{theme.key}/name", {"name": long}, status=422)

    assert "at most 160 characters" in response.text
    assert long in response.text
    assert session.get(Theme, theme.id).name == "Card has not arrived"


@pytest.mark.parametrize("field", ["name", "cause", "scenario"])
def test_what_a_colleague_wrote_since_is_not_overwritten_from_an_old_tab(manager, session, field):
    theme = make_theme(session, ThemeStatus.TRIAGED)
    setattr(theme, field, "as it was")
    url = f"/themes/{theme.key}/{field}"
    manager.post(url, {field: "agreed after the meeting", "seen": "as it was"})

    stale = {field: "from an old tab", "seen": "as it was"}
    html = manager.post(url, stale, status=409).text

    assert getattr(session.get_one(Theme, theme.id), field) == "agreed after the meeting"
    assert "Somebody changed this since you opened the page" in text_of(html)
    assert "from an old tab" in html
    assert 'name="seen" value="agreed after the meeting"' in html
    manager.post(url, {field: "both together", "seen": "agreed after the meeting"})
    manager.post(url, {field: "both together", "seen": "as it was"})  # says what stands
    assert getattr(session.get_one(Theme, theme.id), field) == "both together"


def test_explain_keeps_the_cause(manager, session):
    theme = make_open(session)

    manager.post(f"/themes/{theme.key}/cause", {"cause": "Nobody is told when it is posted."})

    assert "Nobody is told when it is posted." in manager.get(f"/themes/{theme.key}")


def test_show_of_a_merged_theme_leads_to_what_it_became(manager, session):
    into = make_open(session)
    theme = make_theme(session, ThemeStatus.MERGED, merged_into_id=into.id)
    likeness = {"theme_id": theme.id, "other_id": into.id, "likeness": 0.7}
    session.add(ThemeLikeness(**likeness, customers_in_both=0))  # its customers count elsewhere
    session.flush()

    html = manager.get(f"/themes/{theme.key}")

    assert f"Merged into {into.key}" in html
    assert "customers in both" not in text_of(html)
    assert f'href="/themes/{into.key}"' in html
    assert theme.name in manager.get(f"/themes/{into.key}")


def test_the_history_of_a_theme_offers_to_undo_a_decision(manager, session, actor):
    theme = make_theme(session)
    decision = accept_candidate(
        session,
        theme_id=theme.id,
        name="Card is late",
        scenario="Customers call because the card does not come.",
        demand_type=DemandType.FAILURE,
        customer_values=False,
        company_values=False,
        department_id=make_department(session).id,
        strategy=Strategy.INFORM,
        by=actor,
    )

    html = manager.get(f"/themes/{theme.key}")

    assert f'action="/triage/decisions/{decision.id}/undo"' in html


def test_unknown_theme_is_not_found(manager):
    assert "There is no theme T-404" in manager.get("/themes/T-404", status=404)


def test_number_of_statements_does_not_grow_with_the_rows(manager, session):
    theme, _ = make_full(session)
    first = statements_of(manager, "/themes/"), statements_of(manager, f"/themes/{theme.key}")
    for _ in range(6):
        other = make_open(session)
        other.owner = make_user(session)
        make_likeness(session, theme, other, 0.4)
        action = make_action(session, theme, ActionStatus.SHIPPED)
        make_intervention(session, action, went_live_on=date(2026, 5, 4))
        contact = make_contact(session, theme=theme)
        make_evidence(session, theme, contact, rank=contact.id + 10)

    again = statements_of(manager, "/themes/"), statements_of(manager, f"/themes/{theme.key}")

    assert first == again
    assert max(first) <= 27


def test_index_where_nobody_said_anything_teaches_what_to_import(manager, session):
    make_contact(session, text=None)
    make_contact(session, text="")

    html = manager.get("/themes/")

    assert "Themes need words, and these contacts have none" in html
    assert 'href="/contacts/import"' in html
    assert "/themes/discoveries" not in html


def test_contacts_of_unknown_customers_count_for_the_threshold_but_not_as_customers(
    manager, session
):
    theme = make_open(session, customers=0, unidentified=12, contacts=12, mature=0, repeats_same=0)

    row = text_of(manager.get("/themes/"))
    page = text_of(manager.get(f"/themes/{theme.key}"))

    assert "fewer than 5 customers" not in row + page
    assert "– not known: no contact names one" in page
    assert "12 contacts without a known customer" in manager.raw("/themes/export.csv").text


def test_contacts_of_too_few_unknown_customers_stay_hidden(manager, session):
    theme = make_open(session, customers=1, unidentified=3, contacts=9753)

    html = manager.get(f"/themes/{theme.key}")

    assert "fewer than 5 customers" in html
    assert "9,753" not in html


def test_minutes_that_no_file_gave_are_not_called_none(manager, session):
    theme = make_open(session, handled=0, handle_seconds=0)

    page = text_of(manager.get(f"/themes/{theme.key}"))

    assert "– not known: no contact has a handle time" in page
    assert "its area is agent minutes" not in manager.get("/themes/")


def test_what_is_of_a_few_contacts_is_not_told_on_the_page_of_a_theme(manager, session):
    few = {"repeats_same": 2, "handled": 1, "handle_seconds": 423, "contacts_4_weeks_before": 3}
    theme = make_open(session, **few)

    page = text_of(manager.get(f"/themes/{theme.key}"))

    assert "few any reason: 36" in re.sub(r"\s+", " ", page)
    assert "– not shown: fewer than 5 contacts have a handle time" in page
    assert "190 after fewer than 5" in page
    assert "7.1" not in page
    assert "few to 36" in text_of(manager.get("/themes/"))


def test_minutes_a_contact_are_of_those_that_have_a_handle_time(manager, session):
    theme = make_open(session, contacts=486, handled=100, handle_seconds=100 * 300)

    page = text_of(manager.get(f"/themes/{theme.key}"))

    assert "500 of the 100 contacts with a handle time, 5.0 each" in page


def test_show_without_any_wrap_up_code_says_so(manager, session):
    theme = make_open(session, as_of=date(2026, 5, 11))
    for _ in range(6):
        make_contact(
            session, theme=theme, started_at=datetime(2026, 5, 4, tzinfo=UTC), disposition=""
        )
    roll_up_days(session, days=None)

    page = text_of(manager.get(f"/themes/{theme.key}"))

    assert "None of these contacts has a wrap-up code" in page
    assert "no code" not in page
