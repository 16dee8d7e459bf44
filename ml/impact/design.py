"""The columns that explain a day's contacts, and what is believed of them beforehand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ml.impact.inputs import Series
from ml.impact.types import Floats

BASE_PRECISION = 1e-4  # the overall level is left to the data
WEEKDAY_SD = 0.5
HOLIDAY_MEAN, HOLIDAY_SD = -0.3, 0.4
SEASON_SD = 0.08
SLOPE_SD_A_YEAR = 0.10
CONTROL_MEAN, CONTROL_SD = 1.0, 0.3
DAYS_A_YEAR = 365.25
WEEKLY = 7  # columns, the first ones, that are the same in each week


@dataclass(frozen=True, eq=False)
class Design:
    """Columns over all days, with a normal prior on each one's coefficient.

    Attributes
    ----------
    columns : float array, shape (n_days, n_columns)
        The first is the constant.
    prior_mean, prior_precision : float array, shape (n_columns,)
        On the log scale.
    """

    columns: Floats
    prior_mean: Floats
    prior_precision: Floats


def build_design(series: Series, control: Floats | None = None) -> Design:
    """Lay out constant, weekdays, holiday, season, slope and control.

    Without a holiday its column is 0 and changes nothing; it is there so that fits to the same
    theme have one width and can be run side by side.

    Parameters
    ----------
    series : Series
    control : float array, shape (n_days,), optional
        Control index; the theme is believed to move with it about one to one.
    """
    n_pre, n_days = series.n_pre, series.n_days
    parts: list[tuple[Floats, float, float]] = [(np.ones(n_days), 0.0, BASE_PRECISION)]
    parts += [(column, 0.0, WEEKDAY_SD**-2) for column in _weekdays(series.day_of_week)]
    parts.append((series.holiday, HOLIDAY_MEAN, HOLIDAY_SD**-2))
    for wave in _season(series.day_of_year, n_pre):
        parts.append((wave, 0.0, SEASON_SD**-2))
    years = (np.arange(n_days, dtype=np.float64) - n_pre / 2) / 365.0
    parts.append((years, 0.0, SLOPE_SD_A_YEAR**-2))
    if control is not None:
        log_control = np.log(control + 1.0)
        centred = log_control - float(log_control[:n_pre].mean())
        parts.append((centred, CONTROL_MEAN, CONTROL_SD**-2))
    columns, means, precisions = zip(*parts, strict=True)
    return Design(np.column_stack(columns), np.array(means), np.array(precisions))


def _weekdays(day_of_week: Floats) -> list[Floats]:
    """Six columns; Monday is minus their sum, so that the seven effects sum to zero."""
    days = (day_of_week == np.arange(7.0)[:, None]).astype(float)
    return list(days[1:] - days[0])


def _season(day_of_year: Floats, n_pre: int) -> list[Floats]:
    angle = 2 * np.pi * day_of_year / DAYS_A_YEAR
    return [wave - float(wave[:n_pre].mean()) for wave in (np.cos(angle), np.sin(angle))]
