"""Driver volumes from CSV: every shape people bring, and a sentence for what makes no sense."""

from __future__ import annotations

from datetime import date

import pytest

from closedloop.adapters.driver_csv import BadLine, DriverLine, read_driver_lines
from closedloop.adapters.types import UnreadableFile


def read(text: str, driver: str = ""):
    return list(read_driver_lines(text.encode(), driver=driver))


@pytest.mark.parametrize(
    ("text", "driver"),
    [
        ("day,volume\n2026-03-01,1200.5\n", "orders"),
        ("\ufeffDay;Driver;Volume\r\n2026-03-01;orders;1200.5\r\n", ""),
        ("2026-03-01\torders\t1200.5\n\n", ""),
        ("2026-03-01,1200.5", " orders "),
        ("volume,note,day,driver\n1200.5,x,2026-03-01,orders\n", "ignored"),
    ],
)
def test_columns_may_stand_in_any_order_with_any_delimiter(text, driver):
    found = read(text, driver)
    assert [(one.driver, one.day, one.volume) for one in found] == [
        ("orders", date(2026, 3, 1), 1200.5)
    ]


def test_a_line_that_makes_no_sense_says_where_and_why_and_the_others_are_read():
    found = read("day,volume\n01/03/2026,7\n2026-03-02,7\n2026-03-03,-1\n2026-03-04\n", "orders")

    assert [type(one) for one in found] == [BadLine, DriverLine, BadLine, BadLine]
    assert [one.line for one in found] == [2, 3, 4, 5]
    assert "01/03/2026" in found[0].sentence
    assert "like 2026-03-31" in found[0].sentence
    assert "“-1” is no number from 0 up" in found[2].sentence


@pytest.mark.parametrize("volume", ["nan", "inf", "1e13", "", "7,5x", "1_000", "1,200"])
def test_a_volume_is_a_finite_number(volume):
    assert isinstance(read(f"day;volume\n2026-03-01;{volume}", "orders")[0], BadLine)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"\n\n", "empty"),
        (b"day,volume\n2026-03-01,7", "does not say what its volumes are of"),
        (b"when,how many\n2026-03-01,7", "must name day and volume"),
        ("day,volume\n2026-03-01,7 é".encode("latin-1"), "no UTF-8"),
        (b"day,volume\n2026-03-01,\x007", "NUL"),
    ],
)
def test_a_file_that_cannot_be_used_says_what_to_do(data, words):
    with pytest.raises(UnreadableFile, match=words):
        list(read_driver_lines(data))


def test_a_name_that_is_too_long_is_a_bad_line():
    assert isinstance(read("2026-03-01," + "x" * 61 + ",7")[0], BadLine)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("day,volume\n2026-03-31,1,200\n", "has 3 cells, but the columns are day, volume;"),
        ("day,driver,volume\n2026-03-31,orders,1,200\n", "has 4 cells"),
        ("2026-03-31,1,200\n", "“1” stands where the driver is;"),
    ],
)
def test_a_comma_between_thousands_is_a_bad_line_and_not_a_smaller_volume(text, words):
    (found,) = read(text, "orders")
    assert isinstance(found, BadLine)
    assert words in found.sentence
    assert "like 1200.5" in found.sentence


def test_empty_cells_at_the_end_of_a_line_and_drivers_of_digits_under_a_name_are_read():
    (found,) = read("day,driver,volume\n2026-03-31,404,7,,\n")
    assert (found.driver, found.volume) == ("404", 7)
