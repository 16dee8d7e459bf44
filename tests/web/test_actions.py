"""Pages of actions: the board, the list, one action and its life."""

from __future__ import annotations

import csv
import io
import re
from datetime import date, timedelta

import pytest

from closedloop.domain.accounts import Role
from closedloop.domain.actions import THEMES_TO_ACT_ON, ActionStatus
from closedloop.domain.clock import as_if, set_today, today, utc_now
from closedloop.domain.impact import Verdict
from closedloop.domain.themes import Strategy, ThemeStatus
from closedloop.models import Action, AuditEvent, Intervention
from tests.factories.accounts import make_department, make_user
from tests.factories.impact import make_measurement
from tests.factories.rollups import make_rollup
from tests.factories.themes import make_action, make_intervention, make_stats, make_theme
from tests.pages import text_of
from tests.statements import statements_of

TODAY = today("Europe/London")
YESTERDAY, TOMORROW = TODAY - timedelta(days=1), TODAY + timedelta(days=1)
LIST = "/actions/?view=list"


@pytest.fixture(autouse=True)
def one_day():
    """Stay on the day the module was read on, also where midnight comes in between."""
    set_today(TODAY)
    yield
    set_today(None)


def make_owned(session, **values):
    """An action with an owner and a day, as it can be agreed to."""
    department = values.pop("department", None) or make_department(session)
    owner = make_user(session, Role.STAKEHOLDER, department=department)
    return make_action(session, department=department, owner_id=owner.id, **values)


def form_of(session, **values):
    """A form as a manager fills it in."""
    theme = make_theme(session, ThemeStatus.TRIAGED)
    return {
        "theme_id": str(theme.id),
        "title": "Text when the card is posted",
        "description": "One text a card.",
        "strategy": "inform",
        "department_id": str(make_department(session).id),
        "owner_id": "",
        "due_on": TOMORROW.isoformat(),
        "expected_drop": "30 %",
        "smallest_drop": "12,5",
        **values,
    }


def test_an_empty_site_teaches_what_an_action_is(manager):
    text = text_of(manager.get("/actions/"))

    assert "Nobody acts on a theme yet" in text
    assert "Propose an action" in text


def test_the_board_shows_status_owner_due_day_and_what_was_handed_back(manager, session):
    late = make_owned(session, title="Late one", due_on=YESTERDAY)
    make_action(
        session,
        title="Odd one",
        due_on=None,
        status=ActionStatus.HANDED_BACK,
        hand_back_reason="Not us.",
    )

    html = manager.get("/actions/")
    text = text_of(html)

    assert "1, 1 handed back" in text
    assert "Handed back: Not us." in text
    assert f'href="/actions/{late.key}"' in html
    assert text.count("overdue, was due") == 1


def test_due_today_is_not_overdue(manager, session):
    make_owned(session, due_on=TODAY)

    assert "overdue, was due" not in text_of(manager.get("/actions/"))


def test_the_list_filters_by_department_owner_mine_and_overdue(manager, session):
    late = make_owned(session, title="Late one", due_on=YESTERDAY)
    make_owned(session, title="Early one", due_on=TOMORROW)
    mine = make_action(session, title="My own", owner_id=manager.user.id, due_on=TOMORROW)

    def titles(query):
        text = text_of(manager.get(f"{LIST}&{query}"))
        return [title for title in ("Late one", "Early one", "My own") if title in text]

    assert titles("overdue=1") == ["Late one"]
    assert titles("mine=1") == ["My own"]
    assert titles(f"department={late.department_id}") == ["Late one"]
    assert titles(f"owner={mine.owner_id}") == ["My own"]
    assert titles("department=999999") == []
    assert titles("department=x&owner=%F0&after=9999-99-99.1") == [
        "Late one",
        "Early one",
        "My own",
    ]


def test_filters_that_nothing_fits_say_so(manager, session):
    make_action(session)

    assert "No action fits these filters" in text_of(manager.get(f"{LIST}&overdue=1&mine=1"))
    other = text_of(manager.get(f"{LIST}&department=999999"))
    assert "No action fits these filters" in other
    assert "Nobody acts on a theme yet" not in other, "somebody does, in another department"


