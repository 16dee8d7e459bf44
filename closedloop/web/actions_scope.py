"""The part of an action's form about what it touches beside its theme."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session
from werkzeug.datastructures import MultiDict

from closedloop.queries.action_scope import get_scope, list_driver_names, list_touchable_themes

FORM_MARK = "has_scope"
"""Field of every form that asks about it: one without it changes nothing of it."""


def read_scope(form: MultiDict[str, str]) -> dict[str, Any] | None:
    """Return arguments for `state_scope`; None where the form did not ask."""
    if FORM_MARK not in form:
        return None
    also = {
        int(raw)
        for raw in form.getlist("also")
        if raw.isascii() and raw.isdigit() and len(raw) < 10
    }
    return {"also": also, "driver": form.get("driver", "").strip()[:60]}


def scope_values(session: Session, action_id: int) -> dict[str, Any]:
    """Return what the form starts from."""
    scope = get_scope(session, action_id)
    return {"also": [str(theme.id) for theme in scope.also], "driver": scope.driver}


def typed_scope(form: MultiDict[str, str]) -> dict[str, Any]:
    """Return what was chosen, to show it again."""
    return {"also": form.getlist("also"), "driver": form.get("driver", "")}


def scope_choices(session: Session, *, own_theme_id: int | None = None) -> dict[str, Any]:
    """Return what there is to choose from: pairs of value and words.

    An action's own theme, where it is known already, is none of the others that it touches.
    """
    themes = [
        (str(theme.id), f"{theme.key} {theme.name}")
        for theme in list_touchable_themes(session)
        if theme.id != own_theme_id
    ]
    drivers = [(name, name) for name in list_driver_names(session)]
    return {"also": themes, "drivers": [("", "None: contacts as they come"), *drivers]}
