"""Daily panels out of the real data sets: incidents, complaints, messages, calls."""

from __future__ import annotations

import csv
import io
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import date, datetime
from pathlib import Path

import numpy as np

from benchmarks._panels import Panel
from closedloop.bench.impact_real import read_bank

LEAST_OF_A_THEME = 40  # contacts in all; rarer ones are one theme together
REST = "all others"
WORDS = ("album", "android", "app", "ios", "iphone", "playlist", "premium", "song", "windows")
HOURS_A_PART = 3
_INCIDENTS = "itsm_incident_log/incident_event_log.zip"
_INCIDENT_COLUMNS = {
    "category": 16,
    "subcategory": 17,
    "symptom": 18,
    "closed code": 32,
    "group": 23,
}
_INCIDENTS_END = date(2016, 5, 27)  # later ones were hardly exported
_COMPLAINTS = "cfpb/complaints_sample_6623.csv"
_COMPLAINTS_FROM, _COMPLAINTS_END = date(2018, 12, 1), date(2019, 12, 31)
_LOANS = "cfpb/payday_personal_loan_2023_narratives.csv"
_MESSAGES = "twcs_spotify/support_requests.csv"
_CALLS = "bank_calls_5min/bank_calls.csv"

Seen = tuple[date, str]


def real_panels(data: Path) -> Iterator[Panel]:
    """Yield the panels of the sets that are there, and of `panels/*.csv` (day,theme,contacts)."""
    if (data / _INCIDENTS).is_file():
        rows = list(_incidents(data / _INCIDENTS))
        for name, at in _INCIDENT_COLUMNS.items():
            yield _panel(
                f"incidents by {name}", ((day, row[at]) for day, row in rows), None, _INCIDENTS_END
            )
        yield _panel("incidents, export ends", ((day, row[16]) for day, row in rows))
    if (data / _COMPLAINTS).is_file():
        rows = list(_complaints(data / _COMPLAINTS, "%Y/%m/%d"))
        for name in ("Issue", "Product"):
            seen = ((day, row[name]) for day, row in rows)
            yield _panel(f"complaints by {name.lower()}", seen, _COMPLAINTS_FROM, _COMPLAINTS_END)
    if (data / _LOANS).is_file():
        rows = list(_complaints(data / _LOANS, "%m/%d/%y"))
        yield _panel("loan complaints by issue", ((day, row["Issue"]) for day, row in rows))
        yield _panel("loan complaints by state", ((day, row["State"]) for day, row in rows))
    if (data / _MESSAGES).is_file():
        yield _panel("messages by word", _messages(data / _MESSAGES))
    if (data / _CALLS).is_file():
        calls, first_day = read_bank(data / _CALLS)
        yield Panel("bank calls by hour", calls, first_day)
    for path in sorted(data.glob("panels/*.csv")):
        yield _panel(path.stem.replace("_", " "), _listed(path))


def _panel(
    name: str, seen: Iterable[Seen], first: date | None = None, last: date | None = None
) -> Panel:
    found = Counter(seen)
    inside = [one for one in found if (first or one[0]) <= one[0] <= (last or one[0])]
    first, last = min(day for day, _ in inside), max(day for day, _ in inside)
    totals: Counter[str] = Counter()
    for one in inside:
        totals[one[1]] += found[one]
    kept = sorted(theme for theme, number in totals.items() if number >= LEAST_OF_A_THEME)
    names = [*kept, REST] if len(kept) < len(totals) else kept
    counts = np.zeros(((last - first).days + 1, len(names)), dtype=np.int64)
    for day, theme in inside:
        column = names.index(theme) if theme in kept else len(names) - 1
        counts[(day - first).days, column] += found[day, theme]
    return Panel(name, counts, first)


def _incidents(path: Path) -> Iterator[tuple[date, list[str]]]:
    """Yield the first event of each incident."""
    known = set()
    with zipfile.ZipFile(path) as archive, archive.open(archive.namelist()[0]) as file:
        rows = csv.reader(io.TextIOWrapper(file, "utf-8"))
        opened = next(rows).index("opened_at")
        for row in rows:
            if row[0] not in known:
                known.add(row[0])
                yield datetime.strptime(row[opened].split()[0], "%d/%m/%Y").date(), row


def _complaints(path: Path, written: str) -> Iterator[tuple[date, dict[str, str]]]:
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield datetime.strptime(row["Date received"], written).date(), row


def _messages(path: Path) -> Iterator[Seen]:
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["created_at"]:
                came = datetime.strptime(row["created_at"], "%a %b %d %H:%M:%S %z %Y")
                said = set(row["text"].lower().split())
                word = next(
                    (word for word in WORDS if word in said), f"hour {came.hour // HOURS_A_PART}"
                )
                yield came.date(), word


def _listed(path: Path) -> Iterator[Seen]:
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            day = date.fromisoformat(row["day"])
            for _ in range(int(row["contacts"])):
                yield day, row["theme"]
