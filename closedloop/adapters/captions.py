"""Captions (WebVTT, SRT) and plain transcripts, one file a contact, with a manifest in CSV."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping as MappingOf
from dataclasses import replace
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from closedloop.adapters import contact_csv
from closedloop.adapters.bundle import Bundle, Member
from closedloop.adapters.caption_text import kind_of, read_turns
from closedloop.adapters.encoding import find_encoding
from closedloop.adapters.guesses import guess_mapping, normalised_name
from closedloop.adapters.lines import open_text
from closedloop.adapters.mapping import Mapping
from closedloop.adapters.parse import as_raw_text
from closedloop.adapters.readers import Reader
from closedloop.adapters.sniff import SAMPLE_ROWS, as_text
from closedloop.adapters.types import BadRow, FileFacts, RawRow, UnreadableFile

FILE_COLUMNS = (
    *("transcript_file", "caption_file", "captions_file", "file", "file_name", "filename"),
    *("transcript_path", "path", "vtt", "srt", "vtt_file", "srt_file"),
)
"""What the column with the name of the file is called, the surest first."""

NAME_COLUMNS = {"customer": "customer_name", "agent": "agent_name"}
TURNS = "turns"
MAX_CAPTION_CHARS = 8 * 1024 * 1024
_TRIED = 50
_COUNTED_ROWS = 200_000


class _Manifest(NamedTuple):
    member: Member
    facts: FileFacts
    column: str


class _Files:
    """The files of a bundle by what a manifest may call them."""

    def __init__(self, bundle: Bundle, manifest: str) -> None:
        self._paths: dict[str, Member] = {}
        self._base = PurePosixPath(manifest).parent
        for member in bundle.members:
            if member.name != manifest:
                self._paths.setdefault(PurePosixPath(member.name).name.casefold(), member)
        for member in bundle.members:
            if member.name != manifest:
                self._paths[member.name.casefold()] = member

    def find(self, value: Any) -> Member | None:
        """Return the file a cell names: beside the manifest, by its path, or by its name."""
        name = str(value).strip().replace("\\", "/").removeprefix("./").casefold()
        beside = (self._base / name).as_posix().casefold()
        return self._paths.get(beside) or self._paths.get(name) or self._by_name(name)

    def _by_name(self, name: str) -> Member | None:
        return self._paths.get(PurePosixPath(name).name)


def recognise(bundle: Bundle) -> FileFacts | None:
    """Recognise a manifest and the files it names.

    Raises
    ------
    UnreadableFile
        For captions that no manifest lists: alone they tell neither when nor who.
    """
    captions = {m.name for m in bundle.members if _is_caption(m.path)}
    manifest = _find_manifest(bundle, captions)
    if manifest is None:
        if captions:
            raise UnreadableFile(_no_manifest(len(captions)))
        return None
    facts = replace(manifest.facts, format="captions", member=manifest.member.name)
    header = [*(name for name in facts.header if name != TURNS), TURNS]
    rows = [r for r in islice(read_rows(bundle, facts), SAMPLE_ROWS) if isinstance(r, RawRow)]
    return replace(
        facts,
        header=header,
        sample_rows=[[as_text(row.fields.get(name)) for name in header] for row in rows],
        reasons=[*facts.reasons, *_reasons(bundle, manifest, captions)],
    )


def _no_manifest(number: int) -> str:
    what = "a caption file" if number == 1 else f"{number:,} caption files"
    return (
        f"There is {what} but no list of contacts. Captions tell neither when a contact was nor "
        "whose. Bring them in one archive or directory with a CSV file that names each of them in "
        "a column transcript_file, beside contact_id, started_at and customer_id."
    )


def _is_caption(path: Path) -> bool:
    with path.open("rb") as stream:
        start = stream.read(1000)
    wide = start[:2] in (b"\xff\xfe", b"\xfe\xff")
    return kind_of(start.decode("utf-16" if wide else "utf-8", "replace")) is not None


def _find_manifest(bundle: Bundle, captions: set[str]) -> _Manifest | None:
    """Return the table that names other files of the bundle."""
    if len(bundle.members) < 2:
        return None
    others = [member for member in bundle.members if member.name not in captions]
    by_name = sorted(others, key=lambda m: not m.name.lower().endswith((".csv", ".tsv")))
    for member in by_name[:_TRIED]:
        try:
            facts = contact_csv.sniff_csv(member.path)
        except (UnreadableFile, OSError):
            continue
        if facts is not None and (column := _file_column(bundle, member, facts)):
            return _Manifest(member, facts, column)
    return None


def _file_column(bundle: Bundle, member: Member, facts: FileFacts) -> str:
    """Return the column whose first cells name files of the bundle; '' when none does."""
    files = _Files(bundle, member.name)
    names = {normalised_name(column): position for position, column in enumerate(facts.header)}
    for known in FILE_COLUMNS:
        position = names.get(known)
        if position is None:
            continue
        cells = [row[position] for row in facts.sample_rows if len(row) > position]
        if any(cell.strip() and files.find(cell) for cell in cells):
            return facts.header[position]
    return ""


def _reasons(bundle: Bundle, manifest: _Manifest, captions: set[str]) -> Iterator[str]:
    yield (
        f"“{manifest.member.name}” lists the contacts; its column “{manifest.column}” names the "
        "file of each."
    )
    files = _Files(bundle, manifest.member.name)
    rows = contact_csv.read_rows(manifest.member.path, manifest.facts)
    listed: set[str] = set()
    for row in islice(rows, _COUNTED_ROWS):
        if isinstance(row, RawRow) and (found := files.find(row.fields.get(manifest.column, ""))):
            listed.add(found.name)
    if left := sorted(captions - listed):
        shown = ", ".join(f"“{name}”" for name in left[:3])
        more = f" and {len(left) - 3:,} more" if len(left) > 3 else ""
        yield f"Not on the list, and left out: {shown}{more}."


def read_rows(bundle: Bundle, facts: FileFacts) -> Iterator[RawRow | BadRow]:
    """Yield each row of the manifest with the turns of its file; `line` is the manifest's."""
    manifest = _manifest_of(bundle, facts)
    if manifest is None:
        return
    files = _Files(bundle, manifest.member.name)
    for row in contact_csv.read_rows(manifest.member.path, manifest.facts):
        yield _with_turns(row, manifest, files) if isinstance(row, RawRow) else row


