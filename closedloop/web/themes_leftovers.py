"""Pages: contacts that are in no theme, coverage against its goal, and what emerges."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flask import Response, flash, render_template, request, url_for
from werkzeug import Response as BaseResponse

from closedloop.domain.errors import Invalid
from closedloop.domain.leftovers import GONE_AFTER_DAYS, SPAN_DAYS
from closedloop.extensions import current_settings, db
from closedloop.queries.contacts import (
    COUNTED_CONTACTS,
    NOT_SAID,
    SEARCHED_AMONG,
    SEARCHED_CONTACTS,
    FilterOptions,
    get_filter_options,
    list_and_count,
)
from closedloop.queries.leftovers import (
    Coverage,
    EmergingRow,
    get_coverage,
    list_dismissed,
    list_emerging,
)
from closedloop.services.emerging import dismiss_emerging, restore_emerging
from closedloop.services.leftovers import find_nearest, set_coverage_goal
from closedloop.web.contacts import read_cursor, write_cursor
from closedloop.web.contacts_asked import Asked, read_filter
from closedloop.web.contacts_bp import redacted
from closedloop.web.csv_files import csv_response
from closedloop.web.filters import day as day_words
from closedloop.web.filters import pct
from closedloop.web.flashes import flash_done
from closedloop.web.htmx import see_other
from closedloop.web.permissions import requires
from closedloop.web.session import current_actor
from closedloop.web.spans import data_span
from closedloop.web.themes_bp import bp

Page = str | BaseResponse | tuple[str, int]
PAGE_ROWS = 50
FILTERED = ("q", "from", "to", "channel", "queue", "disposition")
RULES = {
    "coverage": "Contacts with text that are in a theme, as a share of all contacts with text. "
    "Contacts of themes that were dismissed or retired count as in none.",
    "near": "How alike the contact is to its nearest theme, as a share of what it takes to belong "
    "to it. At 100 % it is near enough, but something that is no theme in use is nearer still, or "
    "somebody moved it out.",
    "rising": f"Different customers of the last {SPAN_DAYS} days against the {SPAN_DAYS} days "
    "before, given how many contacts came in all; an exact binomial test. Of what is shown at "
    "most one in twenty rises by chance alone, on average.",
}
CSV_HEADINGS = ("week_from", "contacts_with_text", "in_a_theme", "in_a_dismissed_theme", "coverage")


@bp.get("/unassigned")
@requires("contacts.view")
def unassigned() -> str:
    """Show coverage, what emerges, and the contacts in no theme."""
    return _page({})


def _page(errors: dict[str, str], typed: str = "") -> str:
    span = data_span()
    k = current_settings().privacy_k
    asked = _asked()
    wanted = replace(asked.wanted, theme_id=None, without_theme=True, with_words=True)
    after = read_cursor(request.args.get("after", ""))
    rows, total = list_and_count(db.session, wanted, after=after, limit=PAGE_ROWS + 1)
    shown = rows[:PAGE_ROWS]
    coverage = get_coverage(db.session, last_day=span.last_day) if span.last_day else None
    return render_template(
        "themes/unassigned.html",
        asked=asked,
        rows=shown,
        redacted=redacted,
        nearest=find_nearest(db.session, contact_ids=[row.id for row in shown]),
        total=total,
        most_counted=COUNTED_CONTACTS,
        searched=SEARCHED_CONTACTS,
        searched_among=SEARCHED_AMONG,
        choices=_choices(asked, get_filter_options(db.session, last_day=span.last_day)),
        coverage=coverage,
        chart=_chart(coverage, k) if coverage else None,
        chart_rows=_weeks(coverage, k) if coverage else [],
        emerging=list_emerging(db.session, k=k),
        dismissed=list_dismissed(db.session),
        gone_after=GONE_AFTER_DAYS,
        k=k,
        rules=RULES,
        errors=errors,
        goal=typed or (f"{coverage.goal * 100:g}" if coverage else ""),
        more_url=_url(asked, after=write_cursor(shown[-1])) if len(rows) > PAGE_ROWS else "",
        first_url=_url(asked) if after else "",
    )


def _asked() -> Asked:
    """Read the filters of the address that make sense here."""
    found = read_filter({name: request.args.get(name, "") for name in FILTERED})
    return replace(found, values={n: v for n, v in found.values.items() if n in FILTERED})


def _url(asked: Asked, **more: Any) -> str:
    return url_for("themes.unassigned", **{**asked.values, **more})


def _choices(asked: Asked, options: FilterOptions) -> dict[str, list[tuple[str, str]]]:
    found = {
        "channel": options.channels,
        "queue": options.queues,
        "disposition": options.dispositions,
    }
    choices = {}
    for name, values in found.items():
        chosen = asked.values.get(name)
        keys = [value or NOT_SAID for value in values]
        keys += [chosen] if chosen and chosen not in keys else []
        words = [(key, "none given" if key == NOT_SAID else key) for key in keys]
        choices[name] = [("", "All"), *words]
    return choices


def _chart(coverage: Coverage, k: int) -> dict[str, Any]:
    values = [None if count.customers < k else count.value for _, count in coverage.weeks]
    return {
        "days": [week for week, _ in coverage.weeks],
        "unit": "%",
        "rate": True,
        "digits": 1,
        "step": "week",
        "series": [
            {"name": "In a theme", "values": values, "style": "line"},
            {"name": "Goal", "values": [coverage.goal] * len(values), "style": "goal"},
        ],
        "maturing_from": None,
        "marks": [],
    }


def _weeks(coverage: Coverage, k: int) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    hidden = (f"fewer than {k} customers", "–", "–")
    for week, count in reversed(coverage.weeks):
        numbers = (f"{count.with_text:,}", f"{count.with_theme:,}", pct(count.value))
        rows.append((day_words(week), *(hidden if 0 < count.customers < k else numbers)))
    return rows


@bp.get("/coverage.csv")
@requires("contacts.view")
def coverage_csv() -> Response:
    """Give coverage by week as CSV."""
    last_day = data_span().last_day
    k = current_settings().privacy_k
    weeks = get_coverage(db.session, last_day=last_day).weeks if last_day else ()
    rows: list[list[Any]] = [
        [week, f"fewer than {k} customers", "", "", ""]
        if 0 < count.customers < k
        else [week, count.with_text, count.with_theme, count.dismissed, _rounded(count.value)]
        for week, count in weeks
    ]
    return csv_response("coverage.csv", CSV_HEADINGS, rows)


def _rounded(value: float | None) -> float | str:
    return "" if value is None else round(value, 4)


@bp.post("/unassigned/goal")
@requires("themes.curate")
def change_coverage_goal() -> Page:
    """Set the goal of coverage from today on."""
    typed = request.form.get("goal", "").strip()[:20]
    try:
        with db.transaction() as session:
            goal = _read_goal(typed)
            set_coverage_goal(session, settings=current_settings(), goal=goal, by=current_actor())
    except Invalid as refusal:
        return _page(refusal.fields, typed), 422
    flash(f"The goal of coverage is {goal * 100:g} % now.", "done")
    return see_other(url_for("themes.unassigned"))


def _read_goal(typed: str) -> float:
    try:
        return float(typed.rstrip("% ").replace(",", ".")) / 100
    except ValueError:
        sentence = f"“{typed}” is not a number. Give the goal in per cent, for example 80."
        raise Invalid(sentence, {"goal": sentence}) from None


@bp.post("/emerging/<int:emerging_id>/dismiss")
@requires("triage.decide")
def dismiss_emerging_theme(emerging_id: int) -> BaseResponse:
    """Say that an emerging theme is none."""
    with db.transaction() as session:
        name = dismiss_emerging(session, emerging_id=emerging_id, by=current_actor()).name
    undo_url = url_for("themes.restore_emerging_theme", emerging_id=emerging_id)
    flash_done(f"“{name}” is dismissed.", undo_url)
    return see_other(url_for("themes.unassigned"))


@bp.post("/emerging/<int:emerging_id>/restore")
@requires("triage.decide")
def restore_emerging_theme(emerging_id: int) -> BaseResponse:
    """Take a dismissal back."""
    with db.transaction() as session:
        name = restore_emerging(session, emerging_id=emerging_id, by=current_actor()).name
    flash(f"“{name}” waits for a decision again.", "done")
    return see_other(url_for("themes.unassigned", _anchor="emerging"))


@bp.app_context_processor
def emerges() -> dict[str, Any]:
    """Let triage show what emerges."""

    def emerging_now() -> tuple[EmergingRow, ...]:
        return list_emerging(db.session, k=current_settings().privacy_k)

    return {"emerging_now": emerging_now}
