"""Records out of JSON files: a broken one costs itself, a large file no memory."""

from __future__ import annotations

import json
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from closedloop.adapters.json_records import Broken, Record, looks_like_json, read_records

NAMES = ("tickets", "users", "ticket")


def read(path, content, *, limit=None, needs=("id",)):
    path = path / "export.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(
        read_records(path, NAMES, lambda name, value: value.keys() >= set(needs), limit=limit)
    )


def plain(records):
    return [
        (r.list_name, r.value["id"]) if isinstance(r, Record) else (r.reason, r.is_end)
        for r in records
    ]


@pytest.mark.parametrize(
    "content",
    [
        '{"tickets": [{"id": 1}, {"id": 2}], "after_url": "x"}',
        '{"tickets": [{"id": 1}]}\n{"tickets": [{"id": 2}]}\n',
        '[{"tickets": [{"id": 1}]}, {"tickets": [{"id": 2}]}]',
        '{"ticket": {"id": 1}} {"ticket": {"id": 2}}'.replace('"ticket"', '"tickets"'),
    ],
)
def test_pages_lists_of_pages_and_lines_of_pages_hold_the_same_records(tmp_path, content):
    assert plain(read(tmp_path, content)) == [("tickets", 1), ("tickets", 2)]


def test_records_that_stand_by_themselves_are_records(tmp_path):
    expected = [("", 1), ("", 2)]
    assert plain(read(tmp_path, '{"id": 1}\n{"id": 2, "tickets": [{"id": 9}]}\n')) == expected
    assert plain(read(tmp_path, '\ufeff[{"id": 1},{"id": 2}]')) == expected
    assert plain(read(tmp_path, '{"id": 1}\n{"id": 2}'.encode("utf-16"))) == expected


def test_a_page_says_beside_its_list_whose_it_is(tmp_path):
    (record,) = read(tmp_path, '{"tickets": [{"id": 1}], "meta": {"url": "/7"}}')
    assert record.context == {"meta": {"url": "/7"}}


@pytest.mark.parametrize(
    "broken",
    [
        '{"id": 2, "a": [{"id": 5}], x}',
        '{"id": 2, "a": "[{"id": 5}]}',
        '{"id": 2, "a": "\x07"}',
        '{"id": 2, "a": ' + "[" * 100_000 + "]" * 100_000 + "}",
        '{"id": ' + "9" * 5_000 + ', "a": []}',
    ],
)
def test_a_broken_record_costs_itself_and_not_the_one_after_it(tmp_path, broken):
    content = f'{{"tickets": [{{"id": 1, "a": []}},{broken},{{"id": 3, "a": []}}]}}'
    first, bad, last = read(tmp_path, content)
    assert plain([first, last]) == [("tickets", 1), ("tickets", 3)]
    assert isinstance(bad, Broken)
    assert not bad.is_end
    assert bad.raw.startswith('{"id": ')


@pytest.mark.parametrize("broken", ['{"id": 2,', '{"id": 2, "a": "x', "nonsense", '{"id" 2}'])
def test_a_broken_line_costs_itself_and_not_the_one_after_it(tmp_path, broken):
    records = read(tmp_path, f'{{"id": 1}}\n{broken}\n{{"id": 3}}\n')
    assert plain([records[0], records[-1]]) == [("", 1), ("", 3)]
    assert [r.is_end for r in records if isinstance(r, Broken)] == [False]


def test_bytes_outside_the_encoding_break_their_record_only(tmp_path):
    records = read(tmp_path, b'[{"id": 1}, {"id": 2, "a": "caf\xe9"}, {"id": 3}]')
    assert plain(records) == [("", 1), ("holds bytes that are not UTF-8", False), ("", 3)]


@pytest.mark.parametrize("content", ['{"tickets": [{"id": 1}, {"id": 2', '[{"id": 1}', '{"id": 1'])
def test_a_file_that_breaks_off_says_so_once(tmp_path, content):
    broken = [r for r in read(tmp_path, content) if isinstance(r, Broken)]
    assert [(b.reason, b.is_end) for b in broken] == [("breaks off before its end", True)]


