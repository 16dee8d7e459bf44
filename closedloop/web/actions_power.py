"""Page: could what is expected of an action be proven, and by which look?"""

from __future__ import annotations

from datetime import date
from typing import Any

from flask import render_template, request

from closedloop.domain.actions import EARLIEST_GO_LIVE, LATEST_GO_LIVE, MOST_ROLLOUT_DAYS
from closedloop.domain.errors import Invalid, NotMeasurable
from closedloop.domain.power import SURE, Foresight, advise, foresee
from closedloop.extensions import current_settings, db
from closedloop.queries.action_page import find_action
from closedloop.services.impact_power import foresee_power
from closedloop.web.actions_bp import bp
from closedloop.web.actions_form import read_count, read_day
from closedloop.web.htmx import is_htmx
from closedloop.web.permissions import requires

RULES = {
    "chance": "How often this look would say “fell” if the expected share of contacts went away "
    "and nothing else happened.",
    "seen": "A drop of this size or more is noticed in four cases of five.",
}


@bp.get("/<key>/power")
@requires("actions.view")
def power(key: str) -> str:
    """Show what each look would see; htmx gets only the card."""
    action = find_action(db.session, key)
    values = request.args.to_dict()
    found, problems = _reckon(action.id, values)
    return render_template(
        "actions/_power.html" if is_htmx() else "actions/power.html",
        action=action,
        values=values,
        found=found,
        said=foresee(found) if found else [],
        advice=advise(found) if found else [],
        problems=problems,
        rules=RULES,
        sure=SURE,
    )


def _reckon(action_id: int, values: dict[str, str]) -> tuple[Foresight | None, dict[str, str]]:
    try:
        live_on, rollout_days = _read(values)
        found = foresee_power(
            db.session,
            settings=current_settings(),
            action_id=action_id,
            live_on=live_on,
            rollout_days=rollout_days,
        )
    except NotMeasurable as refusal:
        return None, {"went_live_on": refusal.sentence}
    except Invalid as refusal:
        return None, refusal.fields
    return found, {}


def _read(values: dict[str, str]) -> tuple[date | None, int]:
    problems: dict[str, Any] = {}
    live_on = read_day(values, "went_live_on", "Write it as 2026-03-31.", problems)
    rollout_days = read_count(values, "rollout_days", "the days of the roll-out", problems)
    if rollout_days > MOST_ROLLOUT_DAYS:
        problems["rollout_days"] = f"The roll-out takes 0 to {MOST_ROLLOUT_DAYS} days."
    if live_on is not None and not EARLIEST_GO_LIVE <= live_on <= LATEST_GO_LIVE:
        problems["went_live_on"] = "Write a day of this century, as 2026-03-31."
    if problems:
        raise Invalid("It was not reckoned.", problems)
    return live_on, rollout_days
