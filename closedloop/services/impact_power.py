"""Before an action ships: could what is expected of it be proven, and by when?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import sqlalchemy as sa
from sqlalchemy.orm import Session, selectinload

from closedloop.config import Settings
from closedloop.domain.errors import NotFound, NotMeasurable
from closedloop.domain.impact import (
    LOOK_ALPHA,
    LOOK_DAYS,
    QUARTER_ALPHA,
    MeasurementWindow,
    counted_from,
    measurement_window,
    since_first_contact,
)
from closedloop.domain.power import DECIDING_LOOKS, SURE, Foresight, LookAhead, WiderView
from closedloop.models import Action
from closedloop.queries.impact_site import sum_contacts
from closedloop.queries.series import daily_counts, find_first_contact_day
from closedloop.queries.site import get_data_span
from closedloop.services.impact_inputs import (
    Counts,
    choose_comparison,
    find_family,
    list_holidays,
    stack_counts,
)
from closedloop.services.impact_priors import current_prior
from ml.impact.power import LookPower, Power, could_be_proven

LATER_LOOKS = LOOK_DAYS[len(DECIDING_LOOKS) :]


@dataclass(frozen=True, eq=False)
class _Read:
    """The days a foresight is made from.

    `counts` has shape (n_days,): the themes that the action touches, together; `family` those
    and the themes like them; `controls` (n_days, n_series).
    """

    counts: Counts
    family: Counts
    n_family: int
    controls: Counts
    first_day: date
    holidays: tuple[date, ...]
    prior: tuple[float, ...] | None


def foresee_power(
    session: Session,
    *,
    settings: Settings,
    action_id: int,
    live_on: date | None = None,
    rollout_days: int = 0,
) -> Foresight:
    """Say what each look would see of an action's expected drop; nothing is stored.

    Parameters
    ----------
    live_on : date, optional
        First day of the roll-out; only days before it are read. When left out, the day it is due
        or, if that has passed, the day after the last data.
    rollout_days : int
        Days from then on that are not counted.

    Returns
    -------
    Foresight
        As if the change went live on the day after the last day read: days that will still come
        in before a later go-live can only help.

    Raises
    ------
    NotFound
    NotMeasurable
        When there are no days to forecast from.
    """
    action = _find_action(session, action_id)
    cut = get_data_span(session).whole_days(settings.reporting_zone)
    if cut is None:
        raise NotMeasurable("There are no contacts of a whole day yet. Import some first.")
    first_data_day, last_data_day = cut
    day_after = last_data_day + timedelta(days=1)
    live = live_on or max(action.due_on or day_after, day_after)
    fitted_from = min(live, day_after)
    if fitted_from <= first_data_day:
        raise NotMeasurable(
            f"The contacts begin on {first_data_day.isoformat()}: there is no day before "
            f"{live.isoformat()} to compare with."
        )
    window = since_first_contact(
        measurement_window(fitted_from, 0, first_data_day, fitted_from),
        find_first_contact_day(session, [action.theme_id, *(one.theme_id for one in action.also)]),
    )
    read = _read(session, settings, action, window, live, rollout_days)
    drop = min(action.expected_drop, 0.999)  # a drop of everything has no logarithm
    found = _prove(read, read.counts, drop, DECIDING_LOOKS, rollout_days)
    looks = _looks_ahead(found.looks, live, rollout_days)
    hopeless = all(look.chance < SURE for look in looks)
    return Foresight(
        key=action.key,
        theme_key=action.theme.key,
        live_on=live,
        rollout_days=rollout_days,
        data_to=fitted_from - timedelta(days=1),
        n_pre=found.n_pre,
        history_lacking=found.history_lacking,
        themes=1 + len(action.also),
        controls=found.controls_used,
        expected_drop=action.expected_drop,
        smallest_drop=action.smallest_drop,
        per_day=found.per_day,
        looks=looks,
        later=_later(read, drop, live, rollout_days) if hopeless else None,
        wider=_wider(read, drop, live, rollout_days) if hopeless else None,
    )


def _find_action(session: Session, action_id: int) -> Action:
    action = session.scalar(
        sa.select(Action)
        .where(Action.id == action_id)
        .options(selectinload(Action.also), selectinload(Action.theme))
    )
    if action is None:
        raise NotFound(f"There is no action {action_id}.")
    return action


def _read(
    session: Session,
    settings: Settings,
    action: Action,
    window: MeasurementWindow,
    live: date,
    rollout_days: int,
) -> _Read:
    """Read the days before going live, of the action's themes and of what stands beside them."""
    last_day = window.go_live - timedelta(days=1)
    also = [one.theme_id for one in action.also]
    touched = [action.theme_id, *also]
    beside = choose_comparison(
        session,
        theme_id=action.theme_id,
        intervention_id=None,
        window=window,
        family=find_family(session, action.theme_id, also),
        touched=also,
        # only their means are asked for, so a total a theme is enough
        counts={
            theme: [total]
            for theme, total in sum_contacts(session, window.first_day, last_day).items()
        },
    )
    controls = [control.id for control in beside.controls]
    siblings = [sibling.id for sibling in beside.siblings]
    days, counts = daily_counts(
        session, [*touched, *siblings, *controls], window.first_day, last_day
    )
    own = stack_counts(counts, touched, len(days)).sum(axis=1, dtype=np.int32)
    family = own + stack_counts(counts, siblings, len(days)).sum(axis=1, dtype=np.int32)
    reach = live + timedelta(days=rollout_days + max(LOOK_DAYS))
    return _Read(
        counts=own,
        family=family,
        n_family=len(touched) + len(siblings),
        controls=stack_counts(counts, controls, len(days)),
        first_day=window.first_day,
        holidays=list_holidays(settings.holiday_country, window.first_day, reach),
        prior=current_prior(session),
    )


def _prove(
    read: _Read,
    counts: Counts,
    drop: float,
    look_days: tuple[int, ...],
    rollout_days: int,
    alpha: float = LOOK_ALPHA,
) -> Power:
    return could_be_proven(
        counts,
        drop,
        read.first_day,
        controls=read.controls if read.controls.shape[1] else None,
        holidays=read.holidays,
        look_days=look_days,
        rollout_days=rollout_days,
        alpha=alpha,
        prior=read.prior,
    )


def _looks_ahead(
    looks: tuple[LookPower, ...], live: date, rollout_days: int
) -> tuple[LookAhead, ...]:
    start = counted_from(live, rollout_days)
    return tuple(
        LookAhead(
            number=LOOK_DAYS.index(look.days) + 1,
            days=look.days,
            day=start + timedelta(days=look.days - 1),
            expected=look.expected,
            chance=look.chance,
            smallest_seen=look.smallest_seen,
            speaks=look.speaks,
        )
        for look in looks
    )


def _later(read: _Read, drop: float, live: date, rollout_days: int) -> LookAhead | None:
    """Return the first quarterly look that proves it."""
    found = _prove(read, read.counts, drop, LATER_LOOKS, rollout_days, QUARTER_ALPHA)
    looks = _looks_ahead(found.looks, live, rollout_days)
    return next((look for look in looks if look.chance >= SURE), None)


def _wider(read: _Read, drop: float, live: date, rollout_days: int) -> WiderView | None:
    """Return the first look that proves a drop of the same share over the whole family."""
    if np.array_equal(read.family, read.counts):
        return None
    found = _prove(read, read.family, drop, DECIDING_LOOKS, rollout_days)
    looks = _looks_ahead(found.looks, live, rollout_days)
    sure = next((look for look in looks if look.chance >= SURE), None)
    return WiderView(read.n_family, sure) if sure else None
