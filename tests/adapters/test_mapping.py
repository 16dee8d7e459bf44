"""The mapping: guessed from real headers, kept in a file, refused in words."""

from __future__ import annotations

from pathlib import Path

import pytest

from closedloop.adapters.guesses import guess_mapping
from closedloop.adapters.mapping import Mapping
from closedloop.adapters.types import BadMapping

EXAMPLES = Path(__file__).parents[2] / "docs/import/examples"
FULL = Mapping(
    columns={"contact_id": "Nr.", "started_at": "Eröffnet", "text": 'Say "what"'},
    source="desk",
    date_order="dmy",
    zone="Europe/Berlin",
    constants={"channel": "phone"},
    unknown_values=("?", "keine"),
    first_event_per_contact=True,
    session_gap_seconds=43_200,
    inbound=("direction", "in"),
    session_gaps={"chat": 0, "email": 86_400},
    csat_scale="0-100",
    decimal_mark=",",
    identity_kind="phone",
    identifiers={"email": "E-Mail"},
)


def test_guess_mapping_knows_a_message_archive():
    header = ["", "index", "tweet_id", "author_id", "inbound", "created_at", "text"]
    sample = [["0", "1", "849", "115887", "True", "Tue Oct 31 23:36:20 +0000 2017", "no sound"]]

    guess = guess_mapping(header, sample)

    assert guess.columns == {
        "contact_id": "tweet_id",
        "started_at": "created_at",
        "customer_id": "author_id",
        "text": "text",
    }
    assert (guess.date_order, guess.inbound) == ("iso", ("inbound", "True"))
    assert "zone" not in guess.reasons


def test_guess_mapping_knows_a_service_desk_log():
    header = ["number", "caller_id", "opened_at", "contact_type", "closed_code", "assigned_to"]
    sample = [["INC1", "?", "3/4/2016 01:16", "Phone", "5", "?"]] * 2

    guess = guess_mapping(header, sample)

    assert guess.columns["contact_id"] == "number"
    assert guess.columns["customer_id"] == "caller_id"
    assert guess.columns["disposition"] == "closed_code"
    assert guess.date_order is None  # 3 April or 4 March: a person must say
    assert "day or month" in guess.reasons["date_order"]
    assert "time zone" in guess.reasons["zone"]


def test_guess_mapping_knows_a_complaint_register_and_invents_no_customer():
    header = ["Date received", "Issue", "Consumer complaint narrative", "Submitted via"]

    guess = guess_mapping([*header, "Complaint ID"], [["03/22/23", "Fees", "They", "Web", "1"]])

    assert guess.columns == {
        "contact_id": "Complaint ID",
        "started_at": "Date received",
        "channel": "Submitted via",
        "disposition": "Issue",
        "text": "Consumer complaint narrative",
    }
    assert guess.date_order == "mdy"
    assert set(guess.columns) < set(guess.reasons)


@pytest.mark.parametrize(
    ("column", "written", "inbound"),
    [
        ("inbound", ["1", "0"], "1"),
        ("Inbound", ["no", "Yes"], "Yes"),
        ("is_inbound", ["TRUE", "false"], "TRUE"),
        ("inbound", ["0", "0"], "1"),
        ("inbound", ["perhaps", "maybe"], None),
        ("inbound", [], None),
        ("direction", ["OUTBOUND", "INBOUND"], "INBOUND"),
        ("Call Direction", ["Inbound", "Outbound"], "Inbound"),
        ("CALL TYPE", ["Inbound", "Outbound", "Queue Callback"], "Inbound"),
        ("originating_direction", ["outbound", "outbound"], "inbound"),
        ("direction", ["north", "1"], None),
    ],
)
def test_guess_mapping_takes_for_inbound_what_the_sample_writes(column, written, inbound):
    sample = [["a", "2026-03-01 10:00", value] for value in written]

    guess = guess_mapping(["call_id", "start_time", column], sample)

    assert guess.inbound == (inbound and (column, inbound))
    assert ("inbound" in guess.reasons) is (inbound is not None)


