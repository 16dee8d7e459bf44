"""Pages: the list of contacts, and one contact."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from flask import Response, render_template, request, url_for

from closedloop.extensions import current_settings, db
from closedloop.queries.contact_page import get_contact_page
from closedloop.queries.contacts import (
    COUNTED_CONTACTS,
    SEARCHED_AMONG,
    SEARCHED_CONTACTS,
    ContactRow,
    Cursor,
    get_filter_options,
    list_and_count,
    list_contacts,
)
from closedloop.queries.imports import find_batch
from closedloop.queries.site import get_data_span
from closedloop.web import (
    contacts_identities,
    contacts_import,
    contacts_repeats,
    import_jobs,
    import_mappings,
    import_results,
)
from closedloop.web.contacts_asked import Asked, chain_groups, choices_of, read_filter
from closedloop.web.contacts_bp import bp, pseudonym, repeat_mark
from closedloop.web.csv_files import csv_response
from closedloop.web.permissions import requires

__all__ = [  # the modules add their pages to bp
    "bp",
    "contacts_identities",
    "contacts_import",
    "contacts_repeats",
    "import_jobs",
    "import_mappings",
    "import_results",
]

PAGE_ROWS = 50
EXPORT_ROWS = 5_000
_CURSOR = re.compile(r"(\d{1,12})\.(\d{1,18})")
_LATEST_EPOCH = 253_402_300_799


@bp.get("/", strict_slashes=False)
@requires("contacts.view")
def index() -> str:
    """List contacts, newest first."""
    asked = read_filter(request.args)
    after = read_cursor(request.args.get("after", ""))
    span = get_data_span(db.session)
    rows, total = list_and_count(db.session, asked.wanted, after=after, limit=PAGE_ROWS + 1)
    shown = rows[:PAGE_ROWS]
    return render_template(
        "contacts/index.html",
        rows=shown,
        asked=asked,
        span=span,
        total=total,
        most_counted=COUNTED_CONTACTS,
        searched=SEARCHED_CONTACTS,
        searched_among=SEARCHED_AMONG,
        export_rows=EXPORT_ROWS,
        choices=choices_of(asked, get_filter_options(db.session, last_day=span.last_day)),
        chain_groups=chain_groups(),
        batch=find_batch(db.session, asked.wanted.batch_id) if asked.wanted.batch_id else None,
        more_url=_more_url(asked, shown[-1]) if len(rows) > PAGE_ROWS else "",
        first_url=url_for("contacts.index", **asked.values) if after else "",
    )


@bp.get("/contacts.csv")
@requires("contacts.view")
def export() -> Response:
    """Send the contacts of the list as CSV, the newest 5,000 of them at most."""
    asked = read_filter(request.args)
    rows = list_contacts(db.session, asked.wanted, limit=EXPORT_ROWS + 1)
    zone = ZoneInfo(current_settings().reporting_zone)
    cells: list[list[Any]] = [_cells(row, zone) for row in rows[:EXPORT_ROWS]]
    if len(rows) > EXPORT_ROWS:
        cells.append(
            [f"Only the newest {EXPORT_ROWS:,} contacts are in this file. Narrow the filters."]
        )
    headings = (
        *("Contact", "Started", "Channel", "Queue", "Customer", "Wrap-up code", "Theme"),
        *("Theme name", "First words", "Repeat", "Handle seconds", "Team", "Language"),
        *("Place in episode", "Seconds since episode began"),
    )
    return csv_response("contacts.csv", headings, cells)


@bp.get("/<int:contact_id>")
@requires("contacts.view")
def show(contact_id: int) -> str:
    """Show one contact: what was said, and what came before and after."""
    page = get_contact_page(db.session, contact_id)
    return render_template(
        "contacts/show.html", page=page, window_days=current_settings().repeat_window_days
    )


def read_cursor(text: str) -> Cursor | None:
    """Return where a list goes on; None at its beginning, or where that makes no sense."""
    found = _CURSOR.fullmatch(text)
    if found is None or int(found[1]) > _LATEST_EPOCH:
        return None
    return Cursor(datetime.fromtimestamp(int(found[1]), UTC), int(found[2]))


def write_cursor(last: ContactRow) -> str:
    """Return what makes a list go on below a row."""
    return f"{int(last.started_at.timestamp())}.{last.id}"


def _more_url(asked: Asked, last: ContactRow) -> str:
    return url_for("contacts.index", **asked.values, after=write_cursor(last))


def _cells(row: ContactRow, zone: ZoneInfo) -> list[Any]:
    return [
        row.source_contact_id,
        row.started_at.astimezone(zone),
        row.channel,
        row.queue,
        pseudonym(row.customer_hash),
        row.disposition,
        row.theme_key,
        row.theme_name,
        row.first_words,
        repeat_mark(row.chain_position, row.chain_seconds),
        row.handle_seconds,
        row.team,
        row.language,
        row.chain_position,
        None if row.chain_position is None else row.chain_seconds,
    ]
