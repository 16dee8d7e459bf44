"""Tables as CSV: nothing in them runs, and what is read again comes back as it was."""

from __future__ import annotations

import csv
import io

import pytest

from closedloop.adapters.csv_out import as_written, lines_to_read_again

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
