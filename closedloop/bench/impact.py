"""Prove how honest the impact numbers are: on made-up themes, in the demo, and on real series.

Every line says a figure, its Monte Carlo standard error, how many independent cases are behind it,
and, where one is asked, the bar with *met* or *MISSED*. Chunks of ten cases have a random stream of
their own, so that they may be measured in any order, in any process, and be kept: a run that was
stopped goes on and ends with the same figures.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from closedloop.bench.impact_demo import SEEDS, call_seed, demo_lines, name_misses
from closedloop.bench.impact_figures import (
    BySize,
    Line,
    accuracy_lines,
    comeback_lines,
    contaminated_lines,
    displaced_lines,
    many_lines,
    peak_lines,
    rollout_lines,
)
from closedloop.bench.impact_peers import (
    QUICK,
    SLOW,
    Pythons,
    ask_peer,
    install_peers,
    peer_lines,
)
from closedloop.bench.impact_real import real_lines
from closedloop.bench.impact_speed import speed_lines
from closedloop.bench.impact_tables import (
    ALL_SIZES,
    CASES_A_CHUNK,
    FROM_TWO,
    SEED,
    Job,
    Row,
    engine_digest,
    measure_chunk,
)
from closedloop.bench.impact_workers import open_pool, run_all
from closedloop.bench.peers import PeerNotThere
from ml.impact import METHOD_VERSION

Report = dict[str, Any]
Tell = Callable[[str], None]

TITLES = {
    "accuracy": "False positives, coverage, power and bias",
    "rollout": "Roll-outs that are stated, as when an action is shipped",
    "peak": "Dates set after a peak",
    "contaminated": "The change hit other themes, too",
    "displaced": "The contacts only moved, in part",
    "many": "Many themes at one look",
    "comeback": "Contacts that come back",
    "peers": "Other methods on the same cases",
    "speed": "Speed",
    "demo": "The demo's four planted fixes",
    "real": "Real series",
}
PARTS = tuple(TITLES)


@dataclass(frozen=True)
class Amounts:
    """How much is measured: chunks of `cases`, by size of theme where there are sizes.

    Attributes
    ----------
    compared : int
        Chunks of the accuracy cases, of each size, that other methods are asked about.
    slow : int
        Cases of each size that the slowest method is asked about.
    themes : tuple of int
        Themes of a nightly round, smallest first.
    """

    accuracy: int
    rollout: int
    peak: int
    contaminated: int
    displaced: int
    many: int
    comeback: int
    compared: int
    slow: int
    themes: tuple[int, int, int]
    cases: int = CASES_A_CHUNK


AMOUNTS = {
    "quick": Amounts(6, 4, 4, 3, 3, 2, 6, 2, 1, (16, 32, 64)),
    "full": Amounts(60, 60, 20, 20, 20, 20, 30, 10, 5, (250, 500, 1000)),
}


def run(
    *,
    size: str = "quick",
    amounts: Amounts | None = None,
    parts: Sequence[str] = (),
    data: Path | None = None,
    with_peers: bool = True,
    peers: Path | None = None,
    keep: Path | None = None,
    processes: int = 2,
    seeds: int = SEEDS,
    tell: Tell = print,
) -> Report:
    """Measure.

    Parameters
    ----------
    size : str
        ``quick`` or ``full``.
    amounts : Amounts, optional
        Measure so much instead.
    parts : sequence of str
        Of `PARTS`; all if left out.
    data : Path, optional
        Directory with the folders seatbelts and bank_calls_5min, or one of them.
    with_peers : bool
        Whether other methods are installed, in environments of their own, and asked.
    peers : Path, optional
        Where those environments are kept; the user's cache directory if left out.
    keep : Path, optional
        Folder for what was measured; what is there is not measured again while the engine and
        the generator stay the same.
    processes : int
        1 works in this one.
    seeds : int
        Demo years that are called, from seed 1 on.
    tell : function of str
        Hears what is being measured.

    Returns
    -------
    dict
        ``parts`` (lines by part: name, measured, error, cases, bar, holds), ``said`` (what was
        not measured, and why, and which calls of the demo were not as planted), ``missed``
        (names of lines), ``method``, ``engine``, ``seed``.
    """
    started = time.perf_counter()
    said: list[str] = []
    wanted = [part for part in PARTS if part in (parts or PARTS)]
    pythons = _peers(with_peers and bool({"peers", "speed"} & set(wanted)), peers, said, tell)
    with open_pool(processes) as pool:
        proof = _Proof(amounts or AMOUNTS[size], pool, keep, pythons, data, seeds, said, tell)
        found = {part: lines for part in wanted if (lines := proof.measure(part))}
    return {
        "size": size,
        "seed": SEED,
        "method": METHOD_VERSION,
        "engine": engine_digest(),
        "parts": found,
        "said": said,
        "missed": [one["name"] for lines in found.values() for one in lines if is_missed(one)],
        "seconds": round(time.perf_counter() - started, 1),
    }


def is_missed(one: Line) -> bool:
    """Whether a line has a bar and does not meet it."""
    return one["holds"] is False


def _peers(is_wanted: bool, directory: Path | None, said: list[str], tell: Tell) -> Pythons:
    if not is_wanted:
        return Pythons(None, None)
    tell("installing other methods in environments of their own")
    return install_peers(said, directory)


@dataclass(frozen=True)
class _Proof:
    amounts: Amounts
    pool: Executor | None
    keep: Path | None
    pythons: Pythons
    data: Path | None
    seeds: int
    said: list[str]
    tell: Tell

    def measure(self, part: str) -> list[Line]:
        """Return the lines of a part, none where it cannot be measured here."""
        found: list[Line] = getattr(self, f"_{part}")()
        return found

    def _accuracy(self) -> list[Line]:
        return accuracy_lines(self._by_size("accuracy", self.amounts.accuracy, ALL_SIZES))

    def _rollout(self) -> list[Line]:
        return rollout_lines(self._by_size("rollout", self.amounts.rollout, ALL_SIZES))

    def _peak(self) -> list[Line]:
        return peak_lines(self._by_size("peak", self.amounts.peak))

    def _contaminated(self) -> list[Line]:
        return contaminated_lines(self._by_size("contaminated", self.amounts.contaminated))

    def _displaced(self) -> list[Line]:
        return displaced_lines(self._by_size("displaced", self.amounts.displaced))

    def _many(self) -> list[Line]:
        return many_lines(self._chunks(self._jobs("many", "", self.amounts.many)))

    def _comeback(self) -> list[Line]:
        return comeback_lines(self._by_size("comeback", self.amounts.comeback))

    def _by_size(self, table: str, chunks: int, sizes: Sequence[str] = FROM_TWO) -> BySize:
        jobs = [job for size in sizes for job in self._jobs(table, size, chunks)]
        rows = self._chunks_apart(jobs)
        return {
            size: [
                row
                for job, part in zip(jobs, rows, strict=True)
                if job.size == size
                for row in part
            ]
            for size in sizes
        }

    def _jobs(self, table: str, size: str, chunks: int) -> list[Job]:
        return [Job(table, size, number, self.amounts.cases) for number in range(chunks)]

    def _chunks(self, jobs: Sequence[Job]) -> list[Row]:
        return [row for part in self._chunks_apart(jobs) for row in part]

    def _chunks_apart(self, jobs: Sequence[Job]) -> list[list[Row]]:
        def done(number: int) -> None:
            self.tell(f"{jobs[0].table}: {number} of {len(jobs)} chunks")

        return run_all(self.pool, partial(measure_chunk, keep=self.keep), jobs, done)

    def _peers(self) -> list[Line]:
        asked = [method for method in (*QUICK, SLOW) if self.pythons.of(method)]
        if not asked:
            self.said.append("No other method was asked about the same cases.")
            return []
        jobs = [self._jobs("accuracy", size, self.amounts.compared) for size in ALL_SIZES]
        own = self._chunks([job for of_size in jobs for job in of_size])
        found = {method: self._ask(method, jobs) for method in asked}
        return peer_lines(own, {method: peer for method, peer in found.items() if peer})

    def _ask(self, method: str, jobs: Sequence[Sequence[Job]]) -> Row | None:
        python = self.pythons.of(method)
        assert python is not None
        most = self.amounts.slow if method == SLOW else None
        whole: Row = {"rows": [], "failed": 0}
        for of_size in jobs:
            self.tell(f"peers: {method}, {of_size[0].size} a day")
            of_size = of_size[:1] if most else of_size
            try:
                part = ask_peer(method, python, of_size, keep=self.keep, most=most)
            except PeerNotThere as reason:
                self.said.append(str(reason))
                return None
            whole["rows"] += part["rows"]
            whole["failed"] += part["failed"]
        return whole

    def _speed(self) -> list[Line]:
        return speed_lines(self.amounts.themes, self.pythons.quick, self.said, self.tell)

    def _demo(self) -> list[Line]:
        def done(number: int) -> None:
            self.tell(f"demo: {number} of {self.seeds} seeds")

        seeds = range(1, self.seeds + 1)
        found = run_all(self.pool, partial(call_seed, keep=self.keep), seeds, done)
        rows = [row for rows in found for row in rows]
        self.said.extend(name_misses(rows))
        return demo_lines(rows)

    def _real(self) -> list[Line]:
        if self.data is None:
            self.said.append("No folder of real series was given, so none was measured.")
            return []
        self.tell("real series")
        return real_lines(self.data, self.said)


def as_table(report: Report) -> str:
    """Return the report as lines of text for people."""
    lines = [f"Impact, method {report['method']}, {report['size']}, seed {report['seed']}"]
    for part, found in report["parts"].items():
        lines += ["", f"{TITLES[part]}"]
        lines.append(f"  {'':<68}{'measured':>10}{'± error':>9}{'cases':>7}  {'bar':<14}")
        lines += [f"  {text}" for text in _texts(found)]
    lines += ["", *report["said"], ""]
    bars = [one for found in report["parts"].values() for one in found if one["holds"] is not None]
    lines.append(f"{len(bars) - len(report['missed'])} of {len(bars)} bars met.")
    return "\n".join([*lines, *(f"MISSED: {name}" for name in report["missed"])])


def _texts(lines: Sequence[Line]) -> Iterator[str]:
    for one in lines:
        said = {True: "met", False: "MISSED", None: "not measured" if one["bar"] else ""}
        cells = f"{one['name']:<68}{_figure(one['measured']):>10}{_figure(one['error']):>9}"
        cases = one["cases"] or ""
        yield f"{cells}{cases:>7}  {one['bar']:<14}{said[one['holds']]}".rstrip()


def _figure(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:,.1f}"
