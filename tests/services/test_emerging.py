"""Emerging themes: the same one night after night, and what people decide about it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from closedloop.domain.audit import Actor, ActorKind
from closedloop.domain.errors import Conflict, NotFound
from closedloop.domain.themes import ThemeStatus
from closedloop.models import (
    AuditEvent,
    Contact,
    ContactText,
    DefinitionSet,
    EmergingState,
    EmergingTheme,
    Theme,
    ThemeDefinition,
)
from closedloop.queries.lineage import get_lineage
from closedloop.services.definitions import read_standing
from closedloop.services.emerging import (
    dismiss_emerging,
    find_emerging_themes,
    restore_emerging,
)
from closedloop.services.emerging_taking import take_emerging
from tests.factories.leftovers import (
    LAST_DAY,
    SPOT,
    add_texts,
    assign,
    make_site,
    noise,
    real_maker,
    spot,
)

RISING = [*range(0, 18), 40, 45]


@pytest.fixture
def maker():
    return real_maker()


@pytest.fixture
def site(database, settings, actor, maker):
    """Twenty customers about one thing, eighteen of them lately, among 200 about as many things."""
    return make_site(database, settings, actor, maker, [*noise(200), *spot(20, RISING)])


@pytest.fixture
def night(database, settings, actor):
    def run(**values):
        given = {"settings": settings, "by": actor, **values}
        return find_emerging_themes(database.transaction, **given)

    return run


@pytest.fixture
def later(database, settings, actor, maker):
    """Add contacts and let days pass."""

    def add(texts, days=0):
        with database.transaction() as session:
            add_texts(session, [(text, ago - days) for text, ago in texts])
        assign(database, settings, actor, maker)

    return add


def rows(database):
    with database.reading() as session:
        found = list(session.scalars(sa.select(EmergingTheme).order_by(EmergingTheme.id)))
        session.expunge_all()
        return found


def verbs(database):
    with database.reading() as session:
        query = sa.select(AuditEvent.verb).where(AuditEvent.verb.startswith("emerging."))
        return list(session.scalars(query.order_by(AuditEvent.id)))


def decide(database, service, emerging_id, actor):
    with database.transaction() as session:
        service(session, emerging_id=emerging_id, by=actor)


def themes_of_spot(database):
    query = (
        sa.select(Theme.key)
        .select_from(Contact)
        .join(ContactText, ContactText.contact_id == Contact.id)
        .outerjoin(Theme, Theme.id == Contact.theme_id)
        .where(ContactText.issue_text.startswith(SPOT))
    )
    with database.reading() as session:
        return list(session.scalars(query))


def test_a_night_proposes_what_rises_with_the_customers_behind_it(database, site, night):
    result = night()

    (row,) = rows(database)
    assert (result.last_day, result.left_over, result.new) == (LAST_DAY, 220, [row.id])
    assert row.state is EmergingState.PROPOSED
    assert "ift" in row.name
    assert (row.found_on, row.seen_on) == (LAST_DAY, LAST_DAY)
    assert 12 <= row.customers <= 18
    assert row.customers_before <= 2
    assert len(row.members) == row.contacts
    assert verbs(database) == ["emerging.found"]


def test_before_the_first_discovery_nothing_is_looked_for(database, night):
    with database.transaction() as session:
        add_texts(session, spot(20, RISING))

    result = night()

    assert result.last_day is None
    assert rows(database) == []


def test_another_night_sees_the_same_one_and_records_nothing_new(database, site, night, later):
    night()
    (before,) = rows(database)
    later([*spot(6, [0], tag="t"), *noise(4, seed=9, oldest=0)], days=1)

    result = night()

    (row,) = rows(database)
    assert (row.id, row.name, row.found_on) == (before.id, before.name, LAST_DAY)
    assert row.seen_on == LAST_DAY + timedelta(days=1)
    assert row.customers > before.customers
    assert (result.found, result.new) == (1, [])
    assert verbs(database) == ["emerging.found"]


def test_what_is_not_seen_for_two_weeks_is_gone_and_may_return(database, site, night, later):
    night()
    quiet = [(text, 0) for text, _ in noise(30, seed=7)]
    later(quiet, days=40)
    night()
    (row,) = rows(database)
    assert row.state is EmergingState.GONE

    later(spot(40, [0], tag="back"), days=40)
    night()

    (row,) = rows(database)
    assert row.state is EmergingState.PROPOSED
    assert verbs(database) == ["emerging.found", "emerging.gone", "emerging.returned"]


def test_fewer_customers_than_may_be_shown_are_not_proposed(database, settings, site, night):
    night(settings=replace(settings, privacy_k=19))

    assert rows(database) == []


def test_of_a_large_pile_a_fair_draw_is_read(database, site, night):
    result = night(most_read=100)

    assert (result.read, result.left_over) == (100, 220)


def test_what_was_dismissed_does_not_come_back_until_that_is_taken_back(
    database, site, night, later, actor
):
    night()
    (row,) = rows(database)
    decide(database, dismiss_emerging, row.id, actor)
    later(spot(6, [0], tag="t"), days=1)

    result = night()

    (row,) = rows(database)
    assert row.state is EmergingState.DISMISSED
    assert result.new == []
    decide(database, restore_emerging, row.id, actor)
    assert rows(database)[0].state is EmergingState.PROPOSED
    assert verbs(database) == ["emerging.found", "emerging.dismissed", "emerging.restored"]


def test_deciding_twice_is_refused_with_who_decided(database, site, night, actor):
    night()
    (row,) = rows(database)
    with pytest.raises(Conflict, match="nothing to take back"):
        decide(database, restore_emerging, row.id, actor)
    decide(database, dismiss_emerging, row.id, actor)

    with pytest.raises(Conflict, match="dismissed already, by Priya Nair"):
        decide(database, dismiss_emerging, row.id, actor)
    with pytest.raises(NotFound):
        decide(database, dismiss_emerging, row.id + 99, actor)


@pytest.fixture
def take(database, settings, actor, maker):
    def run(emerging_id, by=actor):
        return take_emerging(
            database.transaction,
            settings=settings,
            emerging_id=emerging_id,
            by=by,
            maker=maker,
        )

    return run


def test_taking_makes_a_candidate_that_holds_its_like_of_the_whole_history(
    database, site, night, later, take
):
    later(spot(5, [300], tag="old"))
    night()
    (row,) = rows(database)

    taken = take(row.id)

    with database.reading() as session:
        theme = session.scalars(sa.select(Theme).where(Theme.key == taken.key)).one()
        current = session.scalars(sa.select(DefinitionSet).where(DefinitionSet.is_current)).one()
        definition = session.scalars(
            sa.select(ThemeDefinition).where(ThemeDefinition.theme_id == theme.id)
        ).one()
        assert theme.status is ThemeStatus.CANDIDATE
        assert theme.name == row.name
        assert (current.number, current.label_themes) == (2, [site, theme.id])
        assert (definition.number, definition.labels) == (1, [1])
        assert theme.id in read_standing(session).kept  # no run takes it away
        (birth,) = get_lineage(session, theme)
        assert birth.text == f"emerging theme “{row.name}”, taken by Priya Nair"
    assert set(themes_of_spot(database)) == {taken.key}
    assert (taken.contacts, taken.from_other_themes) == (25, 0)
    (row,) = rows(database)
    assert (row.state, row.theme_id) == (EmergingState.TAKEN, theme.id)
    assert verbs(database)[-1] == "emerging.taken"


def test_what_other_themes_hold_and_what_is_like_nothing_stays(database, site, night, take):
    night()
    where = sa.select(Contact.id, Contact.theme_id).join(ContactText)
    others = where.where(~ContactText.issue_text.startswith(SPOT)).order_by(Contact.id)
    with database.reading() as session:
        before = session.execute(others).all()

    take(rows(database)[0].id)

    with database.reading() as session:
        assert session.execute(others).all() == before


def test_assigning_everything_anew_changes_nothing_after_a_take(
    database, settings, site, night, take, actor, maker
):
    from closedloop.services.assignment import assign_contacts

    night()
    take(rows(database)[0].id)
    query = sa.select(Contact.id, Contact.theme_id, Contact.cluster).order_by(Contact.id)
    with database.reading() as session:
        before = session.execute(query).all()

    assign_contacts(database.transaction, settings=settings, by=actor, everything=True, maker=maker)

    with database.reading() as session:
        assert session.execute(query).all() == before


def test_a_taken_one_is_not_proposed_again_and_new_contacts_join_its_theme(
    database, site, night, later, take
):
    night()
    taken = take(rows(database)[0].id)
    later(spot(6, [0], tag="t"), days=1)

    night()

    assert len(rows(database)) == 1
    assert set(themes_of_spot(database)) == {taken.key}


def test_a_take_that_is_run_again_after_a_crash_answers_the_same(database, site, night, take):
    night()
    (row,) = rows(database)

    first = take(row.id)

    assert take(row.id) == first
    with pytest.raises(Conflict, match="taken already"):
        take(row.id, by=Actor("Somebody else", ActorKind.PERSON))


def test_one_whose_texts_are_gone_cannot_be_taken(database, site, night, take):
    night()
    (row,) = rows(database)
    with database.transaction() as session:
        session.execute(sa.delete(ContactText).where(ContactText.contact_id.in_(row.members)))

    with pytest.raises(Conflict, match="nothing left to take"):
        take(row.id)
