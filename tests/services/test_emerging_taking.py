"""Taking what emerges: seen to the contact, agreed to by its number, taken back to the byte."""

from __future__ import annotations

import numpy as np
import pytest
import sqlalchemy as sa

from closedloop.domain.audit import Actor, ActorKind
from closedloop.domain.errors import Conflict, Invalid, NotFound
from closedloop.domain.themes import ThemeStatus
from closedloop.models import (
    Contact,
    ContactLink,
    ContactText,
    DailyRollup,
    EmergingState,
    EmergingTheme,
    Theme,
    ThemeChange,
    ThemeDefinition,
    ThemeStats,
    ThemeWeek,
)
from closedloop.models.curation import ChangeKind
from closedloop.queries.curation import list_changes
from closedloop.queries.lineage import get_lineage
from closedloop.services.curation import move_contacts
from closedloop.services.definitions import add_set, find_current_set
from closedloop.services.emerging import dismiss_emerging, find_emerging_themes
from closedloop.services.emerging_taking import preview_taking, queue_taking, take_emerging
from closedloop.services.parts_undoing import undo_parts
from closedloop.services.retiring import retire_theme
from closedloop.services.text_removal import remove_texts
from closedloop.services.themes import rename_theme
from closedloop.services.undoing import undo_change
from ml.themes import ThemeModel
from ml.themes.vectors import DenseSpace
from tests.factories.histories import rows_of
from tests.factories.leftovers import (
    SPOT,
    add_texts,
    assign,
    make_emerging,
    make_site,
    noise,
    real_maker,
    spot,
)

RISING = [*range(0, 18), 40, 45]
TABLES = (Contact, ContactLink, DailyRollup)


@pytest.fixture
def maker():
    return real_maker()


@pytest.fixture
def site(database, settings, actor, maker):
    """Twenty-five customers about one thing, older ones among them, among 200 about as many."""
    old = spot(5, [300], tag="old")
    make_site(database, settings, actor, maker, [*noise(200), *spot(20, RISING), *old])
    find_emerging_themes(database.transaction, settings=settings, by=actor)
    with database.reading() as session:
        return session.scalars(sa.select(EmergingTheme.id)).one()


@pytest.fixture
def take(database, settings, actor, maker):
    def run(emerging_id, by=actor, **values):
        return take_emerging(
            database.transaction,
            settings=settings,
            emerging_id=emerging_id,
            by=by,
            maker=maker,
            **values,
        )

    return run


@pytest.fixture
def take_back(database, settings, actor, maker):
    def run(change_id):
        return undo_parts(
            database.transaction, settings=settings, change_id=change_id, by=actor, maker=maker
        )

    return run


def look(database, settings, emerging_id, maker):
    with database.reading() as session:
        return preview_taking(session, emerging_id=emerging_id, k=settings.privacy_k, maker=maker)


def picture(database):
    """Return everything that says where contacts are, and what is made from it."""
    rows = [rows_of(database, table) for table in TABLES]
    # a theme that is out of use keeps a row of zeros
    rows.append([row for row in rows_of(database, ThemeStats) if row[2]])
    with database.reading() as session:
        current = find_current_set(session, with_model=True)
        weeks = sa.select(ThemeWeek.theme_id, ThemeWeek.week, ThemeWeek.contacts)
        weeks = weeks.add_columns(ThemeWeek.confidence).order_by(ThemeWeek.theme_id, ThemeWeek.week)
        facts = [tuple(row) for row in session.execute(weeks)]
        return [*rows, facts, list(current.label_themes), bytes(current.model)]


def change_of(database, key):
    with database.reading() as session:
        return session.scalars(
            sa.select(ThemeChange.id)
            .join(Theme, Theme.id == ThemeChange.theme_id)
            .where(Theme.key == key, ThemeChange.kind == ChangeKind.PARTS)
            .order_by(ThemeChange.id.desc())
        ).first()


def held_by(database, key):
    query = sa.select(Contact.id).join(Theme, Theme.id == Contact.theme_id).where(Theme.key == key)
    with database.reading() as session:
        return sorted(session.scalars(query))


def emerging_row(database, emerging_id):
    with database.reading() as session:
        row = session.get_one(EmergingTheme, emerging_id)
        return row.state, row.theme_id, row.decided_by


