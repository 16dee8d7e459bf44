"""Pages: what metrics are held against: goals, prices of a minute, drivers, lists."""

from __future__ import annotations

from datetime import date
from typing import Any

from flask import flash, render_template, request, url_for
from werkzeug import Response

from closedloop.domain.clock import today
from closedloop.domain.contacts import HEADLINE_WINDOW, WINDOWS
from closedloop.domain.errors import Invalid
from closedloop.domain.metric_table import METRICS, get_metric
from closedloop.domain.metrics import Better, ListKind, Metric
from closedloop.extensions import current_settings, db
from closedloop.queries.contacts import FilterOptions, get_filter_options
from closedloop.queries.metric_terms import list_costs, list_drivers, list_goals, list_lists
from closedloop.queries.site import get_data_span, get_pence_per_minute, get_person_minutes
from closedloop.services.metrics import (
    MOST_DRIVER_BYTES,
    end_goal,
    import_drivers,
    set_channel_cost,
    set_goal,
    set_metric_list,
)
from closedloop.services.site import set_person_minutes
from closedloop.web.amounts import read_amount, read_number
from closedloop.web.htmx import see_other
from closedloop.web.metric_words import read_goal, typed_goal, value_words
from closedloop.web.metrics_bp import bp
from closedloop.web.permissions import requires
from closedloop.web.session import current_actor

Page = str | Response | tuple[str, int]
GOAL_METRICS = tuple(m for m in METRICS if m.better is not Better.NEITHER)


def _today() -> date:
    return today(current_settings().reporting_zone)


def _options() -> FilterOptions:
    return get_filter_options(db.session, last_day=get_data_span(db.session).last_day)


def _day(name: str = "valid_from") -> date:
    typed = request.form.get(name, "").strip()
    try:
        return date.fromisoformat(typed)
    except ValueError:
        sentence = f"“{typed[:20]}” is not a day. Write it as 2026-03-31."
        raise Invalid(sentence, {name: sentence}) from None


@bp.get("/settings")
@requires("metrics.view")
def goals() -> str:
    """Show the goals and how they came."""
    values = {
        "metric": request.args.get("metric", ""),
        "window": request.args.get("window", HEADLINE_WINDOW.key),
        "valid_from": _today().isoformat(),
    }
    return _goals_page(values, {})


def _goals_page(values: dict[str, str], errors: dict[str, str]) -> str:
    by_key = {metric.key: metric for metric in METRICS}
    windows = {window.key: window.label for window in WINDOWS}
    rows = [
        (by_key[goal.metric], windows.get(goal.window, ""), goal)
        for goal in reversed(list_goals(db.session))
        if goal.metric in by_key
    ]
    return render_template(
        "metrics/goals.html",
        values=values,
        errors=errors,
        rows=rows,
        value_words=value_words,
        metrics=[("", "Choose a metric"), *((m.key, m.name) for m in GOAL_METRICS)],
        windows=[(window.key, window.label) for window in WINDOWS],
        currency=current_settings().currency,
    )


@bp.post("/settings/goals")
@requires("metrics.manage")
def update_goal() -> Page:
    """Set a goal from a day on, or end it."""
    names = ("metric", "window", "valid_from", "goal", "note", "end")
    values = {name: request.form.get(name, "") for name in names}
    try:
        metric = _goal_metric(values["metric"])
        window = metric.fixed_window or (values["window"] if metric.needs_window else "")
        with db.transaction() as session:
            if values["end"]:
                end_goal(
                    session,
                    metric=metric.key,
                    window=window,
                    valid_from=_day(),
                    by=current_actor(),
                )
            else:
                set_goal(
                    session,
                    metric=metric.key,
                    window=window,
                    valid_from=_day(),
                    goal=_goal(metric, values["goal"]),
                    note=values["note"],
                    by=current_actor(),
                )
    except Invalid as refusal:
        return _goals_page(values, refusal.fields), 422
    flash(f"The goal of {metric.name} is {'ended' if values['end'] else 'set'}.", "done")
    return see_other(url_for("metrics.goals"))


def _goal_metric(key: str) -> Metric:
    if key not in {metric.key for metric in GOAL_METRICS}:
        sentence = "Choose the metric that the goal is for."
        raise Invalid(sentence, {"metric": sentence})
    return get_metric(key)


def _goal(metric: Metric, typed: str) -> float:
    try:
        return read_goal(metric, typed)
    except ValueError:
        example = typed_goal(metric, 0.15 if metric.unit.ends[1] == 1 else 5.0)
        sentence = f"“{typed[:20]}” is no number. Write it like {example}."
        raise Invalid(sentence, {"goal": sentence}) from None


@bp.get("/settings/costs")
@requires("metrics.view")
def costs() -> str:
    """Show what a minute of each channel costs, and since when."""
    return _costs_page({"valid_from": _today().isoformat()}, {})


def _costs_page(values: dict[str, str], errors: dict[str, str]) -> str:
    settings = current_settings()
    channels = [channel for channel in _options().channels if channel]
    return render_template(
        "metrics/costs.html",
        values=values,
        errors=errors,
        rows=list(reversed(list_costs(db.session))),
        channels=[("", "Every other channel"), *((channel, channel) for channel in channels)],
        default_pence=get_pence_per_minute(db.session, settings.pence_per_minute),
        currency=settings.currency,
        hours=values.get("hours", f"{get_person_minutes(db.session) / 60:.6g}"),
    )


