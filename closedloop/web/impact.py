"""Pages: what every shipped action did, one of them in full, and each stored measurement."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

from flask import flash, render_template, request, url_for
from werkzeug import Response

from closedloop.domain.errors import NotMeasurable
from closedloop.domain.impact import Verdict, cost_avoided, looks
from closedloop.domain.impact_words import CHECK_TITLES, answer, spelt, support
from closedloop.extensions import current_settings, db
from closedloop.queries.impact import (
    COUNTED_VERDICTS,
    Measured,
    ShippedAction,
    get_total,
    list_departments_that_shipped,
    list_shipped,
)
from closedloop.queries.impact_page import (
    FullMeasurement,
    find_shipped,
    get_detail,
    get_impact_page,
    get_measurement_page,
)
from closedloop.queries.site import get_data_span, get_pence_per_minute
from closedloop.services.impact import measure_intervention, reproduce_measurement
from closedloop.web import impact_settings
from closedloop.web.csv_files import csv_response
from closedloop.web.htmx import see_other
from closedloop.web.impact_bp import bp
from closedloop.web.impact_charts import (
    DAY_HEADINGS,
    RUNNING_HEADINGS,
    day_cells,
    impact_chart,
    impact_sentence,
    paths_of,
    running_cells,
    running_chart,
    running_rows,
    running_sentence,
    week_rows,
)
from closedloop.web.permissions import requires
from closedloop.web.session import current_actor

__all__ = ["bp", "impact_settings"]  # its pages belong to the blueprint

PAGE_ROWS = 60
_CURSOR = re.compile(r"(\d{4}-\d\d-\d\d)\.(\d{1,9})")

RULES = {
    "avoided": "Contacts expected without the change minus contacts that came, from the end of the "
    "roll-out to the newest look. The range holds the truth in 95 of 100 cases; below zero, "
    "more came than expected.",
    "total": "Middles are added up; the ends are added as errors of independent estimates are, in "
    "quadrature, so the ranges of single actions do not add up to the total. Only actions "
    "with a verdict at a look are in it, those that made things worse included; where "
    "contacts moved to a theme beside it, the range over both counts.",
    "time": "Avoided contacts times the mean handle time of the theme before the change.",
    "worth": "Agent time at the cost of a minute: capacity freed, not cash.",
    "seen": "A true change of this size would have been noticed in four cases of five.",
}


@bp.get("/", strict_slashes=False)
@requires("impact.view")
def index() -> str:
    """Show every shipped action, its verdict and its range."""
    asked = request.args.get("department", "")
    department_id = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 10 else None
    after = _read_cursor(request.args.get("after", ""))
    rows = list_shipped(db.session, department_id=department_id, after=after, limit=PAGE_ROWS + 1)
    shown = rows[:PAGE_ROWS]
    values = {"department": asked} if department_id else {}
    return render_template(
        "impact/index.html",
        rows=shown,
        total=get_total(db.session, department_id=department_id),
        departments=list_departments_that_shipped(db.session),
        department_id=department_id,
        counted=COUNTED_VERDICTS,
        rules=RULES,
        cost=_cost(None),
        values=values,
        more_url=_more_url(values, shown[-1]) if len(rows) > PAGE_ROWS else "",
        first_url=url_for("impact.index", **_plain(values)) if after else "",
    )


@bp.get("/impact.csv")
@requires("impact.view")
def export() -> Response:
    """Send the newest looks of all shipped actions as CSV."""
    headings = (
        *("Action", "Title", "Theme", "Department", "Owner", "Live since", "Verdict", "Look"),
        *("Data to", "Came", "Expected", "Avoided, low (95 %)", "Avoided, most likely"),
        *("Avoided, high (95 %)", "Moved to a theme beside it", "Came back since", "Method"),
    )
    return csv_response("impact.csv", headings, [_cells(row) for row in list_shipped(db.session)])


@bp.get("/<key>")
@requires("impact.view")
def show(key: str) -> str:
    """Show one action's impact."""
    page = get_impact_page(db.session, key, whole_history="all" in request.args)
    spoken, newest = page.spoken, page.newest
    return render_template(
        "impact/show.html",
        page=page,
        action=page.action,
        plan=page.plan,
        looks=looks(page.action.went_live_on, page.action.rollout_days),
        first_day=_first_day(page.plan),
        **(_answer(page.action, spoken) if spoken else {}),
        **(_charts(page.action, newest) if newest else {}),
    )


@bp.get("/measurements/<int:measurement_id>")
@requires("impact.view")
def measurement(measurement_id: int) -> str:
    """Show one stored measurement as it was written."""
    page = get_measurement_page(db.session, measurement_id)
    return render_template(
        "impact/measurement.html",
        page=page,
        action=page.action,
        **_answer(page.action, page.full),
        **_charts(page.action, page.full),
    )


@bp.post("/<key>/measure")
@requires("impact.measure")
def measure(key: str) -> Response:
    """Measure now instead of waiting for the night: looks that are due first."""
    action = find_shipped(db.session, key)
    cut = get_data_span(db.session).cut(current_settings().reporting_zone)
    back = see_other(url_for("impact.show", key=key))
    if cut is None:
        flash("There are no contacts of a complete day yet. Import some first.", "warn")
        return back
    try:
        with db.transaction() as session:
            for as_of in [*action.unspoken_looks(cut), cut]:
                made = measure_intervention(
                    session,
                    settings=current_settings(),
                    intervention_id=action.intervention_id,
                    as_of=as_of,
                    by=current_actor(),
                )
            is_new = action.newest is None or made.id != action.newest.id
    except NotMeasurable as refusal:
        flash(refusal.sentence, "warn")
        return back
    flash(
        f"{key} is measured with data to {spelt(made.as_of)}."
        if is_new
        else f"Nothing has changed since the measurement with data to {spelt(made.as_of)}.",
        "done",
    )
    return back


