"""Captions with a list of contacts: who said what, and which file is whose."""

from __future__ import annotations

import shutil
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given

from closedloop.adapters.bundle import open_bundle
from closedloop.adapters.caption_text import kind_of, read_turns
from closedloop.adapters.captions import READER
from closedloop.adapters.contacts import read_contacts
from closedloop.adapters.registry import recognise
from closedloop.adapters.types import ParsedContact, Reject, UnreadableFile
from tests.adapters.fuzz import broken_versions, fuzzed, read_all

FIXTURE = Path(__file__).parent / "fixtures/captions"
NOW = datetime(2026, 4, 1, tzinfo=UTC)


def contacts_of(path: Path):
    with open_bundle(path) as bundle:
        reader, facts = recognise(bundle)
        assert reader is READER
        return list(read_contacts(bundle, facts, reader.mapping(facts), now=NOW)), facts


@pytest.fixture
def directory(tmp_path) -> Path:
    return Path(shutil.copytree(FIXTURE, tmp_path / "export"))


def test_each_row_of_the_list_gets_the_turns_of_its_file():
    contacts, facts = contacts_of(FIXTURE)

    assert [contact.contact_id for contact in contacts] == ["V-1", "V-2", "V-3", "V-4"]
    assert contacts[0].turns == (
        ("agent", "Good morning, Northbank deliveries."),
        ("customer", "My parcel was due Friday & it isn’t here yet, again."),
        ("agent", "Sorry. I will look."),
    )
    assert contacts[1].turns == (
        ("agent", "How can I help?"),
        ("customer", "I sent the shoes back and there is no refund."),
        ("agent", "It takes 5 days: five working days."),
    )
    assert contacts[2].turns == (
        ("agent", "Good afternoon."),
        ("customer", "Me again. My order: still nothing. It has been a week."),
        ("agent", "I am sorry to hear that."),
    )
    assert contacts[3].turns == ()
    assert (contacts[0].customer_id, contacts[0].disposition) == ("C-11", "not arrived")
    assert facts.member == "calls.csv"


def test_an_archive_is_read_like_the_directory(tmp_path):
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(FIXTURE.rglob("*.*")):
            archive.write(file, file.relative_to(FIXTURE))

    assert contacts_of(path)[0] == contacts_of(FIXTURE)[0]


def test_a_file_that_is_missing_or_no_text_costs_its_row(directory):
    (directory / "v-2.srt").unlink()
    (directory / "calls/v-1.vtt").write_bytes(bytes(range(256)) * 4)

    (first, second, third, _), _ = contacts_of(directory)

    assert isinstance(first, Reject)
    assert "no text" in first.reason
    assert isinstance(second, Reject)
    assert second.reason.startswith("Line 3 of the list: column “transcript_file” names a file")
    assert '"contact_id": "V-2"' in second.raw
    assert isinstance(third, ParsedContact)


def test_captions_that_nobody_lists_are_named(directory):
    shutil.copy(directory / "v-2.srt", directory / "v-9.srt")

    _, facts = contacts_of(directory)

    assert facts.reasons[-1] == "Not on the list, and left out: “v-9.srt”."


@pytest.mark.parametrize("files", [["v-2.srt"], ["v-2.srt", "calls/v-1.vtt"]])
def test_captions_without_a_list_are_refused_with_a_sentence(directory, files):
    path = directory / files[0]
    if len(files) > 1:
        (directory / "calls.csv").unlink()
        path = directory

    with open_bundle(path) as bundle, pytest.raises(UnreadableFile, match="no list of contacts"):
        recognise(bundle)


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        ("WEBVTT\n\n", "vtt"),
        ("\ufeffWEBVTT - title\r\n", "vtt"),
        ("WEBVTTX", None),
        ("1\r\n00:00:01,000 --> 00:00:02,000\r\nHi", "srt"),
        ("\n7\n0:00:01.000 --> 0:00:02.000\nHi", "srt"),
        ("id,started_at\n1,2026-03-02", None),
    ],
)
def test_captions_are_told_by_how_they_begin(start, kind):
    assert kind_of(start) == kind


def turns_of(text: str, **names: str) -> list[tuple[str, str]]:
    return [(turn["speaker"], turn["text"]) for turn in read_turns(text, names)]


def test_dashes_begin_turns_of_nobody_known():
    text = "1\n00:00:01,000 --> 00:00:02,000\n- Hello.\n- Hi, it is broken\nagain.\n"

    assert turns_of(text) == [("unknown", "Hello."), ("unknown", "Hi, it is broken again.")]


@pytest.mark.parametrize(
    ("line", "speaker"),
    [
        ("[Customer] My bill is wrong", "customer"),
        ("(Agent): My bill is wrong", "agent"),
        ("00:12 [Agent] My bill is wrong", "agent"),
        ("WEBVTT\n\n00:01.000 --> 00:02.000\n<v Ray, Bob (Guest)>My bill is wrong</v>", "customer"),
        ("Ray Bob: My bill is wrong", "customer"),
    ],
)
def test_names_in_brackets_and_names_turned_round_are_told(line, speaker):
    (turn,) = read_turns(line, {"customer": "Bob Ray"})

    assert turn == {"speaker": speaker, "text": "My bill is wrong"}


def test_the_marks_of_speakers_nobody_knows_are_no_words_of_theirs():
    cues = "[SPEAKER_00]: Hello\n[SPEAKER_01]: My bill\n[SPEAKER_00]: Yes\n[SPEAKER_01]: No"
    assert "SPEAKER" not in str(read_turns(cues, {}))

    assert read_turns("(laughs) Hello\n(laughs) Yes", {})[0]["text"].startswith("(laughs)")


def test_cues_are_read_in_the_order_of_their_times_and_repeated_lines_once():
    text = (
        "WEBVTT\n\n00:05.000 --> 00:06.000\n<v Agent>second\n\n"
        "00:01.000 --> 00:02.000\n<v Agent>first\n\n00:02.000 --> 00:03.000\n<v Agent>first\n"
    )

    assert turns_of(text) == [("agent", "first second")]


def test_two_voices_in_one_cue_and_escaped_signs_are_told_apart():
    text = (
        "WEBVTT\n\n00:01.000 --> 00:02.000\n"
        "<v Caller>Is 3 &lt; 4?</v> <v Agent 7>&nbsp;Yes &amp;lt; no</v>\n"
    )

    assert turns_of(text) == [("customer", "Is 3 < 4?"), ("agent", "Yes &lt; no")]


def test_a_word_before_a_colon_is_no_speaker_unless_it_comes_twice_or_is_known():
    text = "Customer: I have a question\nRemember: it broke\nAgent: Yes\nMia: hm\nMia: ok\n"

    assert turns_of(text, agent="Someone Else") == [
        ("customer", "I have a question Remember: it broke"),
        ("agent", "Yes"),
        ("unknown", "hm ok"),
    ]


@fuzzed
@given(broken_versions(FIXTURE))
def test_no_broken_export_upsets_the_reader(files):
    read_all(READER, files)