def test_the_csv_holds_the_list_and_defuses_formulas(manager, session):
    make_owned(session, title="=cmd()", due_on=YESTERDAY)

    rows = list(csv.reader(io.StringIO(manager.raw("/actions/actions.csv").text.lstrip("\ufeff"))))

    assert rows[1][1] == "'=cmd()"
    assert rows[1][8:10] == [YESTERDAY.isoformat(), "yes"]


def test_a_manager_proposes_an_action(manager, session):
    form = form_of(session)

    response = manager.post("/actions/new", form)

    action = session.query(Action).one()
    assert response.headers["Location"].endswith(f"/actions/{action.key}")
    assert (action.status, action.strategy) == (ActionStatus.PROPOSED, Strategy.INFORM)
    assert (action.expected_drop, action.smallest_drop) == (0.3, 0.125)


def test_the_form_starts_from_its_theme(manager, session):
    department = make_department(session)
    theme = make_theme(
        session, ThemeStatus.TRIAGED, department=department, strategy=Strategy.SELF_SERVE
    )

    html = manager.get(f"/actions/new?theme={theme.key}")

    assert f'value="{theme.id}" selected' in html
    assert f'value="{department.id}" selected' in html
    assert 'value="self_serve" checked' in html


def test_an_empty_form_names_what_is_missing_in_the_order_of_its_fields(manager, session):
    make_theme(session, ThemeStatus.TRIAGED)
    response = manager.post("/actions/new", {}, status=422)

    named = re.findall(r'<li><a href="#f-([a-z_]+)">', response.text)
    assert named[:3] == ["theme_id", "title", "department_id"]


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("title", " ", "Say in at most 160 characters"),
        ("due_on", "soon", "“soon” is not a day"),
        ("due_on", YESTERDAY.isoformat(), "has passed. Choose the last day in time: today"),
        ("due_on", "2199-01-01", "is more than 2 years ahead. Check the year"),
        ("expected_drop", "a lot", "as per cent, such as 20"),
        ("expected_drop", "nan", "as per cent, such as 20"),
        ("expected_drop", "0", "more than 0 %"),
        ("smallest_drop", "60", "larger than the drop expected"),
        ("strategy", "", "Choose how the demand is handled"),
        ("department_id", "", "Choose a department"),
        ("owner_id", "x", "Choose one of the list"),
        ("theme_id", "", "Choose a theme"),
    ],
)
def test_a_wrong_field_keeps_what_was_typed_and_says_what_to_do(
    manager, session, field, value, sentence
):
    response = manager.post("/actions/new", form_of(session, **{field: value}), status=422)

    assert sentence in text_of(response.text)
    assert "One text a card." in response.text
    assert session.query(Action).count() == 0


def test_changing_shows_the_plan_in_per_cent_and_saves_it(manager, session):
    action = make_owned(session, expected_drop=0.125, smallest_drop=0.07)
    html = manager.get(f"/actions/{action.key}/edit")
    assert 'value="12.5"' in html
    assert 'value="7"' in html

    form = form_of(session, title="Another", department_id=str(action.department_id))
    manager.post(f"/actions/{action.key}/edit", {**form, "owner_id": str(action.owner_id)})

    assert session.get(Action, action.id).title == "Another"


def test_a_form_that_could_not_be_saved_is_not_shown(manager, session):
    action = make_owned(session, status=ActionStatus.CANCELLED)

    html = manager.get(f"/actions/{action.key}/edit", status=409)

    assert "is cancelled; its plan can no longer change." in text_of(html)


def test_agreeing_needs_an_owner_and_says_so_on_the_page(manager, session):
    action = make_action(session, status=ActionStatus.PROPOSED)

    response = manager.post(f"/actions/{action.key}/agree", status=422)

    assert "somebody has to be answerable" in text_of(response.text)
    assert f'href="/actions/{action.key}/edit#f-owner_id"' in response.text
    assert 'id="f-owner_id"' in manager.get(f"/actions/{action.key}/edit")


