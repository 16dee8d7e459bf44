"""Administration: people, departments, the site, the audit log."""

from __future__ import annotations

import re

import pytest
import sqlalchemy as sa

from closedloop.domain.accounts import Role
from closedloop.domain.actions import ActionStatus
from closedloop.domain.audit import COMMAND_LINE, NIGHTLY_ROUND
from closedloop.domain.themes import ThemeStatus
from closedloop.models import ApiToken, Department, SignIn, SiteSetting, User
from closedloop.services.accounts import open_session
from closedloop.services.audit import record_event
from closedloop.services.tokens import add_token
from tests.factories.accounts import make_department, make_user
from tests.factories.themes import make_action, make_theme
from tests.pages import text_of
from tests.statements import statements_of

GOOD = "nine blue umbrellas"


@pytest.fixture
def admin(sign_in_as):
    return sign_in_as(Role.ADMIN, name="Ada Admin")


def test_overview_shows_settings_with_variable_and_meaning_but_no_secret(admin, settings):
    html = admin.get("/admin/")
    text = text_of(html)

    assert "CLOSEDLOOP_REPORTING_ZONE Europe/London IANA time zone" in text
    assert "CLOSEDLOOP_REPEAT_WINDOW_DAYS 7 default" in text
    for secret in (settings.secret_key, settings.customer_key, "SECRET_KEY", "CUSTOMER_KEY"):
        assert secret not in html


def test_overview_hides_the_password_of_the_database(admin, settings):
    url = "postgresql+psycopg://loop:hunter2@db.internal/closedloop?sslpassword=hunter3"
    object.__setattr__(settings, "database_url", url)

    text = text_of(admin.get("/admin/"))

    assert "postgresql, closedloop on db.internal" in text
    assert "hunter" not in text


def test_overview_hides_the_key_of_the_model_that_suggests_names(admin, settings):
    object.__setattr__(settings, "naming_url", "https://models.example.org/v1")
    object.__setattr__(settings, "naming_key", "sk-hunter2")
    object.__setattr__(settings, "naming_command", "/opt/llm --key hunter3")

    html = admin.get("/admin/")

    assert "https://models.example.org/v1" in html
    assert "/opt/llm …" in text_of(html)
    assert "hunter" not in html


def test_overview_warns_when_nobody_set_what_a_minute_costs(admin, settings):
    assert "Agent minute £0.62" in text_of(admin.get("/admin/"))

    object.__setattr__(settings, "pence_per_minute", 0.0)

    assert "Agent minute not set" in text_of(admin.get("/admin/"))


def test_add_a_user_who_can_then_sign_in(admin, session):
    cards = make_department(session, "Cards")
    form = {
        "name": "Tom Beckett",
        "email": "Tom@example.com",
        "role": "stakeholder",
        "department_id": str(cards.id),
        "password": GOOD,
    }
    admin.post("/admin/users/new", form)
    assert "Tom Beckett can sign in now." in admin.get("/admin/users")

    admin.post("/sign-out")
    admin.post("/sign-in", {"email": "tom@example.com", "password": GOOD})

    assert "Department stakeholder, Cards" in admin.get("/profile")


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"email": "nobody"}, "Write an e-mail address"),
        ({"email": "taken@example.com"}, "with the address taken@example.com already"),
        ({"role": "emperor"}, "Choose one of the four roles."),
        ({"role": "stakeholder"}, "A stakeholder speaks for a department"),
        ({"department_id": "x"}, "Choose a department from the list."),
        ({"password": "short"}, "at least 10 characters"),
    ],
)
def test_a_user_who_cannot_be_added_keeps_the_form(admin, session, values, sentence):
    make_user(session, email="taken@example.com")
    form = {"name": "Tom Beckett", "email": "tom@example.com", "role": "executive"}
    form |= {"department_id": "", "password": GOOD, **values}

    answer = admin.post("/admin/users/new", form, 422)

    assert sentence in text_of(answer.text)
    assert 'value="Tom Beckett"' in answer.text
    assert not session.scalar(sa.select(User).where(User.name == "Tom Beckett"))


def test_errors_of_a_new_user_stand_in_the_order_of_the_form(admin):
    text = text_of(admin.post("/admin/users/new", {"role": "stakeholder"}, 422).text)

    sentences = ["Write the name", "Write an e-mail address", "A stakeholder speaks", "at least 10"]
    found = [text.index(sentence) for sentence in sentences]
    assert found == sorted(found)


def test_a_department_without_a_name_comes_back_on_its_own_page(admin):
    html = admin.post("/admin/departments", {"name": " "}, 422).text
    assert 'class="is-here" aria-current="page">Departments</a>' in html


def test_a_department_that_is_gone_is_not_found(admin):
    form = {"name": "Tom", "email": "tom@example.com", "role": "executive", "password": GOOD}
    admin.post("/admin/users/new", {**form, "department_id": "404"}, 404)


