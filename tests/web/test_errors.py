"""What a page says where something is broken on our side."""

from __future__ import annotations

import sqlite3

from sqlalchemy.exc import OperationalError

from tests.pages import text_of


def test_a_busy_database_is_said_to_be_busy_and_not_broken(manager):
    def busy():
        fault = sqlite3.OperationalError("database is locked")
        raise OperationalError("SELECT 'hunter2'", {}, fault)

    busy.permission = "themes.view"
    manager.app.view_functions["themes.index"] = busy

    page = manager.get("/themes/", status=503)

    assert "Nothing was changed. Try again in a minute." in text_of(page)
    assert "hunter2" not in page