def test_every_cut_of_a_page_gives_whole_records_and_says_that_it_is_cut(tmp_path):
    content = json.dumps({"tickets": [{"id": n, "a": [{"id": 50 + n}]} for n in range(4)]})
    whole = read(tmp_path, content, needs=("id", "a"))
    for length in range(1, len(content)):
        found = read(tmp_path, content[:length], needs=("id", "a"))
        values = [r.value for r in found if isinstance(r, Record)]
        assert values == [r.value for r in whole][: len(values)]
        assert isinstance(found[-1], Broken)


def test_what_is_no_object_is_said_to_be_none(tmp_path):
    records = read(tmp_path, '{"tickets": [7, {"id": 1}, "x"]}')
    assert [r.reason for r in records if isinstance(r, Broken)] == ["is no JSON object"] * 2


def test_a_page_larger_than_what_is_decoded_at_once_is_read_in_bounded_memory(tmp_path):
    path = tmp_path / "large.json"
    with path.open("w") as stream:
        stream.write('{"count": 1, "tickets": [')
        for n in range(30_000):
            stream.write(json.dumps({"id": n, "text": "word " * 200}) + ",")
        stream.write('{"id": -1}]}')
    tracemalloc.start()
    n_records = sum(1 for _ in read_records(path, NAMES, lambda name, value: "id" in value))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert n_records == 30_001
    assert path.stat().st_size > 30_000_000
    assert peak < 40_000_000


def test_a_limit_ends_the_file_there(tmp_path):
    content = "[" + ",".join(f'{{"id": {n}}}' for n in range(1000)) + "]"
    records = read(tmp_path, content, limit=100)
    assert 5 < len(records) < 15


@pytest.mark.parametrize(
    ("content", "is_it"),
    [(b"  {", True), (b"\xef\xbb\xbf[", True), (b"a,b", False), (b"", False), (b"%PDF", False)],
)
def test_looks_like_json_goes_by_the_first_character(tmp_path, content, is_it):
    path = tmp_path / "file"
    path.write_bytes(content)
    assert looks_like_json(path) is is_it


@given(st.lists(st.sampled_from([*'{}[]",:\n \\', "1", "id", "tickets", '"id"']), max_size=40))
@settings(max_examples=300, deadline=None)
def test_read_records_never_raises_and_comes_to_an_end(tmp_path_factory, pieces):
    read(tmp_path_factory.mktemp("records"), "".join(pieces))


@pytest.mark.parametrize("levels", [60, 5_000])
@pytest.mark.parametrize(
    "content",
    [
        '{"tickets": [{"id": 1}, {"id": 2, "a": @@}, {"id": 3}]}',
        '[{"id": 1}, {"id": 2, "a": @@, "b": "]}{[\\"]"}, {"id": 3}]',
        '{"id": 1}\n{"id": 2, "a": @@}\n{"id": 3}\n',
        '{"tickets": [{"id": 1}]}\n{"b": @@, "tickets": [{"id": 3}]}\n',
    ],
)
def test_what_goes_too_deep_costs_itself_alone(tmp_path, content, levels):
    deep = '{"tickets": ["]", ' * levels + "1" + "]}" * levels

    found = plain(read(tmp_path, content.replace("@@", deep)))

    assert sorted(found[i][1] for i in range(len(found)) if found[i][0] in ("", "tickets")) == [
        1,
        3,
    ]
    broken = [f for f in found if f[0] not in ("", "tickets")]
    assert broken == [("holds more than 50 lists and objects inside each other", False)]


def test_a_string_that_goes_on_behind_what_is_read_at_once_is_no_part_of_the_depth(tmp_path):
    deep = "[" * 2_000 + json.dumps("]" * 700_000) + "]" * 2_000

    found = plain(read(tmp_path, '{"tickets": [{"id": 1, "a": ' + deep + '}, {"id": 2}]}'))

    assert found[1:] == [("tickets", 2)]
    cut = plain(read(tmp_path, '{"tickets": [{"id": 1, "a": ' + deep))
    assert cut == [("holds more than 50 lists and objects inside each other", True)]
