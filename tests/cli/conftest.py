"""Running commands as a shell does: on an instance of a test's own, or on its database."""

from __future__ import annotations

import os

import pytest
from click.testing import CliRunner

from closedloop.cli import main
from closedloop.extensions import Database
from tests.kept import lay_tables
from tests.site import SERVER


def _runner(instance):
    def run(*arguments: str, code: int = 0, typed: str | None = None):
        command = [*arguments, "--instance", str(instance)]
        result = CliRunner().invoke(main, command, input=typed)
        assert result.exit_code == code, result.output + str(result.exception)
        return result

    run.instance = instance
    return run


@pytest.fixture
def no_settings(monkeypatch):
    """Let no setting of the machine reach a command."""
    for name in [name for name in os.environ if name.startswith("CLOSEDLOOP_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def run_on_nothing(no_settings, tmp_path, monkeypatch, database_url):
    """Run a command where no instance is yet and give its result: `run("init", code=0)`."""
    if SERVER:
        monkeypatch.setenv("CLOSEDLOOP_DATABASE_URL", database_url)
    return _runner(tmp_path / "instance")


@pytest.fixture
def run_on_made(run_on_nothing, database_url):
    """Run a command on a new instance with an administrator."""
    run = run_on_nothing
    lay_tables(run.instance, database_url)
    run("init", "--admin-email", "ada@example.com", "--admin-password", "a long password")
    return run


@pytest.fixture
def run_on_new(run_on_made, database_url):
    """Run a command on a new instance with an administrator; `.database` is what it holds."""
    run = run_on_made
    url = database_url if SERVER else f"sqlite:///{run.instance / 'closedloop.sqlite3'}"
    run.database = Database().open(url)
    yield run
    run.database.engine.dispose()


@pytest.fixture
def run_here(no_settings, settings, monkeypatch):
    """Run a command on this test's database, which `session` writes to."""
    for name in ("secret_key", "customer_key", "database_url", "reporting_zone"):
        monkeypatch.setenv(f"CLOSEDLOOP_{name.upper()}", getattr(settings, name))
    return _runner(settings.instance)
