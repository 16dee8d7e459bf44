"""The application of a process that serves: it starts on tables of its own version only."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from closedloop.config import SettingsError, make_instance
from closedloop.factory import create_served_app
from closedloop.services.migrations import upgrade_database


@pytest.fixture
def database_file(tmp_path, monkeypatch):
    """Give the address of the database of an instance that is served."""
    make_instance(tmp_path / "site", {})
    url = f"sqlite:///{tmp_path / 'closedloop.sqlite3'}"
    monkeypatch.setenv("CLOSEDLOOP_INSTANCE", str(tmp_path / "site"))
    monkeypatch.setenv("CLOSEDLOOP_DATABASE_URL", url)
    return url


def test_a_site_without_tables_is_not_served(database_file):
    with pytest.raises(SettingsError, match=r"stands at nothing.*Run `closedloop init`"):
        create_served_app()


def test_a_site_with_tables_of_another_version_is_not_served(database_file):
    engine = sa.create_engine(database_file)
    upgrade_database(engine, "0001")
    engine.dispose()

    with pytest.raises(SettingsError, match="stands at 0001"):
        create_served_app()


def test_a_database_that_is_away_does_not_stop_the_start(database_file, monkeypatch):
    away = "postgresql+psycopg://ada@127.0.0.1:1/none"
    monkeypatch.setenv("CLOSEDLOOP_DATABASE_URL", away)
    monkeypatch.setattr("gc.freeze", lambda: None)

    assert create_served_app().extensions["closedloop_database"]
