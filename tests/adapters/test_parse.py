"""From row to contact: what is accepted, what is refused, and in which words."""

from __future__ import annotations

import dataclasses
import re
from datetime import UTC, datetime

import pytest

from closedloop.adapters.mapping import Mapping
from closedloop.adapters.parse import parse_row
from closedloop.adapters.types import ParsedContact, RawRow, Reject, Skipped

NOW = datetime(2026, 4, 1, 12, tzinfo=UTC)
GOOD = {
    "nr": "A1",
    "opened": "2026-03-01 10:00",
    "caller": "C7",
    "via": "Phone",
    "team": " Cards  UK ",
    "who": "?",
    "code": "N/A",
    "body": "My card did not come.",
    "secs": "245.4",
    "score": "4,5",
}
MAPPING = Mapping(
    {
        "contact_id": "nr",
        "started_at": "opened",
        "customer_id": "caller",
        "channel": "via",
        "queue": "team",
        "agent": "who",
        "disposition": "code",
        "text": "body",
        "handle_seconds": "secs",
        "csat": "score",
    },
    zone="UTC",
)


def parse(mapping=MAPPING, **changes):
    return parse_row(RawRow(7, {**GOOD, **changes}), mapping, now=NOW)


def test_parse_row_returns_a_whole_contact():
    assert parse() == ParsedContact(
        line=7,
        contact_id="A1",
        started_at=datetime(2026, 3, 1, 10, tzinfo=UTC),
        customer_id="C7",
        channel="phone",
        queue="Cards UK",
        agent=None,
        disposition=None,
        turns=(("customer", "My card did not come."),),
        handle_seconds=245,
        csat=4.5,
    )


def test_parse_row_accepts_a_contact_without_text_and_without_customer():
    contact = parse(body=" ", caller="?", secs="", score="")

    assert contact.turns == ()
    assert contact.customer_id is None
    assert (contact.handle_seconds, contact.csat) == (None, None)


@pytest.mark.parametrize(
    ("changes", "code", "column"),
    [
        ({"nr": "  "}, "no_contact_id", "nr"),
        ({"nr": "n/a"}, "no_contact_id", "nr"),
        ({"nr": "x" * 201}, "id_too_long", "nr"),
        ({"opened": ""}, "no_time", "opened"),
        ({"opened": "?"}, "no_time", "opened"),
        ({"opened": "soon"}, "unreadable_time", "opened"),
        ({"opened": "03/04/2026"}, "ambiguous_date", "opened"),
        ({"opened": "2026-04-02 12:00:01"}, "future_time", "opened"),
        ({"opened": "1900-01-01"}, "too_early", "opened"),
        ({"secs": "-1"}, "bad_handle_seconds", "secs"),
        ({"secs": "86401"}, "bad_handle_seconds", "secs"),
        ({"secs": "long"}, "bad_handle_seconds", "secs"),
        ({"secs": "inf"}, "bad_handle_seconds", "secs"),
        ({"score": "good"}, "bad_csat", "score"),
        ({"score": "1,250"}, "bad_csat", "score"),
        ({"caller": ["C7"]}, "nested_value", "caller"),
    ],
)
def test_parse_row_refuses_with_line_column_and_remedy(changes, code, column):
    reject = parse(**changes)

    assert isinstance(reject, Reject)
    assert (reject.line, reject.code, reject.column) == (7, code, column)
    assert reject.reason.startswith(f"Line 7: column “{column}”")
    assert reject.reason.endswith(".")
    assert reject.raw  # can be replayed


def test_parse_row_never_repeats_the_value_in_its_sentence():
    for changes in ({"opened": "Jane Doe"}, {"score": "Jane Doe"}, {"secs": "Jane Doe"}):
        reject = parse(**changes)
        assert "Jane" not in reject.reason
        assert "Jane" not in repr(reject)
        assert "AAAA AAA" in reject.reason


def test_parse_row_accepts_times_up_to_a_day_ahead_of_the_clock():
    assert isinstance(parse(opened="2026-04-02 12:00:00"), ParsedContact)