@bp.post("/settings/working-year")
@requires("metrics.manage")
def update_working_year() -> Page:
    """Set how many hours a year a full-time person handles contacts."""
    typed = request.form.get("hours", "")
    try:
        with db.transaction() as session:
            set_person_minutes(session, minutes=_hours(typed) * 60, by=current_actor())
    except Invalid as refusal:
        values = {"valid_from": _today().isoformat(), "hours": typed}
        return _costs_page(values, {"hours": refusal.sentence}), 422
    flash("The working year is set. Measurements made before keep the one they used.", "done")
    return see_other(url_for("metrics.costs"))


def _hours(typed: str) -> float:
    try:
        return read_number(typed)
    except ValueError:
        sentence = f"“{typed[:20]}” is no number of hours. Write it like 1600."
        raise Invalid(sentence, {"hours": sentence}) from None


@bp.post("/settings/costs")
@requires("metrics.manage")
def update_cost() -> Page:
    """Set what a minute costs from a day on."""
    values = {name: request.form.get(name, "") for name in ("channel", "valid_from", "price")}
    try:
        with db.transaction() as session:
            set_channel_cost(
                session,
                channel=values["channel"],
                valid_from=_day(),
                pence_per_minute=_price(values["price"]),
                by=current_actor(),
            )
    except Invalid as refusal:
        fields = dict(refusal.fields)
        if "pence_per_minute" in fields:
            fields["price"] = fields.pop("pence_per_minute")
        return _costs_page(values, fields), 422
    flash("The price is set. It counts for the days from then on.", "done")
    return see_other(url_for("metrics.costs"))


def _price(typed: str) -> float:
    try:
        return read_amount(typed, current_settings().currency)
    except ValueError:
        sentence = "Write an amount such as 0.62."
        raise Invalid(sentence, {"price": sentence}) from None


@bp.get("/settings/drivers")
@requires("metrics.view")
def drivers() -> str:
    """Show what contact rates are held against."""
    return _drivers_page("", {})


def _drivers_page(name: str, errors: dict[str, str]) -> str:
    rows = list_drivers(db.session)
    return render_template("metrics/drivers.html", rows=rows, name=name, errors=errors)


@bp.post("/settings/drivers")
@requires("metrics.manage")
def update_drivers() -> Page:
    """Take in a file of driver volumes."""
    sent, name = request.files.get("file"), request.form.get("driver", "")
    try:
        data = sent.stream.read(MOST_DRIVER_BYTES + 1) if sent and sent.filename else b""
        if not data:
            sentence = "No file came with the form, or an empty one. Choose one and send it again."
            raise Invalid(sentence, {"file": sentence})
        with db.transaction() as session:
            report = import_drivers(
                session,
                data=data,
                driver=name,
                file_name=(sent.filename or "") if sent else "",
                by=current_actor(),
            )
    except Invalid as refusal:
        return _drivers_page(name, refusal.fields), 422
    flash(
        f"{', '.join(report.drivers)}: {report.added} days new, {report.changed} replaced, "
        f"{report.unchanged} as before.",
        "done",
    )
    return see_other(url_for("metrics.drivers"))


@bp.get("/settings/lists")
@requires("metrics.view")
def lists() -> str:
    """Show the lists that are fixed in advance."""
    return _lists_page(None, {}, {})


def _lists_page(kind: ListKind | None, values: dict[str, str], errors: dict[str, str]) -> str:
    rows, options = list_lists(db.session), _options()
    known = {
        ListKind.NET_EXCLUSIONS: options.dispositions,
        ListKind.RESOLUTION_QUEUES: options.queues,
    }
    shown: list[dict[str, Any]] = []
    for one in ListKind:
        history = [row for row in rows if row.kind == one.value]
        newest = history[-1].entries if history else ()
        shown.append(
            {
                "kind": one,
                "history": list(reversed(history)),
                "entries": values.get("entries", "\n".join(newest))
                if one is kind
                else "\n".join(newest),
                "valid_from": values.get("valid_from", "") if one is kind else _today().isoformat(),
                "errors": errors if one is kind else {},
                "known": [value for value in known[one] if value],
            }
        )
    return render_template("metrics/lists.html", lists=shown, errors=errors)


@bp.post("/settings/lists")
@requires("metrics.manage")
def update_list() -> Page:
    """Fix a list from a day on."""
    kind = request.form.get("kind", "")
    values = {name: request.form.get(name, "") for name in ("entries", "valid_from")}
    if kind not in set(ListKind):
        raise Invalid("The form does not say which list it is. Open the page again.")
    try:
        with db.transaction() as session:
            row = set_metric_list(
                session,
                kind=ListKind(kind),
                valid_from=_day(),
                entries=values["entries"].splitlines(),
                today=_today(),
                by=current_actor(),
            )
    except Invalid as refusal:
        return _lists_page(ListKind(kind), values, refusal.fields), 422
    flash(f"The list holds from {row.valid_from} on.", "done")
    return see_other(url_for("metrics.lists"))
