"""How good the themes are on public data with known intents, with one fixed configuration.

``python -m benchmarks.themes DATA`` where DATA holds clinc150, banking77_train and
dstc11_development; prints a table, and JSON with ``--json FILE``.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score

from ml.text.clean import normalise
from ml.text.embed import Encoder, load_encoder
from ml.themes import discover_themes

Labelled = tuple[list[str], list[str]]


def read_clinc(data: Path, *, with_out_of_scope: bool = False) -> Labelled:
    parts = json.loads((data / "clinc150/data_full.json").read_text(encoding="utf-8"))
    names = [name for name in parts if with_out_of_scope or not name.startswith("oos")]
    rows = [row for name in names for row in parts[name]]
    return [text for text, _ in rows], [intent for _, intent in rows]


def read_banking(data: Path) -> Labelled:
    with (data / "banking77_train/train.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [row["text"] for row in rows], [row["category"] for row in rows]


def read_insurance(data: Path) -> Labelled:
    path = data / "dstc11_development/task1_turns_with_reference_and_baseline.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [row["utterance"] for row in rows], [row["reference_label"] for row in rows]


def read_clinc_and_strangers(data: Path) -> Labelled:
    return read_clinc(data, with_out_of_scope=True)


NEEDS_DATA = True
DATASETS: dict[str, Callable[[Path], Labelled]] = {
    "dstc11_development": read_insurance,
    "banking77_train": read_banking,
    "clinc150": read_clinc,
    "clinc150 + out of scope": read_clinc_and_strangers,
}


def measure(
    name: str,
    texts: list[str],
    truth: list[str],
    encoder: Encoder,
    resolution: float | None = None,
) -> dict[str, Any]:
    start = time.perf_counter()
    vectors = encoder.encode([normalise(text) for text in texts])
    encoded = time.perf_counter()
    found = discover_themes(texts, encoder, embeddings=vectors, resolution=resolution)
    done = time.perf_counter()
    again, _ = found.model.assign(vectors)
    assigned = time.perf_counter()
    labels, is_member = found.labels, found.labels >= 0
    is_stranger = np.array(truth) == "oos"
    return {
        "data": name,
        "texts": len(texts),
        "true_themes": len(set(truth) - {"oos"}),
        "themes": len(found.themes),
        "resolution": found.parameters["resolution"],
        "ami": adjusted_mutual_info_score(truth, labels),
        "ari": adjusted_rand_score(truth, labels),
        "ami_of_members": adjusted_mutual_info_score(np.array(truth)[is_member], labels[is_member]),
        "left_over": float((~is_member).mean()),
        "strangers_left_over": float((~is_member)[is_stranger].mean())
        if any(is_stranger)
        else None,
        "self_agreement": float((again == labels).mean()),
        "self_agreement_of_members": float((again == labels)[is_member].mean()),
        "strangers_refused": float((again < 0)[is_stranger].mean()) if any(is_stranger) else None,
        "encode_seconds": encoded - start,
        "discover_seconds": done - encoded,
        "assign_seconds_per_100k": (assigned - done) / len(texts) * 100_000,
    }


def print_table(rows: list[dict[str, Any]]) -> None:
    columns = list(rows[0])
    print("| " + " | ".join(columns) + " |")
    print("|" + "---|" * len(columns))
    for row in rows:
        cells = [f"{v:.3f}" if isinstance(v, float) else str(v) for v in row.values()]
        print("| " + " | ".join(cells) + " |")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder with the data sets")
    parser.add_argument("--only", action="append", help="a data set by name; may be repeated")
    parser.add_argument("--resolution", type=float, help="instead of the one the data choose")
    parser.add_argument("--json", type=Path, help="also write the numbers here")
    options = parser.parse_args(arguments)
    if not options.data.is_dir():
        sys.exit(f"There is no folder {options.data}; name the one with the data sets.")
    encoder = load_encoder()
    rows = []
    for name, read in DATASETS.items():
        if not options.only or name in options.only:
            rows.append(measure(name, *read(options.data), encoder, options.resolution))
            print(f"{name}: done", file=sys.stderr)
    print_table(rows)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
