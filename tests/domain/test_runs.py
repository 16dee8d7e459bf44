"""What became of a theme: hand-made cases of every kind."""

from __future__ import annotations

from closedloop.domain.runs import (
    FEWEST_READ,
    PartKind,
    fewest_of_candidate,
    jaccard,
    match_run,
)


def said(counts):
    """Return (kind, theme, cluster, other) of each finding."""
    return [(f.kind, f.theme, f.cluster, f.other) for f in match_run(counts)]


def test_a_theme_that_is_found_as_it_was_continued_and_nothing_would_move():
    (found,) = match_run({(7, 0): 90, (7, -1): 10})
    assert (found.kind, found.theme, found.cluster, found.score) == ("continued", 7, 0, 0.9)
    assert (found.contacts, found.moves) == (90, 0)


def test_from_eight_tenths_in_common_on_a_theme_continued():
    assert said({(1, 0): 80, (1, -1): 20}) == [(PartKind.CONTINUED, 1, 0, None)]
    assert said({(1, 0): 79, (1, -1): 21}) == [(PartKind.SHRANK, 1, 0, None)]


def test_a_theme_grew_by_contacts_that_were_in_none():
    (found,) = match_run({(1, 0): 100, (0, 0): 60, (0, -1): 500})
    assert found.kind is PartKind.GREW
    assert found.score == 100 / 160
    assert (found.contacts, found.moves) == (160, 60)


def test_a_theme_that_lost_more_than_it_won_shrank_and_both_would_move():
    (found,) = match_run({(1, 0): 60, (0, 0): 10, (1, -1): 40})
    assert found.kind is PartKind.SHRANK
    assert (found.contacts, found.moves) == (70, 50)


def test_pairs_must_be_each_others_best():
    # Cluster 0 is the best of both themes; theme 2 is not its best, and has no other.
    counts = {(1, 0): 100, (2, 0): 45, (2, 1): 12, (2, -1): 43, (3, 1): 100}
    assert said(counts) == [
        (PartKind.GREW, 1, 0, None),
        (PartKind.VANISHED, 2, None, None),
        (PartKind.CONTINUED, 3, 1, None),
    ]


def test_a_theme_split_when_two_clusters_made_of_it_hold_a_large_share_each():
    found = match_run({(1, 0): 55, (1, 1): 30, (1, 2): 15})
    assert [(f.kind, f.theme, f.cluster, f.pieces) for f in found] == [
        (PartKind.SPLIT, 1, 1, (0, 1)),
        (PartKind.NEW, None, 2, ()),
    ]
    assert (found[0].contacts, found[0].moves, found[0].score) == (30, 30, 0.3)


def test_three_pieces_are_two_splits_and_the_largest_goes_on():
    found = match_run({(1, 0): 30, (1, 1): 40, (1, 2): 30})
    assert [(f.cluster, f.pieces) for f in found] == [(0, (1, 0, 2)), (2, (1, 0, 2))]


def test_contacts_that_went_to_a_cluster_of_others_are_no_split():
    # A third of theme 1 went into cluster 1, which is mostly theme 2.
    counts = {(1, 0): 66, (1, 1): 34, (2, 1): 200}
    assert said(counts) == [(PartKind.SHRANK, 1, 0, None), (PartKind.CONTINUED, 2, 1, None)]


def test_two_themes_merged_when_one_cluster_holds_most_of_both():
    found = match_run({(1, 0): 40, (1, -1): 10, (2, 0): 90, (2, 1): 10, (3, 1): 50})
    assert [(f.kind, f.theme, f.cluster, f.other) for f in found] == [
        (PartKind.MERGED, 1, 0, 2),
        (PartKind.CONTINUED, 3, 1, None),
    ]
    assert found[0].score == jaccard(130, 150, 130)
    assert (found[0].contacts, found[0].moves) == (130, 50)


def test_half_of_a_theme_is_not_most_of_it():
    assert said({(1, 0): 50, (1, -1): 50, (2, 0): 100}) == [
        (PartKind.VANISHED, 1, None, None),
        (PartKind.GREW, 2, 0, None),
    ]


def test_a_theme_whose_contacts_are_left_over_vanished():
    (found,) = match_run({(4, -1): 80, (4, 0): 10, (0, 0): 300})[:1]
    assert (found.kind, found.theme, found.cluster) == (PartKind.VANISHED, 4, None)
    assert (found.contacts, found.moves) == (90, 90)
    assert found.score == jaccard(10, 90, 310)


def test_a_cluster_that_matches_nothing_is_new():
    found = match_run({(0, 0): 70, (1, 0): 10, (1, 1): 100})
    assert [(f.kind, f.cluster) for f in found] == [(PartKind.CONTINUED, 1), (PartKind.NEW, 0)]
    assert (found[1].contacts, found[1].score) == (80, jaccard(10, 110, 80))


def test_nothing_is_said_of_a_theme_with_too_few_contacts_read():
    assert said({(1, 0): FEWEST_READ - 1}) == [(PartKind.NEW, None, 0, None)]
    assert said({(1, 0): FEWEST_READ}) == [(PartKind.CONTINUED, 1, 0, None)]


def test_every_theme_is_spoken_of_once_or_is_what_another_merged_into():
    counts = {(1, 0): 50, (2, 0): 40, (3, 1): 30, (3, 2): 30, (4, -1): 20, (5, 3): 25, (0, 3): 9}
    found = match_run(counts)
    spoken = [f.theme for f in found if f.theme]
    assert spoken == [2, 3, 4, 5]
    assert {f.other for f in found if f.other} == {1}


def test_nothing_read_is_nothing_found():
    assert match_run({}) == []
    assert match_run({(0, -1): 50}) == []


def test_a_candidate_needs_one_in_two_hundred_from_the_threshold_up_to_what_is_enough():
    def asked(n, k=5):
        fewest = fewest_of_candidate(customers=n, contacts=n, k=k)
        return fewest.customers, fewest.contacts

    assert [asked(n) for n in (0, 1_000, 1_001)] == [(5, 5), (5, 5), (6, 6)]
    assert [asked(n) for n in (9_800, 10_001, 9_000_000)] == [(49, 49), (50, 51), (50, 100)]
    assert asked(9_000_000, k=60) == (60, 100)
