"""Recognises known themes in new texts, from their sentence vectors alone."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.themes.branches import Branch, grow_branch, pack, restrict_branches, unpack
from ml.themes.graph import Floats, Ints
from ml.themes.prototypes import fit_prototypes, fit_thresholds
from ml.themes.vectors import DenseSpace, Rows, unit

FORMAT = 2
READABLE = (1, 2)  # 1 had no turns
ROWS_PER_BLOCK = 4096
# How fast confidence falls when another theme is nearly as similar.
TEMPERATURE = 0.05
# Rivals beyond the nearest so many per theme can never win a text the theme could have.
RIVALS_PER_THEME = 64


@dataclass(frozen=True)
class _Part:
    """Prototypes that were fitted together and compete for texts; sorted by owner.

    Those with label -1 are rivals: themes of the same run that this model does not know, kept
    so that what belongs to them is not claimed by the nearest theme that is left.
    """

    source: str
    ids: Ints  # (p,) place among the prototypes of the source
    vectors: Floats  # (p, dimensions)
    owners: Ints  # (p,) number of the theme in the source
    labels: Ints  # (p,) label in this model
    thresholds: Floats  # (p,) least similarity of a member of the owner
    typical: Floats  # (p,) median similarity of its members
    mean: Floats  # (dimensions,)
    common: Floats  # (n_common, dimensions)
    turn: int = 0  # it claims what no part with a lower turn claims

    @property
    def space(self) -> DenseSpace:
        return DenseSpace(self.mean, self.common)

    @property
    def starts(self) -> Ints:
        """Where each owner's prototypes begin."""
        return np.flatnonzero(np.diff(self.owners, prepend=-1))

    def take(self, rows: Ints, labels: Ints) -> _Part:
        """Keep only some prototypes, under new labels."""
        kept: dict[str, Any] = {
            name: getattr(self, name)[rows]
            for name in ("ids", "vectors", "owners", "thresholds", "typical")
        }
        return replace(self, labels=labels, **kept)

    def similarity(self, vectors: Floats) -> Floats:
        """Return float32 (n, n_owners): similarity to the nearest prototype of each theme."""
        space = self.space
        found = space.transform(vectors) @ space.transform(self.vectors).T
        return np.asarray(np.maximum.reduceat(found, self.starts, axis=1), np.float32)

    def certainty(self, similarity: Floats, chosen: Ints) -> NDArray[np.float64]:
        """Return confidence (n,) that a text belongs to its chosen owner, by similarity."""
        rows = np.arange(len(chosen))
        own = similarity[rows, chosen].astype(np.float64)
        odds = np.exp((similarity - own[:, None]) / TEMPERATURE).sum(axis=1)
        least, typical = self.thresholds[self.starts][chosen], self.typical[self.starts][chosen]
        depth = np.clip((own - least) / np.maximum(typical - least, 1e-3), 0, 1)
        return np.asarray((0.5 + 0.5 * depth) / np.maximum(odds, 1.0))


