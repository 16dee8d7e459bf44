"""One JSON list: record by record, a broken one costs itself."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given

from closedloop.adapters import json_stream
from closedloop.adapters.bundle import open_bundle
from closedloop.adapters.json_list import READER, read_rows, sniff_json_list
from closedloop.adapters.registry import recognise
from closedloop.adapters.types import BadRow, RawRow, UnreadableFile
from tests.adapters.fuzz import broken_versions, fuzzed, read_all

FIXTURE = Path(__file__).parent / "fixtures/json/contacts.json"


@pytest.fixture
def read(tmp_path):
    def read_file(content: str | bytes):
        path = tmp_path / "contacts.json"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        facts = sniff_json_list(path)
        assert facts is not None
        return list(read_rows(path, facts))

    return read_file


def ids(rows) -> list[object]:
    return [row.fields.get("id") if isinstance(row, RawRow) else None for row in rows]


def item(number: int, **values) -> str:
    return json.dumps({"id": number, "at": "2026-03-02", **values})


def test_a_list_is_recognised_with_the_keys_of_its_first_records():
    with open_bundle(FIXTURE) as bundle:
        reader, facts = recognise(bundle)
        rows = list(reader.read_rows(bundle, facts))

    assert (reader, facts.format) == (READER, "json")
    assert facts.header[:4] == ["contact_id", "started_at", "customer_id", "channel"]
    assert {"csat", "custom"} <= set(facts.header)
    assert [row.fields["contact_id"] for row in rows] == ["J-1", "J-2", "J-3"]
    assert [(row.line, row.place) for row in rows][1] == (2, "Record 2")


def test_a_list_inside_an_object_is_found_behind_other_values(read):
    rows = read(
        '{"count": 2, "ids": [1, 2], "meta": {"next": null, "x": [{"id": 9}]}, "tickets": ['
        + item(1)
        + ","
        + item(2)
        + '], "users": ['
        + item(3)
        + '], "tickets": ['
        + item(4)
        + "]}"
    )

    assert ids(rows) == [1, 2, 4]


def test_lists_written_one_after_another_are_read_like_one(read):
    assert ids(read(f"[{item(1)}]\n[{item(2)},\n{item(3)}]")) == [1, 2, 3]


@pytest.mark.parametrize(
    "text",
    [
        '[\n{"id": 1, "at": 2},\n{"id": 2, "at": "never closed},\n{"id": 3, "at": 4}\n]',
        '[\n  {"id": 1, "at": 2},\n  {"id": 2, at: {\n    "x": 1}},\n  {"id": 3, "at": 4}\n]',
        '[{"id": 1, "at": 2},{"id": 2, "at": [tru]},{"id": 3, "at": 4}]',
        '[{"id": 1, "at": 2},{"id": 2, "at": ' + "[" * 80 + "]" * 80 + '},{"id": 3, "at": 4}]',
        '[{"id": 1, "at": 2},{"id": 2, "at": ' + "9" * 5000 + '},{"id": 3, "at": 4}]',
        '[{"id": 1, "at": 2}, "two", {"id": 3, "at": 4}]',
    ],
    ids=["open quote", "pretty", "one line", "deep", "long number", "no object"],
)
def test_a_broken_record_costs_itself_and_no_other(read, text):
    rows = read(text)

    assert ids(rows) == [1, None, 3]
    assert rows[1].reason.startswith("Record 2 ")
    assert [row.line for row in rows] == [1, 2, 3]


def test_stray_brackets_do_not_go_on_for_ever(read):
    assert ids(read('[{"id": 1, "at": 2}, } }, {"id": 3, "at": 4}, x]')) == [1, None, None, 3, None]


def test_a_file_that_breaks_off_says_after_which_record(read):
    rows = read(f"[{item(1)}, {item(2)}, ")

    assert ids(rows) == [1, 2, None]
    assert "Record 3 is missing: the file breaks off" in rows[2].reason


def test_what_follows_the_list_is_not_passed_over_in_silence(read):
    rows = read(f"[{item(1)}] oops")

    assert ids(rows) == [1, None]
    assert "is followed by what is no list" in rows[1].reason


def test_records_come_whole_however_the_buffer_cuts_them(read, monkeypatch):
    last = item(3, u="é😀")
    text = f"[ {item(1, text='a' * 50)} ,\n {item(22, n=123456)},{last} ]"
    whole = read(text)
    monkeypatch.setattr(json_stream, "_CHUNK_CHARS", 1)

    assert read(text) == whole
    assert ids(whole) == [1, 22, 3]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[" * 5000, "more than 50 lists and objects"),
        ('{"a":' * 5000, "neither a list of objects"),
        ("[]", "is empty"),
        ('{"a": 1, "b": [1, 2]}', "neither a list of objects nor one whole object"),
        ("[1, 2, 3]", "Record 1 is no JSON object"),
        ('[{"id": 1}]', "single column"),
    ],
)
def test_json_without_contacts_is_refused_with_a_sentence(read, content, words):
    with pytest.raises(UnreadableFile, match=words):
        read(content)


def test_a_long_list_takes_no_more_memory_than_a_short_one(tmp_path):
    path = tmp_path / "long.json"
    with path.open("w") as stream:
        stream.write("[")
        for number in range(60_000):
            stream.write(("," if number else "") + item(number, text="word " * 20))
        stream.write("]")
    facts = sniff_json_list(path)

    tracemalloc.start()
    n_rows = sum(1 for _ in read_rows(path, facts))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert n_rows == 60_000
    assert path.stat().st_size > 8_000_000
    assert peak < 6_000_000


def test_bytes_outside_the_encoding_cost_their_record(read):
    rows = read(
        b'[{"id": 1, "at": "caf\xc3\xa9 ' + "é".encode() * 40 + b'"}, {"id": 2, "at": "\xff"}]'
    )

    assert isinstance(rows[1], BadRow)
    assert ids(rows) == [1, None]


@fuzzed
@given(broken_versions(FIXTURE))
def test_no_broken_list_upsets_the_reader(files):
    read_all(READER, files)


@pytest.mark.parametrize("filling", ["a", '\\"'])
def test_a_record_without_an_end_takes_little_more_than_what_is_kept_of_it(tmp_path, filling):
    path = tmp_path / "contacts.json"
    path.write_text('[{"id": 1, "text": "' + filling * (24_000_000 // len(filling)))

    tracemalloc.start()
    with pytest.raises(UnreadableFile, match="more than 16,777,216 characters"):
        sniff_json_list(path)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert most < 200_000_000