@pytest.mark.parametrize(
    ("written", "mark"),
    [
        (["12,5", "1.250"], ","),
        (["245", "1.250", "12"], ","),
        (["1.250,5"], ","),
        (["12.5", "1.250"], "."),
        (["12.345", "99.120", "4.000"], "."),
        (["0.250"], "."),
        (["1250.125", "1.250"], "."),
        (["1.250"], None),
        (["12.5", "12,5"], None),
        (["245", "0:04:05", ""], None),
    ],
)
def test_guess_mapping_tells_the_decimal_mark_of_durations(written, mark):
    sample = [["a", "2026-03-01", value] for value in written]

    guess = guess_mapping(["call_id", "date", "handle_time"], sample)

    assert guess.decimal_mark == mark
    assert ("decimal_mark" in guess.reasons) is (mark is not None)


@pytest.mark.parametrize(
    ("header", "row", "day", "clock"),
    [
        (["id", "Date", "Time"], ["1", "2026-03-04", "14:05"], "Date", "Time"),
        (["id", "call_time", "date"], ["1", "2:05 PM", "04.03.2026"], "date", "call_time"),
        (["id", "Start Time", "Date"], ["1", "14:05", "2026-03-04"], "Date", "Start Time"),
        (["id", "Date in", "Time in"], ["1", "4 March 2026", "14:05:06"], None, None),
        (["id", "Call date", "Call time"], ["1", "1 May 2026", "14:05"], "Call date", "Call time"),
        (["id", "date", "time"], ["1", "2026-03-04T00:00:00", "14:05:00"], "date", "time"),
        (["id", "date", "time"], ["1", "2026-03-04 14:05", "14:05"], "date", None),
        (["id", "date", "talk_time"], ["1", "2026-03-04", "0:04:05"], "date", None),
        (["id", "date", "time"], ["1", "2026-03-04", "often"], "date", None),
    ],
)
def test_guess_mapping_puts_the_time_of_day_beside_its_date(header, row, day, clock):
    guess = guess_mapping(header, [row, ["2", "", ""]])

    assert guess.columns.get("started_at") == day
    assert guess.columns.get("started_time") == clock


def test_guess_mapping_takes_the_only_column_of_dates_with_times_whatever_its_name():
    rows = [["1", "13.03.2026 08:15", "4", "0:04:05"], ["2", "14.03.2026 23:59:10", "", ""]]
    guess = guess_mapping(["id", "Eingang", "n", "talk"], rows)

    assert guess.columns["started_at"] == "Eingang"
    assert guess.date_order == "dmy"
    assert guess.reasons["started_at"] == "“Eingang” alone holds dates with a time of day."


def test_guess_mapping_does_not_choose_between_two_columns_of_times():
    rows = [["1", "2026-03-13 08:15", "2026-03-13 08:20"]]

    assert "started_at" not in guess_mapping(["id", "Eingang", "Ausgang"], rows).columns


def test_guess_mapping_says_that_dates_alone_are_midnight():
    guess = guess_mapping(["id", "date"], [["1", "2026-03-04"]])
    assert "starts at midnight" in guess.reasons["started_at"]


def test_guess_mapping_takes_text_before_turns_and_no_column_twice():
    guess = guess_mapping(["createdAt", "messages", "id", "message"], [])

    assert guess.columns == {"contact_id": "id", "started_at": "createdAt", "text": "message"}


def test_guess_mapping_knows_what_was_measured_and_which_identifiers_are_the_customers():
    header = ["call_id", "call_date", "ANI", "Team", "Wait time", "Abandoned", "Transfers"]
    more = ["NPS score", "Resolved", "email", "Customer phone", "customer_email", "Skill"]

    guess = guess_mapping([*header, *more], [])

    assert {"team": "Team", "queue": "Skill", "customer_id": "ANI"}.items() <= guess.columns.items()
    assert {"wait_seconds", "abandoned", "transfers", "nps", "resolved"} <= set(guess.columns)
    assert guess.identifiers == {"email": "customer_email", "phone": "Customer phone"}
    assert "“customer_email”, “Customer phone”" in guess.reasons["identifiers"]


