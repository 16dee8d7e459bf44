"""Measured impact over the API: an estimate never comes without its verdict and its range."""

from __future__ import annotations

from closedloop.api.auth import needs
from closedloop.api.blueprint import bp
from closedloop.api.cursors import read_day, write_cursor
from closedloop.api.schemas import Estimate, ImpactList, ImpactOut, Page, RangeOut, ThemeRef
from closedloop.domain.impact import Range
from closedloop.domain.impact_words import answer, plain
from closedloop.extensions import db
from closedloop.queries.impact import Measured, ShippedAction, list_shipped
from closedloop.queries.impact_page import find_shipped


@bp.get("/impact")
@bp.doc(summary="List shipped actions with what they avoided")
@bp.input(Page, location="query", arg_name="asked")
@bp.output(ImpactList)
@needs("impact.view")
def list_impact_view(asked: Page) -> ImpactList:
    """Give shipped actions, the newest go-live first."""
    rows = list_shipped(db.session, after=read_day(asked.after), limit=asked.limit + 1)
    page = rows[: asked.limit]
    last = page[-1] if len(rows) > asked.limit else None
    return ImpactList(
        items=[_impact(row) for row in page],
        next=write_cursor(last.went_live_on, last.intervention_id) if last else None,
    )


@bp.get("/impact/<string(maxlength=20):key>")
@bp.doc(summary="What one shipped action avoided")
@bp.output(ImpactOut)
@needs("impact.view")
def get_impact_view(key: str) -> ImpactOut:
    """Give the verdict in force of one action, and the running estimate if it is newer."""
    return _impact(find_shipped(db.session, key))


def _impact(row: ShippedAction) -> ImpactOut:
    return ImpactOut(
        key=row.key,
        title=row.title,
        status=row.status,
        theme=ThemeRef(key=row.theme_key, name=row.theme_name),
        department=row.department_name,
        went_live_on=row.went_live_on,
        counted_from=row.counted_from,
        verdict=row.verdict,
        came_back_since=row.came_back_since,
        next_look=row.next_look,
        newest_look=_estimate(row, row.look) if row.look else None,
        running=_estimate(row, row.running) if row.running else None,
    )


def _estimate(row: ShippedAction, measured: Measured) -> Estimate:
    return Estimate(
        as_of=measured.as_of,
        look=measured.look,
        is_verdict=measured.is_look,
        verdict=measured.verdict,
        observed=measured.observed,
        expected=measured.expected,
        avoided=_range(measured.avoided),
        net=_range(measured.net) if measured.net else None,
        has_moved=measured.has_moved,
        minutes=_range(measured.minutes),
        p_value=measured.p_value,
        definition=measured.definition_number,
        method=measured.method_version,
        sentence=plain(answer(row.finding(measured))),
    )


def _range(found: Range) -> RangeOut:
    return RangeOut(low=found.low, middle=found.middle, high=found.high)
