"""What the clock runs, on real tables."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from closedloop.domain.audit import NIGHTLY_ROUND
from closedloop.domain.clock import utc_now
from closedloop.domain.jobs import JobKind, JobState
from closedloop.jobs import work as jobs_work
from closedloop.jobs.runner import run_next_job
from closedloop.jobs.steps import PartlyDone
from closedloop.jobs.work import data_cut, housekeeping, look_for_emerging, nightly_round
from closedloop.models import (
    BatchState,
    ContactText,
    DailyRollup,
    DueDay,
    EncodedText,
    ImportBatch,
    Job,
    ThemeChange,
    ThemeFollower,
)
from closedloop.services.jobs import queue_job
from closedloop.services.long_work import Cancelled, tell_nobody
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


def _fails(*_given, **_named):
    raise RuntimeError("broken")


def test_a_step_that_fails_does_not_keep_what_customers_said(
    database, session, settings, monkeypatch
):
    old = make_contact(session, text="where is my card")
    session.commit()
    short = dataclasses.replace(settings, text_days=1)
    monkeypatch.setattr(jobs_work, "find_emerging_themes", _fails)

    with pytest.raises(PartlyDone) as told:
        nightly_round(database, short, {}, NIGHTLY_ROUND, tell_nobody)

    assert "emerging themes: something went wrong on our side (RuntimeError)" in str(told.value)
    assert told.value.result["expired"] == 1
    assert told.value.result["measured"] == 0  # it was done, of no action
    session.expire_all()
    assert session.get(ContactText, old.id) is None


@pytest.mark.parametrize("round_", [nightly_round, housekeeping])
def test_words_that_expired_in_the_night_are_not_left_in_the_log_of_sqlite(
    database, session, settings, round_
):
    if session.get_bind().dialect.name != "sqlite":
        pytest.skip("The log of PostgreSQL is its own.")
    contact = make_contact(session, text="the xylophone ate my card")
    session.commit()
    log = Path(f"{database.engine.url.database}-wal")
    assert b"xylophone" in log.read_bytes()
    if round_ is housekeeping:
        session.delete(session.get_one(ContactText, contact.id))
    session.commit()

    round_(database, dataclasses.replace(settings, text_days=1), {}, NIGHTLY_ROUND, tell_nobody)

    assert b"xylophone" not in log.read_bytes()


def test_housekeeping_removes_vectors_that_no_text_needs_any_more(database, session, settings):
    contact = make_contact(session, text="where is my card")
    words = session.get_one(ContactText, contact.id).text_hash
    for digest in (words, "0" * 64, "f" * 64):
        session.add(EncodedText(encoder="test", text_hash=digest, vector=b"12"))
    session.commit()

    done = housekeeping(database, settings, {}, NIGHTLY_ROUND, tell_nobody)

    assert done["vectors_removed"] == 2
    assert session.scalars(sa.select(EncodedText.text_hash)).all() == [words]


@pytest.mark.parametrize("broken", ["roll_up_due", "link_again", "assign_contacts"])
def test_nothing_is_measured_on_contacts_that_are_not_ready(
    database, settings, monkeypatch, broken
):
    monkeypatch.setattr(jobs_work, broken, _fails)

    with pytest.raises(PartlyDone, match=r"Left out because of that: .*measuring") as told:
        nightly_round(database, settings, {}, NIGHTLY_ROUND, tell_nobody)

    assert "measured" not in told.value.result
    assert "back_from_parking" in told.value.result


def test_a_round_that_is_cancelled_begins_no_other_step(database, settings, monkeypatch):
    def cancelled(*_given, **_named):
        raise Cancelled("Stopped.")

    monkeypatch.setattr(jobs_work, "link_again", cancelled)
    monkeypatch.setattr(jobs_work, "assign_contacts", _fails)

    with pytest.raises(Cancelled):
        nightly_round(database, settings, {}, NIGHTLY_ROUND, tell_nobody)


def test_a_job_of_which_a_step_failed_keeps_what_the_others_did(database, settings, monkeypatch):
    monkeypatch.setattr(jobs_work, "find_emerging_themes", _fails)
    with database.transaction() as session:
        job_id = queue_job(session, kind=JobKind.NIGHTLY_ROUND, by=NIGHTLY_ROUND).id

    run_next_job(database, settings, worker="w")

    with database.reading() as session:
        job = session.get_one(Job, job_id)
    assert (job.state, job.result["back_from_parking"]) == (JobState.FAILED, 0)
    assert job.error.startswith("Not done: emerging themes")


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


def test_taking_parts_of_a_run_back_tells_how_many_contacts_moved_back(
    database, settings, actor, monkeypatch
):
    def undo(transactions, **_):
        return ThemeChange(contacts=588, detail={"run": 2})

    monkeypatch.setattr(jobs_work, "undo_parts", undo)

    told = jobs_work.assign(database, settings, {"undo_parts": 6}, actor, tell_nobody)

    assert told == {"run_id": 2, "moved_back": 588}
