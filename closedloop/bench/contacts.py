"""The proof of contacts: imports, repeats, roll-ups and pages at millions of contacts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from closedloop.bench.imports import measure_bare_insert, measure_import
from closedloop.bench.pages import measure_pages
from closedloop.bench.places import has_postgresql, open_place
from closedloop.bench.repeats import measure_repeats

SIZES = {"small": (100_000, 20_000), "full": (5_000_000, 1_000_000)}
"""Contacts of the history, and of the imported file."""

Report = dict[str, Any]
Tell = Callable[[str], None]


def run(*, small: bool, databases: tuple[str, ...] = (), tell: Tell = print) -> Report:
    """Measure everything on each database.

    Parameters
    ----------
    small : bool
        100,000 contacts and a file of 20,000 instead of 5 million and a million.
    databases : tuple of str, optional
        Of "sqlite" and "postgresql"; both, where PostgreSQL can be started, if left out.
    tell : function of str
        Hears what is being measured.
    """
    if not databases:
        databases = ("sqlite", "postgresql") if has_postgresql() else ("sqlite",)
    history, file = SIZES["small" if small else "full"]
    report: Report = {"size": "small" if small else "full", "databases": {}}
    for name in databases:
        found: Report = {}
        tell(f"{name}: importing {file:,} contacts with texts of 40 words")
        with open_place(name) as place:
            found["import with text"] = measure_import(place, file, with_text=True)
        tell(f"{name}: {found['import with text']}")  # hours of work are not lost with the last
        tell(f"{name}: importing {file:,} contacts without text")
        with open_place(name) as place:
            found["import without text"] = measure_import(place, file, with_text=False)
        with open_place(name) as place:
            found["import without text"]["bare insert"] = measure_bare_insert(place, file)
        tell(f"{name}: {found['import without text']}")
        tell(f"{name}: repeats and roll-ups of {history:,} contacts")
        with open_place(name) as place:
            found["repeats"] = measure_repeats(place, history)
            tell(f"{name}: {found['repeats']}")
            tell(f"{name}: pages over {history:,} contacts")
            found["pages"] = measure_pages(place)
        report["databases"][name] = found
    report["bars"] = _bars(report)
    return report


def _bars(report: Report) -> list[Report]:
    """Return each bar with what was measured and whether it holds."""
    bars: list[Report] = []
    for name, found in report["databases"].items():

        def bar(
            what: str, value: float | None, least: float | None, most: float | None, on: str = name
        ) -> None:
            if value is None:
                return
            holds = (least is None or value >= least) and (most is None or value <= most)
            bound = f"at least {least:g}" if least is not None else f"at most {most:g}"
            bars.append(
                {"database": on, "what": what, "value": value, "bar": bound, "holds": holds}
            )

        texts, plain, repeats = (
            found[k] for k in ("import with text", "import without text", "repeats")
        )
        bar("import with text / redaction alone", _over(texts["import"], texts["redaction alone"]),
            0.6, None)  # fmt: skip
        bar("peak memory of the import, MB", texts["peak MB"], None, 500)
        bar("bare insert / import without text", _over(plain["bare insert"], plain["import"]),
            None, 3)  # fmt: skip
        bare, ours = repeats["bare window functions"], repeats["from nothing"]
        bar("repeats from nothing / bare window functions", _over(ours, bare), None, 1.5)
        bar("repeats all again / bare window functions", _over(repeats["all again"], bare),
            None, 1.5)  # fmt: skip
        if name == "postgresql" and repeats["pandas"]:
            bar("repeats from nothing / pandas", _over(ours, repeats["pandas"]), None, 1)
        after = round(repeats["flags after them"] + repeats["roll-ups after them"], 2)
        bar("20,000 late and new contacts, seconds", after, None,
            3 if name == "postgresql" else 5)  # fmt: skip
        for page in found["pages"]:
            bar(f"{page['page']}, median ms", page["median ms"], None, 100)
            bar(f"{page['page']}, 95th percentile ms", page["p95 ms"], None, 250)
    return bars


def _over(a: float, b: float) -> float | None:
    return round(a / b, 2) if b else None


def as_table(report: Report) -> str:
    """Return the report as lines of text."""
    lines = [f"Size: {report['size']}"]
    for name, found in report["databases"].items():
        lines.append(f"\n{name}")
        for part in ("import with text", "import without text", "repeats"):
            lines.append(f"  {part}")
            lines += [f"    {what:<34} {value!s:>12}" for what, value in found[part].items()]
        lines.append(f"  {'page':<52} {'median':>8} {'p95':>8} {'queries':>8}")
        lines += [
            f"    {p['page']:<50} {p['median ms']:>8} {p['p95 ms']:>8} {p['queries']:>8}"
            for p in found["pages"]
        ]
    lines.append("\nbars")
    lines += [
        f"  {'holds' if b['holds'] else 'FAILS':<6} {b['database']:<11} {b['what']:<62} "
        f"{b['value']:>9}  {b['bar']}"
        for b in report["bars"]
        if not b["holds"] or "ms" not in b["what"]
    ]
    n_pages = sum("ms" in b["what"] for b in report["bars"])
    lines.append(f"  {n_pages} bars of pages, {sum(not b['holds'] for b in report['bars'])} fail")
    return "\n".join(lines)
