"""Pages about oneself: signing in and out, first run, sessions, tokens."""

from __future__ import annotations

import re

import pytest
import sqlalchemy as sa

from closedloop.domain.accounts import SIGN_IN_TRIES, Role
from closedloop.models import ApiToken, SignIn, User
from closedloop.services.accounts import open_session
from closedloop.web.accounts import own_path
from closedloop.web.browsers import browser_words
from tests.factories.accounts import PASSWORD, make_user
from tests.pages import text_of

GOOD = "nine blue umbrellas"
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:130.0) Gecko/20100101 Firefox/130.0"


def sign_in(page, email, password=PASSWORD, status=303, **values):
    return page.post("/sign-in", {"email": email, "password": password, **values}, status)


def test_a_fresh_site_asks_for_its_administrator_once(page, session):
    assert page.raw("/").headers["Location"].startswith("/sign-in")
    assert page.raw("/sign-in").headers["Location"] == "/first-run"
    assert "Nobody can sign in yet" in page.get("/first-run")
    with page.client.session_transaction() as cookie:
        cookie.clear()

    form = {"name": "Ada", "email": "ada@example.com", "password": GOOD}
    token = re.search(r'name="csrf_token" value="([^"]+)"', page.get("/first-run"))[1]
    answer = page.raw("/first-run", "POST", data={**form, "csrf_token": token})

    assert answer.headers["Location"] == "/"
    assert session.scalars(sa.select(User.role)).all() == [Role.ADMIN]
    assert "Ada" in page.get("/")
    assert page.raw("/first-run").headers["Location"] == "/sign-in"


def test_first_run_keeps_what_was_typed_when_something_is_wrong(page, session):
    token = re.search(r'name="csrf_token" value="([^"]+)"', page.get("/first-run"))[1]
    form = {"name": "Ada", "email": "nobody", "password": "short", "csrf_token": token}

    answer = page.raw("/first-run", "POST", data=form)

    assert answer.status_code == 422
    assert 'value="nobody"' in answer.text
    assert "at least 10 characters" in answer.text
    assert not session.scalars(sa.select(User)).all()


def test_first_run_is_over_once_there_is_somebody(page, session):
    make_user(session)

    answer = page.post(
        "/first-run", {"name": "Eve", "email": "eve@example.com", "password": GOOD}, 403
    )

    assert "This site is set up" in answer.text


def test_sign_in_leads_to_the_page_that_was_asked_for(page, session):
    user = make_user(session)
    asked = page.raw("/themes/?view=all").headers["Location"]
    assert asked == "/sign-in?next=/themes/?view%3Dall"
    assert 'value="/themes/?view=all"' in page.get(asked)

    answer = sign_in(page, user.email, next="/themes/?view=all")

    assert answer.headers["Location"] == "/themes/?view=all"
    assert user.name in page.get("/profile")


@pytest.mark.parametrize(
    ("came_from", "following"),
    [
        ("http://localhost/triage/?view=all", "/sign-in?next=/triage/?view%3Dall"),
        ("http://localhost/triage/T-037/accept", "/sign-in"),
        ("https://evil.example/triage/", "/sign-in"),
        ("", "/sign-in"),
    ],
    ids=["its own page", "an address that shows no page", "another site", "unknown"],
)
def test_a_form_sent_after_the_session_ended_leads_back_to_its_page(
    page, session, came_from, following
):
    make_user(session)
    headers = {"Referer": came_from} if came_from else {}

    answer = page.post("/triage/T-037/accept", {"scenario": "x"}, headers=headers)

    assert answer.headers["Location"] == following
    assert "You were signed out; what you typed was not saved." in text_of(page.get("/sign-in"))


def test_signing_out_twice_loses_nothing_and_says_nothing(page, session):
    make_user(session)

    page.post("/sign-out")

    assert "You were signed out" not in text_of(page.get("/sign-in"))


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example/",
        "\\\\evil.example",
        "/\t/evil.example",
        "\n//evil.example",
        "javascript:alert(1)",
        "",
    ],
)
def test_sign_in_leads_nowhere_else(app, target):
    with app.test_request_context():
        assert own_path(target) == "/"


def test_a_wrong_password_is_said_without_telling_which_part(page, session):
    user = make_user(session)

    wrong = sign_in(page, user.email, "wrong", 422)
    unknown = sign_in(page, "nobody@example.com", "wrong", 422)

    sentence = "That e-mail address and password do not belong together."
    assert sentence in text_of(wrong.text)
    assert sentence in text_of(unknown.text)
    assert f'value="{user.email}"' in wrong.text
    assert "wrong" not in wrong.text.split("<main")[1], "a password never comes back"


def test_wrong_tries_are_counted_also_when_they_fail(page, session):
    user = make_user(session)
    for _ in range(SIGN_IN_TRIES):
        sign_in(page, user.email, "wrong", 422)

    answer = sign_in(page, user.email, PASSWORD, 429)

    assert "Try again in 15 minutes" in answer.text


def test_signing_in_again_over_a_cookie_that_has_ended_works(page, session):
    user = make_user(session)
    page.sign_in(user)
    page.get("/profile")
    session.execute(sa.update(SignIn).values(revoked_at=SignIn.created_at))

    sign_in(page, user.email)

    assert user.name in page.get("/profile")


def test_who_is_signed_in_is_led_home_from_the_sign_in_page(manager):
    assert manager.raw("/sign-in").headers["Location"] == "/"


