"""Numbers, days and ranges read as the pages promise."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import StrEnum
from types import SimpleNamespace

import pytest
from flask import Flask

from closedloop.domain.impact import Range
from closedloop.web.filters import (
    channel_words,
    day,
    hours,
    hours_of,
    hours_range,
    instant,
    minutes,
    money,
    money_about,
    money_range,
    n,
    nice_axis,
    pct,
    people_range,
    plural,
    range_words,
    register_filters,
    script_json,
    share,
    signed,
    signed_pct,
    unique_id,
    weekday,
)

THIN = "\u202f"


@pytest.fixture
def app() -> Flask:
    app = Flask(__name__)
    app.config["SETTINGS"] = SimpleNamespace(reporting_zone="Europe/London", currency="EUR")
    register_filters(app)
    return app


def test_n_separates_thousands_uses_a_real_minus_and_rounds_halves_away_from_zero():
    assert [n(1234567), n(-1540), n(2.5), n(-2.5), n(0.6667, 2)] == [
        "1,234,567",
        "−1,540",
        "3",
        "−3",
        "0.67",
    ]


def test_n_never_writes_minus_nought():
    assert n(-0.4) == "0"
    assert money(-0.2, "GBP") == "£0.00"


def test_what_is_not_known_is_a_dash_and_never_nan():
    assert {n(None), n(float("nan")), pct(None), share(float("inf")), money(None), day(None)} == {
        "–"
    }
    assert range_words(None, 540) == "not yet known"
    assert money_range(float("nan"), 1) == "not yet known"


def test_signed_says_plus_minus_or_plus_minus_nought():
    assert [signed(6), signed(-19), signed(0), signed(0.2)] == ["+6", "−19", "±0", "±0"]
    assert signed_pct(0.41) == f"+41{THIN}%"
    assert signed_pct(-0.19) == f"−19{THIN}%"


def test_pct_takes_a_rate_and_does_not_show_the_faults_of_binary_numbers():
    assert pct(0.187) == f"18.7{THIN}%"
    assert pct(0.285, 0) == f"29{THIN}%"  # 0.285 * 100 is 28.499999999999996


def test_share_calls_nothing_nought_that_is_not_and_nothing_whole_that_is_not():
    assert [share(0), share(0.004), share(0.996), share(1), share(0.335)] == [
        f"0{THIN}%",
        f"under 1{THIN}%",
        f"over 99{THIN}%",
        f"100{THIN}%",
        f"34{THIN}%",
    ]


def test_money_is_whole_from_a_hundred_and_exact_below():
    assert [money(210_049, "GBP"), money(62, "GBP"), money(9_999, "USD"), money(0, "GBP")] == [
        "£2,100",
        "£0.62",
        "$99.99",
        "£0",
    ]
    assert money(-32_000, "EUR") == "−€320"


def test_money_knows_currencies_without_symbol_or_without_minor_units():
    assert money(120_000, "SEK") == f"SEK{THIN}1,200"
    assert money(1_200, "JPY") == f"JPY{THIN}1,200"


def test_money_without_a_code_is_in_the_reporting_currency(app):
    with app.app_context():
        assert money(210_000) == "€2,100"


def test_ranges_read_low_to_high_and_stay_ranges_where_both_ends_read_alike():
    assert range_words(310, 540) == "310 to 540"
    assert range_words(-20.4, 30) == "−20 to 30"
    assert range_words(3, 3) == "3"
    assert range_words(0.6, 1.4) == "0.6 to 1.4"  # rounding makes no range a point
    assert range_words(3.1, 3.4) == "3.1 to 3.4"
    assert money_range(160_000, 320_000, "GBP") == "£1,600 to £3,200"


def test_plural_agrees_with_its_number():
    assert [plural(1, "contact"), plural(2043, "contact"), plural(0, "theme")] == [
        "1 contact",
        "2,043 contacts",
        "0 themes",
    ]
    assert plural(3, "person", "people") == "3 people"


def test_durations_come_in_seconds():
    assert [minutes(480), minutes(60 * 29_930), minutes(60), hours(154_800), hours(5400)] == [
        "8.0 minutes",
        "29,930 minutes",
        "1.0 minutes",
        "43 hours",
        "1.5 hours",
    ]


def test_days_are_written_out():
    assert day(date(2026, 5, 12)) == "12 May 2026"
    assert day(date(2026, 5, 2), year=False) == "2 May"
    assert weekday(date(2026, 5, 12)) == "Tue 12 May"


def test_instants_are_shown_in_the_reporting_zone(app):
    before_midnight_utc = datetime(2026, 5, 11, 23, 30, tzinfo=UTC)
    with app.app_context():
        assert instant(before_midnight_utc) == "Tue 12 May 2026, 00:30"
        assert day(before_midnight_utc) == "12 May 2026"


def test_an_instant_without_a_zone_is_refused():
    with pytest.raises(ValueError, match="time zone"):
        instant(datetime(2026, 5, 11, 23, 30))


def test_json_cannot_end_its_script_tag():
    text = script_json({"name": "</script><b>&'\u2028"})
    assert not set("<>&'\u2028") & set(text)
    assert json.loads(text) == {"name": "</script><b>&'\u2028"}


def test_json_writes_days_decimals_enums_and_dataclasses():
    class Verdict(StrEnum):
        FELL = "fell"

    @dataclass(frozen=True)
    class Row:
        on: date
        rate: Decimal

    value = {
        "verdict": Verdict.FELL,
        "rows": [Row(date(2026, 3, 3), Decimal("0.5"))],
        "at": datetime(2026, 3, 3, 1, tzinfo=timezone(timedelta(hours=1))),
    }
    assert json.loads(script_json(value)) == {
        "verdict": "fell",
        "rows": [{"on": "2026-03-03", "rate": 0.5}],
        "at": "2026-03-03T00:00:00+00:00",
    }


def test_json_for_scripts_refuses_what_is_no_number():
    with pytest.raises(ValueError, match="JSON compliant"):
        script_json([float("nan")])


@pytest.mark.parametrize(
    "values", [(310, 420, 540), (-240, -60), (0.3, 0.7), (350, None, 690, 412), (1_000_000,)]
)
def test_an_axis_holds_its_values_and_nought_on_round_ticks(values):
    axis = nice_axis(*values)
    known = [v for v in values if v is not None]
    assert axis.lowest <= min(0, *known)
    assert axis.highest >= max(0, *known)
    assert 0 in axis.ticks
    assert 3 <= len(axis.ticks) <= 9


def test_an_axis_without_values_still_has_two_ends():
    assert nice_axis() == (0.0, 1.0, (0.0, 1.0))


def test_ids_of_one_page_differ_and_of_two_pages_agree(app):
    with app.app_context():
        first = [unique_id("rule", "Repeats", "why") for _ in range(2)]
    with app.app_context():
        second = [unique_id("rule", "Repeats", "why") for _ in range(2)]
    assert first[0] != first[1]
    assert first == second


def test_every_filter_is_there_in_templates(app):
    with app.app_context():
        text = app.jinja_env.from_string(
            "{{ 2043|plural('contact') }}, {{ 310|range_words(540) }}, {{ [1]|json }}"
        ).render()
    assert text == "2,043 contacts, 310 to 540, [1]"


def test_money_about_is_rounded_outwards_to_two_figures():
    assert money_about(Range(154_321, 200_000, 267_001), "GBP") == "£1,500 to £2,700"
    assert money_about(Range(-4_321, 0, 430), "GBP") == "−£44 to £4.30"
    assert money_about(Range(0, 0, 0), "GBP") == "£0"
    yen = money_about(Range(1_234, 1_300, 1_999), "JPY")
    assert yen == "JPY\u202f1,200 to JPY\u202f2,000"
    assert money_about(None) == "not yet known"
    assert money_about(Range(float("nan"), 1, 2)) == "not yet known"


def test_capacity_is_written_in_hours_and_people():
    assert hours_range(Range(2_714, 3_000, 4_764)) == "45 to 79 hours"
    assert hours_range(Range(-30, 0, 90)) == "−0.5 to 1.5 hours"
    assert hours_of(96_000) == "1,600 hours"
    assert people_range(Range(0.3686, 0.5, 0.6469)) == "0.36 to 0.65"
    assert people_range(Range(1.23, 2, 3.01)) == "1.2 to 3.1"
    assert people_range(Range(12.3, 20, 33.2)) == "12 to 34"
    assert people_range(None) == hours_range(None) == "not yet known"


@pytest.mark.parametrize(
    ("channel", "words"),
    [("live_chat", "Live chat"), ("ivr", "IVR"), ("SMS", "SMS"), ("PHONE", "Phone"), ("", "")],
)
def test_channels_are_written_as_people_do(channel, words):
    assert channel_words(channel) == words
