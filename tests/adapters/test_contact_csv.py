"""Reading CSV: one bad row costs one row."""

from __future__ import annotations

import csv
import io
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from closedloop.adapters.contact_csv import cut, read_piece, read_rows
from closedloop.adapters.lines import MAX_LINE_CHARS
from closedloop.adapters.types import BadRow, FileFacts, Piece, RawRow

HEADER = ["contact_id", "started_at", "text"]


def facts(encoding: str = "utf-8", delimiter: str = ",") -> FileFacts:
    return FileFacts("csv", encoding, delimiter, False, HEADER, [], [])


def in_pieces(path, facts: FileFacts, size: int) -> list[RawRow | BadRow]:
    """Read a file as several processes do."""
    items = list(cut(path, facts, size))
    assert "".join(i.text for i in items if isinstance(i, Piece)) in path.read_bytes().decode(
        facts.encoding, "replace" if facts.encoding.startswith("utf-16") else "surrogateescape"
    )
    return [
        row
        for item in items
        for row in (read_piece(item, facts) if isinstance(item, Piece) else [item])
    ]


@pytest.fixture
def read(tmp_path):
    def read_file(body: bytes | str, **how: str):
        path = tmp_path / "contacts.csv"
        content = body.encode() if isinstance(body, str) else body
        path.write_bytes(",".join(HEADER).encode() + b"\n" + content)
        rows = list(read_rows(path, facts(**how)))
        assert list(read_rows(path, facts(**how))) == rows  # the same on every reading
        for size in (1, 50) if len(body) < 1_000 else (1_000_000,):
            assert in_pieces(path, facts(**how), size) == rows  # and by several processes
        return rows

    return read_file


def test_read_rows_numbers_rows_by_the_line_they_start_on(read):
    rows = read('1,a,"two\nlines"\n\n2,b,c\r\n,,\n3,d,e')

    assert [(row.line, row.fields["contact_id"]) for row in rows] == [(2, "1"), (5, "2"), (7, "3")]
    assert rows[0].fields["text"] == "two\nlines"


def test_read_rows_quarantines_a_row_with_too_many_columns_and_goes_on(read):
    bad, good = read("1,a,no, I said\n2,b,c\n")

    assert isinstance(bad, BadRow)
    assert (bad.line, bad.raw) == (2, "1,a,no, I said")
    assert "4 columns where the header has 3" in bad.reason
    assert good.fields["contact_id"] == "2"


def test_read_rows_marks_a_row_that_is_cut_short(read):
    [row] = read("1,a\n")

    assert row == RawRow(2, {"contact_id": "1", "started_at": "a"}, cut_short=True)


@pytest.mark.parametrize("closing", ["", '4,d,"quoted"\n', '4,"d",e\n'])
def test_read_rows_loses_one_line_to_a_quote_that_is_never_closed(read, closing):
    rows = read(f'1,a,"never closed\n2,b,c\n3,"c",d\n{closing}5,e,f\n')

    assert [row.line for row in rows if isinstance(row, BadRow)] == [2]
    assert "quotation mark" in rows[0].reason
    kept = [row.fields["contact_id"] for row in rows if isinstance(row, RawRow)]
    assert kept == ["2", "3", *(["4"] if closing else []), "5"]


def test_read_rows_reads_stray_quotes_inside_one_line(read):
    [row] = read('1,a,"He said "no" to me"\n')

    assert row.fields["text"] == 'He said no" to me"'


def test_read_rows_quarantines_a_field_larger_than_the_limit(read):
    bad, good = read(f"1,a,{'x' * (csv.field_size_limit() + 1)}\n2,b,c\n")

    assert "more than 131,072 characters" in bad.reason
    assert good.fields["contact_id"] == "2"


def test_read_rows_passes_over_a_line_without_end_in_bounded_memory(tmp_path):
    path = tmp_path / "contacts.csv"
    n_chars = 12 * MAX_LINE_CHARS
    path.write_text(f"contact_id,started_at,text\n1,a,{'x' * n_chars}\n2,b,c\n")

    tracemalloc.start()
    bad, good = read_rows(path, facts())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert isinstance(bad, BadRow)
    assert good.fields["contact_id"] == "2"
    assert peak < n_chars / 2


def test_read_rows_holds_one_row_at_a_time(tmp_path):
    path = tmp_path / "contacts.csv"
    with path.open("w") as stream:
        stream.write("contact_id,started_at,text\n")
        stream.writelines(f"{n},2026-03-01,{'words ' * 20}\n" for n in range(60_000))

    tracemalloc.start()
    n_rows = sum(1 for _ in read_rows(path, facts()))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert n_rows == 60_000
    assert path.stat().st_size > 8_000_000
    assert peak < 1_000_000


def test_read_rows_quarantines_bytes_outside_the_encoding(read):
    bad, good = read(b"1,a,caf\xe9\n2,b,caf\xc3\xa9\n")

    assert isinstance(bad, BadRow)
    assert "not utf-8" in bad.reason
    assert bad.raw.encode()  # can be stored
    assert good.fields["text"] == "café"


def test_read_rows_quarantines_nul_characters(read):
    bad, good = read(b"1,a,x\x00y\n2,b,c\n")

    assert "NUL" in bad.reason
    assert "\x00" not in bad.raw
    assert good.line == 3


CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\x00\r"), max_size=12)


@given(st.lists(st.tuples(CELLS, CELLS, CELLS).filter(any), max_size=8))
@settings(max_examples=200, deadline=None)
def test_read_rows_returns_what_a_csv_writer_wrote(tmp_path_factory, table):
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\n").writerows([HEADER, *table])
    path = tmp_path_factory.mktemp("csv") / "contacts.csv"
    path.write_text(out.getvalue(), encoding="utf-8", newline="")

    rows = list(read_rows(path, facts()))

    assert [tuple(row.fields.values()) for row in rows] == table


@given(st.binary(max_size=200))
@settings(max_examples=300, deadline=None)
def test_read_rows_never_raises_and_never_stalls(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("csv") / "contacts.csv"
    path.write_bytes(b"contact_id,started_at,text\n" + content)

    rows = list(read_rows(path, facts()))

    lines = [row.line for row in rows]
    assert lines == sorted(set(lines))


_PARTS = (
    "a",
    'b"',
    '"',
    '""',
    ",",
    "\n",
    "\r\n",
    "\r",
    "x,y,z\n",
    '"q,\nr",s,t\n',
    "é",
    "\x00",
    " ",
)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from((*_PARTS, '"a""b",c,d\n', "sep=;\n", "1,2,3\r\n")), max_size=60),
    st.integers(1, 40),
    st.sampled_from((b"", b"\xff,1,2\n")),
)
def test_pieces_of_any_size_hold_the_rows_of_the_whole_file(tmp_path_factory, parts, size, end):
    path = tmp_path_factory.getbasetemp() / "pieces.csv"
    path.write_bytes(f"{','.join(HEADER)}\n{''.join(parts)}".encode() + end)

    assert in_pieces(path, facts(), size) == list(read_rows(path, facts()))
