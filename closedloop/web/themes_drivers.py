"""Pages: the contact drivers above themes, one of them, and their changes."""

from __future__ import annotations

from functools import partial
from operator import attrgetter
from typing import Any

from flask import Response, flash, render_template, request, url_for
from werkzeug import Response as BaseResponse

from closedloop.domain.errors import Conflict, Invalid
from closedloop.extensions import current_settings, db
from closedloop.queries.contact_drivers import (
    DriverPage,
    DriverRow,
    find_driver,
    get_driver_page,
    list_driver_names,
    list_drivers,
)
from closedloop.queries.driver_changes import CHANGES_SHOWN, list_driver_changes
from closedloop.queries.site import get_data_span
from closedloop.services.contact_drivers import (
    create_driver,
    rename_driver,
    restore_driver,
    retire_driver,
)
from closedloop.services.driver_proposals import DriverOutcome, propose_drivers
from closedloop.services.driver_undoing import undo_driver_change
from closedloop.web.asked import older_page
from closedloop.web.csv_files import csv_response
from closedloop.web.flashes import flash_done
from closedloop.web.htmx import see_other
from closedloop.web.permissions import requires
from closedloop.web.session import current_actor
from closedloop.web.themes_bp import bp

RULES = {
    "share": "Contacts of its themes, of the contacts of all themes that may be shown.",
    "contacts": "Contacts of the last 90 days in its themes; themes with too few customers to be "
    "shown are left out.",
    "rising": "Contacts of the last 28 days against the 28 days before.",
    "repeats": "Of the contacts with a known customer whose 7 days have passed, the share that was "
    "followed by the same theme, to the share that was followed by any contact.",
    "minutes": "Handle time of its contacts of the last 90 days, where it is known.",
}
CSV_HEADINGS = (
    "contact_driver",
    "name",
    "themes",
    "candidates",
    "last_day",
    "contacts_90_days",
    "share",
    "change_4_weeks",
    "repeat_rate_same_theme_7_days",
    "repeat_rate_any_reason_7_days",
    "share_without_customer",
    "agent_minutes_90_days",
    "themes_too_small_to_show",
)


@bp.get("/drivers")
@requires("themes.view")
def drivers() -> str:
    """List the contact drivers with their themes."""
    return _index({})


@bp.get("/drivers.csv")
@requires("themes.view")
def drivers_csv() -> Response:
    """Give the contact drivers as CSV."""
    found = list_drivers(db.session, k=current_settings().privacy_k)
    rows = [*found.rows, *([found.without] if found.without else [])]
    return csv_response("contact-drivers.csv", CSV_HEADINGS, (_cells(row) for row in rows))


@bp.post("/drivers")
@requires("themes.curate")
def make_driver() -> BaseResponse | tuple[str, int]:
    """Make a contact driver of one's own."""
    name = request.form.get("name", "")
    try:
        with db.transaction() as session:
            change = create_driver(session, name=name, by=current_actor())
            change_id, key = change.id, change.driver.key if change.driver else ""
    except Invalid as refusal:
        return _index(refusal.fields or {"name": refusal.sentence}, {"name": name}), 422
    flash_done(
        f"Made {key}. Move themes to it.", url_for("themes.undo_driver", change_id=change_id)
    )
    return see_other(url_for("themes.driver", key=key))


@bp.post("/drivers/proposals")
@requires("themes.discover")
def look_for_drivers() -> BaseResponse:
    """Propose a driver for each theme without one."""
    with db.transaction() as session:
        outcome = propose_drivers(session, settings=current_settings(), by=current_actor())
    flash(say_outcome(outcome), "done")
    return see_other(url_for("themes.drivers"))


@bp.get("/drivers/changes")
@requires("themes.view")
def driver_changes() -> str:
    """List what people did to contact drivers, each with its way back."""
    page = older_page(partial(list_driver_changes, db.session), CHANGES_SHOWN, attrgetter("id"))
    return render_template("themes/driver_changes.html", page=page)


@bp.post("/drivers/changes/<int:change_id>/undo")
@requires("themes.curate")
def undo_driver(change_id: int) -> BaseResponse:
    """Take a change of contact drivers back."""
    with db.transaction() as session:
        undo_driver_change(session, change_id=change_id, by=current_actor())
    flash("Taken back: the contact drivers are as they were before it.", "done")
    return see_other(url_for("themes.driver_changes"))


@bp.get("/drivers/<key>")
@requires("themes.view")
def driver(key: str) -> str:
    """Show one contact driver."""
    return _show(key)


@bp.get("/drivers/<key>/trend.csv")
@requires("themes.view")
def driver_trend_csv(key: str) -> Response:
    """Give the contacts of one driver by whole week as CSV."""
    page = _page(key)
    weeks = page.trend.whole_weeks(current_settings().privacy_k) if page.trend else []
    rows = ((monday.isoformat(), contacts) for monday, contacts in weeks)
    return csv_response(f"{page.driver.key}-weeks.csv", ("week_from", "contacts"), rows)


