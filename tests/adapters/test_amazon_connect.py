"""Amazon Connect: analyses joined with contact records, legs joined to contacts."""

from __future__ import annotations

import json

import pytest
from hypothesis import given

from closedloop.adapters.amazon_connect import READER
from tests.adapters.fuzz import broken_versions, files_of, fuzzed, read_all
from tests.adapters.joined_rows import FIXTURES, fields_by_id, read, read_files, texts, without

EXPORT = FIXTURES / "amazon_connect"


def uid(number: int) -> str:
    return f"5f0c{number:04d}-7a11-4c2e-9b60-1d2e3f4a{number:04d}"


@pytest.fixture(scope="module")
def outcome():
    return read(READER, EXPORT)


def row_of(contact_id):
    return fields_by_id(READER, EXPORT)[contact_id]


def change_records(change):
    """Return the fixture with each contact record changed."""
    files = files_of(EXPORT)
    rows = [json.loads(line) for line in files["contact_records.jsonl"].splitlines()]
    rows = [changed for row in rows if (changed := change(row)) is not None]
    return files | {"contact_records.jsonl": b"\n".join(json.dumps(r).encode() for r in rows)}


def test_legs_of_a_transfer_are_one_contact_that_began_with_the_first(outcome):
    contact = outcome.contacts[uid(1)]
    assert contact.started_at.isoformat() == "2026-03-02T09:30:00+00:00"
    assert contact.customer_id == "+442079460101"
    assert (contact.queue, contact.agent) == ("Metering", "j.holloway")
    # 540 + 30 and 595 + 60 of the two agents, 95 of the colleague who was asked
    assert contact.handle_seconds == 540 + 30 + 595 + 60 + 95
    assert not {uid(2), uid(3)} & outcome.contacts.keys()


def test_a_question_to_a_colleague_is_no_transfer_and_no_wait(outcome):
    with_rows = row_of(uid(1))
    assert with_rows["transfers"] == 1
    assert with_rows["wait_seconds"] == 40 + 60


def chat(number, began, subtype, **more):
    return {
        "ContactId": uid(number),
        "InitiationMethod": "API",
        "Channel": "CHAT",
        "InitiationTimestamp": began,
        "SegmentAttributes": {"connect:Subtype": {"ValueString": subtype}},
        **more,
    }


@pytest.mark.parametrize(
    ("began", "is_contact"), [("2026-03-02T09:31:00Z", False), ("2026-03-03T09:31:00Z", True)]
)
def test_a_guide_is_no_contact_while_an_agent_goes_through_it(began, is_contact, tmp_path):
    guide = chat(90, began, "connect:Guide", RelatedContactId=uid(1))
    files = files_of(EXPORT) | {"guide.jsonl": json.dumps(guide).encode()}

    assert (uid(90) in read_files(READER, files, tmp_path).contacts) is is_contact


def test_messages_by_way_of_apple_are_messaging(tmp_path):
    record = chat(91, "2026-03-02T09:31:00Z", "connect:Apple")
    files = files_of(EXPORT) | {"apple.jsonl": json.dumps(record).encode()}

    assert read_files(READER, files, tmp_path).contacts[uid(91)].channel == "messaging"


PUT_THROUGH = {
    "ContactId": uid(92),
    "InitiationMethod": "INBOUND",
    "Channel": "VOICE",
    "InitiationTimestamp": "2026-03-02T17:12:59Z",
    "DisconnectTimestamp": "2026-03-02T17:47:28Z",
    "TransferCompletedTimestamp": "2026-03-02T17:28:12Z",
    "TransferredToEndpoint": {"Address": "+441632960009", "Type": "TELEPHONE_NUMBER"},
    "Agent": {
        "Username": "s.lark",
        "ConnectedToAgentTimestamp": "2026-03-02T17:20:32Z",
        "AgentInteractionDuration": 239,
        "CustomerHoldDuration": 221,
        "AfterContactWorkStartTimestamp": "2026-03-02T17:28:12Z",
        "AfterContactWorkDuration": 5,
    },
}


def put_through(tmp_path, **changed):
    record = PUT_THROUGH | changed
    read_files(READER, {"records.jsonl": json.dumps(record).encode()}, tmp_path)
    return fields_by_id(READER, tmp_path)[uid(92)]


def test_an_agent_who_puts_the_customer_through_to_outside_has_worked_until_then(tmp_path):
    row = put_through(tmp_path)

    assert (row["handle_seconds"], row["transfers"]) == (239 + 221 + 5, 1)


