"""Identifiers of customers: written in one way, then hashed with keys the database never sees."""

from __future__ import annotations

import hmac
import re
from collections.abc import Sequence
from functools import lru_cache

import phonenumbers

from closedloop.adapters.vendor_values import NO_ADDRESSES
from closedloop.domain.identities import IdentifierKind

NOBODY = frozenset(
    (
        *("?", "-", "n/a", "#n/a", "na", "nan", "none", "null", "(null)", "<null>", "undefined"),
        *("hidden", "hidden number", "no number", "no caller id", "not available", "out of area"),
        *("anonymous caller", "unknown caller", "unknown number", "private number", "-1"),
        *("withheld number", "number withheld", "restricted number", "blocked number"),
        *NO_ADDRESSES,
        *(f"+{address}" for address in NO_ADDRESSES if address.isdecimal()),
    )
)
"""What systems write where they do not know who it was, in small letters."""

_NO_DIGITS = "+0 "
_HIDDEN_ADDRESS = re.compile(
    r"(?:tel|sips?):\+?([\w ]+)(?:@.*)?|([\w ]+)@(?:[\w.-]*\binvalid|localhost)"
)
_NOT_IN_ACCOUNTS = re.compile(r"[\s\u00ad\u200b-\u200d\u2060\ufeff\-\u2010-\u2015\u2212]+")
_EMAIL = re.compile(r"[^\s@<>]+@[^\s@<>]+\.[^\s@<>]+")
_ADDRESS_IN_ANGLES = re.compile(r".*<([^<>]+)>\s*$")


def is_nobody(value: str) -> bool:
    """Whether an identifier says that nobody is known: empty, a word, a number of zeros only."""
    text = value.strip().casefold()
    if text in NOBODY or not text.strip(_NO_DIGITS):
        return True
    if ":" not in text and "@" not in text:
        return False
    found = _HIDDEN_ADDRESS.fullmatch(text)
    return found is not None and (found[1] or found[2]) in NOBODY


def normalise_identifier(
    value: str, kind: IdentifierKind | None, countries: Sequence[str] = ()
) -> str | None:
    """Write an identifier in the one way in which it is compared.

    Parameters
    ----------
    value : str
    kind : IdentifierKind or None
        A phone number becomes E.164; an e-mail address lower case, tags after + kept; an
        account number is case-folded, without spaces and dashes. None stays as it is, without
        blanks around it.
    countries : sequence of str
        Two-letter codes tried in order for phone numbers without +.

    Returns
    -------
    str or None
        None where it is no identifier of its kind, or says that nobody is known.
    """
    value = value.strip()
    if is_nobody(value):
        return None
    if kind is IdentifierKind.PHONE:
        return _as_phone(value, tuple(countries))
    if kind is IdentifierKind.EMAIL:
        return _as_email(value)
    if kind is IdentifierKind.ACCOUNT:
        return _NOT_IN_ACCOUNTS.sub("", value).casefold() or None
    return value


@lru_cache(maxsize=65_536)
def _as_phone(value: str, countries: tuple[str, ...]) -> str | None:
    number = value.removeprefix("tel:")
    if number.startswith("00"):
        number = "+" + number[2:]
    for country in (None,) if number.startswith("+") else countries:
        try:
            parsed = phonenumbers.parse(number, country)
        except phonenumbers.NumberParseException:
            continue
        # a number with + that no plan has yet is still one and the same number
        if phonenumbers.is_valid_number(parsed) or (
            country is None and phonenumbers.is_possible_number(parsed)
        ):
            form = phonenumbers.PhoneNumberFormat.E164
            return str(phonenumbers.format_number(parsed, form))
    return None


def _as_email(value: str) -> str | None:
    value = re.sub(r"^mailto:", "", value, flags=re.IGNORECASE)
    if found := _ADDRESS_IN_ANGLES.match(value):
        value = found[1]
    value = value.strip().lower()
    return value if _EMAIL.fullmatch(value) else None


def hash_customer(
    customer_id: str, keys: str | Sequence[str], kind: IdentifierKind | None = None
) -> str:
    """Return what stands for a customer: HMAC-SHA-256 of an identifier, hex.

    With several keys each is applied to what the one before gave, the oldest first, so that a
    new key can be put on top without knowing any identifier. The same id is the same customer
    in every source. Phone numbers in E.164 and e-mail addresses cannot be taken for anything
    else and need no mark of their kind; an account number gets one.

    Parameters
    ----------
    customer_id : str
        As the source names it or, with a kind, from `normalise_identifier`.
    keys : str or sequence of str
        Oldest first.
    kind : IdentifierKind, optional
    """
    value = customer_id.strip()
    if kind is IdentifierKind.ACCOUNT:
        value = f"account:{value}"
    first, *later = (keys,) if isinstance(keys, str) else keys
    return put_keys_on(hmac.digest(first.encode(), value.encode(), "sha256").hex(), later)


def put_keys_on(hashed: str, keys: Sequence[str]) -> str:
    """Return a hash with further keys applied to it, in their order; without keys as it is."""
    for key in keys:
        hashed = hmac.digest(key.encode(), hashed.encode(), "sha256").hex()
    return hashed
