"""Numbers in the binary form of COPY: do they arrive as they were, gaps and all?"""

from __future__ import annotations

import struct
from datetime import date

import numpy as np
import pytest
import sqlalchemy as sa

from closedloop.models import ContactLink, DailySlice
from closedloop.services import binary_copy
from closedloop.services.binary_copy import Days, Texts, can_write, read_numbers
from closedloop.services.bulk import is_postgresql, write_columns

LINKS = ContactLink.__table__
SLICES = DailySlice.__table__


def links(**changed):
    columns = {
        "contact_id": np.array([2**40, 2, 3]),
        "local_day": Days(np.array([0, 20_000, 10_957])),
        "previous_gap_seconds": np.ma.masked_equal(np.array([-1, 5, -1]), -1),
        "next_gap_seconds": np.ma.masked_equal(np.array([7, -1, 2**31 - 1]), -1),
        "previous_same_gap_seconds": np.ma.masked_equal(np.array([-1, -1, -1]), -1),
        "next_same_gap_seconds": np.array([0, 0, 0]),
        "chain_id": np.array([1, 2, 3]),
        "chain_position": np.array([1, 1, 9]),
    }
    return {**columns, **changed}


def test_written_columns_come_back_as_they_were_on_either_database(session):
    assert write_columns(session, LINKS, links()) == 3

    rows = session.execute(sa.select(LINKS).order_by(LINKS.c.chain_id)).all()

    assert [tuple(row) for row in rows] == [
        (2**40, date(1970, 1, 1), None, 7, None, 0, 1, 1),
        (2, date(2024, 10, 4), 5, None, None, 0, 2, 1),
        (3, date(2000, 1, 1), None, 2**31 - 1, None, 0, 3, 9),
    ]


def test_a_row_with_a_gap_lies_as_postgresql_documents_it():
    columns = {
        "contact_id": np.array([258]),
        "local_day": Days(np.array([10_958])),
        "next_gap_seconds": np.ma.masked_equal(np.array([-1]), -1),
    }

    (block,) = binary_copy._blocks(LINKS, columns)

    assert block == struct.pack(">hiqiii", 3, 8, 258, 4, 1, -1)


def test_texts_of_any_length_come_back_in_their_rows_on_either_database(session):
    figures = {c.name for c in SLICES.c if not c.nullable} - {"id", "day", "kind", "value"}
    codes = np.array([2, 0, 1, 2])
    columns = {
        "kind": Texts(np.zeros(4, np.int64), ["queue"]),
        "day": Days(np.array([20_000, 20_001, 20_002, 20_003])),
        "value": Texts(codes, ["", "Rückgabe – 退货", "q\t\\N"]),
        **{name: np.arange(4) * 1_000 for name in figures},
    }

    write_columns(session, SLICES, columns)

    rows = session.execute(
        sa.select(SLICES.c.kind, SLICES.c.value, SLICES.c.contacts).order_by(SLICES.c.day)
    ).all()
    assert [tuple(row) for row in rows] == [
        ("queue", "q\t\\N", 0),
        ("queue", "", 1_000),
        ("queue", "Rückgabe – 退货", 2_000),
        ("queue", "q\t\\N", 3_000),
    ]


def test_a_text_lies_before_the_numbers_of_its_row():
    numbers = {"contact_id": np.array([258, 259])}

    (block,) = binary_copy._blocks(LINKS, numbers, [Texts(np.array([1, 0]), ["", "é"])])

    assert block == struct.pack(">hi2siq", 2, 2, "é".encode(), 8, 258) + struct.pack(
        ">hiiq", 2, 0, 8, 259
    )


def test_only_whole_numbers_days_and_texts_beside_them_travel_so():
    assert can_write(links())
    assert can_write(links(chain_id=Texts(np.array([0, 0, 0]), ["1"])))
    assert not can_write({"kind": Texts(np.array([0]), ["queue"])})
    assert not can_write(links(local_day=["2026-03-02"]))


def test_numbers_are_read_whole_and_a_gap_is_refused(session):
    if not is_postgresql(session):
        pytest.skip("SQLite has no COPY")
    cursor = session.connection().connection.cursor()

    found = read_numbers(
        cursor, "SELECT n, n * -2 AS twice FROM generate_series(1, 70000) n", ["n", "twice"]
    )

    assert found["n"].sum() == 70_000 * 70_001 // 2
    assert (found["twice"] == -2 * found["n"]).all()
    none = read_numbers(cursor, "SELECT 1 AS n WHERE false", ["n"])
    assert len(none["n"]) == 0
    with pytest.raises(ValueError, match="gaps"):
        read_numbers(cursor, "SELECT nullif(n, 2) AS n FROM generate_series(1, 9) n", ["n"])
