"""Which reader takes a bundle, and that a new one is a file and a line."""

from __future__ import annotations

import json
import shutil
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given

from closedloop.adapters import contact_csv, contact_jsonl, registry
from closedloop.adapters.bundle import open_bundle
from closedloop.adapters.contacts import read_contacts
from closedloop.adapters.guesses import guess_mapping
from closedloop.adapters.mapping import Mapping
from closedloop.adapters.readers import Reader
from closedloop.adapters.registry import READERS, reader_named, recognise
from closedloop.adapters.types import (
    BadRow,
    FileFacts,
    ParsedContact,
    RawRow,
    Reject,
    UnreadableFile,
)
from tests.adapters.fuzz import broken_versions, fuzzed, read_all

FIXTURES = Path(__file__).parent / "fixtures"
GUIDES = Path(__file__).parents[2] / "docs/import"
NOW = datetime(2026, 4, 1, tzinfo=UTC)
HEADER = "contact_id,started_at,text\n"


def read(path: Path):
    with open_bundle(path) as bundle:
        _, facts = recognise(bundle)
        mapping = guess_mapping(facts.header, facts.sample_rows)
        return facts, list(read_contacts(bundle, facts, mapping, now=NOW))


def pigeon_recognise(bundle):
    if not all(m.path.read_bytes().startswith(b"PIGEON") for m in bundle.members):
        return None
    return FileFacts("pigeon", "utf-8", "", False, ["contact_id", "started_at"], [], ["Coo."])


def pigeon_rows(bundle, facts):
    for number, line in enumerate(bundle.only.read_text().splitlines()[1:], start=1):
        contact_id, at = line.split("@")
        yield RawRow(number, {"contact_id": contact_id, "started_at": at}, where=f"leg {number}")


PIGEON = Reader(
    "pigeon",
    "Pigeon post",
    "pigeon",
    pigeon_recognise,
    pigeon_rows,
    lambda facts: Mapping({name: name for name in facts.header}, source="pigeon"),
)


def test_only_text_formats_of_a_row_a_line_count_lines():
    units = {reader.format: reader.unit for reader in READERS}
    assert {name for name, unit in units.items() if unit == "line"} == {"csv", "jsonl", "captions"}
    assert {name for name, unit in units.items() if unit == "row"} == {"xlsx", "parquet"}
    assert units["zendesk"] == units["json"] == "record"
    assert all(reader.has_lines == (reader.unit == "line") for reader in READERS)


def test_a_new_reader_is_a_file_and_a_line(tmp_path, monkeypatch):
    path = tmp_path / "upload"
    path.write_text("PIGEON\np-1@2026-03-02T10:00:00Z\np-2@never\n")
    monkeypatch.setattr(registry, "READERS", (PIGEON, *READERS))

    with open_bundle(path) as bundle:
        reader, facts = recognise(bundle)
        mapping = reader.mapping(facts)
        contact, refused = read_contacts(bundle, facts, mapping, now=NOW)

    assert reader is reader_named("pigeon")
    assert contact.contact_id == "p-1"
    assert refused.reason.startswith("Leg 2: column “started_at” is no date and time")


def test_every_reader_has_a_name_of_its_own_and_a_page():
    formats = [reader.format for reader in READERS]

    assert len(set(formats)) == len(formats)
    assert all(reader_named(name).format == name for name in formats)
    for reader in READERS:
        assert (GUIDES / f"{reader.guide}.md").is_file(), reader.guide


def test_every_adapter_with_a_reader_is_registered():
    directory = Path(registry.__file__).parent
    made = {p.stem for p in directory.glob("*.py") if "\nREADER = " in p.read_text()}
    lines = {reader.recognise.__module__.rpartition(".")[2] for reader in READERS}

    assert len(READERS) == len(made), made ^ lines


EXPORTS = sorted(path.name for path in FIXTURES.iterdir())
TABLES = {"xlsx", "parquet", "captions", "jsonl", "json", "csv"}


@pytest.mark.parametrize("name", EXPORTS)
def test_an_export_is_taken_by_its_own_reader_and_no_other_makes_a_claim_to_it(name):
    with open_bundle(FIXTURES / name) as bundle:
        assert recognise(bundle)[0].format == name
        others = [r for r in READERS if r.format not in TABLES and r.format != name]
        assert [r.format for r in others if r.recognise(bundle) is not None] == []


@pytest.mark.parametrize("name", sorted(set(EXPORTS) - TABLES))
def test_an_export_is_read_with_the_mapping_of_its_reader(name):
    with open_bundle(FIXTURES / name) as bundle:
        reader, facts = recognise(bundle)
        mapping = reader.mapping(facts)
        outcomes = list(read_contacts(bundle, facts, mapping, now=NOW))

    assert mapping.problems_with(facts.header) == []
    assert any(isinstance(outcome, ParsedContact) for outcome in outcomes)


