"""Names by a list: the given and family names of the faker package, where it is installed."""

from __future__ import annotations

import importlib
import importlib.util
import re
from collections.abc import Iterator
from functools import cache

from ml.text.redact_names import CAPITALISED, NO_NAME, CueNames, Found

LOCALES = ("en_GB", "en_US", "de_DE", "lt_LT", "id_ID", "fr_FR", "es_ES", "it_IT", "nl_NL", "pl_PL")
_WORD = r"[^\W\d_]+(?:['’-][^\W\d_]+)*"
_PAIR = re.compile(
    rf"(?<![\w'’@.-])(?=({CAPITALISED})(?:[ ][A-Z]\.?)?[ ]({CAPITALISED})(?![\w@'’-]))"
)
_AFTER_CUE = re.compile(
    rf"\b(?:my (?:full |first |last )?name(?:'s|’s| is)|this is|speaking (?:with|to)|mr|mrs|miss"
    rf"|mein name ist|ich heiße|mano vardas|nama saya)[ ]({_WORD})(?:[ ]({_WORD}))?",
    re.IGNORECASE,
)


def is_list_installed() -> bool:
    """Whether the list of names is there."""
    return importlib.util.find_spec("faker") is not None


@cache
def listed_names() -> ListedNames:
    """Return the finder with the list of names, read once."""
    return ListedNames(*_read_lists())


def _read_lists() -> tuple[frozenset[str], frozenset[str]]:
    """Return given and family names, lower case, of the locales that are written in letters."""
    given: set[str] = set()
    family: set[str] = set()
    for locale in LOCALES:
        provider = importlib.import_module(f"faker.providers.person.{locale}").Provider
        for attribute in dir(provider):
            if attribute.startswith(("first_names", "last_names")):
                names = getattr(provider, attribute)
                (given if attribute.startswith("first") else family).update(map(str.lower, names))
    return frozenset(given), frozenset(family)


class ListedNames:
    """Cues, and a listed given name before a listed family name.

    Parameters
    ----------
    given, family : frozenset of str
        Names, lower case.
    """

    def __init__(self, given: frozenset[str], family: frozenset[str]) -> None:
        self._given = given - _COMMON_WORDS
        self._family = family - _COMMON_WORDS
        self._cues = CueNames()

    def find(self, text: str) -> Iterator[Found]:
        """Return (kind, span) of each name and address."""
        yield from self._cues.find(text)
        for pair in _PAIR.finditer(text):
            given, family = pair[1], pair[2]
            if given.lower() in self._given and family.lower() not in _NO_FAMILY:
                yield "NAME", (pair.start(1), pair.end(2))
        if not _CUE_WORDS.isdisjoint(text.lower().split()):
            yield from self._after_cues(text)

    def _after_cues(self, text: str) -> Iterator[Found]:
        """Find names in lower case, as transcripts of calls have them."""
        for said in _AFTER_CUE.finditer(text):
            if said[1].lower() in self._given or (said[2] and self._is_person(said[1], said[2])):
                is_full = said[2] is not None and said[2].lower() in self._family
                yield "NAME", (said.start(1), said.end(2 if is_full else 1))

    def _is_person(self, given: str, family: str) -> bool:
        return given.lower() in self._given and family.lower() in self._family


_CUE_TEXT = "name name's name’s this speaking mr mr. mrs mrs. miss heiße vardas nama"
_CUE_WORDS = frozenset(_CUE_TEXT.split())
# names that are words as well; "my name is on …" introduces nobody
_COMMON_TEXT = (
    "a art an bank banks best bill bills blessing bond books bridges brook brooks can case cash "
    "chance chase christian church city close cook day days dean de do does dollar duke early "
    "ever faith field fields ford forest free french friend gold good grace grant green hall hand "
    "happy hart heart hill home hope house hunt in is joy just key king knight lake land lane law "
    "list little long love low major many mark may mercy miles miller money moody more morning my "
    "no north not of old on or park pay penny price prime rate ray rent rich rivers rose rush "
    "sale sales say see self sharp short so state states stone street sue summer sunny sure the "
    "this to true trust van wall wallet wells west will wise wish wood woods young "
    "georgia max sierra"
)
_COMMON_WORDS = frozenset(_COMMON_TEXT.split())
# what follows a given name with a capital and is no family name: "Chase Bank", "Austin TX"
_NO_FAMILY_TEXT = (
    "bank center centre city company corp county credit drive finance financial group inc island "
    "lending llc loan loans ltd mortgage motors road services street university avenue hospital "
    "airport park school court federal savings store code general industrial servicing"
)
_NO_FAMILY = NO_NAME | frozenset(_NO_FAMILY_TEXT.split())
