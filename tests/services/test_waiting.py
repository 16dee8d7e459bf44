"""Ids wait once each, whatever the order they come in."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from closedloop.services.waiting import Waiting


@given(st.lists(st.lists(st.integers(1, 3_000))), st.integers(1, 7))
def test_portions_hold_each_id_once_in_ascending_order(added, size):
    waiting = Waiting()
    for ids in added:
        waiting.add(ids)
    everybody = sorted({number for ids in added for number in ids})
    portions = list(waiting.portions(size))
    assert [number for portion in portions for number in portion] == everybody
    assert len(waiting) == len(everybody)
    assert all(len(portion) == size for portion in portions[:-1])


def test_nobody_waits_at_first():
    assert len(Waiting()) == 0
    assert list(Waiting().portions(10)) == []
