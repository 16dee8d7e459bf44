"""Pages: what every shipped action did, one of them in full, and each stored measurement."""

from __future__ import annotations

from datetime import date
from typing import Any

from flask import flash, render_template, request, url_for
from flask_login import current_user
from werkzeug import Response

from closedloop.domain.errors import Invalid, NotFound
from closedloop.domain.impact_page_words import left_out, stands_behind, taken_back
from closedloop.domain.impact_words import spelt
from closedloop.domain.money_words import RULES as MONEY_RULES
from closedloop.domain.money_words import not_at_this_pace
from closedloop.extensions import current_settings, db
from closedloop.queries.impact import (
    COUNTED_VERDICTS,
    Standing,
    list_departments_that_shipped,
    list_shipped,
)
from closedloop.queries.impact_measured import list_measurements
from closedloop.queries.impact_page import (
    ImpactPage,
    find_shipped,
    get_impact_page,
    get_measured_key,
)
from closedloop.queries.impact_places import list_places
from closedloop.queries.impact_total import get_portfolio
from closedloop.queries.sign_offs import owner_ids
from closedloop.queries.site import get_pence_per_minute
from closedloop.queries.taken_back import MOST_NAMED, count_taken_back, is_of_taken_back
from closedloop.services.impact import measure_days, reproduce_measurement
from closedloop.services.sign_offs import MOST_NOTE, sign_off_measurement
from closedloop.web import impact_settings
from closedloop.web.asked import read_day_cursor
from closedloop.web.csv_files import csv_response
from closedloop.web.htmx import see_other
from closedloop.web.impact_answer import answer_values, chart_values, plan_beside
from closedloop.web.impact_asked import Asked, cursor_after, read_asked
from closedloop.web.impact_bp import bp
from closedloop.web.impact_charts import DAY_HEADINGS, RUNNING_HEADINGS, day_cells, running_cells
from closedloop.web.impact_files import (
    MEASUREMENT_HEADINGS,
    PLACE_HEADINGS,
    measurement_cells,
    place_cells,
    shipped_csv,
)
from closedloop.web.impact_money import money_context
from closedloop.web.impact_rules import RULES, settings_in_force
from closedloop.web.permissions import requires
from closedloop.web.session import current_actor
from closedloop.web.spans import data_cut

__all__ = ["bp", "impact_settings"]  # its pages belong to the blueprint

Page = str | tuple[str, int] | Response
PAGE_ROWS = 60


@bp.get("/", strict_slashes=False)
@requires("impact.view")
def index() -> str:
    """Show every shipped action, its verdict and its range."""
    asked = read_asked(request.args)
    after = read_day_cursor(request.args.get("after", ""))
    rows = list_shipped(db.session, **asked.filters, after=after, limit=PAGE_ROWS + 1)
    shown = rows[:PAGE_ROWS]
    rate = _minute_rate()
    found = get_portfolio(db.session, pence_now=rate, **asked.filters)
    return render_template(
        "impact/index.html",
        asked=asked,
        rows=shown,
        total=found.total,
        total_money=found.money,
        money_rules=MONEY_RULES,
        not_at_this_pace=not_at_this_pace,
        rate=rate,
        behind=stands_behind(found.total.verdicts, found.total.without_range),
        **_taken_back(asked),
        left_out=left_out(found.total.without_range, found.total.inconclusive),
        departments=list_departments_that_shipped(db.session),
        standings=tuple(Standing),
        counted=COUNTED_VERDICTS,
        rules=RULES,
        in_force=settings_in_force(current_settings()),
        more_url=asked.url(after=cursor_after(shown[-1])) if len(rows) > PAGE_ROWS else "",
        first_url=asked.url() if after else "",
    )


def _taken_back(asked: Asked) -> dict[str, Any]:
    """Return how many go-lives were taken back among those asked for, and the newest by key."""
    found = count_taken_back(
        db.session,
        department_id=asked.department_id,
        live_from=asked.live_from,
        live_until=asked.live_until,
    )
    return {
        "taken_back": taken_back(found.go_lives, found.judged),
        "taken_back_keys": found.keys,
        "taken_back_is_cut": found.go_lives > MOST_NAMED,
    }


def _minute_rate() -> float:
    """Return what an agent minute costs now, in minor units; 0 where nobody has said so."""
    return get_pence_per_minute(db.session, current_settings().pence_per_minute)


@bp.get("/impact.csv")
@requires("impact.view")
def export() -> Response:
    """Send the newest looks of the shipped actions that the filters leave, as CSV."""
    asked = read_asked(request.args)
    rows = list_shipped(db.session, **asked.filters)
    return shipped_csv(db.session, "impact.csv", rows)


@bp.get("/<key>")
@requires("impact.view")
def show(key: str) -> str:
    """Show one action's impact; `measurement=ID` shows it as it stood at a measurement."""
    return _page(key, _measurement_asked())