@pytest.mark.parametrize(
    ("ticket", "reader"),
    [
        (
            {"id": 1, "requester_id": 2, "responder_id": None, "status": 5, "source": 1}
            | {"fr_escalated": False, "created_at": "2026-03-01T10:00:00Z", "subject": "Bill"},
            "freshdesk",
        ),
        ({"id": 1, "created": "2026-03-01T10:00:00Z", "via": "phone", "status": "new"}, "json"),
        ({"id": 1, "created_at": "2026-03-01T10:00:00Z", "ticket_state": {}}, "json"),
        ({"id": 1, "status": "new", "via": {"channel": "web"}, "requester_id": 7}, "zendesk"),
    ],
)
def test_a_list_called_tickets_is_told_by_what_is_in_it(ticket, reader, tmp_path):
    path = tmp_path / "page.json"
    path.write_text(json.dumps({"tickets": [ticket]}))

    with open_bundle(path) as bundle:
        assert recognise(bundle)[0].format == reader


def test_files_of_another_make_beside_an_export_are_named(tmp_path):
    ticket = {"id": 1, "status": "new", "via": {"channel": "web"}, "requester_id": 7}
    (tmp_path / "helpdesk.json").write_text(json.dumps({"tickets": [ticket]}))
    call = {"sid": "CA1", "account_sid": "AC1", "date_created": "2026-03-01T10:00:00Z"}
    (tmp_path / "calls.json").write_text(json.dumps({"calls": [call]}))

    with open_bundle(tmp_path) as bundle:
        reader, facts = recognise(bundle)

    assert reader.format == "zendesk"
    assert any("Nothing of it was found in “calls.json”" in reason for reason in facts.reasons)


def test_files_of_no_known_kind_are_refused_with_what_can_be_read(tmp_path):
    (tmp_path / "a.bin").write_bytes(bytes(range(256)))
    (tmp_path / "b.png").write_bytes(b"\x89PNG\r\n")

    with (
        open_bundle(tmp_path) as bundle,
        pytest.raises(UnreadableFile, match=r"no kind that can be read here.*Excel workbook"),
    ):
        recognise(bundle)


def test_archives_among_the_files_are_named_as_left_out(tmp_path):
    (tmp_path / "contacts.csv").write_text(HEADER + "1,2026-03-01T10:00:00Z,hello\n")
    with zipfile.ZipFile(tmp_path / "part2.zip", "w") as archive:
        archive.writestr("contacts.csv", HEADER)

    with open_bundle(tmp_path) as bundle:
        _, facts = recognise(bundle)
    assert any("“part2.zip”" in r and "Unpack them first" in r for r in facts.reasons)

    (tmp_path / "contacts.csv").write_bytes(b"\x00\x01")
    with open_bundle(tmp_path) as bundle, pytest.raises(UnreadableFile, match=r"“part2\.zip”"):
        recognise(bundle)


def test_an_archive_of_one_table_is_read_like_the_table(tmp_path):
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(FIXTURES / "csv/contacts.csv", "export/contacts.csv")

    assert read(path)[1] == read(FIXTURES / "csv/contacts.csv")[1]


def test_tables_of_the_same_columns_are_read_one_after_another(tmp_path):
    (tmp_path / "2026-02.csv").write_bytes(
        b"\xef\xbb\xbf" + f"{HEADER}1,2026-02-01T10:00:00Z,hi\n\n".encode()
    )
    (tmp_path / "2026-03.csv").write_text(
        "contact_id;started_at;text\n2;2026-03-01T10:00:00Z;ho\n3;never;ha\n4;a;b;c\n"
    )
    (tmp_path / "agents.csv").write_text("agent,team\n" + "Ada Quill,North\n" * 500)
    (tmp_path / "README").write_text("made on Monday\n")

    facts, outcomes = read(tmp_path)

    assert facts.header == ["contact_id", "started_at", "text"]
    assert [o.line for o in outcomes] == [2, 4, 5, 6]
    assert [o.contact_id for o in outcomes[:2]] == ["1", "2"]
    assert isinstance(outcomes[2], Reject)
    assert outcomes[2].reason.startswith("Line 3 of “2026-03.csv”: column “started_at”")
    assert outcomes[3].reason.startswith("In “2026-03.csv”: Line 4 has 4 columns")
    assert "2 files are read one after another" in facts.reasons[-2]
    assert "“README”, “agents.csv”" in facts.reasons[-1]


