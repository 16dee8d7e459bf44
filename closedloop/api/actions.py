"""Actions over the API."""

from __future__ import annotations

from datetime import date

from pydantic import Field

from closedloop.api.auth import WRITE, api_actor, needs
from closedloop.api.blueprint import bp
from closedloop.api.cursors import read_day, write_cursor
from closedloop.api.schemas import ActionList, ActionOut, ActionQuery, In, Number, Out, ThemeRef
from closedloop.domain.clock import today
from closedloop.extensions import current_settings, db
from closedloop.queries.action_page import find_action
from closedloop.queries.actions import ActionFilter, ActionRow, cursor_of, list_actions
from closedloop.services.actions import state_cost


@bp.get("/actions")
@bp.doc(summary="List actions")
@bp.input(ActionQuery, location="query", arg_name="asked")
@bp.output(ActionList)
@needs("actions.view")
def list_actions_view(asked: ActionQuery) -> ActionList:
    """Give actions: open ones by due day, then the others, the newest first."""
    running = today(current_settings().reporting_zone)
    wanted = ActionFilter(
        statuses=(asked.status,) if asked.status else (),
        overdue_on=running if asked.overdue else None,
    )
    rows = list_actions(db.session, wanted, after=read_day(asked.after), limit=asked.limit + 1)
    page = rows[: asked.limit]
    more = len(rows) > asked.limit
    return ActionList(
        items=[_action(row, running) for row in page],
        next=write_cursor(*cursor_of(page[-1])) if more else None,
    )


class CostIn(In):
    """What a fix costs, in minor units of the currency; null for both takes it back."""

    cost_low: Number | None = Field(description="At least.")
    cost_high: Number | None = Field(description="At most.")


class CostOut(Out):
    """What a fix costs, as it stands now."""

    key: str
    cost_low: Number | None
    cost_high: Number | None


@bp.put("/actions/<string(maxlength=20):key>/cost")
@bp.doc(summary="State what a fix costs", responses={404: "There is no such action."})
@bp.input(CostIn, location="json", arg_name="sent")
@bp.output(CostOut)
@needs("actions.work", WRITE)
def put_action_cost_view(key: str, sent: CostIn) -> CostOut:
    """State it as a range, before or after shipping; the frozen plan keeps what it said."""
    with db.transaction() as session:
        action = state_cost(
            session,
            action_id=find_action(session, key).id,
            cost_low=sent.cost_low,
            cost_high=sent.cost_high,
            by=api_actor(),
        )
        return CostOut(key=action.key, cost_low=action.cost_low, cost_high=action.cost_high)


def _action(row: ActionRow, running: date) -> ActionOut:
    return ActionOut(
        key=row.key,
        title=row.title,
        status=row.status,
        strategy=row.strategy,
        theme=ThemeRef(key=row.theme_key, name=row.theme_name),
        department=row.department_name,
        owner=row.owner_name,
        due_on=row.due_on,
        is_overdue=row.is_overdue(running),
        expected_drop=row.expected_drop,
        went_live_on=row.went_live_on,
        verdict=row.verdict,
        avoided_low=row.avoided_low,
        avoided_high=row.avoided_high,
        cost_low=row.cost_low,
        cost_high=row.cost_high,
    )
