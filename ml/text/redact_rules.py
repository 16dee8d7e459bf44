"""What a site adds to redaction: its countries, what it never hides, what else it hides.

The rules come as a mapping, such as a TOML file gives it::

    countries = ["GB", "DE"]
    names = "cues"

    [allow]
    values = ["0800 123 456", "help@shop.example"]
    patterns = ['SKU-\\d{8}']

    [extra]
    order = 'ORD-\\d{6}'
"""

from __future__ import annotations

import re
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from phonenumbers import SUPPORTED_REGIONS

DEFAULT_COUNTRIES = ("GB", "US", "IE", "FR", "DE", "ES", "IT", "NL", "LT", "ID", "CN", "IN")
"""Countries whose national phone numbers are found; numbers with + are found for all."""

NAME_CHOICES = ("auto", "list", "cues", "off")
MAX_PATTERN_CHARACTERS = 200
MAX_RULES = 200
_MAX_UNBOUNDED = 3
_MAX_INNER_REPEATS = 12
_MAX_PROBE_SECONDS = 0.05
_PROBE_SIZES = (25, 50, 100, 200, 400, 800, 1_500)
_PROBE_ENDS = ("\n!", "\n\u2603")
"""Of a probe: a pattern is slow where it finds nothing, and one may well end in either."""

_KIND = re.compile(r"[A-Z][A-Z0-9_]{1,24}")
_QUANTIFIER = re.compile(r"[*+?]|\{(\d*)(,?)(\d*)\}")


class UnusableRules(ValueError):
    """Rules of redaction that cannot be used; the message says which, why and what to do."""


@dataclass(frozen=True)
class RedactionRules:
    """What a site adds to redaction.

    Attributes
    ----------
    countries : tuple of str
        Two-letter codes of countries whose phone numbers are written without +.
    allow : tuple of str or pattern
        Values and patterns that are never hidden.
    extra : dict of str to pattern
        Kind, upper case, to what is hidden under it.
    names : str
        One of `NAME_CHOICES`.
    """

    countries: tuple[str, ...] = DEFAULT_COUNTRIES
    allow: tuple[str | re.Pattern[str], ...] = ()
    extra: Mapping[str, re.Pattern[str]] = field(default_factory=dict)
    names: str = "auto"

    @classmethod
    def from_dict(cls, rules: Mapping[str, Any]) -> RedactionRules:
        """Read rules as a TOML file gives them.

        Raises
        ------
        UnusableRules
            If a name is unknown, a value is of another type, or a pattern could take for ever.
        """
        _refuse_unknown(rules, ("countries", "names", "allow", "extra"), "The rules")
        allow = _table(rules, "allow")
        _refuse_unknown(allow, ("values", "patterns"), "The table allow")
        names = rules.get("names", "auto")
        if names not in NAME_CHOICES:
            raise UnusableRules(f"names is {names!r}; it can be {', '.join(NAME_CHOICES)}.")
        patterns = [compile_pattern(text, "allow") for text in _strings(allow, "patterns")]
        extra = {kind: compile_pattern(text, kind) for kind, text in _table(rules, "extra").items()}
        if len(patterns) + len(extra) > MAX_RULES:
            raise UnusableRules(f"There are more than {MAX_RULES} patterns; join some with |.")
        return cls(
            countries=_countries(rules),
            allow=(*_strings(allow, "values"), *patterns),
            extra={kind_of(name): pattern for name, pattern in extra.items()},
            names=names,
        )


def kind_of(name: str) -> str:
    """Return the kind that a name of an extra pattern makes: "order number" is ORDER_NUMBER.

    Raises
    ------
    UnusableRules
        If no token can be made of the name.
    """
    kind = re.sub(r"[\s-]+", "_", name.strip()).upper()
    if not _KIND.fullmatch(kind):
        raise UnusableRules(
            f"The extra pattern {name!r} needs a name of 2 to 25 letters, digits and underscores "
            "that begins with a letter, such as order."
        )
    return kind


