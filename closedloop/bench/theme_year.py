"""A year of monthly runs: do numbers, names and decisions last while what customers say drifts?

Half a year of history and a first run, then a run a month for a year, each after new contacts of
which a share is drift. After
each run a working group decides: renames, merges, a split, moves, a retirement, parts accepted and
taken back. Before each run it is written down how everything stands, and counted after it what the
run changed that nobody had asked for.
"""

from __future__ import annotations

import json
import resource
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.adapters.mapping import Mapping
from closedloop.bench.places import Place, open_place
from closedloop.bench.theme_year_group import Group
from closedloop.bench.theme_year_history import History, Made
from closedloop.domain.audit import NIGHTLY_ROUND
from closedloop.domain.clock import as_if
from closedloop.domain.themes import GONE_STATUSES, ThemeStatus
from closedloop.models import Contact, Theme, ThemeCorrection, ThemeRun
from closedloop.queries.drift import get_site_drift, list_aged
from closedloop.services.contacts import import_file
from closedloop.services.definitions import ThemeMaker, read_standing
from closedloop.services.themes import assign_contacts, discover_themes

SETTLED = ("key_meaning", "names", "decisions", "moved", "corrections_lost", "proposed_again")
"""Counts that must be 0."""

FEWEST_TO_MEAN = 10
"""From so many contacts on it can be said what a theme is mostly about."""

Row = dict[str, Any]


def run(
    *,
    small: bool = False,
    maker: ThemeMaker | None = None,
    tell: Callable[[str], None] = lambda _doing: None,
) -> Row:
    """Live through the year and return what was counted.

    Parameters
    ----------
    small : bool
        Three runs over few contacts instead of thirteen.
    maker : ThemeMaker, optional
        Tests may pass a quick one.
    tell : callable
        Told what is being done.

    Returns
    -------
    dict
        `months`, a row each; `totals` of what must be 0; `met`.
    """
    runs, before = (3, 3) if small else (13, 6)
    history = History(per_month=200 if small else 400, drift=0.15, first_drift=before)
    with open_place("sqlite") as place:
        year = _Year(place, history, maker)
        for month in range(before - 1):
            year.take_in(month)
        rows = []
        for number in range(runs):
            tell(f"Run {number + 1} of {runs}")
            rows.append(year.live(before - 1 + number, number))
    totals = {name: sum(row[name] for row in rows) for name in SETTLED}
    return {
        "runs": runs,
        "contacts_a_month": history.per_month,
        "drift": history.drift,
        "months": rows,
        "decisions_made": year.group.made,
        "totals": totals,
        "met": not any(totals.values()),
        "cpu_seconds": round(_cpu(), 1),
    }


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


