"""Guess from the names of columns, and the first rows, which column of a file is what."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Mapping as MappingOf
from dataclasses import replace
from pathlib import PurePath

from closedloop.adapters.column_names import (
    CASE_IDS,
    DIRECTIONS,
    IDENTIFIER_SYNONYMS,
    INBOUND_FLAGS,
    NO_WORDS,
    OUTBOUND_WORDS,
    SYNONYMS,
    TIMES_OF_DAY,
)
from closedloop.adapters.mapping import DEFAULT_SOURCE, MAX_SOURCE_CHARS, Mapping
from closedloop.adapters.measures import MAX_HANDLE_SECONDS, MAX_WAIT_SECONDS, is_good_or_bad
from closedloop.adapters.times import (
    guess_date_order,
    has_offset,
    is_date_and_time,
    is_day,
    is_time_of_day,
)

DATES_ALONE = "It holds no time of day: each contact starts at midnight."
"""Said of a column of dates beside which no time was found."""

DURATIONS = {"handle_seconds": MAX_HANDLE_SECONDS, "wait_seconds": MAX_WAIT_SECONDS}
"""Columns of times that something took, and how many seconds are the most."""


def guess_mapping(header: Sequence[str], sample: Sequence[Sequence[str]]) -> Mapping:
    """Propose a mapping from column names and the first rows, for a person to confirm.

    Parameters
    ----------
    header : sequence of str
        From `FileFacts.header`.
    sample : sequence of rows
        From `FileFacts.sample_rows`; for the order of dates, the decimal mark of
        durations, and which rows are inbound.

    Returns
    -------
    Mapping
        With `reasons`. Columns that nothing fits are left out; look at `missing_columns`.
        The zone is never guessed.
    """
    names = {normalised_name(column): column for column in reversed(header)}
    columns: dict[str, str] = {}
    reasons: dict[str, str] = {}
    for known, synonyms in SYNONYMS.items():
        found = next((names[s] for s in synonyms if s in names), None)
        if found is None or found in columns.values() or (known == "turns" and "text" in columns):
            continue
        columns[known] = found
        reasons[known] = f"“{found}” is a usual name for {known}."
    _tell_person_from_contact(columns, names, header, sample, reasons)
    _leave_out_milliseconds(columns, header, sample, reasons)
    _find_times(columns, header, sample, reasons)
    _join_day(columns, names, header, sample, reasons)
    guess = Mapping(columns, identifiers=_identifiers(columns, names, reasons), reasons=reasons)
    guess = _with_decimal_mark(_with_inbound(guess, names, header, sample), header, sample)
    return _with_dates(_with_csat_scale(guess, header, sample), header, sample)


def _tell_person_from_contact(
    columns: dict[str, str],
    names: MappingOf[str, str],
    header: Sequence[str],
    sample: Sequence[Sequence[str]],
    reasons: dict[str, str],
) -> None:
    """Take `contact_id` for the customer beside the id of a ticket: help desks call people that."""
    person = columns.get("contact_id")
    case = next((names[name] for name in CASE_IDS if name in names), None)
    if person is None or normalised_name(person) != "contact_id" or case is None:
        return
    is_ours = "customer_id" in columns or person == "contact_id"  # as the handbook spells it
    if (is_ours and not _repeats(person, header, sample)) or _repeats(case, header, sample):
        return
    columns["contact_id"] = case
    reasons["contact_id"] = f"“{case}” is a usual name for contact_id."
    if "customer_id" not in columns:
        columns["customer_id"] = person
        reasons["customer_id"] = f"“{person}” beside “{case}” is the person who wrote."


def _repeats(column: str, header: Sequence[str], sample: Sequence[Sequence[str]]) -> bool:
    cells = _cells(column, header, sample)
    return len(set(cells)) < len(cells)


def _leave_out_milliseconds(
    columns: dict[str, str],
    header: Sequence[str],
    sample: Sequence[Sequence[str]],
    reasons: dict[str, str],
) -> None:
    """Leave out durations that cannot be seconds: short ones would be taken for them."""
    for known, most in DURATIONS.items():
        column = columns.get(known)
        if column is None:
            continue
        cells = (cell.strip() for cell in _cells(column, header, sample))
        # so many digits are more than Python makes a number of
        if any(cell.isdecimal() and int(cell[:18]) > most for cell in cells):
            del columns[known]
            reasons[known] = (
                f"“{column}” holds numbers too large for seconds and is left out: it may be "
                "milliseconds. Bring it in seconds to have it."
            )


def _find_times(
    columns: dict[str, str],
    header: Sequence[str],
    sample: Sequence[Sequence[str]],
    reasons: dict[str, str],
) -> None:
    """Take the only column that holds dates with times, where no name told which one it is."""
    if "started_at" in columns:
        return
    free = [column for column in header if column not in columns.values()]
    found = [column for column in free if _all_cells(is_date_and_time, column, header, sample)]
    if len(found) == 1:
        columns["started_at"] = found[0]
        reasons["started_at"] = f"“{found[0]}” alone holds dates with a time of day."


def _join_day(
    columns: dict[str, str],
    names: MappingOf[str, str],
    header: Sequence[str],
    sample: Sequence[Sequence[str]],
    reasons: dict[str, str],
) -> None:
    """Put the column with the time of day beside the one with the date, where they are two."""
    column = columns.get("started_at")
    if column is None:
        return
    free = {name: other for name, other in names.items() if other not in columns.values()}
    if _all_cells(is_time_of_day, column, header, sample):
        days = (name for name in SYNONYMS["started_at"] if name in free)
        day = next((free[n] for n in days if _all_cells(is_day, free[n], header, sample)), None)
        if day is None:
            return
        columns["started_at"], columns["started_time"] = day, column
    elif _all_cells(is_day, column, header, sample):
        same = normalised_name(column).replace("date", "time")
        likely = (free[name] for name in (same, *TIMES_OF_DAY) if name in free)
        clock = next((c for c in likely if _all_cells(is_time_of_day, c, header, sample)), None)
        if clock is None:
            reasons["started_at"] += f" {DATES_ALONE}"
            return
        columns["started_time"] = clock
    else:
        return
    reasons["started_at"] = f"“{columns['started_at']}” holds the date."
    reasons["started_time"] = f"“{columns['started_time']}” holds the time of day."


def _all_cells(
    fits: Callable[[str], bool], column: str, header: Sequence[str], sample: Sequence[Sequence[str]]
) -> bool:
    """Whether the sample has cells of a column and each of them is of a kind."""
    cells = _cells(column, header, sample)
    return bool(cells) and all(map(fits, cells))


def _identifiers(
    columns: MappingOf[str, str], names: MappingOf[str, str], reasons: dict[str, str]
) -> dict[str, str]:
    """Return the columns with further identifiers of the customer, by kind."""
    free = {name: column for name, column in names.items() if column not in columns.values()}
    found = {
        kind: column
        for kind, synonyms in IDENTIFIER_SYNONYMS.items()
        if (column := next((free[s] for s in synonyms if s in free), None))
    }
    if found:
        listed = ", ".join(f"“{column}”" for column in found.values())
        reasons["identifiers"] = f"{listed} can link the same customer across systems."
    return found


def source_from(file_name: str) -> str:
    """Return the words of a file name before its first number: a name for the system.

    A packed file has the name of the one in it: `contacts.csv.gz` is `contacts`.
    """
    name = re.sub(r"\.(gz|zip)$", "", file_name, flags=re.IGNORECASE)
    words = re.split(r"\d", PurePath(name).stem)[0]
    return re.sub(r"[\W_]+", "-", words).strip("-").lower()[:MAX_SOURCE_CHARS] or DEFAULT_SOURCE


def normalised_name(column: str) -> str:
    """Return a column name in lower case with underscores: `Date received` → `date_received`."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", column)
    return re.sub(r"[\W_]+", "_", spaced.lower()).strip("_")