TICKETS = ["Ticket ID", "Subject", "Status", "Created time", "Agent", "Email", "Contact ID"]


def test_guess_mapping_takes_the_contact_id_of_a_help_desk_for_the_person():
    rows = [
        ["1", "Bill", "Open", "2026-03-01 10:00", "Ann", "a@b.c", "42"],
        ["2", "Bill", "Open", "2026-03-02 10:00", "Ann", "d@e.f", "43"],
    ]
    mapping = guess_mapping(TICKETS, rows)

    assert mapping.columns["contact_id"] == "Ticket ID"
    assert mapping.columns["customer_id"] == "Contact ID"
    assert mapping.columns["started_at"] == "Created time"
    assert "the person who wrote" in mapping.reasons["customer_id"]


@pytest.mark.parametrize(
    ("header", "rows", "contact", "customer"),
    [
        (["Contact ID", "Ticket ID"], [["c1", "7"], ["c2", "7"]], "Contact ID", None),
        (["contact_id", "ticket_id"], [["c1", "7"], ["c2", "8"]], "contact_id", None),
        (["contact_id", "ticket_id", "customer"], [["c1", "7", "A"]], "contact_id", "customer"),
        (
            ["contact_id", "ticket_id", "customer"],
            [["c1", "7", "A"], ["c1", "8", "A"]],
            "ticket_id",
            "customer",
        ),
    ],
)
def test_guess_mapping_keeps_a_contact_id_that_is_one(header, rows, contact, customer):
    columns = guess_mapping(header, rows).columns

    assert (columns["contact_id"], columns.get("customer_id")) == (contact, customer)


def test_guess_mapping_leaves_durations_out_that_cannot_be_seconds():
    header = ["Conversation ID", "Date", "Duration"]
    rows = [["1", "2026-03-01 10:00", "65000"], ["2", "2026-03-01 11:00", "305000"]]
    mapping = guess_mapping(header, rows)

    assert "handle_seconds" not in mapping.columns
    assert "milliseconds" in mapping.reasons["handle_seconds"]
    assert guess_mapping(header, rows[:1]).columns["handle_seconds"] == "Duration"


def test_a_number_of_thousands_of_digits_is_too_large_for_seconds_as_well():
    header = ["id", "started_at", "handle_seconds"]
    mapping = guess_mapping(header, [["a", "2026-03-02T10:00:00Z", "9" * 5_000]])
    assert "handle_seconds" not in mapping.columns
    assert "too large for seconds" in mapping.reasons["handle_seconds"]


@pytest.mark.parametrize(
    ("cells", "scale"),
    [(["Good", "Offered"], "good-bad"), (["4", "5"], "1-5"), (["Good", "4"], "1-5"), ([""], "1-5")],
)
def test_guess_mapping_tells_ratings_in_words(cells, scale):
    mapping = guess_mapping(["id", "Satisfaction Score"], [["1", cell] for cell in cells])

    assert mapping.csat_scale == scale


def test_mappings_of_before_are_read_as_they_were():
    old = {"source": "crm", "columns": {"contact_id": "a"}, "session_gap_seconds": 60}

    mapping = Mapping.from_dict(old)

    assert mapping.to_dict() == old
    assert (mapping.csat_scale, mapping.identity_kind, mapping.identifiers) == ("1-5", None, {})


def test_channels_of_session_gaps_are_written_in_one_way():
    mapping = Mapping.from_dict({"columns": {}, "session_gaps": {" Chat ": 60}})

    assert mapping.session_gaps == {"chat": 60}


