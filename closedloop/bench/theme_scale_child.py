"""Find themes in many texts in a process of its own, and say what it took.

``python -P theme_scale_child.py DIRECTORY N`` reads the first N lines of DIRECTORY/texts.txt and
rows of DIRECTORY/vectors.npy (mapped, not read at once) and prints JSON.
"""

from __future__ import annotations

import json
import sys
import time
from itertools import islice
from pathlib import Path

import numpy as np

from closedloop.bench.theme_peer import peak_memory


def main(directory: Path, n: int) -> None:
    """Discover themes in the first n texts."""
    with (directory / "texts.txt").open(encoding="utf-8") as file:
        texts = [line.rstrip("\n") for line in islice(file, n)]
    vectors = np.load(directory / "vectors.npy", mmap_mode="r")[:n]
    from ml.themes import discover_themes

    before = peak_memory()
    wall, cpu = time.perf_counter(), time.process_time()
    found = discover_themes(texts, embeddings=vectors, seed=0)
    report = {
        "texts": n,
        "seconds": time.perf_counter() - wall,
        "cpu_seconds": time.process_time() - cpu,
        "peak_mb": peak_memory(),
        "mb_before": before,
        "themes": len(found.themes),
        "left_over": float(np.mean(found.labels < 0)),
    }
    np.save(directory / f"labels-{n}.npy", found.labels)
    sys.stdout.write(json.dumps(report) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