class ThemeModel:
    """Prototypes of themes, with how similar a text must be to belong.

    A text goes to the theme of its most similar prototype, if it is similar enough for that
    theme; themes that came in later turns only get what earlier ones do not claim. The model is
    a pure function of the vectors: it never changes after it is made.
    """

    def __init__(
        self,
        parts: Sequence[_Part],
        n_themes: int,
        dimensions: int,
        branches: Sequence[Branch] = (),
    ) -> None:
        self._parts = tuple(parts)
        self._branches = tuple(branches)
        self.n_themes = n_themes
        self.dimensions = dimensions

    @classmethod
    def fit(cls, vectors: Rows, labels: Ints, space: DenseSpace) -> ThemeModel:
        """Learn themes from texts that were labelled.

        Parameters
        ----------
        vectors : float32 (n, dimensions)
            Rows of length 1, as the encoder gives them.
        labels : int (n,)
            0 to n_themes - 1, each at least once; -1 is left over.
        space : DenseSpace
        """
        n_themes = int(labels.max(initial=-1)) + 1
        if n_themes == 0:
            return cls((), 0, vectors.shape[1])
        found, owners = fit_prototypes(vectors, labels, n_themes, space)
        # Kept at the precision they are saved with, so that saving changes nothing.
        found = found.astype(np.float16).astype(np.float32)
        draft = _Part(
            hashlib.sha256(found.tobytes() + space.mean.tobytes()).hexdigest()[:16],
            np.arange(len(found)),
            found,
            owners,
            owners.copy(),
            np.zeros(len(found), np.float32),
            np.ones(len(found), np.float32),
            space.mean,
            space.common,
        )
        least, typical = fit_thresholds(draft.similarity, vectors, labels, n_themes)
        part = replace(draft, thresholds=least[owners], typical=typical[owners])
        return cls((part,), n_themes, vectors.shape[1])

    def assign(self, vectors: Floats) -> tuple[Ints, NDArray[np.float64]]:
        """Say which theme each text belongs to.

        Parameters
        ----------
        vectors : float32 (n, dimensions)
            Rows of length 1, from the encoder the model was fitted with.

        Returns
        -------
        labels : int (n,)
            0 to n_themes - 1; -1 belongs to none.
        confidence : float (n,)
            0 for those that belong to none, else up to 1.
        """
        vectors = self._checked(vectors)
        labels = np.full(len(vectors), -1, np.int64)
        confidence = np.zeros(len(vectors))
        for start in range(0, len(vectors), ROWS_PER_BLOCK):
            block = slice(start, start + ROWS_PER_BLOCK)
            turn = 0
            is_free = np.ones(len(vectors[block]), bool)
            for part in sorted(self._parts, key=lambda part: part.turn):
                if part.turn > turn:
                    turn, is_free = part.turn, labels[block] < 0
                found, certainty = _assign_part(part, vectors[block])
                for branch in self._branches:
                    found = branch.apply(found, vectors[block])
                is_better = (found >= 0) & (certainty > confidence[block]) & is_free
                labels[block][is_better] = found[is_better]
                confidence[block][is_better] = certainty[is_better]
        return labels, confidence

    def confidence(self, vectors: Rows, labels: Ints) -> NDArray[np.float64]:
        """Return how sure it is (n,) that texts have the labels (n,) they are said to have."""
        self._check_shape(vectors.shape)
        for branch in reversed(self._branches):  # how near it lies is known of the source
            if branch.label >= 0:
                labels = np.where(labels == branch.label, branch.source, labels)
        confidence = np.zeros(len(vectors))
        for part in self._parts:
            owner_labels = part.labels[part.starts]
            rows = np.flatnonzero((labels >= 0) & np.isin(labels, owner_labels))
            place = {int(label): at for at, label in enumerate(owner_labels) if label >= 0}
            for start in range(0, len(rows), ROWS_PER_BLOCK):
                block = rows[start : start + ROWS_PER_BLOCK]
                chosen = np.array([place[label] for label in labels[block].tolist()])
                near = part.similarity(np.asarray(vectors[block], np.float32))
                found = part.certainty(near, chosen)
                confidence[block] = np.maximum(confidence[block], found)
        return confidence

    def nearness(self, vectors: Floats) -> Floats:
        """Return how near texts are to each theme, against how near its members must be.

        Parameters
        ----------
        vectors : float32 (n, dimensions)

        Returns
        -------
        float32 (n, n_themes)
            0 and more; from 1 on a text is near enough, though another theme may be surer. Of a
            label that was branched off another one 0: its texts are near that one.
        """
        vectors = self._checked(vectors)
        found = np.zeros((len(vectors), self.n_themes), np.float32)
        for part in self._parts:
            owned = np.flatnonzero(part.labels[part.starts] >= 0)
            labels = part.labels[part.starts][owned]
            least = np.maximum(part.thresholds[part.starts][owned], 1e-3)
            shares = np.maximum(part.similarity(vectors)[:, owned] / least, 0)
            for place, label in enumerate(labels.tolist()):
                found[:, label] = np.maximum(found[:, label], shares[:, place])
        return found

    def prototypes(self, label: int) -> Floats:
        """Return float32 (n_prototypes, dimensions) of one theme, rows of length 1."""
        self._check_label(label)
        own = [branch.leaving for branch in self._branches if branch.label == label]
        found = np.vstack([*own, *(part.vectors[part.labels == label] for part in self._parts)])
        for branch in self._branches:
            if branch.source == label and not (leaves := branch.leaves(found)).all():
                found = found[~leaves]
        return unit(found)

    def branch(self, label: int, *, members: Floats, examples: Floats) -> ThemeModel:
        """Return a model in which the texts of a theme that are like the examples have a label
        of their own, the next one. Labels and confidence of all other texts stay as they are.

        Parameters
        ----------
        label : int
        members : float32 (n, dimensions)
            Texts of the theme, or a fair draw of them.
        examples : float32 (m, dimensions)
            Texts that are to leave.

        Raises
        ------
        ValueError
            If there is no such theme or no example, or all texts are like the examples.
        """
        self._check_label(label)
        new = grow_branch(label, self.n_themes, self._checked(members), self._checked(examples))
        branches = (*self._branches, new)
        return ThemeModel(self._parts, self.n_themes + 1, self.dimensions, branches)

    def rejoin(self, labels: Sequence[int]) -> ThemeModel:
        """Return a model in which labels that `branch` made are part of their theme again.

        The numbers of other labels do not change: a label that was not the last stays as one
        that no text has.

        Raises
        ------
        ValueError
            If something was branched off one of them since.
        """
        gone = set(labels)
        kept = [branch for branch in self._branches if branch.label not in gone]
        for branch in kept:
            if branch.source in gone:
                raise ValueError(f"Label {branch.label} was branched off label {branch.source}.")
        n_themes = self.n_themes
        while n_themes - 1 in gone:
            n_themes -= 1
        return ThemeModel(self._parts, n_themes, self.dimensions, kept)

    def restrict(self, labels: Sequence[int]) -> ThemeModel:
        """Return a model of these themes alone, numbered 0, 1, ... in the order given.

        Kept themes claim what they claimed before: what belongs to a dropped theme of the same
        run comes out as -1, it does not fall to the next best.

        Raises
        ------
        ValueError
            If a label is none of the model's, or comes twice.
        """
        chosen = [int(label) for label in labels]
        for label in chosen:
            self._check_label(label)
        if len(set(chosen)) < len(chosen):
            raise ValueError("restrict() was given the same theme twice; name each theme once.")
        renumber = np.full(self.n_themes + 1, -1)
        renumber[chosen] = np.arange(len(chosen))
        branches, instead = restrict_branches(self._branches, chosen)
        of_parts = renumber.copy()
        for gone, label in instead.items():
            of_parts[gone] = renumber[label]
        parts = [_restrict_part(part, of_parts[part.labels]) for part in self._parts]
        kept = [part for part in parts if (part.labels >= 0).any()]
        branches = [b.renumber(int(renumber[b.source]), int(renumber[b.label])) for b in branches]
        return ThemeModel(kept, len(chosen), self.dimensions, branches)

    @classmethod
    def combine(cls, models: Sequence[ThemeModel], *, in_turn: bool = False) -> ThemeModel:
        """Return one model that knows the themes of all, numbered one model after the other.

        Themes of one run go on competing as they did in it; between runs the more confident
        claim wins, and the earlier model of equals.

        Parameters
        ----------
        models : sequence of ThemeModel
        in_turn : bool
            Whether a later model only gets what no earlier one claims, however surely.

        Raises
        ------
        ValueError
            If there is no model, or they were fitted with vectors of different sizes.
        """
        if not models:
            raise ValueError("combine() needs at least one model.")
        if len({model.dimensions for model in models}) > 1:
            raise ValueError(
                "The models were fitted with encoders of different sizes; a combined model can "
                "only hold themes of one encoder. Fit them again with one encoder."
            )
        parts: list[_Part] = []
        branches: list[Branch] = []
        shift = 0
        turn = 0
        for model in models:
            for branch in model._branches:
                label = branch.label + shift if branch.label >= 0 else -1
                branches.append(branch.renumber(branch.source + shift, label))
            for part in model._parts:
                labels = np.where(part.labels >= 0, part.labels + shift, -1)
                _add_part(parts, replace(part, labels=labels, turn=part.turn + turn))
            shift += model.n_themes
            if in_turn:
                turn = 1 + max((part.turn for part in parts), default=-1)
        return cls(parts, shift, models[0].dimensions, branches)

    def to_bytes(self) -> bytes:
        """Return the model as an npz archive; equal models give equal bytes."""
        arrays = {"header": np.array([FORMAT, self.n_themes, self.dimensions, len(self._parts)])}
        for number, part in enumerate(self._parts):
            for field in fields(part):
                value = getattr(part, field.name)
                if field.name == "vectors":
                    value = value.astype(np.float16)
                arrays[f"{number}.{field.name}"] = np.asarray(value)
        arrays |= pack(self._branches)
        buffer = io.BytesIO()
        np.savez_compressed(buffer, allow_pickle=False, **arrays)
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> ThemeModel:
        """Return the model that `to_bytes` wrote.

        Raises
        ------
        ValueError
            If it is no model, a damaged one, or one of a later format.
        """
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as archive:
                arrays = {name: archive[name] for name in archive.files}
            version, n_themes, dimensions, n_parts = (int(n) for n in arrays["header"])
        except Exception as error:
            raise ValueError("This is not a theme model, or it was damaged on the way.") from error
        if version not in READABLE:
            raise ValueError(
                f"This theme model has format {version}; this version reads format {FORMAT}."
            )
        parts = []
        for number in range(n_parts):
            arrays.setdefault(f"{number}.turn", np.array(0))
            values = {field.name: arrays[f"{number}.{field.name}"] for field in fields(_Part)}
            values["vectors"] = values["vectors"].astype(np.float32)
            plain = {"source": str(values["source"]), "turn": int(values["turn"])}
            parts.append(_Part(**values | plain))
        return cls(parts, n_themes, dimensions, unpack(arrays))

    def save(self, path: str | Path) -> None:
        """Write the model to a file."""
        Path(path).write_bytes(self.to_bytes())

    @classmethod
    def load(cls, path: str | Path) -> ThemeModel:
        """Read the model that `save` wrote."""
        return cls.from_bytes(Path(path).read_bytes())

    def _checked(self, vectors: Floats) -> Floats:
        self._check_shape(vectors.shape)
        return np.asarray(vectors, np.float32)

    def _check_shape(self, shape: tuple[int, ...]) -> None:
        if len(shape) != 2 or shape[1] != self.dimensions:
            raise ValueError(
                f"The model takes vectors (n, {self.dimensions}) and was given "
                f"{shape}. Encode the texts with the encoder it was fitted with."
            )

    def _check_label(self, label: int) -> None:
        if not 0 <= label < self.n_themes:
            raise ValueError(
                f"There is no theme {label}: the model knows 0 to {self.n_themes - 1}."
            )


