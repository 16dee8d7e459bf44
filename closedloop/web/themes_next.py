"""Page: which theme customers come back about after which."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from flask import Response, render_template, request

from closedloop.domain.contacts import HEADLINE_WINDOW, last_mature_day
from closedloop.domain.followers import FALSE_SHARE, FOLLOWER_DAYS
from closedloop.extensions import current_settings, db
from closedloop.queries.followers import (
    Follower,
    NextIssues,
    find_next_issues,
    list_followers,
    were_counted_before,
)
from closedloop.queries.theme_page import find_theme
from closedloop.web.csv_files import csv_response
from closedloop.web.permissions import requires
from closedloop.web.themes_bp import bp

ROWS = 100
RULES = {
    "share": f"Of the contacts of the first theme whose {HEADLINE_WINDOW.days} days have passed, "
    f"the share whose next contact of the same customer came within {HEADLINE_WINDOW.label} and "
    "was about the second.",
    "again": f"Of the contacts of the theme whose {HEADLINE_WINDOW.days} days have passed, the "
    f"share whose next contact of the same customer came within {HEADLINE_WINDOW.label} and was "
    "about the same theme.",
    "lift": "How many times as often as after any contact.",
    "customers": "Different customers who went from the first theme to the second.",
    "contacts": "Contacts of the first theme that the second came next after, of all of the first "
    f"whose {HEADLINE_WINDOW.days} days have passed and whose customer is known.",
    "customers_again": "Different customers who came back about the same theme.",
    "marked": "A pair is named when so many customers are more than chance: among all pairs "
    f"together at most {FALSE_SHARE:.0%} of those named are expected to be chance (exact Poisson "
    "test on customers, Benjamini and Hochberg).".replace("%", " %"),
}
CSV_HEADINGS = (
    "theme",
    "name",
    "next_theme",
    "next_name",
    "contacts",
    "followed_within_7_days",
    "share",
    "lift",
    "customers",
    "more_than_chance",
    "last_day",
)


@bp.get("/next")
@requires("themes.view")
def next_issues() -> str:
    """Show what comes next after each theme."""
    k = current_settings().privacy_k
    found = list_followers(db.session, k=k)
    if wanted := request.args.get("after", "")[:20]:
        find_theme(db.session, wanted)
    shows_all = request.args.get("show") == "all"
    rows = found.rows if shows_all else found.marked
    shown = [row for row in rows if not row.is_same and (not wanted or row.key == wanted)]
    return render_template(
        "themes/next.html",
        found=found,
        rows=shown[:ROWS],
        left_out=max(0, len(shown) - ROWS),
        befores=sorted({(row.key, row.name) for row in found.rows}),
        wanted=wanted,
        shows_all=shows_all,
        again=sorted((r for r in found.rows if r.is_same), key=lambda r: -r.probability)[:10],
        k=k,
        days=FOLLOWER_DAYS,
        rules=RULES,
        counted=_counted(found.as_of) if found.as_of else None,
        is_outdated=bool(found.as_of)
        and were_counted_before(db.session, found.rows, found.as_of or date.min),
    )


def _counted(as_of: date) -> dict[str, Any]:
    """Return what the list of contacts is asked for the contacts before: of known customers, in
    the days whose 7 days have passed.
    """
    zone = current_settings().reporting_zone
    return {
        "from": as_of - timedelta(days=FOLLOWER_DAYS - 1),
        "to": last_mature_day(as_of, HEADLINE_WINDOW, zone),
        "who": "known",
    }


@bp.get("/next.csv")
@requires("themes.view")
def next_csv() -> Response:
    """Give every pair that may be shown as CSV."""
    found = list_followers(db.session, k=current_settings().privacy_k)
    rows = ([*_cells(row), found.as_of] for row in found.rows)
    return csv_response("next-issues.csv", CSV_HEADINGS, rows)


def _cells(row: Follower) -> list[Any]:
    said = "same theme" if row.is_same else "yes" if row.is_more_than_chance else "no"
    names = [row.key, row.name, row.next_key, row.next_name]
    shares = [round(row.probability, 4), round(row.lift, 2)]
    return [*names, row.contacts, row.followed, *shares, row.customers, said]


@bp.app_context_processor
def comes_next() -> dict[str, Any]:
    """Let a theme's page ask for what comes next after it."""

    def next_after(key: str) -> NextIssues:
        return find_next_issues(db.session, key, k=current_settings().privacy_k)

    def next_is_outdated(follows: NextIssues) -> bool:
        shown = [row for row in (follows.again, *follows.rows) if row is not None][:1]
        day = follows.as_of
        return day is not None and bool(shown) and were_counted_before(db.session, shown, day)

    return {
        "next_after": next_after,
        "next_is_outdated": next_is_outdated,
        "next_days": FOLLOWER_DAYS,
    }
