"""Wrap-up codes against themes: which cells of the table are worth a conversation.

Two things are looked for. A code that is *spread* over many themes says little about why
customers came. A theme whose contacts stand *elsewhere*, under a code that mostly means another
theme, more often than other themes do, is counted as that other theme by every report on codes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import exp, lgamma, log, sqrt

from closedloop.domain.chance import false_discovery_rates

Counts = Sequence[Sequence[int]]
Place = tuple[int, int]

USUAL_SHARE = 0.5
"""A code means a theme when that theme has at least this share of its contacts."""

WIDEST_NEEDED = 5.0
NARROWEST_SPREAD = 3.0
"""Effective number of themes from which a code is spread; half of all themes' where in between."""

LARGEST_SHARE_SPREAD = 1 / 3
"""A code of which one theme has as much or more is not spread, however small its other parts."""

LEAST_SHARE_ELSEWHERE = 0.05
LEAST_SHARE_SPREAD = 0.1
"""Share of a theme's contacts below which a cell is no matter for a conversation."""


FALSE_DISCOVERIES = 0.05
"""Share of marks of the second kind that may be chance, at most, by Benjamini and Hochberg."""


@dataclass(frozen=True)
class SpreadCode:
    """A code that is spread over themes.

    Attributes
    ----------
    column, contacts : int
    themes : float
        Effective number: as many equally large themes would be spread as widely.
    largest_row : int
    largest_share : float
        Of the code's contacts, 0–1, that the theme with most of them has.
    """

    column: int
    contacts: int
    themes: float
    largest_row: int
    largest_share: float


@dataclass(frozen=True)
class ElsewhereCell:
    """A theme under a code that usually means another one.

    Attributes
    ----------
    row, column, contacts : int
    share : float
        Of the theme's contacts, 0–1.
    usual_row : int
        The theme the code usually means.
    usual_share : float
        Of the code's contacts, 0–1, that are of that theme.
    expected : float
        Contacts, if this theme and all others but the usual one were coded so equally often.
    residual : float
        Adjusted Pearson residual: standard deviations above expected.
    q_value : float
        Share of chance among the marks, were everything as far out as this one marked.
    """

    row: int
    column: int
    contacts: int
    share: float
    usual_row: int
    usual_share: float
    expected: float
    residual: float
    q_value: float


def effective_number(counts: Sequence[int]) -> float:
    """Return over how many equal parts counts are spread as widely: exp of their entropy.

    Parameters
    ----------
    counts : sequence of int
        Not negative.

    Returns
    -------
    float
        1 when everything is in one part, `len(counts)` when all parts are equal; 0 of nothing.
    """
    total = sum(counts)
    if not total:
        return 0.0
    return exp(-sum(n / total * log(n / total) for n in counts if n))


def adjusted_residual(observed: int, row: int, column: int, total: int) -> tuple[float, float]:
    """Return how many contacts a cell should hold, and how far it lies above that.

    Parameters
    ----------
    observed : int
        Contacts in the cell.
    row, column, total : int
        Contacts in its row, in its column and in the whole table.

    Returns
    -------
    expected : float
        If row and column had nothing to do with each other.
    residual : float
        Pearson's, adjusted for row and column: standard normal if so. 0 where the row or the
        column is empty or the whole table, which leaves nothing to compare with.
    """
    if not total:
        return 0.0, 0.0
    expected = row * column / total
    variance = expected * (1 - row / total) * (1 - column / total)
    return expected, (observed - expected) / sqrt(variance) if variance > 0 else 0.0


def chance_of_as_many(observed: int, row: int, column: int, total: int) -> float:
    """Return the chance of `observed` contacts or more in a cell if its row does not matter.

    Exact (hypergeometric, Fisher's one-sided test): cells of a dozen contacts are common here,
    and for those the normal curve calls chance a finding several times too often.

    Parameters
    ----------
    observed, row, column, total : int
        As in `adjusted_residual`.

    Returns
    -------
    float
        0–1.
    """
    lowest, highest = max(0, row + column - total), min(row, column)
    if observed <= lowest:
        return 1.0
    at = max(observed, lowest)
    term = exp(
        _log_choose(column, at) + _log_choose(total - column, row - at) - _log_choose(total, row)
    )
    chance = 0.0
    while at <= highest and term > chance * 1e-16:
        chance += term
        term *= (column - at) * (row - at) / ((at + 1) * (total - column - row + at + 1))
        at += 1
    return min(1.0, chance)


def _log_choose(n: int, chosen: int) -> float:
    return lgamma(n + 1) - lgamma(chosen + 1) - lgamma(n - chosen + 1)


def find_spread(counts: Counts, *, least: int) -> list[SpreadCode]:
    """Return the codes that are spread over many themes, most contacts first.

    Parameters
    ----------
    counts : sequence of rows of int
        Contacts by theme (row) and code (column).
    least : int
        Codes with fewer contacts than this for each theme they would have to be spread over
        are left alone.
    """
    themes = effective_number([sum(row) for row in counts])
    wide = max(NARROWEST_SPREAD, min(WIDEST_NEEDED, themes / 2))
    found = []
    for column, of_code in enumerate(zip(*counts, strict=True)):
        total, reach = sum(of_code), effective_number(of_code)
        if total < least * wide or reach < wide:
            continue
        largest = max(range(len(of_code)), key=lambda row: of_code[row])
        if of_code[largest] / total < LARGEST_SHARE_SPREAD:
            found.append(
                SpreadCode(column, total, reach, largest, of_code[largest] / total),
            )
    return sorted(found, key=lambda code: (-code.contacts, code.column))


