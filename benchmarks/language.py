"""How often the language of a text is told, and told right, by the length of the text.

``python -m benchmarks.language DATA`` where DATA holds xsid_valid; prints a table and JSON. The
sentences are short commands in English, Indonesian, Lithuanian and Chinese; the bounds
`MIN_LETTERS` and `MIN_CONFIDENCE` of ml.text.language come from it.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from ml.text.language import MIN_CONFIDENCE, MIN_LETTERS, detect_language

NEEDS_DATA = True
LENGTHS = ((0, 10), (10, 15), (15, 20), (20, 30), (30, 40), (40, 60), (60, 1_000))
FORTY_WORDS = "the parcel that I ordered on Monday has not come and nobody can tell me more " * 3


def read_sentences(data: Path) -> list[tuple[str, str]]:
    return [
        (path.name[:2], line.removeprefix("# text = "))
        for path in sorted((data / "xsid_valid").glob("*.conll"))
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.startswith("# text = ")
    ]


def measure(name: str, rows: list[tuple[str, str]]) -> dict[str, Any]:
    found = [(truth, detect_language(text)) for truth, text in rows]
    n_told = sum(answer != "" for _, answer in found)
    n_right = sum(truth == answer for truth, answer in found)
    return {
        "texts": name,
        "n": len(rows),
        "told": n_told / len(rows),
        "right_where_told": n_right / n_told if n_told else None,
    }


def rate(texts: list[str]) -> float:
    started = time.process_time()
    for text in texts:
        detect_language(text)
    return len(texts) / (time.process_time() - started)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder with the data sets")
    options = parser.parse_args(arguments)
    sentences = read_sentences(options.data)
    if not sentences:
        sys.exit(f"There is no xsid_valid in {options.data}; name the folder with the data sets.")
    rows = [
        measure(code, [s for s in sentences if s[0] == code]) for code in ("en", "id", "lt", "zh")
    ]
    latin = [s for s in sentences if s[0] != "zh"]
    for least, most in LENGTHS:
        some = [s for s in latin if least <= len(s[1]) < most]
        rows.append(measure(f"{least} to {most - 1} characters, no zh", some))
    rows.append(measure("all", sentences))
    for row in rows:
        right = "–" if row["right_where_told"] is None else f"{row['right_where_told']:.3f}"
        print(f"{row['texts']:<30} {row['n']:>5}  told {row['told']:.3f}  right {right}")
    speed = {
        "short": rate([text for _, text in sentences]),
        "forty_words": rate([FORTY_WORDS + str(n) for n in range(5_000)]),
    }
    print(f"{speed['short']:,.0f} short and {speed['forty_words']:,.0f} 40-word texts a second")
    bounds = {"min_letters": MIN_LETTERS, "min_confidence": MIN_CONFIDENCE}
    print(json.dumps({"rows": rows, "per_second": speed, **bounds}, ensure_ascii=False))


if __name__ == "__main__":
    main()
