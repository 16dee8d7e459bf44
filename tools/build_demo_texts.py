"""Make closedloop/demo/data/banking77.jsonl.gz from the published train.csv of banking77.

    python tools/build_demo_texts.py path/to/train.csv

Only the intents of the demo bank are taken. Texts that begin or end with white space or hold a
line break are left out, so that each can be used word for word as one turn.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import sys
from pathlib import Path

from closedloop.demo.intents import INDEX

TARGET = Path(__file__).resolve().parents[1] / "closedloop/demo/data/banking77.jsonl.gz"


def main(source: str) -> None:
    with Path(source).open(encoding="utf-8", newline="") as file:
        rows = [(row["category"], row["text"]) for row in csv.DictReader(file)]
    kept = [
        (intent, text)
        for intent, text in dict.fromkeys(rows)
        if intent in INDEX and text == text.strip() and "\n" not in text
    ]
    kept.sort(key=lambda row: INDEX[row[0]])  # stable: texts keep the published order
    lines = "".join(
        json.dumps({"intent": intent, "text": text}, ensure_ascii=False) + "\n"
        for intent, text in kept
    )
    # No file name and no time in the header: the same source gives the same bytes.
    TARGET.write_bytes(gzip.compress(lines.encode(), compresslevel=9, mtime=0))
    print(len(kept), "texts", hashlib.sha256(lines.encode()).hexdigest(), "(unpacked)")


if __name__ == "__main__":
    main(sys.argv[1])
