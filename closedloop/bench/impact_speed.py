"""How long a fit takes beside a peer's, and a night's round over a thousand themes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from hashlib import sha256
from math import log
from pathlib import Path
from typing import Any

import numpy as np

from closedloop.bench.impact_cases import N_OTHERS, SIZES, Case, make_world, place
from closedloop.bench.impact_figures import Line, line, median
from closedloop.bench.impact_peers import COMPONENTS, run_method
from closedloop.bench.impact_tables import SEED, ask
from closedloop.bench.impact_workers import open_cluster, open_pool, run_all
from closedloop.bench.peers import PeerNotThere
from closedloop.domain.impact import PRE_DAYS_MAX
from ml.impact import ImpactEstimate, estimate_impact, watch_for_comeback
from ml.themes.threads import one_thread_each

MOST_MS, LEAST_TIMES, MOST_SECONDS, MOST_EXPONENT = 10.0, 25.0, 180.0, 1.1
FIT_PRE, FIT_POST, FITS, REPEATS = 365, 60, 12, 5
THREE_YEARS, ROUND_POST = 3 * 365, 84
THEMES_A_GROUP = 8
PROCESSES = 2
ROUND = 1_000

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Group:
    """Themes of one made-up centre that are measured in a night: the unit of work.

    Attributes
    ----------
    number : int
        Of the centre.
    themes : int
        How many of it are measured, each beside the others.
    most_pre : int
        Days before the change that are read at most.
    """

    number: int
    themes: int
    most_pre: int = THREE_YEARS


@dataclass(frozen=True)
class Done:
    """What measuring a group gave: the figures' bytes, hashed, and processor seconds."""

    digest: str
    cpu_seconds: float


def speed_lines(
    sizes: tuple[int, int, int], python: Path | None, said: list[str], tell: Tell
) -> list[Line]:
    """Return the lines about speed.

    Parameters
    ----------
    sizes : tuple of int
        Themes of a round, smallest first; the last is scaled up to 1,000 where it has fewer.
    python : Path or None
        Of the environment that has statsmodels.
    """
    tell("speed: single fits")
    found = fit_lines(python, said)
    rounds = []
    for themes in sizes:
        tell(f"speed: a round over {themes:,} themes with 3 years of days on {PROCESSES} processes")
        rounds.append(_time_round(themes))
    found += _round_lines(sizes, rounds)
    tell(f"speed: a round over {sizes[0]:,} themes as the nightly job reads them")
    found.append(_capped_line(sizes[0]))
    tell(f"speed: a round over {sizes[0]:,} themes on a Dask cluster")
    return [*found, *_same_bits(sizes[0], rounds[0], said)]


@one_thread_each
def fit_lines(python: Path | None, said: list[str]) -> list[Line]:
    """Return what one fit takes, on one thread, beside the peer's on the same cases."""
    cases = _fit_cases()
    single = [_milliseconds(partial(_fit_once, case, calibrate=False)) for case in cases]
    alone = [_milliseconds(partial(_fit_once, case)) for case in cases[:4]]
    both = [_milliseconds(partial(_fit_twice, case, *ask([case]))) for case in cases[:4]]
    whole = [_milliseconds(partial(ask, [case])) for case in cases[:4]]
    days = f"{FIT_PRE} days before and {FIT_POST} after"
    found = [
        median(f"single fit, {days}: ms of processor time", single, most=MOST_MS),
        median("own history, with a look at the last fortnight before: ms", alone),
        median("own history and beside other themes, with that look: ms", both),
        median(f"whole estimate, {N_OTHERS} other themes tried too: ms", whole),
    ]
    times = None
    if python is not None:
        try:
            rows = run_method(COMPONENTS, python, cases)["rows"]
        except PeerNotThere as reason:
            said.append(str(reason))
        else:
            peer = [row["ms"] for row in rows if row]
            found.append(median(f"{COMPONENTS} on the same cases: ms of processor time", peer))
            times = float(np.median(peer) / np.median(single))
    name = f"times faster than {COMPONENTS}, single fit"
    return [*found, line(name, times, None, len(cases), least=LEAST_TIMES)]


def _fit_cases() -> list[Case]:
    rng = np.random.default_rng([SEED, 1])
    sizes = list(SIZES.values())
    return [
        place(rng, make_world(rng, sizes[number % len(sizes)], FIT_PRE + FIT_POST), FIT_PRE)
        for number in range(FITS)
    ]


def _fit_once(case: Case, *, calibrate: bool = True) -> None:
    estimate_impact(
        case.counts, case.n_pre, case.first_day, holidays=case.holidays, calibrate=calibrate
    )


def _fit_twice(case: Case, known: ImpactEstimate) -> None:
    estimate_impact(
        case.counts,
        case.n_pre,
        case.first_day,
        controls=case.controls,
        holidays=case.holidays,
        same_controls_as=known,
    )


def _milliseconds(work: Callable[[], Any]) -> float:
    """Return the least processor time of some repeats: others' work only ever adds."""
    found = []
    for _ in range(REPEATS):
        started = time.process_time()
        work()
        found.append(time.process_time() - started)
    return 1000 * min(found)


@one_thread_each
def measure_group(group: Group) -> Done:
    """Estimate and watch each theme of a group, as a night does."""
    started = time.process_time()
    cases = group_cases(group)
    digest = sha256()
    for case, estimate in zip(cases, ask(cases), strict=True):
        digest.update(_bytes_of(case, estimate))
    return Done(digest.hexdigest(), time.process_time() - started)


