"""Replace personal data in text by tokens, before anything is stored.

Found are e-mail addresses, phone numbers, payment cards, IBANs, national identity numbers,
account numbers, web addresses that carry credentials and public IP addresses; names that somebody
introduces and postal addresses as far as their form shows them (see `redact_names`). Numbers may
be said digit by digit (`redact_spoken`), and given over several turns (`redact_turns`). The same
value is the same token all through a contact: the first phone number is ``[PHONE]``, the next one
``[PHONE 2]``. Tokens that the source has put in stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from ml.text.redact_ids import find_national_ids
from ml.text.redact_links import (
    find_emails,
    find_ips,
    find_ipv6s,
    find_urls,
    may_hold_ipv6,
    may_hold_url,
    may_spell_email,
)
from ml.text.redact_listed import is_list_installed, listed_names
from ml.text.redact_names import CueNames, NameFinder, NoNames
from ml.text.redact_numbers import find_accounts, find_cards, find_ibans, find_sort_codes
from ml.text.redact_parted import PartedPhones, find_parted_cards
from ml.text.redact_phones import PhoneFinder, spellings
from ml.text.redact_rules import (
    DEFAULT_COUNTRIES,
    RedactionRules,
    UnusableRules,
    compile_pattern,
    kind_of,
)
from ml.text.redact_shapes import DIGITS, GAP, MAY_BE_IBAN, STRETCH, Finder, Span, merged
from ml.text.redact_spoken import find_spoken, may_be_spoken, said_digits
from ml.text.redact_tokens import TOKEN, Tokens
from ml.text.redact_turns import joined_turns, may_cross_turns

__all__ = [
    "DEFAULT_COUNTRIES",
    "KINDS",
    "Redacted",
    "RedactedTurns",
    "RedactionRules",
    "Redactor",
    "UnusableRules",
    "redact",
]

KINDS = (
    "URL",
    "EMAIL",
    "IBAN",
    "IP",
    "CARD",
    "NATIONAL_ID",
    "PHONE",
    "ACCOUNT",
    "NAME",
    "ADDRESS",
)
_MAX_PASSES = 8
_PHONE_DIGITS = 7
_WHOLE_NUMBER = 9
_Allowed = str | re.Pattern[str]
_Finders = tuple[tuple[str, Finder], ...]


@dataclass(frozen=True)
class Redacted:
    """Text with tokens such as [EMAIL] in place of what was found, and how often, by kind."""

    text: str
    counts: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class RedactedTurns:
    """The turns of one contact with tokens under one numbering, and how often, by kind."""

    texts: list[str]
    counts: dict[str, int] = field(default_factory=dict)


class Redactor:
    """Redacts many texts under one choice of countries and rules.

    Parameters
    ----------
    countries : sequence of str, optional
        Two-letter codes of countries whose phone numbers are written without +.
    allow : sequence of str or pattern, optional
        What is never hidden, such as the company's own phone number; a number counts in any
        grouping, a phone number also with its country code.
    extra : mapping of str to str or pattern, optional
        What else is hidden: name to regular expression; ``order`` makes ``[ORDER]``.
    names : NameFinder, optional
        What finds names and addresses; cues alone if none is given, `NoNames` for nothing.

    Raises
    ------
    UnusableRules
        If an extra pattern is none or could take for ever.

    Examples
    --------
    >>> Redactor().redact("Write to ann@example.org, not to bob@example.org").text
    'Write to [EMAIL], not to [EMAIL 2]'
    """

    def __init__(
        self,
        countries: Sequence[str] = DEFAULT_COUNTRIES,
        allow: Sequence[_Allowed] = (),
        extra: Mapping[str, _Allowed] | None = None,
        names: NameFinder | None = None,
    ) -> None:
        self._names = CueNames() if names is None else names
        self._extra = tuple(
            (kind_of(name), compile_pattern(rule, name) if isinstance(rule, str) else rule)
            for name, rule in (extra or {}).items()
        )
        self._allowed = _allowed(allow, countries)
        self._checked: _Finders = (
            ("IBAN", find_ibans),
            ("NATIONAL_ID", find_national_ids),
            ("CARD", find_cards),
        )
        # behind addresses, whose postcodes may look like the end of a number
        self._unchecked: _Finders = (
            ("ACCOUNT", find_sort_codes),
            ("PHONE", PhoneFinder(countries)),
            ("ACCOUNT", find_accounts),
        )
        self._parted: _Finders = (("CARD", find_parted_cards), ("PHONE", PartedPhones(countries)))
        self._checked_or_said: _Finders = (*self._checked, ("ACCOUNT", find_spoken))
        self._email_or_unchecked: _Finders = (("EMAIL", find_emails), *self._unchecked)

    @classmethod
    def from_rules(cls, rules: RedactionRules) -> Redactor:
        """Return a redactor under the rules of a site.

        Raises
        ------
        UnusableRules
            If the rules ask for the list of names and it is not installed.
        """
        if rules.names == "list" and not is_list_installed():
            raise UnusableRules(
                'names is "list", but the list of names is not installed: '
                'run pip install "closedloop[names]", or write names = "cues".'
            )
        names: NameFinder = CueNames()
        if rules.names == "off":
            names = NoNames()
        elif rules.names == "list" or (rules.names == "auto" and is_list_installed()):
            names = listed_names()
        return cls(rules.countries, rules.allow, rules.extra, names)

    def redact(self, text: str) -> Redacted:
        """Return the text with every find replaced; a second pass changes nothing."""
        tokens = Tokens()
        tokens.keep(text)
        return Redacted(self._redact(text, tokens), tokens.counts)

    def redact_turns(self, turns: Sequence[str]) -> RedactedTurns:
        """Return the turns of one contact, in which the same value is the same token."""
        tokens = Tokens()
        for text in turns:
            tokens.keep(text)
        texts = list(turns)
        crosses = len(texts) > 1 and may_cross_turns(texts)
        if crosses:  # what a check digit proves comes first: a piece may look like a phone
            self._redact_over_turns(texts, self._checked_or_said, tokens)
        texts = [self._redact(text, tokens) for text in texts]
        if crosses:
            self._redact_over_turns(texts, self._email_or_unchecked, tokens)
        return RedactedTurns(texts, tokens.counts)

    def redact_many(self, texts: Iterable[str]) -> Iterator[Redacted]:
        """Redact texts one by one as they come, each a contact of its own."""
        return map(self.redact, texts)

    def _redact_over_turns(self, texts: list[str], finders: _Finders, tokens: Tokens) -> None:
        """Put a token in each turn that holds a piece of what several turns hold together."""
        for joined in joined_turns(texts):
            kept = merged([m.span() for a in self._allowed for m in a.finditer(joined.text)])
            taken: list[tuple[str, Span]] = []
            for kind, find in finders:
                for start, end in find(joined.text):
                    others = (*kept, *(span for _, span in taken))
                    is_free = not any(a < end and start < b for a, b in others)
                    if is_free and joined.crosses((start, end)):
                        taken.append((kind, (start, end)))
            for kind, span in sorted(taken, key=lambda find: -find[1][0]):
                token = tokens.token(kind, joined.text[slice(*span)])
                for turn, (start, end) in joined.parts(span):
                    texts[turn] = texts[turn][:start] + token + texts[turn][end:]

    def _redact(self, text: str, tokens: Tokens) -> str:
        if not self._allowed:
            return self._redact_piece(text, tokens)
        parts: list[str] = []
        end = 0
        for start, stop in merged([m.span() for a in self._allowed for m in a.finditer(text)]):
            parts += (self._redact_piece(text[end:start], tokens), text[start:stop])
            end = stop
        parts.append(self._redact_piece(text[end:], tokens))
        return "".join(parts)

    def _redact_piece(self, text: str, tokens: Tokens) -> str:
        """Repeat passes until one finds nothing; they end, for no token can be found again."""
        for _ in range(_MAX_PASSES):
            before = text
            for kind, pattern in self._extra:
                text = tokens.replace(text, kind, _outside_tokens(text, pattern))
            if may_hold_url(text):
                text = tokens.replace(text, "URL", find_urls(text))
            if may_spell_email(text):
                text = tokens.replace(text, "EMAIL", find_emails(text))
            digit = DIGITS.search(text)
            has_number = digit is not None and STRETCH.search(text, digit.start()) is not None
            if digit is not None and may_hold_ipv6(text):
                text = tokens.replace(text, "IP", find_ipv6s(text))
            if digit is not None and text.count(".") > 2:
                text = tokens.replace(text, "IP", find_ips(text))
            if has_number:
                text = _replace_all(text, self._checked, tokens)
            elif digit is not None and MAY_BE_IBAN.search(text, digit.start()):
                text = tokens.replace(text, "IBAN", find_ibans(text))
            if digit is not None:
                text = _replace_all(text, self._parted, tokens)
            if may_be_spoken(text):
                text = tokens.replace_kinds(text, self._find_spoken(text))
            if names := list(self._names.find(text)):
                text = tokens.replace_kinds(text, names)
            if has_number:
                text = _replace_all(text, self._unchecked, tokens)
            if text == before:
                break
        return text

    def _find_spoken(self, text: str) -> list[tuple[str, Span]]:
        """Find numbers that are said; what their digits are written out says of which kind."""
        found = []
        for start, end in find_spoken(text):
            number = said_digits(text[start:end])
            kinds = (
                kind
                for kind, find in (*self._checked, *self._unchecked)
                if (0, len(number)) in find(number)
            )
            found.append((next(kinds, "ACCOUNT"), (start, end)))
        return found


def redact(text: str, *, countries: Sequence[str] = DEFAULT_COUNTRIES) -> Redacted:
    """Redact one text; see `Redactor`, which is faster for many."""
    return _redactor(tuple(countries)).redact(text)


@cache
def _redactor(countries: tuple[str, ...]) -> Redactor:
    return Redactor(countries)


def _replace_all(text: str, finders: _Finders, tokens: Tokens) -> str:
    for kind, find in finders:
        text = tokens.replace(text, kind, find(text))
    return text


def _outside_tokens(text: str, pattern: re.Pattern[str]) -> list[Span]:
    """Find a pattern of a site, but nothing in a token."""
    tokens = [match.span() for match in TOKEN.finditer(text)] if "[" in text else []
    return merged(
        [
            found.span()
            for found in pattern.finditer(text)
            if found.end() > found.start()
            and not any(a < found.end() and found.start() < b for a, b in tokens)
        ]
    )


def _allowed(rules: Sequence[_Allowed], countries: Sequence[str]) -> tuple[re.Pattern[str], ...]:
    """Make a pattern of each value that is allowed; patterns stay as they are."""
    found: list[re.Pattern[str]] = []
    for rule in rules:
        if isinstance(rule, str):
            found += map(re.compile, _spelled(rule.strip(), countries))
        else:
            found.append(rule)
    return tuple(found)


def _spelled(value: str, countries: Sequence[str]) -> list[str]:
    """Return patterns of a value: in any case, a number in any grouping."""
    n_digits = sum(map(str.isdigit, value))
    if n_digits < _PHONE_DIGITS or any(map(str.isalpha, value)):
        return [rf"(?<![\w@.+-])(?i:{re.escape(value)})(?![\w@-])"]
    gap = rf"(?:{GAP}|[()/]){{0,3}}"
    # a few digits could be the middle of a card; a whole phone number could not
    alone = ("", "") if n_digits >= _WHOLE_NUMBER else (rf"(?<!\d{GAP})", rf"(?!{GAP}\d)")
    return [
        rf"(?<![\w+]){alone[0]}\+?{gap.join(digits)}(?!\w){alone[1]}"
        for digits in sorted(spellings(value, countries))
    ]
