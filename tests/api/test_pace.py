"""How often a token may ask within a minute."""

from __future__ import annotations

import pytest

from closedloop.api.auth import PACE
from closedloop.api.pace import Pace, TooFast
from closedloop.config import Settings, SettingsError
from closedloop.domain.accounts import Role
from tests.api.caller import Caller


def test_so_many_questions_a_minute_and_no_more_then_anew():
    pace = Pace(3)
    for second in (600.0, 620.0, 641.0):
        pace.keep("one", now=second)
    pace.keep("another", now=642.0)

    with pytest.raises(TooFast, match="more than 3 times") as refusal:
        pace.keep("one", now=642.0)

    assert refusal.value.seconds == 18
    pace.keep("one", now=660.0)


def test_without_a_limit_nothing_is_counted():
    pace = Pace(0)
    for _ in range(5_000):
        pace.keep("one", now=1.0)


@pytest.fixture
def slow(api):
    """A site whose tokens may ask twice a minute."""
    before = api.page.app.extensions[PACE]
    api.page.app.extensions[PACE] = Pace(2)
    yield api
    api.page.app.extensions[PACE] = before


def test_whoever_asks_too_often_is_told_when_to_ask_again(slow, session):
    for _ in range(2):
        slow.get("/themes")

    answer = slow.page.raw("/api/v1/themes", headers=slow.headers)

    assert answer.status_code == 429
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert "more than 2 times" in answer.json["detail"]
    assert Caller(slow.page, session, Role.ADMIN).get("/themes")["items"] == []


def test_a_limit_below_nothing_stops_the_start(tmp_path):
    keys = {"secret_key": "s" * 40, "customer_key": "c" * 40}
    with pytest.raises(SettingsError, match="CLOSEDLOOP_API_PER_MINUTE"):
        Settings(instance=tmp_path, api_per_minute=-1, **keys)
