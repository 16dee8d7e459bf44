"""Objects out of JSON: in every shape, beyond memory, around what is broken."""

from __future__ import annotations

import json
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from closedloop.adapters import vendor_json
from closedloop.adapters.vendor_json import BrokenJson, is_json, peek_objects, read_objects

RECORDS = [{"id": n, "parts": [{"id": 100 + n, "text": 'a "b" {c} ]'}]} for n in range(5)]


def is_record(item):
    return "parts" in item


def read(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "export"
    path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
    return list(read_objects(path, lists=("items",), is_record=is_record))


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(map(json.dumps, RECORDS)),
        "\r\n\r\n".join(map(json.dumps, RECORDS)) + "\r\n",
        json.dumps(RECORDS),
        json.dumps(RECORDS, indent=2),
        "".join(map(json.dumps, RECORDS)),
        json.dumps({"next": None, "items": RECORDS, "count": 5, "more": {"id": 1, "items": 3}}),
        json.dumps({"items": RECORDS[:2]}) + "\n" + json.dumps({"items": RECORDS[2:], "n": [1]}),
        json.dumps([{"items": RECORDS[:3]}, {"items": []}, {"items": RECORDS[3:]}]),
    ],
)
@pytest.mark.parametrize("block", [1, 7, 64, 1 << 20])
def test_every_shape_gives_the_same_objects_wherever_blocks_end(tmp_path, monkeypatch, text, block):
    monkeypatch.setattr(vendor_json, "_BLOCK", block)

    assert read(tmp_path, text) == RECORDS


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_the_encoding_is_told_from_the_content(tmp_path, encoding):
    assert read(tmp_path, json.dumps([{"parts": "Zürich"}], ensure_ascii=False), encoding) == [
        {"parts": "Zürich"}
    ]


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ('{"id": 9, "parts": [{"id": 1, "text": "he said "no" twice"}], "x": {"id": 2}}', "valid"),
        ('{"id": 9, "parts": [{"id": 1, "text": "never closed}], "x": {"id": 2}}', "valid"),
        ('{"id": 9, "parts": [{"id": 1}, {"id": 2', "valid"),
        ('{"id": 9, "parts": ' + "[" * 100_000 + "}", "valid|deep"),
        ('{"id": 9, "parts": ' + "9" * 5000 + "}", "too long"),
        ("null", "no JSON object"),
        ('"a string"', "no JSON object"),
        ("rubbish", "valid"),
        ("{'id': 9}", "valid"),
    ],
)
@pytest.mark.parametrize("between", ["\n", ",\n", ", "])
def test_a_broken_object_costs_itself(tmp_path, broken, words, between):
    text = between.join([json.dumps(RECORDS[0]), broken, *map(json.dumps, RECORDS[1:])])

    found = read(tmp_path, text if between == "\n" else f"[{text}]")

    bad = [item for item in found if isinstance(item, BrokenJson)]
    assert [item for item in found if isinstance(item, dict)] == RECORDS
    assert len(bad) == 1
    assert any(word in bad[0].problem for word in words.split("|"))


def test_a_file_that_breaks_off_loses_its_last_object_only(tmp_path):
    text = json.dumps({"items": RECORDS})

    found = read(tmp_path, text[: text.rindex("{") + 5])

    assert found[:-1] == RECORDS[:4]
    assert isinstance(found[-1], BrokenJson)


def test_bytes_outside_the_encoding_cost_their_object(tmp_path):
    lines = [json.dumps(item).encode() for item in RECORDS]
    lines.insert(2, b'{"parts": "caf\xe9"}')
    text = b"\n".join([*lines, ('{"parts": "' + "Zürich " * 40 + '"}').encode()])

    found = read(tmp_path, text)

    assert found[:2] + found[3:6] == RECORDS
    assert isinstance(found[2], BrokenJson)
    assert "encoding" in found[2].problem
    found[2].raw.encode()


def test_an_object_that_is_too_long_costs_itself(tmp_path, monkeypatch):
    monkeypatch.setattr(vendor_json, "MAX_OBJECT_CHARS", 10_000)
    monkeypatch.setattr(vendor_json, "_BLOCK", 1000)
    long = {"id": 7, "parts": [{"id": 1, "text": "x" * 50_000}]}

    found = read(tmp_path, json.dumps([RECORDS[0], long, *RECORDS[1:]]))

    assert [item for item in found if isinstance(item, dict)] == RECORDS
    assert [item.problem for item in found if isinstance(item, BrokenJson)] == [
        vendor_json._TOO_LONG
    ]


def test_a_page_larger_than_memory_is_read_piece_by_piece(tmp_path):
    path = tmp_path / "export"
    record = json.dumps({"parts": "x" * 2000})
    with path.open("w") as stream:
        stream.write('{"items": [' + record)
        for _ in range(20_000):
            stream.write("," + record)
        stream.write("]}")

    tracemalloc.start()
    count = sum(1 for _ in read_objects(path, lists=("items",), is_record=is_record))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert count == 20_001
    assert path.stat().st_size > 40_000_000
    assert peak < 10_000_000


def test_peek_takes_the_first_whole_objects_and_nothing_of_what_is_no_json(tmp_path):
    path = tmp_path / "export"
    path.write_text(json.dumps(RECORDS))
    other = tmp_path / "other"
    other.write_text("id,parts\n1,{}\n")

    assert peek_objects(path, lists=(), is_record=is_record, limit=2) == RECORDS[:2]
    assert peek_objects(other, lists=(), is_record=is_record) == []
    assert is_json(path)
    assert not is_json(other)


@given(st.binary(max_size=300) | st.text('{}[]":,items12 \\', max_size=80).map(str.encode))
@settings(max_examples=300, deadline=None)
def test_no_content_raises(tmp_path_factory, content):
    for item in read(tmp_path_factory.mktemp("json"), content):
        assert isinstance(item, (dict, BrokenJson))
