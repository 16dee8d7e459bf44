"""What people may do to themes outside triage, and the words and limits of it."""

from __future__ import annotations

from closedloop.domain.errors import Invalid
from closedloop.domain.themes import NAME_LENGTH, THEME_MOVES, ThemeStatus

COUNT_TO_TYPE_ABOVE = 100
"""A change that moves more contacts asks for their number first."""

MOST_CHOSEN = 5_000
"""Contacts that one move or one split may name."""

RETIRABLE: frozenset[ThemeStatus] = frozenset(
    status for status, moves in THEME_MOVES.items() if ThemeStatus.RETIRED in moves
)
"""Where a theme may stand so that it can be retired: nothing measured hangs on it."""


def must_type_count(moves: int) -> bool:
    """Return whether a change that moves so many contacts asks for their number."""
    return moves > COUNT_TO_TYPE_ABOVE


def check_typed_count(moves: int, typed: int | None, *, to_do: str) -> None:
    """Refuse a change that moves many contacts unless their number was typed.

    Parameters
    ----------
    moves : int
        Contacts that would move, as the preview counts them.
    typed : int or None
        What was typed; None is enough up to `COUNT_TO_TYPE_ABOVE`, another number never is.
    to_do : str
        Finishes "Type 1,240 to …".

    Raises
    ------
    Invalid
    """
    if typed != moves and (typed is not None or must_type_count(moves)):
        sentence = f"Type {moves:,} to {to_do}: so many contacts will move."
        raise Invalid(sentence, {"typed_count": sentence})


def check_name(name: str) -> str:
    """Return the name of a theme on one line.

    Raises
    ------
    Invalid
        If it is empty or longer than `NAME_LENGTH`.
    """
    name = " ".join(name.split())
    if not 0 < len(name) <= NAME_LENGTH:
        sentence = f"Give the theme a name of at most {NAME_LENGTH} characters."
        raise Invalid(sentence, {"name": sentence})
    return name
