"""A benchmark that was stopped goes on from what it had measured."""

from __future__ import annotations

import pytest

from closedloop.bench.theme_kept import Kept


def test_what_was_measured_is_not_measured_again_unless_its_basis_changed(tmp_path):
    asked = []

    def make():
        asked.append(1)
        return {"labels": [0, 1], "warm_seconds": 0.5}

    kept = Kept(tmp_path / "new folder")
    first = kept.measure("xsid_valid all, 697 uneven", "BERTopic", {"method": "1"}, make)
    again = Kept(tmp_path / "new folder").measure(
        "xsid_valid all, 697 uneven", "BERTopic", {"method": "1"}, make
    )
    assert first == again
    assert len(asked) == 1
    kept.measure("xsid_valid all, 697 uneven", "BERTopic", {"method": "2"}, make)
    kept.measure("xsid_valid all", "BERTopic", {"method": "2"}, make)
    assert len(asked) == 3


def test_nothing_is_kept_of_what_failed_or_without_a_folder(tmp_path):
    def fail():
        raise OSError("stopped")

    with pytest.raises(OSError, match="stopped"):
        Kept(tmp_path).measure("a", "EVoC", {}, fail)
    assert list(tmp_path.iterdir()) == []
    assert Kept(None).measure("a", "EVoC", {}, lambda: {"ami": 1.0}) == {"ami": 1.0}