def compile_pattern(text: object, name: str) -> re.Pattern[str]:
    """Compile a pattern of a site, refused where a hostile text could hold it up.

    Raises
    ------
    UnusableRules
        If it is no regular expression, is too long, matches nothing at all, repeats a repeat, or
        is slow on texts made to hold it up.
    """
    where = f"The pattern of {name}"
    if not isinstance(text, str) or not text:
        raise UnusableRules(f"{where} is empty or no text; write it in quotes.")
    if len(text) > MAX_PATTERN_CHARACTERS:
        raise UnusableRules(
            f"{where} has {len(text)} characters; {MAX_PATTERN_CHARACTERS} is the most. "
            "Write two patterns instead."
        )
    if problem := _repeat_problem(text):
        raise UnusableRules(f"{where}, {text}, {problem}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # what Python doubts is better written otherwise
            pattern = re.compile(text)
    except (re.error, OverflowError, RecursionError, Warning) as error:
        raise UnusableRules(f"{where}, {text}, is no regular expression: {error}.") from error
    if pattern.match("") is not None:
        raise UnusableRules(f"{where}, {text}, also matches nothing at all; ask for a character.")
    if (seconds := _slowest_probe(pattern, text)) > _MAX_PROBE_SECONDS:
        raise UnusableRules(
            f"{where}, {text}, took {seconds:.2f} seconds on a text made to hold it up. "
            "Say how often at most, as in {1,20}, instead of + or *."
        )
    return pattern


def _repeat_problem(text: str) -> str | None:
    """Say what could make a pattern take exponential time, None where nothing can.

    A repeat of a group in which the number of characters varies is what does; so is a
    back-reference. A few repeats of a group with optional parts are harmless.
    """
    varies = [False]  # whether the group varies in length, innermost last
    n_unbounded, position, closed = 0, 0, False
    while position < len(text):
        character = text[position]
        quantifier = _QUANTIFIER.match(text, position) if position else None
        if character == "\\":
            if text[position + 1 : position + 2].isdigit() or text.startswith("(?P=", position):
                return "refers back to a group, which may take for ever; write it out."
            position, closed = position + 2, False
            continue
        if character == "[":
            position, closed = _end_of_class(text, position), False
            continue
        if character == "(":
            if text.startswith("(?P=", position) or text.startswith("(?(", position):
                return "refers back to a group, which may take for ever; write it out."
            header = re.compile(r"\((?:\?(?:[:=!]|<[=!]|P?<\w+>|[aiLmsux-]+[:)]))?").match(
                text, position
            )
            position, closed = header.end() if header else position + 1, False
            if header is None or not header[0].endswith(")"):
                varies.append(False)
            continue
        if character == ")":
            inner = varies.pop() if len(varies) > 1 else False
            varies[-1] = varies[-1] or inner
            position, closed = position + 1, inner
            continue
        if character == "|":
            varies[-1] = True
        elif quantifier and quantifier[0] not in ("{}", "{,}"):
            least, most = _bounds(quantifier)
            if closed and (most is None or most > _MAX_INNER_REPEATS):
                return (
                    "repeats a group that itself varies in length, which may take for ever. "
                    "Write the repeat once, such as (AB|C) instead of (A|B*)+."
                )
            n_unbounded += most is None
            varies[-1] = varies[-1] or least != most
            position, closed = quantifier.end(), False
            continue
        position, closed = position + 1, False
    if n_unbounded > _MAX_UNBOUNDED:
        return (
            f"has more than {_MAX_UNBOUNDED} of + and *, which is slow on long texts. "
            "Say how often at most, as in {1,20}."
        )
    return None


def _end_of_class(text: str, start: int) -> int:
    """Return where a set of characters such as [^a-z] ends."""
    position = start + 1
    position += text[position : position + 1] == "^"
    position += text[position : position + 1] == "]"
    while position < len(text) and text[position] != "]":
        position += 1 + (text[position] == "\\")
    return position + 1


def _bounds(quantifier: re.Match[str]) -> tuple[int, int | None]:
    """Return the least and the most repeats; None is without end."""
    fixed = {"*": (0, None), "+": (1, None), "?": (0, 1)}.get(quantifier[0])
    if fixed is not None:
        return fixed
    least = int(quantifier[1] or 0)
    if not quantifier[2]:
        return least, least
    return least, int(quantifier[3]) if quantifier[3] else None


def _slowest_probe(pattern: re.Pattern[str], text: str) -> float:
    """Return the longest seconds a search takes of texts that repeat what the pattern names."""
    letters = "".join(dict.fromkeys(filter(str.isalnum, text)))[:8]
    pieces = ("0", "a", "A", " ", "-", "a ", "0 ", "0-", "aA0", letters or "x", text[:20])
    pieces = tuple(dict.fromkeys((*pieces, *text)))  # "é+" is slow on nothing but é
    slowest = 0.0
    probes = [(piece, end) for piece in pieces for end in _PROBE_ENDS]
    for size in _PROBE_SIZES:  # growing, so that the first slow one is not slow for long
        for piece, end in probes:
            probe = (piece * size)[:size] + end
            started = time.thread_time()
            for _ in pattern.finditer(probe):
                pass
            slowest = max(slowest, time.thread_time() - started)
            if slowest > _MAX_PROBE_SECONDS:
                return slowest
    return slowest


def _refuse_unknown(table: Mapping[str, Any], known: Sequence[str], where: str) -> None:
    for name in table:
        if name not in known:
            raise UnusableRules(f"{where} cannot have {name!r}; known are {', '.join(known)}.")


def _table(rules: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    table = rules.get(name, {})
    if not isinstance(table, Mapping):
        raise UnusableRules(f"{name} has to be a table, written as [{name}] on a line of its own.")
    return table


def _strings(table: Mapping[str, Any], name: str) -> list[str]:
    values = table.get(name, [])
    if not isinstance(values, list) or not all(isinstance(v, str) and v.strip() for v in values):
        raise UnusableRules(f"{name} has to be a list of texts in quotes, none of them empty.")
    return values


def _countries(rules: Mapping[str, Any]) -> tuple[str, ...]:
    if "countries" not in rules:
        return DEFAULT_COUNTRIES
    countries = [country.strip().upper() for country in _strings(rules, "countries")]
    for country in countries:
        if country not in SUPPORTED_REGIONS:
            raise UnusableRules(
                f"{country} is no country; write the two letters of its code, such as GB or DE."
            )
    return tuple(dict.fromkeys(countries))
