"""Measured impact over the API: an estimate never comes without its verdict and its range."""

from __future__ import annotations

from typing import Any

from closedloop.api.auth import WRITE, api_actor, needs
from closedloop.api.blueprint import bp
from closedloop.api.cursors import read_day, write_cursor
from closedloop.api.impact_schemas import (
    CheckOut,
    ImpactFilters,
    ImpactQuery,
    ImpactTotal,
    LeftOutOut,
    MeasurementDetail,
    MeasurementList,
    MeasurementOut,
    MeasurementQuery,
    PlaceOut,
    SignOffIn,
    SignOffOut,
)
from closedloop.api.schemas import Estimate, ImpactList, ImpactOut, RangeOut, ThemeRef
from closedloop.domain.impact import Range
from closedloop.domain.impact_words import answer, plain
from closedloop.extensions import current_settings, db
from closedloop.queries.impact import ShippedAction, list_shipped
from closedloop.queries.impact_measured import Measured, list_measurements
from closedloop.queries.impact_page import find_shipped, get_measurement
from closedloop.queries.impact_places import Place, list_places
from closedloop.queries.impact_total import get_portfolio
from closedloop.queries.sign_offs import list_sign_offs
from closedloop.queries.site import get_pence_per_minute
from closedloop.queries.taken_back import find_taken_back_at
from closedloop.services.sign_offs import sign_off_measurement


@bp.get("/impact")
@bp.doc(summary="List shipped actions with what they avoided")
@bp.input(ImpactQuery, location="query", arg_name="asked")
@bp.output(ImpactList)
@needs("impact.view")
def list_impact_view(asked: ImpactQuery) -> ImpactList:
    """Give shipped actions, the newest go-live first."""
    rows = list_shipped(
        db.session, **_filters(asked), after=read_day(asked.after), limit=asked.limit + 1
    )
    page = rows[: asked.limit]
    last = page[-1] if len(rows) > asked.limit else None
    return ImpactList(
        items=[_impact(row) for row in page],
        next=write_cursor(last.went_live_on, last.intervention_id) if last else None,
    )


@bp.get("/impact/total")
@bp.doc(summary="What shipped actions avoided together")
@bp.input(ImpactFilters, location="query", arg_name="asked")
@bp.output(ImpactTotal)
@needs("impact.view")
def get_impact_total_view(asked: ImpactFilters) -> ImpactTotal:
    """Give the total of the newest looks, with what stands behind it."""
    pence = get_pence_per_minute(db.session, current_settings().pence_per_minute)
    total = get_portfolio(db.session, pence_now=pence, **_filters(asked)).total
    return ImpactTotal(
        actions=total.actions,
        without_range=total.without_range,
        moved=total.moved,
        avoided=_range(total.avoided) if total.avoided else None,
        minutes=_range(total.minutes) if total.minutes else None,
        verdicts=dict(total.verdicts),
    )


def _filters(asked: ImpactFilters) -> dict[str, Any]:
    return {
        "department_id": asked.department,
        "standing": asked.verdict,
        "live_from": asked.live_from,
        "live_until": asked.live_to,
    }


@bp.get("/impact/<string(maxlength=20):key>")
@bp.doc(summary="What one shipped action avoided")
@bp.output(ImpactOut)
@needs("impact.view")
def get_impact_view(key: str) -> ImpactOut:
    """Give the verdict in force of one action, and the running estimate if it is newer."""
    return _impact(find_shipped(db.session, key))


@bp.get("/impact/<string(maxlength=20):key>/measurements")
@bp.doc(summary="Every measurement of one shipped action")
@bp.input(MeasurementQuery, location="query", arg_name="asked")
@bp.output(MeasurementList)
@needs("impact.view")
def list_measurements_view(key: str, asked: MeasurementQuery) -> MeasurementList:
    """Give looks and running estimates as they were written, the newest data first."""
    action = find_shipped(db.session, key)
    rows = list_measurements(
        db.session,
        action.intervention_id,
        is_look=asked.looks,
        after=read_day(asked.after),
        limit=asked.limit + 1,
    )
    page = rows[: asked.limit]
    last = page[-1] if len(rows) > asked.limit else None
    return MeasurementList(
        items=[MeasurementOut(**_measurement(action, row)) for row in page],
        next=write_cursor(last.as_of, last.id) if last else None,
    )


