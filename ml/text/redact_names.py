"""Find names by the words people put before them, in English, German, Lithuanian, Indonesian
and Chinese, and with a list of names also those that no such word announces.

Cues find only names that somebody introduces ("my name is …", "Dear …", "Mr …"), so a wrong mark
is rare and a name dropped in passing is missed. With a list, lower-case names after a cue and a
listed first name before a listed last name are found as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from ml.text.redact_addresses import find_addresses
from ml.text.redact_shapes import DIGITS, Span
from ml.text.redact_typed import typed_names

Found = tuple[str, Span]
"""A kind, "NAME" or "ADDRESS", and where."""


class NameFinder(Protocol):
    """Finds names and postal addresses in a text."""

    def find(self, text: str) -> Iterator[Found]:
        """Return (kind, span) of each name and address; spans may overlap."""
        ...


# One word of a name: "Ann", "O'Neil", "Müller-Lüdenscheidt", "J."; never all capitals, for
# those are abbreviations and the XXXX of other people's redaction.
_UPPER = "A-ZÀ-ÖØ-ÞĀĂĄĆĈĊČĎĐĒĔĖĘĚĜĞĠĢĤĦĨĪĬĮİĴĶĹĻĽĿŁŃŅŇŊŌŎŐŒŔŖŘŚŜŞŠŢŤŦŨŪŬŮŰŲŴŶŸŹŻŽ"
_LETTER = r"[^\W\d_]"
_CAPITAL = rf"(?:[{_UPPER}]['’][{_UPPER}]|[{_UPPER}])"
_LOWER = r"[a-zà-öø-ÿāăąćĉċčďđēĕėęěĝğġģĥħĩīĭįıĵķĺļľŀłńņňŋōŏőœŕŗřśŝşšţťŧũūŭůűųŵŷźżž]"
CAPITALISED = rf"{_CAPITAL}{_LOWER}+(?:-{_CAPITAL}{_LOWER}+|{_CAPITAL}{_LOWER}+)?(?!{_LETTER})"
_INITIAL = rf"[{_UPPER}]\.?"
_PARTICLE = r"(?:van|von|der|den|de|del|di|da|bin|binti|al|la|le|zu|zur)"
_NAME = rf"{CAPITALISED}(?:[ ](?:{_INITIAL}[ ])?(?:{_PARTICLE}[ ]){{0,2}}{CAPITALISED}){{0,2}}"
_FULL = rf"{CAPITALISED}(?:[ ](?:{_INITIAL}[ ])?(?:{_PARTICLE}[ ]){{0,2}}{CAPITALISED}){{1,2}}"

_SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘蒋蔡余杜叶程苏魏吕丁任沈"
    "姚卢姜崔钟谭陆汪范金石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔"
    "向汤"
)
_HANZI = r"\u4e00-\u9fff"


@dataclass(frozen=True, slots=True)
class _Cue:
    """Words that stand before a name, or after it.

    Attributes
    ----------
    words : tuple of str
        Lower case; the pattern is tried only in a text with one of them.
    pattern : pattern
        The name is its group 1.
    """

    words: tuple[str, ...]
    pattern: re.Pattern[str]


def _cue(words: str, pattern: str) -> _Cue:
    return _Cue(tuple(words.split("|")), re.compile(pattern))


_CUES = (
    _cue(
        "name is|name's|names is",
        rf"\b[Mm]y (?:(?:full|first|last|maiden|legal|real) )?name(?:'s|’s| is|s is)"
        rf"[ ]{{1,2}}({_NAME})",
    ),
    _cue("i am called|i'm called", rf"\bI(?:'m| am) called ({_NAME})"),
    _cue(
        "speaking|calling",
        rf"\b(?:[Tt]his is|[Ii]t(?:'s| is)|I(?:'m| am))[ ]({_NAME})"
        rf"(?=,? (?:here,? )?(?:and I(?:'m| am) )?(?:speaking|calling))",
    ),
    _cue(
        "speaking|calling",
        rf"\b(?:[Tt]his is|[Yy]ou(?:'re| are) speaking (?:to|with)|[Ss]peaking (?:to|with))"
        rf"[ ]({_FULL})",
    ),
    _cue(
        "mr|mrs|ms|miss|mx",
        rf"\b(?:Mr|Mrs|Ms|Mx|Messrs|Miss|MR|MRS|MS)\.?[ ]"
        rf"((?:{_INITIAL}[ ]){{0,2}}{_NAME})",
    ),
    _cue("dear|hi|hello", rf"(?:^|\n|[.!?,] )(?:Dear|Hi|Hello|Hey)[ ]({_FULL})(?=[ ]?[,!.\n-]|$)"),
    _cue("dear", rf"\bDear[ ]({_NAME})(?=[ ]?[,!.:\n-]|$)"),
    _cue(
        "regards|sincerely|faithfully|wishes|cheers|signed|yours truly",
        rf"\b(?:[Rr]egards|[Ss]incerely|[Ff]aithfully|[Ww]ishes|[Yy]ours truly|Cheers|Signed)"
        rf"[,.:]?\s{{1,4}}({_NAME})(?=\s*(?:$|[\n,.]))",
    ),
    _cue(
        "name:",
        rf"\b(?:[Ff]ull |[Ff]irst |[Ll]ast |[Cc]ustomer )?[Nn]ame: ?({_NAME})",
    ),
    # German
    _cue(
        "mein name|ich heiße|ich heisse|ich bin",
        rf"\b(?:[Mm]ein Name ist|[Ii]ch hei(?:ß|ss)e|[Ii]ch bin (?:der|die|Herr|Frau))[ ]({_NAME})",
    ),
    _cue("herr|frau", rf"\b(?:Herrn?|Frau)[ ](?:Dr\.[ ])?({_NAME})"),
    _cue(
        "grüße|gruß|grüsse",
        rf"\b[Gg]r(?:ü(?:ß|ss)en?|uß|uss)[,.]?\s{{1,4}}({_NAME})(?=\s*(?:$|\n))",
    ),
    # Lithuanian
    _cue(
        "vardas|vardu",
        rf"\b(?:[Mm]ano vardas(?: yra)?|[Vv]ardu|[Vv]ardas:|[Vv]ardas, pavardė:)[ ]({_NAME})",
    ),
    _cue("pagarbiai", rf"\b[Pp]agarbiai[,.]?\s{{1,4}}({_NAME})(?=\s*(?:$|[\n,.]))"),
    _cue("pon", rf"\b(?:[Pp]onas|[Pp]onia|[Pp]onui|[Pp]oniai|[Gg]erb\.)[ ]({_NAME})"),
    # Indonesian
    _cue("nama saya|atas nama", rf"\b(?:[Nn]ama saya(?: adalah)?|[Aa]tas nama)[ ]({_NAME})"),
    _cue("bapak|ibu|pak|bu", rf"\b(?:[Bb]apak|[Ii]bu|[Pp]ak|[Bb]u)[ ]({_NAME})"),
    _cue(
        "hormat saya|salam", rf"\b(?:[Hh]ormat saya|[Ss]alam),?\s{{1,4}}({_NAME})(?=\s*(?:$|[\n.]))"
    ),
    # Chinese
    _cue(
        "我叫|我是|名字|姓名",
        rf"(?:我叫|我的名字[是叫]|姓名[:\uff1a]?|我是)([{_SURNAMES}][{_HANZI}]{{1,2}})"
        r"(?=[\s,.!\uff0c\u3002\uff01\u3001]|$)",
    ),
    _cue("先生|女士|小姐", rf"([{_SURNAMES}][{_HANZI}]{{0,2}}?)(?=先生|女士|小姐)"),
)

# Words that stand where a name may, and are none.
_NO_NAME_WORDS = (
    "sir madam madame team all customer customers client support service services everyone "
    "colleague colleagues friend friends valued user member manager director agent bank card "
    "account credit loan company department consumer consumers bureau cfpb there again both damen "
    "herren kunde kunden kundin the this that not no on in my your his her their our and or is "
    "was i a an but because still just also now being used same as it so very yes please thanks "
    "thank hi hello pelanggan tim admin cs mr mrs ms miss dr january february march april june "
    "july august september october november december monday tuesday wednesday thursday friday "
    "saturday sunday english spanish american collector collections attorney"
)
NO_NAME = frozenset(_NO_NAME_WORDS.split())


def _cut_at_no_name(text: str, start: int, end: int) -> Span | None:
    """Return the words of a find up to the first that is no name."""
    kept = start
    for word in re.finditer(r"\S+", text[start:end]):
        if word[0].strip(".,").lower() in NO_NAME:
            break
        kept = start + word.end()
    return (start, kept) if kept > start else None


_CUE_WORDS = (
    "name name's name’s called names mr mrs ms mx miss messrs dear hi hello hey regards "
    "sincerely faithfully wishes truly cheers signed speaking calling heiße heisse bin herr "
    "herrn frau grüße grüßen gruß grüssen vardas vardu pavardė pagarbiai ponas ponia ponui "
    "poniai gerb nama bapak ibu pak bu saya salam"
)
_WORDS = frozenset(word + stop for word in _CUE_WORDS.split() for stop in ("", ",", ".", ":", "!"))
_FAR_EAST = re.compile(rf"[{_HANZI}]")


class CueNames:
    """Finds names that somebody introduces, and addresses in the form of their country."""

    def find(self, text: str) -> Iterator[Found]:
        """Return (kind, span) of each name and address."""
        lower = text.lower()
        words = lower.split()
        has_cue = not _WORDS.isdisjoint(words)
        if has_cue or (not text.isascii() and _FAR_EAST.search(text)):
            for cue in _CUES:
                for word in cue.words:
                    if word in lower:
                        yield from self._names_after(text, cue)
                        break
        if "name" in lower:
            yield from (("NAME", span) for span in typed_names(text))
        if DIGITS.search(text):
            for span in find_addresses(text, words):
                yield "ADDRESS", span

    @staticmethod
    def _names_after(text: str, cue: _Cue) -> Iterator[Found]:
        for match in cue.pattern.finditer(text):
            if span := _cut_at_no_name(text, *match.span(1)):
                yield "NAME", span


class NoNames:
    """Finds nothing."""

    def find(self, text: str) -> Iterator[Found]:
        """Return nothing."""
        return iter(())
