"""What people said about contacts, once themes it was said of were merged, or texts are gone."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from closedloop.domain.errors import Conflict
from closedloop.models import Contact, ThemeCorrection, TriageDecision
from closedloop.services.curation import preview_split
from closedloop.services.retiring import preview_restore
from closedloop.services.session_removal import delete_contacts
from closedloop.services.text_removal import remove_texts
from tests.factories.histories import add_contacts
from tests.services.test_curation import Site, mixed, site

__all__ = ["mixed", "site"]


def places_of(site: Site, ids):
    """Themes that contacts are in, by the order of the contacts."""
    with site.database.reading() as session:
        return list(
            session.scalars(
                sa.select(Contact.theme_id).where(Contact.id.in_(ids)).order_by(Contact.id)
            )
        )


def test_who_came_with_a_merged_theme_and_does_not_belong_there_leaves(site):
    ids = site.contacts("CARD a0")
    site.move(ids, "Card", "Pin")
    site.merge("Pin", "Refund")

    out = site.move(ids, "Refund")
    assert places_of(site, ids) == [None, None]
    site.assign(everything=True)
    assert places_of(site, ids) == [None, None]
    site.undo(out)
    assert places_of(site, ids) == [site.ids["Refund"]] * 2


def test_who_left_a_merged_theme_is_not_sent_back_to_it_by_a_later_no(site):
    ids = site.contacts("CARD a0")
    site.move(ids, "Card", "Pin")
    site.merge("Pin", "Refund")
    site.move(ids, "Refund", "Card")

    site.move(ids, "Card")

    assert places_of(site, ids) == [None, None]


def test_who_is_said_to_belong_to_a_theme_again_after_a_merge_is_counted_there(site):
    ids = site.contacts("CARD a0")
    site.move(ids, "Card", "Refund")
    site.move(ids, "Refund", "Card")

    site.merge("Card", "Refund")

    assert places_of(site, ids) == [site.ids["Refund"]] * 2


def test_a_part_merged_back_into_its_theme_can_be_left(mixed):
    ids = mixed.contacts("CARD APPLE")[:3]
    mixed.split(ids, "Card", "Apple")
    mixed.merge("Apple", "Card")

    mixed.move(ids[:1], "Card")

    assert places_of(mixed, ids) == [None, mixed.ids["Card"], mixed.ids["Card"]]


def test_a_merge_of_a_theme_that_lives_by_corrections_alone_can_be_undone(site):
    ids = site.contacts("PIN a0") + site.contacts("PIN a1") + site.contacts("PIN a2")
    ids = sorted(ids + site.contacts("PIN a3") + site.contacts("PIN a4"))
    site.move(ids, "Pin", "Card")
    site.split(ids, "Card", "Pins")
    before = site.snapshot()

    merge = site.merge("Pins", "Refund")
    assert set(places_of(site, ids)) == {site.ids["Refund"]}
    site.undo_merge(merge)

    assert site.snapshot() == before


def test_what_is_in_a_merged_theme_by_nothing_that_is_known_returns_with_it(site):
    ids = site.contacts("PIN a0")
    with site.database.transaction() as session:
        session.execute(sa.update(Contact).where(Contact.id.in_(ids)).values(cluster=None))
    before = site.snapshot()

    site.undo_merge(site.merge("Pin", "Refund"))

    assert site.snapshot() == before


def test_a_merge_that_did_not_note_what_nothing_is_known_of_is_not_guessed_apart(site):
    ids = site.contacts("PIN a0")
    site.move(ids, "Pin", "Card")
    merge = site.merge("Pin", "Refund")
    with site.database.transaction() as session:
        decision = session.get_one(TriageDecision, merge)
        detail = {name: value for name, value in decision.detail.items() if name != "loose"}
        decision.detail = {**detail, "labels": []}
    with pytest.raises(Conflict, match="is no longer known"):
        site.undo_merge(merge)


def _counts(site, preview, **values):
    with site.database.reading() as session:
        found = preview(session, k=1, **values)
    return found.ids, found.contacts


def test_restoring_counts_only_what_comes_back(site):
    out = site.contacts("CARD a0")
    site.move(out, "Card")  # they do not belong there, retired or not
    site.move(site.contacts("PIN a0"), "Pin", "Card")
    held = site.held("Card")
    site.retire("Card")

    listed, n = _counts(site, preview_restore, theme_id=site.ids["Card"])
    assert (n, set(out) & set(listed)) == (18, set())
    site.restore("Card")
    assert set(places_of(site, listed)) == {site.ids["Card"]}
    assert site.held("Card") == held


def test_restoring_counts_what_came_with_a_theme_that_was_merged_in(site):
    site.move(site.contacts("CARD a0"), "Card", "Refund")
    site.merge("Refund", "Pin")
    n_held = len(site.held("Pin"))
    site.retire("Pin")
    assert _counts(site, preview_restore, theme_id=site.ids["Pin"])[1] == n_held == 32


def test_a_split_counts_only_what_leaves_where_a_theme_was_merged_in(mixed):
    ids = mixed.contacts("CARD APPLE")
    mixed.move(ids[:4], "Card", "Refund")
    mixed.merge("Refund", "Card")

    given = {"contact_ids": ids[10:14], "maker": mixed.maker}
    listed, n = _counts(mixed, preview_split, theme_id=mixed.ids["Card"], **given)
    mixed.split(ids[10:14], "Card", "Apple")

    assert set(places_of(mixed, listed)) == {mixed.ids["Apple"]}
    assert set(places_of(mixed, ids[:4])) == {mixed.ids["Card"]}
    with mixed.database.reading() as session:
        held = sa.select(sa.func.count()).where(Contact.theme_id == mixed.ids["Apple"])
        assert n == session.scalar(held) > 0


def test_who_does_not_belong_to_what_was_merged_in_does_not_join_a_part_of_it(mixed):
    ids = mixed.contacts("CARD APPLE")
    mixed.move(ids[:2], "Card")
    mixed.merge("Card", "Refund")

    mixed.split(ids[10:14], "Refund", "Apple")

    assert places_of(mixed, ids[:2]) == [None, None]


def _say_again(site, settings):
    """Move two contacts, let two more say their words; return both pairs."""
    ids = site.contacts("CARD a0")
    move = site.move(ids, "Card", "Refund")
    add_contacts(site.database, settings, {"CARD": 1}, tag="a")
    site.assign()
    later = sorted(set(site.contacts("CARD a0")) - set(ids))
    assert places_of(site, later) == [site.ids["Refund"]] * 2
    return move, ids, later


def test_deleting_a_contact_leaves_what_was_said_to_others_with_the_same_words(site, settings):
    move, ids, later = _say_again(site, settings)

    with site.database.transaction() as session:
        delete_contacts(session, ids)

    site.assign(everything=True)
    assert places_of(site, later) == [site.ids["Refund"]] * 2
    site.undo(move)
    assert places_of(site, later) == [site.ids["Card"]] * 2


def test_deleting_all_who_said_some_words_deletes_what_was_said_of_them(site, settings):
    _, ids, later = _say_again(site, settings)
    with site.database.transaction() as session:
        delete_contacts(session, [*ids, *later])
    with site.database.reading() as session:
        assert session.scalars(sa.select(ThemeCorrection.id)).all() == []


def test_who_was_placed_by_words_that_expired_goes_along_with_a_merge_and_back(site, settings):
    move, _, later = _say_again(site, settings)
    with site.database.transaction() as session:
        remove_texts(session, later)
    before = site.snapshot()

    site.undo_merge(site.merge("Refund", "Pin"))
    assert site.snapshot() == before
    site.discover()
    assert places_of(site, later) == [site.ids["Refund"]] * 2
    site.undo(move)
    assert site.ids["Refund"] not in places_of(site, later)


def test_undoing_a_move_takes_back_who_was_placed_by_words_that_expired(site, settings):
    move, ids, later = _say_again(site, settings)
    with site.database.transaction() as session:
        remove_texts(session, later)

    again = site.move(ids, "Refund", "Pin")
    site.undo(again)
    assert places_of(site, [*ids, *later]) == [site.ids["Refund"]] * 4
    site.undo(move)
    assert places_of(site, [*ids, *later]) == [site.ids["Card"]] * 4


def test_what_was_said_before_a_contact_came_in_counts_once_the_later_word_is_taken_back(
    site, settings
):
    _, ids, later = _say_again(site, settings)
    again = site.move([*ids, *later], "Refund", "Pin")
    with site.database.transaction() as session:
        remove_texts(session, later)
    assert places_of(site, later) == [site.ids["Pin"]] * 2

    site.undo(again)

    assert places_of(site, [*ids, *later]) == [site.ids["Refund"]] * 4
    site.assign(everything=True)
    assert places_of(site, [*ids, *later]) == [site.ids["Refund"]] * 4


def test_a_move_is_not_taken_back_past_a_later_word_because_a_text_expired_since(site, settings):
    ids = site.contacts("CARD a0")
    move = site.move(ids, "Card", "Refund")
    add_contacts(site.database, settings, {"CARD": 1}, tag="a")
    site.assign()
    site.move(ids[1:], "Refund", "Pin")  # what the other contact says stays in Refund
    (twin,) = set(site.contacts("CARD a0 turn0")) - set(ids)
    with site.database.transaction() as session:
        remove_texts(session, [twin])  # writes down for it what was said of its words

    with pytest.raises(Conflict, match="something else"):
        site.undo(move)


@pytest.mark.parametrize("gone", ["merged", "retired"])
def test_who_was_there_without_words_does_not_return_to_a_theme_that_is_gone_since(site, gone):
    ids = site.contacts("PIN a0")[:1]
    with site.database.transaction() as session:
        remove_texts(session, ids)
        is_one = Contact.id.in_(ids)
        session.execute(sa.update(Contact).where(is_one).values(cluster=-1))  # by nothing known
    move = site.move(ids, "Pin", "Card")
    if gone == "merged":
        site.merge("Pin", "Refund")
    else:
        site.retire("Pin")

    site.undo(move)

    assert places_of(site, ids) == [site.ids["Refund"] if gone == "merged" else None]
