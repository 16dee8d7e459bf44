"""What is made once a run, since making it takes longer than most tests: engines, applications.

A new engine compiles every statement anew, a new application all of its addresses. Each test
still gets a database of its own, and an application that no other test has changed.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from apiflask import APIFlask

from closedloop.config import Settings
from closedloop.domain.clock import set_today
from closedloop.extensions import Database, make_engine
from closedloop.factory import create_app

_engines: dict[tuple[str, str], sa.Engine] = {}
_applications: dict[Settings, APIFlask] = {}


def kept_engine(url: str, who: str) -> sa.Engine:
    """Return the engine by which somebody reaches a database, the same one all through the run."""
    if (url, who) not in _engines:
        engine = make_engine(url)
        engine.update_execution_options(compiled_cache={})  # its own forgets all but the last 500
        _engines[url, who] = engine
    return _engines[url, who]


@contextmanager
def kept_database(url: str, who: str) -> Iterator[Database]:
    """Give a database through its kept engine; a file is closed at the end, a server is not."""
    database = Database()
    database.engine = kept_engine(url, who)
    yield database
    if database.engine.dialect.name == "sqlite":
        database.engine.dispose()


@contextmanager
def kept_application(settings: Settings) -> Iterator[APIFlask]:
    """Give an application with these settings, as it is when it has just been built."""
    alike = dataclasses.replace(settings, instance=Path(), database_url="sqlite://")
    if alike not in _applications:
        _applications[alike] = create_app(alike)
    app = _applications[alike]
    config, views = dict(app.config), dict(app.view_functions)
    app.config.update(SETTINGS=settings, TESTING=True)
    if settings.demo_today:
        set_today(settings.demo_today, settings.reporting_zone)
    with kept_database(settings.url, "application") as database:
        app.extensions["closedloop_database"].engine = database.engine
        yield app
    for now, before in ((app.config, config), (app.view_functions, views)):
        now.clear()
        now.update(before)


def copy_sqlite(empty: Path, to: Path) -> str:
    """Put a copy of a database in the place of one that nobody has open; return its URL."""
    for ending in ("-wal", "-shm", ""):
        Path(f"{to}{ending}").unlink(missing_ok=True)
    shutil.copyfile(empty, to)
    return f"sqlite:///{to}"


def lay_tables(instance: Path, url: str) -> None:
    """Let an instance find its tables made before `init`, as it does on a server that has them."""
    if url.startswith("sqlite"):
        instance.mkdir(mode=0o700, parents=True)
        copy_sqlite(Path(url.removeprefix("sqlite:///")), instance / "closedloop.sqlite3")
