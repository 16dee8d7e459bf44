"""API tokens: shown once, kept as a hash, and worth nothing once they end."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from closedloop.domain.accounts import Role
from closedloop.domain.clock import as_if, utc_now
from closedloop.domain.errors import Invalid, NotFound
from closedloop.models import ApiToken, AuditEvent
from closedloop.queries.tokens import find_token, list_tokens
from closedloop.services.accounts import change_user
from closedloop.services.tokens import add_token, note_token_use, revoke_token
from tests.factories.accounts import make_user


def add(session, actor, user=None, **values):
    given = {"name": "Dialler", "may_write": False, "days": "30", **values}
    user = user or make_user(session)
    return add_token(session, user_id=user.id, by=actor, **given)


def test_a_token_is_found_by_itself_and_stored_only_as_a_hash(session, actor):
    token = add(session, actor)
    row = session.scalars(sa.select(ApiToken)).one()

    assert find_token(session, token) is row
    assert token.startswith("cl_")
    assert token not in (row.token_hash, row.name)
    assert token not in str(session.scalars(sa.select(AuditEvent)).one().detail)


@pytest.mark.parametrize(("may_write", "scopes"), [(False, ["read"]), (True, ["read", "write"])])
def test_a_token_writes_only_when_it_was_made_to(session, actor, may_write, scopes):
    token = add(session, actor, may_write=may_write)

    assert find_token(session, token).scopes == scopes


def test_a_token_ends_after_its_days(session, actor):
    token = add(session, actor, days="2")

    with as_if(utc_now() + timedelta(days=1, hours=23)):
        assert find_token(session, token)
    with as_if(utc_now() + timedelta(days=2, seconds=1)):
        assert find_token(session, token) is None


def test_a_token_ends_with_its_user(session, actor):
    user = make_user(session)
    token = add(session, actor, user)
    user.is_active = False
    session.flush()

    assert find_token(session, token) is None


@pytest.mark.parametrize("days", ["0", "367", "-1", "", "ten", "1.5", "²"])
def test_a_token_counts_for_1_to_366_days(session, actor, days):
    with pytest.raises(Invalid) as refusal:
        add(session, actor, days=days)
    assert list(refusal.value.fields) == ["days"]


@pytest.mark.parametrize("name", ["", "  ", "x" * 81])
def test_a_token_is_named_after_what_uses_it(session, actor, name):
    with pytest.raises(Invalid) as refusal:
        add(session, actor, name=name)
    assert list(refusal.value.fields) == ["name"]


@pytest.mark.parametrize("days", ["1" * 5_000, "0" * 5_000])
def test_a_number_of_days_that_fills_a_page_is_refused(session, actor, days):
    with pytest.raises(Invalid, match="from 1 to 366"):
        add(session, actor, days=days)


def test_a_token_stays_ended_when_its_user_is_let_in_again(session, actor):
    user = make_user(session, role=Role.EXECUTIVE)
    token = add(session, actor, user)
    for is_active in (False, True):
        change_user(
            session,
            user_id=user.id,
            role=user.role,
            department_id=None,
            is_active=is_active,
            by=actor,
        )

    assert find_token(session, token) is None


def test_revoking_is_for_ones_own_tokens_and_works_once(session, actor):
    user, other = make_user(session), make_user(session)
    token = add(session, actor, user)
    row = find_token(session, token)

    with pytest.raises(NotFound):
        revoke_token(session, user_id=other.id, token_id=row.id, by=actor)
    revoke_token(session, user_id=user.id, token_id=row.id, by=actor)
    session.flush()
    assert find_token(session, token) is None
    assert not list_tokens(session, user.id)
    with pytest.raises(NotFound):
        revoke_token(session, user_id=user.id, token_id=row.id, by=actor)


def test_use_is_noted_to_the_minute(session, actor):
    row = find_token(session, add(session, actor))
    start = utc_now()
    for seconds in (0, 50, 70):
        with as_if(start + timedelta(seconds=seconds)):
            note_token_use(session, token_id=row.id)
            session.refresh(row)
        assert row.last_used_at == start + timedelta(seconds=70 if seconds == 70 else 0)
