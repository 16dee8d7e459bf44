"""Pages: judging one by one whether contacts drawn at random belong to a theme."""

from __future__ import annotations

from flask import flash, render_template, request, url_for
from werkzeug import Response

from closedloop.domain.errors import ChangedMeanwhile, Conflict, Invalid, NotFound
from closedloop.domain.themes import LARGEST_SAMPLE, SAMPLE_SIZE, SMALLEST_SAMPLE
from closedloop.extensions import current_settings, db
from closedloop.queries.checks import find_round, get_precisions
from closedloop.queries.theme_figures import figures_of, list_quotes
from closedloop.queries.theme_page import find_theme
from closedloop.services.checks import answer_check, draw_sample, take_back_answer
from closedloop.web.htmx import see_other
from closedloop.web.permissions import requires
from closedloop.web.session import current_actor
from closedloop.web.themes_bp import bp

ANSWERS = {"yes": True, "no": False}


@bp.get("/<key>/check")
@requires("themes.curate")
def check(key: str) -> str:
    """Show the next contact to judge, or what the last round found and how to draw another."""
    return _check_page(key)


@bp.post("/<key>/check")
@requires("themes.curate")
def draw(key: str) -> Response | tuple[str, int]:
    """Draw contacts of the theme at random."""
    typed = request.form.get("size", "").strip() or str(SAMPLE_SIZE)
    try:
        size = int(typed) if typed.isascii() and typed.isdigit() and len(typed) < 6 else 0
        with db.transaction() as session:
            draw_sample(
                session,
                theme_id=find_theme(session, key).id,
                settings=current_settings(),
                by=current_actor(),
                size=size,
            )
    except Invalid as refusal:
        return _check_page(key, typed, refusal.fields), 422
    except Conflict as refusal:
        flash(refusal.sentence, "warn")
    return see_other(url_for("themes.check", key=key))


@bp.post("/<key>/check/<int:contact_id>")
@requires("themes.curate")
def answer(key: str, contact_id: int) -> Response:
    """Take down whether a contact belongs, and go on to the next one."""
    belongs = ANSWERS.get(request.form.get("belongs", ""))
    try:
        with db.transaction() as session:
            theme = find_theme(session, key)
            if belongs is None:
                raise Invalid("Say whether the contact belongs: yes or no.")
            answer_check(
                session,
                theme_id=theme.id,
                contact_id=contact_id,
                belongs=belongs,
                by=current_actor(),
            )
    except (Conflict, Invalid) as refusal:
        flash(refusal.sentence, "warn")
    return see_other(url_for("themes.check", key=key))


@bp.post("/<key>/check/<int:contact_id>/take-back")
@requires("themes.curate")
def take_back_check(key: str, contact_id: int) -> Response:
    """Undo an answer; the contact is asked about again."""
    try:
        with db.transaction() as session:
            theme = find_theme(session, key)
            take_back_answer(
                session, theme_id=theme.id, contact_id=contact_id, seen=_seen(), by=current_actor()
            )
    except (ChangedMeanwhile, NotFound) as refusal:
        flash(refusal.sentence, "warn")
    return see_other(url_for("themes.check", key=key))


def _seen() -> tuple[str, str] | None:
    """Return the answer that stood beside the button, None where the form does not say."""
    belongs, checked_by = (request.form.get(name) for name in ("seen", "seen_by"))
    return None if belongs is None or checked_by is None else (belongs, checked_by)


def _check_page(key: str, typed: str = "", errors: dict[str, str] | None = None) -> str:
    theme = find_theme(db.session, key)
    k = current_settings().privacy_k
    is_shown = figures_of(theme.stats, k) is not None
    found = find_round(db.session, theme.id)
    return render_template(
        "themes/check.html",
        theme=theme,
        k=k,
        is_shown=is_shown,
        round=found,
        precision=get_precisions(db.session, [theme.id]).get(theme.id),
        quotes=list_quotes(db.session, [theme.id])[theme.id] if is_shown else [],
        sizes=(SMALLEST_SAMPLE, SAMPLE_SIZE, LARGEST_SAMPLE),
        typed=typed,
        errors=errors or {},
    )
