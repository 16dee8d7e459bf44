"""What a look does to its action and its theme."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.domain.actions import SHIPPED_ACTIONS, ActionStatus, check_action_move
from closedloop.domain.audit import Actor
from closedloop.domain.clock import utc_now
from closedloop.domain.impact import (
    Displacement,
    Range,
    Verdict,
    action_status_after_look,
    theme_status_after_look,
)
from closedloop.domain.impact_judging import only_fades
from closedloop.domain.impact_overlap import find_overlap
from closedloop.domain.themes import ThemeStatus
from closedloop.models import ImpactMeasurement, Intervention, Theme
from closedloop.queries.go_lives import list_go_lives, stands
from closedloop.services.audit import record_event
from closedloop.services.theme_moves import move_theme

_JUDGED = (ThemeStatus.MEASURING, ThemeStatus.HELD, ThemeStatus.NOT_HELD)


def speak_look(
    session: Session, measurement: ImpactMeasurement, displacement: Displacement, by: Actor
) -> None:
    """Let action and theme follow the verdict of a look, unless a later look has spoken."""
    later = sa.select(ImpactMeasurement.id).where(
        ImpactMeasurement.intervention_id == measurement.intervention_id,
        ImpactMeasurement.is_look,
        ImpactMeasurement.look > measurement.look,
    )
    if session.scalar(later.limit(1)) is None:
        _judge_action(session, measurement, displacement, by)
        _judge_theme(session, measurement, displacement, by)


def _judge_action(
    session: Session, measurement: ImpactMeasurement, displacement: Displacement, by: Actor
) -> None:
    action = measurement.intervention.action
    wanted = action_status_after_look(measurement.verdict, displacement)
    if _only_fades(session, measurement):
        wanted = ActionStatus.CANNOT_TELL
    if action.status is wanted or action.status not in SHIPPED_ACTIONS:
        return
    check_action_move(action.status, wanted)
    before, action.status, action.status_since = action.status, wanted, utc_now()
    record_event(
        session,
        by=by,
        verb="actions.judged",
        target_kind="action",
        target_id=action.id,
        summary=(
            f"judged {action.key} “{wanted.label}” at look {measurement.look}: "
            f"{_in_words(measurement, displacement)}"
        ),
        detail={
            "measurement_id": measurement.id,
            "from": before.value,
            "to": wanted.value,
            "displacement": displacement.value,
        },
    )


def _judge_theme(
    session: Session, measurement: ImpactMeasurement, displacement: Displacement, by: Actor
) -> None:
    """Move the theme, if it waits for a verdict and no newer fix of it is being judged."""
    intervention = measurement.intervention
    theme = session.scalar(
        sa.select(Theme)
        .where(Theme.id == intervention.theme_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if theme is None or theme.status not in _JUDGED or not _is_latest(session, intervention):
        return
    if _only_fades(session, measurement):
        return  # the watch looks after it: a range that grew vague says nothing against it
    wanted = theme_status_after_look(measurement.verdict, displacement, measurement.look)
    move_theme(
        session,
        theme=theme,
        wanted=wanted,
        through=ThemeStatus.MEASURING,
        why=f"look {measurement.look} says {_in_words(measurement, displacement)}",
        by=by,
    )


def standing_by_looks(session: Session, intervention_id: int) -> ThemeStatus:
    """Return how a theme stands by the looks of one change alone; measuring before the first."""
    spoken = session.scalars(
        sa.select(ImpactMeasurement)
        .where(ImpactMeasurement.intervention_id == intervention_id, ImpactMeasurement.is_look)
        .order_by(ImpactMeasurement.look.desc(), ImpactMeasurement.id.desc())
    )
    for one in spoken:
        if not _only_fades(session, one):
            displacement = Displacement(one.detail.get("displacement", Displacement.NONE))
            return theme_status_after_look(one.verdict, displacement, one.look)
    return ThemeStatus.MEASURING


def _only_fades(session: Session, measurement: ImpactMeasurement) -> bool:
    """Return whether a fall that an earlier look had shown is no longer shown, nor ruled out."""
    intervention = measurement.intervention
    earlier = sa.exists().where(
        ImpactMeasurement.intervention_id == measurement.intervention_id,
        ImpactMeasurement.is_look,
        ImpactMeasurement.look < measurement.look,
        ImpactMeasurement.verdict == Verdict.FELL,
        ImpactMeasurement.detail["displacement"].as_string() != Displacement.MOVED.value,
    )
    return only_fades(
        measurement.verdict,
        measurement.look,
        has_fallen=bool(session.scalar(sa.select(earlier))),
        avoided=Range(measurement.avoided_low, measurement.avoided, measurement.avoided_high),
        expected=measurement.expected,
        smallest_drop=intervention.plan.get("smallest_drop", intervention.action.smallest_drop),
    )


def _is_latest(session: Session, intervention: Intervention) -> bool:
    """Return whether no newer change of the theme is measured, by itself or with this one."""
    later = Intervention.went_live_on > intervention.went_live_on
    same_day = sa.and_(
        Intervention.went_live_on == intervention.went_live_on, Intervention.id > intervention.id
    )
    newer = set(
        session.scalars(
            sa.select(Intervention.id).where(
                Intervention.theme_id == intervention.theme_id,
                sa.or_(later, same_day),
                stands(),
            )
        )
    )
    if not newer:
        return True
    known = list_go_lives(session)
    return all(
        find_overlap(one, known, as_of=one.went_live_on).refusal for one in known if one.id in newer
    )


def _in_words(measurement: ImpactMeasurement, displacement: Displacement) -> str:
    if displacement is Displacement.MOVED:
        return "fell, but the contacts moved to themes beside it"
    label = measurement.verdict.label.lower()
    unclear = measurement.verdict.value in ("inconclusive", "not_enough_data")
    return f"{label}, cannot tell" if unclear else label