def test_change_role_and_department(admin, session):
    user, cards = make_user(session, Role.EXECUTIVE), make_department(session, "Cards")
    form = {"role": "stakeholder", "department_id": str(cards.id), "is_active": "1"}

    admin.post(f"/admin/users/{user.id}", form)

    session.refresh(user)
    assert (user.role, user.department_id, user.is_active) == (Role.STAKEHOLDER, cards.id, True)
    history = text_of(admin.get(f"/admin/users/{user.id}")).split("History")[-1]
    assert f"Ada Admin changed {user.name}: Department stakeholder, active" in history


def test_a_name_and_an_address_are_put_right(admin, session):
    user = make_user(session, Role.EXECUTIVE, name="Helena Wrad")
    make_user(session, email="taken@example.com")
    url = f"/admin/users/{user.id}/name"

    admin.post(url, {"name": "Helena Ward", "email": "helena@example.com"})

    session.refresh(user)
    assert (user.name, user.email) == ("Helena Ward", "helena@example.com")
    assert "renamed Helena Wrad to Helena Ward" in admin.get(f"/admin/users/{user.id}")
    refused = admin.post(url, {"name": "Helena", "email": "taken@example.com"}, 422).text
    assert "There is a user with the address taken@example.com already." in refused
    assert 'value="taken@example.com"' in refused
    admin.post("/admin/users/404/name", {"name": "A", "email": "a@example.com"}, 404)


def test_a_stakeholder_cannot_be_added_before_there_is_a_department(admin, session):
    assert "there is none yet" in admin.get("/admin/users/new")

    make_department(session, "Cards")

    assert "there is none yet" not in admin.get("/admin/users/new")


def test_the_last_administrator_cannot_shut_themselves_out(admin, session):
    url = f"/admin/users/{admin.user.id}"

    answer = admin.post(url, {"role": "admin", "department_id": ""}, 422)

    assert "The site needs an administrator." in answer.text
    session.refresh(admin.user)
    assert admin.user.is_active


def test_shutting_somebody_out_ends_their_sessions(admin, session):
    user = make_user(session, Role.EXECUTIVE)
    open_session(session, user=user)

    admin.post(f"/admin/users/{user.id}", {"role": "executive", "department_id": ""})

    ended = session.scalars(sa.select(SignIn).where(SignIn.user_id == user.id)).one()
    assert ended.revoked_at is not None
    assert "may not sign in" in admin.get("/admin/users")


def test_shutting_somebody_out_says_what_they_still_own_and_where_it_is(admin, session):
    user = make_user(session, Role.CX_MANAGER)
    theme = make_theme(session, ThemeStatus.ACTING, owner_id=user.id)
    make_theme(session, ThemeStatus.RETIRED, owner_id=user.id)
    mine = [make_action(session, theme, owner_id=user.id) for _ in range(2)]
    make_action(session, theme, ActionStatus.CANCELLED, owner_id=user.id)
    address = f"/admin/users/{user.id}"
    assert "Answerable for 2 open actions, 1 theme" in text_of(admin.get(address))

    admin.post(address, {"role": "cx_manager"})

    html = admin.get(address)
    assert f"{user.name} still owns 2 open actions and 1 theme." in text_of(html)
    for url in (*(f"/actions/{one.key}" for one in mine), f"/themes/{theme.key}"):
        assert f'href="{url}"' in html


def test_somebody_who_owns_nothing_has_no_such_list(admin, session):
    user = make_user(session, Role.EXECUTIVE)

    admin.post(f"/admin/users/{user.id}", {"role": "executive"})

    text = text_of(admin.get(f"/admin/users/{user.id}"))
    assert "Answerable for" not in text
    assert "still owns" not in text


def test_a_new_password_and_signing_out_everywhere(admin, session):
    user = make_user(session, Role.EXECUTIVE)
    open_session(session, user=user)
    url = f"/admin/users/{user.id}"

    admin.post(f"{url}/password", {"password": "short"}, 422)
    admin.post(f"{url}/password", {"password": GOOD})
    assert "Not signed in anywhere." in admin.get(url)
    for _ in range(2):
        open_session(session, user=user)
    admin.post(f"{url}/sign-out")

    html = admin.get(url)
    assert "2 sessions are ended." in html
    assert "Not signed in anywhere." in html


def test_a_new_password_of_somebody_revokes_their_tokens_where_that_is_ticked(
    admin, session, actor
):
    user = make_user(session)
    add_token(session, user_id=user.id, name="Dialler", may_write=False, days="3", by=actor)
    url = f"/admin/users/{user.id}"

    admin.post(f"{url}/password", {"password": GOOD})
    assert "Dialler" in admin.get(url)
    admin.post(f"{url}/password", {"password": GOOD, "ends_tokens": "1"})

    html = admin.get(url)
    assert "every session and API token of this user is ended" in html
    assert "None. Everybody makes their own on their profile." in html


