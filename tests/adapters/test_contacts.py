"""Whole files: the readers together, on made files and, where present, on real ones."""

from __future__ import annotations

import zipfile
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from closedloop.adapters.bundle import open_bundle
from closedloop.adapters.contacts import read_contacts
from closedloop.adapters.mapping import Mapping
from closedloop.adapters.registry import recognise
from closedloop.adapters.types import ParsedContact, Reject, Skipped

NOW = datetime(2026, 4, 1, tzinfo=UTC)
EXAMPLES = Path(__file__).parents[2] / "docs/import/examples"
DATA = Path(__file__).parents[3] / "shared/data"


def outcomes_of(path: Path, mapping: Mapping) -> list[ParsedContact | Reject | Skipped]:
    with open_bundle(path) as bundle:
        _, facts = recognise(bundle)
        assert mapping.problems_with(facts.header) == []
        return list(read_contacts(bundle, facts, mapping, now=NOW))


def test_read_contacts_keeps_the_first_event_of_each_contact(tmp_path):
    path = tmp_path / "events.csv"
    path.write_text(
        "nr,opened,state\nA,2026-03-01,new\nB,never,new\nA,2026-03-02,done\nB,2026-03-03,done\n"
    )
    columns = {"contact_id": "nr", "started_at": "opened", "disposition": "state"}
    log = Mapping(columns, zone="UTC", first_event_per_contact=True)

    first, refused, later, second = outcomes_of(path, log)

    assert (first.contact_id, first.disposition) == ("A", "new")
    assert refused.code == "unreadable_time"
    assert later == Skipped(4, "later_event")
    assert (second.contact_id, second.line) == ("B", 5)  # its first event that can be read


def test_read_contacts_hands_on_broken_rows_with_their_text(tmp_path):
    path = tmp_path / "contacts.csv"
    path.write_text("nr,opened\nA,2026-03-01,too,many\nB,2026-03-01\n")

    refused, contact = outcomes_of(
        path, Mapping({"contact_id": "nr", "started_at": "opened"}, zone="UTC")
    )

    assert (refused.code, refused.line, refused.raw) == ("broken_row", 2, "A,2026-03-01,too,many")
    assert contact.contact_id == "B"


def test_read_contacts_reads_json_lines(tmp_path):
    path = tmp_path / "contacts.jsonl"
    path.write_text(
        '{"id": 1, "at": 1767225600, "turns": [["customer", "hi"]]}\n{"id": 2\n{"id": 3}\n'
    )
    mapping = Mapping({"contact_id": "id", "started_at": "at", "turns": "turns"})

    contact, broken, timeless = outcomes_of(path, mapping)

    assert contact.started_at == datetime(2026, 1, 1, tzinfo=UTC)
    assert (broken.code, timeless.code) == ("broken_row", "no_time")


def repeats_within_a_week(contacts, gap=timedelta(0)):
    """Count contacts, repeats and repeating customers after joining by a session gap."""
    times = defaultdict(list)
    for contact in contacts:
        if contact.customer_id is not None:
            times[contact.customer_id].append(contact.started_at)
    n_contacts = n_repeats = n_repeating = 0
    for series in map(sorted, times.values()):
        later = [b for a, b in pairwise(series) if not gap or b - a > gap]
        starts = [series[0], *later]
        found = sum(b - a <= timedelta(days=7) for a, b in pairwise(starts))
        n_contacts, n_repeats = n_contacts + len(starts), n_repeats + found
        n_repeating += found > 0
    return n_contacts, n_repeats, n_repeating, len(times)


def test_read_contacts_gets_the_known_numbers_out_of_the_message_archive():
    path = DATA / "twcs_spotify/support_requests.csv"
    if not path.exists():
        pytest.skip("the message archive is not on this machine")

    found = outcomes_of(path, Mapping.load(EXAMPLES / "twcs_spotify.json"))

    assert Counter(type(outcome) for outcome in found) == {ParsedContact: 15_096, Reject: 7}
    messages = [outcome for outcome in found if isinstance(outcome, ParsedContact)]
    raw = repeats_within_a_week(messages)
    joined = repeats_within_a_week(messages, gap=timedelta(hours=12))
    assert raw == (15_096, 6_087, 3_274, 8_723)  # 37.5 % of customers
    assert joined == (9_681, 671, 566, 8_723)  # 6.5 % of customers


def test_read_contacts_gets_the_known_numbers_out_of_the_service_desk_log(tmp_path):
    path = DATA / "itsm_incident_log/incident_event_log.zip"
    if not path.exists():
        pytest.skip("the service desk log is not on this machine")
    with zipfile.ZipFile(path) as archive:
        log = Path(archive.extract(archive.namelist()[0], tmp_path))

    found = outcomes_of(log, Mapping.load(EXAMPLES / "itsm_incident_log.json"))

    contacts = [outcome for outcome in found if isinstance(outcome, ParsedContact)]
    assert not any(isinstance(outcome, Reject) for outcome in found)
    assert len(contacts) == 24_918
    assert sum(contact.customer_id is None for contact in contacts) == 3
    assert repeats_within_a_week(contacts)[:2] == (24_915, 12_200)  # 49.0 %


@pytest.mark.parametrize(
    ("name", "n_rows"),
    [("complaints_sample_6623.csv", 6_623), ("payday_personal_loan_2023_narratives.csv", 2_827)],
)
def test_read_contacts_takes_every_complaint_as_unidentified(name, n_rows):
    path = DATA / "cfpb" / name
    if not path.exists():
        pytest.skip("the complaint extracts are not on this machine")

    found = outcomes_of(path, Mapping.load(EXAMPLES / "cfpb_complaints.json"))

    assert len(found) == n_rows
    assert all(isinstance(c, ParsedContact) and c.customer_id is None for c in found)
