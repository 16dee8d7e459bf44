"""Days that are due are read beside this process, and come out as if they were read here."""

from __future__ import annotations

import logging
import os
from contextlib import closing
from datetime import date, timedelta
from functools import partial

import numpy as np
import pytest
import sqlalchemy as sa

from closedloop.models import DailyRollup, DailySlice, DueDay
from closedloop.services import rollup_pool
from closedloop.services.beside import Beside
from closedloop.services.repeats import mark_due, take_turn
from closedloop.services.rollup_cells import read_cells
from closedloop.services.rollup_pool import CellReader, open_reader
from closedloop.services.rollups import DAYS_PER_STATEMENT, roll_up_due
from tests.factories.histories import START, add_contacts, rows_of

N_DAYS = 10


@pytest.fixture
def days(database, settings):
    """Ten days of contacts, of which no two are alike."""
    for number in range(4):
        start = START + timedelta(days=number)
        add_contacts(
            database, settings, {"card": 1 + number, "refund": 2}, start=start, tag=f"d{number}"
        )
    return [START.date() + timedelta(days=number) for number in range(N_DAYS)]


@pytest.fixture
def wants_a_process(monkeypatch):
    """Let few days of few contacts be worth a process."""
    monkeypatch.setattr(rollup_pool, "DAYS_WORTH_A_PROCESS", 1)
    monkeypatch.setattr(rollup_pool, "CONTACTS_WORTH_A_PROCESS", 1)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)


def _spelled(cells):
    rows = zip(*(texts.spelled() for texts in cells.dimensions.values()), strict=True)
    figures = zip(*(figure.tolist() for figure in cells.figures.values()), strict=True)
    return sorted(zip(rows, figures, strict=True))


def test_what_is_read_beside_is_what_is_read_here(database, days, wants_a_process):
    portions = [[day] for day in days]
    with database.transaction() as session:
        take_turn(session)
        here = [_spelled(read_cells(session, portion)) for portion in portions]
        with open_reader(session, N_DAYS) as reader:
            beside = [_spelled(cells) for cells in reader.read(session, portions)]
    assert beside == here
    assert len({str(cells) for cells in here}) == N_DAYS  # one in the place of another is seen


def test_each_transaction_reads_what_was_committed_before_it(
    database, settings, days, wants_a_process
):
    with database.transaction() as session, open_reader(session, N_DAYS) as reader:
        before = [c.figures["contacts"].sum() for c in reader.read(session, [days[:1], days[1:]])]
        session.rollback()
        add_contacts(database, settings, {"late": 5}, start=START + timedelta(days=1), tag="late")
        after = [c.figures["contacts"].sum() for c in reader.read(session, [days[:1], days[1:]])]
    assert sum(after) == sum(before) + 10


def test_due_days_come_out_the_same_with_a_process_beside(
    database, settings, days, wants_a_process
):
    for number in range(1, 3):
        start = START + timedelta(days=20 * number)
        add_contacts(database, settings, {"more": 2}, start=start, tag=f"m{number}")
    expected = rows_of(database, DailyRollup), rows_of(database, DailySlice)
    span = [START.date() + timedelta(days=number) for number in range(60)]
    with database.transaction() as session:
        for table in (DailyRollup, DailySlice):
            session.execute(sa.delete(table))
        mark_due(session, span)
    assert len(span) > 2 * DAYS_PER_STATEMENT
    assert roll_up_due(database.transaction) == len(span)
    assert _without_ids(rows_of(database, DailyRollup)) == _without_ids(expected[0])
    assert _without_ids(rows_of(database, DailySlice)) == _without_ids(expected[1])
    assert rows_of(database, DueDay) == []


def _without_ids(rows):
    return sorted(str(row[1:]) for row in rows)


def test_days_are_read_here_when_the_process_beside_is_gone(database, days, caplog):
    portions = [[day] for day in days]
    with database.transaction() as session, closing(Beside(partial(os._exit, 0))) as gone:
        with caplog.at_level(logging.WARNING):
            found = [_spelled(c) for c in CellReader(gone).read(session, portions)]
        assert found == [_spelled(read_cells(session, portion)) for portion in portions]
    assert caplog.text.count("cannot read days") == 1


def test_few_days_are_not_worth_a_process(database, days):
    with database.transaction() as session, open_reader(session, N_DAYS) as reader:
        assert reader._helper is None
        cells = next(iter(reader.read(session, [days])))
    assert np.sum(cells.figures["contacts"]) == 36
    assert {date(1970, 1, 1) + timedelta(days=int(d)) for d in cells.dimensions["day"].values} <= {
        *days
    }
