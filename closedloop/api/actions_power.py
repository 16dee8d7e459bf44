"""Whether an action could be proven, over the API."""

from __future__ import annotations

from datetime import date

from pydantic import Field

from closedloop.api.auth import needs
from closedloop.api.blueprint import bp
from closedloop.api.schemas import In, Number, Out, Rate
from closedloop.domain.actions import EARLIEST_GO_LIVE, LATEST_GO_LIVE, MOST_ROLLOUT_DAYS
from closedloop.domain.power import Foresight, LookAhead, advise, foresee
from closedloop.extensions import current_settings, db
from closedloop.queries.action_page import find_action
from closedloop.services.impact_power import foresee_power


class PowerQuery(In):
    """When the change would go live; without a day, when it is due or after the last data."""

    live_on: date | None = Field(None, ge=EARLIEST_GO_LIVE, le=LATEST_GO_LIVE)
    rollout_days: int = Field(
        0, ge=0, le=MOST_ROLLOUT_DAYS, description="Days from then on that are not counted."
    )


class LookAheadOut(Out):
    """What one look would see."""

    number: int
    days: int = Field(description="Counted days after the roll-out.")
    day: date = Field(description="Last day of data that it reads.")
    expected: Number | None = Field(
        description="Contacts over the counted days without the change; null when they are too "
        "few for the look to speak."
    )
    chance: Rate = Field(description="That it proves the expected drop.")
    smallest_seen: Rate | None = Field(
        description="Drop that is noticed in four cases of five; null when none is."
    )


class PowerOut(Out):
    """Whether the expected drop of an action could be proven, and by which look."""

    key: str
    theme: str
    live_on: date
    rollout_days: int
    data_to: date
    expected_drop: Rate
    smallest_drop: Rate
    themes: int = Field(description="That the action touches; their total is looked at.")
    controls: int = Field(description="Unaffected themes compared with; 0 is own history alone.")
    history_lacking: int = Field(description="Days of history missing before it can be judged.")
    looks: list[LookAheadOut]
    proven_by: date | None = Field(
        description="The first look that proves it in four cases of five, or more."
    )
    sentences: list[str]
    advice: list[str]


@bp.get("/actions/<string(maxlength=20):key>/power")
@bp.doc(summary="Whether an action could be proven, and by when")
@bp.input(PowerQuery, location="query", arg_name="asked")
@bp.output(PowerOut)
@needs("actions.view")
def get_power_view(key: str, asked: PowerQuery) -> PowerOut:
    """Reckon what each look would see of the expected drop; 409 without days to reckon from."""
    found = foresee_power(
        db.session,
        settings=current_settings(),
        action_id=find_action(db.session, key).id,
        live_on=asked.live_on,
        rollout_days=asked.rollout_days,
    )
    return _power(found)


def _power(found: Foresight) -> PowerOut:
    return PowerOut(
        key=found.key,
        theme=found.theme_key,
        live_on=found.live_on,
        rollout_days=found.rollout_days,
        data_to=found.data_to,
        expected_drop=found.expected_drop,
        smallest_drop=found.smallest_drop,
        themes=found.themes,
        controls=found.controls,
        history_lacking=found.history_lacking,
        looks=[_look(look) for look in found.looks],
        proven_by=found.sure.day if found.sure else None,
        sentences=foresee(found),
        advice=advise(found),
    )


def _look(look: LookAhead) -> LookAheadOut:
    return LookAheadOut(
        number=look.number,
        days=look.days,
        day=look.day,
        expected=look.expected if look.speaks else None,
        chance=look.chance,
        smallest_seen=look.smallest_seen,
    )
