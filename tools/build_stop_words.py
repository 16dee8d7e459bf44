"""Rebuild the vendored lists of small words from two published packages.

Run from the repository: ``python tools/build_stop_words.py``. It downloads two wheels with pip and
writes ``ml/text/models/stop-words/words.txt``: a line for each language, its code and its words.
The list of Lithuanian was published in the wrong encoding and is put right here. Phrases are left
out: a word is looked up alone.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "ml/text/models/stop-words/words.txt"
SHORT_LISTS, BROAD_LISTS = "stop-words==2025.11.4", "stopwordsiso==0.7.1"
# The short lists name function words alone; the broad ones are taken where there is no short one.
SHORT = (
    "ar:arabic bg:bulgarian cs:czech da:danish de:german el:greek es:spanish fa:persian "
    "fi:finnish fr:french he:hebrew hi:hindi hu:hungarian id:indonesian it:italian ko:korean "
    "nl:dutch no:norwegian pl:polish pt:portuguese ro:romanian ru:russian sk:slovak sv:swedish "
    "tr:turkish uk:ukrainian vi:vietnamese"
)
BROAD = "bn et hr lt lv sl tl ur"


def download(requirement: str, folder: Path) -> zipfile.ZipFile:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    subprocess.run([*command, "--dest", str(folder), requirement], check=True)
    name = requirement.split("==")[0].replace("-", "_")
    (wheel,) = folder.glob(f"{name}-*.whl")
    return zipfile.ZipFile(wheel)


def right_letters(word: str) -> str:
    """Read what was written in the Baltic code page and taken for the western one."""
    try:
        return word.encode("latin-1").decode("cp1257")
    except UnicodeError:
        return word


def main() -> None:
    lists: dict[str, set[str]] = {}
    with tempfile.TemporaryDirectory() as directory:
        short = download(SHORT_LISTS, Path(directory))
        for entry in SHORT.split():
            code, name = entry.split(":")
            text = short.read(f"stop_words/stop-words/{name}.txt").decode("utf-8")
            lists[code] = set(text.lower().splitlines())
        broad = json.loads(
            download(BROAD_LISTS, Path(directory)).read("stopwordsiso/stopwords-iso.json")
        )
        for code in BROAD.split():
            lists[code] = {word.lower() for word in broad[code]}
    lists["lt"] = {right_letters(word) for word in lists["lt"]}
    lines = []
    for code, words in sorted(lists.items()):
        kept = sorted(word for word in map(str.strip, words) if word and " " not in word)
        lines.append(" ".join([code, *kept]))
    TARGET.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
