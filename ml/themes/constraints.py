"""What people said about pairs of texts: these belong together, these do not."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from ml.themes.graph import Floats, Ints

Pairs = Sequence[tuple[int, int]]


class Constraints:
    """Pairs of nodes that must share a theme, and pairs that must not.

    Parameters
    ----------
    must_link, cannot_link : sequence of (int, int), optional
        Indexes of texts.
    nodes : int (n_texts,)
        Node of each text: texts of one wording are one node.
    n_nodes : int

    Raises
    ------
    ValueError
        If an index does not exist or the pairs contradict each other.
    """

    def __init__(
        self, must_link: Pairs | None, cannot_link: Pairs | None, nodes: Ints, n_nodes: int
    ) -> None:
        joined = _pairs_of_nodes(must_link, nodes, "must_link")
        self.barred = _pairs_of_nodes(cannot_link, nodes, "cannot_link")
        links = sparse.coo_matrix(
            (np.ones(len(joined)), (joined[:, 0], joined[:, 1])), shape=(n_nodes, n_nodes)
        )
        self.n_groups, group = connected_components(links, directed=False)
        self.group = np.asarray(group, np.int64)
        self.named = np.unique(np.concatenate([joined.ravel(), self.barred.ravel()]))
        for a, b in self.barred:
            if self.group[a] == self.group[b]:
                texts = [int(np.flatnonzero(nodes == node)[0]) for node in (a, b)]
                raise ValueError(
                    f"Texts {texts[0]} and {texts[1]} are told both to belong together and not "
                    "to (texts of the same words always belong together). Take one of the two back."
                )

    def among(self, rows: Ints) -> Constraints:
        """Return the same constraints for some of the nodes (sorted), renumbered 0, 1, ..."""
        place = np.full(len(self.group), -1)
        place[rows] = np.arange(len(rows))
        found = copy.copy(self)
        values, found.group = np.unique(self.group[rows], return_inverse=True)
        found.n_groups = len(values)
        barred = place[self.barred]
        found.barred = barred[(barred >= 0).all(axis=1)]
        found.named = place[self.named][place[self.named] >= 0]
        return found

    def contract(self, graph: sparse.csr_matrix) -> sparse.csr_matrix:
        """Make one node of each group: (n_nodes, n_nodes) to (n_groups, n_groups)."""
        n_nodes = len(self.group)
        if self.n_groups == n_nodes:
            return graph
        selector = sparse.csr_matrix(
            (np.ones(n_nodes), (self.group, np.arange(n_nodes))), shape=(self.n_groups, n_nodes)
        )
        return (selector @ graph @ selector.T).tocsr()

    def part(self, labels: Ints, vectors: Floats) -> Ints:
        """Split themes (n_nodes,) that hold two nodes which must not be together.

        The second node leaves and takes along those members that are nearer to it.
        """
        labels = labels.copy()
        for a, b in self.barred:
            if labels[a] != labels[b] or labels[a] < 0:
                continue
            members = np.flatnonzero(labels == labels[a])
            leans = vectors[members] @ (vectors[b] - vectors[a])
            # A group of nodes that must stay together leans as one.
            lean = np.bincount(self.group[members], leans, minlength=self.n_groups)
            leaves = lean[self.group[members]] > 0
            leaves &= self.group[members] != self.group[a]
            leaves |= self.group[members] == self.group[b]
            labels[members[leaves]] = labels.max() + 1
        return labels

    def settle(self, labels: Ints) -> Ints:
        """Make sure of every pair in labels (n_nodes,): who cannot stay is left over."""
        labels = labels.copy()
        for group in np.unique(self.group[self.named]):
            members = np.flatnonzero(self.group == group)
            if len(np.unique(labels[members])) > 1:
                labels[members] = np.bincount(labels[members] + 1).argmax() - 1
        for a, b in self.barred:
            if labels[a] == labels[b] >= 0:
                labels[self.group == self.group[b]] = -1
        return labels


def _pairs_of_nodes(pairs: Pairs | None, nodes: Ints, name: str) -> NDArray[np.int64]:
    found = np.array([] if pairs is None else list(pairs), np.int64).reshape(-1, 2)
    if found.size and not (found.min() >= 0 and found.max() < len(nodes)):
        raise ValueError(
            f"{name} names text {int(found.max() if found.min() >= 0 else found.min())}, but the "
            f"texts are numbered 0 to {len(nodes) - 1}. Name pairs of existing texts."
        )
    return nodes[found]
