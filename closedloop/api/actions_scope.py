"""What an action touches, shipping it and taking that back, and reviewing alarms, over the API."""

from __future__ import annotations

from datetime import date

from pydantic import Field

from closedloop.api.auth import WRITE, api_actor, needs
from closedloop.api.blueprint import bp
from closedloop.api.schemas import In, Key, Out, Short, ThemeRef, Words
from closedloop.domain.actions import (
    EARLIEST_GO_LIVE,
    LATEST_GO_LIVE,
    MOST_ALSO,
    MOST_ROLLOUT_DAYS,
    ActionStatus,
)
from closedloop.domain.comebacks import MOST_NOTE, ComebackOutcome
from closedloop.domain.impact import looks
from closedloop.domain.impact_stages import MOST_STAGES, Stage
from closedloop.domain.themes import ThemeStatus
from closedloop.extensions import current_settings, db
from closedloop.queries.action_page import find_action
from closedloop.queries.action_scope import Scope, find_theme_ids, get_scope
from closedloop.services.action_scope import state_scope
from closedloop.services.actions import ship_action
from closedloop.services.comeback_reviews import review_comeback
from closedloop.services.taking_back import take_back_go_live


class ScopeIn(In):
    """What the fix touches beside its theme, in place of what was said before."""

    also: list[Key] = Field(max_length=MOST_ALSO, description="Keys of themes, T-014.")
    driver: Short = Field("", description="Name of an imported driver volume; empty is none.")


class ScopeOut(Out):
    """What an action touches beside its theme."""

    key: str
    also: list[ThemeRef]
    driver: str


class StageIn(In):
    """From a day on, that day included, a share of customers meets the change."""

    day: date = Field(ge=EARLIEST_GO_LIVE, le=LATEST_GO_LIVE)
    share: float = Field(gt=0, le=1)


class ShipIn(In):
    """Since when customers meet the change."""

    went_live_on: date = Field(
        ge=EARLIEST_GO_LIVE, le=LATEST_GO_LIVE, description="First day of the roll-out."
    )
    rollout_days: int = Field(
        0, ge=0, le=MOST_ROLLOUT_DAYS, description="Days from then on that are not counted."
    )
    stages: list[StageIn] = Field(
        default=[],
        max_length=MOST_STAGES,
        description="Instead of `rollout_days`: the days are counted by the share reached.",
    )


class ShippedOut(Out):
    """A shipped action with the days of its looks."""

    key: str
    went_live_on: date
    looks: list[date] = Field(description="Last data day of each look.")


class TakeBackIn(In):
    """Why a go-live was none."""

    reason: Words = Field(min_length=1, description="Kept in the history of the action.")


class TakenBackOut(Out):
    """A go-live that no longer counts, and where action and theme stand again."""

    key: str
    went_live_on: date
    taken_back_by: str
    reason: str
    status: ActionStatus = Field(description="Of the action.")
    theme_status: ThemeStatus


class ReviewIn(In):
    """What was found behind an alarm of the comeback watch."""

    outcome: ComebackOutcome
    note: Words = Field(
        "", description=f"Needed when `explained`; at most {MOST_NOTE:,} characters."
    )


class ReviewOut(Out):
    """An alarm with its review."""

    id: int
    theme_id: int
    alarm_on: date
    outcome: ComebackOutcome
    reviewed_by: str
    note: str


@bp.post("/actions/<string(maxlength=20):key>/scope")
@bp.doc(summary="Say what an action touches beside its theme")
@bp.input(ScopeIn, arg_name="asked")
@bp.output(ScopeOut)
@needs("actions.work", WRITE)
def state_scope_view(key: str, asked: ScopeIn) -> ScopeOut:
    """Put down other themes and a driver volume; frozen once the action is shipped."""
    with db.transaction() as session:
        action = find_action(session, key)
        state_scope(
            session,
            action_id=action.id,
            also=find_theme_ids(session, asked.also),
            driver=asked.driver,
            by=api_actor(),
        )
        return _scope(key, get_scope(session, action.id))


def _scope(key: str, scope: Scope) -> ScopeOut:
    also = [ThemeRef(key=theme.key, name=theme.name) for theme in scope.also]
    return ScopeOut(key=key, also=also, driver=scope.driver)


@bp.post("/actions/<string(maxlength=20):key>/ship")
@bp.doc(summary="Say that a change is live")
@bp.input(ShipIn, arg_name="asked")
@bp.output(ShippedOut)
@needs("actions.work", WRITE)
def ship_view(key: str, asked: ShipIn) -> ShippedOut:
    """Freeze the plan and date the change; it is measured from now on."""
    with db.transaction() as session:
        intervention = ship_action(
            session,
            action_id=find_action(session, key).id,
            went_live_on=asked.went_live_on,
            rollout_days=asked.rollout_days,
            stages=[Stage(stage.day, stage.share) for stage in asked.stages],
            by=api_actor(),
            settings=current_settings(),
        )
        days = looks(intervention.went_live_on, intervention.rollout_days)
        return ShippedOut(key=key, went_live_on=intervention.went_live_on, looks=days)


@bp.post("/actions/<string(maxlength=20):key>/take-back")
@bp.doc(summary="Take a go-live back")
@bp.input(TakeBackIn, arg_name="asked")
@bp.output(TakenBackOut)
@needs("actions.work", WRITE)
def take_back_view(key: str, asked: TakeBackIn) -> TakenBackOut:
    """Say that it was none. What was measured stays; after a look only managers may."""
    with db.transaction() as session:
        action = find_action(session, key)
        live = take_back_go_live(session, action_id=action.id, reason=asked.reason, by=api_actor())
        return TakenBackOut(
            key=key,
            went_live_on=live.went_live_on,
            taken_back_by=live.taken_back_by,
            reason=live.taken_back_reason,
            status=action.status,
            theme_status=action.theme.status,
        )


@bp.post("/comebacks/<int:comeback_id>/review")
@bp.doc(summary="Review an alarm of the comeback watch")
@bp.input(ReviewIn, arg_name="asked")
@bp.output(ReviewOut)
@needs("impact.review", WRITE)
def review_comeback_view(comeback_id: int, asked: ReviewIn) -> ReviewOut:
    """Put down, once, what was found behind an alarm."""
    with db.transaction() as session:
        found = review_comeback(
            session,
            comeback_id=comeback_id,
            outcome=asked.outcome,
            note=asked.note,
            by=api_actor(),
        )
        return ReviewOut(
            id=found.id,
            theme_id=found.theme_id,
            alarm_on=found.alarm_on,
            outcome=ComebackOutcome(found.outcome),
            reviewed_by=found.reviewed_by,
            note=found.review_note,
        )
