from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from ml.themes.constraints import Constraints

NODES = np.array([0, 1, 2, 3, 0])


def test_links_are_followed_through_chains_and_equal_texts():
    limits = Constraints([(4, 1), (1, 2)], None, NODES, 4)
    assert limits.n_groups == 2
    assert len(set(limits.group[:3].tolist())) == 1
    graph = sparse.csr_matrix(np.array([[0, 0, 0, 1.0], [0] * 4, [0] * 4, [1.0, 0, 0, 0]]))
    contracted = limits.contract(graph).toarray()
    a, b = limits.group[0], limits.group[3]
    assert contracted[a, b] == contracted[b, a] == 1


def test_parting_takes_along_those_who_are_nearer():
    limits = Constraints(None, [(0, 3)], np.arange(6), 6)
    vectors = np.array([[1, 0], [0.9, 0.1], [0.8, 0.3], [0, 1], [0.1, 0.9], [1, 0]], np.float32)
    found = limits.part(np.array([0, 0, 0, 0, 0, 1]), vectors)
    assert found[0] == found[1] == found[2] != found[3] == found[4]
    assert found[5] == 1


def test_settling_puts_a_pair_apart_and_a_linked_group_together():
    limits = Constraints([(0, 1)], [(0, 2)], np.arange(4), 4)
    assert limits.settle(np.array([5, 5, 5, 5])).tolist() == [5, 5, -1, 5]
    assert len(set(limits.settle(np.array([1, 2, 3, 3]))[:2].tolist())) == 1


def test_only_pairs_among_the_chosen_nodes_remain():
    limits = Constraints([(0, 3)], [(1, 2), (0, 1)], np.arange(4), 4)
    local = limits.among(np.array([0, 1, 3]))
    assert local.barred.tolist() == [[0, 1]]
    assert local.group[0] == local.group[2]
    assert local.n_groups == 2


@pytest.mark.parametrize("pairs", [[(0, 5)], [(-1, 2)]])
def test_pairs_of_texts_that_do_not_exist_are_refused(pairs):
    with pytest.raises(ValueError, match="numbered 0 to 4"):
        Constraints(None, pairs, NODES, 4)


def test_equal_texts_cannot_be_told_apart():
    with pytest.raises(ValueError, match="texts of the same words always belong together"):
        Constraints(None, [(0, 4)], NODES, 4)