def test_what_an_agreement_needs_is_asked_for_before_it_is_refused(manager, session):
    action = make_action(session, status=ActionStatus.PROPOSED, due_on=None)
    html = manager.get(f"/actions/{action.key}")
    assert f'href="/actions/{action.key}/edit#f-owner_id"' in html
    assert "Set the owner and the day" in html
    assert f'action="/actions/{action.key}/agree"' not in html

    action = make_owned(session, status=ActionStatus.PROPOSED, due_on=None)
    html = manager.get(f"/actions/{action.key}")
    assert f'href="/actions/{action.key}/edit#f-due_on"' in html

    action = make_owned(session, status=ActionStatus.PROPOSED)
    html = manager.get(f"/actions/{action.key}")
    assert f'action="/actions/{action.key}/agree"' in html
    assert "Set the" not in text_of(html)


def test_agent_time_that_nobody_measured_is_not_none(manager, session):
    action = make_action(session)
    make_stats(session, action.theme, handled=0, handle_seconds=0)

    text = text_of(manager.get(f"/actions/{action.key}"))

    assert "– not known: no contact has a handle time" in text
    assert "0 hours" not in text


def test_an_action_is_agreed_started_and_taken_back(manager, session):
    action = make_owned(session, status=ActionStatus.PROPOSED)

    for verb, status in (("agree", "agreed"), ("start", "in_progress"), ("agree", "agreed")):
        manager.post(f"/actions/{action.key}/{verb}")
        assert session.get(Action, action.id).status == status


def test_handing_back_asks_for_a_reason_and_shows_it(manager, session):
    action = make_owned(session)

    refused = manager.post(f"/actions/{action.key}/hand-back", {"reason": " "}, status=422)
    assert "reason" in text_of(refused.text)
    manager.post(f"/actions/{action.key}/hand-back", {"reason": "Belongs to Digital."})

    text = text_of(manager.get(f"/actions/{action.key}"))
    assert "Handed back to the working group" in text
    assert "Belongs to Digital." in text
    manager.post(f"/actions/{action.key}/reopen")
    assert session.get(Action, action.id).status is ActionStatus.PROPOSED


def test_cancelling_asks_for_a_reason(manager, session):
    action = make_owned(session)

    manager.post(f"/actions/{action.key}/cancel", {"reason": ""}, status=422)
    manager.post(f"/actions/{action.key}/cancel", {"reason": "Not worth it."})

    assert session.get(Action, action.id).status is ActionStatus.CANCELLED
    assert "Cancelled 1" in text_of(manager.get("/actions/"))


def test_what_cannot_be_done_is_not_put_down_to_somebody_faster_and_leads_to_the_action(
    manager, session
):
    action = make_action(session, status=ActionStatus.SHIPPED)

    page = manager.post(f"/actions/{action.key}/start", status=409).text

    assert "This cannot be done now" in text_of(page)
    assert "Somebody was faster" not in text_of(page)
    assert f'href="/actions/{action.key}">See {action.key}</a>' in page


def test_a_proposal_sent_twice_is_one_action(manager, session):
    form = form_of(session)

    first = manager.post("/actions/new", form)
    second = manager.post("/actions/new", form)

    assert second.headers["Location"] == first.headers["Location"]
    assert session.query(Action).count() == 1


def test_a_proposal_sent_again_with_another_answer_leads_to_the_first(manager, session):
    form = form_of(session)
    manager.post("/actions/new", form)
    first = session.query(Action).one()

    page = manager.post("/actions/new", {**form, "expected_drop": "55"}, status=422)

    assert f"You have just proposed this for {first.theme.key}: it is {first.key}." in text_of(
        page.text
    )
    assert 'value="55"' in page.text


def test_the_same_proposal_of_somebody_else_or_of_another_hour_is_a_second_one(
    sign_in_as, manager, session
):
    form = form_of(session)
    manager.post("/actions/new", form)
    sign_in_as(Role.CX_MANAGER).post("/actions/new", form)
    with as_if(utc_now() + timedelta(hours=1)):
        manager.post("/actions/new", form)

    assert session.query(Action).count() == 3


