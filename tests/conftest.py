"""What every test may ask for: settings, a migrated database, a session, pages."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.config import Settings
from closedloop.domain.accounts import Role
from closedloop.domain.audit import Actor, ActorKind
from closedloop.domain.clock import set_today
from closedloop.extensions import Database
from closedloop.services.migrations import upgrade_database
from tests.databases import empty_postgresql
from tests.factories.accounts import make_user
from tests.kept import copy_sqlite, kept_application, kept_database
from tests.pages import PageClient
from tests.site import SERVER, DemoSite, build, demo_database

OPENS_A_DATABASE = {"migrated", "demo_site", "new_site"}
"""Fixtures without any of which a test does the same whatever the database is."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a second run leave out what the first has done already."""
    parser.addoption(
        "--database-only", action="store_true", help="leave out tests that open no database"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out tests that open no database, where that is asked for."""
    if not config.getoption("--database-only"):
        return
    opens = [bool(OPENS_A_DATABASE & set(item.fixturenames)) for item in items]
    config.hook.pytest_deselected(items=[i for i, o in zip(items, opens, strict=True) if not o])
    items[:] = [item for item, does in zip(items, opens, strict=True) if does]


def pytest_collection_finish() -> None:
    """Let the garbage collector pass over what was imported, and look seldom."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


@pytest.fixture(scope="session")
def demo_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoSite]:
    """The whole demo, built once a run by its own command; do not change what others read."""
    with demo_database(f"closedloop_demo_{os.getpid()}") as environment:
        yield build(tmp_path_factory.mktemp("demo") / "instance", environment)


@pytest.fixture(autouse=True)
def own_day() -> Iterator[None]:
    """Let no test live on the day that a command of another one has set for its process."""
    yield
    set_today(None)


@pytest.fixture
def actor() -> Actor:
    """Somebody to put changes down to."""
    return Actor("Priya Nair", ActorKind.PERSON)


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A migrated database: the path of a SQLite file to copy, or the URL of a database."""
    if not SERVER:
        path = tmp_path_factory.mktemp("database") / "empty.sqlite3"
        database = Database().open(f"sqlite:///{path}")
        upgrade_database(database.engine)
        database.engine.dispose()
        yield str(path)
        return
    name = f"closedloop_test_{os.getpid()}"
    admin = sa.create_engine(SERVER, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    url = sa.make_url(SERVER).set(database=name).render_as_string(hide_password=False)
    database = Database().open(url)
    upgrade_database(database.engine)
    database.engine.dispose()
    yield url
    with admin.connect() as connection:
        connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture
def database_url(migrated: str) -> Iterator[str]:
    """An empty, migrated database of this test's own."""
    if not SERVER:
        yield copy_sqlite(Path(migrated), Path(migrated).with_name("test.sqlite3"))
        return
    yield migrated
    empty_postgresql(migrated)


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    """Settings of a site in London."""
    return Settings(
        instance=tmp_path / "instance",
        secret_key="s" * 40,
        customer_key="c" * 40,
        database_url=database_url,
        site_name="Northbank",
        reporting_zone="Europe/London",
        holiday_country="GB-ENG",
        pence_per_minute=62,
    )


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """The database as jobs and commands see it."""
    with kept_database(database_url, "test") as database:
        yield database


@pytest.fixture
def session(database: Database) -> Iterator[Session]:
    """A writing session; commit it when another connection must see its rows."""
    bind = database.engine.execution_options(closedloop_writes=True)
    with Session(bind, expire_on_commit=False) as session:
        yield session


@pytest.fixture
def app(settings: Settings):
    """The application on this test's database."""
    (settings.instance / "uploads").mkdir(parents=True)
    with kept_application(settings) as app:
        yield app


@pytest.fixture
def page(app, session) -> PageClient:
    """A browser nobody has signed in with; every page it gets is audited."""
    return PageClient(app, session)


@pytest.fixture
def sign_in_as(page, session):
    """Sign the page client in as a fresh user: `sign_in_as(Role.CX_MANAGER)`."""

    def sign_in(role: Role, **values: object) -> PageClient:
        page.sign_in(make_user(session, role=role, **values))
        return page

    return sign_in


@pytest.fixture
def manager(sign_in_as) -> PageClient:
    """The page client signed in as a CX manager."""
    return sign_in_as(Role.CX_MANAGER)
