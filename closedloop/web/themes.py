"""Pages: the list of themes, one theme, and curating it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from flask import Response, flash, render_template, request, url_for
from werkzeug import Response as BaseResponse

from closedloop.domain.contacts import HEADLINE_WINDOW, Basis, Measure, rule_in_words
from closedloop.domain.errors import Invalid
from closedloop.domain.themes import (
    PRIORITY_RULE,
    STATS_DAYS,
    THEME_MOVES,
    DemandType,
    Quadrant,
    ThemeStatus,
    check_finer,
)
from closedloop.extensions import current_settings, db
from closedloop.queries.accounts import list_departments, list_users
from closedloop.queries.checks import Precision, get_precisions
from closedloop.queries.comebacks import list_comeback_cases
from closedloop.queries.contacts import has_words
from closedloop.queries.curation import how_retired
from closedloop.queries.drift import list_aged
from closedloop.queries.followers import list_next_themes
from closedloop.queries.naming import get_machine_words
from closedloop.queries.theme_figures import list_rejected_quotes
from closedloop.queries.theme_page import ThemePage, find_theme
from closedloop.queries.themes import (
    ThemeList,
    ThemeRow,
    count_views,
    get_theme_page,
    list_themes,
)
from closedloop.services.describing import written_since
from closedloop.services.run_choices import queue_look
from closedloop.services.themes import describe_cause, describe_scenario, rename_theme
from closedloop.web import (
    themes_check,
    themes_codes,
    themes_comeback,
    themes_curation,
    themes_driver_moves,
    themes_drivers,
    themes_faq,
    themes_giving,
    themes_leftovers,
    themes_lineage,
    themes_map,
    themes_naming,
    themes_next,
    themes_quotes,
    themes_runs,
    themes_taking,
)
from closedloop.web.csv_files import csv_response
from closedloop.web.htmx import see_other
from closedloop.web.permissions import requires, user_may
from closedloop.web.session import current_actor
from closedloop.web.spans import data_span
from closedloop.web.themes_asked import heading_maker, linker, read_filter, statuses_of
from closedloop.web.themes_bp import bp

__all__ = [  # the modules add their pages to bp
    "bp",
    "themes_check",
    "themes_codes",
    "themes_comeback",
    "themes_curation",
    "themes_driver_moves",
    "themes_drivers",
    "themes_faq",
    "themes_giving",
    "themes_leftovers",
    "themes_lineage",
    "themes_map",
    "themes_naming",
    "themes_next",
    "themes_quotes",
    "themes_runs",
    "themes_taking",
]

RULES = {
    "contacts": f"Contacts of the last {STATS_DAYS} days that belong to this theme.",
    "customers": f"Different known customers among the contacts of the last {STATS_DAYS} days.",
    "same": rule_in_words(Measure.REPEAT_RATE, Basis.SAME, HEADLINE_WINDOW),
    "any": rule_in_words(Measure.REPEAT_RATE, Basis.ANY, HEADLINE_WINDOW),
    "minutes": f"Handle time of the contacts of the last {STATS_DAYS} days, where it is known.",
    "rising": "Contacts of the last 28 days against the 28 days before.",
    "precision": (
        "Share of the theme's contacts that belong to it: 95 % interval, from contacts drawn at "
        "random and judged by people."
    ),
    "priority": PRIORITY_RULE,
}


@bp.get("/", strict_slashes=False)
@requires("themes.view")
def index() -> str:
    """Show the themes of a saved view."""
    k = current_settings().privacy_k
    wanted = read_filter()
    found = list_themes(db.session, wanted, k=k)
    return render_template(
        "themes/index.html",
        wanted=wanted,
        found=found,
        k=k,
        views=count_views(db.session),
        departments=list_departments(db.session),
        owners=list_users(db.session, active_only=True),
        statuses=statuses_of(wanted.view),
        demand_types=tuple(DemandType),
        quadrants=tuple(Quadrant),
        next_themes=list_next_themes(db.session, k=k),
        link=linker(wanted),
        heading=heading_maker(wanted),
        chart_data=_map_data(found),
        busiest=_busiest(found),
        precisions=get_precisions(db.session, [row.id for row in found.rows if row.figures]),
        aged=list_aged(db.session, [row.id for row in found.rows if row.figures], k=k),
        rules=RULES,
        has_data=data_span().last_day is not None,
        has_words=has_words(db.session),
    )


@bp.get("/export.csv")
@requires("themes.view")
def export() -> Response:
    """Give the themes that the filters let through as CSV."""
    k = current_settings().privacy_k
    found = list_themes(db.session, replace(read_filter(), after=""), k=k, limit=None)
    checked = get_precisions(db.session, [row.id for row in found.rows if row.figures])
    rows = (_csv_row(row, k, checked.get(row.id)) for row in found.rows)
    return csv_response("themes.csv", CSV_HEADINGS, rows)


@bp.post("/discoveries")
@requires("themes.discover")
def discover() -> BaseResponse:
    """Queue a look for themes and show its progress."""
    finer = check_finer(request.form.get("finer", "0"))
    with db.transaction() as session:
        job_id = queue_look(session, finer=finer, by=current_actor()).id
    return see_other(url_for("jobs.show", job_id=job_id))


@bp.get("/<key>")
@requires("themes.view")
def show(key: str) -> str:
    """Show one theme."""
    return _show(key)


@bp.get("/<key>/trend.csv")
@requires("themes.view")
def trend(key: str) -> Response:
    """Give the contacts of one theme by whole week as CSV."""
    page = _page(key)
    weeks = page.trend.whole_weeks(current_settings().privacy_k) if page.trend else []
    headings = ("week_from", "contacts", "followed_by_same_theme_within_7_days")
    rows = (
        (w.monday.isoformat(), w.contacts, None if w.is_maturing else w.followed) for w in weeks
    )
    return csv_response(f"{page.theme.key}-weeks.csv", headings, rows)


@bp.post("/<key>/name")
@requires("themes.curate")
def rename(key: str) -> BaseResponse | tuple[str, int]:
    """Give a theme the name people use."""
    name = request.form.get("name", "")

    def change(session: Any, theme_id: int) -> None:
        rename_theme(session, theme_id=theme_id, name=name, by=current_actor())

    return _curate(key, change, "Name saved.", {"name": name})


@bp.post("/<key>/cause")
@requires("themes.curate")
def explain(key: str) -> BaseResponse | tuple[str, int]:
    """Write down what we do that makes the theme happen."""
    cause = request.form.get("cause", "")

    def change(session: Any, theme_id: int) -> None:
        describe_cause(session, theme_id=theme_id, cause=cause, by=current_actor())

    return _curate(key, change, "Cause saved.", {"cause": cause})


@bp.post("/<key>/scenario")
@requires("themes.curate")
def describe(key: str) -> BaseResponse | tuple[str, int]:
    """Write down what goes wrong for the customer."""
    scenario = request.form.get("scenario", "")

    def change(session: Any, theme_id: int) -> None:
        describe_scenario(session, theme_id=theme_id, scenario=scenario, by=current_actor())

    return _curate(key, change, "Saved what goes wrong.", {"scenario": scenario})


def _curate(
    key: str, change: Callable[[Any, int], None], done: str, typed: dict[str, str]
) -> BaseResponse | tuple[str, int]:
    try:
        with db.transaction() as session:
            theme = find_theme(session, key)
            errors = _written_since(theme, typed)
            if not errors:
                change(session, theme.id)
    except Invalid as refusal:
        errors = refusal.fields or {next(iter(typed)): refusal.sentence}
        return _show(key, typed=typed, errors=errors), 422
    if errors:
        return _show(key, typed=typed, errors=errors), 409
    flash(done, "done")
    return see_other(url_for("themes.show", key=key))


def _written_since(theme: Any, typed: dict[str, str]) -> dict[str, str]:
    """Return a sentence where somebody wrote something else into a field since it was shown."""
    ((field, text),) = typed.items()
    sentence = written_since(theme, field, seen=request.form.get("seen"), text=text)
    return {field: sentence} if sentence else {}


def _page(key: str) -> ThemePage:
    first_day = data_span().first_day
    k = current_settings().privacy_k
    return get_theme_page(db.session, key, k=k, first_day=first_day)


def _show(
    key: str, typed: dict[str, str] | None = None, errors: dict[str, str] | None = None
) -> str:
    page = _page(key)
    theme_id, is_curator = page.theme.id, user_may("themes.curate")
    return render_template(
        "themes/show.html",
        page=page,
        theme=page.theme,
        precision=get_precisions(db.session, [theme_id]).get(theme_id),
        suggestion=get_machine_words(db.session, page.theme) if page.figures else None,
        rejected=list_rejected_quotes(db.session, theme_id) if page.figures and is_curator else [],
        moves=THEME_MOVES[page.theme.status],
        chart_data=_trend_data(page),
        k=current_settings().privacy_k,
        aged=list_aged(db.session, [page.theme.id], k=current_settings().privacy_k),
        comebacks=list_comeback_cases(db.session, theme_id),
        retired=how_retired(db.session, page.theme) if is_curator else None,
        typed=typed or {},
        errors=errors or {},
        rules=RULES,
    )


def _map_data(found: ThemeList) -> dict[str, Any]:
    return {
        "period": f"{STATS_DAYS} days",
        "themes": [
            {
                "id": row.key,
                "name": row.name,
                "contacts": row.figures.contacts,
                "repeat_rate": row.figures.repeat_same,
                "without_customer": row.figures.unidentified_share,
                "minutes": None if row.figures.minutes is None else round(row.figures.minutes),
                "quadrant": row.quadrant,
                "came_back": row.status is ThemeStatus.REOPENED,
                "url": url_for("themes.show", key=row.key),
            }
            for row in found.rows
            if row.figures and row.figures.repeat_same is not None
        ],
    }


def _busiest(found: ThemeList, most: int = 4) -> float | None:
    """Return the share 0–1 of the handle time that the four largest themes take."""
    seconds = sorted(
        (row.figures.handle_seconds for row in found.rows if row.figures), reverse=True
    )
    is_whole = len(seconds) == found.shown_themes and len(seconds) > most
    total = sum(seconds)
    return sum(seconds[:most]) / total if is_whole and total else None


def _trend_data(page: ThemePage) -> dict[str, Any] | None:
    if page.trend is None:
        return None
    live = [action for action in page.actions if action.went_live_on]
    weeks = page.trend.whole_weeks(current_settings().privacy_k)
    return {
        "days": [week.monday for week in weeks],
        "contacts": [week.contacts for week in weeks],
        "repeats": [week.followed for week in weeks],
        "maturing_from": page.trend.maturing_from,
        "marks": [
            {"day": a.went_live_on, "label": f"{a.key} live", "kind": "go_live"}
            for a in reversed(live)
            if a.went_live_on in page.trend.days
        ],
        "roll_outs": [_roll_out(a) for a in live if a.rollout_days],
    }


def _roll_out(action: Any) -> dict[str, Any]:
    first = action.went_live_on
    return {"first": first, "last": first.fromordinal(first.toordinal() + action.rollout_days - 1)}


CSV_HEADINGS = (
    "theme",
    "name",
    "status",
    "demand",
    "quadrant",
    "department",
    "owner",
    "contact_driver",
    "last_day",
    "contacts_90_days",
    "customers_90_days",
    "repeat_rate_same_theme_7_days",
    "repeat_rate_any_reason_7_days",
    "agent_minutes_90_days",
    "change_4_weeks",
    "priority",
    "precision_low",
    "precision_high",
    "precision_looked_at",
    "precision_is_stale",
    "last_verdict",
    "summary",
    "note",
)


def _csv_row(row: ThemeRow, k: int, checked: Precision | None) -> list[Any]:
    words = [row.key, row.name, row.status, row.demand_type, row.quadrant]
    names = [row.department_name, row.owner_name, row.driver_name]
    f = row.figures
    if f is None:
        note = f"fewer than {k} customers" if row.is_small else "not counted"
        return [*words, *names, *[""] * 12, row.verdict, row.summary, note]
    rates = [None if r is None else round(r, 4) for r in (f.repeat_same, f.repeat_any)]
    change = None if f.change is None else round(f.change, 4)
    minutes = None if f.minutes is None else round(f.minutes)
    customers = f.customers if f.knows_customers else None
    numbers = [f.as_of, f.contacts, customers, *rates, minutes, change, f.priority]
    note = f"{f.unidentified} contacts without a known customer" if f.unidentified else ""
    return [*words, *names, *numbers, *_precision_cells(checked), row.verdict, row.summary, note]


def _precision_cells(checked: Precision | None) -> list[Any]:
    if checked is None:
        return [""] * 4
    return [round(checked.low, 4), round(checked.high, 4), checked.looked_at, checked.is_stale]
