"""Read contacts from JSON lines: one object a line, keeping what is none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from closedloop.adapters.lines import (
    MAX_LINE_CHARS,
    Line,
    has_undecoded_bytes,
    open_text,
    read_lines,
    without_escapes,
)
from closedloop.adapters.types import BadRow, FileFacts, RawRow


def read_rows(path: Path, facts: FileFacts) -> Iterator[RawRow | BadRow]:
    """Yield each line of the file as a row, in file order, blank lines passed over.

    Parameters
    ----------
    path : Path
    facts : FileFacts
        From `sniff_file` on the same file.
    """
    with open_text(path, facts.encoding, newline="\n") as stream:
        for line in read_lines(stream):
            if line.text.strip():
                yield split_line(line, facts.encoding)


def split_line(line: Line, encoding: str) -> RawRow | BadRow:
    """Return the object on one line, or the reason why there is none."""
    raw = without_escapes(line.text.rstrip("\r\n"))
    if line.is_too_long:
        reason = f"holds more than {MAX_LINE_CHARS:,} characters. Shorten the row or leave it out."
        return BadRow(line.number, f"Line {line.number} {reason}", raw)
    if has_undecoded_bytes(line.text, encoding):
        reason = f"holds bytes that are not {encoding}. Save the file as UTF-8."
        return BadRow(line.number, f"Line {line.number} {reason}", raw)
    try:
        found: Any = json.loads(line.text)
    except json.JSONDecodeError as error:
        reason = f"is not valid JSON (at character {error.pos + 1}). Export the row again."
        return BadRow(line.number, f"Line {line.number} {reason}", raw)
    except (RecursionError, ValueError):
        reason = "is nested too deeply or holds a number that is too long. Export the row again."
        return BadRow(line.number, f"Line {line.number} {reason}", raw)
    if not isinstance(found, dict):
        reason = "is no JSON object. Write each contact as {…} on a line of its own."
        return BadRow(line.number, f"Line {line.number} {reason}", raw)
    return RawRow(line.number, found)