@pytest.mark.parametrize("status", list(ThemeStatus))
def test_an_action_is_offered_on_the_themes_that_take_one_and_on_no_other(manager, session, status):
    into = make_theme(session) if status is ThemeStatus.MERGED else None
    theme = make_theme(session, status, merged_into=into)

    html = manager.get(f"/themes/{theme.key}")

    offered = f'href="/actions/new?theme={theme.key}"' in html
    assert offered is (status in THEMES_TO_ACT_ON)


@pytest.mark.parametrize(("verb", "words"), [("hand-back", "handed back"), ("cancel", "cancelled")])
def test_a_second_reason_is_not_thrown_away_and_says_who_came_first(
    sign_in_as, manager, session, verb, words
):
    action, other = make_owned(session), sign_in_as(Role.CX_MANAGER)
    address = f"/actions/{action.key}/{verb}"
    other.post(address, {"reason": "Not our cards."})

    manager.post(address, {"reason": "Not our cards."})
    page = manager.post(address, {"reason": "No money this year."}, status=409)

    text = text_of(page.text)
    assert f"{other.user.name} {words} {action.key} already, because: Not our cards." in text
    assert "What you wrote was not saved: “No money this year.”" in text
    verbs = session.query(AuditEvent).filter_by(verb=f"actions.{words.replace(' ', '_')}")
    assert verbs.count() == 1


@pytest.fixture
def shippable(session):
    """An action in progress whose theme has contacts since two months."""
    action = make_owned(session, status=ActionStatus.IN_PROGRESS)
    make_rollup(session, action.theme, TODAY - timedelta(days=60), 20)
    return action


def test_shipping_names_the_looks_before_it_is_confirmed(manager, session, shippable):
    live = TODAY - timedelta(days=3)
    address = f"/actions/{shippable.key}/ship"

    assert "What shipping does" in text_of(manager.get(address))
    text = text_of(manager.get(f"{address}?went_live_on={live}&rollout_days=2"))

    counted = live + timedelta(days=2)
    look = counted + timedelta(days=13)
    assert f"Counted from {counted.day} " in text
    assert f"Looks, data to {look.day} " in text
    assert "Ship, live since" in text
    assert session.query(Intervention).count() == 0


def test_shipping_doubts_a_year_that_is_slipped_before_it_is_confirmed(manager, session, shippable):
    make_rollup(session, shippable.theme, TODAY - timedelta(days=400), 20)
    shippable.due_on = TODAY + timedelta(days=14)
    address = f"/actions/{shippable.key}/ship?went_live_on="
    slipped, right = TODAY - timedelta(days=398), TODAY - timedelta(days=3)

    text = text_of(manager.get(f"{address}{slipped}"))

    assert "are known for 2 days before the change, 60 are needed" in text
    assert "That is 412 days before it was due" in text
    assert "The days of 7 looks are over already, so the plan freezes after their data" in text
    assert f"Ship, live since {slipped.day} {slipped:%b} {slipped.year}" in text
    assert text_of(manager.get(f"{address}{right}")).count(" before it was due") == 0
    assert "are needed: the looks" not in text_of(manager.get(f"{address}{right}"))


def test_shipping_freezes_the_plan_and_leads_to_the_impact(manager, session, shippable):
    live = TODAY - timedelta(days=3)

    response = manager.post(
        f"/actions/{shippable.key}/ship",
        {"went_live_on": live.isoformat(), "rollout_days": "2"},
    )

    assert response.headers["Location"].endswith(f"/impact/{shippable.key}")
    intervention = session.query(Intervention).one()
    assert (intervention.went_live_on, intervention.rollout_days) == (live, 2)
    text = text_of(manager.get(f"/actions/{shippable.key}"))
    assert "frozen when it was shipped" in text
    assert "Hand it back" not in text
    manager.get(f"/impact/{shippable.key}")


