"""Ask other methods about the same cases, each in a process of an environment of their own."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from closedloop.bench.impact_cases import GENERATOR, Case
from closedloop.bench.impact_figures import (
    Line,
    bias,
    is_covered,
    line,
    mean,
    median,
    rate,
)
from closedloop.bench.impact_tables import ALPHA, SEED, Job, Row, changed_cases
from closedloop.bench.peers import PeerNotThere, peer_python
from closedloop.bench.theme_kept import Kept

OWN = "closedloop"
COMPONENTS = "UnobservedComponents"
SLOW = "pycausalimpact"
QUICK = (COMPONENTS, "negative-binomial ITS, HAC", "conformal ridge", "Welch")
EFFECTS_COMPARED = (0.0, -0.2)
REQUIREMENTS = ("statsmodels>=0.14,<0.15", "scipy>=1.14,<1.16", "numpy>=2.1", "pandas>=2.2,<3")
SLOW_REQUIREMENTS = ("statsmodels>=0.14,<0.15", "scipy>=1.14,<1.16", "pandas>=2.2,<3", "jinja2>=3")
SLOW_ALONE = ("pycausalimpact==0.1.1",)
_SECONDS = 3_600


@dataclass(frozen=True)
class Pythons:
    """Where methods are installed; None where they are not."""

    quick: Path | None
    slow: Path | None

    def of(self, method: str) -> Path | None:
        """Return the Python that has a method."""
        return self.slow if method == SLOW else self.quick


def install_peers(said: list[str], directory: Path | None = None) -> Pythons:
    """Install the methods, each environment by itself; add to `said` what could not be had."""
    return Pythons(
        quick=_install(said, partial(peer_python, "impact", *REQUIREMENTS, directory=directory)),
        slow=_install(
            said,
            partial(
                peer_python,
                "impact-slow",
                *SLOW_REQUIREMENTS,
                alone=SLOW_ALONE,
                directory=directory,
            ),
        ),
    )


def _install(said: list[str], make: Any) -> Path | None:
    try:
        python: Path = make()
    except PeerNotThere as reason:
        said.append(str(reason))
        return None
    return python


def compared_cases(jobs: Sequence[Job], most: int | None = None) -> list[tuple[str, float, Case]]:
    """Return (id of the row, effect, case) of accuracy chunks, as peers are asked about them.

    Parameters
    ----------
    most : int, optional
        Cases of each chunk that are taken, all if left out.
    """
    return [
        (f"{job.size} {job.number}.{number}", effect, case)
        for job in jobs
        for number, effect, case in changed_cases(job)
        if effect in EFFECTS_COMPARED and (most is None or number < most)
    ]


def ask_peer(
    method: str,
    python: Path,
    jobs: Sequence[Job],
    *,
    keep: Path | None = None,
    most: int | None = None,
) -> Row:
    """Return a method's rows of the cases of some chunks.

    Returns
    -------
    dict
        ``rows`` (case, effect, avoided, low, high, p, truth, due, ms), ``failed`` (cases without
        an answer), ``versions``.

    Raises
    ------
    PeerNotThere
        If the method does not run.
    """
    basis = {
        "generator": GENERATOR,
        "seed": SEED,
        "jobs": [[job.size, job.number, job.cases] for job in jobs],
        "most": most,
        "script": Path(__file__).with_name("impact_peer.py").read_text(encoding="utf-8"),
    }
    return Kept(keep).measure(
        f"peers {jobs[0].size}", method, basis, partial(_ask, method, python, jobs, most)
    )


def _ask(method: str, python: Path, jobs: Sequence[Job], most: int | None) -> Row:
    compared = compared_cases(jobs, most)
    found = run_method(method, python, [case for _, _, case in compared])
    rows = [
        {**row, "case": name, "effect": effect, "truth": case.avoided, "due": case.due}
        for row, (name, effect, case) in zip(found["rows"], compared, strict=True)
        if row is not None
    ]
    failed = len(compared) - len(rows)
    return {"rows": rows, "failed": failed, "versions": found["versions"]}


def run_method(method: str, python: Path, cases: Sequence[Case]) -> Row:
    """Run a method over cases in a process of its own, on one thread.

    Raises
    ------
    PeerNotThere
        If it does not run.
    """
    with tempfile.TemporaryDirectory(prefix="closedloop-impact-") as directory:
        job = Path(directory)
        wanted = {"method": method, "cases": len(cases)}
        (job / "job.json").write_text(json.dumps(wanted), encoding="utf-8")
        np.savez(job / "cases.npz", **_arrays(cases))
        script = Path(__file__).with_name("impact_peer.py")
        try:
            subprocess.run(  # noqa: S603 - our own script in an environment made for it
                [str(python), "-P", "-W", "ignore", str(script), str(job)],
                check=True,
                capture_output=True,
                text=True,
                timeout=_SECONDS,
                env={**os.environ, **ONE_THREAD},
            )
            report: Row = json.loads((job / "found.json").read_text(encoding="utf-8"))
        except (OSError, subprocess.SubprocessError, ValueError) as error:
            told = (getattr(error, "stderr", "") or str(error)).strip().splitlines()
            why = told[-1] if told else "it said nothing"
            raise PeerNotThere(f"{method} was not compared: it did not run ({why}).") from error
    return report


ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def _arrays(cases: Sequence[Case]) -> dict[str, Any]:
    arrays: dict[str, Any] = {}
    for number, case in enumerate(cases):
        days = [case.first_day + timedelta(days=day) for day in range(len(case.counts))]
        closed = set(case.holidays)
        arrays[f"counts{number}"] = case.counts
        arrays[f"controls{number}"] = case.controls
        arrays[f"weekday{number}"] = np.array([day.weekday() for day in days])
        arrays[f"holiday{number}"] = np.array([day in closed for day in days])
        arrays[f"n_pre{number}"] = np.array(case.n_pre)
    return arrays


def peer_lines(own_rows: Sequence[Row], peers: dict[str, Row]) -> list[Line]:
    """Return each method's figures, then our lead in size-adjusted power on the same cases.

    Parameters
    ----------
    own_rows : sequence of dict
        Our accuracy rows of at least the cases that peers were asked about.
    peers : dict of str to dict
        What `ask_peer` found, the chunks put together.
    """
    found = []
    seen = {key for peer in peers.values() for key in map(_key, peer["rows"])}
    if seen:
        found += _method_lines(OWN, [row for row in own_rows if _key(row) in seen])
    for method, peer in peers.items():
        found += _method_lines(method, peer["rows"])
        found.append(line(f"{method}: cases without an answer", float(peer["failed"])))
        median_ms = [row["ms"] for row in peer["rows"]]
        found.append(median(f"{method}: milliseconds of processor time a fit", median_ms))
    return [*found, *(_lead(own_rows, method, peer) for method, peer in peers.items())]


def _key(row: Row) -> tuple[str, float]:
    return row["case"], row["effect"]


def _method_lines(method: str, rows: Sequence[Row]) -> list[Line]:
    null = [row for row in rows if row["effect"] == 0]
    fell = [row for row in rows if row["effect"] == EFFECTS_COMPARED[1]]
    seen = [row["p"] < ALPHA and row["avoided"] > 0 for row in fell]
    return [
        rate(f"{method}: false positives at 5 %", [row["p"] < ALPHA for row in null]),
        rate(f"{method}: truth in the 95 % range", [is_covered(row) for row in rows]),
        rate(f"{method}: power at -20%", seen),
        rate(f"{method}: power at -20%, size-adjusted", adjusted_hits(rows)),
        median(f"{method}: median bias in points at -20%", [bias(row) for row in fell]),
    ]


def adjusted_hits(rows: Sequence[Row]) -> list[bool]:
    """Say which falls of 20 % are seen at the p that 5 % of the cases without effect fall below."""
    null = sorted(row["p"] for row in rows if row["effect"] == 0)
    below = null[int(ALPHA * len(null))] if null else 0.0
    fell = [row for row in rows if row["effect"] == EFFECTS_COMPARED[1]]
    return [row["p"] < below and row["avoided"] > 0 for row in fell]


def _lead(own_rows: Sequence[Row], method: str, peer: Row) -> Line:
    """Return our size-adjusted power less the peer's, over the cases that it answered."""
    answered = {_key(row) for row in peer["rows"]}
    ours = {_key(row): row for row in own_rows if _key(row) in answered}
    pairs = [(ours[_key(row)], row) for row in peer["rows"] if _key(row) in ours]
    own = adjusted_hits([own for own, _ in pairs])
    other = adjusted_hits([row for _, row in pairs])
    leads = [float(a) - float(b) for a, b in zip(own, other, strict=True)]
    return mean(f"size-adjusted power at -20%: ours less that of {method}", leads, least=0.0)
