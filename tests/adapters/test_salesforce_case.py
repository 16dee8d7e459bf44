"""Salesforce: a case is a file that is kept; its mails and calls are the contacts."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given

from closedloop.adapters.bundle import open_bundle
from closedloop.adapters.salesforce_case import READER
from closedloop.adapters.types import BadRow, ParsedContact, RawRow, Skipped
from tests.adapters.fuzz import broken_versions, fuzzed, read_all
from tests.adapters.vendor_reading import facts_in, fields_in, parsed_in, rows_in

FIXTURES = Path(__file__).parent / "fixtures" / "salesforce_case"
BILLING, ROUTER, MERGED, DELETED, LOGIN = (
    *("5003X00002aBcD1QAK", "5003X00002aBcD2QAK", "5003X00002aBcD3QAK"),
    *("5003X00002aBcD4QAK", "5003X00002aBcD5QAK"),
)
LATER_MAIL, LATER_CALL, LOGGED_CALL = (
    *("02s3X00000aaaa4QAA", "0LQ3X00000cccc2WAA", "00T3X00000dddd2UAA"),
)


def table(name):
    with (FIXTURES / f"{name}.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_each_mail_after_a_rest_and_each_further_call_is_a_contact_of_its_own():
    rows = fields_in(READER, FIXTURES)

    assert list(rows) == [
        *(BILLING, LATER_MAIL, ROUTER, LATER_CALL, LOGGED_CALL, MERGED, DELETED, LOGIN)
    ]
    assert rows[LATER_MAIL]["started_at"] == "2026-03-11T08:00:00+00:00"
    assert rows[LATER_MAIL]["follows_contact_id"] == BILLING
    assert rows[LOGGED_CALL]["follows_contact_id"] == LATER_CALL
    assert rows[LATER_CALL]["customer_id"] == rows[ROUTER]["customer_id"]


def test_the_call_that_opened_the_case_is_no_second_contact():
    row = fields_in(READER, FIXTURES)[ROUTER]

    assert (row["channel"], row["handle_seconds"]) == ("phone", 240)
    assert row["turns"] == [
        {"speaker": "agent", "text": "Where is the router\nCaller waits since Monday"}
    ]


def test_a_task_that_a_call_names_is_not_counted_again():
    assert "00T3X00000dddd1UAA" not in fields_in(READER, FIXTURES)


def test_the_mail_that_opened_the_case_is_not_said_twice():
    turns = fields_in(READER, FIXTURES)[BILLING]["turns"]

    assert [turn["text"] for turn in turns] == [
        "Charged for a cancelled plan\nI cancelled in January.\nWhy am I charged?",
        "Please send the confirmation.",
        "Here it is.",
    ]


def test_what_the_agent_wrote_of_a_call_stays_beside_a_mail_of_the_same_hour(tmp_path):
    case = {**table("Case")[1], "ParentId": ""}
    mail = {**table("EmailMessage")[0], "ParentId": case["Id"], "TextBody": "As promised."}
    mail |= {"MessageDate": "2026-03-03T10:30:00.000+0000", "Subject": "Photo"}
    (tmp_path / "all.json").write_text(json.dumps({"records": [case, mail]}), encoding="utf-8")

    (row,) = fields_in(READER, tmp_path).values()

    assert [turn["text"] for turn in row["turns"]] == [
        "Where is the router\nCaller waits since Monday",
        "Photo\nAs promised.",
    ]


def test_what_is_internal_drafted_or_automatic_never_comes_in():
    everything = json.dumps(list(fields_in(READER, FIXTURES).values()))

    for words in ("nuisance", "difficult", "Do not send", "I am away", "told her to wait"):
        assert words not in everything
    assert "Refund is on its way" in everything


def test_ids_of_15_and_18_characters_join():
    rows = fields_in(READER, FIXTURES)

    assert len({row["CaseNumber"] for row in table("Case")}) == 5
    assert rows[ROUTER]["follows_contact_id"] == BILLING  # ParentId
    assert rows[MERGED]["follows_contact_id"] == BILLING  # MasterRecordId


def test_a_merged_case_says_nothing_of_having_been_resolved(tmp_path):
    case = {**table("Case")[0], "IsClosed": "true", "IsDeleted": "true"}
    case["MasterRecordId"] = "5003X00002aBcD9QAK"
    (tmp_path / "case.json").write_text(json.dumps([case]))

    (row,) = fields_in(READER, tmp_path).values()

    assert row["follows_contact_id"] == "5003X00002aBcD9QAK"
    assert "resolved" not in row


def test_the_case_gives_addresses_to_link_customers_by(tmp_path):
    case = {**table("Case")[0], "SuppliedEmail": "a@mail.example", "ContactMobile": "+442079460101"}
    (tmp_path / "case.json").write_text(json.dumps([case]))

    (row,) = fields_in(READER, tmp_path).values()

    assert (row["customer_email"], row["customer_phone"]) == ("a@mail.example", "+442079460101")
    assert READER.mapping(facts_in(READER, tmp_path)).identifiers == {
        "email": "customer_email",
        "phone": "customer_phone",
    }


def test_a_merged_case_is_deleted_and_still_a_contact():
    rows = fields_in(READER, FIXTURES)
    outcomes = parsed_in(READER, FIXTURES).values()

    assert rows[MERGED]["direction"] == "inbound"
    assert rows[DELETED]["direction"] == "deleted"
    assert sum(isinstance(outcome, Skipped) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, ParsedContact) for outcome in outcomes) == 7


def test_an_account_is_nobody():
    rows = fields_in(READER, FIXTURES)

    assert "customer_id" not in rows[LOGIN]
    assert rows[MERGED]["customer_id"] == "lena@example.org"
    assert rows[BILLING]["customer_id"] == "0033X00002xYzAbQAK"


def test_owners_are_agents_or_queues_by_name():
    rows = fields_in(READER, FIXTURES)

    assert rows[BILLING]["agent"] == "Jonas Feld"
    assert rows[ROUTER]["queue"] == "Parcels queue"
    assert "agent" not in rows[ROUTER]


def test_closed_is_said_of_the_last_contact_of_the_case():
    rows = fields_in(READER, FIXTURES)

    assert "resolved" not in rows[BILLING]
    assert rows[LATER_MAIL]["resolved"] is True
    assert rows[LOGGED_CALL]["resolved"] is False


def test_origins_have_our_names_and_fields_of_the_site_come_along():
    rows = fields_in(READER, FIXTURES)

    found = [rows[key]["channel"] for key in (BILLING, ROUTER, MERGED, DELETED, LOGIN)]
    assert found == ["email", "phone", "web", "chat", "web"]
    assert rows[BILLING]["Product_Line__c"] == "Mobile"
    assert (rows[BILLING]["language"], rows[BILLING]["disposition"]) == ("de", "Billing")


def as_json(folder):
    """Write the fixtures as answers of the API, e-mails and comments within their cases."""
    for name in ("Case", "VoiceCall", "Task", "EmailMessage", "CaseComment", "User", "Group"):
        records = [
            {"attributes": {"type": name}, **{k: v or None for k, v in row.items()}}
            for row in table(name)
        ]
        page = {"totalSize": len(records), "done": True, "records": records}
        (folder / f"{name}.json").write_text(json.dumps(page), encoding="utf-8")


def test_answers_of_the_api_give_the_same_contacts(tmp_path):
    as_json(tmp_path)

    found = fields_in(READER, tmp_path)
    assert {key: row["turns"] for key, row in found.items()} == {
        key: row["turns"] for key, row in fields_in(READER, FIXTURES).items()
    }


def test_records_within_a_case_are_read(tmp_path):
    mails = [{k: v for k, v in row.items() if k != "ParentId"} for row in table("EmailMessage")]
    case = {
        "attributes": {"type": "Case"},
        **table("Case")[0],
        "EmailMessages": {"totalSize": 6, "records": mails},
    }
    (tmp_path / "cases.jsonl").write_text(json.dumps(case) + "\n", encoding="utf-8")

    assert list(fields_in(READER, tmp_path)) == [BILLING, LATER_MAIL]


def test_the_order_of_files_does_not_matter(tmp_path):
    for number, path in enumerate(sorted(FIXTURES.iterdir(), reverse=True)):
        shutil.copy(path, tmp_path / f"{number}.csv")

    assert fields_in(READER, tmp_path) == fields_in(READER, FIXTURES)


def test_a_report_has_labels_local_times_and_a_footer(tmp_path):
    text = (
        '"Case Number","Date/Time Opened","Case Origin","Subject","Status","Case Owner","Closed"\n'
        '"00002001","28/03/2026 10:15","Email","Late bill","New","Ida Lind","0"\n'
        '"00002002","03/04/2026 11:15","Phone","Late bill","Closed","Ida Lind","1"\n'
        "\n\n"
        '"Cases of the week"\n'
        '"Copyright (c) 2000-2026 salesforce.com, inc. All rights reserved."\n'
        '"Confidential Information - Do Not Distribute"\n'
        '"Generated By:  Ida Lind 04/04/2026 09:00"\n'
    )
    (tmp_path / "report.csv").write_text(text, encoding="cp1252")

    rows = fields_in(READER, tmp_path)
    assert READER.mapping is not None
    mapping = READER.mapping(facts_in(READER, tmp_path))

    assert list(rows) == ["00002001", "00002002"]
    assert rows["00002002"]["agent"] == "Ida Lind"
    assert rows["00002002"]["resolved"] is True
    assert rows["00002001"]["started_at"] == "28/03/2026 10:15"
    assert (mapping.date_order, mapping.zone) == ("dmy", None)
    assert "zone" in mapping.reasons
    assert all(isinstance(o, ParsedContact) for o in parsed_in(READER, tmp_path).values())


def test_a_case_whose_mails_broke_is_set_aside_and_the_others_are_read(tmp_path):
    as_json(tmp_path)
    path = tmp_path / "EmailMessage.json"
    text = path.read_text().replace('"Still charged"', '"Still "charged"')
    path.write_text(text)

    rows = rows_in(READER, tmp_path)

    bad = [row.reason for row in rows if isinstance(row, BadRow)]
    assert any(reason.startswith(f"Case {BILLING}") for reason in bad)
    good = {row.fields["contact_id"] for row in rows if isinstance(row, RawRow)}
    assert good == {ROUTER, LATER_CALL, LOGGED_CALL, MERGED, DELETED, LOGIN}


def test_mails_without_their_case_are_said(tmp_path):
    cases = (FIXTURES / "Case.csv").read_text(encoding="utf-8")
    (tmp_path / "Case.csv").write_text(cases.replace("5003X00002aBcD1QAK", "5003X00002aBcD9"))
    shutil.copy(FIXTURES / "EmailMessage.csv", tmp_path)

    bad = [row.reason for row in rows_in(READER, tmp_path) if isinstance(row, BadRow)]

    assert bad == [
        f"There are e-mails of case {BILLING}, but the case itself is not in the export. "
        "Export it, too."
    ]


@pytest.mark.parametrize("name", ["User", "EmailMessage", "Task"])
def test_files_without_cases_are_not_taken(tmp_path, name):
    shutil.copy(FIXTURES / f"{name}.csv", tmp_path)

    with pytest.raises(AssertionError):
        facts_in(READER, tmp_path)


@fuzzed
@given(broken_versions(FIXTURES))
def test_no_broken_export_upsets_the_reader(files):
    read_all(READER, files)


def without_offset(row):
    """A row as the weekly data export writes it: times in UTC that do not say so."""
    return {
        name: cell[:19].replace("T", " ") if cell[10:11] == "T" and cell[:4].isdigit() else cell
        for name, cell in row.items()
    }


def test_times_that_do_not_say_their_zone_are_compared_all_the_same(tmp_path):
    for path in FIXTURES.iterdir():
        if path.suffix == ".csv":
            rows = [without_offset(row) for row in table(path.stem)]
            with (tmp_path / path.name).open("w", encoding="utf-8", newline="") as stream:
                writer = csv.DictWriter(stream, rows[0].keys())
                writer.writeheader()
                writer.writerows(rows)

    with_offsets, without = fields_in(READER, FIXTURES), fields_in(READER, tmp_path)

    assert list(without) == list(with_offsets)
    assert without[LATER_MAIL]["started_at"] == "2026-03-11T08:00:00"  # the mapping says the zone
    assert "writes UTC" in mapping_in(tmp_path).reasons["zone"]


def mapping_in(path):
    return READER.mapping(facts_in(READER, path))


def test_names_of_columns_in_capitals_as_data_loader_writes_them_are_the_same(tmp_path):
    for path in FIXTURES.iterdir():
        head, _, rest = path.read_text(encoding="utf-8").partition("\n")
        (tmp_path / path.name).write_text(f"{head.upper()}\n{rest}", encoding="utf-8")

    found, expected = fields_in(READER, tmp_path), fields_in(READER, FIXTURES)

    own = {name.lower() for name in expected[BILLING] if name.endswith("__c")}
    assert {name.lower() for name in found[BILLING] if name.endswith("__c")} == own
    ours = {
        key: {k: v for k, v in row.items() if not k.endswith("__c")} for key, row in found.items()
    }
    assert ours == {
        key: {k: v for k, v in row.items() if not k.endswith("__c")}
        for key, row in expected.items()
    }


def test_cases_of_another_make_are_left_to_the_reader_of_tables(tmp_path):
    (tmp_path / "cases.csv").write_text(
        "Case Title,Case Number,Priority,Origin,Customer,Owner,Status Reason,Created On\n"
        "Bill,CAS-01001,Normal,Phone,Ann,Bo,In Progress,2026-03-13 10:00\n",
        encoding="utf-8",
    )

    with open_bundle(tmp_path) as bundle:
        assert READER.recognise(bundle) is None
