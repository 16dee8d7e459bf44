"""Keeps what each method found in each set, so that a run that was stopped goes on from there."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

Report = dict[str, Any]


class Kept:
    """A folder with a JSON file for each set and method.

    Parameters
    ----------
    folder : Path or None
        Made where it is missing; without one nothing is kept.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)

    def measure(self, name: str, method: str, basis: Report, make: Callable[[], Report]) -> Report:
        """Return what was kept on the same basis, or measure and keep it.

        Parameters
        ----------
        name : str
            Of the set.
        method : str
        basis : dict
            What the figures rest on, plain values; figures on another basis are made anew.
        make : function
            Measures.
        """
        if self._folder is None:
            return make()
        path = self._folder / f"{_plain(name)}--{_plain(method)}.json"
        if path.is_file():
            kept = json.loads(path.read_text(encoding="utf-8"))
            if kept["basis"] == basis:
                found: Report = kept["found"]
                return found
        found = make()
        # under another name first: a run that is stopped here leaves no half of a file
        draft = path.with_suffix(".draft")
        draft.write_text(json.dumps({"basis": basis, "found": found}), encoding="utf-8")
        draft.replace(path)
        return found


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
