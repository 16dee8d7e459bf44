"""The ruler does not change while it measures: one definition set for every day of a number."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest
import sqlalchemy as sa

from closedloop.domain.actions import ActionStatus
from closedloop.domain.errors import NotMeasurable
from closedloop.domain.runs import PartKind
from closedloop.domain.themes import ThemeStatus
from closedloop.models import (
    Contact,
    DailySlice,
    DefinitionSet,
    ImpactMeasurement,
    Theme,
    ThemeWeek,
)
from closedloop.services.impact import measure_intervention
from closedloop.services.impact_packing import unpack_inputs
from closedloop.services.repeats import chain_contacts
from closedloop.services.rollups import roll_up_days
from tests.factories.contacts import make_batch, make_contact, make_customer
from tests.factories.histories import START, rows_of, theme_named
from tests.factories.series import make_definitions
from tests.factories.themes import make_action, make_intervention
from tests.services.test_impact import Site as Measured
from tests.services.test_impact import measure
from tests.services.test_run_parts import Site

DAYS = 60
LIVE = (START + timedelta(days=40)).date()


def add_days(site):
    """Add 60 days: cards every day, two lost cards every second day, PINs before and after."""
    with site.database.transaction() as session:
        batch = make_batch(session)
        for day in range(DAYS):
            at = datetime.combine(START.date() + timedelta(days=day), time(12), UTC)
            for topic, n in (("CARD", 2), ("LOST", day % 2 * 2), ("PIN", 1)):
                for one in range(n):
                    make_contact(
                        session,
                        started_at=at,
                        customer=make_customer(session),
                        batch=batch,
                        text=f"{topic} d{day} n{one}",
                    )
        chain_contacts(session, settings=site.settings, customer_ids=None)
        roll_up_days(session, days=None)


def count_days(session, theme_id):
    """Return contacts of a theme by day as they stand now, from the contacts themselves."""
    rows = dict(
        session.execute(
            sa.select(Contact.local_day, sa.func.count())
            .where(Contact.theme_id == theme_id)
            .group_by(Contact.local_day)
        ).all()
    )
    return [rows.get(START.date() + timedelta(days=day), 0) for day in range(DAYS)]


@pytest.fixture
def site(database, settings, actor):
    """Lost cards and cards are one theme, agreed; a fix of it has gone live; a run splits it."""
    site = Site(database, settings, actor)
    add_days(site)
    site.discover("CARD+LOST", "PIN")
    site.keep("Card+Lost")
    theme = theme_named(database, "Our Card+Lost")
    with database.transaction() as session:
        session.get_one(Theme, theme.id).status = ThemeStatus.MEASURING
        action = make_action(session, session.get_one(Theme, theme.id), ActionStatus.SHIPPED)
        site.intervention = make_intervention(session, action, went_live_on=LIVE, rollout_days=0).id
    site.theme = theme
    site.discover("CARD", "LOST", "PIN")
    return site


def measured(site):
    with site.database.transaction() as session:
        found = measure_intervention(
            session,
            settings=site.settings,
            intervention_id=site.intervention,
            as_of=START.date() + timedelta(days=DAYS - 1),
            by=site.actor,
        )
        packed = session.scalar(
            sa.select(ImpactMeasurement.inputs).where(ImpactMeasurement.id == found.id)
        )
        return found, unpack_inputs(packed)


def test_days_before_and_after_a_change_are_counted_under_one_definition(site):
    before, inputs = measured(site)
    rows = rows_of(site.database, ImpactMeasurement)
    assert inputs.counts.tolist() == [2 + day % 2 * 2 for day in range(DAYS)]

    site.accept(*site.parts(kind=PartKind.SPLIT))

    # Every contact, of all days, stands where the set in force says.
    with site.database.reading() as session:
        current = session.scalars(sa.select(DefinitionSet).where(DefinitionSet.is_current)).one()
        owners = dict(enumerate(current.label_themes))
        placed = session.execute(sa.select(Contact.cluster, Contact.theme_id)).all()
        assert all(owners[cluster] == theme for cluster, theme in placed)
        expected = count_days(session, site.theme.id)
        slices = dict(
            session.execute(
                sa.select(DailySlice.day, DailySlice.contacts).where(
                    DailySlice.kind == "theme", DailySlice.value == str(site.theme.id)
                )
            ).all()
        )
        assert set(session.scalars(sa.select(ThemeWeek.definition_set_id))) == {current.id}
    assert expected == [2] * DAYS
    assert list(slices.values()) == expected

    after, inputs = measured(site)
    assert (after.definition_set_id, inputs.definition_set_id) == (current.id, current.id)
    assert after.definition_set_id != before.definition_set_id
    assert inputs.counts.tolist() == expected
    assert after.definition_number == before.definition_number + 1
    # What was measured before is never rewritten.
    assert rows_of(site.database, ImpactMeasurement)[: len(rows)] == rows


def test_a_set_whose_history_is_not_assigned_is_refused(session, settings):
    site = Measured(session)
    make_definitions(session, [site.theme], number=2, assigned=False)
    with pytest.raises(NotMeasurable, match="Assign all contacts again"):
        measure(site, settings)


def test_a_set_that_changes_between_two_reads_of_one_measurement_is_refused(session, settings):
    site = Measured(session)
    second = make_definitions(session, [site.theme], number=2)
    first = session.scalars(sa.select(DefinitionSet).where(DefinitionSet.number == 1)).one()
    sets = DefinitionSet.__table__
    session.execute(sa.update(sets).where(sets.c.id == second.id).values(is_current=False))
    session.execute(sa.update(sets).where(sets.c.id == first.id).values(is_current=True))
    changed = []

    def change(connection, _cursor, statement, *_rest):
        # What another transaction commits meanwhile shows in the next statement of this one.
        if "daily_slices" in statement and not changed:
            changed.append(statement)
            for one, now in ((first.id, False), (second.id, True)):
                connection.execute(sa.update(sets).where(sets.c.id == one).values(is_current=now))

    engine = session.get_bind()
    sa.event.listen(engine, "after_cursor_execute", change)
    try:
        with pytest.raises(NotMeasurable, match="counted under two of them"):
            measure(site, settings)
    finally:
        sa.event.remove(engine, "after_cursor_execute", change)
    assert changed
    assert session.scalar(sa.select(sa.func.count(ImpactMeasurement.id))) == 0
