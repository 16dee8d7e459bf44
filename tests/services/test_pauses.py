"""Exports opened for reading: how a mapping has conversations cut into contacts."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from closedloop.adapters.contacts import read_rows
from closedloop.adapters.mapping import Mapping
from closedloop.adapters.types import BadMapping, RawRow
from closedloop.services.contact_files import open_contacts, recognise_file

FIXTURES = Path(__file__).parents[1] / "adapters/fixtures"
CHANNELS = ("email", "web", "chat", "phone", "social", "messaging")
MONTH = 30 * 86_400


def contacts(export: str, pauses: dict[str, int]) -> dict[str, str]:
    """Return the channel of each contact that is read with some pauses."""
    mapping = dataclasses.replace(recognise_file(FIXTURES / export).mapping, pauses=pauses)
    with open_contacts(FIXTURES / export, mapping) as opened:
        rows = [
            row.fields for row in read_rows(opened.bundle, opened.facts) if isinstance(row, RawRow)
        ]
    return {row["contact_id"]: row["channel"] for row in rows}


@pytest.mark.parametrize("export", ["twilio", "intercom", "freshdesk", "salesforce_case"])
def test_readers_that_cut_conversations_keep_to_the_pauses_that_are_set(export) -> None:
    assert recognise_file(FIXTURES / export).cuts
    usual = contacts(export, {})

    assert len(contacts(export, dict.fromkeys(CHANNELS, MONTH))) < len(usual)
    assert len(contacts(export, dict.fromkeys(CHANNELS, 0))) > len(usual)
    assert contacts(export, {"fax": 0}) == usual


def test_a_pause_holds_for_its_channel_alone() -> None:
    usual = contacts("intercom", {})
    found = contacts("intercom", {"email": 48 * 3600})

    assert "1002#2" in found.keys() - usual.keys()  # sixty hours of rest, by mail
    assert {found[key] for key in found.keys() - usual.keys()} == {"email"}


@pytest.mark.parametrize(
    ("pauses", "words"),
    [({"chat": -1}, "negative"), ({"chat": MONTH + 1}, "30 days"), ({"chat": "x"}, "wrong kind")],
)
def test_pauses_that_make_no_sense_are_refused(pauses, words) -> None:
    settings = {"columns": {"contact_id": "id", "started_at": "at"}, "pauses": pauses}
    with pytest.raises(BadMapping, match=words):
        Mapping.from_dict(settings)


def test_pauses_are_kept_with_the_mapping(tmp_path) -> None:
    settings = {"columns": {"contact_id": "id"}, "pauses": {"E-Mail": 60}}
    mapping = Mapping.from_dict(settings)
    mapping.dump(tmp_path / "m.toml")

    assert Mapping.load(tmp_path / "m.toml").pauses == {"e-mail": 60}
    assert "pauses" not in Mapping({"contact_id": "id"}).to_dict()