def find_elsewhere(counts: Counts, *, least: int) -> list[ElsewhereCell]:
    """Return the cells of themes under codes that usually mean another theme.

    A theme is compared with the other themes that the code does not usually mean: the usual
    theme fills the code, beside it everything would look rare. All such cells are tested, one
    sided, and the marked ones hold at most `FALSE_DISCOVERIES` of chance.

    Parameters
    ----------
    counts : sequence of rows of int
        Contacts by theme (row) and code (column).
    least : int
        Cells with fewer contacts are not marked.

    Returns
    -------
    list of ElsewhereCell
        Most contacts first.
    """
    tested = [cell for column in range(_width(counts)) for cell in _test_column(counts, column)]
    rates = false_discovery_rates([cell.q_value for cell in tested])
    found = [
        replace(cell, q_value=rate)
        for cell, rate in zip(tested, rates, strict=True)
        if rate <= FALSE_DISCOVERIES
        and cell.residual > 0
        and cell.contacts >= least
        and cell.share >= LEAST_SHARE_ELSEWHERE
    ]
    return sorted(found, key=lambda cell: (-cell.contacts, cell.row, cell.column))


def _width(counts: Counts) -> int:
    return len(counts[0]) if counts else 0


def _test_column(counts: Counts, column: int) -> list[ElsewhereCell]:
    """Test the themes of one code against each other, the usual one left out.

    `q_value` holds the chance of each alone.
    """
    of_code = [row[column] for row in counts]
    of_theme = [sum(row) for row in counts]
    code_total = sum(of_code)
    usual = max(range(len(of_code)), key=lambda row: of_code[row])
    if not code_total or of_code[usual] / code_total < USUAL_SHARE:
        return []
    total = sum(of_theme) - of_theme[usual]
    found = []
    for row, observed in enumerate(of_code):
        if row == usual or not of_theme[row]:
            continue
        rest = code_total - of_code[usual]
        expected, residual = adjusted_residual(observed, of_theme[row], rest, total)
        is_more = residual > 0
        found.append(
            ElsewhereCell(
                row=row,
                column=column,
                contacts=observed,
                share=observed / of_theme[row],
                usual_row=usual,
                usual_share=of_code[usual] / code_total,
                expected=expected,
                residual=residual,
                q_value=chance_of_as_many(observed, of_theme[row], rest, total) if is_more else 1.0,
            )
        )
    return found


def hide_small(counts: Counts, k: int) -> list[list[bool]]:
    """Return which cells may not be shown: those below `k`, and what would give them away.

    Totals of rows and columns are shown, so a lone hidden cell could be worked out. Therefore
    the smallest cells beside it are hidden too, until every row and column that hides anything
    hides two cells or more, together `k` or more, and until no chain of totals tells a small one.

    Parameters
    ----------
    counts : sequence of rows of int
        Each row and each column adds up to 0 or to at least `k`.
    k : int

    Returns
    -------
    list of rows of bool
        A cell of nothing is hidden only where nothing else would do.
    """
    hidden = [[0 < n < k for n in row] for row in counts]
    rows, columns = range(len(counts)), range(_width(counts))
    lines = [[(row, column) for column in columns] for row in rows]
    lines += [[(row, column) for row in rows] for column in columns]
    filled = [{place for place in line if counts[place[0]][place[1]]} for line in lines]
    alone = {place for line in filled for place in line if len(line) == 1}
    while any(_hide_beside(counts, hidden, line, alone, k) for line in filled) or _hide_across(
        counts, hidden, k
    ):
        pass
    return hidden


def _hide_beside(
    counts: Counts, hidden: list[list[bool]], line: set[Place], alone: set[Place], k: int
) -> bool:
    """Hide one more cell of a row or column that hides too little; tell whether it did.

    A cell that is `alone` in its other line is told by that line's total: hidden last.
    """
    concealed = [counts[row][column] for row, column in line if hidden[row][column]]
    shown = [(row, column) for row, column in line if not hidden[row][column]]
    if not concealed or not shown or (len(concealed) > 1 and sum(concealed) >= k):
        return False
    chosen = min(shown, key=lambda at: (at in alone, counts[at[0]][at[1]], at))
    hidden[chosen[0]][chosen[1]] = True
    return True


def _hide_across(counts: Counts, hidden: list[list[bool]], k: int) -> bool:
    """Hide one more cell where totals tell a small one; tell whether it did.

    Rows and columns are joined by the cells they hide. Totals tell a cell if and only if nothing
    else joins its row to its column: all that is hidden on one side of it then adds up to it.
    """
    places = {(row, column) for row, line in enumerate(hidden) for column in range(len(line))}
    joined = {(row, column) for row, column in places if hidden[row][column]}
    for small in sorted(at for at in joined if 0 < counts[at[0]][at[1]] < k):
        others = joined - {small}
        rows, columns = _reach({small[0]}, set(), others)
        if small[1] in columns:
            continue
        far_rows, far_columns = _reach(set(), {small[1]}, others)
        across = [
            (row, column)
            for row, column in places - joined
            if (row in rows and column in far_columns) or (row in far_rows and column in columns)
        ]
        if across:
            row, column = min(across, key=lambda at: _least(counts, at))
            hidden[row][column] = True
            return True
    return False


def _least(counts: Counts, at: Place) -> tuple[bool, int, Place]:
    """Sort by this for the smallest cell first, and those of nothing last."""
    contacts = counts[at[0]][at[1]]
    return contacts == 0, contacts, at


def _reach(rows: set[int], columns: set[int], joined: set[Place]) -> tuple[set[int], set[int]]:
    """Return the rows and columns that cells lead to from those given, these included."""
    n_found = -1
    while n_found < len(rows) + len(columns):
        n_found = len(rows) + len(columns)
        columns = columns | {column for row, column in joined if row in rows}
        rows = rows | {row for row, column in joined if column in columns}
    return rows, columns
