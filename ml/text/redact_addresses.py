"""Find postal addresses by their form: number and street, street and number, postcodes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ml.text.redact_shapes import Span

_NAME = r"[A-ZÄÖÜĄČĘĖĮŠŲŪŽ][\w'’.-]{0,30}"
_UK_CODE = (
    r"(?:A[BL]|B[ABDHLNRST]?|C[ABFHMORTVW]|D[ADEGHLNTY]|E[CHNX]?|F[KY]|G[LUY]?|H[ADGPRSUX]|I[GMPV]"
    r"|JE|K[ATWY]|L[ADELNSU]?|M[EKL]?|N[EGNPRW]?|O[LX]|P[AEHLOR]|R[GHM]|S[AEGKLMNOPRSTWY]?"
    r"|T[ADFNQRSW]|UB|W[ACDFNRSV]?|YO|ZE)\d(?:\d|[A-Z])? ?\d[ABD-HJLNP-UW-Z]{2}"
)
_STATE = (
    r"(?:A[LKZR]|C[AOT]|D[CE]|FL|GA|HI|I[DLNA]|K[SY]|LA|M[EDAINSOT]|N[EVHJMYCD]|O[HKR]|PA|RI|S[CD]"
    r"|T[NX]|UT|V[TA]|W[AVIY])"
)
_STREET_WORD = (
    r"(?:Street|St|Road|Rd|Avenue|Ave|Lane|Ln|Drive|Dr|Court|Ct|Boulevard|Blvd|Place|Pl|Close"
    r"|Crescent|Square|Terrace|Gardens|Grove|Parkway|Pkwy|Highway|Hwy|Circle|Cir|Way|Trail|Mews)"
)
_PLACE_NAME = r"[A-ZÄÖÜĄČĘĖĮŠŲŪŽ][\w'’-]{0,30}"
_TOWN = rf"(?:,? {_PLACE_NAME}(?: {_PLACE_NAME}){{0,2}})"
_ENGLISH = re.compile(
    rf"(?<![\w./£$€-])(?<!\d[,:])"
    rf"(?:(?:Flat|Apt|Apartment|Unit|Suite) \w{{1,5}},? )?\d{{1,5}}[A-Za-z]?,? "
    rf"(?:[NSEW]\.? )?(?:{_NAME} ){{1,3}}{_STREET_WORD}\b\.?"
    rf"(?:,? (?:Apt|Apartment|Unit|Suite|Ste|Flat|#)\.? ?#?\w{{1,6}})?"
    rf"(?:{_TOWN}?{_TOWN}?,? (?:{_STATE},? \d{{5}}(?:-\d{{4}})?|{_UK_CODE})(?!\w))?"
)
_UK_CODE_ALONE = re.compile(rf"(?<![\w-]){_UK_CODE}(?![\w-])")
# as people type it: "sw1a 1aa", but not the "m1 2nd" of a list
_UK_CODE_TYPED = re.compile(
    rf"(?<![\w-]){_UK_CODE.replace(' ?', ' (?!1st|2nd|3rd|[04-9]th)')}(?![\w-])", re.IGNORECASE
)
_US_PLACE = re.compile(
    rf"\b{_PLACE_NAME}(?: {_PLACE_NAME})?, {_STATE},? \d{{5}}(?:-\d{{4}})?(?!\w)"
)
_PO_BOX = re.compile(r"\b(?:P\.? ?O\.? ?Box|Postfach) \d{1,6}(?: ?\d{1,4})?\b", re.IGNORECASE)
_GERMAN = re.compile(
    r"\b(?!(?:Arbeits|Park|Sitz|Steh|Stell|Fenster|Gang|Um|Rück|Aus)(?:platz|weg)\b)"
    r"(?:[A-ZÄÖÜ][\wäöüß.-]{0,30}[ -])?[A-ZÄÖÜ][\wäöüß-]{0,40}?"
    r"(?:[Ss]tra(?:ß|ss)e|[Ss]tr\.|platz|weg|allee|gasse|damm|ufer) ?\d{1,4} ?[a-h]?\b"
    r"(?:,? \d{5} [A-ZÄÖÜ][\wäöüß-]{1,30}(?: (?:am|an der|im) [A-ZÄÖÜ][\wäöüß-]{1,30})?)?"
)
_LITHUANIAN = re.compile(
    rf"{_NAME} (?:g\.|gatvė|gatvės|pr\.|prospektas|al\.|alėja) ?\d{{1,4}}[A-Za-z]?"
    rf"(?:[-–]\d{{1,4}})?\b(?:,? (?:LT-?)?\d{{5}})?(?:,? {_PLACE_NAME})?"
)
_INDONESIAN = re.compile(
    rf"\b(?:Jl|Jln|Jalan|Gg|Gang)\.? {_NAME}(?: (?:{_NAME}|[IVX]+)){{0,4}},? "
    r"(?:No|Nomor|nomor|no)\.? ?\d{1,4}[A-Za-z]?\b"
    r"(?:,? RT\.? ?\d{1,3} ?/ ?(?:RW\.? ?)?\d{1,3})?"
    rf"(?:,? {_PLACE_NAME}(?: {_PLACE_NAME})?(?: \d{{5}}(?!\d))?)?"
)
_HANZI = r"[\u4e00-\u9fff]"
_SAID = r"我你您他她在住是到寄送了的至给请把地址为"
_CHINESE = re.compile(
    rf"(?:(?![{_SAID}]){_HANZI}){{0,12}}(?:路|街|大道|巷|弄|胡同)\d{{1,5}}[号弄]"
    rf"(?:\d{{1,3}}(?:号楼|栋|幢|座|单元|楼|层)){{0,3}}(?:\d{{1,5}}[室号])?"
)

_UK_CODE_END = re.compile(r"\d[A-Z]{2}(?!\w)")
_UK_CODE_END_TYPED = re.compile(r" \d[A-Za-z]{2}(?!\w)")
_STREET_WORDS = frozenset(
    word + stop for word in _STREET_WORD[3:-1].lower().split("|") for stop in ("", ".", ",")
)
# every form with what a text must hold to be worth a look
_FORMS: tuple[tuple[tuple[str, ...], re.Pattern[str]], ...] = (
    ((", ",), _US_PLACE),
    (("ox", "OX", "Postfach"), _PO_BOX),
    (("str", "Str", "platz", "weg", "allee", "gasse", "damm", "ufer"), _GERMAN),
    ((" g.", "gatv", " pr", " al"), _LITHUANIAN),
    (("Jl", "Jalan", "Gg", "Gang"), _INDONESIAN),
    (("号", "弄"), _CHINESE),
)


def find_addresses(text: str, words: Sequence[str]) -> Iterator[Span]:
    """Find addresses of GB, US, DE, LT, ID and CN that hold a number, and their postcodes.

    Parameters
    ----------
    text : str
        Holds a digit.
    words : sequence of str
        Its words, lower case, with the stops behind them.
    """
    if not _STREET_WORDS.isdisjoint(words):
        for match in _ENGLISH.finditer(text):
            yield match.span()
    if _UK_CODE_END.search(text):
        for match in _UK_CODE_ALONE.finditer(text):
            yield match.span()
    if _UK_CODE_END_TYPED.search(text):
        for match in _UK_CODE_TYPED.finditer(text):
            if not match[0].isupper():
                yield match.span()
    for parts, pattern in _FORMS:
        for part in parts:
            if part in text:
                yield from (match.span() for match in pattern.finditer(text))
                break
