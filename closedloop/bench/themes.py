"""Measure themes on texts with known intents, beside BERTopic, EVoC and UMAP with hdbscan.

One configuration for all sets; nobody tells it labels or how many themes there are. All methods
get the same sentence vectors, so that themes are compared and not encoders. Each runs in a process
of its own: *cold* is the processor time of a fresh process until its first answer, imports and
compiling included, *warm* that of a second run in the same process. Cold is measured for
closedloop and for BERTopic with its defaults; the other peers may use what was compiled before.

The best BERTopic can do is looked for with the known intents in hand (hdbscan with five sizes,
with and without giving left-over texts to the nearest topic): no user could choose so well.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from closedloop.bench.peers import PeerNotThere
from closedloop.bench.theme_bars import set_bars
from closedloop.bench.theme_kept import Kept
from closedloop.bench.theme_peers import (
    DEFAULTS,
    OWN,
    PEERS,
    REQUIREMENTS,
    SWEEP,
    WITHOUT_ENCODER,
    run_method,
    themes_python,
)
from closedloop.bench.theme_scale import scale_bars, scale_lines, scale_proof
from closedloop.bench.theme_scores import matched_stability, name_quality, score_labels
from closedloop.bench.theme_sets import LabelledSet, made_up_set, read_sets, uneven_sample
from ml.text.clean import normalise
from ml.text.embed import load_encoder
from ml.themes.discover import METHOD

SEED = 20260401
SHARE_OF_SAMPLES = 0.8
MADE_UP = {False: 6_000, True: 600}

Report = dict[str, Any]
Tell = Callable[[str], None]


def run(
    *,
    data: Path | None = None,
    small: bool = False,
    only: Sequence[str] = (),
    with_peers: bool = True,
    peers: Path | None = None,
    scale: bool = False,
    keep: Path | None = None,
    tell: Tell = print,
) -> Report:
    """Measure everything.

    Parameters
    ----------
    data : Path, optional
        Directory with clinc150, banking77_train, dstc11_development and xsid_valid, or some of
        them; without it a made-up set is measured, and the report says so.
    small : bool
        Only the uneven samples of 1,000 texts; a made-up set is a tenth.
    only : sequence of str
        Of the whole sets, measure those whose name begins so; all if left out.
    with_peers : bool
        Whether the peers are installed, in an environment of their own, and measured.
    peers : Path, optional
        Where that environment is kept; the user's cache directory if left out.
    scale : bool
        Also theme a million made-up contacts, and time the encoder.
    keep : Path, optional
        Folder for what each method found in each set; what is there is not measured again.
    tell : function of str
        Hears what is being measured.

    Returns
    -------
    dict
        ``sets`` (rows of each method by set), ``said`` (what was not measured, and why),
        ``scale``, ``bars`` (name, measured, bar, whether it holds; None where not measured).
    """
    sets, said = _choose_sets(data, small, only)
    python: Path | None = None
    if with_peers:
        try:
            tell("installing the peers in an environment of their own")
            python = themes_python(peers)
        except PeerNotThere as reason:
            said.append(str(reason))
    else:
        said.append("BERTopic, EVoC and UMAP with hdbscan were left out, as asked.")
    report: Report = {"seed": SEED, "sets": {}, "said": said}
    for one in sets:
        tell(f"{one.name}: {len(one.texts):,} texts")
        report["sets"][one.name] = _measure_set(one, python, Kept(keep), said, tell)
    report["bars"] = set_bars(report["sets"])
    if scale:
        report["scale"] = scale_proof(small=small, data=data, tell=tell)
        report["bars"] += scale_bars(report["scale"])
    return report


def _choose_sets(
    data: Path | None, small: bool, only: Sequence[str]
) -> tuple[list[LabelledSet], list[str]]:
    said: list[str] = []
    if data is None:
        sets = [made_up_set(MADE_UP[small], seed=SEED)]
        said.append(
            "No public set was given, so a made-up one was measured: it shows that "
            "the measuring works, not how good the themes are."
        )
    else:
        sets, said = read_sets(data)
    sets = [one for one in sets if not only or one.name.startswith(tuple(only))]
    samples = [
        uneven_sample(one, seed=SEED) for one in sets if len(one.texts) > (0 if small else 400)
    ]
    # the English part alone is too small for a sample to say anything
    return (samples if small else [*sets, *samples]), said


def _measure_set(
    one: LabelledSet, python: Path | None, kept: Kept, said: list[str], tell: Tell
) -> Report:
    vectors = load_encoder().encode([normalise(text) for text in one.texts])
    samples = _two_samples(len(one.texts))
    rows: list[Report] = []
    for method in (OWN, *(PEERS if python else ())):
        tell(f"  {method}")
        measure = partial(
            run_method,
            method,
            one.texts,
            vectors,
            seed=0,
            samples=samples,
            is_cold=method in (OWN, DEFAULTS),
            python=None if method == OWN else python,
        )
        try:
            found = kept.measure(one.name, method, _basis(one, method), measure)
        except PeerNotThere as reason:
            said.append(f"{one.name}: {reason}")
            continue
        rows.append({"method": method, **_row(one, found, samples)})
    report: Report = {"texts": len(one.texts), "intents": len(set(one.intents)), "rows": rows}
    if python:
        sweep = partial(run_method, SWEEP, one.texts, vectors, seed=0, python=python)
        with contextlib.suppress(PeerNotThere):
            found = kept.measure(one.name, SWEEP, _basis(one, SWEEP), sweep)
            report["bertopic_at_best"] = _best_of_bertopic(one, found["sweep"], rows)
    return report


def _basis(one: LabelledSet, method: str) -> Report:
    """Return what the figures of a method on a set rest on."""
    version = METHOD if method == OWN else " ".join((*REQUIREMENTS, *WITHOUT_ENCODER))
    texts = crc32("\n".join(one.texts).encode("utf-8", "replace"))
    return {"method": version, "texts": texts, "seed": SEED}


def _two_samples(n: int) -> list[NDArray[np.int64]]:
    generator = np.random.default_rng(SEED)
    size = int(SHARE_OF_SAMPLES * n)
    return [np.sort(generator.choice(n, size, replace=False)) for _ in range(2)]


def _row(one: LabelledSet, found: Report, samples: Sequence[NDArray[np.int64]]) -> Report:
    labels = np.array(found["labels"], np.int64)
    _, first, second = np.intersect1d(samples[0], samples[1], return_indices=True)
    parts = [np.array(part, np.int64) for part in found["samples"]]
    return {
        **score_labels(one.intents, labels),
        "stability": matched_stability(parts[0][first], parts[1][second]),
        "names": name_quality(one.intents, labels, found["names"]),
        **{k: found[k] for k in ("repeats", "warm_seconds", "cold_seconds", "peak_mb", "versions")},
    }


def _best_of_bertopic(one: LabelledSet, sweep: Report, rows: Sequence[Report]) -> Report:
    """Return the highest AMI among its settings and both BERTopic rows, and the setting."""
    tried = {row["method"]: row["ami"] for row in rows if row["method"].startswith("BERTopic")}
    for setting, labels in sweep.items():
        score = score_labels(one.intents, np.array(labels, np.int64))
        tried[f"hdbscan {setting}"] = score["ami"]
    best = max(tried, key=lambda name: tried[name])
    return {"setting": best, "ami": tried[best], "tried": tried}


COLUMNS = (
    ("AMI", "ami", "{:.3f}"),
    ("ARI", "ari", "{:.3f}"),
    ("ACC", "accuracy", "{:.3f}"),
    ("left over", "left_over", "{:.3f}"),
    ("themes", "themes", "{}"),
    ("stable", "stability", "{:.3f}"),
    ("names", "names", "{:.3f}"),
    ("repeats", "repeats", "{}"),
    ("warm s", "warm_seconds", "{:.1f}"),
    ("cold s", "cold_seconds", "{:.1f}"),
    ("peak MB", "peak_mb", "{:.0f}"),
)


def as_table(report: Report) -> str:
    """Return the report as lines of text for people."""
    lines: list[str] = []
    for name, found in report["sets"].items():
        lines += ["", f"{name}: {found['texts']:,} texts, {found['intents']} intents"]
        lines.append(f"  {'':<24}" + "".join(f"{title:>10}" for title, _, _ in COLUMNS))
        lines += [f"  {row['method']:<24}" + _cells(row) for row in found["rows"]]
        if best := found.get("bertopic_at_best"):
            lines.append(f"  BERTopic at its best: AMI {best['ami']:.3f} ({best['setting']})")
    if "scale" in report:
        lines += ["", *scale_lines(report["scale"])]
    lines += ["", *report["said"], ""]
    for bar in report["bars"]:
        said = {True: "met", False: "MISSED", None: "not measured"}[bar["holds"]]
        value = "–" if bar["measured"] is None else f"{bar['measured']:.3f}"
        lines.append(f"{bar['name']:<66} {value:>9}  {bar['bar']:<16} {said}")
    return "\n".join(lines).lstrip("\n")


def _cells(row: Report) -> str:
    return "".join(f"{_cell(row[key], form):>10}" for _, key, form in COLUMNS)


def _cell(value: Any, form: str) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return form.format(value)
