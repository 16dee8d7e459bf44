"""Amounts of money as people type them, in whole units of the site's currency."""

from __future__ import annotations

import re

from closedloop.domain.money import minor_units

_GROUPED = re.compile(r"-?[1-9]\d{0,2}([, ]\d{3})+(\.\d{1,15})?")
_PLAIN = re.compile(r"-?(\d{1,15}([.,]\d{1,15})?|[.,]\d{1,15})")


def read_number(typed: str) -> float:
    """Return a number: "2,500.50" is 2500.5, and so is "2500,5".

    Commas and spaces between groups of three digits group them; any other comma is the point.

    Raises
    ------
    ValueError
        If it is no number.
    """
    text = " ".join(typed.split())
    if len(text) <= 30 and _GROUPED.fullmatch(text):
        text = text.replace(",", "").replace(" ", "")
    elif not _PLAIN.fullmatch(text):
        raise ValueError(typed)
    return float(text.replace(",", "."))


def read_amount(typed: str, currency: str) -> float:
    """Return an amount as minor units of a currency: "2,500.50" pounds are 250050 pence.

    Raises
    ------
    ValueError
        If it is no amount.
    """
    return round(read_number(typed) * minor_units(currency), 4)


def write_amount(pence: float | None, currency: str) -> str:
    """Write minor units as a form takes them: 250050 pence are "2500.5"; None is empty."""
    return "" if pence is None else f"{pence / minor_units(currency):.12g}"