def test_a_colleague_who_stays_when_the_agent_has_left_was_no_question(tmp_path):
    leg = {
        "ContactId": uid(93),
        "InitiationMethod": "TRANSFER",
        "InitialContactId": uid(92),
        "PreviousContactId": uid(92),
        "InitiationTimestamp": "2026-03-02T17:27:00Z",
        "DisconnectTimestamp": "2026-03-02T17:47:27Z",  # a second before the customer was gone
    }
    first = PUT_THROUGH | {"TransferredToEndpoint": None, "NextContactId": uid(93)}
    lines = [json.dumps(record).encode() for record in (first, leg)]
    read_files(READER, {"records.jsonl": b"\n".join(lines)}, tmp_path)

    assert fields_by_id(READER, tmp_path)[uid(92)]["transfers"] == 1


def test_a_third_party_who_was_only_asked_is_no_transfer(tmp_path):
    agent = PUT_THROUGH["Agent"] | {"AfterContactWorkStartTimestamp": "2026-03-02T17:47:28Z"}
    row = put_through(tmp_path, Agent=agent)

    assert (row["handle_seconds"], row["transfers"]) == (1616 + 5, 0)


def test_a_menu_that_puts_the_customer_through_to_outside_is_a_transfer(tmp_path):
    assert put_through(tmp_path, Agent=None)["transfers"] == 1


def test_the_redacted_copy_is_read_and_the_raw_one_never(outcome):
    said = texts(outcome.contacts[uid(1)])
    assert said == [
        "agent: Good morning, how can I help?",
        "customer: This is [PII], my meter reading was refused.",
        "agent: Billing team here, I have your reading now.",
        "customer: Thank you.",
    ]
    assert not any("Ottilie" in text for c in outcome.contacts.values() for text in texts(c))


def test_a_broken_redacted_copy_does_not_bring_the_raw_one_in(tmp_path):
    files = files_of(EXPORT)
    (name,) = [n for n in files if f"{uid(1)}_analysis_redacted" in n]
    outcome = read_files(READER, files | {name: files[name][:-200]}, tmp_path)
    assert uid(1) not in outcome.contacts
    assert any(uid(1) in r and "cannot be read whole" in r for r in outcome.refusals)


def test_abandoned_is_queued_never_answered_and_ended_by_the_customer():
    row = row_of(uid(4))
    assert (row["abandoned"], row["wait_seconds"]) == (True, 180)
    assert "handle_seconds" not in row
    assert row_of(uid(1))["abandoned"] is False


def test_a_callback_belongs_to_the_call_that_asked_for_it():
    row = row_of(uid(10))
    assert (row["abandoned"], row["transfers"], row["handle_seconds"]) == (False, 0, 300)
    assert row["agent"] == "s.lindqvist"


def test_a_number_that_is_not_shown_is_no_customer(outcome):
    assert outcome.contacts[uid(4)].customer_id is None


def test_a_customer_id_counts_more_than_a_number_and_a_new_call_is_a_contact_of_its_own(outcome):
    assert outcome.contacts[uid(6)].customer_id == "CRM-88121"
    assert row_of(uid(6))["follows_contact_id"] == uid(1)


def test_outbound_and_monitored_calls_are_left_out(outcome):
    assert set(outcome.skipped) == {uid(5), uid(12)}


def test_a_chat_without_record_has_its_time_and_no_customer(outcome):
    contact = outcome.contacts[uid(9)]
    assert contact.started_at.isoformat() == "2026-03-02T20:00:05+00:00"
    assert (contact.channel, contact.customer_id) == ("chat", None)
    assert texts(contact)[:2] == [
        "bot: Welcome, someone will be with you soon.",
        "customer: My direct debit went out twice.",
    ]
    assert len(contact.turns) == 3  # neither who joined nor a picker is something said


def test_a_call_without_record_says_which_record_is_missing(outcome):
    assert any(f"Add the contact record of {uid(8)}." in r for r in outcome.refusals)


def test_a_leg_whose_first_leg_is_missing_is_no_contact(outcome):
    assert any(f"Add the contact record of {uid(13)}." in r for r in outcome.refusals)
    assert uid(14) not in outcome.contacts
    assert len(outcome.refusals) == 2


def test_an_answer_of_the_api_is_read_like_an_export(outcome):
    contact = outcome.contacts[uid(15)]
    assert contact.started_at.isoformat() == "2026-03-02T12:20:00+00:00"
    assert (contact.queue, contact.agent) == ("Moving home", "m.okonkwo")
    assert contact.handle_seconds == 120 + 15


