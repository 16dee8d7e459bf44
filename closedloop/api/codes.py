"""Wrap-up codes against themes over the API."""

from __future__ import annotations

from closedloop.api.auth import needs
from closedloop.api.blueprint import bp
from closedloop.api.code_schemas import (
    CodeCellOut,
    CodeFindingOut,
    CodeOut,
    CodeRowOut,
    CodesAnswer,
    CodesQuery,
)
from closedloop.extensions import current_settings, db
from closedloop.queries.codes import CodeMatrix, find_code_matrix


@bp.get("/themes/codes")
@bp.doc(summary="Wrap-up codes against themes")
@bp.input(CodesQuery, location="query", arg_name="asked")
@bp.output(CodesAnswer)
@needs("themes.view")
def get_codes_view(asked: CodesQuery) -> CodesAnswer:
    """Give the table of the 25 largest themes and codes, and what stands out in it."""
    k = current_settings().privacy_k
    matrix = find_code_matrix(db.session, first_day=asked.first_day, last_day=asked.last_day, k=k)
    if matrix is None:
        return CodesAnswer(
            first_day=None, last_day=None, without_code=None, codes=[], themes=[], findings=[]
        )
    return _answer(matrix)


def _answer(matrix: CodeMatrix) -> CodesAnswer:
    return CodesAnswer(
        first_day=matrix.first_day,
        last_day=matrix.last_day,
        without_code=matrix.without_code,
        codes=[CodeOut(code=c.code, contacts=c.contacts, others=c.others) for c in matrix.columns],
        themes=[
            CodeRowOut(
                key=row.key,
                name=row.name,
                contacts=row.contacts,
                others=row.others,
                cells=[
                    CodeCellOut(contacts=cell.contacts, share_of_theme=cell.share, mark=cell.mark)
                    for cell in row.cells
                ],
            )
            for row in matrix.rows
        ],
        findings=[
            CodeFindingOut(
                kind=found.kind,
                code=found.code,
                theme=found.key or None,
                contacts=found.contacts,
                reason=found.reason,
                residual=found.residual,
                q_value=found.q_value,
            )
            for found in matrix.findings
        ],
    )
