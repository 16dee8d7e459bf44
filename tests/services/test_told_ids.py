"""Ids that tell who somebody is become hashes; numbers of tickets and orders stay."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime

import pytest

from closedloop.adapters.mapping import Mapping
from closedloop.adapters.types import FileFacts, ParsedContact, Reject
from closedloop.services.contact_rows import RowCleaner
from closedloop.services.told_ids import IdReader, hide_in_name

TELLING = [
    "447911123456-20260302T101500",
    "447911123456-1",
    "rec_447911123456_2026-03-02",
    "call +44 7911 123456",
    "+447911123456",
    "00447911123456 2026",
    "12025550143-2026.wav",
    "ann@example.org-3",
    "chat/ann%40example.org",
    "x:GB33BUKB20201555555555",
    "card-4111111111111111",
    "pay 4111 1111 1111 1111 b",
    "lt-38703181745",
]
PLAIN = [
    "c123",
    "4711234",
    "447911123456",
    "1709370000123",
    "1660687153182-47",
    "S-12345678901",
    "CASE-100200300400",
    "case_00012345678",
    "INC-2026-0004711",
    "2026-03-02-000123",
    "20260302101500-7",
    "20260302-101",
    "402-1234567-1234567",
    "123400005678-0001",
    "CA00000000000000000000000000000002",
    "5f0c0001-7a11-4c2e-9b60-1d2e3f4a0001",
    "12345678-1234-1234-1234-123456789012",
    "f037826351c4ec83cf476d2067cbc338",
    "500A000000AbCdEIAV",
    "#1001234567",
]


@pytest.mark.parametrize("contact_id", TELLING)
def test_an_id_that_tells_who_somebody_is_is_known(settings, contact_id) -> None:
    assert IdReader(settings).may_tell(["c1", contact_id])
    assert IdReader(settings).tells(contact_id)


@pytest.mark.parametrize("contact_id", PLAIN)
def test_numbers_of_tickets_orders_and_records_tell_of_nobody(settings, contact_id) -> None:
    assert not IdReader(settings).tells(contact_id)


def test_most_ids_are_passed_by_all_at_once() -> None:
    assert not IdReader.may_tell(["c123", "4711", "12345678", "INC004711", "9001#2"] * 100)


def test_a_number_that_the_site_allows_tells_of_nobody(settings, tmp_path) -> None:
    rules = tmp_path / "redaction.toml"
    rules.write_text('[allow]\nvalues = ["+44 7911 123456"]\n')
    own = dataclasses.replace(settings, redaction_rules=str(rules))

    assert not IdReader(own).tells("447911123456-2026-03-02")
    assert IdReader(own).tells("447911123457-2026-03-02")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("calls_447911123456.csv", "calls_[PHONE].csv"),
        ("ann_lee@example.org.csv", "[EMAIL]"),
        ("447911123456_2026-03-02.wav", "[PHONE]_2026-03-02.wav"),
        ("Export 20260302_101500.xlsx", "Export 20260302_101500.xlsx"),
        ("contacts 2026-03-02 (1).csv", "contacts 2026-03-02 (1).csv"),
        ("tickets_4711.json", "tickets_4711.json"),
    ],
)
def test_the_name_of_a_file_is_kept_without_what_tells_of_somebody(settings, name, shown) -> None:
    assert hide_in_name(name, settings) == shown


def test_ids_follow_ups_and_reasons_are_stored_without_anybodys_number(settings) -> None:
    facts = FileFacts("google_insights", "utf-8", "", False, [], [], [])
    cleaner = RowCleaner(settings, facts, Mapping({}, source="crm"))
    at = datetime(2026, 3, 2, tzinfo=UTC)
    told = "447911123456-20260302"
    rows = [
        ParsedContact(line=1, contact_id="9001", started_at=at),
        ParsedContact(line=2, contact_id=told, started_at=at),
        ParsedContact(line=3, contact_id="9002", started_at=at, follows_contact_id=told),
    ]

    table = cleaner.clean_all(rows)
    refused = cleaner.clean_reject(
        Reject(4, "broken_row", None, f"Record 1 of {told}.json, ticket 100200300400.", "")
    )

    ids = table["contact_id"]
    assert ids[0] == "9001"
    assert ids[1].startswith("hashed-")
    assert ids[2] == "9002"
    assert table["follows_contact_id"] == ["", "", ids[1]]
    assert "447911" not in refused.reason
    assert refused.reason == "Record 1 of [PHONE]-20260302.json, ticket 100200300400."