def test_guess_mapping_says_what_is_missing():
    guess = guess_mapping(["id", "narrative"], [])

    assert guess.missing_columns == ("started_at",)
    assert guess.problems_with(["id", "narrative"]) == [
        "No column is mapped to started_at, which every contact needs."
    ]


def test_problems_with_names_columns_that_the_file_lacks():
    assert FULL.problems_with(["Nr.", "Eröffnet", 'Say "what"', "direction", "E-Mail"]) == []
    *_, email, inbound = FULL.problems_with(["Nr.", "Eröffnet", 'Say "what"'])
    assert "takes the email from a column “E-Mail”, which the file does not have" in email
    assert "the inbound filter" in inbound


@pytest.mark.parametrize("name", ["mapping.json", "mapping.toml"])
@pytest.mark.parametrize("mapping", [FULL, Mapping({"contact_id": "a", "started_at": "b"})])
def test_load_reads_what_dump_wrote(tmp_path, name, mapping):
    mapping.dump(tmp_path / name)

    assert Mapping.load(tmp_path / name) == mapping


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.json")), ids=lambda path: path.stem)
def test_load_reads_the_examples_of_the_handbook(path):
    assert Mapping.load(path).missing_columns == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "cannot be read"),
        ("[]", "must be one object"),
        ("{}", "no “columns”"),
        ('{"columns": {}, "colour": 1}', "“colour” that is not known.*Known are: columns"),
        ('{"columns": {"customer": "x"}}', "column “customer” that is not known"),
        ('{"columns": {"text": 7}}', "“columns” of the mapping has a value of the wrong kind"),
        ('{"columns": {"text": "a", "turns": "b"}}', "either text or turns"),
        ('{"columns": {}, "constants": {"text": "a"}}', "cannot be the same for a whole file"),
        ('{"columns": {}, "date_order": "ydm"}', "date order “ydm”.*iso, ymd, dmy, mdy, epoch"),
        ('{"columns": {}, "zone": "London"}', "no time zone “London”"),
        ('{"columns": {}, "zone": "../etc/passwd"}', "no time zone"),
        ('{"columns": {}, "session_gap_seconds": -1}', "cannot be negative"),
        ('{"columns": {}, "session_gap_seconds": "12h"}', "wrong kind"),
        ('{"columns": {}, "first_event_per_contact": 1}', "wrong kind"),
        ('{"columns": {}, "inbound": ["a"]}', "wrong kind"),
        ('{"columns": {}, "session_gaps": {"chat": -1}}', "cannot be negative"),
        ('{"columns": {}, "session_gaps": {"chat": 9999999}}', "longer than 30 days"),
        ('{"columns": {}, "session_gaps": {"chat": true}}', "wrong kind"),
        ('{"columns": {}, "decimal_mark": ";"}', "“;” is no decimal mark"),
        ('{"columns": {}, "decimal_mark": 5}', "“decimal_mark” .*wrong kind"),
        ('{"columns": {}, "csat_scale": "1-3"}', "no satisfaction scale “1-3”.*1-10, 0-100"),
        ('{"columns": {}, "identity_kind": "fax"}', "kind “fax”.*account, email, phone"),
        ('{"columns": {}, "identifiers": {"fax": "a"}}', "kind “fax”"),
        ('{"columns": {}, "identifiers": {"phone": 1}}', "wrong kind"),
        ('{"columns": {}, "source": " "}', "source has no name"),
    ],
)
def test_load_refuses_a_mapping_that_makes_no_sense(tmp_path, text, words):
    path = tmp_path / "mapping.json"
    path.write_text(text)

    with pytest.raises(BadMapping, match=words):
        Mapping.load(path)


def test_load_refuses_a_file_that_is_not_there_or_not_text(tmp_path):
    (tmp_path / "mapping.toml").write_bytes(b"\xff\xfe\x00")

    for name in ("mapping.toml", "absent.json"):
        with pytest.raises(BadMapping, match=r"mapping\.toml|absent\.json"):
            Mapping.load(tmp_path / name)
