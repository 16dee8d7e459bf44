"""Texts expire by schedule; everything that was counted, decided or measured stays as it was."""

from __future__ import annotations

import dataclasses
from datetime import date, timedelta

import pytest
import sqlalchemy as sa

from closedloop.domain.clock import set_today
from closedloop.models import (
    AuditEvent,
    Contact,
    ContactText,
    EncodedText,
    EvidenceKind,
    ImportBatch,
    ImportReject,
    ThemeEvidence,
    ThemeStats,
)
from closedloop.queries.contact_page import get_contact_page
from closedloop.services import expiry as service
from closedloop.services.expiry import Expired, expire_texts
from closedloop.services.impact import reproduce_measurement
from closedloop.services.theme_stats import find_stats_day, refresh_theme_stats
from tests.factories.themes import make_theme
from tests.privacy_sites import PrivacySite, row

LAST_DAY = date(2026, 3, 2)
TODAY = LAST_DAY + timedelta(days=30)


@pytest.fixture
def site(database, settings, actor) -> PrivacySite:
    set_today(TODAY)
    yield PrivacySite(database, dataclasses.replace(settings, text_days=10), actor)
    set_today(None)


def expire(site: PrivacySite, **values) -> Expired:
    return expire_texts(site.database.transaction, settings=site.settings, **values)


def days_of_texts(site: PrivacySite) -> list[date]:
    join = sa.select(Contact.local_day).join(ContactText).order_by(Contact.local_day)
    return site.read(join)


def test_texts_older_than_the_schedule_go_and_the_day_it_ends_on_stays(site) -> None:
    site.take_in([row(f"c{n}", hours=24 * n, text=f"Words {n}.") for n in range(18, 24)])
    expired = expire(site)
    assert expired.before == TODAY - timedelta(days=10)
    assert days_of_texts(site) == [LAST_DAY + timedelta(days=n) for n in (20, 21, 22, 23)]
    assert expired.texts == 2
    assert expire(site).texts == 0


def test_without_a_schedule_every_text_stays(site) -> None:
    site.settings = dataclasses.replace(site.settings, text_days=0)
    site.take_in([row("a")])
    assert expire(site) == Expired(None)
    assert site.count(ContactText) == 1


def test_counts_themes_and_figures_are_the_same_afterwards(site, session) -> None:
    site.take_in([row(f"c{n}", customer=f"k{n % 4}", hours=9 * n) for n in range(30)])
    theme = make_theme(session)
    session.execute(sa.update(Contact).values(theme_id=theme.id, cluster=0, theme_confidence=0.9))
    session.commit()
    refresh_theme_stats(
        session, settings=site.settings, as_of=find_stats_day(session, site.settings)
    )
    session.commit()
    columns = list(ThemeStats.__table__.c)
    before = site.figures(), site.chains(), session.execute(sa.select(*columns)).all()
    session.commit()
    expire(site)
    assert site.count(ContactText) == 0
    refresh_theme_stats(
        session, settings=site.settings, as_of=find_stats_day(session, site.settings)
    )
    session.commit()
    assert (site.figures(), site.chains(), session.execute(sa.select(*columns)).all()) == before
    session.commit()


def test_a_measurement_made_before_is_reproduced_bit_for_bit(site, session) -> None:
    from tests.services.test_impact import Site, measure

    measured = Site(session)
    measured.add_sibling(mean=14, change=0.1)
    found = measure(measured, site.settings)
    session.commit()
    site.take_in([row(f"c{n}", hours=n) for n in range(5)])
    assert expire(site).texts == 5
    session.expire_all()
    again = reproduce_measurement(session, measurement_id=found.id)
    assert again.same, again.differences
    session.commit()


def test_quotes_and_vectors_of_expired_texts_go_with_them(site, session) -> None:
    site.take_in(
        [
            row("old", text="Old words."),
            row("both-1", text="Both."),
            row("both-2", hours=600, text="Both."),
        ]
    )
    site.encode_all()
    theme = make_theme(session)
    for rank, contact in enumerate(session.scalars(sa.select(Contact.id).order_by(Contact.id)), 1):
        session.add(
            ThemeEvidence(
                theme_id=theme.id, kind=EvidenceKind.TYPICAL, rank=rank, contact_id=contact,
                confidence=0.9,
            )
        )  # fmt: skip
    session.commit()
    expired = expire(site)
    assert (expired.texts, expired.vectors, expired.quotes) == (2, 1, 2)
    assert site.count(EncodedText) == 1
    assert site.read(
        sa.select(Contact.source_contact_id).join(
            ThemeEvidence, ThemeEvidence.contact_id == Contact.id
        )
    ) == ["both-2"]


def test_nothing_that_was_said_is_left_in_the_file(site) -> None:
    site.take_in([row("a", text="The xylophone zebra"), row("b", hours=600, text="A new giraffe")])
    for path in site.settings.uploads.iterdir():
        path.unlink()
    expire(site)
    site.database.compact(vacuum=True)
    stored = site.everything()
    assert "xylophone" not in stored
    assert "giraffe" in stored


def test_rows_in_quarantine_expire_by_the_day_of_their_import(site, session) -> None:
    site.take_in([row("a", started_at="never")])
    site.take_in([row("b", started_at="never")], source="other")
    first = sa.select(sa.func.min(ImportBatch.id)).scalar_subquery()
    long_ago = TODAY - timedelta(days=11)
    session.execute(
        sa.update(ImportBatch)
        .where(ImportBatch.id == first)
        .values(started_at=service_time(long_ago))
    )
    session.execute(
        sa.update(ImportBatch)
        .where(ImportBatch.id != first)
        .values(started_at=service_time(TODAY - timedelta(days=10)))
    )
    session.commit()
    assert expire(site).rejects == 1
    assert site.count(ImportReject) == 1


def service_time(day: date):
    from datetime import UTC, datetime, time

    return datetime.combine(day, time(12), tzinfo=UTC)


def test_a_dry_run_counts_and_changes_nothing(site) -> None:
    site.take_in([row("a")])
    assert expire(site, dry_run=True).texts == 1
    assert site.count(ContactText) == 1
    assert site.read(sa.select(AuditEvent).filter_by(verb="contacts.texts_expired")) == []


def test_broken_off_between_portions_the_next_run_does_the_rest(site, monkeypatch) -> None:
    class Killed(BaseException):
        pass

    monkeypatch.setattr(service, "CONTACTS_AT_ONCE", 2)
    site.take_in([row(f"c{n}", text=f"Words {n}.") for n in range(7)])
    told = []

    def kill(progress) -> None:
        told.append(progress.done)
        if len(told) == 3:
            raise Killed

    with pytest.raises(Killed):
        expire(site, report=kill)
    assert site.count(ContactText) == 3
    assert expire(site).texts == 3
    assert site.count(ContactText) == 0


def test_the_page_of_a_contact_says_that_its_text_expired(site) -> None:
    site.take_in([row("old"), row("new", hours=600, text="")])
    expire(site)
    with site.database.reading() as session:
        ids = dict(session.execute(sa.select(Contact.source_contact_id, Contact.id)).all())
        assert get_contact_page(session, ids["old"]).silence == "expired"
        assert get_contact_page(session, ids["new"]).silence != "expired"


def test_importing_the_same_file_again_brings_no_text_back(site) -> None:
    rows = [row("a"), row("b", hours=5)]
    site.take_in(rows)
    expire(site)
    batch = site.take_in(rows)
    assert (batch.added, batch.unchanged) == (0, 2)
    assert site.count(ContactText) == 0
