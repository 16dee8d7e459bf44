"""Pages: move themes to another contact driver, and merge one driver into another."""

from __future__ import annotations

from typing import Any

from flask import render_template, request, url_for
from werkzeug import Response

from closedloop.domain.contact_drivers import must_type_themes
from closedloop.domain.errors import Invalid, InvalidTransition
from closedloop.extensions import current_settings, db
from closedloop.queries.contact_drivers import find_driver, list_driver_names
from closedloop.services.contact_drivers import (
    create_driver,
    merge_drivers,
    move_themes,
    preview_merge,
    preview_themes,
)
from closedloop.web.asked import row_id, typed_count
from closedloop.web.flashes import flash_done
from closedloop.web.htmx import see_other
from closedloop.web.permissions import requires
from closedloop.web.session import current_actor
from closedloop.web.themes_bp import bp
from closedloop.web.themes_drivers import NEW_DRIVER, NO_DRIVER, driver_targets

Page = str | tuple[str, int] | Response


@bp.get("/drivers/move")
@requires("themes.curate")
def move_to_driver() -> str:
    """Show which themes would move to which contact driver."""
    return _move_page(request.args)


@bp.post("/drivers/move")
@requires("themes.curate")
def move_to_driver_submit() -> Page:
    """Move themes to a contact driver, a new one if wanted."""
    asked = request.form
    try:
        with db.transaction() as session:
            change = _make_move(session, asked)
            change_id, key = change.id, change.driver.key if change.driver else ""
    except Invalid as refusal:
        return _move_page(asked, refusal.fields or {"to": refusal.sentence}), 422
    except InvalidTransition as refusal:
        return _move_page(asked, {"to": refusal.sentence}), 409
    flash_done("Themes moved.", url_for("themes.undo_driver", change_id=change_id))
    return see_other(url_for("themes.driver", key=key) if key else url_for("themes.drivers"))


@bp.get("/drivers/<key>/merge")
@requires("themes.curate")
def merge_driver(key: str) -> str:
    """Show which themes a merge would move."""
    return _merge_page(key, request.args)


@bp.post("/drivers/<key>/merge")
@requires("themes.curate")
def merge_driver_submit(key: str) -> Page:
    """Merge a contact driver into another one."""
    into = request.form.get("into", "")
    try:
        with db.transaction() as session:
            change = merge_drivers(
                session,
                driver_id=find_driver(session, key).id,
                into_id=_into_id(session, into),
                by=current_actor(),
                typed_count=typed_count(),
            )
            change_id = change.id
    except Invalid as refusal:
        return _merge_page(key, request.form, refusal.fields or {"into": refusal.sentence}), 422
    except InvalidTransition as refusal:
        return _merge_page(key, request.form, {"into": refusal.sentence}), 409
    flash_done(f"{key} merged.", url_for("themes.undo_driver", change_id=change_id))
    return see_other(url_for("themes.driver", key=into))


def _make_move(session: Any, asked: Any) -> Any:
    ids, to = asked.getlist("id", type=row_id), asked.get("to", "")
    more = {"theme_ids": ids, "by": current_actor(), "typed_count": typed_count()}
    if to == NEW_DRIVER:
        return create_driver(session, name=asked.get("name", ""), **more)
    return move_themes(session, to_id=_target_id(session, to), **more)


def _target_id(session: Any, to: str) -> int | None:
    if not to:
        sentence = "Choose the contact driver they belong to."
        raise Invalid(sentence, {"to": sentence})
    return None if to == NO_DRIVER else int(find_driver(session, to).id)


def _into_id(session: Any, into: str) -> int:
    if not into:
        sentence = "Choose the contact driver that is to hold its themes."
        raise Invalid(sentence, {"into": sentence})
    return int(find_driver(session, into).id)


def _move_page(asked: Any, errors: dict[str, str] | None = None) -> str:
    errors = dict(errors or {})
    ids, to, preview = asked.getlist("id", type=row_id), asked.get("to", ""), None
    try:
        # What a new driver would take is what leaves every driver that stands.
        to_id = None if to in ("", NEW_DRIVER) else _target_id(db.session, to)
        preview = preview_themes(
            db.session,
            theme_ids=ids,
            to_id=to_id,
            k=current_settings().privacy_k,
            is_new=to in ("", NEW_DRIVER),
        )
    except Invalid as refusal:
        errors = {**(refusal.fields or {"to": refusal.sentence}), **errors}
    except InvalidTransition as refusal:
        errors.setdefault("to", refusal.sentence)
    return render_template(
        "themes/driver_move.html",
        ids=ids,
        to=to,
        new=NEW_DRIVER,
        targets=driver_targets(),
        place=_place(to),
        **_shown(preview, asked, errors),
    )


def _place(to: str) -> str:
    if to == NO_DRIVER:
        return "no contact driver"
    if to == NEW_DRIVER:
        return "a new contact driver"
    return next(
        (f"{key} {name}" for _, key, name in list_driver_names(db.session) if key == to), to
    )


def _merge_page(key: str, asked: Any, errors: dict[str, str] | None = None) -> str:
    driver = find_driver(db.session, key)
    errors = dict(errors or {})
    into, preview = asked.get("into", ""), None
    if into:
        try:
            preview = preview_merge(
                db.session,
                driver_id=driver.id,
                into_id=_into_id(db.session, into),
                k=current_settings().privacy_k,
            )
        except Invalid as refusal:
            errors = {**(refusal.fields or {"into": refusal.sentence}), **errors}
        except InvalidTransition as refusal:
            errors.setdefault("into", refusal.sentence)
    others = [
        (other, f"{other} {name}")
        for _, other, name in list_driver_names(db.session)
        if other != key
    ]
    return render_template(
        "themes/driver_merge.html",
        driver=driver,
        into=into,
        targets=[("", "Choose"), *others],
        place=_place(into),
        **_shown(preview, asked, errors),
    )


def _shown(preview: Any, asked: Any, errors: dict[str, str]) -> dict[str, Any]:
    """Return what both previews show."""
    moves = len(preview.themes) if preview is not None else 0
    return {
        "preview": preview,
        "asks_count": must_type_themes(moves),
        "k": current_settings().privacy_k,
        "typed": asked,
        "errors": errors,
    }
