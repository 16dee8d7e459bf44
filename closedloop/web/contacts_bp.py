"""The blueprint that the pages about contacts share, and the words they have in common."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from typing import Any

from flask import Blueprint
from markupsafe import Markup, escape

from closedloop.adapters.language_names import language_name
from closedloop.web.filters import day, n, plural

bp = Blueprint("contacts", __name__, url_prefix="/contacts")

_TOKENS = {
    "EMAIL": "e-mail address",
    "PHONE": "phone number",
    "CARD": "card number",
    "IBAN": "IBAN",
    "ACCOUNT": "account number",
    "URL": "link with a login",
    "CUSTOMER": "customer number",
    "NAME": "name",
    "ADDRESS": "address",
    "NATIONAL_ID": "identity number",
    "IP": "IP address",
}
_TOKEN = re.compile(r"\[(" + "|".join(_TOKENS) + r")(?: (\d{1,6}))?\]")
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def pseudonym(key_hash: str | None) -> str:
    """Return the short name of a customer: the first six digits of the keyed hash."""
    return f"c-{key_hash[:6]}" if key_hash else "unidentified"


def gap_words(seconds: int | None) -> str:
    """Write a gap as people say it: "40 minutes", "5 hours", "3 days", rounded."""
    if seconds is None:
        return ""
    if seconds < _MINUTE:
        return plural(seconds, "second")
    for unit, noun, until in ((_MINUTE, "minute", 90 * _MINUTE), (_HOUR, "hour", 48 * _HOUR)):
        if seconds < until:
            return plural(round(seconds / unit), noun)
    return plural(round(seconds / _DAY), "day")


def ordinal(number: int) -> str:
    """Write 2 as "2nd", 11 as "11th"."""
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{n(number)}{'th' if 10 <= number % 100 <= 20 else ending}"


def repeat_mark(position: int | None, seconds: int) -> str:
    """Write where in its episode a contact stands: "2nd in 3 days"; nothing for the first."""
    if position is None or position < 2:
        return ""
    return f"{ordinal(position)} in {gap_words(seconds)}"


def redacted(text: str) -> Markup:
    """Escape redacted text and show what was hidden as a mark instead of a token."""
    return Markup(  # noqa: S704 - the text is escaped first; the marks are ours
        _TOKEN.sub(
            lambda found: (
                '<mark class="cl-redacted">'
                f"{_TOKENS[found[1]]}{' ' + found[2] if found[2] else ''}</mark>"
            ),
            str(escape(text)),
        )
    )


def redaction_words(counts: dict[str, Any]) -> list[tuple[str, int]]:
    """Return what was hidden in words, the most frequent first."""
    named = [(_TOKENS.get(kind, kind.lower()), int(number)) for kind, number in counts.items()]
    return sorted(named, key=lambda item: (-item[1], item[0]))


def without_line(reason: str, place: str = "") -> str:
    """Return the reason of a reject without its place, where that stands beside it."""
    rest = re.sub(r"^(?:Line|Row|Record) \d+: ", "", reason.removeprefix(f"{place}: "))
    return rest[:1].upper() + rest[1:]


def read_day(raw: str, name: str, problems: list[str]) -> date | None:
    """Return a day of the address; what is no day is said in `problems` and left out."""
    if not raw.strip():
        return None
    try:
        return date.fromisoformat(raw.strip())
    except ValueError:
        problems.append(
            f"“{raw[:20]}” is not a day, so “{name}” was left out. Write it as 2026-03-31."
        )
        return None


def before_data(first_data_day: date) -> str:
    """Say that a period ends before the data begin."""
    return f"“To” lies before {day(first_data_day)}, the first day with data: that day is shown."


def after_period(last_day: date) -> str:
    """Say that a period would begin behind its last day, or behind the data."""
    return (
        f"“From” lies after {day(last_day)}, the last day asked for or that can be counted: "
        "only that day is shown."
    )


def told_of(contact: Any) -> list[tuple[str, str]]:
    """Return what is known of a contact beside its head: the term, and what there is to say."""
    yes_no = {True: "yes", False: "no"}
    told = [
        ("Language", language_name(contact.language) if contact.language else ""),
        ("Waited", "" if contact.wait_seconds is None else gap_words(contact.wait_seconds)),
        ("Gave up waiting", yes_no.get(contact.abandoned, "")),
        ("Handed on", "" if contact.transfers is None else plural(contact.transfers, "time")),
        ("Resolved, says the source", yes_no.get(contact.resolved, "")),
        ("Resolved, says the customer", yes_no.get(contact.survey_resolved, "")),
        ("Would recommend", "" if contact.nps is None else f"{n(contact.nps)} of 10"),
        ("Made it easy", "" if contact.ces is None else f"{contact.ces:.3g} of 7"),
    ]
    return [(term, what) for term, what in told if what]


@bp.context_processor
def words() -> dict[str, Callable[..., Any]]:
    """Give the templates of contacts their words."""
    return {
        "pseudonym": pseudonym,
        "gap_words": gap_words,
        "ordinal": ordinal,
        "repeat_mark": repeat_mark,
        "redacted": redacted,
        "redaction_words": redaction_words,
        "without_line": without_line,
        "language_name": language_name,
        "told_of": told_of,
    }
