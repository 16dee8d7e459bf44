"""Freshdesk: tickets joined with their conversations and ratings, notes left out."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given

from closedloop.adapters.freshdesk import CSAT, READER, is_ticket
from closedloop.adapters.types import BadRow, ParsedContact, RawRow, Skipped
from tests.adapters.fuzz import broken_versions, fuzzed, read_all
from tests.adapters.vendor_reading import facts_in, fields_in, parsed_in, rows_in

FIXTURES = Path(__file__).parent / "fixtures" / "freshdesk"
TICKETS = json.loads((FIXTURES / "tickets.json").read_bytes())
CONVERSATIONS = json.loads((FIXTURES / "conversations.json").read_bytes())


def test_a_ticket_is_one_contact_until_the_customer_writes_again_after_a_rest():
    rows = fields_in(READER, FIXTURES)

    assert [key for key in rows if key.startswith("3501")] == ["3501", "3501#2"]
    assert rows["3501#2"]["started_at"] == "2026-03-09T09:00:00+00:00"
    assert rows["3501#2"]["follows_contact_id"] == "3501"
    assert [turn["text"] for turn in rows["3501"]["turns"]] == [
        "Charged twice\nYou took 24.90 twice this month.",
        "Refunded today.",
    ]


def test_an_answer_within_seventy_two_hours_is_the_same_contact():
    rows = fields_in(READER, FIXTURES)

    assert [key for key in rows if key.startswith("3502")] == ["3502"]
    assert [turn["speaker"] for turn in rows["3502"]["turns"]] == ["customer", "agent", "customer"]


def test_a_customer_who_answers_with_a_picture_only_has_come_back(tmp_path):
    picture = {"id": 9, "incoming": True, "private": False, "body_text": "", "body": "<img src=x>"}
    picture["created_at"] = "2026-05-09T09:00:00Z"
    silent = {**picture, "id": 10, "incoming": False, "created_at": "2026-05-10T09:00:00Z"}
    ticket = {**TICKETS[0], "conversations": [picture, silent]}
    (tmp_path / "t.json").write_text(json.dumps([ticket]))

    rows = fields_in(READER, tmp_path)

    assert rows[f"{ticket['id']}#2"]["started_at"] == "2026-05-09T09:00:00+00:00"
    assert rows[f"{ticket['id']}#2"]["turns"] == []


def test_a_list_read_later_takes_no_words_from_a_ticket(tmp_path):
    ticket = {**TICKETS[0], "conversations": CONVERSATIONS[:1]}
    listed = {k: v for k, v in ticket.items() if k not in ("conversations", "description_text")}
    listed.pop("description", None)
    (tmp_path / "a.json").write_text(json.dumps([ticket]))
    (tmp_path / "list.json").write_text(json.dumps([listed]))

    (row, *_) = fields_in(READER, tmp_path).values()

    assert "24.90 twice" in row["turns"][0]["text"]


def test_private_notes_and_forwarded_mail_and_remarks_of_surveys_are_no_turns():
    everything = json.dumps([row["turns"] for row in fields_in(READER, FIXTURES).values()])

    assert "complainer" not in everything
    assert "can the bank check" not in everything
    assert "Took two tries" not in everything


def test_a_message_that_does_not_say_whether_it_is_private_stays_out(tmp_path):
    ticket = {**TICKETS[0], "conversations": [{"id": 1, "body_text": "secret", "incoming": False}]}
    (tmp_path / "t.json").write_text(json.dumps([ticket]))

    (row,) = fields_in(READER, tmp_path).values()

    assert "secret" not in json.dumps(row["turns"])


def test_of_a_call_the_text_is_the_agents():
    row = fields_in(READER, FIXTURES)["3503"]

    assert row["turns"] == [
        {
            "speaker": "agent",
            "text": "Call about a late courier\nCustomer rang: courier is three hours late.",
        }
    ]
    assert (row["direction"], row["channel"]) == ("inbound", "phone")
    assert row["customer_id"] == "+441632960011"


def test_spam_and_tickets_for_colleagues_are_left_out_and_counted():
    rows = fields_in(READER, FIXTURES)
    outcomes = parsed_in(READER, FIXTURES).values()

    assert (rows["3504"]["direction"], rows["3508"]["direction"]) == ("spam", "child")
    assert sum(isinstance(outcome, Skipped) for outcome in outcomes) == 3
    assert sum(isinstance(outcome, ParsedContact) for outcome in outcomes) == 6


def test_outbound_mail_is_a_contact_once_the_customer_answers():
    rows = fields_in(READER, FIXTURES)

    assert rows["3505"]["direction"] == "outbound"
    assert rows["3506"]["direction"] == "inbound"
    assert rows["3506"]["started_at"] == "2026-03-08T10:00:00+00:00"


def test_a_merged_ticket_follows_the_one_it_was_merged_into():
    assert fields_in(READER, FIXTURES)["3507"]["follows_contact_id"] == "3501"


def test_a_merged_ticket_says_nothing_of_having_been_resolved(tmp_path):
    note = {"id": 1, "body_text": "merged into ticket 3400", "incoming": False, "private": True}
    merged = {**TICKETS[0], "status": 5, "conversations": [note]}
    (tmp_path / "t.json").write_text(json.dumps([merged]))

    (row,) = fields_in(READER, tmp_path).values()

    assert row["follows_contact_id"] == "3400"
    assert "resolved" not in row


def test_the_ticket_gives_addresses_to_link_customers_by(tmp_path):
    ticket = {**TICKETS[0], "email": "a@mail.example", "phone": "+44 20 7946 0101"}
    (tmp_path / "t.json").write_text(json.dumps([ticket]))

    (row,) = fields_in(READER, tmp_path).values()

    assert (row["customer_email"], row["customer_phone"]) == ("a@mail.example", "+44 20 7946 0101")
    assert READER.mapping(facts_in(READER, tmp_path)).identifiers == {
        "email": "customer_email",
        "phone": "customer_phone",
    }


def test_the_last_rating_belongs_to_the_contact_it_came_after():
    rows = fields_in(READER, FIXTURES)

    assert rows["3501#2"]["csat"] == 1.5
    assert "csat" not in rows["3501"]


def test_happy_faces_are_satisfied_and_the_neutral_one_is_the_middle():
    faces = ("103", "102", "101", "100", "-101", "-102", "-103")

    assert [CSAT[face] for face in faces] == [5, 4.5, 4, 3, 2, 1.5, 1]


def test_status_says_whether_it_was_resolved():
    rows = fields_in(READER, FIXTURES)

    assert rows["3501#2"]["resolved"] is True
    assert "resolved" not in rows["3501"]
    assert rows["3502"]["resolved"] is False
    assert rows["3503"]["resolved"] is True


def test_names_tags_and_custom_fields_come_along():
    row = fields_in(READER, FIXTURES)["3501"]

    assert (row["queue"], row["agent"]) == ("Billing and parcels", "Ines Roth")
    assert (row["disposition"], row["tags"]) == ("Billing", "refund, double")
    assert row["custom_fields.cf_reason"] == "Double charge"
    assert "custom_fields.cf_list" not in row
    assert "custom_fields.cf_reason" in facts_in(READER, FIXTURES).header


def test_a_customer_without_an_id_is_known_by_mail():
    assert fields_in(READER, FIXTURES)["3507"]["customer_id"] == "ola@example.org"


def test_the_order_of_files_does_not_matter(tmp_path):
    for name, new in (("tickets", "z"), ("conversations", "a"), ("ratings", "b"), ("groups", "y")):
        shutil.copy(FIXTURES / f"{name}.json", tmp_path / f"{new}.json")

    assert fields_in(READER, tmp_path) == fields_in(READER, FIXTURES)


def test_pages_of_searches_give_the_same_contacts(tmp_path):
    shutil.copytree(FIXTURES, tmp_path, dirs_exist_ok=True)
    page = {"results": TICKETS, "total": len(TICKETS)}
    (tmp_path / "tickets.json").write_text(json.dumps(page))

    assert fields_in(READER, tmp_path) == fields_in(READER, FIXTURES)


def test_no_contact_is_made_of_a_ticket_that_lost_a_message(tmp_path):
    (tmp_path / "tickets.json").write_text("\n".join(map(json.dumps, TICKETS)))
    lines = [json.dumps(item) for item in CONVERSATIONS]
    lines[2] = lines[2][:60]
    (tmp_path / "conversations.json").write_text("\n".join(lines))

    rows = rows_in(READER, tmp_path)

    bad = [row.reason for row in rows if isinstance(row, BadRow)]
    assert len(bad) == 2
    assert bad[1].startswith("Ticket 3501 in tickets.json is set aside")
    good = {row.fields["contact_id"] for row in rows if isinstance(row, RawRow)}
    assert good == {"3502", "3503", "3504", "3505", "3506", "3507", "3508"}


def test_tickets_alone_say_what_is_missing(tmp_path):
    tickets = [{k: v for k, v in item.items() if k != "conversations"} for item in TICKETS]
    (tmp_path / "tickets.json").write_text(json.dumps(tickets))

    assert any("no conversations" in reason for reason in facts_in(READER, tmp_path).reasons)


@pytest.mark.parametrize(
    "other",
    [
        {"id": 1, "status": "open", "via": {"channel": "web"}, "requester_id": 1, "subject": "x"},
        {"id": 1, "ticket_id": 2, "incoming": True, "source": 0, "status": 1},
        {**TICKETS[0], "urgency": 1, "impact": 2},
    ],
)
def test_tickets_of_other_systems_are_not_taken(other):
    assert is_ticket(TICKETS[0])
    assert not is_ticket(other)


@fuzzed
@given(broken_versions(FIXTURES))
def test_no_broken_export_upsets_the_reader(files):
    read_all(READER, files)
