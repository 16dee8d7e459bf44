"""What an action touches beside its theme, and against which driver volume it is held."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.domain.actions import MOST_ALSO, check_can_change
from closedloop.domain.audit import Actor
from closedloop.domain.errors import Invalid
from closedloop.domain.themes import GONE_STATUSES
from closedloop.models import Action, ActionTheme, DriverDay, Theme
from closedloop.services.actions import get_workable_action
from closedloop.services.audit import record_event


def state_scope(
    session: Session, *, action_id: int, also: Collection[int], driver: str, by: Actor
) -> Action:
    """Say which other themes the fix touches, and what its effects are held against.

    What is said here is frozen when the action is shipped: the result is of all these themes
    together, and none of them is compared with.

    Parameters
    ----------
    also : collection of int
        Ids of themes; the action's own is passed over.
    driver : str
        Name of an imported driver volume; empty holds contacts against none.

    Raises
    ------
    Invalid
        With a sentence per field.
    InvalidTransition
        If the action is shipped or cancelled.
    NotAllowed, NotFound
    """
    action = get_workable_action(session, action_id, by)
    check_can_change(action.key, action.status)
    wanted = set(also) - {action.theme_id}
    _check_scope(session, wanted, driver)
    before = {one.theme_id for one in action.also}
    if wanted == before and driver == action.driver:
        return action
    detail = {
        "also": [sorted(before), sorted(wanted)],
        "driver": [action.driver, driver],
    }
    for gone in [one for one in action.also if one.theme_id not in wanted]:
        action.also.remove(gone)
    action.also += [ActionTheme(theme_id=one) for one in sorted(wanted - before)]
    action.driver = driver
    session.flush()
    record_event(
        session,
        by=by,
        verb="actions.changed",
        target_kind="action",
        target_id=action.id,
        summary=f"changed what {action.key} touches and is held against",
        detail={"theme_id": action.theme_id, **detail},
    )
    session.flush()
    return action


def _check_scope(session: Session, wanted: set[int], driver: str) -> None:
    fields = {}
    in_use = sa.select(Theme.id).where(Theme.id.in_(wanted), Theme.status.not_in(GONE_STATUSES))
    if unknown := wanted - set(session.scalars(in_use)):
        fields["also"] = (
            f"{len(unknown)} of the themes that it touches are not in use any more, or never "
            "were. Choose them again."
        )
    elif len(wanted) > MOST_ALSO:
        fields["also"] = (
            f"A fix touches at most {MOST_ALSO} themes beside its own, these are {len(wanted)}. "
            "What touches more is better measured as several actions."
        )
    known = sa.select(sa.exists().where(DriverDay.driver == driver))
    if driver and not session.scalar(known):
        fields["driver"] = (
            f"No driver volume “{driver[:60]}” is imported. Import it under Metrics, Driver "
            "volumes, or choose none."
        )
    if fields:
        raise Invalid("The action was not saved. " + " ".join(fields.values()), fields)