@bp.get("/impact/measurements/<int:measurement_id>")
@bp.doc(summary="One stored measurement with its checks and paths")
@bp.output(MeasurementDetail)
@needs("impact.view")
def get_measurement_view(measurement_id: int) -> MeasurementDetail:
    """Give one measurement as it was written, and who stands by it."""
    key, full = get_measurement(db.session, measurement_id)
    detail, intervention_id = full.detail, full.measured.intervention_id
    (row,) = list_shipped(db.session, intervention_id=intervention_id)
    return MeasurementDetail(
        **_measurement(row, full.measured),
        action=key,
        taken_back_at=find_taken_back_at(db.session, intervention_id),
        displacement=full.measured.displacement,
        reasons=list(full.measured.reasons),
        checks=[CheckOut(**check) for check in detail.get("checks") or ()],
        gap_days=detail.get("gap_days") or 0,
        gap_is_low=bool(detail.get("gap_is_low")),
        widened_by=detail.get("widened_by") or 1.0,
        places=[_place(one) for one in list_places(full)],
        compared_with=list(detail.get("controls") or ()),
        left_out=[LeftOutOut(**one) for one in detail.get("left_out") or ()],
        path=detail.get("path") or {},
        not_counted=list(detail.get("not_counted") or ()),
        cumulative=detail.get("cumulative") or {},
        versions=dict(detail.get("versions") or {}),
        input_sha256=full.input_sha256,
        signed=[
            SignOffOut(name=one.name, note=one.note, signed_at=one.signed_at)
            for one in list_sign_offs(db.session, measurement_id)
        ],
    )


@bp.post("/impact/measurements/<int:measurement_id>/sign-off")
@bp.doc(summary="Sign a verdict off, as somebody other than the owner")
@bp.input(SignOffIn, arg_name="asked")
@bp.output(SignOffOut, status_code=201)
@needs("impact.sign_off", WRITE)
def sign_off_view(measurement_id: int, asked: SignOffIn) -> SignOffOut:
    """Put down that the owner of the token stands by the verdict of a look."""
    by = api_actor()
    with db.transaction() as session:
        signed = sign_off_measurement(
            session, measurement_id=measurement_id, note=asked.note, by=by
        )
        return SignOffOut(name=by.name, note=signed.note, signed_at=signed.signed_at)


def _place(one: Place) -> PlaceOut:
    return PlaceOut(
        theme=one.key,
        name=one.name,
        role=one.role,
        observed=one.observed,
        expected=one.expected,
        avoided=_range(one.avoided),
    )


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
        newest_look=Estimate(**_estimate(row, row.look)) if row.look else None,
        running=Estimate(**_estimate(row, row.running)) if row.running else None,
    )


def _measurement(row: ShippedAction, measured: Measured) -> dict[str, Any]:
    return {
        **_estimate(row, measured),
        "id": measured.id,
        "measured_at": measured.measured_at,
        "n_pre": measured.n_pre,
        "n_post": measured.n_post,
        "could_have_seen": measured.could_have_seen,
        "q_value": measured.q_value,
        "remeasured_after": measured.remeasured_after,
        "sign_offs": measured.sign_offs,
    }


def _estimate(row: ShippedAction, measured: Measured) -> dict[str, Any]:
    return {
        "as_of": measured.as_of,
        "look": measured.look,
        "is_verdict": measured.is_look,
        "verdict": measured.verdict,
        "observed": measured.observed,
        "expected": measured.expected,
        "avoided": _range(measured.avoided),
        "net": _range(measured.net) if measured.net else None,
        "has_moved": measured.has_moved,
        "p_value": measured.p_value,
        "definition": measured.definition_number,
        "method": measured.method_version,
        "sentence": plain(answer(row.finding(measured))),
        "failed_checks": list(measured.failed_checks),
    }


def _range(found: Range) -> RangeOut:
    return RangeOut(low=found.low, middle=found.middle, high=found.high)
