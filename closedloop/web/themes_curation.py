"""Pages: pick contacts of a theme, move them, split it by examples, retire it, take it back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from operator import attrgetter
from typing import Any

from flask import flash, render_template, request, url_for
from werkzeug import Response

from closedloop.domain.curation import MOST_CHOSEN, RETIRABLE, must_type_count
from closedloop.domain.errors import Conflict, Invalid, InvalidTransition
from closedloop.extensions import current_settings, db
from closedloop.queries.contacts import (
    COUNTED_CONTACTS,
    FIRST_WORDS,
    ContactFilter,
    count_contacts,
    list_contact_ids,
    list_contacts,
)
from closedloop.queries.curation import CHANGES_SHOWN, list_changes, list_picked, list_targets
from closedloop.queries.theme_figures import figures_of, list_quotes
from closedloop.queries.theme_page import find_theme
from closedloop.services.curation import (
    move_contacts,
    preview_move,
    preview_split,
    split_theme,
)
from closedloop.services.retiring import (
    preview_restore,
    preview_retire,
    restore_theme,
    retire_theme,
)
from closedloop.services.undoing import take_back
from closedloop.web.asked import older_page, refused_fields, row_id, typed_count
from closedloop.web.contacts import read_cursor, write_cursor
from closedloop.web.contacts_bp import redacted
from closedloop.web.flashes import flash_done
from closedloop.web.htmx import see_other
from closedloop.web.permissions import requires
from closedloop.web.session import current_actor
from closedloop.web.themes_bp import bp

Page = str | tuple[str, int] | Response
PAGE_ROWS = 50
NO_THEME = "none"
"""Where contacts go that do not belong to the theme, when nobody says where they belong."""


@bp.get("/<key>/contacts")
@requires("themes.curate")
def pick(key: str) -> str:
    """List a theme's contacts to pick some of them."""
    theme = find_theme(db.session, key)
    words = _words(request.args)
    wanted = ContactFilter(theme_id=theme.id, words=words)
    after = read_cursor(request.args.get("after", ""))
    rows = list_contacts(db.session, wanted, after=after, limit=PAGE_ROWS + 1)
    shown = rows[:PAGE_ROWS]
    more_url = ""
    if len(rows) > PAGE_ROWS:
        cursor = write_cursor(shown[-1])
        more_url = url_for("themes.pick", key=key, q=words or None, after=cursor)
    return render_template(
        "themes/pick.html",
        theme=theme,
        rows=shown,
        words=words,
        total=count_contacts(db.session, wanted),
        most=MOST_CHOSEN,
        most_counted=COUNTED_CONTACTS,
        words_shown=FIRST_WORDS,
        can_retire=theme.status in RETIRABLE,
        targets=_targets(theme.id),
        more_url=more_url,
        first_url=url_for("themes.pick", key=key, q=words or None) if after else "",
        redacted=redacted,
    )


@bp.get("/<key>/move")
@requires("themes.curate")
def move(key: str) -> str:
    """Show what moving the contacts picked would do."""
    return _move_page(key, request.args)


@bp.post("/<key>/move")
@requires("themes.curate")
def move_submit(key: str) -> Page:
    """Move contacts to another theme, or out of this one."""

    def change(session: Any, theme_id: int) -> int:
        to_id = _target_id(session, request.form)
        return move_contacts(
            session,
            settings=current_settings(),
            theme_id=theme_id,
            contact_ids=_picked(session, theme_id, request.form),
            to_id=to_id,
            by=current_actor(),
            typed_count=typed_count(),
        ).id

    return _submit(key, change, _move_page, "Contacts moved.")


@bp.get("/<key>/split")
@requires("themes.curate")
def split(key: str) -> str:
    """Pick examples of a new theme, and see what would leave this one."""
    return _split_page(key, request.args)


@bp.post("/<key>/split")
@requires("themes.curate")
def split_submit(key: str) -> Page:
    """Split a new theme off."""

    def change(session: Any, theme_id: int) -> int:
        return split_theme(
            session,
            settings=current_settings(),
            theme_id=theme_id,
            contact_ids=_picked(session, theme_id, request.form),
            name=request.form.get("name", ""),
            by=current_actor(),
            typed_count=typed_count(),
        ).id

    return _submit(key, change, _split_page, "Split off. The new theme waits for triage.")


@bp.get("/<key>/retire")
@requires("themes.curate")
def retire(key: str) -> str:
    """Show what retiring a theme would do, or restoring it when it is retired."""
    return _retire_page(key, {})


@bp.post("/<key>/retire")
@requires("themes.curate")
def retire_submit(key: str) -> Page:
    """Take a theme out of use."""
    return _keep_or_drop(key, retire_theme, f"{key} retired.")


@bp.post("/<key>/restore")
@requires("themes.curate")
def restore(key: str) -> Page:
    """Bring a retired theme back."""
    return _keep_or_drop(key, restore_theme, f"{key} restored.")


@bp.get("/<key>/changes")
@requires("themes.view")
def changes(key: str) -> str:
    """List what people did to a theme, each with its way back."""
    theme = find_theme(db.session, key)
    page = older_page(partial(list_changes, db.session, theme.id), CHANGES_SHOWN, attrgetter("id"))
    return render_template("themes/changes.html", theme=theme, page=page)


@bp.post("/changes/<int:change_id>/undo")
@requires("themes.curate")
def undo(change_id: int) -> Response:
    """Take a change back; parts of a run by a job, which assigns all contacts anew."""
    with db.transaction() as session:
        done = take_back(
            session, settings=current_settings(), change_id=change_id, by=current_actor()
        )
        key, job = done.change.theme.key, done.job
    if job is not None:
        return see_other(url_for("jobs.show", job_id=job.id))
    flash(f"Taken back: {key} is as it was.", "done")
    return see_other(url_for("themes.changes", key=key))