@bp.post("/drivers/<key>/name")
@requires("themes.curate")
def rename_driver_submit(key: str) -> BaseResponse | tuple[str, int]:
    """Give a contact driver the name people use."""
    name = request.form.get("name", "")
    try:
        with db.transaction() as session:
            driver_id = find_driver(session, key).id
            rename_driver(session, driver_id=driver_id, name=name, by=current_actor())
    except Invalid as refusal:
        errors = refusal.fields or {"name": refusal.sentence}
        return _show(key, errors, {"name": name}), 422
    flash("Name saved.", "done")
    return see_other(url_for("themes.driver", key=key))


@bp.post("/drivers/<key>/retire")
@requires("themes.curate")
def retire_driver_submit(key: str) -> BaseResponse | tuple[str, int]:
    """Take a contact driver without themes out of use."""
    return _keep_or_drop(key, retire_driver, f"{key} retired.")


@bp.post("/drivers/<key>/restore")
@requires("themes.curate")
def restore_driver_submit(key: str) -> BaseResponse | tuple[str, int]:
    """Bring a retired contact driver back."""
    return _keep_or_drop(key, restore_driver, f"{key} restored.")


def _keep_or_drop(key: str, verb: Any, done: str) -> BaseResponse | tuple[str, int]:
    try:
        with db.transaction() as session:
            driver_id = find_driver(session, key).id
            change_id = verb(session, driver_id=driver_id, by=current_actor()).id
    except Conflict as refusal:
        return _show(key, {"name": refusal.sentence}), 409
    flash_done(done, url_for("themes.undo_driver", change_id=change_id))
    return see_other(url_for("themes.driver", key=key))


def _index(errors: dict[str, str], typed: dict[str, str] | None = None) -> str:
    return render_template(
        "themes/drivers.html",
        found=list_drivers(db.session, k=current_settings().privacy_k),
        k=current_settings().privacy_k,
        targets=driver_targets(),
        errors=errors,
        typed=typed or {},
        rules=RULES,
    )


def _page(key: str) -> DriverPage:
    first_day = get_data_span(db.session).first_day
    k = current_settings().privacy_k
    return get_driver_page(db.session, key, k=k, first_day=first_day)


def _show(
    key: str, errors: dict[str, str] | None = None, typed: dict[str, str] | None = None
) -> str:
    page = _page(key)
    return render_template(
        "themes/driver.html",
        page=page,
        driver=page.driver,
        row=page.row,
        chart_data=_chart(page),
        targets=driver_targets(but=key),
        k=current_settings().privacy_k,
        errors=errors or {},
        typed=typed or {},
        rules=RULES,
    )


def _chart(page: DriverPage) -> dict[str, Any] | None:
    if page.trend is None:
        return None
    weeks = page.trend.whole_weeks(current_settings().privacy_k)
    return {
        "days": [monday for monday, _ in weeks],
        "contacts": [contacts for _, contacts in weeks],
        "repeats": None,
        "maturing_from": None,
        "marks": [],
        "roll_outs": [],
    }


NO_DRIVER = "none"
"""Where a theme goes that no contact driver is to hold."""
NEW_DRIVER = "new"
"""A driver that is made with the move."""


def driver_targets(but: str = "") -> list[tuple[str, str]]:
    """Return what a form offers as the contact driver that themes belong to."""
    known = [(key, f"{key} {name}") for _, key, name in list_driver_names(db.session)]
    return [
        ("", "Choose"),
        *((key, words) for key, words in known if key != but),
        (NEW_DRIVER, "A new contact driver"),
        (NO_DRIVER, "No contact driver"),
    ]


def say_outcome(outcome: DriverOutcome) -> str:
    """Return one sentence on what a proposal did."""
    if not outcome.placed:
        left = len(outcome.left)
        if not left:
            return "Every theme has its contact driver."
        return (
            f"{left} {'theme has' if left == 1 else 'themes have'} no contact driver still: there "
            "are too few themes, or of too few customers, to put together. You can make a contact "
            "driver and move themes to it."
        )
    placed, born = len(outcome.placed), len(outcome.born)
    said = f"Put {placed:,} {'theme' if placed == 1 else 'themes'} under contact drivers"
    return f"{said}, {born} of them new." if born else f"{said} that stood."


def _cells(row: DriverRow) -> list[Any]:
    def share(value: float | None) -> float | None:
        return None if value is None else round(value, 4)

    return [
        row.key or "none",
        row.name,
        len(row.themes),
        row.candidates,
        row.as_of,
        row.contacts,
        share(row.share),
        share(row.change),
        share(row.repeat_same),
        share(row.repeat_any),
        share(row.unidentified_share),
        None if row.minutes is None else round(row.minutes),
        row.small,
    ]


@bp.app_context_processor
def contact_drivers() -> dict[str, Any]:
    """Let the pages of themes ask which contact drivers there are."""
    return {"driver_names": lambda: list_driver_names(db.session)}