def _with_decimal_mark(
    guess: Mapping, header: Sequence[str], sample: Sequence[Sequence[str]]
) -> Mapping:
    """Guess how durations are written from those of the sample."""
    columns = [guess.columns[name] for name in DURATIONS if name in guess.columns]
    values = [cell.strip() for column in columns for cell in _cells(column, header, sample)]
    mark = _decimal_mark(values)
    if mark is None:
        return guess
    reading = "1,5 is one and a half" if mark == "," else "1.5 is one and a half"
    reasons = {**guess.reasons, "decimal_mark": f"So the durations look: {reading}."}
    return replace(guess, decimal_mark=mark, reasons=reasons)


def _with_csat_scale(
    guess: Mapping, header: Sequence[str], sample: Sequence[Sequence[str]]
) -> Mapping:
    """Take words such as good and bad for a scale of their own."""
    column = guess.columns.get("csat")
    cells = _cells(column, header, sample) if column else []
    if not cells or not all(map(is_good_or_bad, cells)):
        return guess
    reasons = {**guess.reasons, "csat_scale": f"“{column}” says good or bad."}
    return replace(guess, csat_scale="good-bad", reasons=reasons)


def _decimal_mark(values: Sequence[str]) -> str | None:
    """Return the decimal mark that numbers speak for; None where they do not say, or disagree.

    Whole numbers beside ones such as 1.250 have their thousands parted: where thousandths are
    measured, each number has them.
    """
    comma = [v for v in values if re.fullmatch(r"\d+,\d{1,2}|\d{1,3}(\.\d{3})+,\d+", v)]
    point = [v for v in values if re.fullmatch(r"\d+\.(\d{1,2}|\d{4,})|(0\d*|\d{4,})\.\d+", v)]
    if comma or point:
        return None if comma and point else "," if comma else "."
    either = [v for v in values if re.fullmatch(r"\d{1,3}\.\d{3}", v)]
    if not either:
        return None
    return "," if any(v.isdecimal() for v in values) else "." if len(either) > 2 else None