def test_json_files_of_different_keys_belong_together(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"id": "1", "created_at": "2026-03-01T10:00:00Z"}\n')
    (tmp_path / "b.jsonl").write_text(
        '{"id": "2", "created_at": "2026-03-01T10:00:00Z", "text": "hi"}\n'
    )

    facts, outcomes = read(tmp_path)

    assert facts.header == ["id", "created_at", "text"]
    assert facts.sample_rows == [["1", "2026-03-01T10:00:00Z", ""]]
    assert [o.turns for o in outcomes] == [(), (("customer", "hi"),)]


def test_one_contact_with_turns_is_a_line_and_a_page_of_contacts_a_list(tmp_path):
    one, page = tmp_path / "one.jsonl", tmp_path / "page.json"
    one.write_text('{"id": 1, "created_at": "2026-03-01", "turns": [{"text": "hi"}]}\n')
    page.write_text('{"next": "x", "calls": [{"id": 1, "created_at": "2026-03-01"}]}\n')

    assert read(one)[0].format == "jsonl"
    assert read(page)[0].format == "json"


@fuzzed
@given(broken_versions(FIXTURES / "csv/contacts.csv"))
def test_no_broken_csv_upsets_its_reader(files):
    read_all(contact_csv.READER, files)


@fuzzed
@given(
    broken_versions(
        {
            "contacts.jsonl": b'{"id": "1", "created_at": "2026-03-01T10:00:00Z", "text": "hi"}\n'
            b'{"id": 2, "created_at": 1772445600, "turns": [["bot", "o"], {"text": "\xc3\xa9"}]}\n'
            b'{"id": "3", "created_at": "2026-03-02", "csat": 4.5, "handle_time": "0:04:05"}\n'
        }
    )
)
def test_no_broken_json_lines_upset_their_reader(files):
    read_all(contact_jsonl.READER, files)


DEEP_PLACE = "where it goes deep"
CASE = {
    "attributes": {"type": "Case"},
    "Id": "5001",
    "CaseNumber": "1",
    "CreatedDate": "2026-03-02T09:00:00.000+0000",
    "Subject": "Late parcel",
}
# the file and the contact of its record that goes deep
DEEP = {
    "amazon_connect": ("contact_records.jsonl", "5f0c0001-7a11-4c2e-9b60-1d2e3f4a0001"),
    "freshdesk": ("tickets.json", "3501"),
    "genesys_cloud": ("conversation_details.json", "c0ffee01-1111-4222-8333-444455550001"),
    "google_insights": ("api.json", "9001"),
    "intercom": ("conversations.json", "1001"),
    "salesforce_case": ("cases.json", "5001"),
    "twilio": ("messages.json", "CH00000000000000000000000000000001"),
    "zendesk": ("tickets_1.json", "102"),
}


def export_of(vendor, folder, *, levels):
    """Write a vendor's export in which one record of many holds lists inside each other."""
    if vendor == "salesforce_case":
        folder.mkdir()
        cases = {"records": [CASE, {**CASE, "Id": "5002", "CaseNumber": "2"}]}
        (folder / DEEP[vendor][0]).write_text(json.dumps(cases))
    else:
        shutil.copytree(FIXTURES / vendor, folder)
    path = folder / DEEP[vendor][0]
    if path.suffix == ".jsonl":
        records = [json.loads(line) for line in path.read_text().splitlines()]
        records[0]["custom"] = DEEP_PLACE
        text = "\n".join(map(json.dumps, records))
    else:
        content = json.loads(path.read_text())
        named = content if isinstance(content, list) else next(
            value for value in content.values() if isinstance(value, list)
        )  # fmt: skip
        named[1 if vendor == "zendesk" else 0]["custom"] = DEEP_PLACE
        text = json.dumps(content)
    deep = "[" * levels + "]" * levels
    path.write_text(text.replace(json.dumps(DEEP_PLACE), deep))
    return folder


def rows_by_reader(path):
    with open_bundle(path) as bundle:
        reader, facts = recognise(bundle)
        rows = list(reader.read_rows(bundle, facts))
    good = {row.fields["contact_id"] for row in rows if isinstance(row, RawRow)}
    return reader.format, good, [row.reason for row in rows if isinstance(row, BadRow)]


@pytest.mark.parametrize("levels", [60, 5_000])
@pytest.mark.parametrize("vendor", DEEP)
def test_a_record_that_goes_too_deep_is_refused_in_words_and_the_others_come(
    tmp_path, vendor, levels
):
    _, wanted, others = rows_by_reader(export_of(vendor, tmp_path / "sound", levels=40))

    contact_id = DEEP[vendor][1]
    lost = {contact_id, f"{contact_id}#2"}  # some come back to it later
    found, good, refused = rows_by_reader(export_of(vendor, tmp_path / "deep", levels=levels))

    assert found == vendor
    assert lost & wanted
    assert good == wanted - lost, "half a contact is none"
    words = "holds more than 50 lists and objects inside each other"
    assert any(words in reason for reason in {*refused} - {*others})
