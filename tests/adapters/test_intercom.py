"""Intercom: one contact per conversation, a further one when the customer comes back."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given

from closedloop.adapters.bundle import open_bundle
from closedloop.adapters.intercom import READER, is_conversation
from closedloop.adapters.parse import parse_row
from closedloop.adapters.types import BadRow, ParsedContact, RawRow, Skipped
from tests.adapters.fuzz import broken_versions, files_of, fuzzed, read_all

FIXTURES = Path(__file__).parent / "fixtures" / "intercom"
CONVERSATIONS = json.loads((FIXTURES / "conversations.json").read_bytes())["conversations"]


def recognised(folder):
    with open_bundle(folder) as bundle:
        facts = READER.recognise(bundle)
    assert facts is not None
    return facts


def read(folder):
    facts = recognised(folder)
    with open_bundle(folder) as bundle:
        return list(READER.read_rows(bundle, facts))


def by_id(rows):
    return {row.fields["contact_id"]: row.fields for row in rows}


def test_a_conversation_is_one_contact_until_the_customer_comes_back_after_a_rest():
    rows = by_id(read(FIXTURES))

    assert [key for key in rows if key.startswith("1001")] == ["1001", "1001#2"]
    assert rows["1001"]["started_at"] == "2026-03-02T09:00:00+00:00"
    assert rows["1001#2"]["started_at"] == "2026-03-06T09:00:00+00:00"
    assert rows["1001#2"]["follows_contact_id"] == "1001"
    assert "follows_contact_id" not in rows["1001"]
    assert rows["1001#2"]["customer_id"] == "c-amara"


@pytest.mark.parametrize(
    ("part", "comes_back"),
    [
        ({"part_type": "comment", "body": '<p><img src="https://x.example/1.png"></p>'}, True),
        ({"part_type": "comment", "body": None, "attachments": [{"type": "upload"}]}, True),
        ({"part_type": "conversation_rating_changed", "body": None, "attachments": []}, False),
    ],
)
def test_a_customer_who_comes_back_with_a_picture_only_is_a_contact(part, comes_back, tmp_path):
    first = json.loads(json.dumps(CONVERSATIONS[0]))
    parts = first["conversation_parts"]["conversation_parts"]
    at = max(p["created_at"] for p in parts) + 14 * 86_400
    author = {"type": "user", "id": "c-amara"}
    parts.append({"id": "99", "created_at": at, "author": author, **part})
    (tmp_path / "one.json").write_text(json.dumps([first]))

    assert ("1001#3" in by_id(read(tmp_path))) is comes_back


def test_a_conversation_of_the_api_of_before_is_read_alike(tmp_path):
    old = json.loads(json.dumps(CONVERSATIONS[0]))
    old["conversation_message"] = old.pop("source") | {"type": "conversation_message"}
    old["user"] = {"type": "user", "id": old.pop("contacts")["contacts"][0]["id"]}
    (tmp_path / "one.json").write_text(json.dumps([old]))
    of_today = by_id(read(FIXTURES))["1001"]

    row = by_id(read(tmp_path))["1001"]

    names = ("customer_id", "channel", "turns", "started_at", "direction")
    assert [row[name] for name in names] == [of_today[name] for name in names]


def test_a_list_read_later_takes_no_parts_from_a_conversation(tmp_path):
    listed = {k: v for k, v in CONVERSATIONS[0].items() if k != "conversation_parts"}
    (tmp_path / "a.json").write_text(json.dumps(CONVERSATIONS[0]))
    (tmp_path / "list.json").write_text(json.dumps({"conversations": [listed]}))

    assert list(by_id(read(tmp_path))) == ["1001", "1001#2"]


@pytest.mark.parametrize("name", ["data", "results", "items", "response"])
def test_conversations_in_a_list_of_any_usual_name_are_the_same(name, tmp_path):
    for folder, key in (("known", "conversations"), ("other", name)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "page.json").write_text(json.dumps({key: CONVERSATIONS}))

    assert by_id(read(tmp_path / "other")) == by_id(read(tmp_path / "known"))


def test_the_first_message_comes_from_the_source_and_html_becomes_text():
    turns = by_id(read(FIXTURES))["1001"]["turns"]

    assert turns[0] == {
        "speaker": "customer",
        "text": "My parcel was due on Friday & never came.\nWhere is it?",
    }
    assert [turn["speaker"] for turn in turns] == ["customer", "agent", "customer"]


def test_the_customer_can_be_linked_by_the_address_that_the_first_message_came_from(tmp_path):
    first = json.loads(json.dumps(CONVERSATIONS[0]))
    first["source"]["author"]["email"] = "amara@mail.example"
    (tmp_path / "one.json").write_text(json.dumps([first]))

    rows = by_id(read(tmp_path))

    assert {row["customer_email"] for row in rows.values()} == {"amara@mail.example"}
    assert READER.mapping(recognised(tmp_path)).identifiers["email"] == "customer_email"


def test_a_second_person_of_a_conversation_lends_the_customer_no_address(tmp_path):
    first = json.loads(json.dumps(CONVERSATIONS[0]))
    first["source"]["author"] |= {"id": "somebody-else", "email": "other@mail.example"}
    (tmp_path / "one.json").write_text(json.dumps([first]))

    assert not any("customer_email" in row for row in by_id(read(tmp_path)).values())


def test_notes_and_words_to_colleagues_never_leave_the_file():
    everything = json.dumps([dict(row.fields) for row in read(FIXTURES)])

    assert "do not tell her" not in everything
    assert "she is angry" not in everything


def test_an_answer_to_a_mail_after_sixty_hours_is_the_same_contact():
    rows = by_id(read(FIXTURES))

    assert [key for key in rows if key.startswith("1002")] == ["1002"]
    assert [turn["text"] for turn in rows["1002"]["turns"]] == [
        "Invoice 2291\nThe invoice shows the old address.",
        "Which address is right?",
        "12 Mill Lane.",
    ]


def test_what_the_company_began_is_a_contact_only_once_the_customer_answers():
    rows = by_id(read(FIXTURES))

    assert rows["1003"]["direction"] == "outbound"
    assert rows["1004"]["direction"] == "inbound"
    assert rows["1004"]["started_at"] == "2026-03-03T09:00:00+00:00"
    assert [turn["speaker"] for turn in rows["1004"]["turns"]] == ["agent", "customer"]
    assert rows["1005"]["direction"] == "inbound"


def test_answers_of_the_ai_agent_are_the_bots():
    turns = by_id(read(FIXTURES))["1005"]["turns"]

    assert [turn["speaker"] for turn in turns] == ["customer", "bot"]


def test_silence_is_not_success():
    rows = by_id(read(FIXTURES))

    assert rows["1005"]["survey_resolved"] is True
    assert "resolved" not in rows["1005"]  # the bot closed it
    assert "survey_resolved" not in rows["1006"]
    assert "resolved" not in rows["1006"]
    assert rows["1001#2"]["resolved"] is True
    assert "resolved" not in rows["1001"]
    assert rows["1002"]["resolved"] is False
    assert rows["1007"]["resolved"] is False


def test_the_rating_belongs_to_the_contact_it_was_given_for():
    rows = by_id(read(FIXTURES))

    assert rows["1001#2"]["csat"] == 2
    assert "csat" not in rows["1001"]


def test_working_time_is_not_guessed_where_a_conversation_is_several_contacts():
    rows = by_id(read(FIXTURES))

    assert "handle_seconds" not in rows["1001"]
    assert rows["1001"]["statistics.handling_time"] == 660
    assert rows["1002"]["handle_seconds"] == 90


def test_a_redacted_message_stays_a_message():
    rows = by_id(read(FIXTURES))

    assert rows["1006"]["turns"][0] == {"speaker": "customer", "text": "[REDACTED]"}
    assert rows["1006"]["customer_id"] == "c-raj"


def test_a_call_without_words_is_a_contact():
    row = by_id(read(FIXTURES))["1007"]

    assert (row["channel"], row["turns"], row["direction"]) == ("phone", [], "inbound")


def test_channels_have_our_names():
    rows = by_id(read(FIXTURES))

    found = {key: rows[key]["channel"] for key in ("1001", "1002", "1004", "1006", "1007")}
    assert found == {
        **{"1001": "chat", "1002": "email", "1004": "push", "1006": "messaging", "1007": "phone"}
    }


def test_names_of_teams_and_admins_are_taken_where_the_bundle_has_them():
    rows = by_id(read(FIXTURES))

    assert (rows["1001"]["team"], rows["1001"]["agent"]) == ("Deliveries", "Ben Okafor")
    assert rows["1002"]["team"] == "78"


def test_tags_and_custom_attributes_can_be_mapped_instead():
    row = by_id(read(FIXTURES))["1001"]
    facts = recognised(FIXTURES)

    assert row["tags"] == "delivery, vip"
    assert row["custom_attributes.Reason"] == "Where is my order"
    assert "custom_attributes.Nested" not in row
    assert {"tags", "custom_attributes.Reason"} <= set(facts.header)


@pytest.mark.parametrize("shape", ["lines", "list", "single lines of pages", "bom"])
def test_lines_lists_and_pages_give_the_same_contacts(tmp_path, shape):
    text = {
        "lines": "\n".join(json.dumps(item) for item in CONVERSATIONS),
        "list": json.dumps(CONVERSATIONS),
        "single lines of pages": "\n".join(
            json.dumps({"conversations": [item], "pages": {"next": None}}) for item in CONVERSATIONS
        ),
        "bom": "\ufeff" + json.dumps({"conversations": CONVERSATIONS}),
    }[shape]
    (tmp_path / "export").write_text(text, encoding="utf-8")
    (tmp_path / "names.json").write_bytes((FIXTURES / "names.json").read_bytes())

    assert by_id(read(tmp_path)) == by_id(read(FIXTURES))


def test_a_broken_conversation_costs_itself(tmp_path):
    lines = [json.dumps(item) for item in CONVERSATIONS]
    lines[1] = lines[1][: len(lines[1]) // 2]
    (tmp_path / "export.jsonl").write_text("\n".join(lines), encoding="utf-8")

    rows = read(tmp_path)

    assert sum(isinstance(row, BadRow) for row in rows) == 1
    good = {row.fields["contact_id"] for row in rows if isinstance(row, RawRow)}
    assert good == {"1001", "1001#2", "1003", "1004", "1005", "1006", "1007"}


def test_a_conversation_without_a_time_is_refused_with_its_place(tmp_path):
    item = {key: value for key, value in CONVERSATIONS[6].items() if key != "created_at"}
    (tmp_path / "one.json").write_text(json.dumps([item]), encoding="utf-8")

    (row,) = read(tmp_path)
    facts = recognised(tmp_path)
    assert READER.mapping is not None
    found = parse_row(row, READER.mapping(facts), now=datetime(2026, 6, 1, tzinfo=UTC))

    assert row.where == "conversation 1007 in one.json"
    assert not isinstance(found, ParsedContact)


def test_the_list_of_the_api_says_that_parts_are_missing(tmp_path):
    items = [{k: v for k, v in item.items() if k != "conversation_parts"} for item in CONVERSATIONS]
    (tmp_path / "list.json").write_text(json.dumps(items), encoding="utf-8")

    facts = recognised(tmp_path)

    assert any("first message only" in reason for reason in facts.reasons)


@pytest.mark.parametrize(
    "other",
    [
        {"id": 1, "body": "hi", "part_type": "comment", "author": {"type": "user"}},
        {"id": 1, "subject": "x", "source": 2, "status": 4},
        {"entries": [{"role": "CUSTOMER", "text": "hi"}]},
        {"type": "team", "id": "1", "name": "x"},
    ],
)
def test_other_objects_are_no_conversations(other):
    assert not is_conversation(other)


@fuzzed
@given(broken_versions(FIXTURES))
def test_no_broken_export_upsets_the_reader(files):
    read_all(READER, files)


def test_the_sound_export_makes_the_contacts_it_should():
    found = read_all(READER, files_of(FIXTURES))

    assert found is not None
    assert sum(isinstance(outcome, ParsedContact) for outcome in found) == 7
    assert sum(isinstance(outcome, Skipped) for outcome in found) == 1
    assert len(found) == 8


def test_of_two_versions_of_a_conversation_the_newer_one_counts(tmp_path):
    old = {**CONVERSATIONS[1], "updated_at": 1772442001, "conversation_parts": {}}
    (tmp_path / "a.json").write_text(json.dumps([CONVERSATIONS[1]]), encoding="utf-8")
    (tmp_path / "b.json").write_text(json.dumps([old]), encoding="utf-8")

    (row,) = read(tmp_path)

    assert len(row.fields["turns"]) == 3
