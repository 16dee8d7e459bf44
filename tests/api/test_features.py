"""What the API gives agrees with the tables, page by page."""

from __future__ import annotations

import io
import json
from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa

from closedloop.domain.accounts import Role
from closedloop.domain.actions import ActionStatus
from closedloop.domain.clock import as_if
from closedloop.domain.impact import Verdict
from closedloop.domain.jobs import JobKind, JobState
from closedloop.domain.themes import ThemeStatus
from closedloop.models import AuditEvent, ImportBatch, Job
from tests.api.caller import Caller
from tests.factories.contacts import make_contact, make_customer, make_history, make_link
from tests.factories.impact import make_comeback, make_measurement
from tests.factories.rollups import make_rollup
from tests.factories.themes import (
    make_action,
    make_driver,
    make_intervention,
    make_stats,
    make_theme,
)

NOW = datetime(2026, 5, 12, 9, tzinfo=UTC)
CUT = date(2026, 5, 11)


@pytest.fixture(autouse=True)
def on_the_day():
    with as_if(NOW):
        yield


# ---------- contacts ----------


def test_contacts_come_newest_first_and_each_once(api, session):
    at = datetime(2026, 5, 1, 10, tzinfo=UTC)
    ids = [  # three of them at the same second, so that only the id can part the pages
        make_contact(session, started_at=at + timedelta(hours=hours)).id
        for hours in (0, 5, 5, 5, 9)
    ]

    found = [contact["id"] for contact in api.pages("/contacts?limit=2")]

    assert found == list(reversed(ids))


def test_contacts_hold_no_text_unless_it_is_asked_for(api, session):
    contact = make_contact(
        session, text="My card has not arrived.", customer=make_customer(session)
    )

    for path in ("/contacts", f"/contacts/{contact.id}"):
        assert "card has not" not in json.dumps(api.get(path))
        assert "card has not" in json.dumps(api.get(f"{path}?text=1"))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("from=2026-05-02", {"b", "c"}),
        ("to=2026-05-02", {"a", "b"}),
        ("channel=chat", {"b"}),
        ("team=-", {"a", "c"}),
        ("channel=&team=", {"a", "b", "c"}),
        ("theme=none", {"a", "c"}),
        ("theme=T-555", {"b"}),
        ("q=c", {"c"}),
        ("team=Blue", {"b"}),
        ("has=csat-answered", {"a"}),
        ("contact_driver=D-555", {"b"}),
        ("identified=false&has=handled", {"a", "b", "c"}),
        ("chain=followed-any-7d", set()),
        ("among=judged", set()),
    ],
)
def test_contacts_are_filtered_by_what_the_address_says(api, session, query, expected):
    driver = make_driver(session, key="D-555")
    theme = make_theme(session, key="T-555", driver_id=driver.id)
    for n, name in enumerate("abc", 1):
        make_contact(
            session,
            started_at=datetime(2026, 5, n, 10, tzinfo=UTC),
            source_contact_id=name,
            channel="chat" if name == "b" else "phone",
            team="Blue" if name == "b" else "",
            csat=3 if name == "a" else None,
            theme=theme if name == "b" else None,
            text="Hello.",
        )

    found = {contact["source_contact_id"] for contact in api.get(f"/contacts?{query}")["items"]}

    assert found == expected


@pytest.mark.parametrize("query", ["has=magic", "among=magic", "chain=often", "among=volume"])
def test_a_filter_that_stands_for_nothing_is_refused(api, query):
    api.problem(f"/contacts?{query}", 422)


def test_a_contact_comes_with_what_the_customer_did_around_it(api, session):
    first, second, third = make_history(session, [24, 24 * 30])
    for contact, chain, position in ((first, first, 1), (second, first, 2), (third, third, 1)):
        make_link(session, contact, chain_id=chain.id, chain_position=position)

    found = api.get(f"/contacts/{second.id}")

    assert found["episode_position"] == 2
    assert [(c["id"], c["is_same_episode"]) for c in found["around"]] == [
        (first.id, True),
        (third.id, False),
    ]
    assert len(found["customer"]) == 64


# ---------- repeat rates ----------


def add_days(session, theme, first: date, contacts: int, **values) -> None:
    for n in range((CUT - first).days + 1):
        make_rollup(session, theme, first + timedelta(n), contacts, **values)
    for day in (first, CUT):
        make_contact(session, started_at=datetime(day.year, day.month, day.day, 9, tzinfo=UTC))


