"""What every command shares: the instance, JSON output, progress, refusals in a sentence."""

from __future__ import annotations

import functools
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

import click
from sqlalchemy.exc import DatabaseError, SQLAlchemyError

from closedloop.adapters.types import BadMapping, UnreadableFile
from closedloop.config import Settings, SettingsError
from closedloop.domain.clock import set_today
from closedloop.domain.errors import Refusal
from closedloop.domain.jobs import Progress
from closedloop.extensions import Database
from closedloop.services.migrations import database_revisions, made_by_newer, tables_problem

Command = TypeVar("Command", bound=Callable[..., Any])
REPORT_SECONDS = 0.5
SECONDS_BETWEEN_COUNTS = 10
_NUMBERS = re.compile(r"\d[\d,.]*")
_UNDECODED = re.compile(r"[\ud800-\udfff]")
BAR_WIDTH = 20


class Number(click.types.IntParamType):
    """A whole number that the database can hold: an id, or how many."""

    name = "integer"

    def __init__(self, least: int = 1, most: int = 2**31 - 1) -> None:
        self.least, self.most = least, most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number, or refuse it with what may be written."""
        found = int(super().convert(value, param, ctx))
        if not self.least <= found <= self.most:
            self.fail(f"Write a number from {self.least:,} to {self.most:,}.", param, ctx)
        return found


class OutFile(click.Path):
    """A file to be written, in a folder that is there."""

    def __init__(self) -> None:
        super().__init__(dir_okay=False, writable=True, path_type=Path)

    def convert(
        self,
        value: str | os.PathLike[str],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Any:
        """Return the path, or refuse it before any work is done."""
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        if not path.parent.is_dir():
            self.fail(f"The folder {path.parent} does not exist. Make it first.", param, ctx)
        if not path.exists() and not os.access(path.parent, os.W_OK):
            self.fail(f"Nothing can be written to the folder {path.parent}.", param, ctx)
        return path


NUMBER = Number()
CONTACT_NUMBER = Number(most=2**63 - 1)
SEED = Number(least=0, most=2**32 - 1)
PORT = Number(least=0, most=65_535)
OUT_FILE = OutFile()


@dataclass
class Site:
    """An instance opened by a command."""

    settings: Settings
    database: Database


def instance_option(command: Command) -> Command:
    """Add `--instance DIR`."""
    return click.option(
        "--instance",
        type=click.Path(file_okay=False, path_type=Path),
        default=None,
        envvar="CLOSEDLOOP_INSTANCE",
        help="Directory of database, uploads, keys and cache. [default: instance]",
    )(command)


def json_option(command: Command) -> Command:
    """Add `--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")(
        command
    )


def open_site(instance: Path | None, *, needs_tables: bool = True) -> Site:
    """Open an instance; a database that lacks tables is refused with what to do."""
    settings = Settings.from_env(instance)
    if settings.demo_today:
        set_today(settings.demo_today, settings.reporting_zone)
    site = Site(settings, _open_database(settings.url))
    if context := click.get_current_context(silent=True):
        context.call_on_close(site.database.engine.dispose)
    current, newest = _revisions(site.database)
    problem = made_by_newer(current, newest)
    if needs_tables:
        init = f"closedloop init --instance {settings.instance}"
        problem = tables_problem(current, newest, init=init)
    if problem:
        raise Refusal(problem)
    return site


def _open_database(url: str) -> Database:
    """Bind to a database; its address is for no message, for it may hold a password."""
    try:
        return Database().open(url)
    except (SQLAlchemyError, ImportError, ValueError):
        raise Refusal(
            "CLOSEDLOOP_DATABASE_URL is no address of a database that closedloop can use. Write "
            "one like postgresql+psycopg://user:password@host/closedloop, or leave it empty for a "
            "file of SQLite in the instance."
        ) from None


def _revisions(database: Database) -> tuple[str | None, str | None]:
    """Return where the database stands and the newest revision, or say why it cannot be asked."""
    try:
        return database_revisions(database.engine)
    except DatabaseError as error:
        where = database.engine.url.render_as_string(hide_password=True)
        said = str(error.orig).strip().partition("\n")[0]
        raise Refusal(
            f"The database {where} cannot be used: {said}. See that it runs, and that "
            "CLOSEDLOOP_DATABASE_URL names it."
        ) from None


def speaks_plainly(command: Command) -> Command:
    """Turn refusals into one sentence on standard error and exit status 1."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            _refuse_undecoded(kwargs.values())
            return command(*args, **kwargs)
        except (Refusal, SettingsError, BadMapping, UnreadableFile) as refusal:
            click.echo(str(refusal), err=True)
            sys.exit(1)

    return run  # type: ignore[return-value]


def _refuse_undecoded(values: Iterable[Any]) -> None:
    """Refuse what a shell of another encoding handed over: nothing could store or print it."""
    for value in values:
        for text in value if isinstance(value, tuple) else (value,):
            if isinstance(text, str) and _UNDECODED.search(text):
                raise Refusal("What was typed is no UTF-8 text. Set the shell to UTF-8.")


class Ticker:
    """Shows progress on standard error: what, how far as a bar, how fast, how long is left.

    As a context it ends its line however the work ends, so that a refusal stands on its own.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self.quiet = quiet or not sys.stderr.isatty()
        self.started = self.last = time.monotonic()
        self.doing = ""
        self.total: int | None = None
        self.begun = 0

    def __enter__(self) -> Self:
        """Return itself, to be given to the work."""
        return self

    def __exit__(self, *stopped: object) -> None:
        """End the line."""
        self.close()

    def __call__(self, progress: Progress) -> None:
        """Draw one line, at most twice a second.

        Without a terminal a line for each step, and for each new count of it every ten seconds.
        """
        now = time.monotonic()
        if progress.total != self.total:  # another unit: time left is reckoned anew
            self.started, self.total, self.begun = now, progress.total, progress.done
        if self.quiet and self._is_news(progress.doing, now):
            self.doing, self.last = progress.doing, now
            click.echo(f"{progress.doing} …", err=True)
        if self.quiet or now - self.last < REPORT_SECONDS:
            return
        self.last = now
        line = self.line(progress, now - self.started, self.begun)
        click.echo(f"\r\x1b[K{line}", nl=False, err=True)

    def _is_news(self, doing: str, now: float) -> bool:
        if doing == self.doing:
            return False
        is_count = bool(_NUMBERS.search(doing)) and _words(doing) == _words(self.doing)
        return not is_count or now - self.last >= SECONDS_BETWEEN_COUNTS

    @staticmethod
    def line(progress: Progress, seconds: float, begun: int = 0) -> str:
        """Return the line for a progress after so many seconds, of which `begun` was done before.

        What is being done may say its own rate.
        """
        if not progress.total:
            return f"{progress.doing} {progress.done:,}" if progress.done else progress.doing
        share = min(progress.done / progress.total, 1)
        bar = "█" * round(share * BAR_WIDTH)
        parts = [f"▕{bar:<{BAR_WIDTH}}▏ {share:.0%} {progress.doing}"]
        rate = (progress.done - begun) / seconds if seconds else 0
        if " a second" not in progress.doing and rate:
            parts.append(f"{rate:,.0f} a second")
        if rate:
            parts.append(f"{_time_left((progress.total - progress.done) / rate)} left")
        return " · ".join(parts)

    def close(self) -> None:
        """End the line."""
        if not self.quiet:
            click.echo("\r\x1b[K", nl=False, err=True)


def _words(doing: str) -> str:
    return _NUMBERS.sub("", doing)


def _time_left(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def print_json(value: Any) -> None:
    """Print one JSON document."""
    click.echo(json.dumps(value, indent=2, default=str, ensure_ascii=False))


def print_table(headings: list[str], rows: list[list[Any]]) -> None:
    """Print a plain table, numbers to the right."""
    cells = [headings, *[["" if c is None else str(c) for c in row] for row in rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(headings))]
    for number, row in enumerate(cells):
        parts = [
            cell.rjust(width) if cell[:1].isdigit() and number else cell.ljust(width)
            for cell, width in zip(row, widths, strict=True)
        ]
        click.echo("  ".join(parts).rstrip())
        if number == 0:
            click.echo("  ".join("-" * width for width in widths))
