"""Actions: propose, agree, start, change, ship, hand back, cancel, reopen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from closedloop.config import Settings
from closedloop.domain import clock
from closedloop.domain.actions import (
    OPEN_ACTIONS,
    STARTS_ACTING,
    ActionStatus,
    check_action_move,
    check_can_change,
    check_may_work_on,
    check_theme_takes_actions,
    theme_left_without_actions,
)
from closedloop.domain.audit import Actor
from closedloop.domain.clock import utc_now
from closedloop.domain.errors import Conflict, Invalid, InvalidTransition, NotFound
from closedloop.domain.impact_stages import Stage, stages_last, stages_to_json
from closedloop.domain.impact_words import spelt
from closedloop.domain.payback import cost_problems
from closedloop.domain.themes import Strategy, ThemeStatus
from closedloop.domain.triage import check_reason
from closedloop.models import Action, AuditEvent, Intervention, Theme
from closedloop.queries.audit import list_told
from closedloop.services.action_plan import check_go_live, choose_family, freeze_plan
from closedloop.services.action_terms import Terms, check_complete, check_terms
from closedloop.services.askers import find_asker, require_permission
from closedloop.services.audit import record_event
from closedloop.services.theme_moves import move_theme

KEY_TRIES = 5
SENT_TWICE = timedelta(minutes=10)
"""Within it the same proposal of the same person is a form that was sent twice."""


def propose_action(
    session: Session,
    *,
    theme_id: int,
    title: str,
    description: str,
    strategy: Strategy | str,
    department_id: int,
    owner_id: int | None,
    due_on: date | None,
    expected_drop: float,
    smallest_drop: float,
    cost_low: float | None = None,
    cost_high: float | None = None,
    by: Actor,
    settings: Settings | None = None,
    today: date | None = None,
) -> Action:
    """Propose something to do about an agreed theme, which becomes acting by it.

    What the same person has proposed in the same words within `SENT_TWICE` is the first one.

    Parameters
    ----------
    due_on : date or None
        Last day in time: today or later, at most two years ahead.
    expected_drop, smallest_drop : float
        Shares of the theme's contacts, above 0 to 1; the smallest at most the expected.
    cost_low, cost_high : float, optional
        Pence that the fix costs, at least and at most; both or neither.
    settings : Settings, optional
        Say in which zone it is today; UTC when left out.
    today : date, optional
        The reporting day that is running, instead of asking the clock.

    Raises
    ------
    Invalid
        With a sentence per field.
    InvalidTransition
        If the theme is a candidate or was put aside.
    NotAllowed, NotFound
    """
    require_permission(
        session, by, "actions.create", "Only a CX manager proposes actions; ask one of them."
    )
    theme = _get_theme(session, theme_id)
    check_theme_takes_actions(theme.key, theme.status)
    terms = check_terms(
        session,
        Terms(
            title=title,
            description=description,
            strategy=strategy,
            department_id=department_id,
            owner_id=owner_id,
            due_on=due_on,
            expected_drop=expected_drop,
            smallest_drop=smallest_drop,
            cost_low=cost_low,
            cost_high=cost_high,
        ),
        today=today or _today(settings),
    )
    if (first := _find_sent_before(session, theme, terms, by)) is not None:
        return first
    action = _add_with_key(session, theme, terms)
    _record(session, action, by, "proposed", f"proposed “{action.title}” for {theme.key}")
    _start_acting(session, theme, "an action was proposed", by)
    session.flush()
    return action


def change_action(
    session: Session,
    *,
    action_id: int,
    title: str,
    description: str,
    strategy: Strategy | str,
    department_id: int,
    owner_id: int | None,
    due_on: date | None,
    expected_drop: float,
    smallest_drop: float,
    cost_low: float | None = None,
    cost_high: float | None = None,
    by: Actor,
    settings: Settings | None = None,
    today: date | None = None,
) -> Action:
    """Change an action that is still open; what was shipped stays as it was planned.

    A due day that has passed may stay; another one must be one that `propose_action` takes, which
    says of `settings` and `today` what they are.

    Raises
    ------
    Invalid
        With a sentence per field.
    InvalidTransition
        If the action is shipped or cancelled.
    NotAllowed
        Also when a stakeholder moves it to another department: that is handing back.
    NotFound
    """
    action = get_workable_action(session, action_id, by)
    check_can_change(action.key, action.status)
    if department_id != action.department_id:
        require_permission(
            session,
            by,
            "actions.create",
            "Only a CX manager moves an action to another department. Hand it back with a reason.",
        )
    given = Terms(
        title=title,
        description=description,
        strategy=strategy,
        department_id=department_id,
        owner_id=owner_id,
        due_on=due_on,
        expected_drop=expected_drop,
        smallest_drop=smallest_drop,
        cost_low=cost_low,
        cost_high=cost_high,
    )
    terms = check_terms(session, given, today=today or _today(settings), kept_by=action)
    changed = {
        name: [_plain(getattr(action, name)), _plain(value)]
        for name, value in terms.items()
        if getattr(action, name) != value
    }
    if not changed:
        return action
    for name, value in terms.items():
        setattr(action, name, value)
    what = ", ".join(_changed_words(name, terms) for name in changed)
    _record(session, action, by, "changed", f"changed {what} of {action.key}", changed)
    session.flush()
    return action


def state_cost(
    session: Session,
    *,
    action_id: int,
    cost_low: float | None,
    cost_high: float | None,
    by: Actor,
) -> Action:
    """State what a fix costs, also once it is shipped: finance often knows it only then.

    The plan keeps what was stated when it was frozen.

    Parameters
    ----------
    cost_low, cost_high : float or None
        Pence, at least and at most; both None takes the statement back.

    Raises
    ------
    Invalid
        With a sentence per field.
    NotAllowed, NotFound
    """
    action = get_workable_action(session, action_id, by)
    if fields := cost_problems(cost_low, cost_high):
        raise Invalid("The cost was not saved. " + " ".join(fields.values()), fields)
    before, after = (action.cost_low, action.cost_high), (cost_low, cost_high)
    if before == after:
        return action
    action.cost_low, action.cost_high = after
    summary = f"stated what {action.key} costs"
    if cost_low is None:
        summary = f"took back what {action.key} was said to cost"
    detail = {"cost_low": [before[0], cost_low], "cost_high": [before[1], cost_high]}
    _record(session, action, by, "cost_stated", summary, detail)
    session.flush()
    return action


def agree_action(session: Session, *, action_id: int, by: Actor) -> Action:
    """Agree to a proposal, or take on again what was handed back.

    Raises
    ------
    Invalid
        If nobody owns it, or no day is set.
    InvalidTransition, NotAllowed, NotFound
    """
    action = get_workable_action(session, action_id, by)
    if action.status is ActionStatus.AGREED:
        return action
    check_action_move(action.status, ActionStatus.AGREED)
    check_theme_takes_actions(action.theme.key, action.theme.status)
    check_complete(session, action)
    again = action.status is ActionStatus.HANDED_BACK
    _move(action, ActionStatus.AGREED)
    action.hand_back_reason = ""
    summary = f"agreed to {action.key}" + (" again after it was handed back" if again else "")
    _record(session, action, by, "agreed", summary)
    _start_acting(session, action.theme, "an action was agreed", by)
    session.flush()
    return action


def start_action(session: Session, *, action_id: int, by: Actor) -> Action:
    """Say that work on an agreed action has begun.

    Raises
    ------
    InvalidTransition, NotAllowed, NotFound
    """
    action = get_workable_action(session, action_id, by)
    if action.status is not ActionStatus.IN_PROGRESS:
        _move(action, ActionStatus.IN_PROGRESS)
        _record(session, action, by, "started", f"started {action.key}")
        session.flush()
    return action


def cancel_action(session: Session, *, action_id: int, reason: str, by: Actor) -> Action:
    """Give an open action up; the theme stops acting when it was the last one.

    Raises
    ------
    Conflict
        If it was cancelled before, for another reason.
    Invalid
        Without a reason.
    InvalidTransition, NotAllowed, NotFound
    """
    action = get_workable_action(session, action_id, by)
    reason = check_reason(reason, what="cancelling an action")
    if action.status is ActionStatus.CANCELLED:
        _check_same_reason(session, action, "cancelled", reason)
        return action
    _move(action, ActionStatus.CANCELLED)
    _record(
        session, action, by, "cancelled", f"cancelled {action.key}: {reason}", {"reason": reason}
    )
    session.flush()  # the count below must not hold this one
    _stop_acting(session, action.theme, by)
    session.flush()
    return action


def hand_back_action(session: Session, *, action_id: int, reason: str, by: Actor) -> Action:
    """Hand an open action back to the working group; its owner stays on record.

    Raises
    ------
    Conflict
        If it was handed back before, for another reason.
    Invalid
        Without a reason.
    InvalidTransition, NotAllowed, NotFound
    """
    action = get_workable_action(session, action_id, by)
    reason = check_reason(reason, what="handing back an action")
    if action.status is ActionStatus.HANDED_BACK:
        _check_same_reason(session, action, "handed_back", reason)
        return action
    _move(action, ActionStatus.HANDED_BACK)
    action.hand_back_reason = reason
    _record(
        session,
        action,
        by,
        "handed_back",
        f"handed back {action.key}: {reason}",
        {"reason": reason, "owner_id": action.owner_id},
    )
    session.flush()
    return action


def reopen_action(session: Session, *, action_id: int, by: Actor) -> Action:
    """Propose a cancelled action, or one that was handed back, again.

    Raises
    ------
    InvalidTransition, NotAllowed, NotFound
    """
    action = get_workable_action(session, action_id, by)
    if action.status is ActionStatus.PROPOSED:
        return action
    check_action_move(action.status, ActionStatus.PROPOSED)
    check_theme_takes_actions(action.theme.key, action.theme.status)
    _move(action, ActionStatus.PROPOSED)
    _record(session, action, by, "reopened", f"proposed {action.key} again")
    _start_acting(session, action.theme, "an action was proposed again", by)
    session.flush()
    return action


def ship_action(
    session: Session,
    *,
    action_id: int,
    went_live_on: date,
    rollout_days: int,
    by: Actor,
    settings: Settings | None = None,
    today: date | None = None,
    family: Sequence[int] | None = None,
    stages: Sequence[Stage] = (),
) -> Intervention:
    """Say that the change is live, and freeze the plan as it stands.

    Parameters
    ----------
    went_live_on : date
        First day of the roll-out, inclusive: after the first day that holds contacts of the
        theme, and not after today.
    rollout_days : int
        Days from then on until everybody has it, 0 to `MOST_ROLLOUT_DAYS`; not counted.
    settings : Settings, optional
        Say in which zone it is today; UTC when left out.
    today : date, optional
        The reporting day that is running, instead of asking the clock.
    family : sequence of int, optional
        Themes contacts may move to; by default those that are alike enough.
    stages : sequence of Stage, optional
        By which day the change reached which share of customers, the first on the day it went
        live; instead of `rollout_days`. Looks are counted from the last of them, contacts from
        the first.

    Returns
    -------
    Intervention
        Its `plan` holds title, description, strategy, drops, cost, due day, theme, the other
        themes that it touches, driver volume, stages, definition, owner, department, looks,
        first baseline day, controls, family, left out themes, mean handle time and who shipped.

    Raises
    ------
    Invalid
        With a sentence per field.
    InvalidTransition, NotAllowed, NotFound
    """
    action = get_workable_action(session, action_id, by)
    if action.status is ActionStatus.SHIPPED:
        raise InvalidTransition(f"{action.key} is shipped already.")
    check_action_move(action.status, ActionStatus.SHIPPED)
    theme = action.theme
    check_theme_takes_actions(theme.key, theme.status)
    today = today or _today(settings)
    check_go_live(session, action, theme, went_live_on, rollout_days, today, stages)
    rollout_days = stages_last(stages) if stages else rollout_days
    chosen = choose_family(session, theme, family, [one.theme_id for one in action.also])
    _move(action, ActionStatus.SHIPPED)
    intervention = Intervention(
        action_id=action.id,
        theme_id=theme.id,
        went_live_on=went_live_on,
        rollout_days=rollout_days,
        stages=stages_to_json(stages),
        driver=action.driver,
        plan=freeze_plan(session, action, went_live_on, rollout_days, chosen, by, stages),
    )
    session.add(intervention)
    session.flush()  # the event needs its id
    _record(
        session,
        action,
        by,
        "shipped",
        f"shipped {action.key}, live since {spelt(went_live_on)}",
        {"intervention_id": intervention.id, "rollout_days": rollout_days},
    )
    move_theme(
        session,
        theme=theme,
        wanted=ThemeStatus.MEASURING,
        through=ThemeStatus.ACTING,
        why=f"{action.key} was shipped",
        by=by,
    )
    session.flush()
    return intervention


def _changed_words(name: str, terms: Mapping[str, Any]) -> str:
    if name != "due_on":
        return name.removesuffix("_id").replace("_", " ")
    due_on = terms["due_on"]
    return f"due day (now {spelt(due_on) if due_on else 'none'})"


def _today(settings: Settings | None) -> date:
    return clock.today(settings.reporting_zone if settings else "UTC")


def _check_same_reason(session: Session, action: Action, verb: str, reason: str) -> None:
    """Refuse another reason for what was done already: the first one stands in the history."""
    told = list_told(session, "action", action.id, verbs=(f"actions.{verb}",))
    if told and told[-1].detail.get("reason") == reason:
        return
    who, why = (told[-1].actor_name, told[-1].detail["reason"]) if told else ("Somebody", "")
    because = f", because: {why}" if why else ""
    raise Conflict(f"{who} {verb.replace('_', ' ')} {action.key} already{because}")


def _get_theme(session: Session, theme_id: int) -> Theme:
    theme = session.scalar(
        sa.select(Theme)
        .where(Theme.id == theme_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if theme is None:
        raise NotFound(f"There is no theme {theme_id}.")
    return theme


def get_workable_action(session: Session, action_id: int, by: Actor) -> Action:
    """Return the action, locked with its theme, if the asker may work on it.

    Raises
    ------
    NotAllowed, NotFound
    """
    action = session.scalar(
        sa.select(Action)
        .where(Action.id == action_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if action is None:
        raise NotFound(f"There is no action {action_id}.")
    _get_theme(session, action.theme_id)
    if user := find_asker(session, by):
        check_may_work_on(user, action)
    return action


def _find_sent_before(
    session: Session, theme: Theme, terms: Mapping[str, Any], by: Actor
) -> Action | None:
    """Return the action that a form sent twice has made already; the theme is locked.

    Raises
    ------
    Invalid
        If the two differ in more than title, theme and department: one is to be changed.
    """
    if by.user_id is None:
        return None
    first = session.scalar(
        sa.select(Action)
        .join(AuditEvent, AuditEvent.target_id == Action.id)
        .where(
            AuditEvent.target_kind == "action",
            AuditEvent.verb == "actions.proposed",
            AuditEvent.user_id == by.user_id,
            AuditEvent.at >= utc_now() - SENT_TWICE,
            Action.theme_id == theme.id,
            Action.title == terms["title"],
            Action.department_id == terms["department_id"],
            Action.status.in_(OPEN_ACTIONS),
        )
        .order_by(Action.id)
        .limit(1)
    )
    if first is None or all(getattr(first, name) == value for name, value in terms.items()):
        return first
    sentence = (
        f"You have just proposed this for {theme.key}: it is {first.key}. Change that one, or "
        "write here what else will be done."
    )
    raise Invalid(sentence, {"title": sentence})


def _add_with_key(session: Session, theme: Theme, terms: dict[str, Any]) -> Action:
    """Add the action under the next free key; another one may take it in the same moment."""
    for _ in range(KEY_TRIES):
        action = Action(
            key=_next_key(session),
            theme_id=theme.id,
            status=ActionStatus.PROPOSED,
            status_since=utc_now(),
            **terms,
        )
        try:
            with session.begin_nested():
                session.add(action)
                session.flush()  # the event needs its id
        except IntegrityError:
            continue
        return action
    raise Conflict("Others are proposing actions just now. Try again.")


def _next_key(session: Session) -> str:
    number = sa.cast(sa.func.substr(Action.key, 3), sa.Integer)
    last = session.scalar(sa.select(sa.func.max(number))) or 0
    return f"A-{last + 1:03d}"


def _move(action: Action, wanted: ActionStatus) -> None:
    check_action_move(action.status, wanted)
    action.status, action.status_since = wanted, utc_now()


def _start_acting(session: Session, theme: Theme, why: str, by: Actor) -> None:
    if theme.status in STARTS_ACTING:
        move_theme(session, theme=theme, wanted=ThemeStatus.ACTING, why=why, by=by)


def _stop_acting(session: Session, theme: Theme, by: Actor) -> None:
    if theme.status is not ThemeStatus.ACTING:
        return
    statuses = set(session.scalars(sa.select(Action.status).where(Action.theme_id == theme.id)))
    if statuses & set(OPEN_ACTIONS):
        return
    wanted = theme_left_without_actions(ActionStatus.SHIPPED in statuses)
    move_theme(session, theme=theme, wanted=wanted, why="its last open action was cancelled", by=by)


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value


def _record(
    session: Session,
    action: Action,
    by: Actor,
    verb: str,
    summary: str,
    detail: dict[str, Any] | None = None,
) -> None:
    record_event(
        session,
        by=by,
        verb=f"actions.{verb}",
        target_kind="action",
        target_id=action.id,
        summary=summary,
        detail={"theme_id": action.theme_id, **(detail or {})},
    )