@one_thread_each
def one_at_a_time(group: Group) -> str:
    """Return the digest of a group whose themes are estimated each by itself."""
    digest = sha256()
    for case in group_cases(group):
        digest.update(_bytes_of(case, *ask([case])))
    return digest.hexdigest()


def group_cases(group: Group) -> list[Case]:
    """Return the group's themes, each beside the others of its centre and with its own date."""
    rng = np.random.default_rng([SEED, 2, group.number])
    world = make_world(rng, SIZES["2 to 10"], THREE_YEARS)
    cases = []
    for column in range(group.themes):
        order = [column, *(other for other in range(N_OTHERS + 1) if other != column)]
        n_pre = THREE_YEARS - ROUND_POST + 7 * column
        case = place(rng, replace(world, counts=world.counts[:, order]), n_pre)
        cases.append(_shortened(case, group.most_pre))
    return cases


def _shortened(case: Case, most_pre: int) -> Case:
    first = max(0, case.n_pre - most_pre)
    return replace(
        case,
        counts=case.counts[first:],
        without=case.without[first:],
        controls=case.controls[first:],
        n_pre=case.n_pre - first,
        first_day=case.first_day + timedelta(days=first),
    )


def _bytes_of(case: Case, estimate: ImpactEstimate) -> bytes:
    watch = watch_for_comeback(
        case.counts, case.n_pre, case.first_day, case.holidays, case.controls
    )
    figures = [estimate.avoided, estimate.avoided_low, estimate.avoided_high, estimate.p_value]
    days = np.concatenate([figures, estimate.expected_per_day, estimate.avoided_cumulative])
    return days.tobytes() + repr((estimate.verdict, watch.alarm_days)).encode()


def groups_of(themes: int, most_pre: int = THREE_YEARS) -> list[Group]:
    """Return the groups that hold so many themes."""
    whole, rest = divmod(themes, THEMES_A_GROUP)
    sizes = [THEMES_A_GROUP] * whole + ([rest] if rest else [])
    return [Group(number, size, most_pre) for number, size in enumerate(sizes)]


@dataclass(frozen=True)
class _Round:
    seconds: float
    cpu_seconds: float
    digests: list[str]


def _time_round(themes: int, most_pre: int = THREE_YEARS) -> _Round:
    with open_pool(PROCESSES) as pool:
        run_all(pool, abs, range(PROCESSES))  # the processes stand before the clock starts
        started = time.perf_counter()
        done = run_all(pool, measure_group, groups_of(themes, most_pre))
        seconds = time.perf_counter() - started
    return _Round(seconds, sum(one.cpu_seconds for one in done), [one.digest for one in done])


def _round_lines(sizes: tuple[int, int, int], rounds: list[_Round]) -> list[Line]:
    found = []
    for themes, one in zip(sizes, rounds, strict=True):
        found += _round_of(f"round, {themes:,} themes", one, 1.0, themes == ROUND)
    if sizes[-1] != ROUND:
        name = f"round, {ROUND:,} themes scaled from {sizes[-1]:,}"
        found += _round_of(name, rounds[-1], ROUND / sizes[-1], True)
    exponent = log(rounds[-1].cpu_seconds / rounds[0].cpu_seconds) / log(sizes[-1] / sizes[0])
    name = f"round: growth from {sizes[0]:,} to {sizes[-1]:,} themes, exponent"
    return [*found, line(name, exponent, most=MOST_EXPONENT)]


def _round_of(name: str, one: _Round, times: float, has_bar: bool) -> list[Line]:
    """Return seconds by the clock, and of the processor: the clock of a machine left alone."""
    most = MOST_SECONDS if has_bar else None
    share = one.cpu_seconds / PROCESSES
    return [
        line(f"{name}: seconds by the clock", times * one.seconds, most=most),
        line(f"{name}: processor seconds a process", times * share, most=most),
    ]


def _capped_line(themes: int) -> Line:
    one = _time_round(themes, PRE_DAYS_MAX)
    share = one.cpu_seconds / PROCESSES * ROUND / themes
    name = f"round, {PRE_DAYS_MAX} days before read, as the service does"
    return line(f"{name}: processor seconds, {ROUND:,} themes", share)


def _same_bits(themes: int, pooled: _Round, said: list[str]) -> list[Line]:
    """Return whether this process, the pool and a cluster give the same bits."""
    groups = groups_of(themes)
    here = one_at_a_time(groups[0]) == pooled.digests[0]
    found = [line("in this process, one theme at a time: same bits", float(here), least=1.0)]
    with open_cluster(os.environ.get("CLOSEDLOOP_DASK_SCHEDULER", ""), PROCESSES) as cluster:
        if cluster is None:
            said.append("Dask is not installed, so no cluster was tried.")
            return [*found, line("the same round on a Dask cluster: same bits", None, least=1.0)]
        started = time.perf_counter()
        done = run_all(cluster, measure_group, groups)
        seconds = time.perf_counter() - started
    same = [one.digest for one in done] == pooled.digests
    found.append(line("the same round on a Dask cluster: same bits", float(same), least=1.0))
    return [*found, line("the same round on a Dask cluster: seconds by the clock", seconds)]
