"""Agreement with the reference code of the study on cases it was not written for.

reference.npz was written by ``python -m benchmarks.impact_reference FOLDER --write`` with the
reference code at hand; it holds cases and answers, numbers only.
"""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from ml.impact import ImpactCase, estimate_many

FILE = Path(__file__).with_name("reference.npz")


@pytest.fixture(scope="module")
def kept():
    with np.load(FILE, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def cases(kept, *, controlled):
    """The kept cases in order; those with controls are the first ones."""
    ends, holiday = np.cumsum(kept["n_days"].astype(int)), np.unpackbits(kept["holiday"])
    many = len(kept["with_control"] if controlled else kept["own_history"])
    for number, end in enumerate(ends[:many]):
        days = slice(end - kept["n_days"][number], end)
        first = date.fromordinal(int(kept["first_day"][number]))
        yield ImpactCase(
            counts=kept["counts"][days],
            n_pre=int(kept["n_pre"][number]),
            first_day=first,
            controls=kept["controls"][days] if controlled else None,
            holidays=[first + timedelta(int(day)) for day in np.flatnonzero(holiday[days])],
            calibrate=False,
        )


@pytest.mark.parametrize("answers", ["own_history", "with_control"])
def test_every_kept_case_agrees_with_the_reference(kept, answers):
    wanted = kept[answers]
    found = estimate_many(list(cases(kept, controlled=answers == "with_control")))
    assert len(found) == len(wanted)
    expected, low, high, p_value, z = wanted.T
    mine = np.array([[e.expected, e.avoided_low, e.avoided_high, e.p_value, e.z] for e in found])
    assert np.abs(mine[:, 0] / expected - 1).max() < 0.0005
    assert (np.abs(mine[:, 1] - low) / expected).max() < 0.005
    assert (np.abs(mine[:, 2] - high) / expected).max() < 0.005
    assert np.abs(mine[:, 3] - p_value).max() < 0.002
    assert np.abs(mine[:, 4] - z).max() < 0.001
