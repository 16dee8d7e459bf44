"""Days without any contact of any theme: closed as usual, or for want of an import."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date

from closedloop.domain.errors import NotMeasurable
from closedloop.domain.impact import LOOK_DAYS, MeasurementWindow
from closedloop.services.impact_inputs import Series, stack_counts

LEAST_DAYS = min(LOOK_DAYS)  # counted days that the first look reads
LEAST_SHARE_OPEN = 0.75  # of the days of a kind; with fewer, one without contacts is as usual
LEAST_USUAL = 10.0  # contacts a day of all themes; with fewer, none on a day may be chance
_HOLIDAY = 7  # beside the weekdays, 0 to 6


@dataclass(frozen=True)
class EmptyDays:
    """Days without any contact of any theme.

    Attributes
    ----------
    before, since : tuple of date
        Before and from go-live on, on weekdays that have contacts all but always: an import is
        missing, and they are not counted.
    counted : tuple of date
        From go-live on, on weekdays that are without contacts at times.
    """

    before: tuple[date, ...] = ()
    since: tuple[date, ...] = ()
    counted: tuple[date, ...] = ()

    @property
    def lacking(self) -> tuple[date, ...]:
        """Days that are not counted, before and since the change."""
        return self.before + self.since


def find_empty_days(
    days: Sequence[date],
    counts: Series,
    window: MeasurementWindow,
    holidays: Collection[date],
) -> EmptyDays:
    """Return the days without any contact of any theme: for want of an import, or as usual.

    Parameters
    ----------
    days : sequence of date, length n_days
        From `window.first_day` on.
    counts : mapping of int to sequence of int, length n_days
        Contacts a day of each theme that has any.
    window : MeasurementWindow
    holidays : collection of date
        A holiday is held against the holidays before the change, not against its weekday.
    """
    total = stack_counts(counts, counts.keys(), len(days)).sum(axis=1)
    closed = frozenset(holidays)
    kinds = [_HOLIDAY if day in closed else day.weekday() for day in days]
    usual: dict[int, list[int]] = {}
    for kind, number in zip(kinds[: window.n_pre], total[: window.n_pre], strict=True):
        usual.setdefault(kind, []).append(int(number))
    never_empty = {kind for kind, came in usual.items() if _is_never_empty(came)}
    at_times = {kind for kind, came in usual.items() if any(came)} - never_empty
    empty = [place for place, number in enumerate(total) if number == 0]
    lacking = [place for place in empty if kinds[place] in never_empty]
    return EmptyDays(
        before=tuple(days[place] for place in lacking if place < window.n_pre),
        since=tuple(days[place] for place in lacking if place >= window.n_pre),
        counted=tuple(
            days[place] for place in empty if place >= window.n_pre and kinds[place] in at_times
        ),
    )


def _is_never_empty(came: Sequence[int]) -> bool:
    """Return whether days like these bring so many contacts that a day without any is a fault."""
    share = sum(number > 0 for number in came) / len(came)
    return share >= LEAST_SHARE_OPEN and sum(came) / len(came) >= LEAST_USUAL


def check_days_left(
    window: MeasurementWindow, n_days: int, rolled_out: Collection[int], empty: EmptyDays
) -> None:
    """Refuse to spend a look on “too early” while an import of its days may still come.

    Raises
    ------
    NotMeasurable
    """
    lacking = {(day - window.first_day).days for day in empty.since}
    counted = set(range(window.n_pre, n_days)) - set(rolled_out)
    missing, left = len(counted & lacking), len(counted - lacking)
    if left < LEAST_DAYS <= len(counted):
        raise NotMeasurable(
            f"{missing} of the {len(counted)} days counted since the change "
            f"{'holds' if missing == 1 else 'hold'} no contact of any theme, as if an import "
            f"were missing, and {LEAST_DAYS} days with contacts are needed. Import them, then it "
            "is measured; if there were none, the next look tells more."
        )
