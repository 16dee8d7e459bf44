"""Wrap-up codes against themes over a span, from the roll-up: the table, and what stands out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.domain.codes import (
    LEAST_SHARE_SPREAD,
    ElsewhereCell,
    SpreadCode,
    find_elsewhere,
    find_spread,
)
from closedloop.domain.errors import Invalid
from closedloop.domain.themes import GONE_STATUSES, STATS_DAYS
from closedloop.models import DailyRollup, Theme, ThemeStats
from closedloop.queries.code_tables import CodeView, look, tabulate
from closedloop.queries.site import get_data_span

THEMES_NAMED = 5
"""Themes named under a spread code: those that have most contacts there."""

LEAST_CONTACTS = 10
"""Fewer contacts in a cell are no matter for a conversation."""


@dataclass(frozen=True)
class CodeColumn:
    """A wrap-up code; `others` counts the codes put together, whose `code` is empty.

    `reason` says that it is spread over many themes, where it is.
    """

    code: str
    contacts: int
    others: int = 0
    reason: str = ""


@dataclass(frozen=True)
class CodeCell:
    """Contacts of one theme under one code.

    Attributes
    ----------
    contacts : int or None
        None: hidden, because they are few or would give away a cell that is.
    share : float or None
        Of the theme's contacts in the table, 0–1.
    mark : {'', 'spread', 'elsewhere'}
    reason : str
        Why it is marked, a sentence.
    """

    contacts: int | None
    share: float | None
    mark: str = ""
    reason: str = ""


@dataclass(frozen=True)
class CodeRow:
    """A theme; `others` counts the themes put together, which have neither key nor id."""

    theme_id: int | None
    key: str
    name: str
    contacts: int
    cells: tuple[CodeCell, ...]
    others: int = 0


@dataclass(frozen=True)
class Finding:
    """What is worth a conversation, in words, with what to open.

    Attributes
    ----------
    kind : {'spread', 'elsewhere'}
    code : str
    theme_id : int or None
        Of the theme under it; None for a code as a whole.
    key : str
    contacts : int
        In the cell, or of the code.
    reason : str
    residual, q_value : float or None
        Of the test, where there was one.
    name : str
        Of the theme.
    share : float or None
        Of the theme's contacts, 0–1; None for a code as a whole.
    """

    kind: str
    code: str
    theme_id: int | None
    key: str
    contacts: int
    reason: str
    residual: float | None = None
    q_value: float | None = None
    name: str = ""
    share: float | None = None


@dataclass(frozen=True)
class CodeMatrix:
    """The table: rows are themes, columns are codes, the largest first.

    Attributes
    ----------
    first_day, last_day : date
        Inclusive.
    without_code : int or None
        Contacts of themes without a code, which are not in the table; None below k.
    """

    first_day: date
    last_day: date
    columns: tuple[CodeColumn, ...]
    rows: tuple[CodeRow, ...]
    findings: tuple[Finding, ...]
    without_code: int | None

    @property
    def contacts(self) -> int:
        """Contacts in the table."""
        return sum(row.contacts for row in self.rows)

    @property
    def hides_any(self) -> bool:
        """Whether a cell is hidden."""
        return any(cell.contacts is None for row in self.rows for cell in row.cells)


def find_code_matrix(
    session: Session, *, first_day: date | None, last_day: date | None, k: int
) -> CodeMatrix | None:
    """Return the table of the days asked for, by default the last 90 that hold contacts.

    Parameters
    ----------
    session : Session
    first_day, last_day : date or None
        Inclusive.
    k : int

    Returns
    -------
    CodeMatrix or None
        None before there are contacts.

    Raises
    ------
    Invalid
        If the first day lies after the last one.
    """
    span = get_data_span(session)
    if span.last_day is None:
        return None
    last = last_day or span.last_day
    first = first_day or date.fromordinal(max(1, last.toordinal() - STATS_DAYS + 1))
    if first > last:
        sentence = f"“from” ({first}) lies after “to” ({last}), so no contact can fit. Swap them."
        raise Invalid(sentence, {"from": sentence})
    return get_code_matrix(session, first_day=first, last_day=last, k=k)


def get_code_matrix(session: Session, *, first_day: date, last_day: date, k: int) -> CodeMatrix:
    """Return how the contacts of each theme were coded.

    Themes of fewer than `k` people, and themes and codes with fewer than `k` contacts in the
    span, have no line of their own. What stands out is looked for among all others, also
    beyond the `MOST_LINES` that are shown, and said where its cells are shown.

    Parameters
    ----------
    session : Session
    first_day, last_day : date
        Inclusive.
    k : int
        Fewest contacts that a cell shows.
    """
    counts = _read_counts(session, first_day, last_day)
    names, small = _read_themes(session, k)
    without = sum(n for (theme, code), n in counts.items() if not code and theme in names)
    view = look(tabulate(counts, names, small), names, k)
    findings = _find(view, max(k, LEAST_CONTACTS))
    return CodeMatrix(
        first_day=first_day,
        last_day=last_day,
        columns=_columns(view, findings),
        rows=_rows(view, findings),
        findings=findings,
        without_code=without if without >= k or without == 0 else None,
    )


def _read_counts(session: Session, first_day: date, last_day: date) -> dict[tuple[int, str], int]:
    rows = session.execute(
        sa.select(DailyRollup.theme_id, DailyRollup.disposition, sa.func.sum(DailyRollup.contacts))
        .where(DailyRollup.day.between(first_day, last_day), DailyRollup.theme_id.is_not(None))
        .group_by(DailyRollup.theme_id, DailyRollup.disposition)
    )
    return {(theme, code): int(n) for theme, code, n in rows if theme is not None}


def _read_themes(session: Session, k: int) -> tuple[dict[int, tuple[str, str]], set[int]]:
    """Return key and name of the themes in use, and which have too few people for a line."""
    rows = session.execute(
        sa.select(Theme.id, Theme.key, Theme.name, ThemeStats.people)
        .outerjoin(ThemeStats, ThemeStats.theme_id == Theme.id)
        .where(Theme.status.not_in(GONE_STATUSES))
    ).all()
    names = {theme: (key, name) for theme, key, name, _ in rows}
    return names, {theme for theme, *_, people in rows if (people or 0) < k}


def _columns(view: CodeView, findings: Sequence[Finding]) -> tuple[CodeColumn, ...]:
    spread = {f.code: f.reason for f in findings if f.theme_id is None}
    totals = [sum(column) for column in zip(*view.cells, strict=True)]
    codes = [view.table.codes[place] for place in view.columns]
    others = len(view.table.codes) - len(codes)
    return tuple(
        CodeColumn(code, total, others if not code else 0, spread.get(code, ""))
        for code, total in zip([*codes, ""], totals, strict=False)
    )


def _rows(view: CodeView, findings: Sequence[Finding]) -> tuple[CodeRow, ...]:
    marks: dict[tuple[int | None, str], Finding] = {
        (f.theme_id, f.code): f for f in findings if f.theme_id is not None
    }
    ids: list[int | None] = [view.table.themes[place] for place in view.rows]
    others = len(view.table.counts) - len(ids)
    codes = [view.table.codes[place] for place in view.columns]
    rows = []
    for theme, counts, hidden in zip([*ids, None], view.cells, view.hidden, strict=False):
        total = sum(counts)
        cells = tuple(
            _cell(n, total, is_hidden, marks.get((theme, code)))
            for n, is_hidden, code in zip(counts, hidden, [*codes, ""], strict=False)
        )
        key, name = view.names[theme] if theme is not None else ("", "")
        rows.append(CodeRow(theme, key, name, total, cells, others if theme is None else 0))
    return tuple(rows)


def _cell(contacts: int, total: int, is_hidden: bool, mark: Finding | None) -> CodeCell:
    if is_hidden:
        return CodeCell(None, None)
    share = contacts / total if total else None
    return CodeCell(contacts, share, mark.kind if mark else "", mark.reason if mark else "")


def _find(view: CodeView, least: int) -> tuple[Finding, ...]:
    """Return what is worth a conversation among cells that are shown, spread codes first."""
    large = view.table.counts[: len(view.table.themes)]
    if not view.rows:
        return ()
    found: list[Finding] = []
    for spread in find_spread(large, least=least):
        if spread.column in view.columns:
            found += _spread(view, spread, least)
    for cell in find_elsewhere(large, least=least):
        if view.is_visible(cell.row, cell.column) and view.is_visible(cell.usual_row, cell.column):
            found.append(_elsewhere(view, cell))
    return tuple(found)


def _spread(view: CodeView, spread: SpreadCode, least: int) -> list[Finding]:
    """Return the code itself, then the themes of which a good part stands under it."""
    code, width = view.table.codes[spread.column], f"{spread.themes:.0f}"
    most = f", the largest of which is {view.name(spread.largest_row)} with"
    most += f" {_share(spread.largest_share)} of them"
    if not view.is_visible(spread.largest_row, spread.column):
        most = ""
    reason = (
        f"“{code}” hardly says why customers came: its {spread.contacts:,} contacts are spread as "
        f"widely as over {width} equally large themes{most}."
    )
    found = [Finding("spread", code, None, "", spread.contacts, reason)]
    by_size = sorted(view.rows, key=lambda row: -view.table.counts[row][spread.column])
    for row in by_size[:THEMES_NAMED]:
        contacts = view.table.counts[row][spread.column]
        share = contacts / sum(view.table.counts[row])
        is_much = contacts >= least and share >= LEAST_SHARE_SPREAD
        if is_much and view.is_visible(row, spread.column):
            theme = view.table.themes[row]
            reason = (
                f"{_share(share)} of {view.name(row)} ({contacts:,} contacts) are coded “{code}”, "
                f"which is spread as widely as over {width} themes."
            )
            key, name = view.names[theme]
            found.append(
                Finding("spread", code, theme, key, contacts, reason, name=name, share=share)
            )
    return found


def _elsewhere(view: CodeView, cell: ElsewhereCell) -> Finding:
    code, theme = view.table.codes[cell.column], view.table.themes[cell.row]
    usual, _ = view.names[view.table.themes[cell.usual_row]]
    reason = (
        f"{cell.contacts:,} contacts of {view.name(cell.row)} ({_share(cell.share)} of it) are "
        f"coded “{code}”, which usually means {view.name(cell.usual_row)} "
        f"({_share(cell.usual_share)} of the code). Were all themes but {usual} coded so equally "
        f"often, it would have about {cell.expected:,.0f}."
    )
    return Finding(
        "elsewhere",
        code,
        theme,
        view.names[theme][0],
        cell.contacts,
        reason,
        round(cell.residual, 2),
        cell.q_value,
        view.names[theme][1],
        cell.share,
    )


def _share(value: float) -> str:
    return f"{value * 100:.0f}\u00a0%"
