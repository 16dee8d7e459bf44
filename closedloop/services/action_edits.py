"""Saving the form of an action, unless somebody else saved it in the meantime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.orm import Session

from closedloop.config import Settings
from closedloop.domain.audit import Actor
from closedloop.domain.errors import ChangedMeanwhile, Invalid
from closedloop.models import Action, AuditEvent
from closedloop.queries.audit import list_told
from closedloop.services.action_scope import state_scope
from closedloop.services.actions import change_action, get_workable_action, state_cost

EDITS = ("actions.changed", "actions.cost_stated")
"""What happens to the answers in the form of an action."""


def last_edit(session: Session, action_id: int) -> int:
    """Return the number of the newest event that changed what the form shows, 0 without one."""
    edits = list_told(session, "action", action_id, verbs=EDITS)
    return edits[-1].id if edits else 0


def edit_action(
    session: Session,
    *,
    action_id: int,
    seen: int | None,
    terms: Mapping[str, Any],
    scope: Mapping[str, Any] | None = None,
    by: Actor,
    settings: Settings | None = None,
) -> Action:
    """Change an open action as its form was filled in.

    Parameters
    ----------
    seen : int or None
        What `last_edit` was when the form was opened; None where nobody knows, and then nothing
        is held against it.
    terms : mapping
        Arguments of `change_action`.
    scope : mapping, optional
        Arguments of `state_scope`, where the form asked about it.
    settings : Settings, optional
        Say in which zone it is today; UTC when left out.

    Raises
    ------
    ChangedMeanwhile
        If the form would change what somebody has changed since; the same answers sent twice
        change nothing, and are no conflict.
    Invalid, InvalidTransition, NotAllowed, NotFound
    """
    get_workable_action(session, action_id, by)  # locked: nobody comes in between from here on
    newer = list_told(session, "action", action_id, verbs=EDITS, after_id=seen or 0)
    before = last_edit(session, action_id)
    since = {name for event in newer for name in event.detail}
    try:
        action = change_action(session, action_id=action_id, by=by, settings=settings, **terms)
    except Invalid as refusal:
        if seen is not None and refusal.fields and refusal.fields.keys() <= since:
            raise ChangedMeanwhile(_since_words(newer), since) from refusal  # it stood when opened
        raise
    if scope is not None:
        state_scope(session, action_id=action_id, by=by, **scope)
    if seen is not None and newer and last_edit(session, action_id) != before:
        raise ChangedMeanwhile(_since_words(newer), since)
    return action


def edit_cost(
    session: Session,
    *,
    action_id: int,
    seen: int | None,
    cost_low: float | None,
    cost_high: float | None,
    by: Actor,
) -> Action:
    """State what a fix costs as its form was filled in.

    Parameters
    ----------
    seen : int or None
        As for `edit_action`.
    cost_low, cost_high : float or None
        As for `state_cost`.

    Raises
    ------
    ChangedMeanwhile
        If the form would change a cost that somebody has stated since.
    Invalid, NotAllowed, NotFound
    """
    action = get_workable_action(session, action_id, by)
    stood = (action.cost_low, action.cost_high)
    newer = list_told(session, "action", action_id, verbs=EDITS, after_id=seen or 0)
    newer = [event for event in newer if {"cost_low", "cost_high"} & set(event.detail)]
    state_cost(session, action_id=action_id, cost_low=cost_low, cost_high=cost_high, by=by)
    if seen is not None and newer and stood != (cost_low, cost_high):
        raise ChangedMeanwhile(_since_words(newer), {name for e in newer for name in e.detail})
    return action


def _since_words(newer: Sequence[AuditEvent]) -> str:
    what = "; ".join(f"{event.actor_name} {event.summary}" for event in newer)
    return (
        f"After you had opened this form, {what}. What you typed was not saved; it stands below. "
        "Compare it, then save it again or leave it."
    )
