"""Page: the definitions of a theme, its lineage, and whether its definition ages."""

from __future__ import annotations

from typing import Any

from flask import Response, render_template

from closedloop.adapters.language_names import language_name
from closedloop.domain.drift import RULE
from closedloop.extensions import current_settings, db
from closedloop.queries.drift import Drift, get_theme_drift
from closedloop.queries.lineage import get_lineage, list_definitions
from closedloop.queries.theme_page import find_theme
from closedloop.web.csv_files import csv_response
from closedloop.web.permissions import requires
from closedloop.web.themes_bp import bp


@bp.get("/<key>/definitions")
@requires("themes.view")
def definitions(key: str) -> str:
    """Show by what contacts are recognised as this theme, since when, and how surely."""
    theme = find_theme(db.session, key)
    drift = get_theme_drift(db.session, theme.id, k=current_settings().privacy_k)
    return render_template(
        "themes/definitions.html",
        theme=theme,
        definitions=list_definitions(db.session, theme.id),
        steps=get_lineage(db.session, theme),
        drift=drift,
        chart_data=drift_chart(drift, theme.key),
        rule=RULE,
        language_name=language_name,
    )


@bp.get("/<key>/fit.csv")
@requires("themes.view")
def fit_csv(key: str) -> Response:
    """Give contacts and mean confidence of a theme by week as CSV."""
    theme = find_theme(db.session, key)
    drift = get_theme_drift(db.session, theme.id, k=current_settings().privacy_k)
    rows = (
        (
            week.monday.isoformat(),
            week.contacts,
            None if week.confidence is None else round(week.confidence, 4),
        )
        for week in drift.weeks
    )
    headings = ("week_from", "contacts_with_text", "mean_confidence")
    return csv_response(f"{theme.key}-fit.csv", headings, rows)


def drift_chart(drift: Drift, name: str) -> dict[str, Any] | None:
    """Return the weeks as the chart of a trend takes them; None without two weeks to draw."""
    if sum(week.confidence is not None for week in drift.weeks) < 2:
        return None
    series = [
        {
            "name": f"{name}: mean confidence",
            "values": [week.confidence for week in drift.weeks],
            "style": "line",
        }
    ]
    if any(week.coverage is not None for week in drift.weeks):
        coverage = [week.coverage for week in drift.weeks]
        series.append({"name": f"{name}: coverage", "values": coverage, "style": "dashed"})
    first = drift.weeks[0].monday
    marks = []
    if drift.began and drift.began >= first:
        marks.append({"day": drift.began, "label": "definition began"})
    return {
        "days": [week.monday for week in drift.weeks],
        "unit": "%",
        "rate": True,
        "digits": 1,
        "step": "week",
        "series": series,
        "maturing_from": None,
        "marks": [mark for mark in marks if mark["day"] in {w.monday for w in drift.weeks}],
    }