@pytest.mark.parametrize(
    ("went_live_on", "rollout_days", "sentence"),
    [
        ("", "0", "Say on which day"),
        ("2026-13-01", "0", "is not a day"),
        (TOMORROW.isoformat(), "0", "has not come yet"),
        (TODAY.isoformat(), "99", "The roll-out takes 0 to 60 days."),
        (TODAY.isoformat(), "-1", "as a whole number"),
        ((TODAY - timedelta(days=60)).isoformat(), "0", "no day before it to compare with"),
    ],
)
def test_a_go_live_that_cannot_be_is_refused_in_both_steps(
    manager, session, shippable, went_live_on, rollout_days, sentence
):
    address = f"/actions/{shippable.key}/ship"
    asked = {"went_live_on": went_live_on, "rollout_days": rollout_days}

    shown = text_of(
        manager.get(f"{address}?went_live_on={went_live_on}&rollout_days={rollout_days}")
    )
    posted = manager.post(address, asked, status=422)

    assert sentence in shown
    assert "Ship, live since" not in shown
    assert sentence in text_of(posted.text)
    assert session.query(Intervention).count() == 0


def test_an_action_that_is_only_proposed_cannot_be_shipped(manager, session):
    action = make_action(session, status=ActionStatus.PROPOSED)

    text = text_of(manager.get(f"/actions/{action.key}/ship"))

    assert "cannot be shipped" in text
    assert f"Back to {action.key}" in text
    assert "Show what will be measured" not in text


def test_the_page_says_why_with_figures_and_hides_small_groups(manager, session):
    action = make_owned(session)
    stats = make_stats(session, action.theme)

    assert "352" in text_of(manager.get(f"/actions/{action.key}"))
    stats.customers = 4
    assert "describe too few customers" in text_of(manager.get(f"/actions/{action.key}"))


def test_stakeholders_work_on_their_own_departments_actions_only(sign_in_as, session):
    page = sign_in_as(Role.STAKEHOLDER)
    mine = make_action(session, department_id=page.user.department_id)
    other = make_owned(session)

    assert "Hand it back" in text_of(page.get(f"/actions/{mine.key}"))
    text = text_of(page.get(f"/actions/{other.key}"))
    assert "Hand it back" not in text
    assert "its owner and the CX managers work on it" in text
    page.get(f"/actions/{other.key}/edit", status=403)
    page.get(f"/actions/{other.key}/ship", status=403)
    page.post(f"/actions/{other.key}/start", status=403)
    refused = page.post(f"/actions/{other.key}/edit", {"title": ""}, status=403)
    assert f"See {other.key}" in text_of(refused.text), "back to what it is about"
    page.post(f"/actions/{other.key}/cost", {"cost_low": "much"}, status=403)
    page.get("/actions/new", status=403)


def test_executives_see_and_change_nothing(sign_in_as, session):
    action = make_owned(session)
    page = sign_in_as(Role.EXECUTIVE)

    assert "Propose an action" not in text_of(page.get("/actions/"))
    assert "Hand it back" not in text_of(page.get(f"/actions/{action.key}"))
    page.post(f"/actions/{action.key}/start", status=403)


def test_what_people_wrote_is_escaped(manager, session):
    action = make_owned(session, title="<b>bold</b>", description="<script>x</script>")

    for url in ("/actions/", LIST, f"/actions/{action.key}"):
        assert "<b>bold" not in manager.get(url)
    assert "<script>x" not in manager.get(f"/actions/{action.key}")


def test_an_unknown_action_is_not_found(manager):
    manager.get("/actions/A-999", status=404)


@pytest.mark.parametrize("url", ["/actions/", LIST])
def test_statements_do_not_grow_with_actions(manager, session, url):
    def add(number):
        for _ in range(number):
            make_owned(session)
            make_measurement(session, make_intervention(session))

    add(3)
    before = statements_of(manager, url)
    add(3)

    assert statements_of(manager, url) == before


def test_dates_are_written_with_the_year_where_it_matters(manager, session):
    make_owned(session, due_on=date(2020, 1, 5))

    assert "was due 5 Jan 2020" in text_of(manager.get("/actions/"))


def test_the_board_claims_no_avoided_contacts_where_they_only_moved(manager, session):
    action = make_action(session, status=ActionStatus.CANNOT_TELL)
    make_measurement(
        session, make_intervention(session, action), verdict=Verdict.FELL, is_look=True
    )
    board = text_of(manager.get("/actions/"))
    assert "fewer on this theme (95" in board
    assert "avoided (95" not in board
