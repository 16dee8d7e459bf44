"""Measure redaction: recall, precision, false marks in real complaints, and speed.

A value is recalled when no letter and no digit of it is left; beside it stands how often its own
token took its place (a bare health number, say, may go as an account number). Precision counts
own tokens among all tokens of a kind.

Recall and precision are those of a generated, seeded set, which is easier than life: what people
misspell or break over two messages is not in it. False marks are counted in complaints that the
publisher has already redacted, so every mark there is taken for a false one. Speed is set against
presidio's pattern recognisers, without a language model on either side, in the same run.
"""

from __future__ import annotations

import csv
import json
import re
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from closedloop.bench.peers import PeerNotThere, peer_python
from closedloop.bench.redaction_set import CHECKSUMMED, Sample, make_samples, make_texts
from ml.text.redact import Redactor

SEED = 20260329
PRESIDIO = ("presidio-analyzer==2.2.366",)
LEAST_CHECKSUMMED, LEAST_WRITTEN = 0.99, 0.95
MOST_FALSE_MARKS = 1.0  # in 1,000 words
LEAST_RATIO = 5.0
_PEER_SECONDS = 900
_TOKEN = re.compile(r"\[([A-Z_]+)(?: \d+)?\]")
_NARRATIVE = "Consumer complaint narrative"

Report = dict[str, Any]


def run(
    small: bool = False,
    *,
    narratives: Path | None = None,
    peers: Path | None = None,
    with_peer: bool = True,
) -> Report:
    """Measure everything.

    Parameters
    ----------
    small : bool
        A twentieth of the set: seconds instead of a minute or two.
    narratives : Path, optional
        Directory with CSV files of complaints that have the column "Consumer complaint narrative".
    peers : Path, optional
        Where the environment of the peer is kept; the user's cache directory if left out.
    with_peer : bool
        Whether presidio is installed, in an environment of its own, and timed.

    Returns
    -------
    dict
        ``recall``, ``precision`` (lists of rows), ``false_marks``, ``speed``, ``bars`` (name, what
        was measured, the bar, whether it holds; None where it was not measured).
    """
    redactor = Redactor()
    samples = make_samples(50 if small else 1_000, seed=SEED)
    report: Report = {
        "seed": SEED,
        **_measure_set(redactor, samples),
        "false_marks": _count_false_marks(redactor, narratives),
        "speed": _measure_speed(redactor, 1_000 if small else 10_000, peers, with_peer),
    }
    report["bars"] = _bars(report)
    return report


def _measure_set(redactor: Redactor, samples: Sequence[Sample]) -> Report:
    seen: Counter[tuple[str, str]] = Counter()
    typed: Counter[tuple[str, str]] = Counter()
    hidden: Counter[tuple[str, str]] = Counter()
    right: Counter[str] = Counter()
    marks: Counter[str] = Counter()
    false_examples: list[dict[str, str]] = []
    for sample in samples:
        found = redactor.redact(sample.text)
        key = (sample.kind, sample.sort)
        seen[key] += 1
        marks.update(found.counts)
        is_hidden, is_typed = _judge(sample, found.text)
        hidden[key] += is_hidden
        typed[key] += is_typed
        right[sample.kind] += is_typed
        if sample.kind == "" and found.counts:
            false_examples.append({"text": sample.text, "became": found.text})
    kinds = sorted({kind for kind, _ in seen if kind})
    return {
        "recall": [
            _recall_row(kind, sort, seen, typed, hidden) for kind, sort in sorted(seen) if kind
        ],
        "precision": [
            {
                "kind": kind,
                "marks": marks[kind],
                "right": right[kind],
                "precision": right[kind] / marks[kind] if marks[kind] else None,
            }
            for kind in kinds
        ],
        "decoys": {
            "texts": sum(n for (kind, _), n in seen.items() if not kind),
            "marked": len(false_examples),
            "examples": false_examples[:10],
        },
    }


def _judge(sample: Sample, became: str) -> tuple[bool, bool]:
    """Return whether nothing is left of a value, and whether its own token is all that is there."""
    before, after = sample.before, sample.after
    if not sample.kind:
        return False, False
    if not (became.startswith(before) and became.endswith(after)):
        return sample.value not in became, False
    middle = became[len(before) : len(became) - len(after)]
    left = _TOKEN.sub("", middle)
    is_hidden = not any(map(str.isalnum, left))
    return is_hidden, is_hidden and _TOKEN.findall(middle) == [sample.kind]


def _recall_row(
    kind: str,
    sort: str,
    seen: Counter[tuple[str, str]],
    typed: Counter[tuple[str, str]],
    hidden: Counter[tuple[str, str]],
) -> Report:
    key = (kind, sort)
    return {
        "kind": kind,
        "sort": sort,
        "n": seen[key],
        "recall": hidden[key] / seen[key],
        "own_token": typed[key] / seen[key],
    }


def _count_false_marks(redactor: Redactor, directory: Path | None) -> Report:
    paths = sorted(directory.glob("*.csv")) if directory and directory.is_dir() else []
    n_words, n_texts = 0, 0
    marks: Counter[str] = Counter()
    for text in _narratives(paths):
        n_words += len(text.split())
        n_texts += 1
        marks.update(redactor.redact(text).counts)
    if not n_words:
        return {"skipped": "Not counted: no directory with complaints was given, or none in it."}
    return {
        "texts": n_texts,
        "words": n_words,
        "marks": dict(marks),
        "per_1000_words": 1_000 * marks.total() / n_words,
    }


