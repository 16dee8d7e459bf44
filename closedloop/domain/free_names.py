"""Keys and names for what a run finds: the next ones that nothing else has."""

from __future__ import annotations

from collections.abc import Iterable

ROOM_FOR_NUMBER = 6
"""Characters kept free at the end of a name, for " (2)" to " (999)"."""


def next_key(letter: str, keys: Iterable[str]) -> str:
    """Return the key after the highest ever given: "T-015" after "T-014".

    Parameters
    ----------
    letter : str
        "T" for themes, "D" for contact drivers.
    keys : iterable of str
        Every key ever given. Rows are never deleted, so no key comes twice.
    """
    start = f"{letter}-"
    numbers = [int(key[2:]) for key in keys if key.startswith(start) and key[2:].isdigit()]
    return f"{start}{max(numbers, default=0) + 1:03d}"


def free_name(name: str, taken: Iterable[str], *, longest: int, otherwise: str) -> str:
    """Return the name, with a number behind it where another one has it already (in any case).

    Parameters
    ----------
    name : str
    taken : iterable of str
        Names in use.
    longest : int
        Characters that a name may have.
    otherwise : str
        The name of what has none.
    """
    known = {other.casefold() for other in taken}
    base = " ".join(name.split())[: longest - ROOM_FOR_NUMBER] or otherwise
    free, number = base, 1
    while free.casefold() in known:
        number += 1
        free = f"{base} ({number})"
    return free
