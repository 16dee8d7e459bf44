"""People: who may sign in, what signs them out, and what an administrator can change."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier, Thread

import pytest
import sqlalchemy as sa
from argon2 import extract_parameters
from argon2.exceptions import VerifyMismatchError

from closedloop.domain.accounts import SESSION_DAYS, SIGN_IN_TRIES, Role
from closedloop.domain.audit import COMMAND_LINE, NIGHTLY_ROUND
from closedloop.domain.clock import as_if, utc_now
from closedloop.domain.errors import Conflict, Invalid, NotAllowed, NotFound, TooManyAttempts
from closedloop.extensions import Database
from closedloop.models import AuditEvent, SignIn, SignInAttempt, User
from closedloop.queries.accounts import find_signed_in, get_user
from closedloop.queries.tokens import find_token
from closedloop.services import accounts
from closedloop.services.accounts import (
    add_department,
    add_first_admin,
    add_user,
    change_password,
    change_user,
    note_look_at_home,
    open_session,
    rename_department,
    rename_user,
    revoke_session,
    revoke_sessions,
    set_department_active,
    set_password,
    sign_in,
    sign_out,
)
from closedloop.services.tokens import add_token
from tests.factories.accounts import PASSWORD, make_department, make_user

GOOD = "nine blue umbrellas"


def try_password(session, email, password="wrong", address="10.0.0.1"):
    return sign_in(session, email=email, password=password, address=address)


def verbs(session) -> list[str]:
    session.flush()
    return list(session.scalars(sa.select(AuditEvent.verb).order_by(AuditEvent.id)))


def test_add_department_returns_the_one_of_that_name_in_any_case(session, actor):
    first = add_department(session, name="  Card   services ", by=actor)
    again = add_department(session, name="CARD services", by=actor)

    assert first.name == "Card services"
    assert again is first
    assert verbs(session) == ["accounts.department_added"]


@pytest.mark.parametrize("name", ["", "   ", "x" * 81])
def test_add_department_wants_a_name_of_at_most_80_characters(session, actor, name):
    with pytest.raises(Invalid, match="at most 80"):
        add_department(session, name=name, by=actor)


def test_a_department_renamed_keeps_its_people_and_says_what_it_was_called(session, actor):
    department = make_department(session, "Digitl")
    member = make_user(session, Role.STAKEHOLDER, department_id=department.id)

    rename_department(session, department_id=department.id, name=" Digital  ", by=actor)
    rename_department(session, department_id=department.id, name="Digital", by=actor)

    assert (department.name, member.department.name) == ("Digital", "Digital")
    event = session.scalars(sa.select(AuditEvent)).one()
    assert event.summary == "renamed the department Digitl to Digital"


def test_the_case_of_a_departments_name_can_be_put_right(session, actor):
    department = make_department(session, "digital")

    rename_department(session, department_id=department.id, name="Digital", by=actor)

    assert department.name == "Digital"


def test_a_department_takes_no_name_of_another_in_any_case(session, actor):
    make_department(session, "Cards")
    department = make_department(session, "Digital")

    with pytest.raises(Conflict, match="a department Cards already"):
        rename_department(session, department_id=department.id, name="CARDS", by=actor)
    with pytest.raises(Invalid, match="at most 80"):
        rename_department(session, department_id=department.id, name=" ", by=actor)
    assert department.name == "Digital"


def test_a_closed_department_can_no_longer_be_chosen_but_keeps_its_people(session, actor):
    department = make_department(session, "Cards")
    member = make_user(session, Role.STAKEHOLDER, department_id=department.id)
    other = make_user(session, Role.CX_MANAGER)
    set_department_active(session, department_id=department.id, is_active=False, by=actor)

    with pytest.raises(Invalid, match="Cards is closed"):
        change_user(
            session,
            user_id=other.id,
            role=Role.STAKEHOLDER,
            department_id=department.id,
            is_active=True,
            by=actor,
        )
    with pytest.raises(Invalid, match="Cards is closed"):
        new_user(session, actor, role=Role.STAKEHOLDER, department_id=department.id)
    kept = change_user(  # who is in it stays in it
        session,
        user_id=member.id,
        role=Role.CX_MANAGER,
        department_id=department.id,
        is_active=True,
        by=actor,
    )
    assert kept.department_id == department.id


def test_closing_a_department_twice_is_one_event(session, actor):
    department = make_department(session)
    for _ in range(2):
        set_department_active(session, department_id=department.id, is_active=False, by=actor)

    assert verbs(session) == ["accounts.department_changed"]


def new_user(session, actor, **values):
    given = {
        "email": "Ana@Example.com ",
        "name": "  Ana   Petrović ",
        "password": GOOD,
        "role": Role.CX_MANAGER,
        "department_id": None,
        **values,
    }
    return add_user(session, by=actor, **given)


def test_add_user_keeps_the_address_in_lower_case_and_the_password_as_a_hash(session, actor):
    user = new_user(session, actor)

    assert (user.email, user.name) == ("ana@example.com", "Ana Petrović")
    assert user.password_hash.startswith("$argon2id$")
    assert try_password(session, "ANA@example.com", GOOD)
    event = session.scalars(sa.select(AuditEvent)).first()
    assert event.summary == "added Ana Petrović: CX manager"
    assert GOOD not in str(event.detail)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", "nobody"),
        ("email", "a b@example.com"),
        ("name", " "),
        ("password", "too short"),
        ("password", "x" * 201),
        ("role", Role.STAKEHOLDER),  # without a department
    ],
)
def test_add_user_says_which_field_is_wrong(session, actor, field, value):
    with pytest.raises(Invalid) as refusal:
        new_user(session, actor, **{field: value})

    assert list(refusal.value.fields) == ["department_id" if field == "role" else field]


@pytest.mark.parametrize("by", [COMMAND_LINE, NIGHTLY_ROUND], ids=["command", "night"])
def test_nobody_is_called_what_changes_without_a_person_are_put_down_to(session, actor, by):
    told = f" {by.name.upper()} "
    for add in (
        lambda: new_user(session, actor, name=told),
        lambda: add_first_admin(session, email="a@example.com", name=told, password=GOOD),
    ):
        with pytest.raises(Invalid, match="nobody signed in") as refusal:
            add()
        assert list(refusal.value.fields) == ["name"]

    assert session.scalars(sa.select(User)).all() == []
    assert new_user(session, actor, name=f"{by.name} Smith").id


def test_add_user_refuses_an_address_that_is_taken_in_any_case(session, actor):
    new_user(session, actor)

    with pytest.raises(Conflict, match=r"ana@example\.com"):
        new_user(session, actor, email="ANA@EXAMPLE.COM")


def test_somebody_renamed_signs_in_with_the_new_address_and_stays_signed_in(session, actor):
    user = make_user(session, name="Pria Nair", email="pria@example.com")
    token = open_session(session, user=user)

    rename_user(session, user_id=user.id, name="Priya  Nair", email=" Priya@Example.com", by=actor)
    rename_user(session, user_id=user.id, name="Priya Nair", email="priya@example.com", by=actor)

    assert try_password(session, "priya@example.com", PASSWORD)
    assert find_signed_in(session, token)
    changed = sa.select(AuditEvent.summary).where(AuditEvent.verb == "accounts.user_changed")
    assert session.scalars(changed).all() == [
        "renamed Pria Nair to Priya Nair, changed the address of Priya Nair from "
        "pria@example.com to priya@example.com"
    ]


@pytest.mark.parametrize(
    ("values", "refusal"),
    [
        ({"name": " "}, "as colleagues know it"),
        ({"name": NIGHTLY_ROUND.name}, "stands in the audit log"),
        ({"email": "priya"}, "like priya@example.com"),
        ({"email": "TAKEN@example.com"}, "address taken@example.com already"),
    ],
)
def test_nobody_is_given_a_name_or_address_that_cannot_be(session, actor, values, refusal):
    make_user(session, email="taken@example.com")
    user = make_user(session, name="Priya Nair", email="priya@example.com")
    asked = {"name": "Priya N", "email": "p@example.com"} | values

    with pytest.raises((Invalid, Conflict), match=refusal):
        rename_user(session, user_id=user.id, by=actor, **asked)
    assert (user.name, user.email) == ("Priya Nair", "priya@example.com")


def test_the_first_administrator_is_added_once(session):
    add_first_admin(session, email="ada@example.com", name="Ada", password=GOOD)

    with pytest.raises(NotAllowed):
        add_first_admin(session, email="eve@example.com", name="Eve", password=GOOD)


def test_sign_in_opens_a_session_for_14_days(session):
    user = make_user(session)
    token = try_password(session, user.email, PASSWORD)
    session.flush()

    assert find_signed_in(session, token).user_id == user.id
    row = session.scalars(sa.select(SignIn)).one()
    assert token not in (row.id, row.browser), "the token itself is never stored"
    with as_if(utc_now() + timedelta(days=SESSION_DAYS, seconds=1)):
        assert find_signed_in(session, token) is None


@pytest.mark.parametrize("who", ["somebody", "nobody", "shut out"])
def test_sign_in_refuses_without_saying_why(session, who):
    user = make_user(session, is_active=who != "shut out")
    email = "nobody@example.com" if who == "nobody" else user.email
    password = PASSWORD if who == "shut out" else "wrong"

    assert try_password(session, email, password) is None


def test_sign_in_pauses_after_five_wrong_tries_for_one_address(session):
    user = make_user(session)
    for n in range(SIGN_IN_TRIES):
        assert try_password(session, user.email.upper(), address=f"10.0.0.{n}") is None

    with pytest.raises(TooManyAttempts, match="15 minutes"):
        try_password(session, user.email, PASSWORD, address="10.9.9.9")
    with as_if(utc_now() + timedelta(minutes=15, seconds=1)):
        assert try_password(session, user.email, PASSWORD)


def test_a_guess_at_nobody_takes_the_same_work_as_one_at_somebody():
    real = extract_parameters(accounts._hasher.hash(PASSWORD))
    assert extract_parameters(accounts._NOBODYS) == real
    with pytest.raises(VerifyMismatchError):  # it was computed and compared, not refused unread
        accounts._hasher.verify(accounts._NOBODYS, PASSWORD)


def test_sign_in_pauses_a_client_that_tries_many_addresses(session, monkeypatch):
    # how long a wrong guess takes is not the question here, and there are many
    monkeypatch.setattr(accounts, "_NOBODYS", make_user(session).password_hash)
    for n in range(5 * SIGN_IN_TRIES):
        try_password(session, f"guess{n}@example.com")

    user = make_user(session)
    with pytest.raises(TooManyAttempts):
        try_password(session, user.email, PASSWORD)
    assert try_password(session, user.email, PASSWORD, address="10.0.0.2")


def test_a_right_password_forgives_the_wrong_ones_before_it(session):
    user = make_user(session)
    for _ in range(SIGN_IN_TRIES - 1):
        try_password(session, user.email)
    assert try_password(session, user.email, PASSWORD)
    for _ in range(SIGN_IN_TRIES - 1):
        assert try_password(session, user.email) is None

    assert try_password(session, user.email, PASSWORD)


def test_tries_are_kept_without_the_address(session):
    try_password(session, "guess@example.com")
    session.flush()

    for key in session.scalars(sa.select(SignInAttempt.key)):
        assert len(key) == 64
        assert "guess" not in key


def test_sign_out_ends_one_session_only(session, actor):
    user = make_user(session)
    here, there = (open_session(session, user=user) for _ in range(2))
    session.flush()
    sign_out(session, token=here, by=actor)

    assert find_signed_in(session, here) is None
    assert find_signed_in(session, there) is not None


def test_revoke_sessions_keeps_the_one_that_asks(session, actor):
    user, other = make_user(session), make_user(session)
    here, there = (open_session(session, user=user) for _ in range(2))
    elsewhere = open_session(session, user=other)
    session.flush()

    assert revoke_sessions(session, user_id=user.id, by=actor, keep=here) == 1
    assert find_signed_in(session, here)
    assert find_signed_in(session, there) is None
    assert find_signed_in(session, elsewhere)


def test_revoke_session_is_for_ones_own_only(session, actor):
    user, other = make_user(session), make_user(session)
    token = open_session(session, user=other)
    session.flush()
    row = session.scalars(sa.select(SignIn)).one()

    assert not revoke_session(session, user_id=user.id, session_id=row.id, by=actor)
    assert find_signed_in(session, token)
    assert revoke_session(session, user_id=other.id, session_id=row.id, by=actor)
    assert find_signed_in(session, token) is None


def test_change_password_wants_the_current_one_and_ends_the_other_sessions(session, actor):
    user = make_user(session)
    here, there = (open_session(session, user=user) for _ in range(2))
    session.flush()
    change = {"user_id": user.id, "token": here, "by": actor}

    with pytest.raises(Invalid) as refusal:
        change_password(session, current="wrong", new=GOOD, **change)
    assert "current" in refusal.value.fields
    with pytest.raises(Invalid) as refusal:
        change_password(session, current=PASSWORD, new="short", **change)
    assert "new" in refusal.value.fields
    change_password(session, current=PASSWORD, new=GOOD, **change)

    assert find_signed_in(session, here)
    assert find_signed_in(session, there) is None
    assert try_password(session, user.email, GOOD)


@pytest.mark.parametrize("ends_tokens", [True, False])
def test_a_new_password_ends_tokens_where_that_is_asked_for(session, actor, ends_tokens):
    user, colleague = make_user(session), make_user(session)
    given = {"name": "Importer", "may_write": True, "days": "30", "by": actor}
    theirs = add_token(session, user_id=colleague.id, **given)
    here = open_session(session, user=user)
    for new in (
        lambda: change_password(
            session,
            user_id=user.id,
            current=PASSWORD,
            new=GOOD,
            token=here,
            by=actor,
            ends_tokens=ends_tokens,
        ),
        lambda: set_password(
            session, user_id=user.id, password=GOOD, by=actor, ends_tokens=ends_tokens
        ),
    ):
        token = add_token(session, user_id=user.id, **given)
        new()

        assert (find_token(session, token) is None) is ends_tokens
    assert find_token(session, theirs)


def test_tries_that_come_all_at_once_are_counted_one_by_one(database_url):
    database = Database().open(database_url)
    together = Barrier(12)

    def guess(number: int) -> bool:
        together.wait()
        try:
            with database.transaction() as session:
                sign_in(session, email="ann@example.com", password=str(number), address="::1")
        except TooManyAttempts:
            return False
        return True

    with ThreadPoolExecutor(12) as pool:
        looked_at = sum(pool.map(guess, range(12)))
    database.engine.dispose()

    assert looked_at == SIGN_IN_TRIES


def test_set_password_ends_every_session(session, actor):
    user = make_user(session)
    token = open_session(session, user=user)
    session.flush()
    set_password(session, user_id=user.id, password=GOOD, by=actor)

    assert find_signed_in(session, token) is None
    assert try_password(session, user.email, PASSWORD) is None
    assert try_password(session, user.email, GOOD)


def change(session, actor, user, **values):
    given = {"role": user.role, "department_id": user.department_id, "is_active": True, **values}
    return change_user(session, user_id=user.id, by=actor, **given)


@pytest.mark.parametrize("values", [{"role": Role.EXECUTIVE}, {"is_active": False}])
def test_the_only_administrator_stays_one(session, actor, values):
    admin = make_user(session, Role.ADMIN)
    make_user(session, Role.ADMIN, is_active=False)

    with pytest.raises(Invalid, match="only administrator"):
        change(session, actor, admin, **values)
    make_user(session, Role.ADMIN)
    change(session, actor, admin, **values)


def test_who_is_shut_out_is_signed_out_at_once(session, actor):
    user = make_user(session)
    token = open_session(session, user=user)
    session.flush()
    change(session, actor, user, is_active=False)

    assert find_signed_in(session, token) is None
    assert session.scalars(sa.select(SignIn)).one().revoked_at is not None


def test_a_new_role_counts_in_sessions_that_are_open(session, actor):
    user = make_user(session, Role.CX_MANAGER)
    token = open_session(session, user=user)
    session.flush()
    change(session, actor, user, role=Role.EXECUTIVE)
    session.flush()

    assert find_signed_in(session, token).role is Role.EXECUTIVE


def test_a_stakeholder_needs_a_department(session, actor):
    user = make_user(session, Role.CX_MANAGER)

    with pytest.raises(Invalid) as refusal:
        change(session, actor, user, role=Role.STAKEHOLDER)
    assert list(refusal.value.fields) == ["department_id"]


def test_changing_nobody_is_not_found(session, actor):
    with pytest.raises(NotFound):
        change_user(
            session, user_id=404, role=Role.ADMIN, department_id=None, is_active=True, by=actor
        )


def test_note_look_at_home_keeps_the_moment(session):
    user = make_user(session)
    moment = datetime(2026, 5, 12, 9, tzinfo=UTC)
    with as_if(moment):
        note_look_at_home(session, user_id=user.id)
    session.flush()

    assert session.get(User, user.id).last_looked_at == moment


def test_two_administrators_who_leave_at_once_leave_one(database, session, actor):
    """Each is told of the other; on PostgreSQL both could go before either was gone."""
    admins = [make_user(session, role=Role.ADMIN).id for _ in range(2)]
    session.commit()
    start, left = Barrier(2), []

    def leave(user_id: int) -> None:
        try:
            with database.transaction() as writing:
                if writing.get_bind().dialect.name == "postgresql":  # SQLite lets one in at a time
                    get_user(writing, user_id)
                    start.wait(5)
                change_user(
                    writing,
                    user_id=user_id,
                    role=Role.EXECUTIVE,
                    department_id=None,
                    is_active=True,
                    by=actor,
                )
                time.sleep(0.2)
            left.append(user_id)
        except Invalid:
            pass

    threads = [Thread(target=leave, args=(user_id,)) for user_id in admins]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(left) == 1
