"""Ask the product about made-up cases, in chunks that can be kept and go to any process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from hashlib import sha256
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np

from closedloop.bench.impact_cases import (
    GENERATOR,
    SIZES,
    Case,
    after_worst_fortnight,
    change,
    contaminate,
    displace,
    make_case,
    make_shipped,
    make_tenant,
    make_watched,
)
from closedloop.bench.theme_kept import Kept
from ml import impact
from ml.impact import ImpactCase, ImpactEstimate, estimate_many, watch_for_comeback
from ml.themes.threads import one_thread_each

SEED = 20260501
ALPHA = 0.05
EFFECTS = (-0.1, -0.2, -0.3, -0.5)
SHIPPED_EFFECTS = (-0.2, -0.3)
CASES_A_CHUNK = 10
BESIDE_THE_ENGINE = ("__init__.py", "power.py", "monitor.py", "learning.py")
"""Of `ml.impact`, what neither estimates nor watches use."""
HIT_TOO = -0.3  # effect on the theme, and on half the volume beside it or a sibling
WATCH_PRE, WATCH_POST = 180, 365
BACK_ON, BACK_FOR = 75, 28  # days after the fix, and days watched from then on

Row = dict[str, Any]


@dataclass(frozen=True)
class Job:
    """A chunk of one table; the same job gives the same rows, whatever the process.

    Attributes
    ----------
    table : str
        One of `TABLES`.
    size : str
        One of `SIZES`; empty for tables that mix them.
    number : int
        Of the chunk, from 0.
    cases : int
    """

    table: str
    size: str
    number: int
    cases: int = CASES_A_CHUNK

    def rng(self) -> np.random.Generator:
        """Return the chunk's own stream."""
        words = (crc32(self.table.encode()), crc32(self.size.encode()))
        return np.random.default_rng([SEED, *words, self.number])

    def basis(self) -> Row:
        """Return what the rows rest on."""
        return {
            "engine": engine_digest(),
            "generator": GENERATOR,
            "seed": SEED,
            "cases": self.cases,
        }


@cache
def engine_digest() -> str:
    """Return a digest of the engine's source and prior: what is kept is of this engine only."""
    folder = Path(impact.__file__).parent
    digest = sha256()
    for path in sorted((*folder.glob("*.py"), *folder.glob("*.csv"))):
        if path.name not in BESIDE_THE_ENGINE:
            digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


@one_thread_each
def measure_chunk(job: Job, keep: Path | None = None) -> list[Row]:
    """Return the rows of a chunk, from the folder where it was kept before."""
    make = partial(_measure, job)
    name = f"{job.table} {job.size}".strip()
    rows: list[Row] = Kept(keep).measure(name, str(job.number), job.basis(), make)["rows"]
    return rows


def _measure(job: Job) -> Row:
    return {"rows": list(TABLES[job.table](job.rng(), job))}


def ask(cases: Sequence[Case], alpha: float = ALPHA) -> list[ImpactEstimate]:
    """Return what the product says of each case."""
    return estimate_many(
        [
            ImpactCase(
                case.counts,
                case.n_pre,
                case.first_day,
                controls=case.controls,
                holidays=case.holidays,
                skip=tuple(case.skip),
                alpha=alpha,
            )
            for case in cases
        ]
    )


def row_of(case: Case, estimate: ImpactEstimate, /, **more: Any) -> Row:
    """Return what was said beside what is true, plain values."""
    return {
        **more,
        "verdict": str(estimate.verdict),
        "p": estimate.p_value,
        "avoided": estimate.avoided,
        "low": estimate.avoided_low,
        "high": estimate.avoided_high,
        "truth": case.avoided,
        "due": case.due,
        "shape": case.shape,
    }


def changed_cases(job: Job) -> Iterator[tuple[int, float, Case]]:
    """Yield (number of the case, effect, case) of an accuracy chunk, each case unchanged first."""
    rng = job.rng()
    for number in range(job.cases):
        case = make_case(rng, job.size)
        yield number, 0.0, case
        for effect in EFFECTS:
            yield number, effect, change(rng, case, effect)


def _accuracy(rng: np.random.Generator, job: Job) -> Iterator[Row]:
    del rng  # `changed_cases` takes the chunk's stream itself, so that peers get the same cases
    cases = list(changed_cases(job))
    estimates = ask([case for _, _, case in cases])
    for (number, effect, case), estimate in zip(cases, estimates, strict=True):
        yield row_of(case, estimate, case=f"{job.size} {job.number}.{number}", effect=effect)


def _rollout(rng: np.random.Generator, job: Job) -> Iterator[Row]:
    cases: list[tuple[float, Case]] = []
    for _ in range(job.cases):
        case = make_shipped(rng, job.size)
        cases.append((0.0, case))
        cases += [(effect, change(rng, case, effect)) for effect in SHIPPED_EFFECTS]
    for (effect, case), estimate in zip(cases, ask([case for _, case in cases]), strict=True):
        yield row_of(case, estimate, effect=effect)


def _peak(rng: np.random.Generator, job: Job) -> Iterator[Row]:
    cases = [after_worst_fortnight(rng, job.size) for _ in range(job.cases)]
    yield from map(row_of, cases, ask(cases))


def _contaminated(rng: np.random.Generator, job: Job) -> Iterator[Row]:
    cases = [contaminate(rng, make_case(rng, job.size), HIT_TOO) for _ in range(job.cases)]
    yield from map(row_of, cases, ask(cases))


def _displaced(rng: np.random.Generator, job: Job) -> Iterator[Row]:
    pairs = [displace(rng, make_case(rng, job.size), HIT_TOO) for _ in range(job.cases)]
    for part in pairs:
        own, net = map(row_of, part, ask(part))
        yield {"own": own, "net": net}


def _many(rng: np.random.Generator, job: Job) -> Iterator[Row]:
    for _ in range(job.cases):
        tenant = make_tenant(rng)
        estimates = ask(tenant.cases)
        yield {
            "fell": [bool(one) for one in tenant.fell],
            "p": [one.p_value for one in estimates],
            "avoided": [one.avoided for one in estimates],
            "moved": estimates[0].share_of_controls_moved or 0.0,
        }


def _watch(case: Case) -> tuple[list[int], int]:
    """Return the alarms as days after the fix, and on how many days one could have come."""
    watch = watch_for_comeback(
        case.counts, case.n_pre, case.first_day, case.holidays, case.controls
    )
    return [day - case.n_pre for day in watch.alarm_days], watch.days_watched


def _comeback(rng: np.random.Generator, job: Job) -> Iterator[Row]:
    stays = partial(make_watched, rng, job.size, n_pre=WATCH_PRE)
    for _ in range(job.cases):
        false, days = _watch(stays(n_post=WATCH_POST, back_on=None))
        seen, _ = _watch(stays(n_post=BACK_ON + BACK_FOR, back_on=BACK_ON))
        late = [day - BACK_ON for day in seen if day >= BACK_ON]
        yield {"false": len(false), "days": days, "seen_after": late[0] if late else None}


TABLES: dict[str, Callable[[np.random.Generator, Job], Iterator[Row]]] = {
    "accuracy": _accuracy,
    "rollout": _rollout,
    "peak": _peak,
    "contaminated": _contaminated,
    "displaced": _displaced,
    "many": _many,
    "comeback": _comeback,
}
ALL_SIZES = tuple(SIZES)
FROM_TWO = ALL_SIZES[1:]
