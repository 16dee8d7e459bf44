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


def is_known_revision(revision: str | None) -> bool:
    """Return whether this version has a revision; one that it has not is of a newer version."""
    script = ScriptDirectory.from_config(Config(toml_file=str(ROOT / "pyproject.toml")))
    known = {one.revision for one in script.walk_revisions()}
    return revision is None or revision in known


def database_revisions(engine: sa.Engine) -> tuple[str | None, str | None]:
    """Return (the revision the database stands at, the newest one)."""
    with engine.connect() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
        script: Any = ScriptDirectory.from_config(_config(connection))
        return current, script.get_current_head()
