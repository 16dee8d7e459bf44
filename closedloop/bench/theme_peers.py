"""Run each method of finding themes in a process of its own, peers in an environment of theirs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from closedloop.bench.peers import PeerNotThere, peer_python

OWN = "closedloop"
DEFAULTS = "BERTopic"
BEST = "BERTopic 50 + re-assign"
EVOC = "EVoC"
UMAP = "UMAP + hdbscan 15"
PEERS = (DEFAULTS, BEST, EVOC, UMAP)
SWEEP = "sweep"

REQUIREMENTS = (
    "evoc==0.3.2",
    "umap-learn==0.5.12",
    "hdbscan==0.8.44",
    "scikit-learn==1.9.1",
    "pandas>=2.2",
    "plotly>=6",
    "pyyaml>=6",
    "tqdm>=4.67",
)
# Its sentence encoder, and torch with it, are left out: all methods get the same vectors.
WITHOUT_ENCODER = ("bertopic==0.17.4",)
_SECONDS = 3_600

Report = dict[str, Any]


def themes_python(directory: Path | None = None) -> Path:
    """Return the Python that has BERTopic, EVoC, UMAP and hdbscan.

    Raises
    ------
    PeerNotThere
        If they cannot be installed.
    """
    return peer_python("themes", *REQUIREMENTS, alone=WITHOUT_ENCODER, directory=directory)


def run_method(
    method: str,
    texts: Sequence[str],
    vectors: NDArray[np.float32],
    *,
    seed: int,
    samples: Sequence[NDArray[np.int64]] = (),
    is_cold: bool = False,
    python: Path | None = None,
) -> Report:
    """Find themes with one method, twice, and then in each sample.

    Parameters
    ----------
    method : str
    texts : sequence of str, length n
    vectors : float32 (n, dimensions)
        Rows of length 1.
    seed : int
    samples : sequence of int (n_sampled,)
        Rows of each sample.
    is_cold : bool
        Whether nothing may have been compiled before.
    python : Path, optional
        Of the environment that has the method; by default our own.

    Returns
    -------
    dict
        ``labels``, ``names``, ``repeats`` (whether the second run gave the same labels),
        ``cold_seconds`` (processor time of a fresh process until the first answer; None unless
        ``is_cold``), ``warm_seconds`` (of the second run), ``peak_mb``, ``samples`` (labels
        of each), ``versions``.

    Raises
    ------
    PeerNotThere
        If the method does not run.
    """
    with tempfile.TemporaryDirectory(prefix="closedloop-themes-") as directory:
        job = Path(directory)
        wanted = {"method": method, "seed": seed, "samples": [rows.tolist() for rows in samples]}
        (job / "job.json").write_text(json.dumps(wanted), encoding="utf-8")
        (job / "texts.json").write_text(json.dumps(list(texts)), encoding="utf-8")
        np.save(job / "vectors.npy", vectors)
        script = Path(__file__).with_name("theme_peer.py")
        environment = dict(os.environ)
        if is_cold:
            # numba keeps what it compiled beside the package; this process begins with nothing
            environment["NUMBA_CACHE_DIR"] = str(job / "numba")
        try:
            subprocess.run(  # noqa: S603 - our own script in our own environment
                [str(python or sys.executable), "-P", "-W", "ignore", str(script), str(job)],
                check=True,
                capture_output=True,
                text=True,
                timeout=_SECONDS,
                env=environment,
            )
            report: Report = json.loads((job / "found.json").read_text(encoding="utf-8"))
        except (OSError, subprocess.SubprocessError, ValueError) as error:
            said = (getattr(error, "stderr", "") or str(error)).strip().splitlines()
            why = said[-1] if said else "it said nothing"
            raise PeerNotThere(f"{method} was not compared: it did not run ({why}).") from error
    return report if is_cold else {**report, "cold_seconds": None}