def _with_inbound(
    guess: Mapping,
    names: MappingOf[str, str],
    header: Sequence[str],
    sample: Sequence[Sequence[str]],
) -> Mapping:
    """Guess which rows come from customers, by what the sample writes for that."""
    taken = {*guess.columns.values(), *guess.identifiers.values()}
    for name in (*INBOUND_FLAGS, *DIRECTIONS):
        if (column := names.get(name)) is None or column in taken:
            continue
        written = dict.fromkeys(value.strip() for value in _cells(column, header, sample))
        if value := _inbound_value(written, is_flag=name in INBOUND_FLAGS):
            reason = f"“{column}” is “{value}” where a customer came; other rows are left out."
            reasons = {**guess.reasons, "inbound": reason}
            return replace(guess, inbound=(column, value), reasons=reasons)
    return guess


def _inbound_value(written: Iterable[str], *, is_flag: bool) -> str | None:
    """Return what a column writes for an inbound row; None where it cannot be told.

    Where all of the sample went out, it is the word that goes with what stands there.
    """
    opposites = {**OUTBOUND_WORDS, **(NO_WORDS if is_flag else {})}
    found = [value for value in written if value.lower() in opposites.values()]
    if not found:
        found = [opposites[value.lower()] for value in written if value.lower() in opposites]
    return found[0] if len({value.lower() for value in found}) == 1 else None


def _cells(column: str, header: Sequence[str], sample: Sequence[Sequence[str]]) -> list[str]:
    """Return the cells of a column in the sample that hold something."""
    place = list(header).index(column)
    return [row[place] for row in sample if len(row) > place and row[place].strip()]


def _with_dates(guess: Mapping, header: Sequence[str], sample: Sequence[Sequence[str]]) -> Mapping:
    column = guess.columns.get("started_at")
    if column is None:
        return guess
    values = _cells(column, header, sample)
    order, why = guess_date_order(values)
    reasons = {**guess.reasons, "date_order": why}
    if values and not all(has_offset(value) for value in values):
        reasons["zone"] = "The times carry no offset: say in which time zone they were written."
    return replace(guess, date_order=None if order == "ambiguous" else order, reasons=reasons)
