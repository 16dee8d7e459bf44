"""Discovery and re-assignment may die anywhere: nothing is half done, and the next run ends right.

`CLOSEDLOOP_KILLS=50` kills each kind of work at fifty points instead of three.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from closedloop.config import Settings
from closedloop.domain.audit import COMMAND_LINE
from closedloop.domain.runs import PartState
from closedloop.extensions import Database
from closedloop.models import (
    Contact,
    ContactLink,
    DailyRollup,
    DefinitionSet,
    RunPart,
    Theme,
    ThemeChange,
    ThemeEvidence,
    ThemeStats,
    ThemeWeek,
)
from closedloop.services.migrations import upgrade_database
from closedloop.services.themes import assign_contacts
from tests.factories.histories import START, add_contacts
from tests.factories.run_sites import Site, maker_of
from tests.flows.killed_themes import PHASES, WORK, accept
from tests.site import ROOT, SERVER, demo_database

KILLS = int(os.environ.get("CLOSEDLOOP_KILLS", "3"))
Picture = dict[str, Any]


class Killer:
    """A process that does work in processes of its own, which it lets die where it is told to."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.flows.killed_themes"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, settings: Settings, work: str, folder: Path, **point: Any) -> dict[str, Any]:
        names = ("secret_key", "customer_key", "database_url", "reporting_zone", "privacy_k")
        kept = {name: getattr(settings, name) for name in names}
        kept["instance"] = str(settings.instance)
        told = {"settings": kept, "work": work, "points": {"folder": str(folder), **point}}
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps(told) + "\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def close(self) -> None:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.close()
        self.process.wait(20)
        self.process.stdout.close()


@pytest.fixture
def killer() -> Iterator[Killer]:
    started = Killer()
    yield started
    started.close()


class Base:
    """A site of which any number of copies can be had, one after the other."""

    def __init__(self, settings: Settings, migrated: str, tmp_path: Path, work: str) -> None:
        self.settings, self.tmp_path, self.work = settings, tmp_path, work
        self.numbers = itertools.count()
        self.held = ExitStack()
        # the migrated database of a server has its connections, and is not copied
        self.made = self._next(copy_of="" if SERVER else f"sqlite:///{migrated}")

    def make(self) -> None:
        """Live through what comes before the work, once."""
        database = Database().open(self.made)
        if SERVER:
            upgrade_database(database.engine)
        self._live(database, dataclasses.replace(self.settings, database_url=self.made))
        if not SERVER:
            with database.engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        database.engine.dispose()  # a database that somebody is connected to cannot be copied

    def copy(self) -> tuple[Database, Settings]:
        url = self._next(copy_of=self.made)
        database = Database().open(url)
        self.held.callback(database.engine.dispose)
        return database, dataclasses.replace(self.settings, database_url=url)

    def _next(self, copy_of: str = "") -> str:
        number = next(self.numbers)
        if SERVER:
            name = f"closedloop_life{number}_{os.getpid()}"
            template = sa.make_url(copy_of).database or "" if copy_of else ""
            site = self.held.enter_context(demo_database(name, template))
            return site["CLOSEDLOOP_DATABASE_URL"]
        path = self.tmp_path / f"site-{number}.sqlite3"
        if copy_of:
            shutil.copy(copy_of.removeprefix("sqlite:///"), path)
        return f"sqlite:///{path}"

    def _live(self, database: Database, settings: Settings) -> None:
        """Find themes, agree one, and let contacts come in; accept, where that is taken back."""
        site = Site(database, settings, COMMAND_LINE)
        site.add(CARD=9, LOST=6, PIN=7)
        site.discover("CARD", "PIN")
        site.keep("Card")
        if self.work != "discover":
            site.discover("CARD+LOST", "PIN")
        if self.work == "take back":
            accept(database, settings)
        late = START + timedelta(days=30)
        add_contacts(database, settings, {"TOPUP": 6, "CARD": 3}, tag="late", start=late)


PICTURED: dict[Any, tuple[str, ...]] = {
    Contact: ("id", "cluster", "theme_id", "theme_confidence"),
    ContactLink: (),
    DailyRollup: (),
    ThemeStats: (),
    ThemeWeek: ("theme_id", "week", "contacts"),
    Theme: ("key", "name", "status", "keywords"),
    ThemeEvidence: ("theme_id", "contact_id", "kind"),
    ThemeChange: ("theme_id", "kind", "undone_by"),
}
"""Tables with the columns that count; of some all but their own number."""


def picture(database: Database, *, left_out: tuple[str, ...] = ()) -> Picture:
    """Return all that says where contacts are and what is made from it, by no time and no run.

    Themes go by their key: what is rolled back uses numbers up.
    """
    with database.reading() as session:
        keys: dict[Any, Any] = dict(session.execute(sa.select(Theme.id, Theme.key)).all())

        def rows(columns: list[Any], *where: Any) -> list[str]:
            found = session.execute(sa.select(*columns).where(*where)).mappings()
            return sorted(
                str({n: keys.get(v) if n == "theme_id" else v for n, v in row.items()})
                for row in found
            )

        sets = session.scalars(sa.select(DefinitionSet).where(DefinitionSet.is_current))
        waits = RunPart.state == PartState.PROPOSED
        found: Picture = {
            "owners": [[keys.get(theme) for theme in one.label_themes] for one in sets],
            "parts": rows([RunPart.kind, RunPart.theme_id], waits),
        }
        for table, names in PICTURED.items():
            own = [c for c in table.__table__.c if c.key in names or (not names and c.key != "id")]
            found[table.__tablename__] = rows(own)
    return {name: rows for name, rows in found.items() if name not in left_out}


def differences(one: Picture, other: Picture) -> list[str]:
    return [name for name in one if one[name] != other[name]]


@pytest.fixture(params=WORK)
def base(request, settings, migrated, tmp_path) -> Iterator[Base]:
    """A site before each kind of work."""
    settings.instance.mkdir()
    base = Base(settings, migrated, tmp_path, request.param)
    with base.held:
        base.make()
        yield base


@pytest.mark.slow
def test_killed_at_random_points_work_on_themes_leaves_nothing_half_done_and_ends_right(
    base, killer, tmp_path
) -> None:
    work = base.work
    database, at = base.copy()
    loose = ("theme_evidence",)  # quotes are picked after everything else is written
    whole = [picture(database, left_out=loose)]
    assign_contacts(database.transaction, settings=at, by=COMMAND_LINE, maker=maker_of())
    whole.append(picture(database, left_out=loose))  # new contacts got their themes
    database, at = base.copy()
    done = killer.run(at, work, tmp_path / "undisturbed")
    assert done["status"] == 0
    wanted, points = picture(database), {name: n for name, n in done["points"].items() if n}
    whole.append(picture(database, left_out=loose))
    assert len(points) >= 5
    assert differences(whole[0], whole[2])
    chance = random.Random(f"{work} {KILLS}")
    phases = [name for name in PHASES if name in points]
    chance.shuffle(phases)

    for number in range(KILLS):
        phase = phases[number % len(phases)]
        point = chance.randint(1, points[phase])
        where = f"{work}, killed while {phase}, point {point} of {points[phase]}"
        database, at = base.copy()
        folder = tmp_path / f"kill-{number}"
        killed = killer.run(at, work, folder, phase=phase, at=point)
        assert killed["status"] == -9, where
        left = picture(database, left_out=loose)
        assert any(not differences(left, state) for state in whole), where

        WORK[work](database, at)

        assert differences(picture(database), wanted) == [], where
