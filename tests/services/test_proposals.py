"""Clusters of a new run and the candidates they continue."""

from __future__ import annotations

from closedloop.services.proposals import match_clusters


def test_clusters_continue_the_candidate_they_mostly_hold():
    both = {(1, 0): 80, (1, 1): 10, (2, 1): 60}
    assert match_clusters(both, {1: 90, 2: 60}, {0: 80, 1: 70}) == {0: 1, 1: 2}


def test_a_candidate_that_split_goes_on_as_its_larger_part():
    both = {(1, 0): 60, (1, 1): 40}
    assert match_clusters(both, {1: 100}, {0: 60, 1: 40}) == {0: 1}


def test_candidates_that_grew_together_go_on_as_the_one_that_gave_most():
    both = {(1, 0): 40, (2, 0): 60}
    assert match_clusters(both, {1: 40, 2: 60}, {0: 100}) == {0: 2}


def test_less_than_three_tenths_in_common_is_another_theme():
    assert match_clusters({(1, 0): 29}, {1: 50}, {0: 79}) == {}
    assert match_clusters({(1, 0): 30}, {1: 50}, {0: 80}) == {0: 1}


def test_equal_overlaps_go_to_the_lower_number():
    both = {(1, 0): 50, (1, 1): 50, (2, 0): 50}
    assert match_clusters(both, {1: 100, 2: 50}, {0: 100, 1: 50}) == {0: 2, 1: 1}
    assert match_clusters({(1, 0): 5, (2, 0): 5}, {1: 5, 2: 5}, {0: 10}) == {0: 1}