@bp.post("/measurements/<int:measurement_id>/reproduce")
@requires("impact.measure")
def reproduce(measurement_id: int) -> Response:
    """Compute a measurement again from its stored inputs and say whether every digit agrees."""
    found = reproduce_measurement(db.session, measurement_id=measurement_id)
    if found.same:
        flash(f"Measurement {measurement_id} came out the same, digit for digit.", "done")
    else:
        said = " ".join(found.differences[:3])
        flash(f"Measurement {measurement_id} did not come out the same. {said}", "warn")
    return see_other(url_for("impact.measurement", measurement_id=measurement_id))


@bp.get("/<key>/days.csv")
@requires("impact.view")
def days_csv(key: str) -> Response:
    """Send the daily path of the newest measurement."""
    action = find_shipped(db.session, key)
    full = _newest(action)
    return csv_response(f"{key}-days.csv", DAY_HEADINGS, day_cells(action, full) if full else [])


@bp.get("/<key>/avoided.csv")
@requires("impact.view")
def avoided_csv(key: str) -> Response:
    """Send the running total of the newest measurement."""
    full = _newest(find_shipped(db.session, key))
    return csv_response(f"{key}-avoided.csv", RUNNING_HEADINGS, running_cells(full) if full else [])


@bp.get("/measurements/<int:measurement_id>/days.csv")
@requires("impact.view")
def measurement_days_csv(measurement_id: int) -> Response:
    """Send the daily path of one stored measurement."""
    page = get_measurement_page(db.session, measurement_id)
    name = f"measurement-{measurement_id}-days.csv"
    return csv_response(name, DAY_HEADINGS, day_cells(page.action, page.full))


@bp.get("/measurements/<int:measurement_id>/avoided.csv")
@requires("impact.view")
def measurement_avoided_csv(measurement_id: int) -> Response:
    """Send the running total of one stored measurement."""
    page = get_measurement_page(db.session, measurement_id)
    name = f"measurement-{measurement_id}-avoided.csv"
    return csv_response(name, RUNNING_HEADINGS, running_cells(page.full))


def _newest(action: ShippedAction) -> FullMeasurement | None:
    return get_detail(db.session, action.newest) if action.newest else None


def _answer(action: ShippedAction, full: FullMeasurement) -> dict[str, Any]:
    """Return what the answer, its picture and the checks are made of."""
    measured = full.measured
    found = action.finding(measured)
    worth = action.smallest_drop
    return {
        "measured": measured,
        "detail": full.detail,
        "answer": answer(found),
        "support": support(found),
        "target": worth * measured.expected if worth and measured.expected > 0 else None,
        "has_range": measured.verdict in COUNTED_VERDICTS,
        "cost": _cost(measured),
        "check_titles": CHECK_TITLES,
        "rules": RULES,
    }


def _charts(action: ShippedAction, full: FullMeasurement) -> dict[str, Any]:
    """Return the charts of a measurement with their sentences and tables."""
    measured = full.measured
    verdict = measured.verdict.value if measured.is_look else action.verdict.value
    if not paths_of(full).days:
        return {"charted": None}
    return {
        "charted": measured,
        "has_total": measured.verdict is not Verdict.NOT_ENOUGH_DATA,
        "impact_data": impact_chart(action, full, verdict),
        "impact_sentence": impact_sentence(action, full),
        "impact_rows": week_rows(action, full),
        "running_data": running_chart(action, full, verdict),
        "running_sentence": running_sentence(full),
        "running_rows": running_rows(action, full),
    }


def _cost(measured: Measured | None) -> dict[str, Any]:
    """Return the cost of a minute: as recorded with the measurement, else as it is now."""
    if measured is not None and measured.pence_per_minute > 0:
        rate, when = measured.pence_per_minute, "the rate when it was measured"
    else:
        settings = current_settings()
        rate = get_pence_per_minute(db.session, settings.pence_per_minute)
        when = "the rate in force now"
    minutes = measured.minutes if measured else None
    return {
        "rate": rate,
        "when": when,
        "minutes": minutes,
        "money": cost_avoided(minutes, rate) if minutes and rate > 0 else None,
    }


def _first_day(plan: dict[str, Any]) -> date | None:
    text = plan.get("first_baseline_day")
    return date.fromisoformat(text) if text else None


def _read_cursor(text: str) -> tuple[date, int] | None:
    found = _CURSOR.fullmatch(text)
    if found is None:
        return None
    try:
        return date.fromisoformat(found[1]), int(found[2])
    except ValueError:
        return None


def _more_url(values: dict[str, str], last: ShippedAction) -> str:
    cursor = f"{last.went_live_on.isoformat()}.{last.intervention_id}"
    return url_for("impact.index", **_plain({**values, "after": cursor}))


def _plain(values: dict[str, str]) -> dict[str, Any]:
    return dict(values)


def _cells(row: ShippedAction) -> list[Any]:
    look = row.look
    has_range = look is not None and look.verdict in COUNTED_VERDICTS
    numbers = [look.as_of, look.observed, round(look.expected, 1)] if look else [None, None, None]
    ends = (
        [round(value, 1) for value in (look.avoided.low, look.avoided.middle, look.avoided.high)]
        if look and has_range
        else [None, None, None]
    )
    return [
        row.key,
        row.title,
        f"{row.theme_key} {row.theme_name}",
        row.department_name,
        row.owner_name,
        row.went_live_on,
        row.verdict.label,
        row.look_number,
        *numbers,
        *ends,
        bool(look and look.has_moved),
        row.came_back_since,
        look.method_version if look else None,
    ]
