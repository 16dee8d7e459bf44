"""How many contacts a change avoided: the days after it against the days before."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from hashlib import blake2b

import numpy as np
from numpy.typing import ArrayLike

from ml.impact.answer import decide, list_needs
from ml.impact.calibration import (
    GAP_DAYS,
    MOST_TRIED,
    Strays,
    days_before_gap,
    is_high,
    is_low,
    judge_strays,
)
from ml.impact.cases import ImpactCase, Spread
from ml.impact.control import control_index, donors, largest_donors
from ml.impact.design import build_design
from ml.impact.grid import Forecast, Problem, fit_all, forecast_many, grid_with_prior
from ml.impact.inputs import Series, read_series
from ml.impact.measured import (
    Measured,
    count_observed,
    measure,
    measure_gap,
    rate_of,
    reached_by,
)
from ml.impact.reasons import give_reasons
from ml.impact.response import working_response
from ml.impact.types import Floats, ImpactEstimate, OwnHistory

METHOD_VERSION = "2.5"
CHUNK = 32  # cases estimated together


def estimate_impact(
    counts: ArrayLike,
    n_pre: int,
    first_day: date = date(2026, 1, 1),
    controls: ArrayLike | None = None,
    holidays: Collection[date] = (),
    *,
    skip: Iterable[int] = (),
    level: float = 0.95,
    alpha: float = 0.05,
    same_controls_as: ImpactEstimate | None = None,
    driver: ArrayLike | None = None,
    stages: ArrayLike | None = None,
    prior: ArrayLike | None = None,
    calibrate: bool = True,
) -> ImpactEstimate:
    """Estimate the contacts a change avoided, and say what may be claimed.

    The model sees only the days before the change (and the controls on all days), so the
    days after it cannot bend the expectation. Same input, same output, bit for bit.

    Parameters
    ----------
    counts : int array, shape (n_days,)
        Contacts a day, without gaps; the first `n_pre` days lie before the change, the
        day at index `n_pre` is the first with it.
    n_pre : int
        1..n_days.
    first_day : date
        The day of counts[0]; places weekdays, seasons and holidays.
    controls : int array, shape (n_days, n_series), optional
        Contacts a day of themes that the change does not touch. With fewer than five that
        have .5 contacts a day the theme is judged on its own history.
    holidays : collection of date
        Days on which the business is closed or quieter; others than those covered are
        ignored.
    skip : iterable of int
        Indexes into counts of days that are not counted, such as roll-out days.
    level : float
        Probability the ranges are to hold, .5 to .999.
    alpha : float
        `fell` and `rose` need p below this, .0001 to .5; pass .015 when looking at fixed
        days 14, 28, 56 and 84.
    same_controls_as : ImpactEstimate, optional
        An estimate from the same days and controls of another theme: how many controls moved,
        and how much wider that makes the ranges, is taken from it instead of being worked out
        again, which is most of the work.
    driver : float array, shape (n_days,), optional
        A daily volume that contacts scale with, such as orders: effects are on contacts a
        unit of it, for the theme and the controls alike. Days on which it is 0 or NaN are
        not counted, and a sentence says how many.
    stages : float array, shape (n_days,), optional
        Share of customers the change had reached each day, 0..1, 0 before it. Days after the
        change on which it had reached nobody are not counted. Avoided contacts are those of
        all customers; `reached` has the drop of those reached.
    prior : float array, shape (56,), optional
        Weights of the model's settings; None takes those delivered.
    calibrate : bool
        False gives the model's own word, without the doubt about how the history ends
        (`gap_days`) and without widening ranges by what unaffected themes did
        (`widened_by`): for comparisons with other implementations, never for claims.

    Returns
    -------
    ImpactEstimate

    Raises
    ------
    ValueError
        When the input cannot be meant; the message is a sentence.
    """
    case = ImpactCase(
        counts=counts,
        n_pre=n_pre,
        first_day=first_day,
        controls=controls,
        holidays=holidays,
        skip=tuple(skip),
        level=level,
        alpha=alpha,
        same_controls_as=same_controls_as,
        driver=driver,
        stages=stages,
        prior=prior,
        calibrate=calibrate,
    )
    return _estimate_chunk([case])[0]


def estimate_many(
    cases: Sequence[ImpactCase], *, chunk: int = CHUNK, spread: Spread = map
) -> list[ImpactEstimate]:
    """Estimate many themes, with the same bits as one at a time.

    Themes of one chunk that share days and unaffected themes share the work on the latter, so
    cases of one date should stand next to each other.

    Parameters
    ----------
    cases : sequence of ImpactCase
    chunk : int
        Cases estimated together, from 1 up.
    spread : callable
        Called like `map` with a function and the chunks; `ProcessPoolExecutor.map` spreads
        them over processes, `lambda f, chunks: client.gather(client.map(f, list(chunks)))`
        over Dask workers.

    Returns
    -------
    list of ImpactEstimate
        In the order of the cases.

    Raises
    ------
    ValueError
        When a case's input cannot be meant, or chunk is under 1; the message is a sentence.
    """
    if chunk < 1:
        raise ValueError(f"chunk must be 1 or more; got {chunk}.")
    chunks = [cases[start : start + chunk] for start in range(0, len(cases), chunk)]
    return [estimate for found in spread(_estimate_chunk, chunks) for estimate in found]


@dataclass(frozen=True, eq=False)
class _Task:
    """A case read and checked; `index` is its comparison, None for own history alone."""

    case: ImpactCase
    series: Series
    index: Floats | None
    log_prior: Floats

    @property
    def indexes(self) -> list[Floats | None]:
        """The comparisons it is measured with: none, and the themes' if there are enough."""
        return [None] if self.index is None else [None, self.index]

    def without(self, strays: Strays) -> Series:
        """Return the days without the themes that are left out."""
        kept = np.delete(self.series.controls, strays.left_out, axis=1)
        return replace(self.series, controls=kept)

    def problem(self, series: Series, index: Floats | None = None) -> Problem:
        design = build_design(series, index)
        response = working_response(series, design)
        return Problem(series, design, response, series.seen, self.log_prior)


