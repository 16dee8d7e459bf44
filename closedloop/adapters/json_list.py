"""One JSON list of objects, or an object with such a list in it, read record by record."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

from closedloop.adapters.encoding import find_encoding
from closedloop.adapters.json_stream import NoList, Record, find_list, read_list, with_plain_keys
from closedloop.adapters.lines import has_undecoded_bytes, open_text, without_escapes
from closedloop.adapters.sniff import (
    SAMPLE_ROWS,
    as_text,
    first_lines,
    is_json,
    refuse_odd_number_of_columns,
)
from closedloop.adapters.tables import table_reader
from closedloop.adapters.types import BadRow, FileFacts, RawRow, UnreadableFile


def sniff_json_list(path: Path) -> FileFacts | None:
    """Recognise a JSON list of objects and join the keys of the first to a header.

    Returns
    -------
    FileFacts or None
        None when the file is no JSON.

    Raises
    ------
    UnreadableFile
        If it is JSON without a list of objects, or they are nested too deeply.
    """
    encoding = find_encoding(path)
    if not is_json(first_lines(path, encoding)):
        return None
    key = _key(path, encoding.name)
    facts = FileFacts("json", encoding.name, "", encoding.has_bom, [], [], [])
    rows = list(islice(read_rows(path, facts), SAMPLE_ROWS))
    objects = [row.fields for row in rows if isinstance(row, RawRow)]
    if not objects:
        raise UnreadableFile(_why_none(rows))
    header = list(dict.fromkeys(key for fields in objects for key in fields))
    refuse_odd_number_of_columns(header)
    cells = [[as_text(fields.get(key)) for key in header] for fields in objects]
    what = f"The rows are the list “{key}” of a JSON object." if key else "It is one JSON list."
    reasons = [what, encoding.reason]
    return FileFacts("json", encoding.name, "", encoding.has_bom, header, cells, reasons)


def _key(path: Path, encoding: str) -> str:
    try:
        with open_text(path, encoding, newline="") as stream:
            return find_list(stream)
    except NoList as error:
        raise UnreadableFile(
            "The file looks like JSON, but holds neither a list of objects nor one whole object "
            "on each line. Export it again, or save it with one object on each line, for example "
            "with: jq -c . file.json > file.jsonl"
        ) from error


def _why_none(rows: list[RawRow | BadRow]) -> str:
    first = rows[0] if rows else None
    if isinstance(first, BadRow):
        return f"No record of the JSON list can be read. {first.reason}"
    return "The JSON list in the file is empty. Check that the export has finished."


def read_rows(
    path: Path, facts: FileFacts, heard: Callable[[int], None] | None = None
) -> Iterator[RawRow | BadRow]:
    """Yield each record of the list, in the order of the file, numbered from 1."""
    key = _key(path, facts.encoding)
    with open_text(path, facts.encoding, newline="") as stream:
        for number, record in enumerate(read_list(stream, key, heard), start=1):
            yield _as_row(number, record, facts.encoding)


def _as_row(number: int, record: Record, encoding: str) -> RawRow | BadRow:
    raw = without_escapes(record.raw)
    if record.broken:
        rest = " Nothing behind it can be read." if record.is_last else ""
        reason = f"Record {number} {record.broken}.{rest} Export the file again."
        return BadRow(number, reason, raw)
    if not isinstance(record.value, dict):
        reason = f"Record {number} is no JSON object. Write each contact as {{…}}."
        return BadRow(number, reason, raw)
    if has_undecoded_bytes(record.raw, encoding):
        reason = f"Record {number} holds bytes that are not {encoding}. Save the file as UTF-8."
        return BadRow(number, reason, raw)
    return RawRow(number, with_plain_keys(record.value, record.raw), where=f"record {number}")


READER = table_reader(
    format="json",
    title="JSON list",
    guide="xlsx-parquet-json",
    sniff=sniff_json_list,
    read=read_rows,
    same_header=False,
    is_heard=True,
)