def test_an_attribute_of_a_telling_name_is_the_disposition_and_the_last_leg_says_it(outcome):
    assert outcome.contacts[uid(1)].disposition == "Reading corrected"
    assert "attributes.Tariff" in outcome.facts.header


def test_the_newest_record_of_a_contact_counts(tmp_path):
    def older(row):
        if row["ContactId"] == uid(6):
            row |= {"LastUpdateTimestamp": "2026-03-02T12:01:00Z", "CustomerId": "CRM-OLD"}
        return row

    old = change_records(older)["contact_records.jsonl"]
    outcome = read_files(READER, files_of(EXPORT) | {"z_older.jsonl": old}, tmp_path)
    assert outcome.contacts[uid(6)].customer_id == "CRM-88121"


def test_the_order_of_the_files_does_not_matter(tmp_path, outcome):
    files = files_of(EXPORT)
    renamed = {f"{99 - n}/{name}": files[name] for n, name in enumerate(sorted(files))}
    other = read_files(READER, renamed, tmp_path)
    same = {key: contact._replace(line=0) for key, contact in other.contacts.items()}
    assert same == {key: contact._replace(line=0) for key, contact in outcome.contacts.items()}


def test_records_may_be_a_table(tmp_path):
    table = (
        "ContactId,InitiationMethod,InitiationTimestamp,DisconnectTimestamp,Channel,Queue.Name,"
        "CustomerEndpoint.Address,Attributes.Reason\n"
        f"{uid(8)},INBOUND,2026-03-02T20:55:00Z,2026-03-02T20:58:00Z,VOICE,Metering,"
        "+442079460199,Outage\n"
    )
    files = files_of(EXPORT)
    (name,) = [n for n in files if uid(8) in n]
    outcome = read_files(READER, {name: files[name], "records.csv": table.encode()}, tmp_path)
    contact = outcome.contacts[uid(8)]
    assert (contact.customer_id, contact.queue) == ("+442079460199", "Metering")
    assert contact.disposition == "Outage"
    assert texts(contact) == ["customer: Is anybody there?"]


def test_without_records_calls_are_refused_and_the_first_look_says_so(tmp_path):
    files = without(files_of(EXPORT), ["contact_records", "describe_contact"])
    outcome = read_files(READER, files, tmp_path)
    assert set(outcome.contacts) == {uid(7), uid(9)}
    assert any("no contact records" in reason for reason in outcome.facts.reasons)


def test_records_that_name_each_other_in_a_circle_come_to_an_end(tmp_path):
    def circle(row):
        other = {uid(1): uid(2), uid(2): uid(1)}.get(row["ContactId"])
        return row | {"InitialContactId": other, "InitiationMethod": "TRANSFER"} if other else row

    outcome = read_files(READER, change_records(circle), tmp_path)
    assert uid(1) in outcome.contacts
    assert uid(2) not in outcome.contacts


def test_a_number_links_a_customer_who_has_an_id_too(outcome):
    row = row_of(uid(6))
    assert (row["customer_id"], row["customer_phone"]) == ("CRM-88121", "+442079460101")
    assert READER.mapping(outcome.facts).identifiers["phone"] == "customer_phone"


def test_a_contact_whose_next_leg_is_missing_is_set_aside(tmp_path):
    files = change_records(lambda row: None if row["ContactId"] == uid(2) else row)
    outcome = read_files(READER, files, tmp_path)
    assert uid(1) not in outcome.contacts
    assert any(f"Add the contact record of {uid(2)}." in r for r in outcome.refusals)


@pytest.mark.parametrize("part", ["contact_records", "5f0c0002", "5f0c0007", "describe_contact"])
def test_no_contact_is_half_read_where_a_file_breaks_off(tmp_path, part, outcome):
    files = files_of(EXPORT)
    (name,) = [n for n in files if part in n]
    for number, length in enumerate(range(1, len(files[name]), 211)):
        directory = tmp_path / str(number)
        directory.mkdir()
        found = read_files(READER, files | {name: files[name][:length]}, directory)
        for key, contact in found.contacts.items():
            whole = outcome.contacts[key]
            assert (contact.turns, contact.customer_id) == (whole.turns, whole.customer_id)
            assert (contact.transfers, contact.channel) == (whole.transfers, whole.channel)


@fuzzed
@given(broken_versions(EXPORT))
def test_no_broken_export_upsets_the_reader(files):
    read_all(READER, files)