class _Year:
    """One place, and what is remembered from month to month."""

    def __init__(self, place: Place, history: History, maker: ThemeMaker | None) -> None:
        self.database, self.settings = place.database, place.settings
        self.history, self.maker = history, maker
        self.truth: dict[str, str] = {}
        self.meaning: dict[str, str] = {}
        self.group = Group(place.database, place.settings, self.truth, maker)

    def take_in(self, month: int) -> list[Made]:
        """Import a month's contacts and give them their themes."""
        made = self.history.month(month)
        path = self.settings.instance / f"month-{month:02d}.jsonl"
        path.write_text("".join(json.dumps(one.row) + "\n" for one in made), encoding="utf-8")
        self.truth.update((one.row["contact_id"], one.intent) for one in made)
        with as_if(self.history.last_moment(month)):
            self._import(path)
            assign_contacts(
                self.database.transaction,
                settings=self.settings,
                by=NIGHTLY_ROUND,
                maker=self.maker,
            )
        return made

    def _import(self, path: Path) -> None:
        names = ("contact_id", "started_at", "customer_id", "channel", "text")
        import_file(
            self.database.transaction,
            settings=self.settings,
            path=path,
            mapping=Mapping(columns={name: name for name in names}, source="year"),
            source="year",
            file_name=path.name,
            by=NIGHTLY_ROUND,
        )

    def live(self, month: int, number: int) -> Row:
        """Take a month in, run, count, and let the group decide."""
        made = self.take_in(month)
        with as_if(self.history.last_moment(month)):
            shifted = self._note_meanings()
            before = self._stand()
            found = discover_themes(
                self.database.transaction,
                settings=self.settings,
                by=NIGHTLY_ROUND,
                maker=self.maker,
            )
            row = self._count(before, found.run_id)
            self.group.decide(number)
            with self.database.reading() as session:
                drift = get_site_drift(session, k=self.settings.privacy_k)
                live = session.scalars(
                    sa.select(Theme.id).where(Theme.status.not_in(GONE_STATUSES))
                )
                aged = list_aged(session, list(live), k=self.settings.privacy_k)
        drifted = sum(one.is_drift for one in made)
        return {
            "month": number + 1,
            "new_contacts": len(made),
            "drift_percent": round(100 * drifted / len(made), 1),
            **row,
            "shifted": shifted,
            "aged": len(aged),
            "site_aged": drift.is_aged,
        }

    def _stand(self) -> Row:
        """Write down how everything stands before a run."""
        with self.database.reading() as session:
            standing = read_standing(session)
            themes = _themes(session)
            return {
                "kept": {key: themes[key] for key in themes if themes[key]["id"] in standing.kept},
                "names": {key: theme["name"] for key, theme in themes.items()},
                "where": _where(session),
                "owned": standing.kept,
            }

    def _count(self, before: Row, run_id: int) -> Row:
        with self.database.reading() as session:
            themes, where = _themes(session), _where(session)
            manifest = session.get_one(ThemeRun, run_id).manifest
            corrections = _corrections(session)
        of_key = _contents(themes, where, self.truth)
        born = [key for key in themes if key not in before["names"]]
        moved = [
            contact
            for contact, theme in before["where"].items()
            if theme in before["owned"] and where[contact] != theme
        ]
        honoured, said = self._hold(corrections, themes, where)
        live = [key for key, theme in themes.items() if theme["status"] not in GONE_STATUSES]
        coverage = manifest["coverage"]
        made = manifest["themes"]
        return {
            "themes": len(live),
            "coverage": round(coverage["contacts_with_theme"] / coverage["contacts_with_text"], 3),
            "new": len(born),
            "false_new": sum(self._is_known(key, of_key, before) for key in born),
            "tiny": sum(of_key[key].total() < made["fewest_contacts"] for key in born),
            "smallest": min((of_key[key].total() for key in born), default=0),
            "needed": made["fewest_contacts"],
            "too_small": made["clusters_too_small"],
            "key_meaning": self._changed_meaning(live, of_key),
            "names": sum(themes[key]["name"] != name for key, name in before["names"].items()),
            "decisions": sum(themes[key] != theme for key, theme in before["kept"].items()),
            "moved": len(moved),
            "corrections": f"{honoured} of {said}",
            "corrections_lost": said - honoured,
            "proposed_again": self._proposed_again(born, themes, where),
            "parts": sum(manifest["parts"].get(k, 0) for k in ("grew", "shrank", "split")),
        }

    def _note_meanings(self) -> int:
        """Count themes that decisions, or contacts that came in since the last run, made about
        something else; note what they are about now.
        """
        shifted = 0
        with self.database.reading() as session:
            themes, where = _themes(session), _where(session)
        of_key = _contents(themes, where, self.truth)
        for key in list(self.meaning):
            if themes[key]["status"] in GONE_STATUSES or not of_key[key]:
                continue
            if self._means_another(key, of_key[key]):
                self.meaning[key] = _mostly(of_key[key])
                shifted += 1
        return shifted

    def _means_another(self, key: str, about: Counter[str]) -> bool:
        # Where two subjects are one theme, either may lead: it is another only when it fell far
        # behind.
        return about[self.meaning[key]] < about[_mostly(about)] / 2

    def _changed_meaning(self, live: Sequence[str], of_key: dict[str, Counter[str]]) -> int:
        """Count themes that the run made about something else."""
        changed = 0
        for key in live:
            if of_key[key].total() < FEWEST_TO_MEAN:
                continue
            if key not in self.meaning:
                self.meaning[key] = _mostly(of_key[key])
            elif self._means_another(key, of_key[key]):
                changed += 1
        return changed

    def _is_known(self, key: str, of_key: dict[str, Counter[str]], before: Row) -> bool:
        """Return whether a new candidate is about what a theme people decided on is about."""
        if not of_key[key]:
            return True
        return any(
            self.meaning.get(other) == _mostly(of_key[key]) and theme["status"] not in GONE_STATUSES
            for other, theme in before["kept"].items()
        )

    def _hold(
        self, corrections: Row, themes: dict[str, Row], where: dict[str, int]
    ) -> tuple[int, int]:
        """Return how many corrections hold, and how many there are."""
        by_id = {theme["id"]: theme for theme in themes.values()}
        honoured = 0
        for contact, theme_id in corrections.items():
            home = theme_id
            while by_id[home]["into"]:
                home = by_id[home]["into"]
            honoured += where[contact] == home
        return honoured, len(corrections)

    def _proposed_again(
        self, born: Sequence[str], themes: dict[str, Row], where: dict[str, int]
    ) -> int:
        """Count new candidates made mostly of contacts whose theme was retired by hand."""
        count = 0
        for key in born:
            members = [c for c, theme in where.items() if theme == themes[key]["id"]]
            retired = sum(contact in self.group.retired_contacts for contact in members)
            count += bool(members) and 2 * retired > len(members)
        return count


