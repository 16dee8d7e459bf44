"""Google's contact centre insights: uploaded entries, answers of the API, and a manifest."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given

from closedloop.adapters.google_insights import READER, is_resource, is_upload
from closedloop.adapters.types import BadRow, ParsedContact, RawRow
from tests.adapters.fuzz import broken_versions, fuzzed, read_all
from tests.adapters.vendor_reading import facts_in, fields_in, parsed_in, rows_in

FIXTURES = Path(__file__).parent / "fixtures" / "google_insights"
API = json.loads((FIXTURES / "api.json").read_bytes())["conversations"]
CHAT = json.loads((FIXTURES / "uploads" / "chat-0411.json").read_bytes())


def test_each_conversation_is_one_contact_with_an_id_from_its_name_or_its_file():
    rows = fields_in(READER, FIXTURES)

    assert list(rows) == ["9001", "9002", "call-0412", "call-0413", "chat-0411"]
    assert all(isinstance(o, ParsedContact) for o in parsed_in(READER, FIXTURES).values())


def test_entries_with_times_of_day_need_no_manifest():
    row = fields_in(READER, FIXTURES)["chat-0411"]

    assert row["started_at"] == "2026-03-02T09:00:00+00:00"
    assert [turn["speaker"] for turn in row["turns"]] == ["customer", "bot", "agent"]
    assert row["turns"][2]["text"] == "A technician comes on [DATE]."
    assert row["categories"] == "Internet, Fault"


def test_a_manifest_says_when_offsets_began_and_who_it_was():
    rows = fields_in(READER, FIXTURES)

    assert rows["call-0412"]["started_at"] == "2026-03-02T10:00:00+00:00"
    assert rows["call-0412"]["customer_id"] == rows["call-0413"]["customer_id"] == "C-77"
    assert (rows["call-0412"]["queue"], rows["call-0412"]["csat"]) == ("Billing", "4")
    assert "csat" not in rows["call-0413"]


def test_without_a_start_a_conversation_is_set_aside_and_the_others_are_read(tmp_path):
    shutil.copytree(FIXTURES / "uploads", tmp_path, dirs_exist_ok=True)

    rows = rows_in(READER, tmp_path)

    bad = [row.reason for row in rows if isinstance(row, BadRow)]
    assert len(bad) == 2
    assert "call-0412 in call-0412.json does not say when it began" in bad[0]
    assert [row.fields["contact_id"] for row in rows if isinstance(row, RawRow)] == ["chat-0411"]


def test_a_conversation_without_times_is_set_aside_and_not_passed_over(tmp_path):
    untimed = {
        "entries": [{k: v for k, v in e.items() if "usec" not in k} for e in CHAT["entries"]]
    }
    (tmp_path / "chat.json").write_text(json.dumps(untimed))
    (tmp_path / "other.json").write_text(json.dumps(CHAT))

    (row,) = (row for row in rows_in(READER, tmp_path) if isinstance(row, BadRow))

    assert "it has no times" in row.reason


def test_a_conversation_that_is_listed_but_not_there_is_said(tmp_path):
    shutil.copytree(FIXTURES, tmp_path / "export")
    (tmp_path / "export" / "uploads" / "call-0412.json").unlink()

    (row,) = (r for r in rows_in(READER, tmp_path / "export") if isinstance(r, BadRow))

    assert "lists call-0412, but no such conversation is among the files" in row.reason


def test_numbers_of_speakers_within_a_conversation_are_no_customers(tmp_path):
    entry = {"start_timestamp_usec": 1772442000000000, "text": "hi", "role": "CUSTOMER"}
    for name, user in (("a", 1), ("b", 1), ("c", 884412)):
        item = {"entries": [{**entry, "user_id": user}]}
        (tmp_path / f"{name}.json").write_text(json.dumps(item))

    rows = fields_in(READER, tmp_path)

    assert [row.get("customer_id") for row in rows.values()] == [None, None, "884412"]


def test_the_api_gives_start_words_and_who_spoke():
    row = fields_in(READER, FIXTURES)["9001"]

    assert row["started_at"] == "2026-03-04T08:30:00+00:00"
    assert [turn["speaker"] for turn in row["turns"]] == [
        *("customer", "agent", "customer", "unknown")
    ]
    assert (row["agent"], row["team"], row["disposition"]) == (
        "Mara Lind",
        "Leeds 2",
        "Moved house",
    )
    assert (row["channel"], row["customer_id"], row["language"]) == ("phone", "u-abc", "en")
    assert row["wait_seconds"] == 35
    assert row["labels.site"] == "Leeds"


def test_the_time_of_upload_is_never_the_start():
    rows = fields_in(READER, FIXTURES)

    assert rows["9002"]["started_at"] == "2026-03-05T07:00:00+00:00"  # of its first message
    assert rows["9002"]["customer_id"] == "x-9"
    no_times = {"name": API[1]["name"], "createTime": "2026-03-09T01:00:00Z"}
    assert is_resource(no_times)


def test_only_a_created_time_sets_a_conversation_aside(tmp_path):
    item = {"name": API[1]["name"], "createTime": "2026-03-09T01:00:00Z", "medium": "CHAT"}
    (tmp_path / "x.json").write_text(json.dumps([item]))

    (row,) = rows_in(READER, tmp_path)

    assert isinstance(row, BadRow)


def test_a_rating_on_an_unknown_scale_and_a_duration_are_columns_to_map_only():
    row = fields_in(READER, FIXTURES)["9001"]

    assert "csat" not in row
    assert "handle_seconds" not in row
    assert (row["satisfaction_rating"], row["duration_seconds"]) == (9, 245.5)


def test_lines_of_entries_have_ids_made_of_their_content(tmp_path):
    other = {"entries": [{**CHAT["entries"][0], "text": "Something else"}]}
    named = {**other, "conversation_id": "c-5"}
    lines = [json.dumps(item) for item in (CHAT, other, named)]
    (tmp_path / "all.jsonl").write_text("\n".join(lines))
    first = list(fields_in(READER, tmp_path))
    (tmp_path / "all.jsonl").write_text("\n".join(reversed(lines)))

    assert len(set(first)) == 3
    assert first[2] == "c-5"
    assert list(fields_in(READER, tmp_path)) == first[::-1]


def test_keys_in_snake_case_are_read_too(tmp_path):
    item = {
        "name": API[0]["name"],
        "start_time": "2026-03-04T08:30:00Z",
        "language_code": "en-GB",
        "quality_metadata": {"agent_info": [{"display_name": "Mara Lind"}]},
        "transcript": {
            "transcript_segments": [{"text": "Hi", "segment_participant": {"role": "END_USER"}}]
        },
    }
    (tmp_path / "x.json").write_text(json.dumps(item))

    (row,) = fields_in(READER, tmp_path).values()

    assert (row["agent"], row["language"], len(row["turns"])) == ("Mara Lind", "en", 1)


@pytest.mark.parametrize(
    "other",
    [
        {"id": 1, "source": {"delivered_as": "x"}, "conversation_parts": {}},
        {"entries": [{"term": "a", "count": 2}]},
        {"name": "Deliveries", "transcript": "hello"},
    ],
)
def test_other_objects_are_no_conversations(other):
    assert not is_upload(other)
    assert not is_resource(other)


def test_the_first_look_says_that_there_is_a_manifest():
    assert any("table beside" in reason for reason in facts_in(READER, FIXTURES).reasons)


@fuzzed
@given(broken_versions(FIXTURES))
def test_no_broken_export_upsets_the_reader(files):
    read_all(READER, files)