def test_parse_row_without_a_zone_says_where_to_name_one():
    reject = parse(mapping=Mapping(MAPPING.columns))

    assert reject.code == "no_zone"
    assert "Name the time zone of the file in the mapping" in reject.reason


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0:04:05", 245), ("04:05", 245), ("86400", 86400), ("0:04:05.400", 245), ("04:04,9", 245)],
)
def test_parse_row_reads_handle_time_as_clock_or_seconds(text, seconds):
    assert parse(secs=text).handle_seconds == seconds


@pytest.mark.parametrize(
    ("text", "mark", "seconds"),
    [
        *(("1.250", ",", 1250), ("1.250,6", ",", 1251), ("12,5", ",", 12), ("12.5", ",", 12)),
        ("0.250", ",", 0),
        *(("1.250", ".", 1), ("1,250", ".", 1250), ("1,250.6", ".", 1251), ("12.345", ".", 12)),
        *(("245.000", None, 245), ("0.250", None, 0), ("1250.125", None, 1250), (1.25, None, 1)),
    ],
)
def test_parse_row_reads_a_duration_by_its_decimal_mark(text, mark, seconds):
    mapping = dataclasses.replace(MAPPING, decimal_mark=mark)
    assert parse(mapping, secs=text).handle_seconds == seconds


def test_parse_row_refuses_a_duration_that_can_be_read_both_ways():
    reject = parse(secs="2.750")
    assert reject.code == "bad_handle_seconds"
    assert "Write 1250 or 1.25, or say in the mapping which decimal_mark" in reject.reason
    assert "2.750" not in reject.reason


@pytest.mark.parametrize(
    ("day", "clock", "utc"),
    [
        ("2026-03-04", "14:05", (4, 14, 5)),
        ("2026-03-04T00:00:00", "14:05:00", (4, 14, 5)),
        ("04.03.2026", "2:05 PM", (4, 14, 5)),
        ("4 March 2026", "00:30 +01:00", (3, 23, 30)),
    ],
)
def test_parse_row_joins_a_date_and_a_time_of_day(day, clock, utc):
    columns = {**MAPPING.columns, "started_time": "clock"}
    contact = parse(Mapping(columns, zone="UTC", date_order="dmy"), opened=day, clock=clock)
    at = contact.started_at
    assert (at.day, at.hour, at.minute) == utc


@pytest.mark.parametrize(
    ("day", "clock", "code", "words"),
    [
        ("2026-03-01", "", "no_time", "“clock” is empty"),
        ("2026-03-01", "soon", "unreadable_time", "“clock” is no time of day .*AAAA"),
        ("2026-03-01", "25:00", "unreadable_time", "“opened” .* is no date and time"),
        ("", "14:05", "no_time", "“opened” .* is empty"),
        ("2026-03-01 10:00", "14:05", "unreadable_time", "“opened” .* is no date and time"),
    ],
)
def test_parse_row_names_the_column_in_which_a_joined_time_is_wrong(day, clock, code, words):
    mapping = Mapping({**MAPPING.columns, "started_time": "clock"}, zone="UTC")
    reject = parse(mapping, opened=day, clock=clock)
    assert reject.code == code
    assert re.search(words, reject.reason)


def test_parse_row_fills_in_constants_and_keeps_cells():
    mapping = Mapping(MAPPING.columns, zone="UTC", constants={"channel": "Chat", "queue": "Q"})

    contact = parse(mapping, via="", team="Cards")

    assert (contact.channel, contact.queue) == ("chat", "Cards")


def test_parse_row_leaves_out_rows_that_are_not_inbound():
    mapping = Mapping(MAPPING.columns, zone="UTC", inbound=("via", "PHONE"))

    assert isinstance(parse(mapping), ParsedContact)
    assert parse(mapping, via="agent", opened="broken") == Skipped(7, "not_inbound")


def test_parse_row_accepts_a_short_row_whose_mapped_columns_are_all_there():
    row = RawRow(3, {"nr": "1", "opened": "2026-03-01"}, cut_short=True)
    short = Mapping({"contact_id": "nr", "started_at": "opened"}, zone="UTC")

    assert isinstance(parse_row(row, short, now=NOW), ParsedContact)
    reject = parse_row(row, MAPPING, now=NOW)
    assert (reject.code, reject.column) == ("cut_short", "caller")