def _assign_part(part: _Part, vectors: Floats) -> tuple[Ints, NDArray[np.float64]]:
    similarity = part.similarity(vectors)
    chosen = similarity.argmax(axis=1)
    own = similarity[np.arange(len(chosen)), chosen]
    is_near = own >= part.thresholds[part.starts][chosen]
    labels = np.where(is_near, part.labels[part.starts][chosen], -1)
    return labels, part.certainty(similarity, chosen)


def _restrict_part(part: _Part, labels: Ints) -> _Part:
    """Relabel the prototypes and drop rivals that are far from every theme that is kept."""
    kept = np.flatnonzero(labels >= 0)
    rivals = np.flatnonzero(labels < 0)
    if len(kept) == 0 or len(rivals) == 0:
        return replace(part, labels=labels)
    directions = part.space.transform(part.vectors)
    similarity = directions[kept] @ directions[rivals].T
    near: list[Ints] = []
    for label in np.unique(labels[kept]):
        closest = similarity[labels[kept] == label].max(axis=0)
        near.append(np.argsort(-closest, kind="stable")[:RIVALS_PER_THEME])
    rows = np.union1d(kept, rivals[np.concatenate(near)])
    return part.take(rows, labels[rows])


def _add_part(parts: list[_Part], part: _Part) -> None:
    """Join a part with one of the same run, unless both claim one theme under two labels."""
    for place, other in enumerate(parts):
        is_one = other.source == part.source and other.turn == part.turn
        if is_one and not _is_claimed_twice(other, part):
            parts[place] = _join(other, part)
            return
    parts.append(part)


def _is_claimed_twice(one: _Part, two: _Part) -> bool:
    claimed = np.intersect1d(one.owners[one.labels >= 0], two.owners[two.labels >= 0])
    return len(claimed) > 0


def _join(one: _Part, two: _Part) -> _Part:
    labels = {int(owner): int(label) for owner, label in zip(one.owners, one.labels, strict=True)}
    for owner, label in zip(two.owners.tolist(), two.labels.tolist(), strict=True):
        labels[owner] = max(labels.get(owner, -1), label)
    ids, first = np.unique(np.concatenate([one.ids, two.ids]), return_index=True)
    kept = {
        name: np.concatenate([getattr(one, name), getattr(two, name)])[first]
        for name in ("vectors", "owners", "thresholds", "typical")
    }
    relabelled = np.array([labels[owner] for owner in kept["owners"].tolist()], np.int64)
    merged: dict[str, Any] = {"ids": ids, "labels": relabelled, **kept}
    return replace(one, **merged)
