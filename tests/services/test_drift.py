"""Weeks of themes: counted under the set in force, with every change of it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa

from closedloop.models import Contact, DefinitionSet, Theme, ThemeDefinition, ThemeWeek
from closedloop.queries.drift import get_site_drift, get_theme_drift, list_aged
from closedloop.services.drift import refresh_due_weeks, refresh_weeks
from closedloop.services.text_removal import remove_texts
from closedloop.services.themes import assign_contacts, discover_themes
from closedloop.services.triage import merge_themes
from tests.factories.contacts import make_contact, make_customer
from tests.factories.histories import START, add_contacts, theme_named
from tests.factories.series import make_definitions
from tests.factories.theme_maker import make_maker
from tests.factories.themes import make_theme

MONDAY = date(2026, 3, 2)


def at(day: date, hour: int = 12) -> datetime:
    return datetime(day.year, day.month, day.day, hour, tzinfo=UTC)


def rows(session):
    found = session.execute(
        sa.select(
            ThemeWeek.theme_id,
            ThemeWeek.week,
            ThemeWeek.contacts,
            ThemeWeek.customers,
            ThemeWeek.confidence,
            ThemeWeek.definition_set_id,
        ).order_by(ThemeWeek.theme_id, ThemeWeek.week)
    )
    return [tuple(row) for row in found]


def test_weeks_count_contacts_with_text_by_theme_and_monday(session):
    theme = make_theme(session)
    current = make_definitions(session, [theme])
    customer = make_customer(session)
    for day, sure in ((MONDAY, 0.5), (MONDAY + timedelta(days=6), 0.7)):
        make_contact(
            session, started_at=at(day), customer=customer, theme=theme, theme_confidence=sure
        )
    make_contact(session, started_at=at(MONDAY), theme=theme, theme_confidence=0.9)
    make_contact(session, started_at=at(MONDAY + timedelta(days=7)), customer=customer)
    make_contact(session, started_at=at(MONDAY - timedelta(days=1)), text=None, theme=theme)
    session.flush()

    assert refresh_weeks(session, days=None) == 2

    assert rows(session) == [
        (0, MONDAY + timedelta(days=7), 1, 1, 0.0, current.id),
        (theme.id, MONDAY, 3, 2, pytest.approx(2.1), current.id),
    ]


def test_only_the_weeks_of_the_days_given_are_counted_anew(session):
    theme = make_theme(session)
    make_definitions(session, [theme])
    for week in range(3):
        make_contact(session, started_at=at(MONDAY + timedelta(weeks=week)), theme=theme)
    refresh_weeks(session, days=None)
    for week in range(3):
        make_contact(session, started_at=at(MONDAY + timedelta(weeks=week, days=3)), theme=theme)

    refresh_weeks(session, days=[MONDAY + timedelta(days=9)])

    assert [row[2] for row in rows(session)] == [1, 2, 1]


def make_weeks(session, themes, n_each=5):
    """Add two weeks of contacts of each theme and as many in none, and count them."""
    make_definitions(session, themes)
    ids = []
    for week in range(2):
        day = at(MONDAY + timedelta(weeks=week))
        made = [
            make_contact(session, started_at=day, theme=theme)
            for theme in (*themes, None)
            for _ in range(n_each)
        ]
        ids.append([contact.id for contact in made])
    refresh_weeks(session, days=None)
    return ids


@pytest.mark.parametrize("days", [None, [MONDAY]])
@pytest.mark.parametrize("left", [0, 2])
def test_a_week_whose_texts_have_expired_keeps_what_it_had(session, days, left):
    theme = make_theme(session)
    first, _ = make_weeks(session, [theme])
    stood = rows(session)

    remove_texts(session, first[: len(first) - left])
    refresh_weeks(session, days=days)

    assert rows(session) == stood


def test_a_week_whose_contacts_are_gone_is_counted_anew(session):
    theme = make_theme(session)
    first, _ = make_weeks(session, [theme])
    remove_texts(session, first)
    session.execute(sa.delete(Contact).where(Contact.id.in_(first[:-2])))

    refresh_weeks(session, days=[MONDAY])

    assert [row[1] for row in rows(session)] == [MONDAY + timedelta(weeks=1)] * 2


def test_a_week_that_lost_few_of_its_texts_is_counted_anew(session):
    theme = make_theme(session)
    first, _ = make_weeks(session, [theme])

    remove_texts(session, first[:2])
    refresh_weeks(session, days=[MONDAY])

    assert [row[2] for row in rows(session)] == [5, 5, 3, 5]


def test_nothing_is_counted_before_the_first_definitions(session):
    make_contact(session)
    assert refresh_weeks(session, days=None) == 0
    assert refresh_due_weeks(session) == 0


def test_the_nightly_look_counts_everything_once_and_then_the_last_weeks(session):
    theme = make_theme(session)
    make_definitions(session, [theme])
    for week in (0, 20):
        make_contact(session, started_at=at(MONDAY + timedelta(weeks=week)), theme=theme)
    assert refresh_due_weeks(session) == 2
    for week in (0, 20):
        make_contact(session, started_at=at(MONDAY + timedelta(weeks=week)), theme=theme)
    assert refresh_due_weeks(session) == 1
    assert [row[2] for row in rows(session)] == [1, 2]


def test_discovery_assignment_and_merging_keep_the_weeks(database, settings, actor):
    maker = make_maker()
    add_contacts(database, settings, {"CARD": 9, "PIN": 7})
    discover_themes(database.transaction, settings=settings, by=actor, maker=maker)
    card, pin = theme_named(database, "Card").id, theme_named(database, "Pin").id

    def total():
        with database.reading() as session:
            found = session.execute(
                sa.select(ThemeWeek.theme_id, sa.func.sum(ThemeWeek.contacts)).group_by(
                    ThemeWeek.theme_id
                )
            )
            return {theme: int(n) for theme, n in found}

    def sets():
        with database.reading() as session:
            used = set(session.scalars(sa.select(ThemeWeek.definition_set_id)))
            current = session.scalar(sa.select(DefinitionSet.id).where(DefinitionSet.is_current))
            return used, current

    assert total() == {card: 18, pin: 14}
    add_contacts(database, settings, {"PIN": 3}, tag="b", start=START + timedelta(days=30))
    assign_contacts(database.transaction, settings=settings, by=actor, maker=maker)
    assert total() == {card: 18, pin: 20}
    with database.transaction() as session:
        merge_themes(
            session, settings=settings, theme_id=pin, into_id=card, reason="One cause.", by=actor
        )
    assert total() == {card: 38}
    used, current = sets()
    assert used == {current}


def aged_site(session, lately: float):
    theme = make_theme(session)
    make_definitions(session, [theme])
    began = datetime(2026, 1, 5, tzinfo=UTC)
    session.execute(sa.update(ThemeDefinition).values(created_at=began))
    session.execute(sa.update(DefinitionSet).values(created_at=began))
    customers = [make_customer(session) for _ in range(5)]
    for week in range(17):
        sure = (0.8, 0.82, 0.78)[week % 3] if week < 13 else lately
        for customer in customers:
            day = date(2026, 1, 5) + timedelta(weeks=week)
            make_contact(
                session, started_at=at(day), customer=customer, theme=theme, theme_confidence=sure
            )
    make_contact(session, started_at=at(date(2026, 1, 5) + timedelta(weeks=17, days=-1)))
    refresh_weeks(session, days=None)
    return theme


def test_an_ageing_definition_is_named_and_a_steady_one_is_not(session):
    aged = aged_site(session, 0.6)
    assert list(list_aged(session, [aged.id], k=5)) == [aged.id]
    seen = get_theme_drift(session, aged.id, k=5)
    assert seen.is_aged
    assert round(seen.confidence.lately, 3) == 0.6
    assert len(seen.weeks) == 17


def test_a_steady_definition_is_not_named(session):
    steady = aged_site(session, 0.79)
    assert list_aged(session, [steady.id], k=5) == {}
    assert get_theme_drift(session, steady.id, k=5).confidence.is_aged is False


def test_weeks_of_too_few_customers_are_hidden_and_not_judged(session):
    theme = aged_site(session, 0.6)
    seen = get_theme_drift(session, theme.id, k=6)
    assert {week.contacts for week in seen.weeks} == {None}
    assert not seen.is_aged
    assert list_aged(session, [theme.id], k=6) == {}


def test_coverage_of_the_site_leaves_out_retired_themes(session):
    theme, retired = make_theme(session), make_theme(session)
    make_definitions(session, [theme, retired])
    for number in range(10):
        for one in (theme, retired) if number < 5 else (theme, None):
            make_contact(session, started_at=at(MONDAY), customer=make_customer(session), theme=one)
    session.get_one(Theme, retired.id).status = "retired"
    refresh_weeks(session, days=None)
    (week,) = get_site_drift(session, k=5).weeks
    assert (week.contacts, week.coverage) == (20, 0.5)
