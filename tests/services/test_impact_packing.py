"""How a measurement keeps what it has read."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from closedloop.services.impact_packing import (
    MeasurementInputs,
    fingerprint,
    pack_inputs,
    unpack_inputs,
)

INPUTS = MeasurementInputs(
    counts=np.array([3, 0, 2], dtype=np.int32),
    controls=np.array([[1, 4], [2, 5], [3, 6]], dtype=np.int32),
    control_ids=(7, 9),
    siblings=np.zeros((3, 0), dtype=np.int32),
    sibling_ids=(),
    first_day=date(2026, 3, 1),
    n_pre=2,
    skip=(2,),
    holidays=(date(2026, 3, 2),),
    alpha=0.015,
    definition_set_id=4,
    method_version="1.0",
)


FULL = replace(
    INPUTS,
    parts=np.array([[1, 2], [0, 0], [1, 1]], dtype=np.int32),
    part_ids=(4, 7),
    channels=np.array([[1, 2], [0, 0], [1, 1]], dtype=np.int32),
    channel_names=("téléphone", ""),
    driver=np.array([100.0, 0.0, 99.5]),
    stages=np.array([0.0, 0.0, 0.25]),
    prior=np.full(56, 1 / 56),
    lately=(2,),
    smallest_drop=0.15,
    others=(0.001, 0.7),
    alpha_rose=0.001,
)


@pytest.mark.parametrize("inputs", [INPUTS, FULL, replace(INPUTS, others=())])
def test_what_is_packed_comes_out_the_same(inputs):
    found = unpack_inputs(pack_inputs(inputs))
    for name in vars(inputs):
        assert np.array_equal(getattr(found, name), getattr(inputs, name)), name
        assert type(getattr(found, name)) is type(getattr(inputs, name)), name
    assert found.siblings.shape == (3, 0)
    assert pack_inputs(found) == pack_inputs(inputs)


def test_what_a_measurement_does_not_have_is_not_in_its_file_and_older_files_are_read():
    with zipfile.ZipFile(io.BytesIO(pack_inputs(INPUTS))) as archive:
        names = {member.removesuffix(".npy") for member in archive.namelist()}
    assert names == {
        *("counts", "controls", "control_ids", "siblings", "sibling_ids", "first_day", "n_pre"),
        *("skip", "holidays", "alpha", "definition_set_id", "method_version"),
    }  # what the first files held, to the name
    assert unpack_inputs(pack_inputs(INPUTS)).others is None


def test_the_time_of_writing_does_not_show():
    with zipfile.ZipFile(io.BytesIO(pack_inputs(INPUTS))) as archive:
        assert {member.date_time[0] for member in archive.infolist()} == {1980}


@pytest.mark.parametrize(
    "change",
    [
        {"counts": np.array([3, 0, 3], dtype=np.int32)},
        {"control_ids": (7, 8)},
        {"first_day": date(2026, 3, 2)},
        {"skip": ()},
        {"holidays": ()},
        {"alpha": 0.05},
        {"definition_set_id": 5},
        {"method_version": "1.1"},
        {"driver": np.array([1.0, 2.0, 0.0])},
        {"stages": np.array([0.0, 0.0, 0.5])},
        {"prior": np.full(56, 1 / 56)},
        {"parts": np.array([[1, 2], [0, 0], [1, 1]], dtype=np.int32), "part_ids": (1, 2)},
        {
            "channels": np.array([[1, 2], [0, 0], [1, 1]], dtype=np.int32),
            "channel_names": ("a", ""),
        },
        {"lately": (2,)},
        {"smallest_drop": 0.2},
        {"others": ()},
        {"others": (0.1,)},
    ],
)
def test_anything_that_matters_changes_the_fingerprint(change):
    changed = replace(INPUTS, **change)
    assert fingerprint(pack_inputs(changed)) != fingerprint(pack_inputs(INPUTS))
