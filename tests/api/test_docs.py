"""The examples of docs/api do what they say, one after the other, and no address is left out."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from closedloop.domain.clock import as_if
from closedloop.domain.runs import PartKind
from closedloop.domain.themes import ThemeStatus
from closedloop.models import AuditEvent
from tests.factories.accounts import make_department
from tests.factories.contacts import make_batch, make_contact, make_customer
from tests.factories.leftovers import make_emerging
from tests.factories.rollups import make_evidence
from tests.factories.runs import make_part, make_run
from tests.factories.series import make_definitions
from tests.factories.themes import make_stats, make_theme

DOCS = Path(__file__).parents[2] / "docs/api"
NOW = datetime(2026, 5, 12, 9, tzinfo=UTC)
ANYTHING = "…"
EXAMPLE = re.compile(r"```http\n(?P<asked>.+?)```\s+```json\n(?P<told>.+?)```", re.DOTALL)


def examples() -> list[tuple[str, str, Any, Any]]:
    """Return method, path, body and answer of each example, in the order of the page."""
    found = []
    for match in EXAMPLE.finditer((DOCS / "themes.md").read_text()):
        first, _, body = match["asked"].partition("\n")
        method, path = first.split()
        sent = json.loads(body) if body.strip() else None
        found.append((method, path, sent, json.loads(match["told"])))
    return found


@pytest.fixture
def site(session):
    """What the examples speak of: two themes, a candidate, contacts, a run, a spot."""
    at = NOW - timedelta(days=3)
    themes = [
        make_theme(session, ThemeStatus.TRIAGED, key=key, name=name)
        for key, name in (("T-001", "Card does not arrive"), ("T-002", "Change of address"))
    ]
    make_definitions(session, themes)
    batch = make_batch(session)
    texts = [(themes[0], f"My card has not come, order {n}.") for n in range(1, 13)]
    texts += [(None, f"I moved to street {n}.") for n in range(13, 19)]
    contacts = [
        make_contact(
            session,
            theme=theme,
            customer=make_customer(session),
            text=text,
            batch=batch,
            cluster=0 if theme else -1,
            started_at=at + timedelta(minutes=n),
        )
        for n, (theme, text) in enumerate(texts)
    ]
    assert [contact.id for contact in contacts] == list(range(1, 19))
    waits = {"waiting_since": NOW - timedelta(days=2)}
    candidate = make_theme(session, key="T-003", name="Letter sent back", **waits)
    make_department(session, "Post room")
    for n in range(6):
        make_contact(
            session,
            theme=candidate,
            customer=make_customer(session),
            text=f"My letter {n} came back.",
            batch=batch,
            cluster=2,
            started_at=at + timedelta(hours=1, minutes=n),
        )
    for theme in (*themes, candidate):
        make_stats(session, theme)
    make_evidence(session, themes[0], contacts[2])
    told = {"into": themes[0].id, "join": 0, "leave": 0}
    values = {"kind": PartKind.MERGED, "contacts": 3, "would_move": 1, "score": 0.9}
    make_part(session, make_run(session), themes[1], detail=told, **values)
    make_emerging(session, contacts[12:])
    session.commit()


def fits(told: Any, answered: Any) -> bool:
    """Say whether an answer is what the page tells, where “…” stands for anything.

    As the name of a field it stands for the fields that are not shown.
    """
    if told == ANYTHING:
        return True
    if isinstance(told, dict):
        shown = told.keys() - {ANYTHING}
        return (
            isinstance(answered, dict)
            and (shown < answered.keys() if ANYTHING in told else shown == answered.keys())
            and all(fits(told[name], answered[name]) for name in shown)
        )
    if isinstance(told, list):
        return (
            isinstance(answered, list)
            and len(told) == len(answered)
            and all(fits(*pair) for pair in zip(told, answered, strict=True))
        )
    return bool(told == answered)


def test_the_examples_do_what_the_page_says(api, site):
    assert len(examples()) >= 10
    for method, path, body, told in examples():
        with as_if(NOW):
            answer = api.page.raw(path, method, headers=api.headers, json=body)
        expected = told["status"] if "detail" in told and "title" in told else None
        assert answer.status_code == (expected or answer.status_code), (path, answer.text)
        assert expected or answer.status_code in {200, 201, 202}, (path, answer.text)
        assert fits(told, answer.json), (method, path, answer.text)


def test_every_change_leaves_an_event_with_a_name_and_looking_leaves_none(api, session, site):
    def events() -> int:
        session.rollback()
        count = sa.select(sa.func.count()).where(AuditEvent.user_id == api.user.id)
        return session.scalar(count.select_from(AuditEvent))

    changes = 0
    for method, path, body, _ in examples():
        before = events()
        with as_if(NOW):
            answer = api.page.raw(path, method, headers=api.headers, json=body)
        is_change = method != "GET" and "/preview" not in path and answer.status_code < 400
        assert (events() > before) is is_change, (method, path)
        changes += is_change
    assert changes >= 9


ROW = re.compile(r"^\| `(GET|POST|PUT|PATCH|DELETE) (/\S+)` \| (.+) \|$", re.MULTILINE)
PAGES = sorted(DOCS.glob("*.md"))
SAID_OF_VALUES = {"none", "true", "false"}


def rows() -> list[tuple[str, str]]:
    """Return address and description of each row of the tables of all pages."""
    return [(f"{m[1]} {m[2]}", m[3]) for page in PAGES for m in ROW.finditer(page.read_text())]


def test_every_address_of_the_api_stands_once_on_the_pages_and_none_that_is_not_there(app):
    there = sorted(
        f"{method} " + re.sub(r"<(?:[^<>]+:)?(\w+)>", r"{\1}", rule.rule).removeprefix("/api/v1")
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/api/v1/")
        for method in rule.methods - {"HEAD", "OPTIONS"}
    )

    assert len(there) > 100
    assert sorted(address for address, _ in rows()) == there


def names_taken(document: Any, address: str) -> set[str]:
    """Return what an address takes in its query and its body, by the description of the API."""
    method, path = address.split()
    operation = document["paths"][f"/api/v1{path}"][method.lower()]
    taken = {one["name"] for one in operation.get("parameters", ())}
    for content in operation.get("requestBody", {}).get("content", {}).values():
        schema = content["schema"]
        name = schema.get("$ref", "").rpartition("/")[2]
        taken |= (document["components"]["schemas"][name] if name else schema)["properties"].keys()
    return taken


def test_every_parameter_that_the_pages_name_is_taken_there(page):
    document = page.raw("/api/v1/openapi.json").json
    named = 0
    for address, told in rows():
        said = set(re.findall(r"`([a-z_]+)(?:=\w+)?`", told)) - SAID_OF_VALUES
        assert said <= names_taken(document, address), (address, told)
        named += len(said)
    assert named > 50