def _measurement_asked() -> int | None:
    """Return the measurement of the address, None when it asks for none."""
    text = request.args.get("measurement", "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise NotFound(f"“{text[:20]}” is not the number of a measurement.")
    return int(text)


def _page(
    key: str,
    measurement_id: int | None,
    errors: dict[str, str] | None = None,
    note: str = "",
) -> str:
    older = read_day_cursor(request.args.get("older", ""))
    page = get_impact_page(db.session, key, measurement_id=measurement_id, older_than=older)
    spoken, charted, rate = page.spoken, page.charted, _minute_rate()
    return render_template(
        "impact/show.html",
        page=page,
        action=page.action,
        plan=page.plan,
        beside=plan_beside(page),
        days_to_look=_days_to_look(page.action.next_look),
        older_url=_older_url(page),
        has_skipped=bool(older),
        owns_it=current_user.id in owner_ids(page.plan, page.action.owner_id),
        has_signed=any(one.user_id == current_user.id for one in page.sign_offs),
        most_note=MOST_NOTE,
        errors=errors or {},
        note=note,
        rules=RULES,
        counted=COUNTED_VERDICTS,
        rate=rate,
        in_force=settings_in_force(current_settings()),
        **(answer_values(page.action, spoken) if spoken else {}),
        **(money_context(page, spoken, pence_now=rate) if spoken else {}),
        **(chart_values(page.action, charted) if charted else {}),
    )


def _days_to_look(look: date | None) -> int | None:
    """Return how many days of data the next look still needs; None after the last, or without any.

    Counted from the data, not from the newest measurement, which half a year after go-live is
    made once a week only.
    """
    cut = data_cut()
    return max(0, (look - cut).days) if look and cut else None


def _older_url(page: ImpactPage) -> str:
    if not page.has_more_running:
        return ""
    values: dict[str, Any] = {"older": cursor_after(page.running[-1])}
    if page.stood:
        values["measurement"] = page.stood.measured.id
    return url_for("impact.show", key=page.action.key, _anchor="history-title", **values)


@bp.get("/measurements/<int:measurement_id>")
@requires("impact.view")
def measurement(measurement_id: int) -> str | Response:
    """Show the page of the action as it stood at one stored measurement.

    What had been measured of a go-live that was taken back is told on the page of the action.
    """
    key = get_measured_key(db.session, measurement_id)
    if is_of_taken_back(db.session, measurement_id):
        return see_other(url_for("actions.show", key=key, _anchor="taken-back-title"))
    return _page(key, measurement_id)


@bp.post("/<key>/measure")
@requires("impact.measure")
def measure(key: str) -> Response:
    """Measure now instead of waiting for the night: looks that are due first."""
    action = find_shipped(db.session, key)
    cut = data_cut()
    back = see_other(url_for("impact.show", key=key))
    if cut is None:
        flash("There are no contacts of a complete day yet. Import some first.", "warn")
        return back
    found = measure_days(
        db.transaction,
        settings=current_settings(),
        intervention_id=action.intervention_id,
        days=[*action.unspoken_looks(cut), cut],
        by=current_actor(),
    )
    if found.refusal:
        flash(found.refusal, "warn")
    else:
        newest = found.made[-1]
        is_new = action.newest is None or newest.id != action.newest.id
        flash(
            f"{key} is measured with data to {spelt(newest.as_of)}."
            if is_new
            else f"Nothing has changed since the measurement with data to {spelt(newest.as_of)}.",
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


@bp.post("/measurements/<int:measurement_id>/sign-off")
@requires("impact.sign_off")
def sign_off(measurement_id: int) -> Page:
    """Put down that somebody other than the owner stands by a verdict."""
    key = get_measured_key(db.session, measurement_id)
    note = request.form.get("note", "")
    try:
        with db.transaction() as session:
            sign_off_measurement(
                session, measurement_id=measurement_id, note=note, by=current_actor()
            )
    except Invalid as refusal:
        return _page(key, measurement_id, errors=refusal.fields, note=note), 422
    flash("You signed it off. Your name stands beside the verdict from now on.", "done")
    return see_other(url_for("impact.show", key=key, measurement=measurement_id))


@bp.get("/<key>/days.csv")
@requires("impact.view")
def days_csv(key: str) -> Response:
    """Send the daily path of the newest measurement, or of the one asked for."""
    page = get_impact_page(db.session, key, measurement_id=_measurement_asked())
    cells = day_cells(page.action, page.charted) if page.charted else []
    return csv_response(f"{_file_name(page)}-days.csv", DAY_HEADINGS, cells)


@bp.get("/<key>/avoided.csv")
@requires("impact.view")
def avoided_csv(key: str) -> Response:
    """Send the running total of the newest measurement, or of the one asked for."""
    page = get_impact_page(db.session, key, measurement_id=_measurement_asked())
    cells = running_cells(page.charted) if page.charted else []
    return csv_response(f"{_file_name(page)}-avoided.csv", RUNNING_HEADINGS, cells)


@bp.get("/<key>/places.csv")
@requires("impact.view")
def places_csv(key: str) -> Response:
    """Send where it happened by the look in force, or by the measurement asked for."""
    page = get_impact_page(db.session, key, measurement_id=_measurement_asked())
    cells = place_cells(list_places(page.spoken)) if page.spoken else []
    return csv_response(f"{_file_name(page)}-places.csv", PLACE_HEADINGS, cells)


@bp.get("/<key>/measurements.csv")
@requires("impact.view")
def measurements_csv(key: str) -> Response:
    """Send everything that was measured of the action, the newest data first."""
    action = find_shipped(db.session, key)
    rows = list_measurements(db.session, action.intervention_id)
    cells = measurement_cells(rows)
    return csv_response(f"{action.key}-measurements.csv", MEASUREMENT_HEADINGS, cells)


def _file_name(page: ImpactPage) -> str:
    stood = page.stood
    return f"{page.action.key}-{stood.measured.id}" if stood else page.action.key
