"""Times as exports write them: the right instant, or a refusal."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from closedloop.adapters.times import BadTime, guess_date_order, has_offset, parse_time, shape_of

LONDON = ZoneInfo("Europe/London")


@pytest.mark.parametrize(
    ("text", "order", "expected"),
    [
        ("2026-03-04T10:05:06+02:00", "iso", (2026, 3, 4, 8, 5, 6)),
        ("2026-03-04 10:05:06.999Z", "iso", (2026, 3, 4, 10, 5, 6)),
        ("2026-03-04T10:05:06.1234567 UTC", None, (2026, 3, 4, 10, 5, 6)),
        ("20260304T100506Z", "iso", (2026, 3, 4, 10, 5, 6)),
        ("Tue Oct 31 23:36:20 +0000 2017", "iso", (2017, 10, 31, 23, 36, 20)),
        ("Tue, 31 Oct 2017 23:36:20 -0100", None, (2017, 11, 1, 0, 36, 20)),
        ("29/2/2016 01:16", "dmy", (2016, 2, 29, 1, 16, 0)),
        ("29/2/2016 01:16", None, (2016, 2, 29, 1, 16, 0)),
        ("2020/3/18", "ymd", (2020, 3, 18, 0, 0, 0)),
        ("03/22/23", "mdy", (2023, 3, 22, 0, 0, 0)),
        ("03/04/2026", "dmy", (2026, 4, 2, 23, 0, 0)),
        ("03/04/2026", "mdy", (2026, 3, 4, 0, 0, 0)),
        ("22/11/2017 14:03:11", "dmy", (2017, 11, 22, 14, 3, 11)),
        ("1/5/2026, 12:30 AM", "mdy", (2026, 1, 5, 0, 30, 0)),
        ("1/5/2026 12:30:05 pm", "mdy", (2026, 1, 5, 12, 30, 5)),
        ("5 Jan 2026 14:00", None, (2026, 1, 5, 14, 0, 0)),
        ("05/Jan/26 2:00 PM", None, (2026, 1, 5, 14, 0, 0)),
        ("5-Jan-26", None, (2026, 1, 5, 0, 0, 0)),
        ("January 5, 2026 2:00 PM", None, (2026, 1, 5, 14, 0, 0)),
        ("05.01.2026 14:00", "dmy", (2026, 1, 5, 14, 0, 0)),
        ("26-01-05", "ymd", (2026, 1, 5, 0, 0, 0)),
        ("1509493580", "epoch", (2017, 10, 31, 23, 46, 20)),
        ("1509493580.75", "epoch", (2017, 10, 31, 23, 46, 20)),
        ("1509493580999", "epoch", (2017, 10, 31, 23, 46, 20)),
        (1509493580999, None, (2017, 10, 31, 23, 46, 20)),
        ("2016-12-31T23:59:60Z", "iso", (2016, 12, 31, 23, 59, 59)),
    ],
)
def test_parse_time_returns_the_instant_in_utc_and_whole_seconds(text, order, expected):
    assert parse_time(text, order, LONDON) == datetime(*expected, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "order", "code"),
    [
        ("", "iso", "no_time"),
        ("yesterday", "iso", "unreadable_time"),
        ("2026-02-30", "iso", "unreadable_time"),
        ("31/31/2026", "dmy", "unreadable_time"),
        ("03/22/2026", "dmy", "unreadable_time"),
        ("2026-03-04 25:00", "iso", "unreadable_time"),
        ("2026-03-04 10:00:75", "iso", "unreadable_time"),
        ("2026-03-04 13:00 PM", "iso", "unreadable_time"),
        ("2026-03-04T10:00+99:00", "iso", "unreadable_time"),
        ("1509493580", "dmy", "unreadable_time"),
        ("43905.5", None, "unreadable_time"),
        ("9999-12-31T23:59:59-10:00", "iso", "unreadable_time"),
        ("03/04/2026", None, "ambiguous_date"),
        ("03/04/2026", "iso", "ambiguous_date"),
        ("2026-03-04 10:00 EST", "iso", "zone_abbreviation"),
        ("1970-01-01T00:00:00Z", "iso", "too_early"),
        ("1989-12-31T23:59:59Z", "iso", "too_early"),
        ("100000000", "epoch", "too_early"),
    ],
)
def test_parse_time_refuses_what_it_cannot_place(text, order, code):
    with pytest.raises(BadTime) as bad:
        parse_time(text, order, LONDON)

    assert bad.value.code == code
    assert bad.value.remedy.endswith((".", "dmy or mdy."))


def test_parse_time_without_zone_asks_for_one():
    with pytest.raises(BadTime) as bad:
        parse_time("2026-03-04 10:00", "iso", None)

    assert bad.value.code == "no_zone"


def test_parse_time_moves_a_skipped_local_time_forward():
    skipped = parse_time("2026-03-29 01:30", "iso", LONDON)

    assert skipped == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)  # 02:30 British Summer Time


def test_parse_time_takes_the_first_of_a_local_time_that_comes_twice():
    twice = parse_time("2026-10-25 01:30", "iso", LONDON)

    assert twice == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)  # still summer time


@given(st.datetimes(datetime(1990, 1, 2), datetime(2060, 1, 1)))
def test_parse_time_reads_back_every_order(moment):
    moment = moment.replace(microsecond=0, tzinfo=UTC)

    for order, pattern in (("dmy", "%d/%m/%Y"), ("mdy", "%m/%d/%Y"), ("iso", "%Y-%m-%d")):
        assert parse_time(moment.strftime(f"{pattern} %H:%M:%S"), order, ZoneInfo("UTC")) == moment


@given(st.text(st.characters(exclude_categories=["Nd"]), min_size=1, max_size=40))
def test_parse_time_refuses_any_text_without_digits_in_words(text):
    with pytest.raises(BadTime) as bad:
        parse_time(text, None, LONDON)

    assert bad.value.code in ("no_time", "unreadable_time")


@pytest.mark.parametrize(
    ("values", "order"),
    [
        (["03/04/2026", "13/04/2026"], "dmy"),
        (["03/04/2026", "04/13/2026"], "mdy"),
        (["03/04/2026", "12/12/2026"], "ambiguous"),
        (["13/04/2026", "04/13/2026"], "ambiguous"),
        (["2026-04-03", ""], "iso"),
        (["2020/3/18"], "ymd"),
        (["Tue Oct 31 23:36:20 +0000 2017"], "iso"),
        (["1509493580"], "epoch"),
        (["soon"], "ambiguous"),
        ([], "ambiguous"),
    ],
)
def test_guess_date_order_decides_only_on_evidence(values, order):
    guess = guess_date_order(values)

    assert guess.order == order
    assert guess.reason.endswith(".")


def test_has_offset_tells_times_that_need_a_zone():
    assert has_offset("2026-03-04T10:00Z")
    assert has_offset("Tue Oct 31 23:36:20 +0000 2017")
    assert has_offset("1509493580")
    assert not has_offset("2026-03-04 10:00")
    assert not has_offset("29/2/2016")


def test_shape_of_shows_no_character_of_the_value():
    assert shape_of("ann 12/3") == "AAA 99/9"
    assert len(shape_of("x" * 500)) < 50
