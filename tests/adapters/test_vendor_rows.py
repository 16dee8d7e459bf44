"""Values of any type, and conversations cut into contacts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from closedloop.adapters.vendor_rows import (
    Message,
    flag_of,
    moment_of,
    number_between,
    session_at,
    session_gap,
    session_id,
    split_sessions,
    text_of,
    with_subject,
)
from closedloop.adapters.vendor_text import html_to_text

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
GAP = timedelta(hours=12)


def said(hours, speaker, text="words"):
    return Message(None if hours is None else START + timedelta(hours=hours), speaker, text)


@pytest.mark.parametrize(
    ("hours", "n_contacts"),
    [(12, 1), (12.001, 2)],
)
def test_the_gap_itself_still_belongs_to_the_contact(hours, n_contacts):
    messages = [said(0, "customer"), said(hours, "customer")]

    assert len(split_sessions(messages, GAP)) == n_contacts


def test_the_rest_is_counted_from_the_last_message_of_either_side():
    messages = [said(0, "customer"), said(11, "agent"), said(22, "customer")]

    assert len(split_sessions(messages, GAP)) == 1


def test_the_company_never_begins_a_contact():
    messages = [said(0, "customer"), said(40, "agent"), said(41, "customer"), said(60, "customer")]

    first, second = split_sessions(messages, GAP)

    assert [len(first.messages), len(second.messages)] == [3, 1]
    assert second.started_at == START + timedelta(hours=60)


def test_an_answer_to_the_company_is_the_first_contact_however_late():
    (session,) = split_sessions([said(0, "agent"), said(90, "customer")], GAP)

    assert session.started_at == START + timedelta(hours=90)
    assert session.has_customer


def test_messages_are_put_in_order_and_those_without_a_time_stay_where_they_were():
    messages = [said(5, "agent", "b"), said(None, "agent", "c"), said(0, "customer", "a")]

    (session,) = split_sessions(messages, GAP)

    assert [turn["text"] for turn in session.turns] == ["a", "b", "c"]


def test_no_messages_are_one_contact():
    (session,) = split_sessions([], GAP)

    assert (session.started_at, session.turns, session.has_customer) == (None, [], False)


def test_an_event_belongs_to_the_last_contact_begun_by_then():
    sessions = split_sessions([said(0, "customer"), said(50, "customer")], GAP)

    found = [session_at(sessions, START + timedelta(hours=h)) for h in (-1, 0, 49, 50, 99)]
    assert found == [0, 0, 0, 1, 1]
    assert session_at(sessions, None) == 1


def test_ids_of_later_contacts_count_from_two():
    assert [session_id("7", n) for n in range(3)] == ["7", "7#2", "7#3"]
    assert session_id(None, 1) is None


def test_mail_may_rest_longer_than_chat():
    assert session_gap("email", {}) == timedelta(hours=72)
    assert session_gap("chat", {}) == session_gap(None, {}) == timedelta(hours=12)


def test_a_pause_that_is_set_goes_before_what_is_usual_for_the_channel():
    pauses = {"email": 3600, "chat": 0}
    assert session_gap("email", pauses) == timedelta(hours=1)
    assert session_gap("chat", pauses) == timedelta()
    assert session_gap("web", pauses) == timedelta(hours=72)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *((" a ", "a"), (12, "12"), (12.0, "12"), (1.5, "1.5"), ("", None), (True, None)),
        *((None, None), ([], None), ({}, None), (float("nan"), None), (float("inf"), None)),
    ],
)
def test_text_of_takes_text_and_numbers(value, text):
    assert text_of(value) == text


@pytest.mark.parametrize(
    "value",
    [1772442000, "1772442000", 1772442000.0, "2026-03-02T10:00:00.000+0100", 1772442000123],
)
def test_moment_of_reads_seconds_and_times_with_an_offset(value):
    assert moment_of(value) == START


@pytest.mark.parametrize("value", [None, True, [], "03/04/2026", "2026-03-02 10:00", 5, "x", -1])
def test_moment_of_guesses_nothing(value):
    assert moment_of(value) is None


def test_flags_and_numbers_are_read_from_words():
    assert [flag_of(v) for v in (True, "TRUE", "false", 1, "0", "yes", None)] == [
        *(True, True, False, True, False, None, None)
    ]
    assert [number_between(v, 1, 5) for v in ("5", 0, 6, "x", 3)] == [5, None, None, None, 3]


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<p>One</p><p>two&nbsp;&lt;3</p>", "One\ntwo <3"),
        ("a<br>b<br/>c", "a\nb\nc"),
        ("<style>p{}</style>seen<script>alert(1)</script>", "seen"),
        ("no markup: 3 < 4 & 5 > 2", "no markup: 3 < 4 & 5 > 2"),
        ("line one\nline two", "line one\nline two"),
        ("<div>wrapped\nin source</div>", "wrapped in source"),
        ("[PII] <b>[NAME]</b>", "[PII] [NAME]"),
        ("broken <![ here", "broken"),
    ],
)
def test_html_becomes_what_a_reader_sees(markup, text):
    assert html_to_text(markup).startswith(text)


def test_the_subject_is_not_said_twice():
    assert with_subject("Late parcel", "It is late") == "Late parcel\nIt is late"
    assert with_subject("Late parcel", "Late parcel again") == "Late parcel again"
    assert with_subject(None, "x") == "x"
