"""What the clock runs, on real tables."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

import pytest
import sqlalchemy as sa

from closedloop.domain.audit import NIGHTLY_ROUND
from closedloop.domain.clock import utc_now
from closedloop.jobs.work import data_cut, look_for_emerging, nightly_round
from closedloop.models import BatchState, DailyRollup, DueDay, ImportBatch, ThemeFollower
from closedloop.services.long_work import tell_nobody
from tests.factories.contacts import make_batch, make_contact, make_customer
from tests.factories.leftovers import make_site, noise, real_maker, spot
from tests.factories.themes import make_theme


@pytest.mark.parametrize(("hours", "state"), [(25, BatchState.FAILED), (23, BatchState.RUNNING)])
def test_the_nightly_round_closes_an_import_that_broke_off_a_day_ago_and_adds_its_days_up(
    database, session, settings, hours, state
):
    batch = make_batch(session)
    batch.started_at = utc_now() - timedelta(hours=hours)
    contact = make_contact(session, batch=batch, text=None, theme_id=None)
    session.add(DueDay(day=contact.local_day))  # the import marked it before it broke off
    session.commit()

    nightly_round(database, settings, {}, NIGHTLY_ROUND, tell_nobody)

    session.expire_all()
    assert session.get_one(ImportBatch, batch.id).state is state
    assert session.scalar(sa.select(sa.func.sum(DailyRollup.contacts))) == 1


def test_the_nightly_round_notes_how_large_the_tables_of_sqlite_are(database, session, settings):
    if session.get_bind().dialect.name != "sqlite":
        pytest.skip("PostgreSQL looks by itself.")
    batch = make_batch(session)
    for number in range(3):
        make_contact(session, batch=batch, source_contact_id=f"c{number}", text=None)
    session.commit()

    nightly_round(database, settings, {}, NIGHTLY_ROUND, tell_nobody)

    noted = session.execute(sa.text("SELECT stat FROM sqlite_stat1 WHERE tbl = 'contacts'"))
    assert {stat.split()[0] for stat in noted.scalars()} == {"3"}


def test_the_nightly_round_goes_on_without_its_watched_folder(database, settings):
    away = dataclasses.replace(settings, watched_folder="/nowhere/at/all")

    done = nightly_round(database, away, {}, NIGHTLY_ROUND, tell_nobody)

    assert "no directory" in done["watched_folder"]
    assert done["measured"] == 0


def test_the_nightly_round_tells_what_emerges(database, settings, actor):
    rising = [*range(18), 40, 45]
    make_site(database, settings, actor, real_maker(), [*noise(200), *spot(20, rising)])

    done = look_for_emerging(database, settings, NIGHTLY_ROUND, tell_nobody)

    assert done == {"emerging": 1, "newly_emerging": 1}


def test_the_nightly_round_looks_for_what_emerges(database, settings):
    done = nightly_round(database, settings, {}, NIGHTLY_ROUND, tell_nobody)

    assert (done["emerging"], done["newly_emerging"]) == (0, 0)


def test_the_data_cut_is_the_last_day_that_is_over(database, session, settings):
    assert data_cut(database, settings) is None
    make_contact(session, started_at=utc_now() - timedelta(days=3))
    last = make_contact(session, started_at=utc_now() - timedelta(days=2)).local_day
    session.commit()
    assert data_cut(database, settings) == last
    make_contact(session, started_at=utc_now())
    session.commit()
    assert data_cut(database, settings) > last


def test_the_nightly_round_counts_what_comes_next(database, session, settings):
    customer, batch = make_customer(session), make_batch(session)
    first, then = make_theme(session), make_theme(session)
    for days_ago, theme in ((20, first), (18, then), (2, then)):
        make_contact(
            session,
            started_at=utc_now() - timedelta(days=days_ago),
            customer=customer,
            batch=batch,
            text=None,
            theme=theme,
        )
    session.commit()

    nightly_round(database, settings, {}, NIGHTLY_ROUND, tell_nobody)

    pair = session.scalars(sa.select(ThemeFollower)).one()
    assert (pair.theme_id, pair.next_id) == (first.id, then.id)
