"""Read the days a measurement or a watch needs, and refuse what could only mislead."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.config import Settings
from closedloop.domain.contacts import HEADLINE_WINDOW, last_mature_day
from closedloop.domain.errors import NotMeasurable
from closedloop.domain.impact import LOOK_ALPHA, MeasurementWindow, counted_from, measurement_window
from closedloop.domain.themes import ThemeStatus
from closedloop.models import DefinitionSet, Intervention, ThemeDefinition
from closedloop.queries.series import (
    SameThemeRepeats,
    count_unassigned,
    daily_counts,
    get_mean_handle_seconds,
    get_same_theme_repeats,
    get_series_span,
)
from closedloop.services.impact_checks import Surroundings
from closedloop.services.impact_inputs import (
    Comparison,
    MeasurementInputs,
    ThemeName,
    choose_comparison,
    find_family,
    list_holidays,
    stack_counts,
)
from ml.impact import METHOD_VERSION

MOST_UNASSIGNED = 0.01  # share of contacts since go-live that may wait for a theme
REPEAT_DAYS = 84  # mature days before go-live that the repeat rate is held against


@dataclass(frozen=True, eq=False)
class Reading:
    """Everything one measurement has read.

    Attributes
    ----------
    window : MeasurementWindow
    definition_number : int
        Of the theme.
    inputs : MeasurementInputs
    comparison : Comparison
    around : Surroundings
    handle_seconds : float
        Mean of the theme before go-live; 0 when none was recorded.
    """

    window: MeasurementWindow
    definition_number: int
    inputs: MeasurementInputs
    comparison: Comparison
    around: Surroundings
    handle_seconds: float


def read_for_measuring(
    session: Session, settings: Settings, intervention: Intervention, as_of: date
) -> Reading:
    """Read the days before and after under one definition.

    Parameters
    ----------
    as_of : date
        Last reporting day to read, inclusive; not past the last day with contacts.

    Raises
    ------
    NotMeasurable
    """
    theme = intervention.theme
    if theme.status is ThemeStatus.MERGED:
        raise NotMeasurable(
            f"{theme.key} was merged into another theme; its contacts are counted there now."
        )
    definition_set_id, definition_number = _check_definition(session, intervention)
    window = _check_window(session, intervention, as_of)
    _check_assigned(session, window)
    days, counts = daily_counts(session, None, window.first_day, window.as_of)
    comparison = choose_comparison(
        session,
        theme_id=theme.id,
        intervention_id=intervention.id,
        window=window,
        family=_family_of(session, intervention),
        counts=counts,
    )
    holidays = _holidays(settings.holiday_country, window)
    control_ids = tuple(control.id for control in comparison.controls)
    sibling_ids = tuple(sibling.id for sibling in comparison.siblings)
    inputs = MeasurementInputs(
        counts=stack_counts(counts, [theme.id], len(days))[:, 0],
        controls=stack_counts(counts, control_ids, len(days)),
        control_ids=control_ids,
        siblings=stack_counts(counts, sibling_ids, len(days)),
        sibling_ids=sibling_ids,
        first_day=window.first_day,
        n_pre=window.n_pre,
        skip=_rollout_indexes(window, len(days)),
        holidays=tuple(day for day, _ in holidays or ()),
        alpha=LOOK_ALPHA,
        definition_set_id=definition_set_id,
        method_version=METHOD_VERSION,
    )
    zone = settings.reporting_zone
    around = Surroundings(
        theme=ThemeName(theme.id, theme.key, theme.name),
        siblings=comparison.siblings,
        other_fixes=comparison.other_fixes,
        country=settings.holiday_country,
        holidays=holidays,
        counted_from=counted_from(window.go_live, window.rollout_days),
        repeats_before=_repeats_before(session, theme.id, window, zone),
        repeats_after=_repeats_after(session, theme.id, window, zone),
        smallest_drop=intervention.plan.get("smallest_drop", intervention.action.smallest_drop),
        empty_days=_empty_days(days, counts, window),
    )
    seconds = get_mean_handle_seconds(
        session, theme.id, window.first_day, window.go_live - timedelta(days=1)
    )
    _check_unchanged(session, definition_set_id)
    return Reading(window, definition_number, inputs, comparison, around, seconds)


def _check_definition(session: Session, intervention: Intervention) -> tuple[int, int]:
    """Return the current set and the theme's definition number, if the ruler is one ruler."""
    theme = intervention.theme
    current = session.execute(
        sa.select(DefinitionSet.id, DefinitionSet.label_themes, DefinitionSet.assigned_at).where(
            DefinitionSet.is_current
        )
    ).one_or_none()
    if current is None:
        raise NotMeasurable("There are no theme definitions yet. Discover themes first.")
    if current.assigned_at is None:
        raise NotMeasurable(
            "The theme definitions have changed and the history is still counted under the old "
            "ones. Assign all contacts again, then measure."
        )
    latest = session.execute(
        sa.select(ThemeDefinition.number, ThemeDefinition.definition_set_id)
        .where(ThemeDefinition.theme_id == theme.id)
        .order_by(ThemeDefinition.number.desc())
        .limit(1)
    ).one_or_none()
    in_force = theme.id in current.label_themes
    if latest is None or not (in_force or latest.definition_set_id == current.id):
        raise NotMeasurable(
            f"{theme.key} has no definition in the current set, so no contact can be counted "
            "for it. Discover themes again, or merge it into the theme that took its place."
        )
    return current.id, latest.number


