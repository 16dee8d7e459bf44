"""The proof of contacts: imports, repeats, roll-ups and pages at millions of contacts."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from closedloop.bench.imports import measure_bare_insert, measure_import
from closedloop.bench.loading import TEXT_EVERY
from closedloop.bench.pages import measure_pages
from closedloop.bench.places import has_postgresql, open_place
from closedloop.bench.repeats import ensure_history, ensure_rolled_up, measure_repeats
from closedloop.bench.terms import ensure_terms

SIZES = {"small": (100_000, 20_000), "full": (5_000_000, 1_000_000)}
"""Contacts of the history, and of the imported file."""

PARTS = ("imports", "repeats", "pages")

Report = dict[str, Any]
Tell = Callable[[str], None]


def run(
    *,
    small: bool,
    databases: tuple[str, ...] = (),
    parts: Collection[str] = (),
    keep: Path | None = None,
    tell: Tell = print,
) -> Report:
    """Measure everything on each database.

    Parameters
    ----------
    small : bool
        100,000 contacts and a file of 20,000 instead of 5 million and a million.
    databases : tuple of str, optional
        Of "sqlite" and "postgresql"; both, where PostgreSQL can be started, if left out.
    parts : collection of str, optional
        Of `PARTS`; all, less those that the kept place has measured before, if left out.
    keep : Path, optional
        Directory that keeps each loaded database and what was measured on it.
    tell : function of str
        Hears what is being measured, and what was found as soon as it is.

    Raises
    ------
    ValueError
        If the kept place holds a history of another size.
    """
    if not databases:
        databases = ("sqlite", "postgresql") if has_postgresql() else ("sqlite",)
    size = "small" if small else "full"
    report: Report = {
        "size": size,
        "history": f"{SIZES[size][0]:,} contacts, a text with every {TEXT_EVERY}th",
        "databases": {},
    }
    for name in databases:
        kept = _Kept(keep / name if keep else None, size)
        proof = _Proof(name, *SIZES[size], kept, tell)
        proof.measure([p for p in PARTS if p in parts] or [p for p in PARTS if p not in kept.parts])
        report["databases"][name] = kept.found
    report["bars"] = _bars(report)
    return report


class _Kept:
    """What was found on one database, written down part by part where a place is kept."""

    def __init__(self, home: Path | None, size: str) -> None:
        self.place = home / "place" if home else None
        self._file = home / "found.json" if home else None
        self.found: Report = {}
        self.parts: list[str] = []
        if self._file is None or not self._file.exists():
            self._note: Report = {"size": size}
            return
        self._note = json.loads(self._file.read_text(encoding="utf-8"))
        if self._note["size"] != size:
            raise ValueError(
                f"{home} holds the {self._note['size']} history, not the {size} one. "
                "Name another directory to keep this one in, or delete that."
            )
        self.found, self.parts = self._note["found"], self._note["parts"]

    def add(self, part: str, found: Report) -> None:
        """Write down what a part found."""
        self.found.update(found)
        self.parts = [p for p in PARTS if p in self.parts or p == part]
        if self._file is not None:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            note = {**self._note, "parts": self.parts, "found": self.found}
            self._file.write_text(json.dumps(note, indent=1), encoding="utf-8")


@dataclass(frozen=True)
class _Proof:
    """The parts on one database."""

    database: str
    n_history: int
    n_file: int
    kept: _Kept
    tell: Tell

    def measure(self, parts: Collection[str]) -> None:
        """Measure some parts; imports have databases of their own, the others share one."""
        if "imports" in parts:
            self.kept.add("imports", self._imports())
        if not {"repeats", "pages"} & set(parts):
            return
        with open_place(self.database, self.kept.place) as place:
            seconds = ensure_history(place, self.n_history)
            ensure_terms(place)
            if seconds is not None:
                self._say(f"wrote {self.n_history:,} contacts in {seconds} s")
            if "repeats" in parts:
                self._say(f"repeats and roll-ups of {self.n_history:,} contacts")
                found = measure_repeats(place, self.n_history, tell=self._say)
                self.kept.add("repeats", {"repeats": found})
            if "pages" in parts:
                ensure_rolled_up(place)
                self._say(f"pages over {self.n_history:,} contacts")
                self.kept.add("pages", {"pages": measure_pages(place, tell=self._say)})

    def _imports(self) -> Report:
        found: Report = {}
        self._say(f"importing {self.n_file:,} contacts with texts of 40 words")
        with open_place(self.database) as place:
            found["import with text"] = measure_import(place, self.n_file, with_text=True)
        self._say(str(found["import with text"]))
        self._say(f"importing {self.n_file:,} contacts without text")
        with open_place(self.database) as place:
            found["import without text"] = measure_import(place, self.n_file, with_text=False)
        with open_place(self.database) as place:
            bare = measure_bare_insert(place, self.n_file)
        found["import without text"]["bare insert"] = bare
        self._say(str(found["import without text"]))
        return found

    def _say(self, what: str) -> None:
        self.tell(f"{self.database}: {what}")


def _bars(report: Report) -> list[Report]:
    """Return each bar of the parts that were measured, and whether it holds."""
    bars: list[Report] = []
    for name, found in report["databases"].items():
        measured = [
            *(_import_bars(found) if "import with text" in found else ()),
            *(_repeat_bars(found["repeats"], name) if "repeats" in found else ()),
            *_page_bars(found.get("pages", ())),
        ]
        for what, value, least, most in measured:
            if value is None:
                continue
            holds = (least is None or value >= least) and (most is None or value <= most)
            bound = f"at least {least:g}" if least is not None else f"at most {most:g}"
            bars.append(
                {"database": name, "what": what, "value": value, "bar": bound, "holds": holds}
            )
    return bars


_Bar = tuple[str, float | None, float | None, float | None]
"""What, the value, the least and the most it may be."""


def _import_bars(found: Report) -> list[_Bar]:
    texts, plain = found["import with text"], found["import without text"]
    alone = _over(texts["import"], texts["redaction alone"])
    bare = _over(plain["bare insert"], plain["import"])
    return [
        ("import with text / redaction alone", alone, 0.6, None),
        ("peak memory of the import, MB", texts["peak MB"], None, 500),
        ("bare insert / import without text", bare, None, 3),
    ]


def _repeat_bars(repeats: Report, database: str) -> list[_Bar]:
    bare, ours = repeats["bare window functions"], repeats["from nothing"]
    again = _over(repeats["all again"], bare)
    bars: list[_Bar] = [
        ("repeats from nothing / bare window functions", _over(ours, bare), None, 1.5),
        ("repeats all again / bare window functions", again, None, 1.5),
    ]
    if database == "postgresql" and repeats["pandas"]:
        bars.append(("repeats from nothing / pandas", _over(ours, repeats["pandas"]), None, 1))
    most = 3 if database == "postgresql" else 5
    for words, which in (("them", ""), ("those of any day", ", half of any day there is")):
        after = round(repeats[f"flags after {words}"] + repeats[f"roll-ups after {words}"], 2)
        bars.append((f"20,000 late and new contacts{which}, seconds", after, None, most))
    return bars


def _page_bars(pages: Collection[Report]) -> list[_Bar]:
    bars: list[_Bar] = []
    for page in pages:
        bars.append((f"{page['page']}, median ms", page["median ms"], None, 100))
        bars.append((f"{page['page']}, 95th percentile ms", page["p95 ms"], None, 250))
    return bars


def _over(a: float, b: float) -> float | None:
    return round(a / b, 2) if b else None


def as_table(report: Report) -> str:
    """Return the report as lines of text."""
    lines = [f"Size: {report['size']}", *([report["history"]] if "history" in report else [])]
    for name, found in report["databases"].items():
        lines.append(f"\n{name}")
        for part in ("import with text", "import without text", "repeats"):
            if part in found:
                lines.append(f"  {part}")
                lines += [f"    {what:<34} {value!s:>12}" for what, value in found[part].items()]
        if "pages" in found:
            lines.append(f"  {'page':<62} {'median':>8} {'p95':>8} {'queries':>8}")
            lines += [
                f"    {p['page']:<60} {p['median ms']:>8} {p['p95 ms']:>8} {p['queries']:>8}"
                for p in found["pages"]
            ]
    lines.append("\nbars")
    lines += [
        f"  {'holds' if b['holds'] else 'FAILS':<6} {b['database']:<11} {b['what']:<72} "
        f"{b['value']:>9}  {b['bar']}"
        for b in report["bars"]
        if not b["holds"] or "ms" not in b["what"]
    ]
    n_pages = sum("ms" in b["what"] for b in report["bars"])
    lines.append(f"  {n_pages} bars of pages, {sum(not b['holds'] for b in report['bars'])} fail")
    return "\n".join(lines)
