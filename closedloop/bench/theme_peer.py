"""Find themes with one method in a process of its own, and say what it took.

Run by the Python of the environment that has the method: ``python -P theme_peer.py JOB`` reads
JOB/job.json, JOB/texts.json and JOB/vectors.npy, and writes JOB/found.json. Nothing of closedloop
is imported unless closedloop is the method.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

Found = tuple[Any, list[list[str]]]
MB = 1024


def peak_memory() -> float:
    """Return the most memory this process has held, in MB.

    What getrusage says begins with the memory of the process that started this one.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1]) / MB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MB


def fit_closedloop(texts: list[str], vectors: Any, seed: int) -> Found:
    """Run `discover_themes` as it is: no label, no number of themes, no setting."""
    from ml.themes import discover_themes

    found = discover_themes(texts, embeddings=vectors, seed=seed)
    return found.labels, [[theme.name, *theme.keywords] for theme in found.themes]


def _reduce(seed: int) -> Any:
    from umap import UMAP  # type: ignore[import-not-found]

    # what BERTopic does by default, but with a seed: without one no run repeats another
    return UMAP(
        n_neighbors=15, n_components=5, min_dist=0.0, metric="cosine", random_state=seed, n_jobs=1
    )


def _cluster(size: int) -> Any:
    from hdbscan import HDBSCAN

    return HDBSCAN(min_cluster_size=size, metric="euclidean", prediction_data=True)


def _bertopic(texts: list[str], vectors: Any, seed: int, size: int) -> tuple[Any, Any]:
    from bertopic import BERTopic  # type: ignore[import-not-found]

    model = BERTopic(umap_model=_reduce(seed), hdbscan_model=_cluster(size))
    labels, _ = model.fit_transform(texts, embeddings=vectors)
    return model, labels


def _names(model: Any, labels: Any) -> list[list[str]]:
    topics = sorted({int(label) for label in labels} - {-1})
    words = {topic: [word for word, _ in model.get_topic(topic) or []] for topic in topics}
    # the name BERTopic shows is its first four words
    return [
        [" ".join(words.get(topic, [])[:4]), *words.get(topic, [])]
        for topic in range(max(topics, default=-1) + 1)
    ]


def fit_bertopic(texts: list[str], vectors: Any, seed: int) -> Found:
    """Run BERTopic with its defaults: UMAP to 5 dimensions, hdbscan with 10."""
    model, labels = _bertopic(texts, vectors, seed, 10)
    return np.array(labels), _names(model, labels)


def fit_bertopic_best(texts: list[str], vectors: Any, seed: int) -> Found:
    """Run BERTopic with hdbscan 50 and its way of giving left-over texts to the nearest topic."""
    model, labels = _bertopic(texts, vectors, seed, 50)
    if -1 in labels and max(labels) >= 0:
        labels = model.reduce_outliers(texts, labels, strategy="embeddings", embeddings=vectors)
    return np.array(labels), _names(model, labels)


def fit_evoc(texts: list[str], vectors: Any, seed: int) -> Found:
    """Run EVoC with its defaults."""
    from evoc import EVoC  # type: ignore[import-not-found]

    del texts
    return np.asarray(EVoC(random_state=seed).fit_predict(np.asarray(vectors))), []


def fit_umap_hdbscan(texts: list[str], vectors: Any, seed: int) -> Found:
    """Run UMAP to 5 dimensions and hdbscan with 15."""
    del texts
    return _cluster(15).fit_predict(_reduce(seed).fit_transform(vectors)), []


def sweep(vectors: Any, seed: int) -> dict[str, Any]:
    """Run UMAP once and hdbscan with many sizes, left-over texts given to the nearest centre."""
    flat = _reduce(seed).fit_transform(vectors)
    found = {}
    for size in (5, 10, 15, 25, 50):
        labels = np.asarray(_cluster(size).fit_predict(flat))
        found[str(size)] = labels.tolist()
        found[f"{size} + re-assign"] = _to_nearest(vectors, labels).tolist()
    return found


def _to_nearest(vectors: Any, labels: Any) -> Any:
    if labels.max() < 0:
        return labels
    centres = np.stack([vectors[labels == k].mean(axis=0) for k in range(labels.max() + 1)])
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    return np.where(labels < 0, (vectors @ centres.T).argmax(axis=1), labels)


METHODS = {
    "closedloop": (fit_closedloop, ("closedloop",)),
    "BERTopic": (fit_bertopic, ("bertopic", "umap-learn", "hdbscan")),
    "BERTopic 50 + re-assign": (fit_bertopic_best, ("bertopic", "umap-learn", "hdbscan")),
    "EVoC": (fit_evoc, ("evoc",)),
    "UMAP + hdbscan 15": (fit_umap_hdbscan, ("umap-learn", "hdbscan")),
}


def main(job: Path) -> None:
    """Do the job in a directory."""
    wanted = json.loads((job / "job.json").read_text(encoding="utf-8"))
    texts = json.loads((job / "texts.json").read_text(encoding="utf-8"))
    vectors, seed = np.load(job / "vectors.npy"), wanted["seed"]
    if wanted["method"] == "sweep":
        report: dict[str, Any] = {"sweep": sweep(vectors, seed)}
    else:
        report = _measure(wanted, texts, vectors, seed)
    (job / "found.json").write_text(json.dumps(report), encoding="utf-8")


def _measure(wanted: dict[str, Any], texts: list[str], vectors: Any, seed: int) -> dict[str, Any]:
    fit, packages = METHODS[wanted["method"]]
    labels, names = fit(texts, vectors, seed)
    cold = time.process_time()  # of the whole process: imports and compiling, too
    again, _ = fit(texts, vectors, seed)
    warm = time.process_time() - cold
    peak = peak_memory()
    samples = []
    for rows in wanted["samples"]:
        part, _ = fit([texts[row] for row in rows], vectors[rows], seed)
        samples.append(np.asarray(part).tolist())
    return {
        "labels": np.asarray(labels).tolist(),
        "names": names,
        "repeats": bool(np.array_equal(labels, again)),
        "cold_seconds": cold,
        "warm_seconds": warm,
        "peak_mb": peak,
        "samples": samples,
        "versions": {name: version(name) for name in packages},
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]))
