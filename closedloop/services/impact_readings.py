"""Read the days a measurement or a watch needs, and refuse what could only mislead."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.config import Settings
from closedloop.domain.errors import NotMeasurable
from closedloop.domain.impact import (
    LOOK_DAYS,
    PRE_DAYS_MAX,
    MeasurementWindow,
    Verdict,
    counted_from,
    look_number,
    look_on,
    measurement_window,
    since_first_contact,
)
from closedloop.domain.impact_judging import CLAIMS, look_alpha
from closedloop.domain.impact_overlap import MOST_JOINED_DAYS, Overlap
from closedloop.domain.impact_stages import Stage, stages_from_json
from closedloop.domain.themes import ThemeStatus
from closedloop.models import ImpactMeasurement, Intervention
from closedloop.queries.series import (
    find_first_contact_day,
    get_mean_handle_seconds,
    get_series_span,
)
from closedloop.services.impact_around import DriverUsed, Surroundings
from closedloop.services.impact_days import (
    days_before_lately,
    read_channels,
    read_driver_used,
    repeats_after,
    repeats_before,
    rollout_indexes,
    shares_of,
)
from closedloop.services.impact_gaps import EmptyDays, check_days_left, find_empty_days
from closedloop.services.impact_inputs import (
    Comparison,
    ThemeName,
    choose_comparison,
    find_holidays,
    stack_counts,
)
from closedloop.services.impact_newborn import Newborn, find_newborn
from closedloop.services.impact_packing import Counts, MeasurementInputs
from closedloop.services.impact_shared import (
    SharedReads,
    check_same_ruler,
    get_ruler,
    read_shared,
)
from closedloop.services.impact_touched import (
    check_defined,
    check_overlap,
    family_of,
    name_touched,
)
from ml.impact import METHOD_VERSION

MOST_UNASSIGNED = 0.01  # share of contacts since go-live that may wait for a theme


@dataclass(frozen=True, eq=False)
class Reading:
    """Everything one measurement has read.

    Attributes
    ----------
    window : MeasurementWindow
    look : int
        Looks complete with these data, 0 to 7.
    is_look : bool
        Whether the last day read is that of a look.
    definition_number : int
        Of the theme.
    inputs : MeasurementInputs
    comparison : Comparison
    around : Surroundings
    handle_seconds : float
        Mean of the theme before go-live; 0 when none was recorded.
    """

    window: MeasurementWindow
    look: int
    is_look: bool
    definition_number: int
    inputs: MeasurementInputs
    comparison: Comparison
    around: Surroundings
    handle_seconds: float


def read_for_measuring(
    session: Session,
    settings: Settings,
    intervention: Intervention,
    as_of: date,
    shared: SharedReads | None = None,
) -> Reading:
    """Read the days before and after under one definition.

    Parameters
    ----------
    as_of : date
        Last reporting day to read, inclusive; not past the last day with contacts.
    shared : SharedReads, optional
        What measurements of the same round have read already; read afresh when it does not
        reach far enough or the definitions have changed since.

    Raises
    ------
    NotMeasurable
    """
    theme = intervention.theme
    if theme.status is ThemeStatus.MERGED:
        raise NotMeasurable(
            f"{theme.key} was merged into another theme; its contacts are counted there now."
        )
    scope = _read_scope(session, settings, intervention, as_of, shared)
    number = check_defined(session, theme, scope.shared)
    _check_assigned(session, scope.shared, scope.window)
    look, is_look = _look_of(intervention, scope.window.as_of)
    asked = _ask(session, intervention.id, look, is_look=is_look)
    inputs, driver = _read_inputs(session, intervention, scope, asked)
    around = _read_around(session, settings, intervention, scope, inputs, driver)
    seconds = get_mean_handle_seconds(
        session, scope.touched_ids, scope.window.first_day, scope.last_before
    )
    check_same_ruler(session, scope.shared.definition_set_id)
    return Reading(scope.window, look, is_look, number, inputs, scope.beside, around, seconds)


@dataclass(frozen=True, eq=False)
class _Scope:
    """Which days and themes one measurement is about.

    `touched` begins with the action's own theme. `is_young` says that contacts of other themes
    reach further back than the first one of these.
    """

    shared: SharedReads
    overlap: Overlap
    touched: tuple[ThemeName, ...]
    window: MeasurementWindow
    is_young: bool
    days: list[date]
    counts: Mapping[int, Counts]
    beside: Comparison
    holidays: tuple[tuple[date, str], ...] | None
    stages: list[Stage]
    empty: EmptyDays

    @property
    def touched_ids(self) -> tuple[int, ...]:
        return tuple(one.id for one in self.touched)

    @property
    def last_before(self) -> date:
        return self.window.go_live - timedelta(days=1)


def _read_scope(
    session: Session,
    settings: Settings,
    intervention: Intervention,
    as_of: date,
    shared: SharedReads | None,
) -> _Scope:
    theme, ruler = intervention.theme, get_ruler(session)
    span_start, last_day = _check_span(session, intervention, as_of)
    first_day = _earliest_day(intervention.went_live_on, span_start)
    if (
        shared is None
        or shared.definition_set_id != ruler.id
        or not shared.reaches(first_day, last_day)
    ):
        shared = read_shared(session, ruler, first_day, last_day)
    overlap = check_overlap(intervention, shared, last_day)
    touched = name_touched(session, overlap.theme_ids, theme, shared)
    most = _window_of(overlap, max(span_start, shared.first_day), last_day)
    first_contact_on = find_first_contact_day(session, [one.id for one in touched])
    window = since_first_contact(most, first_contact_on)
    days, counts = shared.between(window.first_day, window.as_of)
    beside = choose_comparison(
        session,
        theme_id=theme.id,
        intervention_id=intervention.id,
        window=window,
        family=family_of(session, intervention, overlap.theme_ids),
        counts=counts,
        touched=overlap.theme_ids,
        members=[one.id for one in overlap.members],
        go_lives=shared.go_lives,
        themes=shared.themes,
    )
    holidays = find_holidays(settings.holiday_country, window.first_day, window.as_of)
    return _Scope(
        shared=shared,
        overlap=overlap,
        touched=touched,
        window=window,
        is_young=window.first_day > most.first_day,
        days=days,
        counts=counts,
        beside=beside,
        holidays=holidays,
        # of changes measured as one each reached its customers by itself: no share fits all
        stages=[] if overlap.is_joint else stages_from_json(intervention.stages),
        empty=find_empty_days(days, counts, window, [day for day, _ in holidays or ()]),
    )


def _read_inputs(
    session: Session, intervention: Intervention, scope: _Scope, asked: _Asked
) -> tuple[MeasurementInputs, DriverUsed | None]:
    """Return everything that the estimates are made from, and the driver asked for."""
    window, n_days = scope.window, len(scope.days)
    skip = _days_skipped(scope)
    driver, volumes = read_driver_used(session, intervention, window, n_days, skip)
    control_ids = tuple(control.id for control in scope.beside.controls)
    sibling_ids = tuple(sibling.id for sibling in scope.beside.siblings)
    parts = stack_counts(scope.counts, scope.touched_ids, n_days)
    has_parts = len(scope.touched) > 1
    channels, channel_names = read_channels(session, scope.touched_ids, window)
    prior = scope.shared.prior
    inputs = MeasurementInputs(
        counts=parts.sum(axis=1, dtype=np.int32),
        controls=stack_counts(scope.counts, control_ids, n_days),
        control_ids=control_ids,
        siblings=stack_counts(scope.counts, sibling_ids, n_days),
        sibling_ids=sibling_ids,
        first_day=window.first_day,
        n_pre=window.n_pre,
        skip=skip,
        holidays=tuple(day for day, _ in scope.holidays or ()),
        alpha=asked.alpha,
        definition_set_id=scope.shared.definition_set_id,
        method_version=METHOD_VERSION,
        parts=parts if has_parts else None,
        part_ids=scope.touched_ids if has_parts else (),
        channels=channels,
        channel_names=channel_names,
        driver=volumes,
        stages=shares_of(scope.stages, window, n_days),
        prior=None if prior is None else np.array(prior, dtype=np.float64),
        lately=days_before_lately(window.n_pre, n_days, skip),
        smallest_drop=_smallest_drop(intervention),
        alpha_fell=asked.alpha_fell,
        alpha_rose=asked.alpha_rose,
    )
    return inputs, driver


def _read_around(
    session: Session,
    settings: Settings,
    intervention: Intervention,
    scope: _Scope,
    inputs: MeasurementInputs,
    driver: DriverUsed | None,
) -> Surroundings:
    """Return what the checks are made of."""
    theme, window, zone = intervention.theme, scope.window, settings.reporting_zone
    return Surroundings(
        theme=ThemeName(theme.id, theme.key, theme.name),
        siblings=scope.beside.siblings,
        other_fixes=scope.beside.other_fixes,
        country=settings.holiday_country,
        holidays=scope.holidays,
        first_day=window.first_day,
        counted_from=_first_counted(window, scope.stages),
        repeats_before=repeats_before(session, scope.touched_ids, window, zone),
        repeats_after=repeats_after(
            session,
            scope.touched_ids,
            window,
            zone,
            counted_from=_first_counted(window, scope.stages),
        ),
        smallest_drop=_smallest_drop(intervention),
        empty=scope.empty,
        touched=scope.touched,
        overlap=scope.overlap,
        driver=driver,
        stages=tuple(scope.stages),
        before=tuple(int(count) for count in inputs.counts[: window.n_pre]),
        since=inputs.since,
        is_young=scope.is_young,
        newborn=_newborn(scope),
    )


def _newborn(scope: _Scope) -> tuple[Newborn, ...]:
    window, touched, beside = scope.window, scope.touched, scope.beside.siblings
    ids = [theme.id for theme in (*touched, *beside)]
    columns = stack_counts(scope.counts, ids, len(scope.days))
    return find_newborn(touched, beside, columns, n_pre=window.n_pre, first_day=window.first_day)


def _days_skipped(scope: _Scope) -> tuple[int, ...]:
    """Return the days of roll-outs, and those for which an import is missing."""
    window, n_days = scope.window, len(scope.days)
    rolled_out = rollout_indexes(
        scope.overlap.members, window, n_days, is_staged=bool(scope.stages)
    )
    check_days_left(window, n_days, rolled_out, scope.empty)
    lacking = {(day - window.first_day).days for day in scope.empty.lacking}
    return tuple(sorted({*rolled_out, *lacking}))


def _smallest_drop(intervention: Intervention) -> float:
    """Return the share worth having, as frozen when it was shipped."""
    worth: float = intervention.plan.get("smallest_drop", intervention.action.smallest_drop)
    return worth


def _check_span(session: Session, intervention: Intervention, as_of: date) -> tuple[date, date]:
    """Return the first day with contacts and the last day to read, both inclusive."""
    span = get_series_span(session)
    go_live = intervention.went_live_on
    if span.first_day is None or span.last_day is None:
        raise NotMeasurable("There are no contacts yet. Import some first.")
    if go_live <= span.first_day:
        raise NotMeasurable(
            f"The change went live on {go_live.isoformat()}, and the contacts begin on "
            f"{span.first_day.isoformat()}: there is no day before it to compare with."
        )
    last_day = min(as_of, span.last_day)
    if last_day < go_live:
        raise NotMeasurable(
            f"The change went live on {go_live.isoformat()}, and the contacts reach to "
            f"{last_day.isoformat()}: there is no day after it yet."
        )
    return span.first_day, last_day


def read_once(
    session: Session, intervention_ids: Collection[int], as_of: date
) -> SharedReads | None:
    """Read the days that many measurements need with data to a day; None where there are none.

    Where they cannot be read each measurement will say why.
    """
    span = get_series_span(session)
    first_live = session.scalar(
        sa.select(sa.func.min(Intervention.went_live_on)).where(
            Intervention.id.in_(sorted(set(intervention_ids)))
        )
    )
    if first_live is None or span.first_day is None or span.last_day is None:
        return None
    first_day = _earliest_day(first_live, span.first_day)
    try:
        return read_shared(session, get_ruler(session), first_day, min(as_of, span.last_day))
    except NotMeasurable:
        return None


def _earliest_day(went_live_on: date, first_data_day: date) -> date:
    """Return the first day that measuring a change may read, joined with earlier ones or not."""
    return max(first_data_day, went_live_on - timedelta(days=PRE_DAYS_MAX + MOST_JOINED_DAYS))


def _window_of(overlap: Overlap, first_data_day: date, as_of: date) -> MeasurementWindow:
    """Return the days to read: from the first go-live of the joined changes back."""
    first = overlap.members[0]
    start = max(first_data_day, overlap.baseline_from or first_data_day)
    return measurement_window(first.went_live_on, first.rollout_days, start, as_of)


def _look_of(intervention: Intervention, as_of: date) -> tuple[int, bool]:
    """Return how many looks of the change itself are complete, and whether this day is one."""
    went_live_on, rollout = intervention.went_live_on, intervention.rollout_days
    on = look_on(went_live_on, rollout, as_of)
    return look_number(went_live_on, rollout, as_of), on is not None


@dataclass(frozen=True)
class _Asked:
    """What a look asks for, by side; see `MeasurementInputs`."""

    alpha: float
    alpha_fell: float | None
    alpha_rose: float | None


def _ask(session: Session, intervention_id: int, look: int, *, is_look: bool) -> _Asked:
    """Return what this look asks for; a running estimate asks for what the next look will."""
    asked = min(look if is_look else look + 1, len(LOOK_DAYS))
    m = ImpactMeasurement
    before = session.scalar(
        sa.select(m.verdict)
        .where(m.intervention_id == intervention_id, m.is_look, m.look < asked)
        .order_by(m.as_of.desc(), m.id.desc())
        .limit(1)
    )
    new = look_alpha(asked, has_claimed=False)
    alpha = look_alpha(asked, has_claimed=before in CLAIMS)
    is_stricter = new != alpha
    return _Asked(
        alpha,
        alpha_fell=new if is_stricter and before is Verdict.ROSE else None,
        alpha_rose=new if is_stricter and before is Verdict.FELL else None,
    )


def _first_counted(window: MeasurementWindow, stages: list[Stage]) -> date:
    """Return the first counted day: of a roll-out in stages that of the first stage."""
    return window.go_live if stages else counted_from(window.go_live, window.rollout_days)


def _check_assigned(session: Session, shared: SharedReads, window: MeasurementWindow) -> None:
    waiting, everything = shared.count_unassigned(session, window.go_live, window.as_of)
    if waiting > MOST_UNASSIGNED * everything:
        raise NotMeasurable(
            f"{waiting:,} contacts since the change have not been assigned to themes yet, so it "
            "would look better than it is. Assign contacts, then measure."
        )
