"""Zendesk: a ticket is a contact; notes stay inside; merges and follow-ups are repeats."""

from __future__ import annotations

import json

import pytest
from hypothesis import given

from closedloop.adapters.zendesk import READER
from tests.adapters.fuzz import broken_versions, files_of, fuzzed, read_all
from tests.adapters.joined_rows import FIXTURES, fields_by_id, read, read_files, texts, without

EXPORT = FIXTURES / "zendesk"


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


def test_a_ticket_is_one_contact_in_its_newest_version(outcome, rows):
    contact = outcome.contacts["101"]
    assert contact.started_at.isoformat() == "2026-03-01T08:00:00+00:00"
    assert (contact.customer_id, contact.channel) == ("501", "email")
    assert (contact.queue, contact.agent, contact.csat) == ("Returns", "Agent Quill", 5)
    assert (rows["101"]["status"], rows["101"]["resolved"]) == ("solved", True)


def test_the_newest_version_counts_whichever_page_is_read_first(tmp_path, outcome):
    files = files_of(EXPORT)
    files["tickets_1.json"], files["tickets_2.json"] = (
        files["tickets_2.json"],
        files["tickets_1.json"],
    )
    assert read_files(READER, files, tmp_path).contacts["101"].csat == 5


def test_public_comments_become_turns_and_html_becomes_text(outcome):
    assert texts(outcome.contacts["101"]) == [
        "customer: Lamp arrived broken\nThe lamp arrived with a cracked shade. & dust",
        "agent: Sorry to hear,\na new shade goes out today.",
        "customer: His flatmate here, we were both in.",
        "bot: This ticket was solved automatically.",
    ]


ANN = {"id": 900, "role": "end-user", "name": "Ann", "email": "ann@example.org"}
BO = {"id": 501, "role": "agent", "name": "Bo"}


def whole(number, requester):
    """A ticket as the JSON export of the account has it: people and comments are in it."""
    said = ((900, "The lamp is broken", True), (501, "angry", False), (501, "Sorry", True))
    return {
        "id": number,
        "created_at": "2026-03-01T10:00:00Z",
        "updated_at": "2026-03-02T10:00:00Z",
        "subject": "Lamp",
        "raw_subject": "Lamp",
        "description": "The lamp is broken",
        "status": "closed",
        "via": {"channel": "email"},
        "requester": requester,
        "submitter": requester,
        "assignee": BO,
        "group": {"id": 7, "name": "Returns"},
        "comments": [
            {"id": n, "author_id": author, "body": text, "public": is_public}
            for n, (author, text, is_public) in enumerate(said)
        ],
    }


def test_a_ticket_that_holds_its_people_and_comments_needs_no_other_file(tmp_path):
    lines = [json.dumps(whole(1, ANN)).encode(), json.dumps(whole(2, BO)).encode()]
    (contact,) = read_files(READER, {"all.json": b"\n".join(lines)}, tmp_path).contacts.values()

    assert (contact.contact_id, contact.customer_id) == ("1", "900")
    assert (contact.queue, contact.agent, contact.resolved) == ("Returns", "Bo", True)
    assert contact.identifiers == (("email", "ann@example.org"),)
    assert texts(contact) == ["customer: Lamp\nThe lamp is broken", "agent: Sorry"]


def test_a_side_conversation_of_colleagues_is_no_contact(tmp_path):
    def begin(content):
        ticket = next(t for t in content["tickets"] if t["id"] == 101)
        ticket["via"] = {"channel": "side_conversation", "source": {"from": {"ticket_id": 100}}}

    files = {
        name: content
        for name, content in changed("tickets_2.json", begin).items()
        if not name.startswith("users")
    }

    assert "101" not in read_files(READER, files, tmp_path).contacts


def test_a_ticket_that_others_were_merged_into_is_not_merged_itself(tmp_path):
    def merge(content):
        event = next(e for e in content["ticket_events"] if e["ticket_id"] == 101)
        comment = {
            "event_type": "Comment",
            "author_id": 700,
            "public": False,
            "body": "Request #44 was closed and merged into this request.",
            "via": {"source": {"rel": "merge", "to": {"ticket_id": 101}}},
        }
        event["child_events"].append(comment)

    name = next(n for n in files_of(EXPORT) if b"ticket_events" in files_of(EXPORT)[n])
    read_files(READER, changed(name, merge), tmp_path)

    row = fields_by_id(READER, tmp_path)["101"]
    assert (row["resolved"], row.get("merged"), row.get("follows_contact_id")) == (True, None, None)


def test_a_private_note_never_gets_out(outcome):
    said = " ".join(text for c in outcome.contacts.values() for text in texts(c))
    assert "say nothing" not in said
    assert "caller was angry" not in said
    assert outcome.contacts["107"].turns == ()


def test_a_note_that_does_not_say_it_is_public_is_not(tmp_path):
    def forget(content):
        for event in content["ticket_events"]:
            for child in event["child_events"]:
                child.pop("public", None)

    found = read_files(READER, changed("ticket_events_1.json", forget), tmp_path)
    said = " ".join(text for c in found.contacts.values() for text in texts(c))
    assert "say nothing" not in said
    assert "caller was angry" not in said


