"""Pages: every metric at a glance, and one metric to explore."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from flask import Response, render_template, request, url_for

from closedloop.adapters.language_names import language_name
from closedloop.domain.contacts import HEADLINE_WINDOW, WINDOWS
from closedloop.domain.home import Change
from closedloop.domain.metric_table import METRICS, get_metric
from closedloop.domain.metrics import Better, Metric, Scope, Unit
from closedloop.extensions import current_settings, db
from closedloop.queries.contacts import get_filter_options
from closedloop.queries.handle_median import find_median
from closedloop.queries.metric_trend import MetricPage, Piece, Step, get_metric_page
from closedloop.queries.metrics import Breakdown, Reading, list_groups, list_readings
from closedloop.queries.site import DataSpan, get_data_span
from closedloop.web import metrics_settings
from closedloop.web.csv_files import csv_response
from closedloop.web.metric_asked import BY, Asked, choices_of, filter_value, read_asked
from closedloop.web.metric_files import (
    METRIC_HEADINGS,
    group_cells,
    group_headings,
    metric_cells,
    piece_cells,
    piece_headings,
    piece_state,
)
from closedloop.web.metric_words import (
    begin_sentence,
    cell_words,
    change_kind,
    chart_digits,
    chart_number,
    chart_unit,
    difference_words,
    goal_words,
    spark_heights,
    value_words,
)
from closedloop.web.metrics_bp import bp
from closedloop.web.permissions import requires, user_may

__all__ = ["bp", "metrics_settings"]

OVERVIEW = tuple(metric for metric in METRICS if metric.scope is not Scope.CUSTOMERS)
"""Distinct customers alone are counted from the contacts: on their own page, when asked for."""

STEPS = {Step.DAY: "Days", Step.WEEK: "Weeks", Step.MONTH: "Months"}


@bp.context_processor
def words() -> dict[str, Any]:
    """Give the templates of metrics their words."""
    return {
        "cell_words": cell_words,
        "begin": begin_sentence,
        "change_kind": change_kind,
        "difference_words": difference_words,
        "goal_words": goal_words,
        "language_name": language_name,
        "spark_heights": spark_heights,
        "value_words": value_words,
        "filter_value": filter_value,
    }


@bp.get("/", strict_slashes=False)
@requires("metrics.view")
def index() -> str:
    """Show every metric over one period."""
    span = get_data_span(db.session)
    asked = read_asked(request.args, span, None)
    if asked is None:
        return render_template("metrics/index.html", asked=None)
    readings = list_readings(db.session, asked.wanted, ground=asked.ground, metrics=OVERVIEW)
    return render_template(
        "metrics/index.html",
        asked=asked,
        k=asked.ground.k,
        families=[(f, list(rows)) for f, rows in groupby(METRICS, lambda m: m.family)],
        readings={reading.metric.key: reading for reading in readings},
        headline=next(r for r in readings if r.metric.key == "repeat_rate_any"),
        contacts=next(r for r in readings if r.metric.key == "contacts"),
        windows=WINDOWS,
        choices=_choices(asked, span),
    )


@bp.get("/metrics.csv")
@requires("metrics.view")
def index_csv() -> Response:
    """Send the table of all metrics."""
    asked = read_asked(request.args, get_data_span(db.session), None)
    if asked is None:
        return csv_response("metrics.csv", ["There are no contacts yet."], [])
    readings = list_readings(db.session, asked.wanted, ground=asked.ground, metrics=OVERVIEW)
    k = asked.ground.k
    return csv_response("metrics.csv", METRIC_HEADINGS, [metric_cells(r, k) for r in readings])


@bp.get("/<key>")
@requires("metrics.view")
def show(key: str) -> str:
    """Show one metric: its value, its trend, its parts, its rule and its goals."""
    metric, span = get_metric(key), get_data_span(db.session)
    asked = read_asked(request.args, span, metric)
    if asked is None:
        rule = metric.rule_in_words(HEADLINE_WINDOW)
        return render_template("metrics/show.html", asked=None, metric=metric, rule_words=rule)
    page = get_metric_page(db.session, metric, asked.wanted, step=asked.step, ground=asked.ground)
    reading, k = page.reading, asked.ground.k
    return render_template(
        "metrics/show.html",
        asked=asked,
        metric=metric,
        reading=reading,
        window=reading.window,
        k=k,
        chart=_chart(page, asked.step),
        chart_rows=[_piece_row(metric, piece, asked.step, k) for piece in page.pieces],
        chart_headings=_headings(metric, asked.step),
        legend=_legend(page),
        maturing_from=_maturing_from(page),
        step_words=_step_words(page, asked.step),
        median=find_median(db.session, reading, asked.wanted, asked.ground.terms),
        breakdown=_groups(metric, asked),
        by_names=BY,
        steps=STEPS,
        windows=WINDOWS if metric.needs_window and not metric.fixed_window else (),
        choices=_choices(asked, span),
        goals=asked.ground.terms.goals_of(metric, asked.wanted.window),
        has_goal=metric.better is not Better.NEITHER,
        needs_driver=metric.scope is Scope.DRIVEN,
        may_be_chance=_may_be_chance(reading),
        looks_back=_looks_back(metric, reading, asked),
        is_bare=reading.days > 0
        and reading.cell.state == "none"
        and all(piece.cell.value is None for piece in page.pieces),
        remedy=_remedy(metric),
    )


def _remedy(metric: Metric) -> tuple[str, str] | None:
    """Return the words and the address of the page that gives a metric what it needs."""
    if metric.scope is Scope.JUDGED:
        return ("Judge themes in Triage", url_for("triage.index"))
    settings = {
        Scope.NET: ("Say which codes are left out", "metrics.lists"),
        Scope.TEAMS: ("Say which queues they are", "metrics.lists"),
        Scope.DRIVEN: ("Import volumes", "metrics.drivers"),
        Scope.PRICED: ("Say what a minute costs", "metrics.costs"),
    }.get(metric.scope)
    if settings:
        return (settings[0], url_for(settings[1])) if user_may("metrics.manage") else None
    if user_may("contacts.import"):
        return ("Import a file that says it", url_for("contacts.import_new"))
    return None


@bp.get("/<key>/groups.csv")
@requires("metrics.view")
def groups_csv(key: str) -> Response:
    """Send a metric broken down, as its page shows it."""
    metric = get_metric(key)
    asked = read_asked(request.args, get_data_span(db.session), metric)
    if asked is None:
        return csv_response(f"{metric.key}.csv", ["There are no contacts yet."], [])
    k, found = asked.ground.k, _groups(metric, asked).groups
    rows = [group_cells(metric, BY[asked.by], group, k) for group in found]
    headings = group_headings(metric, BY[asked.by])
    return csv_response(f"{metric.key}-by-{asked.by}.csv", headings, rows)


@bp.get("/<key>/trend.csv")
@requires("metrics.view")
def trend_csv(key: str) -> Response:
    """Send the days, weeks or months of a metric, as its page shows them."""
    metric = get_metric(key)
    asked = read_asked(request.args, get_data_span(db.session), metric)
    if asked is None:
        return csv_response(f"{metric.key}.csv", ["There are no contacts yet."], [])
    k, step = asked.ground.k, asked.step
    page = get_metric_page(db.session, metric, asked.wanted, step=step, ground=asked.ground)
    rows = [piece_cells(metric, piece, step, k) for piece in page.pieces]
    return csv_response(f"{metric.key}-by-{step.value}.csv", piece_headings(metric, step), rows)


def _choices(asked: Asked, span: DataSpan) -> dict[str, list[tuple[str, str]]]:
    return choices_of(asked, get_filter_options(db.session, last_day=span.last_day))


def _groups(metric: Metric, asked: Asked) -> Breakdown:
    if metric.scope is Scope.CUSTOMERS and "by" not in asked.values:
        return Breakdown()  # it reads the contacts themselves, so only when somebody asks
    return list_groups(db.session, metric, asked.wanted, by=asked.by, ground=asked.ground)


def _may_be_chance(reading: Reading) -> bool:
    """Return whether a share that moved may have done so by chance alone."""
    moved = abs(reading.difference or 0.0) >= 0.0005
    return moved and reading.metric.unit is Unit.SHARE and reading.change is Change.FLAT


def _looks_back(metric: Metric, reading: Reading, asked: Asked) -> bool:
    """Return whether the first days have less than a window of data behind them."""
    names = {"opening_any", "opening_same"} & set(metric.counts)
    behind = (reading.first_day - asked.ground.first_data_day).days
    return bool(names) and behind < reading.window.days


def _chart(page: MetricPage, step: Step) -> dict[str, Any]:
    """Return the data of the chart; a part of a week or month of what adds up is left out."""
    metric, pieces = page.reading.metric, page.pieces

    def drawn(piece: Piece) -> float | None:
        is_part = metric.unit.adds_up and not piece.is_whole
        return None if is_part else chart_number(metric, piece.cell.value)

    values = [drawn(piece) for piece in pieces]
    series = [{"name": STEPS[step][:-1], "values": values, "style": "line"}]
    if any(piece.rolling for piece in pieces):
        series[0]["style"] = "thin"
        rolling = [chart_number(metric, p.rolling.value if p.rolling else None) for p in pieces]
        series.insert(0, {"name": "Seven days", "values": rolling, "style": "line"})
    goals = [chart_number(metric, piece.goal) for piece in pieces]
    if any(goal is not None for goal in goals):
        series.append({"name": "Goal", "values": goals, "style": "goal"})
    return {
        "days": [piece.first_day for piece in pieces],
        "unit": chart_unit(metric, current_settings().currency),
        "rate": metric.unit is Unit.SHARE,
        "digits": chart_digits(metric),
        "step": step.value,
        "series": series,
        "maturing_from": _maturing_from(page),
        "marks": [],
    }


def _maturing_from(page: MetricPage) -> Any:
    return next((piece.first_day for piece in page.pieces if piece.is_maturing), None)


def _step_words(page: MetricPage, step: Step) -> str:
    """Say which of the pieces are not whole."""
    said = []
    if any(piece.is_maturing for piece in page.pieces):
        said.append("Hatched: the window of these contacts is still open.")
    if any(not piece.is_whole and not piece.is_maturing for piece in page.pieces):
        adds_up = page.reading.metric.unit.adds_up
        how = "left out of the line" if adds_up else "made from the days it has"
        said.append(f"A {step.value} that is not whole is {how}.")
    return " ".join(said) or f"Every {step.value} shown is whole."


def _legend(page: MetricPage) -> list[tuple[str, str]]:
    rolls = any(piece.rolling for piece in page.pieces)
    found = [("line-d1", "Seven days" if rolls else page.reading.metric.name)]
    found += [("line-thin", "Single days")] if rolls else []
    if any(piece.goal is not None for piece in page.pieces):
        found.append(("line-fell", "Goal"))
    if _maturing_from(page):
        found.append(("hatch", "Maturing: window still open"))
    return found


def _headings(metric: Metric, step: Step) -> tuple[str, ...]:
    rolling = ("Seven days",) if step is Step.DAY and not metric.unit.adds_up else ()
    period = ("Day",) if step is Step.DAY else ("From", "To")
    return (*period, metric.name, *rolling, "Contacts or answers", "All contacts", "Goal", "State")


def _piece_row(metric: Metric, piece: Piece, step: Step, k: int) -> list[Any]:
    days = (piece.first_day,) if step is Step.DAY else (piece.first_day, piece.last_day)
    rolling = []
    if step is Step.DAY and not metric.unit.adds_up:
        rolling = [cell_words(metric, piece.rolling, k) if piece.rolling else ""]
    return [
        *(day.isoformat() for day in days),
        cell_words(metric, piece.cell, k),
        *rolling,
        "not shown" if piece.cell.n is None else piece.cell.n,
        "not shown" if piece.contacts is None else piece.contacts,
        "" if piece.goal is None else value_words(metric, piece.goal),
        piece_state(piece, step),
    ]
