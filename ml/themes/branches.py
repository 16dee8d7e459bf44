"""Parts a theme in two by examples that somebody picked."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.themes.graph import Floats, Ints
from ml.themes.prototypes import fit_prototypes
from ml.themes.vectors import DenseSpace

ROUNDS = 10


@dataclass(frozen=True)
class Branch:
    """A rule that looks at the texts of one label again, and gives some of them another label.

    Attributes
    ----------
    source : int
        Whose texts are looked at.
    label : int
        Of the texts that leave; -1 when it is known no more.
    leaving, staying : float32 (n, dimensions)
        What texts on either side look like, rows of length 1. A text leaves when the nearest
        of all is a leaving one.
    """

    source: int
    label: int
    leaving: Floats
    staying: Floats

    def apply(self, labels: Ints, vectors: Floats) -> Ints:
        """Return the labels (n,) after the rule; no other label's texts are touched."""
        rows = np.flatnonzero(labels == self.source)
        if not len(rows):
            return labels
        labels = labels.copy()
        labels[rows[self.leaves(vectors[rows])]] = self.label
        return labels

    def leaves(self, vectors: Floats) -> NDArray[np.bool_]:
        """Return which of the vectors (n, dimensions) lie nearer to what leaves."""
        found = (vectors @ self.leaving.T).max(axis=1) > (vectors @ self.staying.T).max(axis=1)
        return np.asarray(found, np.bool_)

    def renumber(self, source: int, label: int) -> Branch:
        """Return the same rule for other labels."""
        return replace(self, source=source, label=label)


def grow_branch(source: int, label: int, members: Floats, examples: Floats) -> Branch:
    """Make a rule from examples: two centres, one of them grown around the examples.

    Parameters
    ----------
    source, label : int
    members : float32 (n, dimensions)
        Texts of the label, or a fair draw of them; rows of length 1.
    examples : float32 (m, dimensions)
        What somebody picked; they leave whatever else does.

    Raises
    ------
    ValueError
        If there is no example, or nothing is left that stays.
    """
    if not len(examples):
        raise ValueError("grow_branch() needs at least one example.")
    everything = np.vstack([examples, members])
    is_example = np.arange(len(everything)) < len(examples)
    leaves = is_example.copy()
    for _ in range(ROUNDS):
        sides = _centre(everything[leaves]), _centre(everything[~leaves])
        # Nearer to the one centre than to the other, in the plane of both: squared distances.
        lean = everything @ (sides[0] - sides[1])
        level = (sides[0] @ sides[0] - sides[1] @ sides[1]) / 2
        found = is_example | (lean > level)
        if (found == leaves).all():
            break
        leaves = found
    if leaves.all():
        raise ValueError("Every text is like the examples, so that nothing is left that stays.")
    dimensions = everything.shape[1]
    plain = DenseSpace(np.zeros(dimensions, np.float32), np.zeros((0, dimensions), np.float32))
    found_prototypes, owners = fit_prototypes(everything, leaves.astype(np.int64), 2, plain)
    # Kept at the precision they are saved with, so that saving changes nothing.
    kept = found_prototypes.astype(np.float16).astype(np.float32)
    return Branch(source, label, kept[owners == 1], kept[owners == 0])


def _centre(vectors: Floats) -> Floats:
    if not len(vectors):
        return np.zeros(vectors.shape[1], np.float32)
    return np.asarray(vectors.mean(axis=0, dtype=np.float64), np.float32)


def restrict_branches(
    branches: Sequence[Branch], kept: Collection[int]
) -> tuple[list[Branch], dict[int, int]]:
    """Return what is left of rules when only some labels are kept, under their old numbers.

    A label that is dropped comes out as -1. Where it is the source of one that is kept, that one
    takes its place before the rules are applied, and a rule the other way round turns away what
    would have stayed.

    Returns
    -------
    branches : list of Branch
    instead : dict of int to int
        Which kept label takes the place of a dropped source.
    """
    known = set(kept)
    instead: dict[int, int] = {}
    found: list[Branch] = []
    for branch in reversed(branches):
        label = instead.get(branch.label, branch.label)
        label = label if label in known else -1
        if branch.source in known:
            found.append(branch.renumber(branch.source, label))
        elif branch.source in instead:
            found.append(branch.renumber(instead[branch.source], label))
        elif label >= 0:
            instead[branch.source] = label
            found.append(Branch(label, -1, leaving=branch.staying, staying=branch.leaving))
    return found[::-1], instead


def pack(branches: tuple[Branch, ...]) -> dict[str, NDArray[Any]]:
    """Return the arrays that `unpack` reads back; none for no branches."""
    arrays = {}
    for number, branch in enumerate(branches):
        arrays[f"branch.{number}.labels"] = np.array([branch.source, branch.label])
        arrays[f"branch.{number}.leaving"] = branch.leaving.astype(np.float16)
        arrays[f"branch.{number}.staying"] = branch.staying.astype(np.float16)
    return arrays


def unpack(arrays: dict[str, NDArray[Any]]) -> tuple[Branch, ...]:
    """Return the branches that `pack` packed, in their order."""
    found: list[Branch] = []
    while f"branch.{len(found)}.labels" in arrays:
        name = f"branch.{len(found)}"
        source, label = (int(n) for n in arrays[f"{name}.labels"])
        leaving, staying = (
            arrays[f"{name}.{side}"].astype(np.float32) for side in ("leaving", "staying")
        )
        found.append(Branch(source, label, leaving, staying))
    return tuple(found)
