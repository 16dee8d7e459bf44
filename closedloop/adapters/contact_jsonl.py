"""JSON lines: one object a line, keeping what is none."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from closedloop.adapters.encoding import find_encoding
from closedloop.adapters.guesses import guess_mapping
from closedloop.adapters.json_stream import MAX_DEPTH, is_too_deep, with_plain_keys
from closedloop.adapters.lines import (
    MAX_LINE_CHARS,
    Line,
    has_undecoded_bytes,
    open_text,
    read_lines,
    without_escapes,
)
from closedloop.adapters.sniff import (
    SAMPLE_ROWS,
    as_text,
    first_lines,
    is_json,
    refuse_odd_number_of_columns,
)
from closedloop.adapters.tables import table_reader
from closedloop.adapters.types import BadRow, FileFacts, RawRow


def sniff_jsonl(path: Path) -> FileFacts | None:
    """Recognise a file of JSON objects, one a line, and join their keys to a header.

    Parameters
    ----------
    path : Path
        Only the beginning and some blocks of the file are read, whatever its size.

    Returns
    -------
    FileFacts or None
        None when fewer than half of the first lines are objects, and for one lone object
        that is no contact but holds a list of them.

    Raises
    ------
    UnreadableFile
        If the file is empty or binary, or its objects have too few keys or too many.
    """
    encoding = find_encoding(path)
    head = first_lines(path, encoding)
    if not is_json(head):
        return None
    filled = list(islice((line for line in head if line.text.strip()), SAMPLE_ROWS))
    rows = [split_line(line, encoding.name) for line in filled]
    objects = [row.fields for row in rows if not isinstance(row, BadRow)]
    if len(objects) * 2 < len(rows) or (len(filled) == 1 and _is_wrapper(objects[0])):
        return None
    header = list(dict.fromkeys(key for fields in objects for key in fields))
    refuse_odd_number_of_columns(header)
    cells = [[as_text(fields.get(key)) for key in header] for fields in objects]
    reasons = ["Each line is a JSON object.", encoding.reason]
    return FileFacts("jsonl", encoding.name, "", encoding.has_bom, header, cells, reasons)


def _is_wrapper(fields: Mapping[str, Any]) -> bool:
    """Whether an object is no contact itself but holds a list of objects."""
    lists = [v for v in fields.values() if isinstance(v, list) and v and isinstance(v[0], dict)]
    return bool(lists) and bool(guess_mapping(list(fields), []).missing_columns)


def read_rows(path: Path, facts: FileFacts) -> Iterator[RawRow | BadRow]:
    """Yield each line of the file as a row, in file order, blank lines passed over.

    Parameters
    ----------
    path : Path
    facts : FileFacts
        From `sniff_jsonl` on the same file.
    """
    with open_text(path, facts.encoding, newline="\n") as stream:
        for line in read_lines(stream):
            if line.text.strip():
                yield split_line(line, facts.encoding)


def split_line(line: Line, encoding: str) -> RawRow | BadRow:
    """Return the object on one line, or the reason why there is none."""
    raw = without_escapes(line.text.rstrip("\r\n")).replace("\x00", "\ufffd")
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
    if is_too_deep(found, line.text):
        reason = f"holds more than {MAX_DEPTH} lists and objects inside each other."
        return BadRow(line.number, f"Line {line.number} {reason} Export the row again.", raw)
    return RawRow(line.number, with_plain_keys(found, line.text))


READER = table_reader(
    format="jsonl",
    title="JSON lines",
    guide="xlsx-parquet-json",
    sniff=sniff_jsonl,
    read=read_rows,
    unit="line",
    same_header=False,
)
