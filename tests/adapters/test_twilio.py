"""Twilio: conversations cut at rests, calls joined with their legs and transcripts."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given

from closedloop.adapters.twilio import READER
from tests.adapters.fuzz import broken_versions, files_of, fuzzed, read_all
from tests.adapters.joined_rows import FIXTURES, fields_by_id, read, read_files, texts, without

EXPORT = FIXTURES / "twilio"


def sid(prefix: str, number: int) -> str:
    return f"{prefix}{number:032x}"


@pytest.fixture(scope="module")
def outcome():
    return read(READER, EXPORT)


@pytest.fixture(scope="module")
def rows():
    return fields_by_id(READER, EXPORT)


def changed(name, change):
    """Return the fixture with one of its files changed."""
    files = files_of(EXPORT)
    content = json.loads(files[name])
    change(content)
    return files | {name: json.dumps(content).encode()}


def test_messages_are_in_order_and_signed_by_customer_agent_or_bot(outcome):
    assert texts(outcome.contacts[sid("CH", 1)])[:3] == [
        "customer: I want my money back",
        "bot: You are number 2 in the queue",
        "agent: I have put it through.",
    ]


def test_more_than_12_hours_of_rest_begin_a_contact_that_follows(outcome, rows):
    second = f"{sid('CH', 1)}#2"
    assert texts(outcome.contacts[second]) == ["customer: Still nothing"]
    assert outcome.contacts[second].started_at.isoformat() == "2026-03-04T08:00:00+00:00"
    assert rows[second]["follows_contact_id"] == sid("CH", 1)


def test_exactly_12_hours_of_rest_do_not(tmp_path):
    def a_second_earlier(content):
        (message,) = [m for m in content["messages"] if m["body"] == "Still nothing"]
        message["date_created"] = "2026-03-04T07:59:59Z"

    found = read_files(READER, changed("messages.json", a_second_earlier), tmp_path)
    assert f"{sid('CH', 1)}#2" not in found.contacts


def test_a_late_answer_of_the_company_begins_no_contact(outcome):
    assert texts(outcome.contacts[sid("CH", 1)])[3:] == [
        "agent: It should be there now.",
        "customer: It is not",
    ]


def test_what_the_company_sent_and_conversations_without_words_are_left_out(outcome):
    assert set(outcome.skipped) == {sid("CH", 2), sid("CH", 4), sid("CA", 5)}


def test_roles_in_attributes_tell_who_is_who_without_numbers(outcome):
    contact = outcome.contacts[sid("CH", 3)]
    assert texts(contact) == ["customer: hello", "agent: hi there"]
    assert (contact.customer_id, contact.agent, contact.channel) == ("a91", "b22", "chat")


def test_what_is_signed_with_the_companys_own_number_is_not_the_customers(tmp_path):
    def sign(content):
        for message in content["messages"]:
            if message["conversation_sid"] == sid("CH", 1) and message["author"] == "system":
                message["author"] = "whatsapp:+447700900999"  # as Studio does

    found = read_files(READER, changed("messages.json", sign), tmp_path).contacts[sid("CH", 1)]

    assert texts(found)[1] == "bot: You are number 2 in the queue"
    assert found.customer_id == "+447700900111"


def test_an_agent_who_writes_from_a_telephone_is_one_where_attributes_say_so(tmp_path):
    def move(content):
        agent = next(p for p in content["participants"] if p["identity"] == "wendell")
        agent["messaging_binding"] = {"type": "sms", "address": "+447700900777"}
        agent["attributes"] = '{"member_type": "agent"}'

    found = read_files(READER, changed("participants.json", move), tmp_path)

    assert "agent: I have put it through." in texts(found.contacts[sid("CH", 1)])


def test_without_roles_and_numbers_nobody_is_said_to_be_the_customer(tmp_path):
    def forget(content):
        for participant in content["participants"]:
            participant["attributes"] = "{}"

    found = read_files(READER, changed("participants.json", forget), tmp_path)
    contact = found.contacts[sid("CH", 3)]
    assert texts(contact) == ["unknown: hello", "unknown: hi there"]
    assert contact.customer_id is None


def test_a_number_signs_for_the_customer_where_participants_are_missing(tmp_path, outcome):
    assert outcome.contacts[sid("CH", 5)].customer_id == "+447700900155"
    found = read_files(READER, without(files_of(EXPORT), ["participants"]), tmp_path)
    contact = found.contacts[sid("CH", 1)]
    assert (contact.customer_id, contact.channel) == ("+447700900111", "messaging")
    assert any("no participants" in reason for reason in found.facts.reasons)


def test_whatsapp_and_telephone_are_the_same_number(outcome):
    assert outcome.contacts[sid("CH", 1)].customer_id == "+447700900111"


def test_conversations_without_their_messages_say_so(tmp_path):
    found = read_files(READER, without(files_of(EXPORT), ["messages"]), tmp_path)
    assert sum("Add the messages" in refusal for refusal in found.refusals) == 4


def test_attributes_are_json_in_a_text(rows):
    assert rows[sid("CH", 1)]["attributes.reason"] == "Refund"
    assert not [key for key in rows[sid("CH", 3)] if key.startswith("attributes")]


def test_a_call_and_what_was_dialled_from_it_are_one_contact(outcome, rows):
    contact = outcome.contacts[sid("CA", 1)]
    assert contact.started_at.isoformat() == "2026-03-02T14:00:00+00:00"
    assert (contact.customer_id, contact.channel) == ("+447700900133", "phone")
    assert contact.handle_seconds == 120 + 240  # the leg nobody answered took nothing
    assert rows[sid("CA", 1)]["transfers"] == 1
    assert rows[sid("CA", 1)]["call_seconds"] == 500


def test_a_transcript_belongs_to_the_call_of_its_recording(outcome):
    contact = outcome.contacts[sid("CA", 1)]
    assert texts(contact) == [
        "customer: My boiler makes a noise.",
        "agent: Let me look at [REDACTED].",
    ]
    assert sid("GT", 1) not in outcome.contacts
    assert contact.disposition == "Repair booked"


def test_who_is_on_a_channel_is_what_the_transcript_says_else_the_default(outcome):
    assert texts(outcome.contacts[sid("GT", 2)]) == [
        "agent: Good evening, how can I help?",
        "customer: My invoice is wrong.",
    ]


def test_on_one_channel_nobody_is_told_apart(outcome):
    assert texts(outcome.contacts[sid("GT", 4)]) == ["unknown: One channel, two voices."]


def test_a_leg_without_its_call_and_a_transcript_without_time_say_what_is_missing(outcome):
    assert any(f"Add call {sid('CA', 77)}." in refusal for refusal in outcome.refusals)
    assert any(sid("GT", 3) in r and "media_start_time" in r for r in outcome.refusals)
    assert len(outcome.refusals) == 2


def test_a_number_that_is_not_shown_is_no_customer(outcome):
    assert outcome.contacts[sid("CA", 7)].customer_id is None


def test_names_as_the_libraries_write_them_are_understood(tmp_path, outcome):
    def camel(value):
        if isinstance(value, dict):
            return {re.sub(r"_(\w)", lambda m: m[1].upper(), k): camel(v) for k, v in value.items()}
        return [camel(item) for item in value] if isinstance(value, list) else value

    files = {}
    for name, content in files_of(EXPORT).items():
        files[name] = json.dumps(camel(json.loads(content))).encode()
    assert read_files(READER, files, tmp_path).contacts == outcome.contacts


def test_sentences_that_do_not_say_whose_they_are_are_set_aside(tmp_path):
    def forget(content):
        del content["meta"]

    found = read_files(READER, changed("sentences_a.json", forget), tmp_path)
    assert sum("sentence in sentences_a.json" in refusal for refusal in found.refusals) == 2


def test_no_conversation_loses_messages_to_a_file_that_breaks_off(tmp_path, outcome):
    content = files_of(EXPORT)["messages.json"]
    files = without(files_of(EXPORT), ["messages"])
    for number, length in enumerate(range(1, len(content), 131)):
        directory = tmp_path / str(number)
        directory.mkdir()
        found = read_files(READER, files | {"messages.json": content[:length]}, directory)
        for key, contact in found.contacts.items():
            assert contact.turns == outcome.contacts[key].turns


def test_a_number_is_an_identifier_to_link_customers_by(rows):
    assert rows[sid("CH", 1)]["customer_phone"] == "+447700900111"
    assert rows[sid("CA", 1)]["customer_phone"] == "+447700900133"
    assert "customer_phone" not in rows[sid("CH", 3)]


@fuzzed
@given(broken_versions(EXPORT))
def test_no_broken_export_upsets_the_reader(files):
    read_all(READER, files)
