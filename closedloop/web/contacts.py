"""Pages: the list of contacts, and one contact."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flask import Response, render_template, request, url_for

from closedloop.extensions import current_settings, db
from closedloop.queries.contact_page import get_contact_page
from closedloop.queries.contacts import (
    COUNTED_CONTACTS,
    NO_THEME,
    NOT_SAID,
    SEARCHED_AMONG,
    SEARCHED_CONTACTS,
    ContactFilter,
    ContactRow,
    Cursor,
    FilterOptions,
    Follow,
    find_follow,
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
from closedloop.web.contacts_bp import bp, pseudonym, read_day, repeat_mark
from closedloop.web.csv_files import csv_response
from closedloop.web.filters import instant
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
REPEATS = "repeats"
_CURSOR = re.compile(r"(\d{1,12})\.(\d{1,18})")
_LATEST_EPOCH = 253_402_300_799
_ASKED = (
    "q",
    "from",
    "to",
    "channel",
    "queue",
    "disposition",
    "team",
    "language",
    "theme",
    "chain",
    "who",
    "of",
    "batch",
)


@dataclass(frozen=True)
class Asked:
    """The filter of the address, and what of it could not be understood."""

    wanted: ContactFilter
    problems: list[str]
    values: dict[str, Any]


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
        choices=_choices(asked, get_filter_options(db.session, last_day=span.last_day)),
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
    cells: list[list[Any]] = [_cells(row) for row in rows[:EXPORT_ROWS]]
    if len(rows) > EXPORT_ROWS:
        cells.append(
            [f"Only the newest {EXPORT_ROWS:,} contacts are in this file. Narrow the filters."]
        )
    headings = (
        *("Contact", "Started", "Channel", "Queue", "Customer", "Wrap-up code", "Theme"),
        *("Theme name", "First words", "Repeat", "Handle seconds"),
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


def read_filter(args: Mapping[str, str]) -> Asked:
    """Read the filter of an address; what makes no sense is left out and said."""
    problems: list[str] = []
    values: dict[str, Any] = {
        name: args[name].strip()[:200] for name in _ASKED if args.get(name, "").strip()
    }
    first = read_day(values.get("from", ""), "From", problems)
    last = read_day(values.get("to", ""), "To", problems)
    if first and last and first > last:
        problems.append("“From” is after “To”, so no contact can fit. Swap them.")
    chain, theme = values.get("chain", ""), values.get("theme", "")
    follow = find_follow(chain)
    if chain and follow is None and chain != REPEATS:
        problems.append("The choice of repeats was not understood and left out.")
    wanted = ContactFilter(
        words=values.get("q", ""),
        first_day=first,
        last_day=last,
        channel=values.get("channel"),
        queue=values.get("queue"),
        disposition=values.get("disposition"),
        team=values.get("team"),
        language=values.get("language"),
        theme_id=_number(theme),
        without_theme=theme == NO_THEME,
        repeats_only=chain == REPEATS,
        repeat_days=current_settings().repeat_window_days,
        follow=follow,
        identified={"known": True, "unknown": False}.get(values.get("who", "")),
        customer_id=_number(values.get("of", "")),
        batch_id=_number(values.get("batch", "")),
    )
    return Asked(wanted, problems, values)


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


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


def _choices(asked: Asked, options: FilterOptions) -> dict[str, list[tuple[str, str]]]:
    """Return pairs (value, words) of each select, with what the address asks for among them."""

    def values(name: str, found: list[str]) -> list[tuple[str, str]]:
        chosen = asked.values.get(name)
        keys = [value or NOT_SAID for value in found]
        keys += [chosen] if chosen and chosen not in keys else []
        return [("", "All"), *((key, "none given" if key == NOT_SAID else key) for key in keys)]

    themes = [(str(theme.id), f"{theme.key} {theme.name}") for theme in options.themes]
    chosen = asked.values.get("theme", "")
    if asked.wanted.theme_id and chosen not in dict(themes):
        themes.append((chosen, f"theme number {chosen}"))
    return {
        "channel": values("channel", options.channels),
        "queue": values("queue", options.queues),
        "disposition": values("disposition", options.dispositions),
        "team": values("team", options.teams),
        "language": values("language", options.languages),
        "theme": [("", "All"), (NO_THEME, "No theme"), *themes],
        "chain": _chain_choices(asked.wanted.follow),
        "who": [("", "All"), ("known", "Known"), ("unknown", "Unidentified only")],
    }


def _chain_choices(chosen: Follow | None) -> list[tuple[str, str]]:
    usual = [
        found for key in ("followed-any-7d", "followed-same-7d") if (found := find_follow(key))
    ]
    keys = {follow.key for follow in usual}
    follows = [*usual, *([chosen] if chosen and chosen.key not in keys else [])]
    pairs = [(follow.key, follow.words[:1].upper() + follow.words[1:]) for follow in follows]
    return [("", "All"), (REPEATS, "Repeats only"), *pairs]


def _cells(row: ContactRow) -> list[Any]:
    return [
        row.source_contact_id,
        instant(row.started_at),
        row.channel,
        row.queue,
        pseudonym(row.customer_hash),
        row.disposition,
        row.theme_key,
        row.theme_name,
        row.first_words,
        repeat_mark(row.chain_position, row.chain_seconds),
        row.handle_seconds,
    ]