@dataclass(frozen=True, eq=False)
class _Gap:
    """The forecast made without the last days before the change, which are a peak or a low."""

    without: Forecast
    is_low: bool


def _estimate_chunk(cases: Sequence[ImpactCase]) -> list[ImpactEstimate]:
    tasks = [_read(case) for case in cases]
    problems = [[task.problem(task.series, index) for index in task.indexes] for task in tasks]
    flat = [problem for of_task in problems for problem in of_task]
    earlier, (tried, wanted) = _problems_before_gap(tasks), _problems_to_try(tasks)
    forecasts, totals = fit_all(flat, [*earlier.values(), *tried.values()])
    scores = [
        total.z(count_observed(problem.series))
        for total, problem in zip(totals, [*earlier.values(), *tried.values()], strict=True)
    ]
    found = dict(zip(tried, scores[len(earlier) :], strict=True))
    strays = [
        _judge(task, [found[key] for key in keys]) for task, keys in zip(tasks, wanted, strict=True)
    ]
    again = _problems_without_strays(tasks, strays)
    laid_out = dict(enumerate(flat)) | again
    ends = dict(zip(earlier, scores, strict=False))
    unusual = {
        place: _without_gap(laid_out[place])
        for place, score in ends.items()
        if is_high(score) or is_low(score)
    }
    anew = forecast_many([*again.values(), *unusual.values()])
    fits = dict(enumerate(forecasts)) | dict(zip(again, anew, strict=False))
    apart = {
        place: _Gap(forecast, is_low=is_low(ends[place]))
        for place, forecast in zip(unusual, anew[len(again) :], strict=True)
    }
    pairs = iter((fits[place], apart.get(place)) for place in range(len(flat)))
    return [
        _answer(task, _measured(task, stray, [next(pairs) for _ in task.indexes]), stray)
        for task, stray in zip(tasks, strays, strict=True)
    ]


def _read(case: ImpactCase) -> _Task:
    if not 0.5 <= case.level <= 0.999:
        raise ValueError(f"level must lie between 0.5 and 0.999; got {case.level}.")
    if not 0.0001 <= case.alpha <= 0.5:
        raise ValueError(f"alpha must lie between 0.0001 and 0.5; got {case.alpha}.")
    series = read_series(
        case.counts,
        case.n_pre,
        case.first_day,
        controls=case.controls,
        holidays=case.holidays,
        skip=case.skip,
        driver=case.driver,
        stages=case.stages,
    )
    return _Task(case, series, control_index(series), grid_with_prior(case.prior).log_prior)


def _problems_before_gap(tasks: Sequence[_Task]) -> dict[int, Problem]:
    """Lay out the forecasts of the last days before the change.

    The keys are places among the fits of all tasks, each task's comparisons in their order.
    """
    problems, place = {}, 0
    for task in tasks:
        earlier = days_before_gap(task.series) if task.case.calibrate else None
        for number in range(len(task.indexes)):
            if earlier is not None:
                problems[place] = task.problem(earlier, control_index(earlier) if number else None)
            place += 1
    return problems


def _problems_without_strays(
    tasks: Sequence[_Task], strays: Sequence[Strays]
) -> dict[int, Problem]:
    """Lay out anew the comparisons from which themes that moved are left out; keys as above."""
    problems, place = {}, -1
    for task, stray in zip(tasks, strays, strict=True):
        place += len(task.indexes)  # the last is the comparison with other themes
        if stray.left_out:
            problems[place] = task.problem(task.series, control_index(task.without(stray)))
    return problems


def _without_gap(problem: Problem) -> Problem:
    fitted = problem.fitted.copy()
    fitted[-GAP_DAYS:] = False
    return replace(problem, fitted=fitted)


