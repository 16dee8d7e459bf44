"""Pages: the one-page report for executives."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from flask import Blueprint, render_template, request
from werkzeug import Response

from closedloop.domain.clock import today
from closedloop.domain.impact import Verdict
from closedloop.domain.impact_page_words import taken_back
from closedloop.domain.money_words import RULES, not_at_this_pace
from closedloop.domain.placebos import say_all
from closedloop.domain.report_words import (
    Line,
    headline,
    in_words,
    rates_sentence,
    what_did_not,
    what_worked,
)
from closedloop.extensions import current_settings, db
from closedloop.queries.impact import COUNTED_VERDICTS, ShippedAction, list_shipped
from closedloop.queries.impact_money import get_total_money
from closedloop.queries.impact_site import find_newest_check
from closedloop.queries.reports import Report, default_period, get_report
from closedloop.queries.site import get_data_span, get_pence_per_minute
from closedloop.queries.taken_back import count_taken_back
from closedloop.web.csv_files import csv_response
from closedloop.web.filters import day as day_words
from closedloop.web.filters import nice_axis, plural
from closedloop.web.impact_files import SHIPPED_HEADINGS, shipped_csv
from closedloop.web.impact_rules import RULES as IMPACT_RULES
from closedloop.web.permissions import requires
from closedloop.web.report_trend import draw_trend, weeks_of

bp = Blueprint("reports", __name__, url_prefix="/reports")

TABLE_ROWS = 8
"""Shipped actions that fit on one printed page; the rest is summed up below the table."""

LIST_ROWS = 3
"""Lines of each list that fit on one printed page; `lists=full` shows all of them."""

FEW_TICKS = 5
LONGEST_TITLE = 70


@dataclass(frozen=True)
class Period:
    """The period asked for, both days inclusive, and what could not be understood."""

    first_day: date
    last_day: date
    cut: date
    first_data_day: date
    problems: list[str]


@dataclass(frozen=True)
class Lines:
    """The lines of one list that are shown, and how many more there are."""

    shown: list[Line]
    more: int = 0


@bp.get("/", strict_slashes=False)
@requires("reports.view")
def index() -> str:
    """Show the report of a period: this year so far or the last six months by default.

    Its lists are cut to what one page holds, unless `lists=full`.
    """
    period = _read_period()
    if period is None:
        return render_template("reports/empty.html")
    settings = current_settings()
    pence_now = get_pence_per_minute(db.session, settings.pence_per_minute)
    report = get_report(
        db.session,
        first_day=period.first_day,
        last_day=period.last_day,
        cut=period.cut,
        first_data_day=period.first_data_day,
        k=settings.privacy_k,
        zone=settings.reporting_zone,
        pence_now=pence_now,
    )
    shown = report.shipped[:TABLE_ROWS]
    is_full = request.args.get("lists") == "full"
    return render_template(
        "reports/index.html",
        period=period,
        report=report,
        shown=shown,
        rest=_rest(report.shipped[TABLE_ROWS:]),
        counted=COUNTED_VERDICTS,
        title=_headline(report),
        drawing=draw_trend(report.trend, [row.went_live_on for row in report.shipped]),
        rates=_rates(report),
        weeks=weeks_of(report.trend),
        scale=_scale(shown),
        worked=_cut(_worked(report), is_full),
        failed=_cut(_failed(report), is_full),
        coming=_cut(_next(report), is_full),
        decisions=_cut(_decisions(report), is_full),
        is_full=is_full,
        money_rules=RULES,
        avoided_rule=IMPACT_RULES["total"],
        not_at_this_pace=not_at_this_pace,
        presets=_presets(period),
        false_alarms=_false_alarms(),
        taken_back=_taken_back(period),
        today=today(settings.reporting_zone),
    )


@bp.get("/trend.csv")
@requires("reports.view")
def trend_csv() -> Response:
    """Send the daily repeat rates of the period; days still maturing have none."""
    headings = ("Day", "Any reason, 7 days", "Same theme, 7 days", "Any, week", "Same, week")
    period = _read_period()
    if period is None:
        return csv_response("repeat-rates.csv", headings, [])
    report = get_report(
        db.session,
        first_day=period.first_day,
        last_day=period.last_day,
        cut=period.cut,
        first_data_day=period.first_data_day,
        k=current_settings().privacy_k,
        zone=current_settings().reporting_zone,
    )
    rows = [[d.day, d.any, d.same, d.any7, d.same7] for d in report.trend.days]
    return csv_response("repeat-rates.csv", headings, rows)


@bp.get("/actions.csv")
@requires("reports.view")
def actions_csv() -> Response:
    """Send the actions that went live in the period, with what was known at its end."""
    period = _read_period()
    if period is None:
        return csv_response("shipped-actions.csv", SHIPPED_HEADINGS, [])
    rows = list_shipped(
        db.session,
        until=period.last_day,
        live_from=period.first_day,
        live_until=period.last_day,
    )
    name = f"shipped-{period.first_day}-to-{period.last_day}.csv"
    return shipped_csv(db.session, name, rows)


def _read_period() -> Period | None:
    """Return the period of the address; None before the first complete day of contacts."""
    days = get_data_span(db.session).whole_days(current_settings().reporting_zone)
    if days is None:
        return None
    (first_day, cut), problems = days, list[str]()
    first, last = default_period(cut, first_day)
    asked_first = _read_day("from", problems)
    asked_last = _read_day("to", problems)
    if problem := _unlike_the_data(asked_first, asked_last, days):
        problems.append(problem)
    else:
        first = max(asked_first or first, first_day)
        last = min(asked_last or last, cut)
        if first > last:  # only its end was asked for, before the usual beginning
            first = first_day
    return Period(first, last, cut, first_day, problems)


def _unlike_the_data(first: date | None, last: date | None, days: tuple[date, date]) -> str:
    """Say why a period that was asked for cannot be shown; empty when it can be."""
    begins, cut = days
    if first and last and first > last:
        return "The period ends before it begins, so the usual one is shown."
    if (first and first > cut) or (last and last < begins):
        return (
            f"The contacts reach from {day_words(begins)} to {day_words(cut)}: none are of the "
            "period asked for, so the usual one is shown."
        )
    return ""


def _read_day(name: str, problems: list[str]) -> date | None:
    raw = request.args.get(name, "").strip()
    if not raw:
        return None
    try:
        return date.fromisoformat(raw)
    except ValueError:
        problems.append(f"“{raw[:20]}” is not a day and was left out. Write it as 2026-03-31.")
        return None


def _presets(period: Period) -> list[tuple[str, date, date]]:
    cut = period.cut
    return [
        ("This year so far", max(date(cut.year, 1, 1), period.first_data_day), cut),
        ("Last 6 months", max(cut - timedelta(days=182), period.first_data_day), cut),
        ("Last 12 months", max(cut - timedelta(days=364), period.first_data_day), cut),
    ]


def _taken_back(period: Period) -> str:
    """Return how many go-lives of the period were taken back; empty for none."""
    found = count_taken_back(db.session, live_from=period.first_day, live_until=period.last_day)
    return taken_back(found.go_lives, found.judged)


def _false_alarms() -> str:
    """Return how often the method cried wolf on this site; empty before the first check."""
    found = find_newest_check(db.session)
    return say_all(found) if found else ""


def _headline(report: Report) -> str:
    return headline(
        report.total.avoided,
        came_back=sum(row.came_back_since is not None for row in report.shipped),
        rose=sum(row.verdict is Verdict.ROSE for row in report.shipped),
        inconclusive=report.total.inconclusive,
    )


def _rates(report: Report) -> str:
    first, last = report.at_first, report.at_last
    if first is None or last is None:
        return ""
    days = (first.last_day, last.last_day)
    return rates_sentence(days, (first.any, last.any), (first.same, last.same))


def _scale(shown: tuple[ShippedAction, ...]) -> Any:
    ends = [
        end
        for row in shown
        if row.look and row.look.verdict in COUNTED_VERDICTS
        for end in (row.look.credited.low, row.look.credited.high)
    ]
    axis = nice_axis(*ends, parts=3)
    step = axis.ticks[1] - axis.ticks[0]
    every = 1 if len(axis.ticks) < FEW_TICKS else 2  # the column is narrow: labels must not touch
    ticks = tuple(tick for tick in axis.ticks if round(tick / step) % every == 0)
    return axis._replace(ticks=ticks)


def _rest(rows: tuple[ShippedAction, ...]) -> dict[str, Any] | None:
    """Return how many actions are not in the table, and their total."""
    if not rows:
        return None
    found = get_total_money(db.session, [row.look for row in rows], pence_now=0)
    return {"count": len(rows), "added": found.actions, "avoided": found.contacts}


def _cut(lines: list[Line], is_full: bool) -> Lines:
    if is_full:
        return Lines(lines)
    return Lines(lines[:LIST_ROWS], len(lines[LIST_ROWS:]))


def _worked(report: Report) -> list[Line]:
    return [
        what_worked(_short(row.title), row.key, row.finding(row.look))
        for row in report.shipped
        if row.look
        and row.verdict is Verdict.FELL
        and not row.look.has_moved
        and row.came_back_since is None
    ]


def _failed(report: Report) -> list[Line]:
    """Return what did not work, what came back and what made it worse first."""
    rows = sorted(
        report.shipped,
        key=lambda row: (row.came_back_since is None, row.verdict is not Verdict.ROSE),
    )
    lines = [
        what_did_not(
            _short(row.title),
            row.key,
            row.finding(row.look) if row.look else None,
            row.came_back_since,
        )
        for row in rows
    ]
    return [line for line in lines if line is not None]


def _next(report: Report) -> list[Line]:
    """Return the open actions that are still in time, then the looks that come."""
    zone = current_settings().reporting_zone
    on = today(zone)
    actions = [
        Line(
            f"{_short(row.title)}:",
            f"{row.department_name}, {row.status.replace('_', ' ')}, due {day_words(row.due_on)}.",
            key=row.key,
        )
        for row in report.open_actions
        if row.due_on and not row.is_overdue(on) and row not in report.handed_back
    ]
    coming = sorted(
        (row.next_look, row.title, row.look_number, row.key)
        for row in report.shipped
        if row.next_look and row.next_look >= on
    )
    looks = [
        Line(f"{_short(title)}:", f"look {number + 1} with data to {day_words(look)}.")
        for look, title, number, _ in coming
    ]
    return [*actions[:2], *looks[:1], *actions[2:], *looks[1:]]


def _short(text: str) -> str:
    """Cut a long title at a word, or where it has none: the page has one side."""
    cut = textwrap.shorten(text, LONGEST_TITLE, placeholder=" …")
    return cut if cut != "…" else text[: LONGEST_TITLE - 1] + "…"


def _decisions(report: Report) -> list[Line]:
    """Return what waits for somebody to decide, as of now, the most pressing first."""
    on = today(current_settings().reporting_zone)
    lines = [
        Line(
            f"{theme.department_name or 'No department yet'}:",
            f"decide how “{_short(theme.name)}” is repaired; it came back"
            + (f" on {day_words(theme.since_on)}." if theme.since_on else "."),
        )
        for theme in report.back_again
    ]
    lines += [
        Line(
            f"{row.department_name}{row.owner_name and f' ({row.owner_name})'}:",
            f"“{_short(row.title)}” is overdue since {day_words(row.due_on)}: new day, or cancel.",
            key=row.key,
        )
        for row in report.overdue(on)
    ]
    lines += [
        Line(
            f"{row.department_name} handed back:",
            f"“{_short(row.title)}” needs another home.",
            key=row.key,
        )
        for row in report.handed_back
        if not row.is_overdue(on)
    ]
    if report.waiting.candidates:
        lines.append(
            Line(
                "Working group:",
                f"decide on {in_words(report.waiting.candidates, 'candidate theme')}.",
                f"{plural(report.waiting.contacts, 'contact')} in 90 days, nobody acts on them",
            )
        )
    return lines
