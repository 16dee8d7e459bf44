"""Page: how agents code the contacts of each theme, and where that is worth a conversation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask import Response, render_template, request

from closedloop.domain.codes import FALSE_DISCOVERIES
from closedloop.domain.errors import Invalid
from closedloop.extensions import current_settings, db
from closedloop.queries.code_tables import MOST_LINES
from closedloop.queries.codes import LEAST_CONTACTS, CodeMatrix, find_code_matrix
from closedloop.web.contacts_bp import read_day
from closedloop.web.csv_files import csv_response
from closedloop.web.permissions import requires
from closedloop.web.themes_bp import bp

FINDINGS_FIRST = 12
"""Findings of each kind that stand above the table; the others unfold."""

CSV_HEADINGS = (
    "theme",
    "name",
    "code",
    "contacts",
    "share_of_theme",
    "worth_a_conversation",
    "reason",
    "first_day",
    "last_day",
)


@bp.get("/codes")
@requires("themes.view")
def codes() -> str:
    """Show codes against themes."""
    problems: list[str] = []
    matrix = _matrix(problems)
    return render_template(
        "themes/codes.html",
        matrix=matrix,
        problems=problems,
        k=current_settings().privacy_k,
        most=MOST_LINES,
        least=max(current_settings().privacy_k, LEAST_CONTACTS),
        first_findings=FINDINGS_FIRST,
        false_share=FALSE_DISCOVERIES,
    )


@bp.get("/codes.csv")
@requires("themes.view")
def codes_csv() -> Response:
    """Give the table that is shown as CSV, a cell a line."""
    matrix = _matrix([])
    return csv_response("themes-codes.csv", CSV_HEADINGS, _lines(matrix) if matrix else ())


def _matrix(problems: list[str]) -> CodeMatrix | None:
    """Read the span of the address; None without contacts."""
    k = current_settings().privacy_k
    first = read_day(request.args.get("from", ""), "From", problems)
    last = read_day(request.args.get("to", ""), "To", problems)
    try:
        return find_code_matrix(db.session, first_day=first, last_day=last, k=k)
    except Invalid:
        problems.append("“From” is after “To”, so the last 90 days are shown. Swap them.")
        return find_code_matrix(db.session, first_day=None, last_day=None, k=k)


def _lines(matrix: CodeMatrix) -> Iterator[list[Any]]:
    for row in matrix.rows:
        theme = [row.key, row.name] if row.theme_id else ["", f"{row.others} other themes"]
        for column, cell in zip(matrix.columns, row.cells, strict=True):
            code = column.code or f"{column.others} other codes"
            share = None if cell.share is None else round(cell.share, 4)
            reason = "hidden: few contacts" if cell.contacts is None else cell.reason
            values = [code, cell.contacts, share, bool(cell.mark), reason]
            yield [*theme, *values, matrix.first_day, matrix.last_day]
