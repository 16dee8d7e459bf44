"""The plan of an action, frozen on the day it is shipped."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.domain.actions import MOST_ROLLOUT_DAYS, go_live_problem
from closedloop.domain.audit import Actor
from closedloop.domain.errors import Invalid
from closedloop.domain.impact import (
    counted_from,
    looks,
    measurement_window,
    since_first_contact,
)
from closedloop.domain.impact_stages import Stage, stages_problem, stages_to_json
from closedloop.domain.themes import GONE_STATUSES
from closedloop.models import Action, DefinitionSet, Theme, ThemeDefinition
from closedloop.queries.series import (
    daily_counts,
    find_first_contact_day,
    get_mean_handle_seconds,
    get_series_span,
)
from closedloop.services.impact_inputs import choose_comparison, find_family


def check_go_live(
    session: Session,
    action: Action,
    theme: Theme,
    went_live_on: date,
    rollout_days: int,
    today: date,
    stages: Sequence[Stage] = (),
) -> None:
    """Refuse a go-live that leaves nothing to compare, or that has not come yet.

    Raises
    ------
    Invalid
        With a sentence per field.
    """
    fields = {}
    problem = go_live_problem(
        went_live_on,
        theme_key=theme.key,
        first_contact_on=find_first_contact_day(session, theme.id),
        today=today,
    )
    if problem:
        fields["went_live_on"] = problem
    if not 0 <= rollout_days <= MOST_ROLLOUT_DAYS:
        fields["rollout_days"] = f"The roll-out takes 0 to {MOST_ROLLOUT_DAYS} days."
    if gone := [one.theme for one in action.also if one.theme.status in GONE_STATUSES]:
        fields["also"] = (
            f"{gone[0].key} {gone[0].name} is not in use any more. Change the action: leave out "
            "of the themes that it touches those that were retired or merged."
        )
    if problem := stages_problem(stages, went_live_on):
        fields["stages"] = problem
    elif stages and rollout_days:
        fields["stages"] = (
            "Give the days until everybody had it, or the stages by which customers got it, not "
            "both: days of a roll-out are not counted, stages are."
        )
    if fields:
        raise Invalid("The action was not shipped. " + " ".join(fields.values()), fields)


def choose_family(
    session: Session, theme: Theme, family: Sequence[int] | None, touched: Collection[int] = ()
) -> list[int]:
    """Return the ids of the themes contacts may move to: those named, or those alike enough.

    Those that the fix touches itself are not among them.

    Raises
    ------
    Invalid
        If one of those named does not exist.
    """
    if family is None:
        return find_family(session, theme.id, touched)
    known = set(session.scalars(sa.select(Theme.id).where(Theme.id.in_(family))))
    if unknown := set(family) - known:
        sentence = f"There is no theme {min(unknown)} for contacts to move to."
        raise Invalid(sentence, {"family": sentence})
    return sorted(known - {theme.id, *touched})


def freeze_plan(
    session: Session,
    action: Action,
    went_live_on: date,
    rollout_days: int,
    family: Sequence[int],
    by: Actor,
    stages: Sequence[Stage] = (),
) -> dict[str, Any]:
    """Return the plan as JSON: what was expected, of what, and how it will be judged.

    Parameters
    ----------
    went_live_on : date
        First day of the roll-out, inclusive.
    rollout_days : int
        Days from then on that are not counted.
    family : sequence of int
        Themes contacts may move to.
    stages : sequence of Stage, optional
        Of a roll-out by share of customers; its days are counted.
    """
    theme = action.theme
    also = sorted((one.theme for one in action.also), key=lambda one: one.id)
    last_before = went_live_on - timedelta(days=1)
    first_data_day = get_series_span(session).first_day or went_live_on
    touched = [theme.id, *(one.id for one in also)]
    window = since_first_contact(
        measurement_window(went_live_on, 0, first_data_day, went_live_on),
        find_first_contact_day(session, touched),
    )
    _, counts = daily_counts(session, None, window.first_day, last_before)
    beside = choose_comparison(
        session,
        theme_id=theme.id,
        intervention_id=None,
        window=window,
        family=family,
        counts=counts,
        touched=[one.id for one in also],
    )
    return {
        "title": action.title,
        "description": action.description,
        "strategy": action.strategy.value,
        "expected_drop": action.expected_drop,
        "smallest_drop": action.smallest_drop,
        "cost_low": action.cost_low,
        "cost_high": action.cost_high,
        "due_on": action.due_on.isoformat() if action.due_on else None,
        "theme": {"id": theme.id, "key": theme.key, "name": theme.name},
        "also": [{"id": one.id, "key": one.key, "name": one.name} for one in also],
        "driver": action.driver,
        "stages": stages_to_json(stages),
        **_definition_now(session, theme.id),
        "owner": {"id": action.owner.id, "name": action.owner.name} if action.owner else None,
        "department": {"id": action.department.id, "name": action.department.name},
        "looks": [day.isoformat() for day in looks(went_live_on, rollout_days)],
        "first_baseline_day": window.first_day.isoformat(),
        "counted_from": (
            went_live_on if stages else counted_from(went_live_on, rollout_days)
        ).isoformat(),
        "controls": [control.key for control in beside.controls],
        "family": list(family),
        "siblings": [sibling.key for sibling in beside.siblings],
        "left_out": [
            {"key": out.theme.key, "name": out.theme.name, "reason": out.reason}
            for out in beside.left_out
        ],
        "handle_seconds": get_mean_handle_seconds(session, touched, window.first_day, last_before),
        "shipped_by": by.name,
    }


def _definition_now(session: Session, theme_id: int) -> dict[str, int | None]:
    number = session.scalar(
        sa.select(sa.func.max(ThemeDefinition.number)).where(ThemeDefinition.theme_id == theme_id)
    )
    current = session.scalar(sa.select(DefinitionSet.number).where(DefinitionSet.is_current))
    return {"definition_number": number, "definition_set": current}
