"""What accepting parts of a run would move is listed to the contact, and no other number moves."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from closedloop.domain.errors import Conflict, Invalid, NotFound
from closedloop.domain.runs import PartKind, PartState
from closedloop.domain.themes import ThemeStatus
from closedloop.models import Contact, ContactText, RunPart, Theme
from closedloop.services.curation import move_contacts
from closedloop.services.parts_previews import preview_acceptance, queue_seen
from closedloop.services.text_removal import remove_texts
from tests.factories.histories import add_contacts, theme_named
from tests.factories.run_sites import Site, fitting_maker_of
from tests.statements import count_statements


@pytest.fixture(params=["words", "real models"])
def site(request, database, settings, actor):
    if request.param == "words":
        return Site(database, settings, actor)
    return Site(database, settings, actor, fitting_maker_of)


def look(site, *parts, maker=None):
    with site.database.reading() as session:
        return preview_acceptance(
            session,
            run_id=parts[0].run_id,
            part_ids=[part.id for part in parts],
            k=site.settings.privacy_k,
            maker=maker or site.maker_of(),
        )


def places(site):
    query = sa.select(Contact.id, Contact.theme_id)
    with site.database.reading() as session:
        return dict(session.execute(query).all())


def moved_by(site, *parts, **values):
    """Accept parts; return the contacts whose theme is another now."""
    before = places(site)
    site.accept(*parts, **values)
    after = places(site)
    return {contact for contact in before if before[contact] != after[contact]}


def saying(session, word):
    query = sa.select(ContactText.contact_id).where(ContactText.issue_text.contains(word))
    return list(session.scalars(query.order_by(ContactText.contact_id)))


def grow(site):
    site.add(CARD=9, LOST=6, PIN=7)
    site.discover("CARD", "PIN")
    site.keep("Card")
    site.discover("CARD+LOST", "PIN")
    (grew,) = site.parts(kind=PartKind.GREW)
    return grew


def test_what_would_join_a_theme_is_listed_to_the_contact(site):
    grew = grow(site)
    before = places(site)

    preview = look(site, grew)

    assert places(site) == before
    assert (preview.contacts, preview.customers, preview.stays) == (12, 6, 18)
    assert moved_by(site, grew, exact_count=12) == set(preview.ids)


def test_the_texts_are_looked_at_once_until_something_changes(site):
    grew, maker = grow(site), site.maker_of()

    def texts_read():
        with count_statements(site.database.engine) as seen:
            found = look(site, grew, maker=maker)
        return found, sum("encoded_texts" in statement for statement in seen)

    first, read = texts_read()
    assert read
    assert texts_read() == (first, 0)
    with site.database.transaction() as session:
        moved = next(one for one in saying(session, "LOST") if one in first.ids)
        move_contacts(
            session,
            settings=site.settings,
            theme_id=session.get_one(Contact, moved).theme_id,
            contact_ids=[moved],
            to_id=theme_named(site.database, "Pin").id,
            by=site.actor,
        )
    again, read = texts_read()
    assert read
    assert moved not in again.ids


def test_what_people_put_right_and_contacts_without_words_are_reckoned_with(site):
    grew = grow(site)
    pin = theme_named(site.database, "Pin")
    with site.database.transaction() as session:
        lost, card = saying(session, "LOST"), saying(session, "CARD")
        card_theme = session.get_one(Contact, card[0]).theme_id
        move_contacts(
            session,
            settings=site.settings,
            theme_id=card_theme,
            contact_ids=card[:1],
            to_id=pin.id,
            by=site.actor,
        )
        remove_texts(session, [lost[3], card[2]])

    preview = look(site, grew)

    assert card[0] not in preview.ids  # it stays where somebody put it
    assert card[2] not in preview.ids  # nobody knows what it said, and its theme goes on
    assert lost[3] in preview.ids  # its candidate is gone, and it has no words to join by
    assert lost[5] in preview.ids
    assert moved_by(site, grew, exact_count=preview.contacts) == set(preview.ids)


def test_a_piece_that_leaves_and_a_merger_are_listed_together(site):
    site.add(CARD=9, LOST=6, PIN=7, CODE=6)
    site.discover("CARD+LOST", "PIN", "CODE")
    site.keep("Card+Lost", "Pin", "Code")
    site.discover("CARD", "LOST", "PIN+CODE")
    parts = [part for part in site.parts() if part.state is PartState.PROPOSED]
    assert {part.kind for part in parts} == {PartKind.SPLIT, PartKind.MERGED}

    preview = look(site, *parts)

    with site.database.reading() as session:
        assert set(preview.ids) == {*saying(session, "LOST"), *saying(session, "CODE")}
    assert moved_by(site, *parts, exact_count=preview.contacts) == set(preview.ids)


def test_a_merger_alone_moves_the_contacts_of_one_and_what_vanished_moves_none(site):
    site.add(CARD=9, LOST=6, PIN=7)
    site.discover("CARD", "LOST", "PIN")
    site.keep("Card", "Lost", "Pin")
    site.discover("CARD+LOST")
    merged, vanished = (site.parts(kind=k)[0] for k in (PartKind.MERGED, PartKind.VANISHED))

    assert look(site, vanished).contacts == 0
    preview = look(site, merged, vanished)

    with site.database.reading() as session:
        assert set(preview.ids) == set(saying(session, "LOST"))
    assert moved_by(site, merged, vanished, exact_count=12) == set(preview.ids)


def test_a_merger_or_dismissal_that_cannot_be_is_refused_before_anybody_waits_for_it(site):
    site.add(CARD=9, LOST=6, PIN=7)
    site.discover("CARD", "LOST", "PIN")
    site.keep("Card", "Lost", "Pin")
    site.discover("CARD+LOST")
    merged, vanished = (site.parts(kind=k)[0] for k in (PartKind.MERGED, PartKind.VANISHED))
    with site.database.transaction() as session:
        session.get_one(Theme, merged.theme_id).status = ThemeStatus.PARKED
        session.get_one(Theme, vanished.theme_id).status = ThemeStatus.MEASURING

    with pytest.raises(Conflict, match=r"T-002 Our Lost cannot be taken over.*is parked cannot"):
        look(site, merged)
    with pytest.raises(Conflict, match=r"T-003 Our Pin cannot be taken over.*is measuring cannot"):
        look(site, vanished)
    with site.database.transaction() as session, pytest.raises(Conflict, match="cannot be taken"):
        queue_seen(
            session,
            settings=site.settings,
            run_id=merged.run_id,
            part_ids=[merged.id, vanished.id],
            typed_count=None,
            by=site.actor,
            maker=site.maker_of(),
        )


def test_another_number_than_the_one_agreed_to_changes_nothing(site):
    grew = grow(site)
    add_contacts(site.database, site.settings, {"LOST": 2}, tag="later")
    preview = look(site, grew)
    assert preview.notes[-1].startswith("4 contacts have come in")
    before = {contact: theme for contact, theme in places(site).items() if theme is not None}

    with pytest.raises(Conflict, match="were agreed to"):
        site.accept(grew, exact_count=preview.contacts + 1)

    after = places(site)
    assert {contact: after[contact] for contact in before} == before
    assert site.parts(id=grew.id)[0].state is PartState.PROPOSED
    assert theme_named(site.database, "Card+Lost").status is ThemeStatus.CANDIDATE


def test_contacts_the_run_did_not_read_count_for_the_number_that_is_asked_for(site):
    site.add(CARD=60, PIN=100)
    site.discover("CARD", "PIN")
    site.keep("Card")
    site.add(LOST=25)
    add_contacts(site.database, site.settings, {"LOST": 100}, tag="once", contacts_each=1)
    site.discover("CARD+LOST", "PIN")
    (grew,) = site.parts(kind=PartKind.GREW)
    assert grew.would_move == 50  # repeat contacts are read

    with site.database.transaction() as session, pytest.raises(Invalid, match="Type 150 to"):
        queue_seen(
            session,
            settings=site.settings,
            run_id=grew.run_id,
            part_ids=[grew.id],
            typed_count=None,
            by=site.actor,
            maker=site.maker_of(),
        )


def test_who_saw_all_of_them_types_their_number_above_a_hundred(site, monkeypatch):
    monkeypatch.setattr("closedloop.domain.curation.COUNT_TO_TYPE_ABOVE", 11)
    grew = grow(site)

    def queue(typed, **values):
        with site.database.transaction() as session:
            given = {"run_id": grew.run_id, "part_ids": [grew.id], **values}
            return queue_seen(
                session,
                settings=site.settings,
                typed_count=typed,
                by=site.actor,
                maker=site.maker_of(),
                **given,
            ).arguments

    for typed in (None, grew.would_move + 1):
        with pytest.raises(Invalid, match="Type 12 to accept these parts"):
            queue(typed)
    assert queue(12) == {"parts": [grew.id], "count": 12}
    with pytest.raises(NotFound):
        queue(12, run_id=404)
    with site.database.transaction() as session:
        session.get_one(RunPart, grew.id).state = PartState.DECLINED
    with pytest.raises(Conflict):
        queue(12)
