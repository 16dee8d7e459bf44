"""Who said what in a caption file (WebVTT, SRT) or a plain transcript."""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Literal

from closedloop.adapters.cells import clean
from closedloop.adapters.parse import speaker_of

Kind = Literal["vtt", "srt", "text"]
Turn = tuple[str, str]
"""Who, as the file calls them ('' when it does not say), and what."""

_ARROW = "-->"
_SRT = re.compile(r"\s*\d+[ \t]*\r?\n\s*-?\d{1,3}:\d\d:\d\d[,.]\d{1,3}\s*-->")
_VOICE = re.compile(r"<v(?:\.[^\s>]*)?[ \t]+([^>]*)>")
_TAG = re.compile(r"<[^<>]*>|\{\\[^{}]*\}")
_NAMED = re.compile(
    r"(?:[\[(]?\d{1,2}:\d\d(?::\d\d)?(?:[.,]\d+)?[\])]?\s*)?([^\W\d_][^:\n]{0,39}):\s+(.*)"
)
_BRACKETED = re.compile(
    r"(?:[\[(]?\d{1,2}:\d\d(?::\d\d)?(?:[.,]\d+)?[\])]?\s*)?"
    r"[\[(]([^\W\d_][^:\n\[\]()]{0,39})[\])](:)?\s+(.*)"
)
_TIME = re.compile(r"[\[(]?\d{1,2}:\d\d(?::\d\d)?(?:[.,]\d+)?[\])]?\s+")
_CLOCK = re.compile(r"(?:(\d{1,3}):)?(\d{1,2}):(\d{1,2})[.,](\d{1,3})")
_DASH = re.compile(r"[-–—]\s*")


def kind_of(start: str) -> Kind | None:
    """Return what captions a text is by its beginning; None when it is none."""
    start = start.lstrip("\ufeff")
    if re.match(r"WEBVTT(?:[ \t\r\n]|$)", start):
        return "vtt"
    return "srt" if _SRT.match(start) else None


def read_turns(text: str, names: Mapping[str, str]) -> list[dict[str, str]]:
    """Return the turns of a caption file or a transcript, as `turns` in a row holds them.

    Parameters
    ----------
    text : str
    names : mapping of str to str
        Speaker ('customer', 'agent') to how the file names that person.

    Returns
    -------
    list of {"speaker", "text"}
        Neighbouring pieces of one speaker are one turn. Speakers are told by `names`, then by
        words such as Agent or Caller; 'unknown' otherwise.
    """
    text = clean(text.lstrip("\ufeff")).replace("\r\n", "\n").replace("\r", "\n")
    kind = kind_of(text[:1000])
    pieces = _plain_turns(text, names) if kind is None else _captions(text, names)
    return _joined((_speaker(who, names), said) for who, said in pieces)


def _joined(pieces: Iterator[Turn]) -> list[dict[str, str]]:
    turns: list[dict[str, str]] = []
    last = ""
    for speaker, piece in pieces:
        is_new, said = piece.startswith("\n"), " ".join(piece.split())
        if not said:
            continue
        if turns and turns[-1]["speaker"] == speaker and not is_new:
            if said != last:  # rolling captions repeat the line before
                turns[-1]["text"] += f" {said}"
        else:
            turns.append({"speaker": speaker, "text": said})
        last = said
    return turns


def _speaker(who: str, names: Mapping[str, str]) -> str:
    who = " ".join(who.split()).casefold()
    if not who:
        return "unknown"
    for speaker, name in names.items():
        name = " ".join(name.split()).casefold()
        is_whole = bool(name) and set(name.split()) <= set(re.split(r"[^\w'’-]+", who))
        if name and (is_whole or who == name.split()[0]):
            return speaker
    known = speaker_of(who)
    return known if known != "unknown" else speaker_of(re.split(r"[\W\d_]+", who)[0])


def _captions(text: str, names: Mapping[str, str]) -> Iterator[Turn]:
    """Yield the pieces of a caption file in the order of their times."""
    cues = sorted(_cues(text), key=lambda cue: cue[0])
    lines = [line for _, payload in cues for line in payload]
    told = _told(lines, names)
    who = ""
    for _, payload in cues:
        for line in payload:
            for said_by, said in _voices(line):
                fresh = said_by
                if fresh is None:
                    fresh, said = _named(said, told)
                if fresh is None and _DASH.match(said):
                    fresh, said = "", "\n" + _DASH.sub("", said, count=1)
                who = who if fresh is None else fresh
                yield who, said


def _cues(text: str) -> Iterator[tuple[float, list[str]]]:
    """Yield (start in seconds, lines) of each cue; notes and styles are left out."""
    start: float | None = None
    payload: list[str] = []
    for line in [*text.split("\n"), ""]:
        if _ARROW in line and (clock := _CLOCK.match(line.strip())):
            if payload and start is not None:
                yield start, payload[:-1] if payload[-1].strip().isdigit() else payload
            start, payload = _seconds(clock), []
        elif start is not None and not line.strip():
            yield start, payload
            start, payload = None, []
        elif start is not None:
            payload.append(line)


def _seconds(clock: re.Match[str]) -> float:
    hours, minutes, seconds, fraction = clock.groups()
    return int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds) + float(f"0.{fraction}")


def _voices(line: str) -> Iterator[tuple[str | None, str]]:
    """Yield (who or None, words) of the parts of a line that have a voice of their own."""
    parts = _VOICE.split(line)
    if said := _words(parts[0]):
        yield None, said
    for who, said in zip(parts[1::2], parts[2::2], strict=True):
        yield _words(who), _words(said)


def _words(text: str) -> str:
    """Return text without tags, its entities decoded."""
    return clean(html.unescape(_TAG.sub("", text))).strip()


def _named(line: str, told: Collection[str]) -> tuple[str | None, str]:
    """Return (who, words) of `Name: words` when the name is one that speaks here."""
    found = _split(line)
    if found and found[0].casefold() in told:
        return found[0], found[1]
    return None, line


def _split(line: str) -> tuple[str, str, bool] | None:
    """Return (name, words, whether there was a colon) of `Name: words` and `[Name] words`."""
    if match := _NAMED.fullmatch(line):
        return match[1].strip(), match[2], True
    if match := _BRACKETED.fullmatch(line):
        return match[1].strip(), match[3], bool(match[2])
    return None


def _told(lines: Sequence[str], names: Mapping[str, str]) -> set[str]:
    """Return what before a colon is a speaker: known words and names, or what comes twice.

    In brackets without a colon only what is known is one: `(laughs)` comes twice, too.
    """
    found = [split for line in lines if (split := _split(_words(line)))]
    counts = Counter(name.casefold() for name, _, has_colon in found if has_colon)
    known = {name.casefold() for name, _, _ in found if _speaker(name, names) != "unknown"}
    return {name for name, n in counts.items() if n > 1} | known


def _plain_turns(text: str, names: Mapping[str, str]) -> Iterator[Turn]:
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    told = _told(lines, names)
    who = ""
    for line in lines:
        fresh, said = _named(line, told)
        who = who if fresh is None else fresh
        yield who, _TIME.sub("", said, count=1) if fresh is None else said
