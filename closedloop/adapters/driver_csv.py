"""Driver volumes as people export them: a CSV of days and volumes, each line checked."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from closedloop.adapters.types import UnreadableFile

MAX_LINES = 200_000
MAX_VOLUME = 1e12
MAX_NAME = 60
FIRST_YEAR, LAST_YEAR = 1990, 2100
_COLUMNS = ("day", "driver", "volume")


@dataclass(frozen=True)
class DriverLine:
    """One volume: what drives contacts, on which day, how much of it."""

    line: int
    driver: str
    day: date
    volume: float


@dataclass(frozen=True)
class BadLine:
    """A line that makes no sense, and why."""

    line: int
    sentence: str


def read_driver_lines(data: bytes, *, driver: str = "") -> Iterator[DriverLine | BadLine]:
    """Yield each line of a CSV with the columns day, volume and, if there are several, driver.

    Parameters
    ----------
    data : bytes
        UTF-8; commas, semicolons or tabs between the cells; a first line that names the columns,
        or none, in which case they are day, volume or day, driver, volume.
    driver : str
        What the volumes are of where the file has no such column.

    Raises
    ------
    UnreadableFile
        If the file as a whole makes no sense: nothing of it can be used.
    """
    rows = _rows(_text(data))
    if not rows:
        raise UnreadableFile("The file is empty. It needs a line a day: day,volume.")
    if len(rows) > MAX_LINES:
        raise UnreadableFile(f"The file has more than {MAX_LINES:,} lines. Send it in parts.")
    names, body = _columns(rows)
    if "driver" not in names and not driver.strip():
        raise UnreadableFile(
            "The file does not say what its volumes are of. Name it beside the file, or add a "
            "column “driver”."
        )
    is_named = body is not rows
    for line, cells in body:
        yield _surplus(line, names, cells, is_named=is_named) or _read(
            line, dict(zip(names, cells, strict=False)), driver
        )


def _text(data: bytes) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UnreadableFile("The file is no UTF-8 text. Save it as “CSV UTF-8”.") from None
    if "\x00" in text:
        raise UnreadableFile("The file holds NUL characters, so it is no CSV. Save it as CSV.")
    return text


def _rows(text: str) -> list[tuple[int, list[str]]]:
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text), delimiter=delimiter)
    try:
        found = [(reader.line_num, [cell.strip() for cell in row]) for row in reader]
    except csv.Error as error:
        raise UnreadableFile(f"Line {reader.line_num} cannot be read as CSV: {error}.") from None
    return [(line, cells) for line, cells in found if any(cells)]


def _columns(
    rows: list[tuple[int, list[str]]],
) -> tuple[Sequence[str], list[tuple[int, list[str]]]]:
    """Return the names of the columns, and the lines below them."""
    first = [cell.lower() for cell in rows[0][1]]
    if {"day", "volume"} <= set(first):
        return first, rows[1:]
    if _day(first[0]) is None:
        raise UnreadableFile(
            f"The first line names the columns {', '.join(first)[:120]}. It must name day and "
            "volume, and driver where the file holds several."
        )
    return (_COLUMNS if len(first) > 2 else ("day", "volume")), rows


def _surplus(
    line: int, names: Sequence[str], cells: Sequence[str], *, is_named: bool
) -> BadLine | None:
    """Refuse what a comma within a number makes of a line: a cell more, or a driver of digits."""
    advice = "write a volume without a mark between thousands, like 1200.5"
    if any(cells[len(names) :]):
        return BadLine(
            line,
            f"the line has {len(cells)} cells, but the columns are {', '.join(names)[:120]}; "
            f"{advice}",
        )
    if not is_named and len(cells) == len(_COLUMNS) == len(names) and cells[1].isdigit():
        return BadLine(
            line,
            f"“{cells[1][:40]}” stands where the driver is; {advice}, or name the columns in the "
            "first line",
        )
    return None


def _day(text: str) -> date | None:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if FIRST_YEAR <= found.year <= LAST_YEAR and len(text) == 10 else None


def _read(line: int, cells: dict[str, str], driver: str) -> DriverLine | BadLine:
    day = _day(cells.get("day", ""))
    if day is None:
        written = cells.get("day", "")[:40]
        return BadLine(line, f"the day “{written}” is no day; write it like 2026-03-31")
    volume = _volume(cells.get("volume", ""))
    if volume is None:
        written = cells.get("volume", "")[:40]
        return BadLine(line, f"the volume “{written}” is no number from 0 up; write it like 1200.5")
    name = " ".join((cells.get("driver") or driver).split())
    if not 0 < len(name) <= MAX_NAME:
        return BadLine(line, f"the driver needs a name of 1 to {MAX_NAME} characters")
    return DriverLine(line, name, day, volume)


def _volume(text: str) -> float | None:
    if "_" in text:  # Python reads 1_000 as a number, people do not write it
        return None
    try:
        found = float(text)
    except ValueError:
        return None
    return found if math.isfinite(found) and 0 <= found <= MAX_VOLUME else None
