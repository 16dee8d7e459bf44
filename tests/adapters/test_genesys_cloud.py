"""Genesys Cloud: a conversation is a contact, whoever took part in it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given

from closedloop.adapters.bundle import open_bundle
from closedloop.adapters.genesys_cloud import READER
from tests.adapters.fuzz import broken_versions, files_of, fuzzed, read_all
from tests.adapters.joined_rows import FIXTURES, fields_by_id, read, read_files, texts, without

EXPORT = FIXTURES / "genesys_cloud"
DETAILS = "conversation_details.json"


def cid(number: int) -> str:
    return f"c0ffee{number:02d}-1111-4222-8333-44445555{number:04d}"


@pytest.fixture(scope="module")
def outcome():
    return read(READER, EXPORT)


@pytest.fixture(scope="module")
def rows():
    return fields_by_id(READER, EXPORT)


def details():
    return json.loads((EXPORT / DETAILS).read_text())["conversations"]


def with_details(conversations):
    return files_of(EXPORT) | {DETAILS: json.dumps({"conversations": conversations}).encode()}


def test_a_conversation_is_one_contact_with_its_names_looked_up(outcome):
    contact = outcome.contacts[cid(1)]
    assert contact.started_at.isoformat() == "2026-03-03T08:00:00+00:00"
    assert (contact.customer_id, contact.channel) == ("ext-7001", "phone")
    assert (contact.queue, contact.agent) == ("Billing", "u-ann")
    assert contact.disposition == "Billing corrected"  # the last one chosen, no time-out


def test_one_transfer_is_counted_and_the_colleague_who_was_only_asked_is_not(rows):
    assert rows[cid(1)]["transfers"] == 1


def test_a_transfer_to_a_queue_where_nobody_answered_is_one(rows):
    assert rows[cid(5)]["transfers"] == 1


def test_two_sessions_of_one_agent_are_no_transfer(tmp_path):
    conversations = details()
    agent = next(p for p in conversations[0]["participants"] if p.get("userId") == "u-bob")
    for participant in conversations[0]["participants"]:
        participant["userId"] = participant.get("userId") and agent["userId"]
    found = read_files(READER, with_details(conversations), tmp_path)
    assert cid(1) in found.contacts
    assert fields_by_id(READER, tmp_path)[cid(1)]["transfers"] == 0


def test_the_order_of_participants_in_the_export_does_not_matter(rows, tmp_path):
    conversations = details()
    for conversation in conversations:
        conversation["participants"].reverse()
        for participant in conversation["participants"]:
            for session in participant["sessions"]:
                session.get("segments", []).reverse()
    read_files(READER, with_details(conversations), tmp_path)

    found = fields_by_id(READER, tmp_path)
    of_customers = [key for key, row in rows.items() if row["direction"] != "internal"]
    assert [found[key] for key in of_customers] == [rows[key] for key in of_customers]


def in_queue(metric: str):
    """A call that nobody answered, of which the queue says why it ended, as at 10:00."""

    def session(purpose, end, **more):
        segment = {"segmentType": "interact", "disconnectType": end, "queueId": "q1"}
        segment |= {"segmentStart": "2026-03-03T10:00:00Z", "segmentEnd": "2026-03-03T10:02:00Z"}
        return {"purpose": purpose, "sessions": [{"segments": [segment], **more}]}

    metrics = [{"name": metric, "value": 120000}]
    return {
        "conversationId": cid(50),
        "conversationStart": "2026-03-03T10:00:00Z",
        "originatingDirection": "inbound",
        "participants": [
            session("customer", "client", mediaType="callback", callbackNumbers=["+441632960001"]),
            session("acd", "transfer", metrics=metrics),
        ],
    }


@pytest.mark.parametrize(("metric", "abandoned"), [("tAbandon", True), ("tFlowOut", False)])
def test_who_left_a_voicemail_has_not_given_up(metric, abandoned, tmp_path):
    read_files(READER, with_details([in_queue(metric)]), tmp_path)

    assert fields_by_id(READER, tmp_path)[cid(50)]["abandoned"] is abandoned


def test_the_number_to_call_back_is_the_customers_where_there_is_no_other(tmp_path):
    read_files(READER, with_details([in_queue("tFlowOut")]), tmp_path)

    assert fields_by_id(READER, tmp_path)[cid(50)]["customer_id"] == "+441632960001"


def test_times_of_work_are_milliseconds_in_the_source(rows):
    assert rows[cid(1)]["handle_seconds"] == 510 + 60 + 670


def test_without_metrics_segments_say_how_long_agents_worked(rows):
    assert rows[cid(5)]["handle_seconds"] == 240 + 30


def test_the_parts_of_a_handling_time_do_where_the_whole_is_missing(tmp_path):
    conversations = details()
    for participant in conversations[0]["participants"]:
        for session in participant["sessions"]:
            session["metrics"] = [m for m in session["metrics"] if m["name"] != "tHandle"]
    read_files(READER, with_details(conversations), tmp_path)
    # of the first agent 400 + 50 + 60; of the others their segments, 60 and 660 + 10
    assert fields_by_id(READER, tmp_path)[cid(1)]["handle_seconds"] == 510 + 60 + 670


def test_waits_in_all_queues_are_added(rows):
    assert rows[cid(1)]["wait_seconds"] == 90
    assert rows[cid(5)]["wait_seconds"] == 50 + 240


def test_abandoned_is_queued_and_never_answered(rows):
    assert [rows[cid(n)].get("abandoned") for n in (1, 2, 5, 6)] == [False, True, False, None]


def test_a_voicemail_left_in_the_queue_is_not_abandoned(tmp_path):
    conversations = details()
    conversations[1]["participants"][1]["sessions"][0]["metrics"] = []
    conversations[1]["participants"][0]["sessions"][0]["segments"][0]["disconnectType"] = "peer"
    read_files(READER, with_details(conversations), tmp_path)
    assert fields_by_id(READER, tmp_path)[cid(2)]["abandoned"] is False


def test_an_unseen_number_is_no_customer_and_addresses_lose_their_scheme(outcome):
    assert outcome.contacts[cid(2)].customer_id is None
    assert outcome.contacts[cid(5)].customer_id == "+14155550177"
    assert outcome.contacts[cid(6)].customer_id == "silas.brandreth@mail.example"
    assert [outcome.contacts[cid(n)].channel for n in (5, 6)] == ["messaging", "email"]


def test_calls_the_company_made_and_calls_between_colleagues_are_left_out(outcome):
    assert set(outcome.skipped) == {cid(3), cid(4)}


def test_a_promoter_score_is_the_nps(rows):
    assert rows[cid(1)]["nps"] == 9


def test_phrases_are_in_order_decorated_and_a_menu_is_no_agent(outcome):
    assert texts(outcome.contacts[cid(1)]) == [
        "bot: press one for billing",
        "agent: thanks for waiting how can i help",
        "customer: My bill was $42 too high.",
    ]


def test_a_transcript_without_details_says_which_details_are_missing(outcome):
    assert f"Add the details of conversation {cid(9)}." in outcome.refusal


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16"])
def test_a_list_of_names_may_be_saved_as_spreadsheets_do(encoding, tmp_path):
    names = (EXPORT / "queues.csv").read_text().replace("Billing", "Rückfragen zu Beträgen")
    read_files(READER, files_of(EXPORT) | {"queues.csv": names.encode(encoding)}, tmp_path)

    assert fields_by_id(READER, tmp_path)[cid(1)]["queue"] == "Rückfragen zu Beträgen"


def test_without_a_list_of_codes_ids_are_kept_and_the_first_look_says_so(tmp_path):
    files = without(files_of(EXPORT), ["wrapupcodes", "queues.csv"])
    found = read_files(READER, files, tmp_path)
    assert (found.contacts[cid(1)].queue, found.contacts[cid(1)].disposition) == ("q-bill", "w-2")
    assert any("no list of wrap-up codes" in reason for reason in found.facts.reasons)


def test_lines_of_conversations_are_read_like_an_answer_of_the_api(tmp_path, outcome):
    lines = b"\n".join(json.dumps(c).encode() for c in details())
    files = without(files_of(EXPORT), [DETAILS]) | {"conversations.jsonl": lines}
    assert read_files(READER, files, tmp_path).contacts == outcome.contacts


def test_of_two_versions_of_a_conversation_the_later_end_counts(tmp_path):
    early = [c | {"conversationEnd": "2026-03-03T08:01:00Z", "participants": []} for c in details()]
    files = files_of(EXPORT) | {"z_early.json": json.dumps({"conversations": early[:1]}).encode()}
    assert read_files(READER, files, tmp_path).contacts[cid(1)].customer_id == "ext-7001"


def test_a_broken_transcript_makes_no_contact_without_words(tmp_path):
    files = files_of(EXPORT)
    (name,) = [n for n in files if n.startswith(cid(1))]
    found = read_files(READER, files | {name: files[name][:-100]}, tmp_path)
    assert cid(1) not in found.contacts
    assert any("cannot be read whole" in refusal for refusal in found.refusals)


def test_it_does_not_take_other_files_for_its_own(tmp_path):
    path = tmp_path / "list.json"
    path.write_text('{"entities": [{"id": "w-1", "name": "Passed on"}]}')
    with open_bundle(path) as bundle:
        assert READER.recognise(bundle) is None


def test_a_number_links_a_customer_who_is_an_external_contact_too(rows, outcome):
    assert rows[cid(1)]["customer_phone"] == "+14155550123"
    assert rows[cid(6)]["customer_email"] == "silas.brandreth@mail.example"
    assert "customer_phone" not in rows[cid(2)]
    assert READER.mapping(outcome.facts).identifiers["email"] == "customer_email"


@pytest.mark.parametrize("part", [DETAILS, "c0ffee01"])
def test_no_conversation_is_half_read_where_a_file_breaks_off(tmp_path, part, outcome):
    files = files_of(EXPORT)
    (name,) = [n for n in files if part in n]
    for number, length in enumerate(range(1, len(files[name]), 301)):
        directory = tmp_path / str(number)
        directory.mkdir()
        found = read_files(READER, files | {name: files[name][:length]}, directory)
        assert (
            found.contacts.items()
            <= {
                key: contact._replace(line=found.contacts[key].line)
                for key, contact in outcome.contacts.items()
                if key in found.contacts
            }.items()
        )


@fuzzed
@given(broken_versions(EXPORT))
def test_no_broken_export_upsets_the_reader(files):
    read_all(READER, files)
