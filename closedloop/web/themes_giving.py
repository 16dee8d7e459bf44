"""Page: give a contact that is in no theme to one, after seeing what moves along."""

from __future__ import annotations

from typing import Any

from flask import render_template, request, url_for
from werkzeug import Response

from closedloop.domain.curation import must_type_count
from closedloop.domain.errors import Conflict, Invalid, InvalidTransition, NotFound
from closedloop.extensions import current_settings, db
from closedloop.queries.contact_page import ContactPage, get_contact_page
from closedloop.queries.contacts import get_filter_options
from closedloop.queries.theme_page import find_theme
from closedloop.services.curation import move_contacts, preview_move
from closedloop.services.leftovers import find_nearest
from closedloop.web.asked import refused_fields, typed_count
from closedloop.web.contacts_bp import redacted
from closedloop.web.flashes import flash_done
from closedloop.web.htmx import see_other
from closedloop.web.permissions import requires
from closedloop.web.session import current_actor
from closedloop.web.themes_bp import bp

Page = str | Response | tuple[str, int]


@bp.get("/unassigned/<int:contact_id>/give")
@requires("themes.curate")
def give(contact_id: int) -> Page:
    """Choose the theme a contact belongs to, and see what would move with it."""
    return _page(contact_id, request.args)


@bp.post("/unassigned/<int:contact_id>/give")
@requires("themes.curate")
def give_submit(contact_id: int) -> Page:
    """Give a contact in no theme to one."""
    try:
        with db.transaction() as session:
            to = find_theme(session, request.form.get("to", "")[:20])
            change = move_contacts(
                session,
                settings=current_settings(),
                theme_id=None,
                contact_ids=[contact_id],
                to_id=to.id,
                typed_count=typed_count(),
                by=current_actor(),
            )
            words = f"{change.contacts:,} contact{'' if change.contacts == 1 else 's'}"
            done, number = f"Moved {words} to {to.key}.", change.id
    except Invalid as refusal:
        errors, status = refused_fields(refusal, "to")
        return _page(contact_id, request.form, errors), status
    except (InvalidTransition, NotFound) as refusal:
        return _page(contact_id, request.form, {"to": refusal.sentence}), 422
    flash_done(done, url_for("themes.undo", change_id=number))
    return see_other(url_for("themes.unassigned"))


def _page(contact_id: int, asked: Any, errors: dict[str, str] | None = None) -> str:
    page = get_contact_page(db.session, contact_id)
    _refuse_themed(page)
    nearest = find_nearest(db.session, contact_ids=[contact_id]).get(contact_id)
    key = asked.get("to", nearest.key if nearest else "")[:20]
    errors, preview, to = dict(errors or {}), None, None
    if key:
        try:
            to = find_theme(db.session, key)
            preview = preview_move(
                db.session,
                theme_id=None,
                contact_ids=[contact_id],
                to_id=to.id,
                k=current_settings().privacy_k,
            )
        except (Invalid, InvalidTransition, NotFound) as refusal:
            errors.setdefault("to", refusal.sentence)
    themes = get_filter_options(db.session, last_day=None).themes
    return render_template(
        "themes/give.html",
        page=page,
        nearest=nearest,
        to=to,
        preview=preview,
        errors=errors,
        redacted=redacted,
        count=preview.contacts if preview and must_type_count(preview.contacts) else None,
        themes=[("", "Choose a theme"), *((one.key, f"{one.key} {one.name}") for one in themes)],
    )


def _refuse_themed(page: ContactPage) -> None:
    if page.contact.theme_id is not None:
        raise Conflict("This contact is in a theme by now. Move it on the page of that theme.")
