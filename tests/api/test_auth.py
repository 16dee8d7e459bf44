"""Tokens at the door of the API."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from closedloop.domain.accounts import Role
from closedloop.domain.clock import as_if, utc_now
from closedloop.models import ApiToken, User


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Basic abc", "Bearer cl_unknown", "cl_unknown"]
)
def test_what_is_no_token_is_challenged(api, header):
    answer = api.page.raw("/api/v1/themes", headers={"Authorization": header} if header else {})

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="closedloop"'
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json["title"] == "Unauthorized"


def test_the_scheme_is_read_in_any_case(api):
    token = api.headers["Authorization"].split()[1]

    assert api.page.raw("/api/v1/themes", headers={"Authorization": f"bearer {token}"}).json


def test_a_token_that_ended_counts_no_more(api):
    assert api.get("/themes")
    with as_if(utc_now() + timedelta(days=4)):
        assert api.problem("/themes", 401)["detail"].startswith("This token does not count")


def test_a_token_of_somebody_shut_out_counts_no_more(api, session):
    session.execute(sa.update(User).values(is_active=False))

    api.problem("/themes", 401)


def test_a_role_that_changes_counts_at_once(api, session):
    assert api.get("/contacts")
    session.execute(sa.update(User).values(role=Role.EXECUTIVE))

    assert "does not include this (contacts.view)" in api.problem("/contacts", 403)["detail"]


def test_the_last_use_is_noted(api, session):
    api.get("/themes")

    assert session.scalars(sa.select(ApiToken.last_used_at)).one() is not None