def _keep_or_drop(key: str, verb: Callable[..., Any], done: str) -> Page:
    def change(session: Any, theme_id: int) -> int:
        number: int = verb(
            session,
            settings=current_settings(),
            theme_id=theme_id,
            by=current_actor(),
            typed_count=typed_count(),
        ).id
        return number

    return _submit(key, change, _retire_page, done)


def _submit(
    key: str, change: Callable[[Any, int], int], page: Callable[..., str], done: str
) -> Page:
    """Make a change; what is refused is said on the page it was asked for."""
    try:
        with db.transaction() as session:
            change_id = change(session, find_theme(session, key).id)
    except Invalid as refusal:
        errors, status = refused_fields(refusal, "contacts")
        return page(key, request.form, errors), status
    except (Conflict, InvalidTransition) as refusal:
        return page(key, request.form, {"contacts": refusal.sentence}), 409
    flash_done(done, url_for("themes.undo", change_id=change_id))
    return see_other(url_for("themes.show", key=key))


def _move_page(key: str, asked: Any, errors: dict[str, str] | None = None) -> str:
    theme = find_theme(db.session, key)
    errors = dict(errors or {})
    ids, preview = _picked(db.session, theme.id, asked), None
    to = asked.get("to", "")
    if to:
        try:
            preview = preview_move(
                db.session,
                theme_id=theme.id,
                contact_ids=ids,
                to_id=_target_id(db.session, asked),
                k=current_settings().privacy_k,
            )
        except Invalid as refusal:
            errors = {**(refusal.fields or {"contacts": refusal.sentence}), **errors}
        except InvalidTransition as refusal:
            errors.setdefault("to", refusal.sentence)
    return render_template(
        "themes/move.html",
        theme=theme,
        ids=ids,
        to=to,
        targets=_targets(theme.id),
        no_theme=NO_THEME,
        most=MOST_CHOSEN,
        **preview_values(preview, asked, errors, url_for("themes.pick", key=key)),
    )


def _split_page(key: str, asked: Any, errors: dict[str, str] | None = None) -> str:
    theme = find_theme(db.session, key)
    k = current_settings().privacy_k
    errors = dict(errors or {})
    ids, preview = _picked(db.session, theme.id, asked), None
    if ids or asked.get("look"):
        try:
            preview = preview_split(db.session, theme_id=theme.id, contact_ids=ids, k=k)
        except Invalid as refusal:
            errors = {**(refusal.fields or {"examples": refusal.sentence}), **errors}
        except (Conflict, InvalidTransition) as refusal:
            errors.setdefault("examples", refusal.sentence)
    quotes = []
    if preview is None and figures_of(theme.stats, k):
        found = list_quotes(db.session, [theme.id])[theme.id]
        quotes = [quote for quote in found if quote.kind != "contrary"]
    return render_template(
        "themes/split.html",
        theme=theme,
        ids=ids,
        quotes=quotes,
        **preview_values(preview, asked, errors, url_for("themes.split", key=key)),
    )


def _retire_page(key: str, asked: Any, errors: dict[str, str] | None = None) -> str:
    theme = find_theme(db.session, key)
    k = current_settings().privacy_k
    errors = dict(errors or {})
    look = preview_restore if theme.status == "retired" else preview_retire
    preview = None
    try:
        preview = look(db.session, theme_id=theme.id, k=k)
    except (Conflict, InvalidTransition) as refusal:
        errors.setdefault("contacts", refusal.sentence)
    return render_template(
        "themes/retire.html",
        theme=theme,
        is_retired=theme.status == "retired",
        **preview_values(preview, asked, errors, url_for("themes.show", key=key)),
    )


def preview_values(
    preview: Any, asked: Any, errors: dict[str, str], back_url: str
) -> dict[str, Any]:
    """Return what every preview shows: counts, a page of the exact list, what was typed."""
    ids: Sequence[int] = preview.ids if preview is not None else ()
    page = max(request.args.get("page", 1, type=row_id), 1)
    part = ids[(page - 1) * PAGE_ROWS : page * PAGE_ROWS]
    return {
        "preview": preview,
        "contacts": list_picked(db.session, part),
        "page": page,
        "has_more": len(ids) > page * PAGE_ROWS,
        "page_rows": PAGE_ROWS,
        "asks_count": preview is not None and must_type_count(preview.contacts),
        "k": current_settings().privacy_k,
        "typed": asked,
        "errors": errors,
        "back_url": back_url,
        "all": asked.get("all", ""),
        "words": _words(asked),
        "redacted": redacted,
    }


def _targets(theme_id: int) -> list[tuple[str, str]]:
    """Return what a form offers as the theme that contacts belong to."""
    nowhere = (NO_THEME, "No theme yet: it just does not belong here")
    themes = list_targets(db.session, theme_id)
    return [("", "Choose"), nowhere, *((key, f"{key} {name}") for key, name in themes)]


def _words(asked: Any) -> str:
    return str(asked.get("q", "")).strip()[:100]


def _picked(session: Any, theme_id: int, asked: Any) -> list[int]:
    """Return the contacts picked: each by its number, or all that a search finds."""
    if asked.get("all"):
        wanted = ContactFilter(theme_id=theme_id, words=_words(asked))
        return list_contact_ids(session, wanted, limit=MOST_CHOSEN + 1)
    return list(asked.getlist("id", type=row_id))


def _target_id(session: Any, asked: Any) -> int | None:
    key = asked.get("to", "")
    if not key:
        sentence = "Choose the theme they belong to, or say that they do not belong here."
        raise Invalid(sentence, {"to": sentence})
    return None if key == NO_THEME else int(find_theme(session, key).id)