def test_signing_out_ends_the_session_for_the_old_cookie_too(manager, session):
    with manager.client.session_transaction() as cookie:
        before = dict(cookie)
    manager.post("/sign-out")
    assert session.scalars(sa.select(SignIn)).one().revoked_at is not None

    with manager.client.session_transaction() as cookie:
        cookie.update(before)
    assert manager.raw("/profile").headers["Location"].startswith("/sign-in")


def test_a_session_that_is_revoked_ends_at_once(manager, session):
    manager.get("/profile")
    session.execute(sa.update(SignIn).values(revoked_at=SignIn.created_at))

    assert manager.raw("/profile").headers["Location"].startswith("/sign-in")


def test_somebody_who_is_shut_out_is_out_at_once(manager, session):
    session.execute(sa.update(User).values(is_active=False))

    assert manager.raw("/profile").headers["Location"].startswith("/sign-in")


def test_the_session_cookie_cannot_be_read_by_scripts(page, session):
    user = make_user(session)
    answer = sign_in(page, user.email)
    cookie = next(c for c in answer.headers.getlist("Set-Cookie") if c.startswith("closedloop="))

    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Secure" not in cookie  # only behind HTTPS, by setting
    page.app.config["SESSION_COOKIE_SECURE"] = True
    page.client.delete_cookie("closedloop")
    answer = page.raw("/sign-in")
    assert "Secure" in answer.headers["Set-Cookie"]


def test_profile_lists_ones_sessions_and_ends_another(manager, session):
    other = open_session(session, user=manager.user, browser=FIREFOX)
    open_session(session, user=make_user(session), browser="Somebody else's")

    html = manager.get("/profile")
    assert "Firefox on Windows" in html
    assert "Somebody else" not in html
    url = re.search(r'action="(/profile/sessions/[0-9a-f]{64}/revoke)"', html)[1]
    manager.post(url)

    assert "Firefox" not in manager.get("/profile")
    assert other not in html
    manager.post(url, status=404)


def test_profile_ends_all_other_sessions(manager, session):
    for _ in range(2):
        open_session(session, user=manager.user, browser=FIREFOX)

    manager.post("/profile/sessions/revoke-others")

    html = manager.get("/profile")
    assert "2 other sessions are ended." in html
    assert "Firefox" not in html


def test_changing_the_password_says_what_is_wrong(manager):
    wrong = manager.post("/profile/password", {"current": "wrong", "new": GOOD}, 422)
    assert "The current password is not right." in wrong.text
    short = manager.post("/profile/password", {"current": PASSWORD, "new": "short"}, 422)
    assert "at least 10 characters" in short.text

    manager.post("/profile/password", {"current": PASSWORD, "new": GOOD})

    assert "Your password is changed." in manager.get("/profile")


def test_changing_the_password_offers_to_revoke_the_tokens_where_there_are_any(manager, session):
    assert "ends_tokens" not in manager.get("/profile")
    form = {"name": "Dialler", "scope": "write", "days": "30"}
    manager.post("/profile/tokens", form, 200)
    assert "ends_tokens" in manager.get("/profile")

    change = {"current": PASSWORD, "new": GOOD, "ends_tokens": "1"}
    manager.post("/profile/password", change)

    html = manager.get("/profile")
    assert "Your API tokens are revoked." in html
    assert "Dialler" not in html


def test_a_token_is_shown_once(manager, session):
    form = {"name": "Dialler", "scope": "write", "days": "30"}
    made = re.search(r"cl_[\w-]{40,}", manager.post("/profile/tokens", form, 200).text)[0]

    html = manager.get("/profile")
    assert made not in html
    assert "Dialler" in html
    assert "read and write" in html
    row = session.scalars(sa.select(ApiToken)).one()
    manager.post(f"/profile/tokens/{row.id}/revoke")
    assert "Dialler" not in manager.get("/profile")


def test_a_token_that_cannot_be_made_keeps_what_was_typed(manager):
    answer = manager.post("/profile/tokens", {"name": "Dialler", "days": "900"}, 422)

    assert 'value="Dialler"' in answer.text
    assert 'value="900"' in answer.text
    assert "from 1 to 366" in answer.text


def test_nobody_revokes_a_token_of_somebody_else(manager, session, actor):
    from closedloop.services.tokens import add_token

    other = make_user(session)
    add_token(session, user_id=other.id, name="T", may_write=False, days="3", by=actor)
    row = session.scalars(sa.select(ApiToken)).one()

    manager.post(f"/profile/tokens/{row.id}/revoke", status=404)

    session.refresh(row)
    assert row.revoked_at is None


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        (FIREFOX, "Firefox on Windows"),
        (
            "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/126.0 Safari/537.36 Edg/126",
            "Edge on Windows",
        ),
        (
            "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Chrome/126.0 Mobile Safari/537.36",
            "Chrome on Android",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) Version/17.5 Safari/604.1",
            "Safari on iPhone",
        ),
        ("curl/8.5.0", "curl/8.5.0"),
        ("", "unknown"),
    ],
)
def test_browsers_are_named_in_words(agent, words):
    assert browser_words(agent) == words


@pytest.mark.parametrize("target", ["/\n//evil.example", "/themes/\r\nX-Header: 1", "/\x7f"])
def test_a_way_back_with_a_line_break_leads_home(page, session, target):
    user = make_user(session)
    session.commit()

    assert sign_in(page, user.email, next=target).headers["Location"] == "/"
    signed_in = page.raw("/sign-in", query_string={"next": target})
    assert (signed_in.status_code, signed_in.headers["Location"]) == (303, "/")