def test_the_preview_lists_exactly_the_contacts_that_join(database, settings, site, take, maker):
    before = picture(database)

    preview = look(database, settings, site, maker)

    assert picture(database) == before
    assert (preview.contacts, preview.customers, preview.notes) == (25, 25, ())
    assert 12 <= preview.chosen <= 20  # the five older ones are like them
    assert preview.stays == 200
    taken = take(site, typed_count=25)
    assert held_by(database, taken.key) == sorted(preview.ids)


def test_contacts_somebody_put_in_no_theme_are_neither_listed_nor_taken(
    database, settings, site, take, maker, actor
):
    with database.transaction() as session:
        theme = session.scalars(sa.select(Theme)).one()
        (one,) = session.scalars(
            sa.select(ContactText.contact_id).where(ContactText.issue_text == f"{SPOT} s3")
        )
        move_contacts(
            session, settings=settings, theme_id=None, contact_ids=[one], to_id=theme.id, by=actor
        )
        retire_theme(session, settings=settings, theme_id=theme.id, by=actor)
    assign(database, settings, actor, maker)

    preview = look(database, settings, site, maker)

    assert one not in preview.ids
    taken = take(site)
    assert held_by(database, taken.key) == sorted(preview.ids)
    assert preview.contacts == 24


def test_contacts_nobody_has_looked_at_are_told_of(database, settings, site, take, maker):
    with database.transaction() as session:
        add_texts(session, [(f"{SPOT} new{i}", 0) for i in range(3)])

    preview = look(database, settings, site, maker)

    assert preview.contacts == 25
    assert preview.notes[0].startswith("3 contacts have come in")
    with pytest.raises(Conflict, match="28 contacts would join by now, and 25 were agreed to"):
        take(site, typed_count=25)
    assert emerging_row(database, site)[0] is EmergingState.PROPOSED
    assert take(site, typed_count=28).contacts == 28


def test_above_a_hundred_their_number_is_asked_for(
    database, settings, site, take, maker, actor, monkeypatch
):
    monkeypatch.setattr("closedloop.domain.curation.COUNT_TO_TYPE_ABOVE", 24)

    def queue(typed):
        with database.transaction() as session:
            job = queue_taking(
                session,
                settings=settings,
                emerging_id=site,
                by=actor,
                typed_count=typed,
                maker=maker,
            )
            return job.arguments

    before = picture(database)
    for typed in (None, 24):
        with pytest.raises(Invalid, match="Type 25 to take it"):
            queue(typed)
    with pytest.raises(Invalid, match="Type 25 to take it"):
        take(site)
    assert picture(database) == before
    assert queue(25) == {"emerging_id": site, "count": 25}


def test_it_is_queued_only_while_nobody_has_decided(database, settings, site, actor, maker):
    def queue(emerging_id):
        with database.transaction() as session:
            given = {"settings": settings, "by": actor, "maker": maker}
            return queue_taking(session, emerging_id=emerging_id, **given).arguments

    assert queue(site) == {"emerging_id": site}
    with database.transaction() as session:
        dismiss_emerging(session, emerging_id=site, by=actor)
        gone = make_emerging(session).id
    with pytest.raises(Conflict, match="dismissed already, by Priya Nair"):
        queue(site)
    with pytest.raises(Conflict, match="nothing left to take"):
        queue(gone)
    with pytest.raises(NotFound):
        queue(404)
    with pytest.raises(NotFound):
        look(database, settings, 404, maker)


def test_it_is_taken_back_to_the_byte_and_can_be_taken_again(
    database, settings, site, take, take_back, actor
):
    before = picture(database)
    taken = take(site)
    assert picture(database) != before

    change = take_back(change_of(database, taken.key))

    assert picture(database) == before
    assert (change.contacts, change.undone_by) == (25, "Priya Nair")
    assert emerging_row(database, site) == (EmergingState.PROPOSED, None, "")
    with database.reading() as session:
        theme = session.scalars(sa.select(Theme).where(Theme.key == taken.key)).one()
        assert theme.status is ThemeStatus.RETIRED
        lineage = [step.text for step in get_lineage(session, theme)]
        (row,) = list_changes(session, theme.id)
        numbers = session.scalars(
            sa.select(ThemeDefinition.number).where(ThemeDefinition.theme_id == theme.id)
        ).all()
    assert lineage[0].endswith("taken by Priya Nair")
    assert lineage[1] == "Priya Nair took its taking back"
    assert (row.kind, row.run, row.undone_by) == ("parts", None, "Priya Nair")
    assert numbers == [1]
    with pytest.raises(Conflict, match="undone already"):
        take_back(change.id)
    again = take(site, by=Actor("Sam", ActorKind.PERSON))
    assert (again.contacts, again.key != taken.key) == (25, True)