def test_repeats_count_mature_days_only(api, session):
    add_days(session, make_theme(session), date(2026, 5, 1), 100, any_7d=20, same_7d=12)

    found = api.get("/metrics/repeats?window=7d&from=2026-05-01&to=2026-05-11")

    assert (found["last_day"], found["data_to"]) == ("2026-05-04", "2026-05-11")
    assert found["total"]["identified"] == 400
    assert found["total"]["any"]["rate"] == pytest.approx(0.2)
    assert found["total"]["same"]["rate"] == pytest.approx(0.12)
    assert "upper bound" in found["rule_any"]


def test_repeats_are_broken_down_and_small_groups_hidden(api, session):
    theme = make_theme(session)
    add_days(session, theme, date(2026, 4, 1), 100, any_7d=20)
    make_rollup(session, theme, date(2026, 4, 2), 4, channel="fax", any_7d=2)

    found = api.get("/metrics/repeats?from=2026-04-01&to=2026-04-03&by=channel")
    groups = {group["value"]: group for group in found["groups"]}

    assert groups["phone"]["contacts"] is None  # or fax would be the total less the phone
    assert groups["phone"]["any"]["repeats"] is None
    assert found["total"]["any"]["repeats"] == 62
    assert found["total"]["unidentified_share"] == 0.0
    assert groups["fax"]["is_hidden"]
    assert groups["fax"]["contacts"] is None
    assert groups["fax"]["any"]["repeats"] is None


@pytest.mark.parametrize(
    ("query", "contacts"),
    [
        ("team=Blue", 90),
        ("language=lt", 90),
        ("language=-", 300),
        ("team=Blue&language=-", 0),
        ("channel=&queue=&disposition=&team=&language=", 390),
    ],
)
def test_repeats_are_filtered_as_on_their_page(api, session, query, contacts):
    theme = make_theme(session)
    add_days(session, theme, date(2026, 5, 1), 100)
    for day in (1, 2, 3):
        make_rollup(session, theme, date(2026, 5, day), 30, team="Blue", language="lt")

    found = api.get(f"/metrics/repeats?from=2026-05-01&to=2026-05-03&{query}")

    assert found["total"]["contacts"] == contacts


def test_repeats_of_an_empty_site_are_unknown_not_zero(api):
    found = api.get("/metrics/repeats")

    assert found["total"] is None
    assert found["data_to"] is None


def test_repeats_from_after_to_are_refused(api, session):
    add_days(session, make_theme(session), date(2026, 5, 1), 100)

    problem = api.problem("/metrics/repeats?from=2026-05-09&to=2026-05-02", 422)
    assert "from" in problem["errors"]


# ---------- themes, actions ----------


def test_figures_of_a_theme_that_are_of_a_few_contacts_are_null(api, session):
    theme = make_theme(session, ThemeStatus.ACTING)
    make_stats(session, theme, repeats_same=2, handled=1, handle_seconds=423)

    figures = api.get(f"/themes/{theme.key}")["figures"]

    assert (figures["repeat_rate_same"], figures["handle_seconds"]) == (None, None)
    assert figures["repeat_rate_any"] is not None


def test_themes_come_by_contacts_and_hide_small_ones(api, session):
    for name, contacts, customers in (("Big", 900, 300), ("Small", 4, 4), ("Middle", 90, 60)):
        theme = make_theme(session, ThemeStatus.TRIAGED, name=name)
        make_stats(session, theme, contacts=contacts, customers=customers)
    make_theme(session, ThemeStatus.CANDIDATE)

    found = api.pages("/themes?limit=1")

    assert [theme["name"] for theme in found] == ["Big", "Middle", "Small"]
    assert found[0]["figures"]["contacts"] == 900
    assert found[2]["figures"] is None


def test_a_theme_says_what_was_agreed(api, session):
    theme = make_theme(session, ThemeStatus.ACTING, cause="The post is slow.")
    make_stats(session, theme, customers=4)
    action = make_action(session, theme)

    found = api.get(f"/themes/{theme.key}")

    assert found["scenario"] == "Customers call because the card does not come."
    assert found["cause"] == "The post is slow."
    assert found["actions"] == [{"key": action.key, "title": action.title}]
    assert found["keywords"] == [], "words of fewer than five customers stay hidden"


def test_actions_come_by_due_day_and_each_once(api, session):
    for n in (5, 3, 3, 9):
        make_action(session, due_on=date(2026, 5, n), title=str(n))
    make_action(session, status=ActionStatus.SHIPPED, title="shipped")

    found = api.pages("/actions?limit=2")

    assert [action["title"] for action in found] == ["3", "3", "5", "9", "shipped"]
    assert len({action["key"] for action in found}) == 5
    assert {action["title"] for action in api.get("/actions?overdue=1")["items"]} == {
        "3",
        "5",
        "9",
    }
    assert [a["title"] for a in api.get("/actions?status=shipped")["items"]] == ["shipped"]


# ---------- impact ----------