def _themes(session: Session) -> dict[str, Row]:
    rows = session.scalars(sa.select(Theme).order_by(Theme.id))
    return {
        theme.key: {
            "id": theme.id,
            "name": theme.name,
            "status": ThemeStatus(theme.status),
            "into": theme.merged_into_id,
            "scenario": theme.scenario,
        }
        for theme in rows
    }


def _where(session: Session) -> dict[str, int]:
    """Return the theme of each contact, 0 for none."""
    rows = session.execute(sa.select(Contact.source_contact_id, Contact.theme_id))
    return {contact: theme or 0 for contact, theme in rows}


def _corrections(session: Session) -> dict[str, int]:
    """Return the theme each contact was last said to belong to."""
    rows = session.execute(
        sa.select(Contact.source_contact_id, ThemeCorrection.theme_id)
        .join(Contact, Contact.id == ThemeCorrection.contact_id)
        .where(ThemeCorrection.belongs, ThemeCorrection.taken_back_at.is_(None))
        .order_by(ThemeCorrection.id)
    )
    return {row[0]: row[1] for row in rows}


def _contents(
    themes: dict[str, Row], where: dict[str, int], truth: dict[str, str]
) -> dict[str, Counter[str]]:
    """Return what the contacts of each theme are about, by its key."""
    of_id: dict[int, Counter[str]] = {theme["id"]: Counter() for theme in themes.values()}
    for contact, theme in where.items():
        if theme:
            of_id[theme][truth[contact]] += 1
    return {key: of_id[theme["id"]] for key, theme in themes.items()}


def _mostly(about: Counter[str]) -> str:
    return min(about, key=lambda name: (-about[name], name))


def as_table(report: Row) -> str:
    """Return the report for people."""
    columns = {
        "month": "month",
        "drift_percent": "drift %",
        "themes": "themes",
        "coverage": "coverage",
        "new": "new",
        "false_new": "known",
        "needed": "needed",
        "smallest": "smallest",
        "tiny": "tiny",
        "too_small": "too small",
        "parts": "parts",
        "shifted": "shifted",
        "key_meaning": "meaning",
        "names": "names",
        "decisions": "decisions",
        "moved": "moved",
        "corrections": "corrections",
        "proposed_again": "again",
        "aged": "aged",
    }
    lines = ["  ".join(f"{words:>11}" for words in columns.values())]
    lines += ["  ".join(f"{row[name]!s:>11}" for name in columns) for row in report["months"]]
    made = ", ".join(f"{n} {what}" for what, n in sorted(report["decisions_made"].items()))
    totals = ", ".join(f"{name.replace('_', ' ')} {n}" for name, n in report["totals"].items())
    return "\n".join(
        [
            *lines,
            "",
            "new: candidates born; known: of them, about what a decided theme is about already;",
            "needed: contacts a candidate needs (one in 200 of those that could be read, never",
            "fewer than the privacy threshold, 100 always enough); smallest: contacts of the",
            "smallest one born; tiny: born with fewer than needed; too small: clusters that are",
            "not proposed; parts: grew, shrank or split, proposed; shifted: themes mostly about",
            "something else since a decision or new contacts; meaning to moved: changed by the",
            "run, unasked.",
            f"The group made {made}.",
            f"Must be 0: {totals}. {'Met' if report['met'] else 'Missed'}.",
            f"CPU {report['cpu_seconds']} s.",
        ]
    )