@pytest.mark.parametrize(
    ("fields", "words"),
    [({"nr": "1"}, "ends after 1 column."), ({"nr": "1", "via": "x"}, "ends after 2 columns.")],
)
def test_parse_row_says_where_a_short_row_ends(fields, words):
    reject = parse_row(RawRow(3, fields, cut_short=True), MAPPING, now=NOW)

    assert isinstance(reject, Reject)
    assert words in reject.reason


def turns_of(turns, **columns):
    mapping = Mapping({"contact_id": "nr", "started_at": "opened", "turns": "t"}, zone="UTC")
    return parse(mapping, t=turns)


@pytest.mark.parametrize(
    "turns",
    [
        [{"speaker": "Client", "text": "hi"}, {"role": "Assistant", "content": "hello"}],
        [["caller", "hi"], ["advisor", " hello "], ["agent", ""]],
        '[{"from": "customer", "message": "hi"}, {"sender": "staff", "body": "hello"}]',
    ],
)
def test_parse_row_reads_turns_in_the_usual_shapes(turns):
    assert turns_of(turns).turns == (("customer", "hi"), ("agent", "hello"))


def test_parse_row_calls_a_speaker_it_does_not_know_unknown():
    turns = [{"speaker": "Zed", "text": "a"}, {"text": "b"}, {"speaker": "IVR", "text": "c"}, "d"]

    assert [speaker for speaker, _ in turns_of(turns).turns] == [
        "unknown",
        "unknown",
        "bot",
        "customer",
    ]


@pytest.mark.parametrize("turns", ["[{broken", [{"text": 7}], [3]])
def test_parse_row_refuses_turns_it_cannot_read(turns):
    assert turns_of(turns).code == "bad_turns"


def test_parse_row_stores_nothing_a_database_refuses():
    contact = parse(nr="A\x001", body="half \ud83d pair\x00")

    assert contact.contact_id == "A1"
    assert contact.turns[0][1] == "half ? pair"
    assert parse(secs="x", body="\ud83d").raw.encode()


def test_parse_row_takes_whole_json_numbers_as_ids():
    assert parse(nr=12.0, caller=7).contact_id == "12"


MEASURED = Mapping(
    {
        "contact_id": "nr",
        "started_at": "opened",
        **{
            name: name
            for name in (
                *("team", "language", "wait_seconds", "abandoned", "transfers", "resolved"),
                *("survey_resolved", "nps", "ces", "csat", "follows_contact_id"),
            )
        },
    },
    zone="UTC",
    identifiers={"phone": "mobile", "email": "mail"},
)


def measured(mapping=MEASURED, **changes):
    outcome = parse_row(RawRow(7, {**GOOD, **changes}), mapping, now=NOW)
    assert isinstance(outcome, ParsedContact), outcome
    return outcome


def test_parse_row_reads_what_was_measured():
    contact = measured(
        team=" North ",
        language="en-GB",
        wait_seconds="1:00:05",
        abandoned="No",
        transfers=2.0,
        resolved=True,
        survey_resolved="n/a",
        nps="0",
        ces="6,5",
        follows_contact_id="A0",
        mobile="07700 900123",
        mail="?",
    )

    assert (contact.team, contact.language, contact.wait_seconds) == ("North", "en", 3605)
    assert (contact.abandoned, contact.resolved, contact.survey_resolved) == (False, True, None)
    assert (contact.transfers, contact.nps, contact.ces) == (2, 0, 6.5)
    assert contact.follows_contact_id == "A0"
    assert contact.identifiers == (("phone", "07700 900123"),)
    assert "900123" not in repr(contact)


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"wait_seconds": "2592001"}, "bad_wait_seconds", "more than 30 days"),
        ({"wait_seconds": "-1"}, "bad_wait_seconds", "is negative"),
        ({"abandoned": "perhaps"}, "bad_abandoned", "neither yes nor no .it looks like AAAAAAA"),
        ({"resolved": "2"}, "bad_resolved", "neither yes nor no"),
        ({"transfers": "1.5"}, "bad_transfers", "no whole number 0 or more"),
        ({"transfers": "-1"}, "bad_transfers", "no whole number 0 or more"),
        ({"nps": "11"}, "bad_nps", "no whole number from 0 to 10"),
        ({"ces": "0.9"}, "bad_ces", "not from 1 to 7"),
        ({"csat": "0"}, "bad_csat", "not from 1 to 5.*csat_scale"),
        ({"csat": "80%"}, "bad_csat", "is no number"),
        ({"language": "Klingon"}, "bad_language", "is no language"),
        ({"follows_contact_id": "x" * 201}, "id_too_long", "which is no id"),
    ],
)
def test_parse_row_refuses_measures_out_of_range_with_a_remedy(changes, code, words):
    reject = parse_row(RawRow(7, {**GOOD, **changes}), MEASURED, now=NOW)

    assert isinstance(reject, Reject)
    assert (reject.code, reject.column) == (code, next(iter(changes)))
    assert re.search(words, reject.reason)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        *(("yes", True), ("Y", True), ("TRUE", True), (1, True), (1.0, True), ("resolved", True)),
        *(("no", False), (0, False), ("f", False), ("Not  resolved", False), ("-", None)),
    ],
)
def test_parse_row_understands_yes_and_no_as_people_write_them(value, found):
    assert measured(resolved=value, survey_resolved=value).resolved is found
    assert measured(survey_resolved=value).survey_resolved is found


