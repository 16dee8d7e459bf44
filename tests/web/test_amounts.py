"""Amounts as people type them."""

from __future__ import annotations

import pytest

from closedloop.web.amounts import read_amount, write_amount


@pytest.mark.parametrize(
    ("typed", "pence"),
    [
        ("0.62", 62),
        ("0,815", 81.5),
        (".62", 62),
        (",5", 50),
        ("2,500.50", 250_050),
        ("2,500", 250_000),
        ("1 250 000", 125_000_000),
        ("2500,5", 250_050),
        (" 7 ", 700),
        ("-1", -100),
        ("0", 0),
    ],
)
def test_an_amount_is_read_as_it_is_meant(typed, pence):
    assert read_amount(typed, "GBP") == pytest.approx(pence)


@pytest.mark.parametrize(
    "typed", ["", "much", "nan", "inf", "1e9", "1,2,3", "2,50,000", "1.2.3", "9" * 400, "£5"]
)
def test_what_is_no_amount_is_refused(typed):
    with pytest.raises(ValueError):
        read_amount(typed, "GBP")


def test_a_currency_without_minor_units_is_taken_as_it_is():
    assert read_amount("62", "JPY") == 62
    assert write_amount(62, "JPY") == "62"


@pytest.mark.parametrize("pence", [0.0, 1.5, 62.0, 250_050.0, 100_000_000_000.0])
def test_an_amount_comes_back_as_it_was_typed(pence):
    assert read_amount(write_amount(pence, "GBP"), "GBP") == pence


def test_nothing_stated_is_an_empty_field():
    assert write_amount(None, "GBP") == ""
