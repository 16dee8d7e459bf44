"""Themes of contacts in several languages, by encoder and by how much words count.

``python -m benchmarks.tongues DATA [--multilingual onnx:FOLDER]`` where DATA holds xsid_valid: 300
requests in each of English, Indonesian, Lithuanian and Chinese, with the same intents in all.
Prints tables and JSON: how well themes and intents agree (AMI) by language; then of all at once,
with the pairs of texts in different languages that have one intent and are in one theme (*found*),
and those in one theme that have one intent (*right*); and how often the nearest text in another
language has the same intent. The multilingual encoder is left out where none is named.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import adjusted_mutual_info_score

from closedloop.bench.theme_sets import LANGUAGES, LabelledSet, read_assistant
from ml.text.embed import load_encoder
from ml.themes import discover_themes
from ml.themes.discover import LEXICAL_WEIGHT, METHOD

NEEDS_DATA = True
MEANING_ONLY, AS_USUAL, MORE = (
    {"lexical_weight": 0.0},
    {"lexical_weight": LEXICAL_WEIGHT},
    {"lexical_weight": 1.0},
)


class Remembering:
    """An encoder that encodes a text once, however many runs ask for it."""

    def __init__(self, encoder: Any) -> None:
        self._encoder, self._known = encoder, dict[str, Any]()
        self.name, self.dimensions = encoder.name, encoder.dimensions
        self.languages = getattr(encoder, "languages", None)
        self.is_multilingual = getattr(encoder, "is_multilingual", False)

    def encode(self, texts: Sequence[str]) -> Any:
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new:
            self._known.update(zip(new, self._encoder.encode(new), strict=True))
        return np.array([self._known[text] for text in texts], np.float32)


class Mixed:
    """All languages at once, and which pairs of texts count."""

    def __init__(self, data: Path) -> None:
        self.whole: LabelledSet = read_assistant(data)
        n_each = len(self.whole.texts) // len(LANGUAGES)
        language = np.repeat(np.arange(len(LANGUAGES)), n_each)
        intents = np.unique(self.whole.intents, return_inverse=True)[1]
        self.is_apart = language[:, None] != language[None, :]
        self.is_same = intents[:, None] == intents[None, :]

    def score(self, encoder: Any, **how: Any) -> dict[str, Any]:
        """Return how well themes and intents agree, and across languages."""
        labels = np.array(discover_themes(list(self.whole.texts), encoder, **how).labels)
        together = (labels[:, None] == labels[None, :]) & (labels[:, None] >= 0) & self.is_apart
        both = (together & self.is_same).sum()
        return {
            "AMI": round(adjusted_mutual_info_score(self.whole.intents, labels), 3),
            "themes": len(set(labels.tolist()) - {-1}),
            "found": round(float(both / (self.is_same & self.is_apart).sum()), 3),
            "right": round(float(both / together.sum()), 3),
        }

    def nearest(self, encoder: Any) -> float:
        """Return how often the nearest text in another language has the same intent."""
        vectors = encoder.encode(list(self.whole.texts))
        nearest = np.where(self.is_apart, vectors @ vectors.T, -np.inf).argmax(axis=1)
        return round(float(self.is_same[np.arange(len(nearest)), nearest].mean()), 3)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--multilingual", metavar="NAME", help="multilingual, or onnx:FOLDER")
    options = parser.parse_args(arguments)
    if not (options.data / "xsid_valid").is_dir():
        print(f"Skipped: there is no xsid_valid in {options.data}.")
        return 0
    default, mixed = Remembering(load_encoder("default")), Mixed(options.data)
    ways = {"meaning only": MEANING_ONLY, "words as usual": AS_USUAL, "words more": MORE}
    alone = {
        f"default, {way}": by_language(options.data, default, **how) for way, how in ways.items()
    }
    alone["default, as it comes"] = by_language(options.data, default)
    together = {"default, as it comes": mixed.score(default)}
    nearest = {"default": mixed.nearest(default)}
    if options.multilingual:
        several, published = load_several(options.multilingual)
        alone["multilingual, words more"] = by_language(options.data, several, **MORE)
        alone["multilingual, as it comes"] = by_language(options.data, several)
        together["as published, words as usual"] = mixed.score(published, **AS_USUAL)
        together["multilingual, words as usual"] = mixed.score(several, **AS_USUAL)
        together["multilingual, as it comes"] = mixed.score(several)
        together["multilingual, two steps coarser"] = mixed.score(several, finer=-2)
        nearest["multilingual"] = mixed.nearest(several)
    print(f"Method {METHOD}")
    print_table(alone)
    print_table(together)
    print(f"Nearest in another language, same intent: {nearest}")
    print(json.dumps({"method": METHOD, "alone": alone, "together": together, "nearest": nearest}))
    return 0


def load_several(name: str) -> tuple[Remembering, Remembering]:
    """Return the multilingual encoder, and the same with its languages left in."""
    published: Any = load_encoder(name)
    published._removed = None
    return Remembering(load_encoder(name)), Remembering(published)


def by_language(data: Path, encoder: Any, **how: Any) -> dict[str, float]:
    """Return the AMI of each language by itself."""
    found = {}
    for language in LANGUAGES:
        one = read_assistant(data, (language,))
        labels = discover_themes(list(one.texts), encoder, **how).labels
        found[language] = round(adjusted_mutual_info_score(one.intents, labels), 3)
    return found


def print_table(rows: dict[str, dict[str, Any]]) -> None:
    names = next(iter(rows.values()))
    print("\n| | " + " | ".join(names) + " |\n| --- |" + " --- |" * len(names))
    for name, row in rows.items():
        print(f"| {name} | " + " | ".join(f"{value:g}" for value in row.values()) + " |")


if __name__ == "__main__":
    sys.exit(main())
