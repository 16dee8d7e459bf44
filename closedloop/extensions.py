"""What is bound to the application: the database, sign-in and CSRF protection."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import flask
import sqlalchemy as sa
from flask_login import LoginManager
from flask_wtf import CSRFProtect
from sqlalchemy.orm import Session

from closedloop.config import Settings

BUSY_TIMEOUT_MS = 15_000
PAGES_IN_LOG = 16_000
"""Changed pages, 64 MB, that SQLite gathers before it puts them in their places: an import changes
the same ones over and over, and each time they are put there it waits for the disk."""

_EVERY_TABLE_THAT_GREW = 0x10002
"""Of `PRAGMA optimize`: also tables that this connection has not read."""


def make_engine(url: str) -> sa.Engine:
    """Return an engine with the house's settings for its database.

    SQLite runs in WAL mode, waits for other writers, enforces foreign keys, and opens a
    transaction that will write with BEGIN IMMEDIATE: a reader that turned writer half-way
    would fail at once when another one wrote in between.
    """
    # what a statement was given may be what a customer said, and is for no log
    arguments: dict[str, Any] = {"hide_parameters": True}
    arguments["pool_pre_ping"] = not url.startswith("sqlite")
    if url.startswith("postgresql"):
        arguments["connect_args"] = {"options": "-c timezone=UTC -c lock_timeout=30000"}
    engine = sa.create_engine(url, **arguments)
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _prepare_sqlite)
        sa.event.listen(engine, "begin", _begin_sqlite)
    else:
        sa.event.listen(engine, "handle_error", _keep_rows_out)
    return engine


def _keep_rows_out(context: sa.engine.ExceptionContext) -> None:
    """Cut what a server says of an error to its first line: those below may hold a whole row."""
    if not getattr(context.original_exception, "sqlstate", None):
        return
    for error in (context.original_exception, context.sqlalchemy_exception):
        if error is not None and error.args:
            first_line = str(error.args[0]).partition("\n")[0]
            error.args = (first_line, *error.args[1:])


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None
    for pragma in (
        "journal_mode=wal",
        "synchronous=normal",
        "foreign_keys=on",
        f"busy_timeout={BUSY_TIMEOUT_MS}",
        "cache_size=-48000",
        "temp_store=memory",
        f"wal_autocheckpoint={PAGES_IN_LOG}",
    ):
        connection.execute(f"pragma {pragma}").close()


def _begin_sqlite(connection: sa.Connection) -> None:
    writes = connection.get_execution_options().get("closedloop_writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


class Database:
    """One engine; reading sessions per request, writing ones per transaction.

    Used by every door. Nothing but `transaction` commits.
    """

    engine: sa.Engine

    def open(self, url: str) -> Database:
        """Bind to a database and return self."""
        self.engine = make_engine(url)
        return self

    def init_app(self, app: flask.Flask, settings: Settings) -> None:
        """Bind to the application's database and close its sessions with each request."""
        self.open(settings.url)
        app.extensions["closedloop_database"] = self
        app.teardown_appcontext(self._close)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Give a session for SELECTs; whatever it changes is rolled back."""
        session = Session(self.engine)
        try:
            yield session
        finally:
            session.close()

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Give a session that writes: committed at the end, rolled back on an exception."""
        bind = self.engine.execution_options(closedloop_writes=True)
        with Session(bind, expire_on_commit=False) as session:
            yield session
            session.commit()

    def compact(self, *, vacuum: bool = False) -> bool:
        """Drop old copies of pages in the log; with `vacuum` also those in free space.

        A vacuum rewrites the database: it needs as much free disk again and holds writers up.

        Returns
        -------
        bool
            Whether it is done. SQLite empties its log only while nobody reads what stands there.
        """
        automatic = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        if self.engine.dialect.name == "postgresql":
            if vacuum:
                with automatic.connect() as connection:
                    connection.exec_driver_sql("VACUUM")
            return True
        raw = self.engine.raw_connection()
        try:
            raw.execute("PRAGMA secure_delete = ON").close()
            if vacuum:
                raw.execute("VACUUM").close()
            (is_busy, *_) = raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        finally:
            raw.close()
        return not is_busy

    def look_at_sizes(self) -> None:
        """Let SQLite note how its tables have grown, so that it looks rows up by the right index.

        It looks at some rows of each index, however large it is. PostgreSQL does so by itself.
        """
        if self.engine.dialect.name == "sqlite":
            raw = self.engine.raw_connection()
            try:
                raw.execute("PRAGMA analysis_limit = 1000").close()
                raw.execute(f"PRAGMA optimize = {_EVERY_TABLE_THAT_GREW}").close()
            finally:
                raw.close()

    @property
    def session(self) -> Session:
        """The reading session of the current request."""
        if "db_session" not in flask.g:
            flask.g.db_session = Session(self.engine)
        session: Session = flask.g.db_session
        return session

    def _close(self, _error: BaseException | None) -> None:
        session = flask.g.pop("db_session", None)
        if session is not None:
            session.close()


class _CurrentDatabase:
    """The database of the application that is running: `db.session`, `db.transaction()`."""

    def __getattr__(self, name: str) -> Any:
        return getattr(flask.current_app.extensions["closedloop_database"], name)


db: Database = _CurrentDatabase()  # type: ignore[assignment]
login_manager = LoginManager()
csrf = CSRFProtect()


def current_settings() -> Settings:
    """Return the settings of the application that is running."""
    settings: Settings = flask.current_app.config["SETTINGS"]
    return settings