def test_a_contact_without_words_that_no_definition_places_goes_back_too(
    database, settings, site, take, take_back
):
    with database.transaction() as session:
        theme = session.scalars(sa.select(Theme)).one()
        one = session.scalars(sa.select(Contact.id).where(Contact.theme_id == theme.id)).first()
        remove_texts(session, [one])
        # as a contact is whose text expired before a run that no longer knew its group
        session.execute(sa.update(Contact).where(Contact.id == one).values(cluster=-1))
    before = picture(database)
    taken = take(site)

    take_back(change_of(database, taken.key))

    assert picture(database)[0] == before[0]


def test_contacts_that_came_since_are_left_over_again(
    database, settings, site, take, take_back, actor, maker
):
    taken = take(site)
    with database.transaction() as session:
        new = [one.id for one in add_texts(session, [(f"{SPOT} t{i}", 0) for i in range(3)])]
    assign(database, settings, actor, maker)
    assert set(new) < set(held_by(database, taken.key))
    with database.transaction() as session:
        remove_texts(session, new[:1])

    take_back(change_of(database, taken.key))

    query = sa.select(Contact.cluster, Contact.theme_id, Contact.theme_confidence)
    with database.reading() as session:
        rows = session.execute(query.where(Contact.id.in_(new))).all()
    assert [tuple(row) for row in rows] == [(-1, None, None)] * 3


def test_after_another_model_only_the_theme_that_was_taken_goes(
    database, settings, site, take, take_back, maker
):
    taken = take(site)
    others = sa.select(Contact.id, Contact.theme_id).join(ContactText)
    others = others.where(~ContactText.issue_text.startswith(SPOT)).order_by(Contact.id)
    vectors = maker.load_encoder("").encode([f"ZEBRA is out z{i}" for i in range(40)])
    more = ThemeModel.fit(vectors, np.zeros(40, np.int64), DenseSpace.fit(vectors))
    with database.transaction() as session:
        before = session.execute(others).all()
        current = find_current_set(session, with_model=True)
        model = maker.combine([maker.read_model(current.model), more], in_turn=True)
        add_set(
            session,
            model=model.to_bytes(),
            encoder=current.encoder,
            label_themes=[*current.label_themes, None],
            run_id=None,
            reason="a later run",
        )

    take_back(change_of(database, taken.key))

    assert held_by(database, taken.key) == []
    with database.reading() as session:
        assert session.execute(others).all() == before
        theme = session.scalars(sa.select(Theme.id).where(Theme.key != taken.key)).one()
        assert find_current_set(session).label_themes == [theme, None]


def test_what_was_built_on_it_is_undone_first(database, settings, site, take, take_back, actor):
    taken = take(site)
    number = change_of(database, taken.key)
    with database.transaction() as session:
        theme_id = session.scalars(sa.select(Theme.id).where(Theme.key == taken.key)).one()
        rename_theme(session, theme_id=theme_id, name="Lifts", by=actor)
        named = session.scalar(sa.select(sa.func.max(ThemeChange.id)))

    with pytest.raises(Conflict, match="described since"):
        take_back(number)
    with database.transaction() as session:
        with pytest.raises(Conflict, match="is done by a job"):
            undo_change(session, settings=settings, change_id=number, by=actor)
        undo_change(session, settings=settings, change_id=named, by=actor)
        session.get_one(Theme, theme_id).status = ThemeStatus.TRIAGED
    with pytest.raises(Conflict, match="merge or retire the theme instead"):
        take_back(number)


def test_a_power_failure_while_taking_back_leaves_everything_as_it_was(
    database, settings, site, take, actor, maker
):
    taken = take(site)
    before = picture(database)

    def fail(progress):
        if progress.doing.startswith("Bringing"):
            raise RuntimeError("the power went off")

    with pytest.raises(RuntimeError):
        undo_parts(
            database.transaction,
            settings=settings,
            change_id=change_of(database, taken.key),
            by=actor,
            maker=maker,
            report=fail,
        )

    assert picture(database) == before