@pytest.mark.parametrize(
    ("scale", "values"),
    [
        ("1-5", {"1": 1, "4.5": 4.5, "5": 5}),
        ("1-7", {"1": 1, "4": 3, "7": 5}),
        ("1-10", {"1": 1, "10": 5, "8": 4.11}),
        ("0-100", {"0": 1, "75": 4, "100 %": 5}),
        ("good-bad", {"Good": 5, "bad": 1, "offered": None, "": None}),
    ],
)
def test_parse_row_puts_each_scale_of_satisfaction_on_one_to_five(scale, values):
    mapping = dataclasses.replace(MEASURED, csat_scale=scale)

    assert {value: measured(mapping, csat=value).csat for value in values} == values


def test_parse_row_refuses_a_rating_in_words_that_nobody_knows():
    mapping = dataclasses.replace(MEASURED, csat_scale="good-bad")
    reject = parse_row(RawRow(7, {**GOOD, "csat": "meh"}), mapping, now=NOW)

    assert "neither good nor bad" in reject.reason


@pytest.mark.parametrize(
    ("written", "code"),
    [("EN", "en"), ("pt_BR", "pt"), ("deu", "de"), ("Lietuvių", "lt"), ("und", None), ("?", None)],
)
def test_parse_row_brings_languages_to_their_code(written, code):
    assert measured(language=written).language == code


def test_no_contact_follows_itself():
    assert measured(follows_contact_id="A1").follows_contact_id is None


def test_parse_row_begins_its_sentence_with_the_place_a_person_can_find():
    row = RawRow(7, {**GOOD, "opened": "soon"}, where="ticket 35 in tickets.json")

    assert parse_row(row, MAPPING, now=NOW).reason.startswith("Ticket 35 in tickets.json: column")


def test_an_identifier_that_is_none_identifies_nobody():
    assert measured(mobile="x" * 201, mail=["a@example.org"]).identifiers == ()
    assert measured(mobile=447700900123, mail=None).identifiers == (("phone", "447700900123"),)


@pytest.mark.parametrize("rounded", ["4.41E+11", "4,477e+11", "1E+12", 1.2345678901234568e18])
@pytest.mark.parametrize("column", ["nr", "caller"])
def test_a_long_number_that_a_spreadsheet_rounded_is_no_id_of_anybody(column, rounded):
    refused = parse(**{column: rounded})

    assert isinstance(refused, Reject)
    assert refused.code == "shortened_id"
    assert "a spreadsheet has rounded" in refused.reason
    assert "4.4" not in refused.reason


def test_a_rounded_further_identifier_links_nobody():
    mapping = dataclasses.replace(MAPPING, identifiers={"phone": "phone"})

    assert parse(mapping, phone="4.477E+11").identifiers == ()
    assert parse(mapping, phone="+44 7700 900123").identifiers == (("phone", "+44 7700 900123"),)


@pytest.mark.parametrize("contact_id", ["4E11", "1e-5", "E+11", "12.5E+3", "A4.41E+11"])
def test_an_id_that_only_resembles_a_rounded_number_is_taken(contact_id):
    assert parse(nr=contact_id).contact_id == contact_id
