"""Kill an import at random points with SIGKILL, go on, and compare with one nobody disturbed.

``python -m benchmarks.killed_imports [--kills 50] [--database sqlite] [--json FILE]``. Each
database has so many kills each way: of the import alone, of the import with processes beside
it, and of one of those processes; while parsing, redacting, writing, flagging, rolling up and
handing over, in turn. Row for row the result has to be the undisturbed one; what is not is
named, and the exit code is 1. The suite does the same at three points.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import random
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from closedloop.bench.places import Place, has_postgresql, open_place
from closedloop.models.imports import BatchState
from tests.databases import empty_postgresql
from tests.flows.import_sites import Beginner, Site, left_behind, rows_of, write
from tests.flows.points import PHASES

ROWS = 650
WAYS = ("alone", "with processes beside", "a process beside")
BESIDE_PHASES = ("parsing", "redacting")
"""What a process beside does."""


@dataclass
class Kills:
    """What came of the kills of one database, way and phase."""

    database: str
    way: str
    phase: str
    kills: int = 0
    right: int = 0
    wrong: list[str] = field(default_factory=list)


class Ground:
    """Empty sites on one database, one after the other."""

    def __init__(self, place: Place, folder: Path, beginner: Beginner) -> None:
        self.place, self.folder, self.beginner = place, folder, beginner
        self.numbers = itertools.count()
        self.last: Site | None = None
        if place.name == "sqlite":
            with place.database.engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")

    def fresh(self) -> Site:
        """Give a site without contacts; the one before is gone."""
        self.close()
        settings = self.place.settings
        if self.place.name == "postgresql":
            empty_postgresql(settings.database_url)
        else:
            path = self.folder / f"site-{next(self.numbers)}.sqlite3"
            shutil.copy(str(self.place.database.engine.url.database), path)
            settings = dataclasses.replace(settings, database_url=f"sqlite:///{path}")
        self.last = Site(settings, self.folder, self.beginner)
        return self.last

    def close(self) -> None:
        if self.last is None:
            return
        self.last.database.engine.dispose()
        if self.place.name == "sqlite":
            for path in self.folder.glob("site-*.sqlite3*"):
                path.unlink()
        self.last = None


@contextmanager
def ground(database: str) -> Iterator[Ground]:
    with ExitStack() as ending:
        place = ending.enter_context(open_place(database))
        folder = place.settings.instance / "kills"
        folder.mkdir()
        beginner = Beginner()
        ending.callback(beginner.close)
        made = Ground(place, folder, beginner)
        ending.callback(made.close)
        yield made


def prove(database: str, kills: int) -> list[Kills]:
    """Kill so often each way on one database."""
    found = []
    with ground(database) as site:
        path = write(site.folder / "crm.csv", rows_of(0, ROWS))
        for way in WAYS:
            began = time.monotonic()
            found += prove_way(site, path, way, kills)
            print(f"{database}: {kills} kills, {way}: {time.monotonic() - began:.0f} s", flush=True)
    return found


def prove_way(ground: Ground, path: Path, way: str, kills: int) -> list[Kills]:
    how: dict[str, Any] = {"beside": way != WAYS[0]}
    if way == WAYS[2]:
        how["victim"] = "beside"
    counted = ground.folder / f"undisturbed {way}"
    site = ground.fresh()
    code, _ = site.run(path, points=str(counted), **how)
    if code:
        raise SystemExit(f"{ground.place.name}, {way}: the undisturbed import ended with {code}.")
    wanted = site.picture()
    phases = BESIDE_PHASES if way == WAYS[2] else tuple(PHASES)
    points = {phase: (counted / phase).stat().st_size for phase in phases}
    results = {phase: Kills(ground.place.name, way, phase) for phase in phases}
    chance = random.Random(f"kills {kills} {way}")
    for number in range(kills):
        phase = phases[number % len(phases)]
        at = chance.randint(1, points[phase])
        result = results[phase]
        result.kills += 1
        folder = ground.folder / f"kill {way} {number}"
        try:
            fault = kill_and_go_on(ground.fresh(), path, folder, phase, at, wanted, how)
        except AssertionError as error:  # a process ended by a fault of its own
            fault = str(error)[-600:]
        shutil.rmtree(folder, ignore_errors=True)
        if fault:
            result.wrong.append(f"call {at} of {points[phase]}: {fault}")
        else:
            result.right += 1
    return list(results.values())


def kill_and_go_on(
    site: Site,
    path: Path,
    folder: Path,
    phase: str,
    at: int,
    wanted: dict[str, list[str]],
    how: dict[str, Any],
) -> str:
    """Return what is wrong after a kill at a point and a second run, nothing if nothing is."""
    code, said = site.run(path, points=str(folder), phase=phase, at=at, **how)
    is_helper = "victim" in how
    if is_helper and "was stopped from outside" not in said.get("refused", ""):
        return f"the import did not say that a process beside was stopped: {code} {said}"
    if is_helper and site.state()[0] is not BatchState.FAILED:
        return "the import whose process was stopped is not closed"
    if not is_helper and code != -9:
        return f"it was not killed but ended with {code}"
    if living := left_behind(folder):
        return f"{len(living)} processes beside live on"
    code, said = site.run(path, beside=how["beside"])
    if code or "refused" in said:
        return f"the second run ended with {code}: {said}"
    differences = site.differences(wanted, *(("events",) if is_helper else ()))
    return f"other rows than undisturbed: {str(differences)[:300]}" if differences else ""


def as_table(found: Sequence[Kills]) -> str:
    """Return the counts as a table for people, and each fault on a line."""
    lines = [f"{'database':<11} {'killed':<22} {'while':<13} {'kills':>5} {'ended right':>11}"]
    lines += [
        f"{k.database:<11} {k.way:<22} {k.phase:<13} {k.kills:>5} {k.right:>11}" for k in found
    ]
    lines += [f"WRONG {k.database}, {k.way}, {k.phase}, {w}" for k in found for w in k.wrong]
    total, right = sum(k.kills for k in found), sum(k.right for k in found)
    return "\n".join(
        [*lines, f"{right} of {total} imports ended row for row like the undisturbed."]
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50, help="each way; 50")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), action="append")
    parser.add_argument("--json", type=Path, metavar="FILE")
    asked = parser.parse_args(arguments)
    databases = asked.database or ["sqlite", *(["postgresql"] if has_postgresql() else [])]
    if not asked.database and len(databases) == 1:
        print("No PostgreSQL can be started here: SQLite alone.")
    found = [kills for database in databases for kills in prove(database, asked.kills)]
    report = json.dumps([dataclasses.asdict(kills) for kills in found], ensure_ascii=False)
    print(as_table(found))
    print(report)
    if asked.json:
        asked.json.write_text(report, encoding="utf-8")
    if any(kills.wrong for kills in found):
        raise SystemExit(1)


if __name__ == "__main__":
    main(sys.argv[1:])