def test_impact_speaks_a_verdict_only_at_a_look(api, session):
    action = make_action(session, status=ActionStatus.SHIPPED)
    intervention = make_intervention(session, action, went_live_on=date(2026, 3, 3))
    make_measurement(session, intervention)  # the first look
    make_measurement(session, intervention, as_of=date(2026, 3, 20), avoided=(1.0, 2.0, 3.0))
    make_comeback(session, intervention, since_on=date(2026, 4, 28))

    found = api.get(f"/impact/{action.key}")

    assert found["verdict"] == Verdict.FELL
    assert found["newest_look"]["avoided"] == {"low": 310, "middle": 420, "high": 540}
    assert found["newest_look"]["is_verdict"] is True
    assert found["running"]["is_verdict"] is False
    assert found["running"]["avoided"]["high"] == 3
    assert found["came_back_since"] == "2026-04-28"
    assert found["next_look"] == "2026-03-30"
    assert found["newest_look"]["sentence"].startswith("At least 310 and most likely 420")


def test_impact_before_the_first_look_has_no_number(api, session):
    action = make_action(session, status=ActionStatus.SHIPPED)
    make_intervention(session, action)

    found = api.get("/impact")["items"][0]

    assert (found["verdict"], found["newest_look"], found["running"]) == ("too_early", None, None)


def test_impact_pages_through_every_action_once(api, session):
    for day in (3, 3, 9, 1):
        action = make_action(session, status=ActionStatus.SHIPPED, title=str(day))
        make_intervention(session, action, went_live_on=date(2026, 3, day))

    found = api.pages("/impact?limit=1")

    assert [action["title"] for action in found] == ["9", "3", "3", "1"]
    assert len({action["key"] for action in found}) == 4


# ---------- imports, jobs ----------

MAPPING = {"source": "dialler", "columns": {"contact_id": "id", "started_at": "at"}}
FILE = b"id,at\n1,2026-03-01T10:00:00Z\n2,2026-03-02T10:00:00Z\n"


def form(content: bytes = FILE, mapping: object = MAPPING) -> dict:
    text = mapping if isinstance(mapping, str) else json.dumps(mapping)
    return {"data": {"mapping": text, "file": (io.BytesIO(content), "../march.csv")}}


def test_an_import_is_queued_and_its_job_can_be_asked_for(api, session, settings):
    answer = api.post("/imports", 202, **form())

    job = session.scalars(sa.select(Job)).one()
    assert answer.headers["Location"] == f"/api/v1/jobs/{job.id}"
    assert (job.kind, job.state) == (JobKind.IMPORT_CONTACTS, JobState.QUEUED)
    assert job.arguments["source"] == "dialler"
    assert job.arguments["file_name"] == "march.csv"
    assert job.arguments["path"].startswith(str(settings.uploads))
    assert session.get(ImportBatch, job.arguments["batch_id"]).source == "dialler"
    assert api.get(f"/jobs/{job.id}")["state"] == "queued"
    event = session.scalars(sa.select(AuditEvent).where(AuditEvent.verb == "jobs.queued")).one()
    assert event.actor_name == api.user.name


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (form(b""), "The file is empty."),
        (form(mapping="{"), "no valid JSON"),
        (form(mapping="[]"), "one JSON object"),
        (form(mapping={"source": "x"}), "“columns”"),
        (form(mapping={"source": "x", "columns": {}, "colour": 1}), "“colour”"),
        (form(mapping={"source": "x", "columns": {"contact_id": "nr"}}), "started_at"),
        (form(mapping={**MAPPING, "source": ""}), "Name the system"),
        ({"data": {"mapping": json.dumps(MAPPING)}}, "file"),
        ({"data": {"file": (io.BytesIO(FILE), "a.csv")}}, "mapping"),
    ],
    ids=["empty", "json", "list", "no-columns", "unknown", "missing", "source", "file", "mapping"],
)
def test_an_import_that_cannot_be_read_leaves_nothing_behind(api, session, settings, sent, words):
    answer = api.post("/imports", 422, **sent)

    assert words in answer.json["detail"]
    assert not session.scalars(sa.select(Job)).all()
    assert not list(settings.uploads.iterdir())


def test_a_file_that_is_too_large_is_refused(api, session):
    api.page.app.config["MAX_CONTENT_LENGTH"] = 1000

    answer = api.post("/imports", 413, **form(b"x" * 2000))

    assert answer.mimetype == "application/problem+json"


def test_an_executive_sees_impact_but_no_contacts_nor_jobs(page, session):
    api = Caller(page, session, Role.EXECUTIVE)

    assert api.get("/impact") == {"items": [], "next": None}
    for path in ("/contacts", "/jobs/1"):
        api.problem(path, 403)