def _narratives(paths: Iterable[Path]) -> Iterable[str]:
    for path in paths:
        with path.open(encoding="utf-8", errors="replace", newline="") as stream:
            for row in csv.DictReader(stream):
                if text := row.get(_NARRATIVE):
                    yield text


def _measure_speed(redactor: Redactor, n: int, peers: Path | None, with_peer: bool) -> Report:
    texts = make_texts(n, seed=SEED)
    ours = [_rate(redactor, texts)]
    theirs: Report
    try:
        if not with_peer:
            raise PeerNotThere("presidio was left out, as asked.")
        theirs = _presidio(texts[: max(200, n // 10)], peers)
    except PeerNotThere as reason:
        theirs = {"skipped": str(reason)}
    ours += [_rate(redactor, texts), _rate(redactor, texts)]
    rate = sorted(ours)[1]
    speed: Report = {"texts": n, "words": 40, "share": 0.2, "per_second": rate, "presidio": theirs}
    if "per_second" in theirs:
        speed["ratio"] = rate / theirs["per_second"]
    return speed


def _rate(redactor: Redactor, texts: Sequence[str]) -> float:
    """Return texts a second of processor time, which a busy machine disturbs least."""
    started = time.process_time()
    for _ in redactor.redact_many(texts):
        pass
    return len(texts) / (time.process_time() - started)


def _presidio(texts: Sequence[str], peers: Path | None) -> Report:
    python = peer_python("presidio", *PRESIDIO, directory=peers)
    script = Path(__file__).with_name("presidio_peer.py")
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
        json.dump(list(texts), file)
        file.flush()
        try:
            done = subprocess.run(  # noqa: S603 - our own script in our own environment
                [str(python), str(script), file.name],
                check=True,
                capture_output=True,
                text=True,
                timeout=_PEER_SECONDS,
            )
            said = json.loads(done.stdout.splitlines()[-1])
        except (OSError, subprocess.SubprocessError, ValueError, IndexError) as error:
            raise PeerNotThere(f"presidio was not compared: it did not run ({error}).") from error
    return {**said, "texts": len(texts), "per_second": len(texts) / said["seconds"]}


def _bars(report: Report) -> list[Report]:
    def recall(*names: str) -> float:
        rows = [r for r in report["recall"] if r["kind"] in names or r["sort"] in names]
        return float(sum(r["recall"] * r["n"] for r in rows) / sum(r["n"] for r in rows))

    bars = [
        ("recall of kinds with a check digit", recall(*CHECKSUMMED), LEAST_CHECKSUMMED, True),
        ("recall of e-mail addresses", recall("EMAIL"), LEAST_WRITTEN, True),
        ("recall of phone numbers", recall("PHONE"), LEAST_WRITTEN, True),
        (
            "false marks in 1,000 words of complaints",
            report["false_marks"].get("per_1000_words"),
            MOST_FALSE_MARKS,
            False,
        ),
        ("times the rate of presidio's patterns", report["speed"].get("ratio"), LEAST_RATIO, True),
    ]
    return [
        {
            "name": name,
            "measured": value,
            "bar": bar,
            "holds": None if value is None else (value >= bar if is_least else value < bar),
        }
        for name, value, bar, is_least in bars
    ]


def as_table(report: Report) -> str:
    """Return the report as lines of text for people."""
    lines = [f"{'kind':<12} {'sort':<20} {'n':>6} {'recall':>7} {'own token':>9}"]
    lines += [
        f"{r['kind']:<12} {r['sort']:<20} {r['n']:>6} {r['recall']:>7.3f} {r['own_token']:>9.3f}"
        for r in report["recall"]
    ]
    lines += ["", f"{'kind':<12} {'marks':>7} {'right':>7} {'precision':>9}"]
    lines += [
        f"{r['kind']:<12} {r['marks']:>7} {r['right']:>7} "
        + ("        –" if r["precision"] is None else f"{r['precision']:>9.3f}")
        for r in report["precision"]
    ]
    decoys = report["decoys"]
    lines += ["", f"decoys with a mark: {decoys['marked']} of {decoys['texts']}"]
    lines += [_false_marks_line(report["false_marks"]), _speed_line(report["speed"]), ""]
    for bar in report["bars"]:
        said = {True: "holds", False: "MISSED", None: "not measured"}[bar["holds"]]
        value = "–" if bar["measured"] is None else f"{bar['measured']:.3f}"
        lines.append(f"{bar['name']:<44} {value:>9}  bar {bar['bar']:<5} {said}")
    return "\n".join(lines)


def _false_marks_line(false_marks: Report) -> str:
    if "skipped" in false_marks:
        return str(false_marks["skipped"])
    return (
        f"complaints: {sum(false_marks['marks'].values())} marks in "
        f"{false_marks['words']:,} words, {false_marks['per_1000_words']:.4f} in 1,000 "
        f"({false_marks['marks']})"
    )


def _speed_line(speed: Report) -> str:
    line = f"speed: {speed['per_second']:,.0f} texts of {speed['words']} words a second of one core"
    theirs = speed["presidio"]
    if "skipped" in theirs:
        return f"{line}; {theirs['skipped']}"
    return (
        f"{line}; presidio {theirs['version']} patterns {theirs['per_second']:,.0f}; "
        f"{speed['ratio']:.1f} times"
    )
