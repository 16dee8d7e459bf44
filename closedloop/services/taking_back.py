"""Take a go-live back that was none: the wrong action, the wrong day, a release that was pulled.

Nothing that was measured is changed or deleted. The go-live stays with its measurements and says
that it was taken back, by whom and why; it only counts no longer.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.domain.accounts import may
from closedloop.domain.actions import (
    SHIPPED_ACTIONS,
    ActionStatus,
    check_may_take_back,
    check_may_work_on,
    taken_back_to,
)
from closedloop.domain.audit import Actor
from closedloop.domain.clock import utc_now
from closedloop.domain.errors import InvalidTransition, NotFound
from closedloop.domain.impact import Verdict
from closedloop.domain.impact_overlap import find_overlap
from closedloop.domain.impact_words import spelt
from closedloop.domain.themes import THEME_MOVES, ThemeStatus
from closedloop.domain.triage import check_reason
from closedloop.models import Action, Comeback, ImpactMeasurement, Intervention, Theme
from closedloop.queries.audit import list_told
from closedloop.queries.came_back import is_taken_for_real
from closedloop.queries.go_lives import list_go_lives, stands
from closedloop.services.actions import get_workable_action
from closedloop.services.askers import find_asker
from closedloop.services.audit import record_event
from closedloop.services.impact_verdicts import standing_by_looks
from closedloop.services.theme_moves import move_theme

_FOLLOWS = (
    ThemeStatus.MEASURING,
    ThemeStatus.HELD,
    ThemeStatus.NOT_HELD,
    ThemeStatus.CLOSED,
    ThemeStatus.REOPENED,
)
_LIFE = ("actions.agreed", "actions.started", "actions.shipped")


@dataclass(frozen=True)
class TakingBack:
    """What taking a go-live back would do.

    Attributes
    ----------
    intervention : Intervention
    measurements : int
        Rows that stay as they are.
    look : int
        Looks spoken so far; 0 before the first.
    verdict : Verdict or None
        What the newest of them said.
    action_status : ActionStatus
        Where the action stands again.
    theme_status : ThemeStatus
        Where the theme stands then; where it stands now if that does not change.
    is_watched : bool
        Whether the comeback watch looks after it until then.
    """

    intervention: Intervention
    measurements: int
    look: int
    verdict: Verdict | None
    action_status: ActionStatus
    theme_status: ThemeStatus
    is_watched: bool


def preview_taking_back(session: Session, *, action_id: int, by: Actor) -> TakingBack:
    """Return what would follow, without doing it.

    Raises
    ------
    InvalidTransition
        If the action is not live.
    NotAllowed
        Also when a look has spoken and somebody else than a manager asks.
    NotFound
    """
    action = session.get(Action, action_id)
    if action is None:
        raise NotFound(f"There is no action {action_id}.")
    if user := find_asker(session, by):
        check_may_work_on(user, action)
    return _weigh(session, action, session.scalar(_standing(action_id)), by)


def take_back_go_live(session: Session, *, action_id: int, reason: str, by: Actor) -> Intervention:
    """Take the go-live of an action back; it can be shipped again, with another day.

    Before the first look whoever may ship it may take it back. A verdict that was spoken cannot
    be made unsaid: from then on only a manager takes it back, and the history keeps the verdict.
    The same reason given twice is one taking back.

    Returns
    -------
    Intervention
        As it stays, with who took it back and why.

    Raises
    ------
    Invalid
        Without a reason.
    InvalidTransition
        If the action is not live.
    NotAllowed, NotFound
    """
    reason = check_reason(reason, what="taking a go-live back")
    intervention = _lock_standing(session, action_id)
    action = get_workable_action(session, action_id, by)
    if intervention is None and (before := _find_taken_back(session, action, reason)) is not None:
        return before
    found = _weigh(session, action, intervention, by)
    live, theme = found.intervention, action.theme
    live.taken_back_at, live.taken_back_by, live.taken_back_reason = utc_now(), by.name, reason
    was, action.status, action.status_since = action.status, found.action_status, utc_now()
    session.flush()
    _record(session, action, found, was, by)
    why = f"the go-live of {action.key} was taken back"
    if theme.status is ThemeStatus.CLOSED and found.theme_status is not ThemeStatus.CLOSED:
        move_theme(session, theme=theme, wanted=ThemeStatus.REOPENED, why=why, by=by)
    through = None if found.theme_status in THEME_MOVES[theme.status] else ThemeStatus.MEASURING
    move_theme(session, theme=theme, wanted=found.theme_status, through=through, why=why, by=by)
    session.flush()
    return live


def _lock_standing(session: Session, action_id: int) -> Intervention | None:
    """Return the go-live that stands, locked before its theme as measuring does; or None."""
    statement = _standing(action_id).with_for_update()
    return session.scalar(statement.execution_options(populate_existing=True))


def _standing(action_id: int) -> sa.Select[Intervention]:
    return sa.select(Intervention).where(Intervention.action_id == action_id, stands())


def _find_taken_back(session: Session, action: Action, reason: str) -> Intervention | None:
    """Return what was taken back last, where this is the same click again."""
    last = session.scalar(
        sa.select(Intervention)
        .where(Intervention.action_id == action.id)
        .order_by(Intervention.id.desc())
        .limit(1)
    )
    return last if last is not None and last.taken_back_reason == reason else None


def _weigh(
    session: Session, action: Action, intervention: Intervention | None, by: Actor
) -> TakingBack:
    if intervention is None or action.status not in SHIPPED_ACTIONS:
        raise InvalidTransition(
            f"{action.key} is {action.status.label} and not live, so there is no go-live to take "
            "back."
        )
    m = ImpactMeasurement
    last = session.execute(
        sa.select(m.look, m.verdict)
        .where(m.intervention_id == intervention.id, m.is_look)
        .order_by(m.look.desc(), m.id.desc())
        .limit(1)
    ).one_or_none()
    look, verdict = (last.look, last.verdict) if last else (0, None)
    asker = find_asker(session, by)
    check_may_take_back(
        action.key,
        intervention.went_live_on,
        verdict.label.lower() if verdict else "",
        is_manager=asker is None or may(asker.role, "impact.review"),
        look=look,
    )
    told = list_told(session, "action", action.id, verbs=_LIFE)
    after = _theme_after(session, action.theme, intervention)
    made = sa.select(sa.func.count(m.id)).where(m.intervention_id == intervention.id)
    return TakingBack(
        intervention=intervention,
        measurements=session.scalar(made) or 0,
        look=look,
        verdict=verdict,
        action_status=taken_back_to([event.verb for event in told]),
        theme_status=after,
        is_watched=action.status is ActionStatus.EFFECTIVE,
    )


def _theme_after(session: Session, theme: Theme, intervention: Intervention) -> ThemeStatus:
    """Return where the theme stands without this change: as the newest other one has it.

    Of others those count that can be measured: the looks of the rest will never speak. Without
    another one it is acting, as the action is open again. What people have made of the
    theme since stays, and so does a comeback of another fix.
    """
    if theme.status not in _FOLLOWS:
        return theme.status
    if theme.status is ThemeStatus.REOPENED and _newest_comeback(session, theme) != intervention.id:
        return theme.status
    other = _newest_other(session, theme, intervention)
    if other is None or _newest_comeback(session, theme, of=other) is not None:
        return ThemeStatus.ACTING
    found = standing_by_looks(session, other)
    is_closed = theme.status is ThemeStatus.CLOSED and found is ThemeStatus.HELD
    return ThemeStatus.CLOSED if is_closed else found


def _newest_other(session: Session, theme: Theme, intervention: Intervention) -> int | None:
    """Return the newest other go-live of a theme, of those that can be measured if there is one."""
    newest_first = session.scalars(
        sa.select(Intervention.id)
        .where(Intervention.theme_id == theme.id, Intervention.id != intervention.id, stands())
        .order_by(Intervention.went_live_on.desc(), Intervention.id.desc())
    ).all()
    # what is taken back is in nobody's way any more
    known = {one.id: one for one in list_go_lives(session) if one.id != intervention.id}
    for other in newest_first:
        mine = known[other]
        if not find_overlap(mine, known.values(), as_of=mine.went_live_on).refusal:
            return other
    return newest_first[0] if newest_first else None


def _newest_comeback(session: Session, theme: Theme, *, of: int | None = None) -> int | None:
    """Return the go-live of the newest alarm that waits or was real; None without one."""
    statement = (
        sa.select(Comeback.intervention_id)
        .join(Intervention, Intervention.id == Comeback.intervention_id)
        .where(Comeback.theme_id == theme.id, stands(), *is_taken_for_real())
        .order_by(Comeback.alarm_on.desc(), Comeback.id.desc())
        .limit(1)
    )
    if of is not None:
        statement = statement.where(Comeback.intervention_id == of)
    return session.scalar(statement)


def _record(
    session: Session, action: Action, found: TakingBack, was: ActionStatus, by: Actor
) -> None:
    live = found.intervention
    spoken = f", after look {found.look} said “{found.verdict.label}”" if found.verdict else ""
    record_event(
        session,
        by=by,
        verb="actions.taken_back",
        target_kind="action",
        target_id=action.id,
        summary=(
            f"took back the go-live of {action.key} on {spelt(live.went_live_on)}{spoken}: "
            f"{live.taken_back_reason}"
        ),
        detail={
            "theme_id": action.theme_id,
            "intervention_id": live.id,
            "went_live_on": live.went_live_on.isoformat(),
            "reason": live.taken_back_reason,
            "look": found.look,
            "verdict": found.verdict.value if found.verdict else None,
            "from": was.value,
            "to": action.status.value,
        },
    )
