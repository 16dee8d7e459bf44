"""Bring a database to the tables this version needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

ROOT = Path(__file__).resolve().parents[2]


def _config(connection: sa.Connection) -> Config:
    config = Config(toml_file=str(ROOT / "pyproject.toml"))
    config.attributes["connection"] = connection
    return config


def upgrade_database(engine: sa.Engine, to: str = "head") -> None:
    """Run every migration up to `to`; running it again changes nothing."""
    with engine.execution_options(closedloop_writes=True).begin() as connection:
        command.upgrade(_config(connection), to)


def downgrade_database(engine: sa.Engine, to: str = "base") -> None:
    """Undo migrations down to `to`; "base" leaves no table."""
    with engine.execution_options(closedloop_writes=True).begin() as connection:
        command.downgrade(_config(connection), to)


def check_database(engine: sa.Engine) -> None:
    """Raise alembic's error when the models have something no migration makes."""
    with engine.begin() as connection:
        command.check(_config(connection))


def made_by_newer(current: str | None, newest: str | None) -> str:
    """Say that a newer version made the database, with what to do; empty when none did."""
    if current in (None, newest):
        return ""
    script = ScriptDirectory.from_config(Config(toml_file=str(ROOT / "pyproject.toml")))
    if current in {one.revision for one in script.walk_revisions()}:
        return ""
    return (
        f"The database stands at {current}, which this version does not know: a newer one made "
        f"it. Install that version, or restore the backup made before it; this one knows up to "
        f"{newest}."
    )


def tables_problem(
    current: str | None, newest: str | None, *, init: str = "closedloop init"
) -> str:
    """Say why this version cannot use the tables, with what to do; empty when it can.

    Parameters
    ----------
    current, newest : str or None
        As `database_revisions` gives them.
    init : str
        The command that brings the tables up to date.
    """
    if current == newest:
        return ""
    return made_by_newer(current, newest) or (
        f"The database stands at {current or 'nothing'}, this version needs {newest}. "
        f"Run `{init}`; it keeps what is there."
    )


def database_revisions(engine: sa.Engine) -> tuple[str | None, str | None]:
    """Return (the revision the database stands at, the newest one)."""
    with engine.connect() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
        script: Any = ScriptDirectory.from_config(_config(connection))
        return current, script.get_current_head()