def test_a_token_of_somebody_is_revoked_only_under_their_name(admin, session, actor):
    user, other = make_user(session), make_user(session)
    add_token(session, user_id=user.id, name="Dialler", may_write=False, days="3", by=actor)
    token = session.scalars(sa.select(ApiToken)).one()

    admin.post(f"/admin/users/{other.id}/tokens/{token.id}/revoke", status=404)
    admin.post(f"/admin/users/{user.id}/tokens/{token.id}/revoke")

    session.refresh(token)
    assert token.revoked_at is not None


def test_departments_are_added_closed_and_opened_again(admin, session):
    assert "No departments yet" in admin.get("/admin/departments")

    admin.post("/admin/departments", {"name": "Cards"})
    admin.post("/admin/departments", {"name": " "}, 422)
    cards = session.scalars(sa.select(Department)).one()
    make_action(session, department=cards)
    assert "Cards 0 1 open" in text_of(admin.get("/admin/departments"))

    admin.post(f"/admin/departments/{cards.id}/active", {"is_active": "0"})
    assert "Cards 0 1 closed" in text_of(admin.get("/admin/departments"))
    admin.post(f"/admin/departments/{cards.id}/active", {"is_active": "1"})
    session.refresh(cards)
    assert cards.is_active
    admin.post("/admin/departments/404/active", {"is_active": "1"}, 404)


def test_a_department_is_renamed_where_it_stands(admin, session):
    cards, digital = make_department(session, "Cards"), make_department(session, "Digitl")
    url = f"/admin/departments/{digital.id}/name"

    refused = admin.post(url, {"name": "cards"}, 422).text
    assert "There is a department Cards already." in refused
    assert refused.count('<details class="cl-more" open>') == 1
    assert f'id="f-name-{cards.id}" name="name" required' in refused
    admin.post(url, {"name": "Digital"})

    session.refresh(digital)
    assert digital.name == "Digital"
    admin.post("/admin/departments/404/name", {"name": "Digital"}, 404)


@pytest.mark.parametrize(("typed", "pence"), [("0.62", 62), ("0,815", 81.5), ("0", 0)])
def test_the_cost_of_a_minute_is_typed_in_whole_units(admin, session, typed, pence):
    admin.post("/admin/site", {"pence_per_minute": typed})

    assert session.get(SiteSetting, "pence_per_minute").value == {"value": pence}
    assert "set the cost of an agent minute" in admin.get("/admin/audit")


@pytest.mark.parametrize("typed", ["", "a lot", "nan", "-1", "1e400", "1001"])
def test_a_cost_that_makes_no_sense_stays_in_its_field(admin, session, typed):
    answer = admin.post("/admin/site", {"pence_per_minute": typed}, 422)

    assert f'value="{typed}"' in answer.text
    assert session.get(SiteSetting, "pence_per_minute") is None


def add_events(session, number, by, summary):
    for n in range(number):
        record_event(
            session,
            by=by,
            verb="themes.renamed",
            target_kind="theme",
            target_id=1,
            summary=f"{summary} {n}.",
        )
    session.flush()


def test_the_audit_log_pages_back_through_everything(admin, session):
    add_events(session, 120, NIGHTLY_ROUND, "event")
    seen, url = [], "/admin/audit"
    while url:
        html = admin.get(url)
        seen += re.findall(r"<td>event (\d+)\.</td>", html)
        found = re.search(r'rel="next" href="([^"]+)"', html)
        url = found[1].replace("&amp;", "&") if found else ""

    assert seen == [str(n) for n in reversed(range(120))]


def test_the_audit_log_is_filtered_by_who_made_the_change_also_further_back(admin, session):
    add_events(session, 60, NIGHTLY_ROUND, "job")
    add_events(session, 60, COMMAND_LINE, "command")

    html = admin.get("/admin/audit?kind=job")
    assert "job 59." in html
    assert "command" not in text_of(html).split("Event ")[1]
    further = re.search(r'rel="next" href="([^"]+)"', html)[1].replace("&amp;", "&")
    text = text_of(admin.get(further))
    assert "job 9." in text
    assert "command 59." not in text
    assert "command 59." in admin.get("/admin/audit?kind=nonsense")


def test_lists_take_the_same_number_of_statements_when_they_double(admin, session, actor):
    def fill():
        for _ in range(3):
            user = make_user(session, Role.STAKEHOLDER)
            open_session(session, user=user)
            add_token(session, user_id=user.id, name="T", may_write=False, days="3", by=actor)

    fill()
    urls = ("/admin/", "/admin/users", "/admin/departments", "/admin/audit")
    once = [statements_of(admin, url) for url in urls]
    fill()

    assert [statements_of(admin, url) for url in urls] == once


def test_a_page_beyond_every_event_is_the_first_page(sign_in_as):
    page = sign_in_as(Role.ADMIN)
    for url in ("/admin/audit", "/changes"):
        page.get(f"{url}?before=99999999999999999999")