def _check_unchanged(session: Session, definition_set_id: int) -> None:
    """Refuse numbers of two definition sets: the set and its contacts change in one commit.

    So what was read between two looks at the set is of one, if both show the same.
    """
    current = session.scalar(sa.select(DefinitionSet.id).where(DefinitionSet.is_current))
    if current != definition_set_id:
        raise NotMeasurable(
            "The theme definitions changed while this was being measured, and its days would have "
            "been counted under two of them. Measure again."
        )


def _check_window(session: Session, intervention: Intervention, as_of: date) -> MeasurementWindow:
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
    return measurement_window(go_live, intervention.rollout_days, span.first_day, last_day)


def _check_assigned(session: Session, window: MeasurementWindow) -> None:
    waiting, everything = count_unassigned(session, window.go_live, window.as_of)
    if waiting > MOST_UNASSIGNED * everything:
        raise NotMeasurable(
            f"{waiting:,} contacts since the change have not been assigned to themes yet, so it "
            "would look better than it is. Assign contacts, then measure."
        )


def _family_of(session: Session, intervention: Intervention) -> list[int]:
    """Return the family as declared when it was shipped, by likeness where none was."""
    declared = intervention.plan.get("family")
    return find_family(session, intervention.theme_id) if declared is None else list(declared)


def _holidays(country: str, window: MeasurementWindow) -> tuple[tuple[date, str], ...] | None:
    try:
        return list_holidays(country, window.first_day, window.as_of)
    except LookupError:
        return None


def _rollout_indexes(window: MeasurementWindow, n_days: int) -> tuple[int, ...]:
    return tuple(range(window.n_pre, min(window.n_pre + window.rollout_days, n_days)))


def _repeats_before(
    session: Session, theme_id: int, window: MeasurementWindow, zone: str
) -> SameThemeRepeats:
    """Return the repeats of days whose window closed before the change."""
    last_day = last_mature_day(window.go_live - timedelta(days=1), HEADLINE_WINDOW, zone)
    first_day = max(window.first_day, last_day - timedelta(days=REPEAT_DAYS - 1))
    return get_same_theme_repeats(session, theme_id, first_day, last_day)


def _repeats_after(
    session: Session, theme_id: int, window: MeasurementWindow, zone: str
) -> SameThemeRepeats:
    """Return the repeats of days after the roll-out whose window closed by the last day read."""
    first_day = counted_from(window.go_live, window.rollout_days)
    last_day = last_mature_day(window.as_of, HEADLINE_WINDOW, zone)
    return get_same_theme_repeats(session, theme_id, first_day, last_day)


def _empty_days(
    days: list[date], counts: dict[int, list[int]], window: MeasurementWindow
) -> tuple[date, ...]:
    """Return days since the change without any contact, on weekdays that had some before."""
    busy = [any(series[n] for series in counts.values()) for n in range(len(days))]
    open_weekdays = {days[n].weekday() for n in range(window.n_pre) if busy[n]}
    return tuple(
        day
        for day, had in zip(days[window.n_pre :], busy[window.n_pre :], strict=True)
        if not had and day.weekday() in open_weekdays
    )
