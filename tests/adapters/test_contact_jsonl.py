"""Reading JSON lines: one bad line costs one line."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from closedloop.adapters.contact_jsonl import read_rows
from closedloop.adapters.lines import MAX_LINE_CHARS
from closedloop.adapters.types import BadRow, FileFacts, RawRow

FACTS = FileFacts("jsonl", "utf-8", "", False, ["id", "text"], [], [])


def test_read_rows_yields_objects_with_their_lines(tmp_path):
    path = tmp_path / "contacts.jsonl"
    path.write_text('{"id": 1, "turns": [["customer", "hi"]]}\n\n{"id": "2"}\r\n', newline="")

    assert list(read_rows(path, FACTS)) == [
        RawRow(1, {"id": 1, "turns": [["customer", "hi"]]}),
        RawRow(3, {"id": "2"}),
    ]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b'{"id": 1,', "not valid JSON"),
        (b"[1, 2]", "no JSON object"),
        (b"[" * 100_000, "not valid JSON|nested too deeply"),
        (b'{"id": ' + b"9" * 5000 + b"}", "number that is too long"),
        (b'{"id": "caf\xe9"}', "not utf-8"),
        (b'{"id": "' + b"x" * (MAX_LINE_CHARS + 5) + b'"}', "more than 4,194,304 characters"),
    ],
)
def test_read_rows_quarantines_one_bad_line_and_goes_on(tmp_path, line, words):
    path = tmp_path / "contacts.jsonl"
    path.write_bytes(line + b'\n{"id": 2}\n')

    bad, good = read_rows(path, FACTS)

    assert isinstance(bad, BadRow)
    assert bad.line == 1
    assert any(word in bad.reason for word in words.split("|"))
    assert good == RawRow(2, {"id": 2})


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_read_rows_never_raises(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("jsonl") / "contacts.jsonl"
    path.write_bytes(content)

    for row in read_rows(path, FACTS):
        assert isinstance(row, (RawRow, BadRow))