def _problems_to_try(tasks: Sequence[_Task]) -> tuple[dict[bytes, Problem], list[list[bytes]]]:
    """Lay out each task's unaffected themes as if the change had been made there.

    Returns the fits, those that tasks share once, and the keys of each task's.
    """
    problems: dict[bytes, Problem] = {}
    wanted = []
    for task in tasks:
        columns = [] if task.case.same_controls_as else _columns_to_try(task.series)
        keys = []
        for column in columns:
            series = replace(task.series, counts=task.series.controls[:, column])
            key = _fingerprint(series, task.log_prior)
            if key not in problems:
                problems[key] = task.problem(series)
            keys.append(key)
        wanted.append(keys)
    return problems, wanted


def _columns_to_try(series: Series) -> list[int]:
    return largest_donors(series, MOST_TRIED) if series.counted_after.any() else []


def _fingerprint(series: Series, log_prior: Floats) -> bytes:
    """Tell apart fits to a theme's own history."""
    digest = blake2b(f"{series.first_day} {series.n_pre} {series.n_days}".encode())
    for part in (series.counts, series.counted, series.holiday, series.offset, log_prior):
        digest.update(part.tobytes())
    return digest.digest()


def _judge(task: _Task, scores: Sequence[float]) -> Strays:
    known = task.case.same_controls_as
    if known is None:
        found = judge_strays(scores, _columns_to_try(task.series))
    else:
        found = _known_strays(known)
    if not task.case.calibrate:
        return replace(found, widened_by=1.0, widened_alone=1.0, left_out=())
    enough = task.index is not None and control_index(task.without(found)) is not None
    return found if enough else replace(found, left_out=())


def _known_strays(known: ImpactEstimate) -> Strays:
    """Read off an estimate what it made of the controls."""
    own = known.own_history
    return Strays(
        tried=known.controls_tried,
        moved=round((known.share_of_controls_moved or 0) * known.controls_tried),
        apart=known.controls_apart,
        widened_by=known.widened_by,
        widened_alone=known.widened_by if own is None else own.widened_by,
        left_out=known.controls_left_out,
    )


def _measured(
    task: _Task, strays: Strays, forecasts: Sequence[tuple[Forecast, _Gap | None]]
) -> list[Measured]:
    """Hold a task's forecasts against what came: own history's, and the comparison's if any.

    A history that ends on a peak or a low has a second forecast, made without it.
    """
    factors, measured = (strays.widened_alone, strays.widened_by), []
    for (forecast, gap), factor in zip(forecasts, factors, strict=False):
        level = task.case.level
        if gap is None:
            found = measure(task.series, forecast, level, gap_days=0, widened_by=factor)
        else:
            found = measure_gap(
                task.series,
                forecast,
                gap.without,
                level,
                gap_days=GAP_DAYS,
                widened_by=factor,
                is_low=gap.is_low,
            )
        measured.append(found)
    return measured


def _answer(task: _Task, measured: Sequence[Measured], strays: Strays) -> ImpactEstimate:
    series, alpha, best = task.series, task.case.alpha, measured[-1]
    finding = replace(best.finding(series, alpha), moved=strays.moved, tried=strays.tried)
    own = None if task.index is None else _own_history(measured[0], series, alpha)
    rate, reached, needs = rate_of(series, best), reached_by(series, best), list_needs(finding)
    return ImpactEstimate(
        observed=finding.observed,
        expected=best.expected,
        avoided=finding.avoided,
        avoided_low=best.avoided_low,
        avoided_high=best.avoided_high,
        p_value=best.p_value,
        z=best.z,
        verdict=decide(finding),
        reasons=give_reasons(
            finding,
            series,
            own,
            gap_days=best.gap_days,
            gap_is_low=best.low_stayed is not None,
            strays=strays,
            rate=rate,
            reached=reached,
        ),
        could_have_seen=finding.could_have_seen,
        n_pre=finding.n_pre,
        n_post=finding.n_post,
        share_of_controls_moved=strays.moved / strays.tried if strays.tried else None,
        controls_tried=strays.tried,
        controls_used=0 if task.index is None else int(donors(task.without(strays)).sum()),
        own_history=own,
        level=best.level,
        expected_per_day=best.per_day[1],
        low_per_day=best.per_day[0],
        high_per_day=best.per_day[2],
        avoided_cumulative=best.cumulative[1],
        avoided_cumulative_low=best.cumulative[0],
        avoided_cumulative_high=best.cumulative[2],
        method_version=METHOD_VERSION,
        gap_days=best.gap_days,
        peak_passed=best.peak_passed,
        low_stayed=best.low_stayed,
        widened_by=best.widened_by,
        days_needed=needs.days,
        contacts_needed=needs.contacts,
        history_needed=needs.history,
        rate=rate,
        reached=reached,
        controls_left_out=strays.left_out,
        controls_apart=strays.apart,
    )


def _own_history(own: Measured, series: Series, alpha: float) -> OwnHistory:
    finding = own.finding(series, alpha)
    return OwnHistory(
        expected=own.expected,
        avoided=finding.avoided,
        avoided_low=own.avoided_low,
        avoided_high=own.avoided_high,
        p_value=own.p_value,
        z=own.z,
        could_have_seen=finding.could_have_seen,
        verdict=decide(finding),
        gap_days=own.gap_days,
        widened_by=own.widened_by,
    )
