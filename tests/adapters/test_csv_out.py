"""Tables as CSV: nothing in them runs, and what is read again comes back as it was."""

from __future__ import annotations

import csv
import io

import pytest

from closedloop.adapters.csv_out import as_written, csv_lines, lines_to_read_again

RUNS = ["+1+cmd|'/C calc'!A0", "-2+3+cmd|calc", "=1", "@SUM(1)", "\tx", "\rx", "+", "'=1", "''@x"]
STAYS = ["+44 (0)7911 123-456", "-12.5", "+1,200.50", "-00:12:30", "plain", "it's", "'tis", "", "'"]


def read_again(cells: list[str]) -> list[str]:
    text = "".join(lines_to_read_again([cells])).removeprefix("\ufeff")
    return next(csv.reader(io.StringIO(text, newline="")))


@pytest.mark.parametrize("cell", RUNS)
def test_what_a_spreadsheet_may_run_gets_a_quotation_mark(cell):
    assert read_again([cell]) == [f"'{cell}"]


def test_numbers_telephone_numbers_and_plain_text_stay_as_they_are():
    assert read_again(STAYS) == STAYS


@pytest.mark.parametrize("cell", [*RUNS, *STAYS])
def test_a_cell_comes_back_as_it_was(cell):
    assert as_written(read_again([cell, ""])[0]) == cell


def test_a_table_goes_out_in_few_pieces_headings_first_and_reads_as_one():
    rows = [[i, f"name {i}", "=1", None, True] for i in range(250)]
    pieces = list(csv_lines(("Number", "Name", "Sum", "Nothing", "Yes"), iter(rows)))
    assert pieces[0] == "\ufeffNumber,Name,Sum,Nothing,Yes\r\n"
    assert len(pieces) == 4
    found = list(csv.reader(io.StringIO("".join(pieces), newline="")))[1:]
    assert found == [[str(i), f"name {i}", "'=1", "", "yes"] for i in range(250)]


def test_a_text_of_a_kind_of_its_own_is_made_safe_as_any_other():
    class Kind(str):
        __slots__ = ()

    rows = [[Kind("=1"), Kind("phone")]]
    assert "".join(csv_lines(("Sum", "Channel"), rows)).splitlines()[1] == "'=1,phone"
