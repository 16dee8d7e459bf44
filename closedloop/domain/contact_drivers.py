"""Contact drivers: the few coarse reasons above themes, and what may be done to them."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from closedloop.domain.errors import Invalid, InvalidTransition

NAME_LENGTH = 80
"""Characters that the name of a contact driver may have."""

MOST_MOVED = 1_000
"""Themes that one change may put under another driver."""

COUNT_TO_TYPE_ABOVE = 100
"""A change that moves more themes asks for their number first."""


class DriverState(StrEnum):
    """Whether a contact driver is in use."""

    IN_USE = "in_use"
    MERGED = "merged"
    RETIRED = "retired"


class DriverChangeKind(StrEnum):
    """What somebody did to contact drivers."""

    CREATE = "create"
    RENAME = "rename"
    MOVE = "move"
    MERGE = "merge"
    RETIRE = "retire"
    RESTORE = "restore"


def check_driver_name(name: str, taken: Iterable[str]) -> str:
    """Return the name of a contact driver on one line.

    Parameters
    ----------
    name : str
    taken : iterable of str
        Names of the other drivers in use.

    Raises
    ------
    Invalid
        If it is empty, longer than `NAME_LENGTH`, or taken.
    """
    name = " ".join(name.split())
    if not 0 < len(name) <= NAME_LENGTH:
        sentence = f"Give the contact driver a name of at most {NAME_LENGTH} characters."
        raise Invalid(sentence, {"name": sentence})
    if name.casefold() in {other.casefold() for other in taken}:
        sentence = (
            f"There is a contact driver “{name}” already. Move themes to it, or merge the two."
        )
        raise Invalid(sentence, {"name": sentence})
    return name


def check_in_use(key: str, state: DriverState) -> None:
    """Refuse what only a driver in use can be asked for.

    Raises
    ------
    InvalidTransition
    """
    if state is not DriverState.IN_USE:
        raise InvalidTransition(
            f"{key} is {state.value} and takes no themes. Choose a contact driver in use."
        )


def must_type_themes(moves: int) -> bool:
    """Return whether a change that moves so many themes asks for their number."""
    return moves > COUNT_TO_TYPE_ABOVE


def check_typed_themes(moves: int, typed: int | None, *, to_do: str) -> None:
    """Refuse a change that moves many themes unless their number was typed.

    Parameters
    ----------
    moves : int
        Themes that would move, as the preview counts them.
    typed : int or None
        What was typed; None is enough up to `COUNT_TO_TYPE_ABOVE`, another number never is.
    to_do : str
        Finishes "Type 124 to …".

    Raises
    ------
    Invalid
    """
    if typed != moves and (typed is not None or must_type_themes(moves)):
        sentence = f"Type {moves:,} to {to_do}: so many themes will move."
        raise Invalid(sentence, {"typed_count": sentence})
