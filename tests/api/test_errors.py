"""Every error of the API is a problem document; pages keep their pages."""

from __future__ import annotations

import sqlite3

import pytest
from sqlalchemy.exc import OperationalError

from closedloop.domain.errors import Conflict, Invalid, TooManyAttempts


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/nothing", 404),
        ("/themes/T-404", 404),
        ("/contacts/404", 404),
        ("/jobs/404", 404),
        ("/impact/A-404", 404),
        ("/jobs/99999999999999999999", 404),
        ("/contacts/99999999999999999999", 404),
        ("/contacts?limit=0", 422),
        ("/contacts?limit=201", 422),
        ("/contacts?limit=many", 422),
        ("/contacts?from=yesterday", 422),
        ("/contacts?colour=red", 422),
        ("/contacts?channel=%00", 422),
        ("/contacts?after=elsewhere", 422),
        ("/contacts?after=20260511-1", 422),
        ("/contacts?after=20260511T100000-99999999999999999999", 422),
        ("/impact?after=20261399-1", 422),
        ("/actions?status=sleeping", 422),
        ("/themes?view=secret", 422),
        ("/metrics/repeats?by=agent", 422),
        ("/metrics/repeats?window=9d", 422),
    ],
)
def test_a_wrong_question_gets_a_problem_that_says_what(api, path, status):
    assert api.problem(path, status)["detail"]


def test_an_unknown_parameter_is_named(api):
    assert "colour" in api.problem("/contacts?colour=red", 422)["errors"]


def test_the_wrong_method_says_which_are_right(api):
    answer = api.page.raw("/api/v1/themes", "DELETE", headers=api.headers)

    assert answer.status_code == 405
    assert "GET" in answer.headers["Allow"]
    assert answer.mimetype == "application/problem+json"


def test_what_is_broken_on_our_side_tells_nothing_of_it(api):
    def broken():
        raise RuntimeError("password is hunter2")

    broken.permission, broken.scope = "themes.view", "read"
    api.page.app.view_functions["api.list_themes_view"] = broken

    problem = api.problem("/themes", 500)

    assert "hunter2" not in str(problem)
    assert problem["detail"].startswith("Something went wrong on our side.")


def test_a_busy_database_is_said_to_be_busy_and_not_broken(api):
    def busy():
        raise OperationalError(
            "SELECT 'hunter2'", {}, sqlite3.OperationalError("database is locked")
        )

    busy.permission, busy.scope = "themes.view", "read"
    api.page.app.view_functions["api.list_themes_view"] = busy

    assert api.problem("/themes", 503)["detail"].startswith("The database is busy")


@pytest.mark.parametrize(
    ("refusal", "status", "errors"),
    [
        (Conflict("Taken."), 409, None),
        (Invalid("No.", {"name": "Too long."}), 422, {"name": "Too long."}),
        (TooManyAttempts("Wait."), 429, None),
    ],
)
def test_a_refusal_keeps_its_sentence_and_its_fields(api, refusal, status, errors):
    def refuse():
        raise refusal

    refuse.permission, refuse.scope = "themes.view", "read"
    api.page.app.view_functions["api.list_themes_view"] = refuse

    problem = api.problem("/themes", status)

    assert problem["detail"] == refusal.sentence
    assert problem["errors"] == errors


def test_pages_keep_answering_with_pages(api):
    answer = api.page.raw("/nothing")

    assert answer.status_code == 404
    assert answer.mimetype == "text/html"
