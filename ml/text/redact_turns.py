"""Join the turns over which somebody may give one number or address, piece by piece.

"It is 4111 1111", "go on", "1111 1111": no turn holds a card number, the conversation does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ml.text.redact_shapes import Span
from ml.text.redact_spoken import DIGIT_WORDS, SAID_DIGIT

MOST_PIECES = 12
MOST_BETWEEN = 60
"""Characters of a turn that only says "yes, go on" between two pieces."""

_CONTEXT = 200
_END_WINDOW = 40
_FILLERS = frozenset(
    [
        *("and", "then", "um", "uh", "er", "ok", "okay", "yes"),
        *("yeah", "so", "und", "dan", "ir", "it's"),
    ]
)
_FILLER = rf"(?:\b(?:{'|'.join(sorted(_FILLERS))})\b"
_DIGIT = rf"(?:\d|\b{SAID_DIGIT}\b)"
_ENDS_IN_DIGITS = re.compile(
    rf"(?:{_DIGIT}|\b(?:double|triple)\b)(?P<rest>[\W_]{{0,4}}{_FILLER}[\W_]*){{0,2}})$",
    re.IGNORECASE,
)
_BEGINS_WITH_DIGITS = re.compile(
    rf"(?P<rest>[^\w+(]{{0,4}}{_FILLER}[^\w+(]*){{0,3}})(?=[+(]{{0,2}}{_DIGIT})", re.IGNORECASE
)
_OPEN_WORDS = frozenset({*DIGIT_WORDS, "double", "triple", "at", "dot"})
_AT_SIGNS = ("@", "at ", "(at)", "[at]")
_ENDS_IN_AT = re.compile(r"(?:@|\b(?:at|dot))\s*$", re.IGNORECASE)
_HAS_DATA = re.compile(rf"[\d@]|\b{SAID_DIGIT}\b", re.IGNORECASE)


@dataclass(frozen=True)
class Joined:
    """Pieces of several turns as one text.

    Attributes
    ----------
    text : str
        The pieces, a space between two of them.
    pieces : tuple of (turn, start in the turn, start in the text, end in the text)
    """

    text: str
    pieces: tuple[tuple[int, int, int, int], ...]

    def crosses(self, span: Span) -> bool:
        """Whether a find takes in something of more than one turn."""
        return len(list(self.parts(span))) > 1

    def parts(self, span: Span) -> Iterator[tuple[int, Span]]:
        """Yield (turn, place in it) of each piece of a find."""
        start, end = span
        for turn, offset, first, last in self.pieces:
            if start < last and first < end:
                yield turn, (offset + max(start, first) - first, offset + min(end, last) - first)


def may_cross_turns(turns: Sequence[str]) -> bool:
    """Whether something may be said over two turns or more, cheaply."""
    return any(map(_is_open, turns[:-1])) or any(map(_begins_with_at, turns[1:]))


def joined_turns(turns: Sequence[str]) -> Iterator[Joined]:
    """Yield every stretch of turns that may hold one number or address together."""
    at = 0
    while at < len(turns) - 1:
        chain = _chain_from(turns, at)
        if len(chain) > 1:
            yield _joined(turns, chain)
        at = max(at + 1, chain[-1][0])


def _chain_from(turns: Sequence[str], first: int) -> list[tuple[int, Span]]:
    """Return (turn, place in it) of the pieces that begin with a turn."""
    chain: list[tuple[int, Span]] = [(first, (0, len(turns[first])))]
    while len(chain) < MOST_PIECES:
        turn, (start, end) = chain[-1]
        following = _next_turn(turns, turn)
        if following is None:
            break
        said, said_next = turns[turn], turns[following]
        window = max(start, end - _END_WINDOW)
        digits = _ENDS_IN_DIGITS.search(said, window)
        if digits and (more := _BEGINS_WITH_DIGITS.match(said_next)):
            chain[-1] = (turn, (start, digits.start("rest")))
            chain.append((following, (more.end("rest"), len(said_next))))
        elif _ENDS_IN_AT.search(said, window) or _begins_with_at(said_next):
            chain.append((following, (0, len(said_next))))
        else:
            break
    return chain


def _next_turn(turns: Sequence[str], turn: int) -> int | None:
    """Return the turn that may go on: the next one, or the one behind a "yes, go on"."""
    following = turn + 1
    if following >= len(turns) or not (_is_open(turns[turn]) or _begins_with_at(turns[following])):
        return None
    if following + 1 < len(turns) and len(turns[following]) <= MOST_BETWEEN:
        following += not (_HAS_DATA.search(turns[following]) or _begins_with_at(turns[following]))
    return following


def _is_open(said: str) -> bool:
    """Whether a turn may break off in a number or an address, cheaply."""
    for word in reversed(said[-_END_WINDOW:].lower().split()[-3:]):
        bare = word.strip(".,;:!?…-()")
        if bare[-1:].isdigit() or bare[-1:] == "@" or bare.rpartition("-")[2] in _OPEN_WORDS:
            return True
        if bare and bare not in _FILLERS:
            return False
    return False


def _begins_with_at(said: str) -> bool:
    return said[:8].lstrip().lower().startswith(_AT_SIGNS)


def _joined(turns: Sequence[str], chain: Sequence[tuple[int, Span]]) -> Joined:
    """Put pieces together; of the first and the last only what lies next to the others."""
    text, pieces = "", []
    for number, (turn, (start, end)) in enumerate(chain):
        if number == 0:
            start = max(start, end - _CONTEXT)
        elif number == len(chain) - 1:
            end = min(end, start + _CONTEXT)
        text += " " if text else ""
        pieces.append((turn, start, len(text), len(text) + end - start))
        text += turns[turn][start:end]
    return Joined(text, tuple(pieces))
