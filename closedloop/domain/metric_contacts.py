"""How a metric says which contacts it counts, as the list of contacts is asked for them."""

from __future__ import annotations

from closedloop.domain.contacts import Window


def contacts_address(shows: str, window: Window, *, volume: str = "") -> dict[str, str]:
    """Return what the list of contacts is asked for to show exactly these.

    Parameters
    ----------
    shows : str
        Words with blanks between: "all", "known" (customers), "in:" and contacts that count among
        all ("in:net"), "has:" and what a contact carries ("has:handled"), or what came before or
        after, without its window ("followed-any").
    window : Window
    volume : str
        Driver whose days count, for "in:volume".

    Returns
    -------
    dict of str to str
        Parameters of the address.
    """
    found: dict[str, str] = {}
    for word in shows.split():
        kind, _, what = word.partition(":")
        if kind == "in":
            found["among"] = what
        elif kind == "has":
            found["has"] = what
        elif word == "known":
            found["who"] = "known"
        elif word != "all":
            found["chain"] = f"{word}-{window.key}"
    if found.get("among") == "volume" and volume:
        found["volume"] = volume
    return found
