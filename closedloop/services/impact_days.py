"""Days as a measurement reads them: by channel, by driver, rolled out, with their repeats."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, timedelta

import numpy as np
from sqlalchemy.orm import Session

from closedloop.domain.contacts import HEADLINE_WINDOW, last_mature_day
from closedloop.domain.errors import NotMeasurable
from closedloop.domain.impact import LATELY_DAYS, MeasurementWindow
from closedloop.domain.impact_overlap import GoLive
from closedloop.domain.impact_stages import Stage, share_reached
from closedloop.models import Intervention
from closedloop.queries.series import SameThemeRepeats, channel_counts, get_same_theme_repeats
from closedloop.services.impact_around import DriverUsed
from closedloop.services.impact_gaps import LEAST_DAYS
from closedloop.services.impact_packing import Counts, Floats
from closedloop.services.impact_shared import read_driver

MOST_DAYS_WITHOUT_DRIVER = 0.10  # share of the days read; a driver with more holes is not used
LEAST_CHANNEL_MEAN = 0.5  # contacts a day before the change; sparser channels say too little
MOST_CHANNELS = 5  # the largest before the change; the others are one together
REPEAT_DAYS = 84  # mature days before go-live that the repeat rate is held against


def read_driver_used(
    session: Session,
    intervention: Intervention,
    window: MeasurementWindow,
    n_days: int,
    skip: Collection[int] = (),
) -> tuple[DriverUsed | None, Floats | None]:
    """Return the driver asked for and its volumes, None where it has too many holes to be used.

    Parameters
    ----------
    skip : collection of int, optional
        Days that are not counted anyway: a look has no use for their volumes.
    """
    if not intervention.driver:
        return None, None
    volumes = read_driver(session, intervention.driver, window.first_day, n_days)
    missing = int((volumes <= 0).sum())
    enough = missing <= MOST_DAYS_WITHOUT_DRIVER * n_days and bool((volumes[: window.n_pre]).any())
    if enough:
        counted = [day for day in range(window.n_pre, n_days) if day not in set(skip)]
        _check_driver_since(intervention.driver, volumes[window.n_pre :], volumes[counted])
    used = DriverUsed(intervention.driver, missing, n_days, is_used=enough)
    return used, volumes if enough else None


def _check_driver_since(driver: str, since: Floats, counted: Floats) -> None:
    """Refuse to speak of days since the change whose volumes are still to come.

    Parameters
    ----------
    since, counted : ndarray of float
        Volumes of all days since the change, and of those that count.
    """
    is_short = len(counted) >= LEAST_DAYS > int((counted > 0).sum())
    days = counted if is_short else since
    missing = int((days <= 0).sum())
    if is_short or (len(since) >= LEAST_DAYS and missing > MOST_DAYS_WITHOUT_DRIVER * len(since)):
        which = "days counted" if is_short else "days"
        has, them = ("has", "it") if missing == 1 else ("have", "them")
        raise NotMeasurable(
            f"{missing} of the {len(days)} {which} since the change {has} no volume of “{driver}” "
            f"yet. Import {them}, then it is measured."
        )


def shares_of(stages: list[Stage], window: MeasurementWindow, n_days: int) -> Floats | None:
    """Return the share of customers reached a day; None when it reached all at once."""
    if not stages:
        return None
    return np.array(share_reached(stages, window.first_day, n_days), dtype=np.float64)


def read_channels(
    session: Session, theme_ids: Collection[int], window: MeasurementWindow
) -> tuple[Counts | None, tuple[str, ...]]:
    """Return the contacts by channel, the largest before the change each and the rest as one."""
    found = channel_counts(session, theme_ids, window.first_day, window.as_of)
    usual = {name: sum(series[: window.n_pre]) for name, series in found.items()}
    ranked = sorted(found, key=lambda name: (-usual[name], name))
    named = [name for name in ranked if name]  # without a name are the others, together
    kept = [
        name for name in named[:MOST_CHANNELS] if usual[name] >= LEAST_CHANNEL_MEAN * window.n_pre
    ]
    rest = [name for name in ranked if name not in kept]
    columns = {name: np.array(found[name], dtype=np.int32) for name in kept}
    if rest:
        columns[""] = np.array([found[name] for name in rest], dtype=np.int32).sum(0)
    if len(columns) < 2:
        return None, ()
    return np.array(list(columns.values()), dtype=np.int32).T.copy(), tuple(columns)


def days_before_lately(n_pre: int, n_days: int, skip: tuple[int, ...]) -> tuple[int, ...]:
    """Return the days after the change without the newest counted ones; empty while too few."""
    counted = [day for day in range(n_pre, n_days) if day not in set(skip)]
    return tuple(counted[:-LATELY_DAYS]) if len(counted) >= 2 * LATELY_DAYS else ()


def rollout_indexes(
    members: Collection[GoLive], window: MeasurementWindow, n_days: int, *, is_staged: bool
) -> tuple[int, ...]:
    """Return the days on which one of the changes was rolled out; stages are counted."""
    if is_staged:
        return ()
    found: set[int] = set()
    for one in members:
        start = (one.went_live_on - window.first_day).days
        found |= set(range(start, min(start + one.rollout_days, n_days)))
    return tuple(sorted(found))


def repeats_before(
    session: Session, theme_ids: Collection[int], window: MeasurementWindow, zone: str
) -> SameThemeRepeats:
    """Return the repeats of days whose window closed before the change."""
    last_day = last_mature_day(window.go_live - timedelta(days=1), HEADLINE_WINDOW, zone)
    first_day = max(window.first_day, last_day - timedelta(days=REPEAT_DAYS - 1))
    return _repeats(session, theme_ids, first_day, last_day)


def repeats_after(
    session: Session,
    theme_ids: Collection[int],
    window: MeasurementWindow,
    zone: str,
    *,
    counted_from: date,
) -> SameThemeRepeats:
    """Return the repeats of the counted days whose window closed by the last day read."""
    last_day = last_mature_day(window.as_of, HEADLINE_WINDOW, zone)
    return _repeats(session, theme_ids, counted_from, last_day)


def _repeats(
    session: Session, theme_ids: Collection[int], first_day: date, last_day: date
) -> SameThemeRepeats:
    found = [get_same_theme_repeats(session, one, first_day, last_day) for one in theme_ids]
    return SameThemeRepeats(sum(one.identified for one in found), sum(one.repeats for one in found))