def test_without_events_the_description_of_a_public_ticket_is_what_was_said(tmp_path):
    files = without(files_of(EXPORT), ["ticket_events"])
    found = read_files(READER, files, tmp_path)
    assert texts(found.contacts["101"]) == [
        "customer: Lamp arrived broken\nThe lamp arrived with a cracked shade."
    ]
    assert found.contacts["107"].turns == ()
    assert any("no ticket events" in reason for reason in found.facts.reasons)


def test_events_without_comments_say_how_to_export_them(tmp_path):
    def strip(content):
        for event in content["ticket_events"]:
            for child in event["child_events"]:
                for name in ("body", "html_body", "plain_body"):
                    child.pop(name, None)

    found = read_files(READER, changed("ticket_events_1.json", strip), tmp_path)
    assert any("include=comment_events" in reason for reason in found.facts.reasons)


def test_a_description_older_than_the_events_comes_first(tmp_path):
    def forget_first(content):
        content["ticket_events"] = [e for e in content["ticket_events"] if e["id"] != 9001]

    found = read_files(READER, changed("ticket_events_1.json", forget_first), tmp_path)
    assert texts(found.contacts["101"])[0].endswith("The lamp arrived with a cracked shade.")
    assert len(found.contacts["101"].turns) == 4


def test_a_follow_up_is_a_contact_that_follows(rows):
    assert rows["104"]["follows_contact_id"] == "101"
    assert rows["104"]["csat"] == 1


def test_a_merged_ticket_stays_a_contact_that_follows_and_is_not_resolved_by_it(outcome, rows):
    assert "102" in outcome.contacts
    assert rows["102"]["follows_contact_id"] == "101"
    assert rows["102"]["merged"] is True
    assert "resolved" not in rows["102"]


def test_a_ticket_others_were_merged_into_is_not_merged_itself(rows):
    assert "merged" not in rows["101"]


def test_what_a_customer_says_about_merging_is_no_merge(rows):
    assert "merged" not in rows["104"]
    assert rows["104"]["resolved"] is True


def test_a_merge_without_its_target_is_still_said(tmp_path):
    files = without(files_of(EXPORT), ["ticket_events"])
    read_files(READER, files, tmp_path)
    row = fields_by_id(READER, tmp_path)["102"]
    assert row["merged"] is True
    assert "follows_contact_id" not in row


def test_tickets_the_company_opened_and_tickets_of_colleagues_are_left_out(outcome):
    assert {"105", "106"} <= set(outcome.skipped)
    assert "107" in outcome.contacts  # an agent wrote down a call


def test_deleted_tickets_are_left_out_and_counted(outcome, rows):
    assert "103" not in outcome.contacts
    assert "103" in outcome.skipped
    assert rows["103"] == {"contact_id": "103", "direction": "deleted"}  # and nothing of it
    assert any(reason.startswith("1 deleted ticket") for reason in outcome.facts.reasons)


def test_groups_are_handed_over_assignees_within_one_are_not(rows):
    assert rows["101"]["transfers"] == 1  # two groups, three assignees
    assert rows["104"]["transfers"] == 0
    assert "transfers" not in rows["108"]


def test_a_rating_given_later_counts(outcome):
    assert outcome.contacts["108"].csat == 5
    assert outcome.contacts["107"].csat is None


def test_a_field_named_like_a_disposition_is_one_and_others_can_be_mapped(outcome, rows):
    assert outcome.contacts["101"].disposition == "damaged"
    assert rows["101"]["custom_fields.360099"] == "a, b"
    assert rows["102"]["tags"] == "closed_by_merge, delivery"


def test_events_of_a_ticket_that_was_not_exported_say_so(outcome):
    assert "ticket 199" in outcome.refusal


def test_a_broken_event_costs_its_ticket_and_no_other(tmp_path, outcome):
    files = files_of(EXPORT)
    name = "ticket_events_1.json"
    broken = files[name].replace(b'"ticket_id": 104,', b'"ticket_id": 104,,', 1)
    found = read_files(READER, files | {name: broken}, tmp_path)
    assert set(outcome.contacts) - set(found.contacts) == {"104"}
    assert any("Ticket 104 cannot be read whole" in refusal for refusal in found.refusals)


def test_no_ticket_loses_comments_to_a_file_of_events_that_breaks_off(tmp_path, outcome):
    content = files_of(EXPORT)["ticket_events_1.json"]
    files = without(files_of(EXPORT), ["ticket_events"])
    for number, length in enumerate(range(0, len(content), 97)):
        directory = tmp_path / str(number)
        directory.mkdir()
        cut = files | {"ticket_events_1.json": content[:length] or b"{"}
        found = read_files(READER, cut, directory)
        for key, contact in found.contacts.items():
            assert contact.turns == outcome.contacts[key].turns


def test_of_tickets_in_a_file_that_breaks_off_whole_ones_are_read(tmp_path):
    files = files_of(EXPORT)
    files["tickets_1.json"] = files["tickets_1.json"][:3500]
    found = read_files(READER, files, tmp_path)
    assert "101" in found.contacts
    assert any("tickets_1.json breaks off" in refusal for refusal in found.refusals)


def test_the_list_of_users_gives_addresses_to_link_customers_by(rows, outcome):
    assert rows["101"]["customer_email"] == "h@mail.example"
    assert "customer_email" not in rows["102"]
    assert READER.mapping(outcome.facts).identifiers["email"] == "customer_email"


@fuzzed
@given(broken_versions(EXPORT))
def test_no_broken_export_upsets_the_reader(files):
    read_all(READER, files)
