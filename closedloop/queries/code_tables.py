"""Wrap-up codes against themes as a table: lines of their own, the others together, some hidden."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from closedloop.domain.codes import hide_small

MOST_LINES = 25
"""Themes, and codes, that have a line of their own; the others are put together."""


@dataclass(frozen=True)
class CodeTable:
    """Counts by theme (row) and code (column), each by falling size.

    The themes that may have a line come first, the ids of the others follow in `small`.
    """

    themes: list[int]
    small: list[int]
    codes: list[str]
    counts: list[list[int]]

    @property
    def by_theme(self) -> list[int]:
        """Contacts of each row."""
        return [sum(row) for row in self.counts]

    @property
    def by_code(self) -> list[int]:
        """Contacts of each column."""
        return [sum(column) for column in zip(*self.counts, strict=True)]


def tabulate(
    counts: dict[tuple[int, str], int], names: dict[int, tuple[str, str]], small: set[int]
) -> CodeTable:
    """Return counts by theme and code as a table, with the codes people use only.

    Parameters
    ----------
    counts : dict of (theme, code) to int
    names : dict of int to (str, str)
        Key and name of the themes in use.
    small : set of int
        Themes that may have no line of their own.
    """
    coded = {(theme, code): n for (theme, code), n in counts.items() if code and theme in names}
    of_theme: Counter[int] = Counter()
    of_code: Counter[str] = Counter()
    for (theme, code), n in coded.items():
        of_theme[theme] += n
        of_code[code] += n
    themes = sorted(of_theme, key=lambda theme: (theme in small, -of_theme[theme], theme))
    codes = sorted(of_code, key=lambda code: (-of_code[code], code))
    n_large = sum(theme not in small for theme in themes)
    return CodeTable(
        themes[:n_large],
        themes[n_large:],
        codes,
        [[coded.get((theme, code), 0) for code in codes] for theme in themes],
    )


def _with_own_line(totals: Sequence[int], n_first: int, k: int) -> list[int]:
    """Return which of the first lines are shown alone: the largest, none of them below `k`.

    What is left over is put together and must not be below `k` either.
    """
    named = [place for place in range(n_first) if totals[place] >= k][:MOST_LINES]
    rest = sum(totals) - sum(totals[place] for place in named)
    if named and 0 < rest < k:
        named.pop()
    return named


@dataclass(frozen=True)
class CodeView:
    """The table as it is shown: lines of their own, then the others put together.

    Attributes
    ----------
    table : CodeTable
    names : dict
        Key and name by theme id.
    rows, columns : list of int
        Places in the table of the lines of their own.
    cells : list of rows of int
        One row and one column more where there are others.
    hidden : list of rows of bool
    """

    table: CodeTable
    names: dict[int, tuple[str, str]]
    rows: list[int]
    columns: list[int]
    cells: list[list[int]]
    hidden: list[list[bool]]

    def is_visible(self, row: int, column: int) -> bool:
        """Return whether a cell of the table stands in a line of its own and is not hidden."""
        if row not in self.rows or column not in self.columns:
            return False
        return not self.hidden[self.rows.index(row)][self.columns.index(column)]

    def name(self, row: int) -> str:
        """Return key and name of a theme."""
        return " ".join(self.names[self.table.themes[row]])


def look(table: CodeTable, names: dict[int, tuple[str, str]], k: int) -> CodeView:
    """Return the table as it may be shown: no line of its own, and no cell, of fewer than k."""
    rows = _with_own_line(table.by_theme, len(table.themes), k)
    columns = _with_own_line(table.by_code, len(table.codes), k)
    if not rows or not columns:
        return CodeView(table, names, [], [], [], [])
    by_column = [_fold(row, columns) for row in table.counts]
    folded = [_fold(column, rows) for column in zip(*by_column, strict=True)]
    cells = [list(row) for row in zip(*folded, strict=True)]
    return CodeView(table, names, rows, columns, cells, hide_small(cells, k))


def _fold(counts: Sequence[int], named: Sequence[int]) -> list[int]:
    """Return the named entries in order, then the sum of the others if there is anything in it."""
    own = [counts[place] for place in named]
    return [*own, sum(counts) - sum(own)] if len(named) < len(counts) else own
