"""Every route is walked: signed out, in every wrong role, in every right one, without a token."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from flask import Flask

from closedloop.adapters.mapping import Mapping
from closedloop.api.auth import PUBLIC as API_PUBLIC
from closedloop.api.errors import STATUS as API_STATUS
from closedloop.domain.accounts import PERMISSIONS, Role
from closedloop.domain.audit import COMMAND_LINE
from closedloop.domain.errors import Refusal
from closedloop.domain.jobs import JobKind
from closedloop.domain.themes import ThemeStatus
from closedloop.factory import create_app
from closedloop.models import Job, LinkRun, SignIn
from closedloop.services.mappings import save_mapping
from closedloop.services.tokens import add_token
from closedloop.web.errors import STATUS as WEB_STATUS
from closedloop.web.permissions import PUBLIC, permission_of, refuse_unmarked_routes
from tests.factories.accounts import make_department, make_user
from tests.factories.contacts import make_batch, make_contact
from tests.factories.impact import make_comeback, make_measurement
from tests.factories.leftovers import make_emerging
from tests.factories.themes import make_action, make_intervention, make_stats, make_theme
from tests.pages import text_of

ALL_ROLES = tuple(Role)


def routes(app: Flask, method: str) -> Iterator[tuple[str, object]]:
    """Give (endpoint, rule) of every page that takes a method."""
    for rule in app.url_map.iter_rules():
        if method in rule.methods and not rule.rule.startswith(("/api/", "/static/")):
            yield rule.endpoint, rule


@pytest.fixture
def world(session):
    """One of everything that an address can name."""
    theme = make_theme(session, ThemeStatus.MEASURING)
    make_stats(session, theme)
    action = make_action(session, theme)
    intervention = make_intervention(session, action)
    measurement = make_measurement(session, intervention)
    job = Job(kind=JobKind.NIGHTLY_ROUND, queued_by="Test")
    session.add(job)
    session.flush()
    contact = make_contact(session, started_at=datetime(2026, 3, 2, 10, tzinfo=UTC))
    user = make_user(session, Role.EXECUTIVE)
    run = LinkRun(file_name="rules.toml", rules={}, report={}, started_by="Test")
    session.add(run)
    session.flush()
    saved = save_mapping(
        session,
        name="Desk",
        format="csv",
        header=["a", "b"],
        mapping=Mapping({"contact_id": "a", "started_at": "b"}),
        by=COMMAND_LINE,
    )
    return {
        "name": saved.name,
        "import_id": make_batch(session).id,
        "key": {"themes": theme.key, "triage": theme.key, "default": action.key},
        "job_id": job.id,
        "kind": "jobs.housekeeping",
        "contact_id": contact.id,
        "batch_id": make_batch(session).id,
        "measurement_id": measurement.id,
        "comeback_id": make_comeback(session, intervention).id,
        "run_id": run.id,
        "decision_id": 1,
        "change_id": 1,
        "emerging_id": make_emerging(session).id,
        "user_id": user.id,
        "token_id": 1,
        "department_id": make_department(session).id,
        "session_id": "0" * 64,
        "token": "0" * 32,
        "one": 1,
        "other": 2,
    }


def fill(rule, world) -> str:
    """Write the address of a rule with what the world holds; a new parameter must be added."""
    feature = rule.endpoint.split(".")[0]
    url = rule.rule
    for name in rule.arguments:
        value = world[name]
        if isinstance(value, dict):
            value = value.get(feature, value["default"])
        url = re.sub(rf"<(?:[^<>:]+:)?{name}>", str(value), url)
    assert "<" not in url, url
    return url


def is_sign_in(answer) -> bool:
    return answer.status_code == 303 and answer.headers["Location"].startswith("/sign-in")


def token_of(page) -> str:
    page.session.commit()
    return page._token()


def may_open(role: Role, permission: str) -> set[bool]:
    """Say whether a role gets through; a stakeholder only with actions of the own department."""
    if role is Role.STAKEHOLDER and permission == "actions.work":
        return {True, False}
    return {role in PERMISSIONS[permission]}


def test_every_page_sends_a_stranger_to_sign_in(page, world):
    wrong = []
    for endpoint, rule in routes(page.app, "GET"):
        if permission_of(page.app, endpoint) != PUBLIC:
            answer = page.raw(fill(rule, world))
            if not is_sign_in(answer):
                wrong.append((rule.rule, answer.status_code))
    assert not wrong


def test_every_form_sends_a_stranger_to_sign_in(page, world, session):
    make_user(session)
    token = token_of(page)
    wrong = []
    for endpoint, rule in routes(page.app, "POST"):
        if permission_of(page.app, endpoint) != PUBLIC:
            answer = page.raw(fill(rule, world), "POST", data={"csrf_token": token})
            if not is_sign_in(answer):
                wrong.append((rule.rule, answer.status_code))
    assert not wrong


def test_what_is_open_to_strangers_is_only_the_way_in(app):
    is_open = {
        endpoint
        for method in ("GET", "POST")
        for endpoint, _ in routes(app, method)
        if permission_of(app, endpoint) == PUBLIC
    }
    assert is_open == {
        "accounts.sign_in",
        "accounts.sign_in_submit",
        "accounts.first_run",
        "accounts.first_run_submit",
    }


@pytest.mark.parametrize("role", ALL_ROLES, ids=str)
def test_pages_refuse_the_wrong_roles_and_open_to_the_right_ones(sign_in_as, world, role):
    page = sign_in_as(role)
    wrong = []
    for endpoint, rule in routes(page.app, "GET"):
        permission = permission_of(page.app, endpoint)
        if permission == PUBLIC:
            continue
        answer = page.raw(fill(rule, world))
        opened = answer.status_code != 403
        if (
            opened not in may_open(role, permission)
            or is_sign_in(answer)
            or answer.status_code > 499
        ):
            wrong.append((rule.rule, role.value, answer.status_code))
    assert not wrong


@pytest.mark.parametrize("role", ALL_ROLES, ids=str)
def test_forms_refuse_the_wrong_roles_and_open_to_the_right_ones(sign_in_as, world, session, role):
    page = sign_in_as(role)
    make_user(session, Role.ADMIN)
    world["measurement_id"] = 404  # what the factory makes holds nothing to reproduce
    user, wrong = page.user, []
    for endpoint, rule in routes(page.app, "POST"):
        permission = permission_of(page.app, endpoint)
        if permission == PUBLIC:
            continue
        page.sign_in(user)  # the form before may have been the one that signs out
        data = {"csrf_token": token_of(page)}
        answer = page.raw(fill(rule, world), "POST", data=data)
        opened = answer.status_code != 403
        is_out = is_sign_in(answer) and endpoint != "accounts.sign_out"
        if opened not in may_open(role, permission) or is_out or answer.status_code > 499:
            wrong.append((rule.rule, role.value, answer.status_code))
    assert not wrong


def test_every_form_refuses_to_be_sent_without_its_token(sign_in_as, world):
    page = sign_in_as(Role.ADMIN)
    wrong = []
    for _, rule in routes(page.app, "POST"):
        for data in ({}, {"csrf_token": "forged"}):
            answer = page.raw(fill(rule, world), "POST", data=data)
            if answer.status_code != 400:
                wrong.append((rule.rule, data, answer.status_code))
    assert not wrong


def test_no_page_changes_anything_on_a_get(sign_in_as, world, session):
    """Pages answer to GET or to POST: one address may take both, one function may not."""
    page = sign_in_as(Role.ADMIN)
    both = [
        rule.rule
        for endpoint, rule in routes(page.app, "GET")
        if "POST" in rule.methods and endpoint != "static"
    ]
    assert both == []


def test_a_page_without_a_permission_does_not_start(settings):
    app = create_app(settings)
    app.add_url_rule("/backdoor", "backdoor", lambda: "hello")

    with pytest.raises(RuntimeError, match="backdoor"):
        refuse_unmarked_routes(app)


def test_headers_guard_every_answer(manager):
    for url in ("/", "/sign-in", "/nowhere", "/static/css/base.css", "/api/v1/themes"):
        with manager.raw(url) as answer:
            headers = answer.headers
        policy = headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'"), url
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "same-origin"
    assert manager.raw("/").headers["Cache-Control"] == "no-store"
    missing = manager.raw("/static/no-such-file.css")
    assert missing.headers["Cache-Control"] == "no-store"


def test_strict_transport_is_asked_for_behind_https_only(manager):
    assert "Strict-Transport-Security" not in manager.raw("/").headers
    secure = manager.raw("/", base_url="https://localhost").headers
    assert secure["Strict-Transport-Security"] == "max-age=31536000"


def test_a_stranger_sees_nothing_of_the_frame(page, session, world):
    for _ in range(37):
        make_theme(session)
    for url, status in (("/sign-in", 200), ("/nowhere", 404)):
        html = page.get(url, status)
        assert "37" not in text_of(html)  # a token in the form may hold any two digits
        assert "Data to" not in html
        assert "cl-rail" not in html


def test_a_page_that_is_not_there_offers_the_search_it_speaks_of(page, sign_in_as):
    assert 'action="/themes/"' not in page.get("/nowhere", 404)
    assert 'action="/themes/"' in sign_in_as(Role.EXECUTIVE).get("/nowhere", 404)


def test_a_refusal_names_the_administrator_once(sign_in_as):
    assert sign_in_as(Role.EXECUTIVE).get("/contacts/import", 403).count("dministrator") == 1


def test_a_role_that_changes_counts_from_the_next_page_on(sign_in_as, session):
    page = sign_in_as(Role.ADMIN)
    page.get("/admin/")
    page.user.role = Role.EXECUTIVE

    page.get("/admin/", 403)


def test_a_session_that_was_ended_counts_no_more(sign_in_as, session):
    page = sign_in_as(Role.ADMIN)
    page.get("/admin/")
    session.execute(sa.delete(SignIn))

    assert is_sign_in(page.raw("/admin/"))


def subclasses(kind: type) -> set[type]:
    found = set(kind.__subclasses__())
    return found | {deeper for one in found for deeper in subclasses(one)}


def test_both_doors_know_a_status_for_every_refusal():
    known = {kind for kind in subclasses(Refusal) if kind.__module__.startswith("closedloop.")}
    assert len(known) >= 10
    of_the_api = {kind for kind in known if kind.__module__.startswith("closedloop.api")}

    assert known - set(API_STATUS) == set()
    assert known - of_the_api - set(WEB_STATUS) == set()
    assert all(WEB_STATUS[kind] == API_STATUS[kind] for kind in WEB_STATUS)


# ---------- the API ----------


def api_rules(app: Flask):
    for rule in app.url_map.iter_rules():
        if rule.rule.startswith("/api/"):
            for method in sorted(rule.methods - {"HEAD", "OPTIONS"}):
                yield rule, method, app.view_functions[rule.endpoint]


def api_fill(rule, world) -> str:
    url = rule.rule
    for name in rule.arguments:
        value = world[name]
        if isinstance(value, dict):
            value = value["themes" if "/themes/" in url else "default"]
        url = re.sub(rf"<(?:[^<>]+:)?{name}>", str(value), url)
    assert "<" not in url, url
    return url


def bearer(session, role: Role, *, may_write: bool) -> dict[str, str]:
    user = make_user(session, role)
    token = add_token(
        session, user_id=user.id, name="T", may_write=may_write, days="3", by=COMMAND_LINE
    )
    session.commit()
    return {"Authorization": f"Bearer {token}"}


def test_the_api_answers_a_stranger_with_a_problem_and_a_challenge(manager, world):
    """Being signed in as a person opens no door of the API: cookies do not count there."""
    wrong = []
    for rule, method, view in api_rules(manager.app):
        if view.permission == API_PUBLIC:
            continue
        answer = manager.raw(api_fill(rule, world), method)
        if (
            answer.status_code != 401
            or answer.mimetype != "application/problem+json"
            or not answer.headers["WWW-Authenticate"].startswith("Bearer")
        ):
            wrong.append((rule.rule, answer.status_code))
    assert not wrong


@pytest.mark.parametrize("role", ALL_ROLES, ids=str)
def test_the_api_refuses_the_wrong_roles_and_opens_to_the_right_ones(page, world, session, role):
    headers = bearer(session, role, may_write=True)
    wrong = []
    for rule, method, view in api_rules(page.app):
        if view.permission == API_PUBLIC:
            continue
        answer = page.raw(api_fill(rule, world), method, headers=headers)
        refused = answer.status_code in {401, 403}
        if refused is (role in PERMISSIONS[view.permission]) or answer.status_code >= 500:
            wrong.append((rule.rule, role.value, answer.status_code))
    assert not wrong


def test_a_token_that_only_reads_writes_nothing(page, world, session):
    headers = bearer(session, Role.ADMIN, may_write=False)
    writing = [(rule, method) for rule, method, view in api_rules(page.app) if method != "GET"]
    assert {method for _, method in writing} == {"DELETE", "PATCH", "POST", "PUT"}
    for rule, method in writing:
        answer = page.raw(api_fill(rule, world), method, headers=headers)
        assert answer.status_code == 403
        assert "may not write" in answer.json["detail"]


def test_a_form_token_is_not_wanted_by_the_api_but_by_everything_else(app):
    from closedloop.extensions import csrf

    assert {blueprint.name for blueprint in csrf._exempt_blueprints} == {"api"}
    assert not csrf._exempt_views
