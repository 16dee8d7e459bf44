"""Time presidio's pattern recognisers alone; run by the Python of an environment of its own.

Reads a JSON list of texts from the file named, analyses each, and prints JSON with the CPU
seconds, the version and how many finds there were. Nothing of closedloop is imported.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

_WARM_UP = 50


def make_analyzer() -> Any:
    """Return an analyzer with pattern recognisers only, behind an engine that finds nothing."""
    from presidio_analyzer import (  # type: ignore[import-not-found]
        AnalyzerEngine,
        RecognizerRegistry,
    )
    from presidio_analyzer.nlp_engine import (  # type: ignore[import-not-found]
        NlpArtifacts,
        NlpEngine,
    )

    class NoEngine(NlpEngine):  # type: ignore[misc]
        """No language model: what presidio's patterns can do alone."""

        def load(self) -> None:
            """Load nothing."""

        def is_loaded(self) -> bool:
            """Say that nothing is left to load."""
            return True

        def process_text(self, text: str, language: str) -> Any:
            """Return no words and no entities."""
            return NlpArtifacts([], [], [], [], self, language)

        def process_batch(self, texts: Any, language: str, **_: Any) -> Iterator[tuple[str, Any]]:
            """Return no words and no entities of each text."""
            for text in texts:
                yield text, self.process_text(text, language)

        def is_stopword(self, word: str, language: str) -> bool:
            """Know no small words."""
            return False

        def is_punct(self, word: str, language: str) -> bool:
            """Know no punctuation."""
            return False

        def get_supported_entities(self) -> list[str]:
            """Find nothing."""
            return []

        def get_supported_languages(self) -> list[str]:
            """Take English."""
            return ["en"]

    registry = RecognizerRegistry()
    registry.load_predefined_recognizers(languages=["en"])
    registry.recognizers = [r for r in registry.recognizers if r.name != "SpacyRecognizer"]
    return AnalyzerEngine(
        registry=registry,
        nlp_engine=NoEngine(),
        supported_languages=["en"],
        log_decision_process=False,
    )


def main(path: str) -> None:
    """Analyse the texts of a file and print what it took."""
    texts = json.loads(Path(path).read_text(encoding="utf-8"))
    analyzer = make_analyzer()
    for text in texts[:_WARM_UP]:
        analyzer.analyze(text, language="en")
    started = time.process_time()
    n_found = sum(len(analyzer.analyze(text, language="en")) for text in texts)
    seconds = time.process_time() - started
    report = {"seconds": seconds, "found": n_found, "version": version("presidio-analyzer")}
    sys.stdout.write(json.dumps(report) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