def _manifest_of(bundle: Bundle, facts: FileFacts) -> _Manifest | None:
    for member in bundle.members:
        if member.name == facts.member:
            found = contact_csv.sniff_csv(member.path)
            column = _file_column(bundle, member, found) if found else ""
            return _Manifest(member, found, column) if found and column else None
    return None


def _with_turns(row: RawRow, manifest: _Manifest, files: _Files) -> RawRow | BadRow:
    where = f"line {row.line} of “{manifest.member.name}”"
    cell = str(row.fields.get(manifest.column, "")).strip()
    if not cell:
        return row._replace(where=where)
    member = files.find(cell)
    if member is None:
        problem = "names a file that is not among those that were brought"
        remedy = "Add the file or correct its name."
    else:
        turns, problem = _read_file(member.path, _names(row.fields))
        if not problem:
            return row._replace(fields={**row.fields, TURNS: turns}, where=where)
        remedy = "Export the file again."
    reason = f"Line {row.line} of the list: column “{manifest.column}” {problem}. {remedy}"
    return BadRow(row.line, reason, as_raw_text(row))


def _names(fields: MappingOf[str, Any]) -> dict[str, str]:
    by_name = {normalised_name(column): str(value) for column, value in fields.items()}
    return {who: by_name[column] for who, column in NAME_COLUMNS.items() if by_name.get(column)}


def _read_file(path: Path, names: MappingOf[str, str]) -> tuple[list[dict[str, str]], str]:
    """Return the turns of a file, or what is wrong with it."""
    try:
        encoding = find_encoding(path)
    except (UnreadableFile, OSError):
        return [], "names a file that is empty or no text"
    with open_text(path, encoding.name, newline="") as stream:
        text = stream.read(MAX_CAPTION_CHARS + 1)
    if len(text) > MAX_CAPTION_CHARS:
        return [], f"names a file of more than {MAX_CAPTION_CHARS:,} characters"
    turns = read_turns(text, names)
    if not turns and kind_of(text[:1000]) != "vtt":
        return [], "names a file in which nobody says anything"
    return turns, ""


def mapping(facts: FileFacts) -> Mapping:
    """Return a guess from the manifest's columns, what was said taken from the files."""
    guess = guess_mapping(facts.header, facts.sample_rows)
    columns = {known: column for known, column in guess.columns.items() if known != "text"}
    columns[TURNS] = TURNS
    reasons = {**guess.reasons, TURNS: "What was said is in the files that the list names."}
    reasons.pop("text", None)
    return replace(guess, columns=columns, reasons=reasons)


READER = Reader(
    format="captions",
    title="Captions (WebVTT, SRT) or transcripts with a list in CSV",
    guide="captions",
    recognise=recognise,
    read_rows=read_rows,
    mapping=mapping,
    unit="line",
)
