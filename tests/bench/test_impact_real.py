"""Real series: months that stand on one day each, and calls read by day and hour."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from closedloop.bench.impact_real import (
    Months,
    bank_lines,
    cut,
    month_day,
    month_start,
    read_bank,
    read_months,
    real_lines,
    seatbelt_lines,
    set_apart,
)


def test_a_month_stands_on_a_wednesday_in_its_middle_and_nothing_stands_between():
    counts, at = set_apart(np.array([310, 7, 93]))

    assert [month_day(n) for n in range(3)] == [
        date(1969, 1, 15), date(1969, 2, 12), date(1969, 3, 12)
    ]  # fmt: skip
    assert {month_day(number).weekday() for number in range(192)} == {2}
    assert all(12 <= month_day(number).day <= 18 for number in range(192))
    assert list(counts[at]) == [310, 7, 93]
    assert counts.sum() == 410
    assert at == [0, 28, 56]
    assert month_start(169) == date(1983, 2, 1)


def test_cut_series_add_up_to_what_was_cut_and_are_as_equal_as_can_be():
    parts = cut(np.array([10, 0, 503]))

    assert parts.shape == (3, 5)
    assert list(parts.sum(1)) == [10, 0, 503]
    assert (parts.max(1) - parts.min(1)).max() == 1


def test_the_series_are_read_by_name_and_missing_ones_are_named(tmp_path):
    folder = tmp_path / "seatbelts"
    folder.mkdir()
    path = folder / "Seatbelts.csv"
    path.write_text("rownames,drivers,front,rear,law\n1,1687,867,269,0\n2,1508,825,265,0\n")
    said = []

    months = read_months(path)

    assert list(months.drivers) == [1687, 1508]
    assert list(months.rear) == [269, 265]
    path.unlink()
    assert real_lines(tmp_path, said) == []
    assert len(said) == 2


def test_calls_are_added_up_by_day_and_hour_and_closed_days_hold_zeros(tmp_path):
    path = tmp_path / "bank_calls.csv"
    lines = ["rownames,DateTime,Calls", "1,2003-03-07T07:00:00Z,5", "2,2003-03-07T07:05:00Z,6"]
    lines += ["3,2003-03-07T08:00:00Z,7", "4,2003-03-10T08:55:00Z,9"]
    path.write_text("\n".join(lines) + "\n")

    calls, first = read_bank(path)

    assert first == date(2003, 3, 7)
    assert calls.tolist() == [[11, 7], [0, 0], [0, 0], [0, 9]]


def test_a_step_in_every_hour_is_seen_on_placebo_dates_and_a_quiet_bank_is_not():
    rng = np.random.default_rng(3)
    week = np.resize([1, 1, 1, 1, 1, 0, 0], 154)
    quiet = rng.poisson(400, (154, 3)) * week[:, None]

    alarms = bank_lines(quiet, date(2003, 3, 3))[0]["measured"]

    assert alarms <= 0.3
    loud = quiet.copy()
    loud[98:] //= 2
    assert bank_lines(loud, date(2003, 3, 3))[0]["measured"] > alarms


def test_a_made_up_law_is_measured_and_its_bars_are_named():
    rng = np.random.default_rng(5)
    season = 1 + 0.2 * np.cos(2 * np.pi * np.arange(120) / 12)
    months = Months(rng.poisson(1500 * season), rng.poisson(400, 120))
    months.drivers[97:] = rng.poisson(1200 * season[97:])

    found = seatbelt_lines(months, date(1977, 2, 1), (1975,))

    by_end = {one["name"].rsplit(", ", 1)[1]: one for one in found[:4]}
    assert by_end["percent"]["bar"] == "-23 to -17"
    assert by_end["percent"]["measured"] == pytest.approx(-20, abs=4)
    assert by_end["lower end"]["measured"] < -20 < by_end["upper end"]["measured"]
    assert by_end["p"]["measured"] < 0.05
    assert "placebo law of 1975" in found[-1]["name"]
    assert found[-1]["measured"] > 0.05
