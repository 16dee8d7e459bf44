"""Real exports end with the numbers that were counted by hand; skipped where they are absent."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
import sqlalchemy as sa

from closedloop.adapters.mapping import Mapping
from closedloop.models import (
    Contact,
    ContactLink,
    ContactText,
    Customer,
    DailyRollup,
    ImportReject,
    Message,
)
from closedloop.services.contacts import import_file

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"
EXAMPLES = ROOT / "docs" / "import" / "examples"
WEEK = 7 * 86_400

pytestmark = pytest.mark.skipif(
    not DATA.is_dir(), reason="the development data are not beside this folder"
)


@pytest.fixture
def take_in(database, settings, actor):
    """Import a real file with the mapping the documentation shows."""

    def take(path: Path, mapping_file: str):
        mapping = Mapping.load(EXAMPLES / mapping_file)
        return import_file(
            database.transaction,
            settings=settings,
            path=path,
            mapping=mapping,
            source=mapping.source,
            file_name=path.name,
            by=actor,
        )

    return take


@pytest.fixture
def ask(database):
    """Return one number."""

    def scalar(column, where=None) -> int:
        statement = sa.select(column) if where is None else sa.select(column).where(where)
        with database.reading() as session:
            return session.scalar(statement)

    return scalar


@pytest.mark.slow
def test_messages_to_a_support_account_become_contacts(take_in, ask) -> None:
    batch = take_in(DATA / "twcs_spotify" / "support_requests.csv", "twcs_spotify.json")
    assert (batch.added, batch.rejected) == (15_096, 7)
    assert ask(sa.func.count(Message.id)) == 15_096
    assert ask(sa.func.count(Contact.id)) == 9_681
    assert ask(sa.func.sum(Contact.message_count)) == 15_096
    customers = ask(sa.func.count(Customer.id))
    assert customers == 8_723
    again = ask(
        sa.func.count(sa.distinct(Contact.customer_id)),
        where=Contact.link.has(ContactLink.next_gap_seconds <= WEEK),
    )
    assert round(again / customers, 3) == 0.065
    assert ask(sa.func.count(ImportReject.id), where=ImportReject.reason.contains("Line")) == 7
    assert ask(sa.func.count(ContactText.contact_id)) > 9_600


@pytest.mark.slow
def test_the_first_event_of_each_incident_is_a_contact(take_in, ask, tmp_path: Path) -> None:
    with zipfile.ZipFile(DATA / "itsm_incident_log" / "incident_event_log.zip") as archive:
        name = next(name for name in archive.namelist() if name.endswith(".csv"))
        path = Path(archive.extract(name, tmp_path))
    batch = take_in(path, "itsm_incident_log.json")
    assert (batch.added, batch.unidentified, batch.rejected) == (24_918, 3, 0)
    identified = ask(sa.func.count(Contact.customer_id))
    assert identified == 24_915
    for repeats in (ContactLink.previous_gap_seconds <= WEEK, ContactLink.next_gap_seconds <= WEEK):
        assert ask(sa.func.count(ContactLink.contact_id), where=repeats) == 12_200  # 48.97 %
    assert (
        ask(sa.func.count(ContactLink.contact_id), where=ContactLink.chain_position > 1) == 12_200
    )
    assert ask(sa.func.sum(DailyRollup.contacts)) == 24_918


@pytest.mark.slow
def test_complaints_without_a_customer_are_unidentified_not_new_customers(take_in, ask) -> None:
    batch = take_in(DATA / "cfpb" / "complaints_sample_6623.csv", "cfpb_complaints.json")
    assert batch.added == batch.unidentified > 6_000
    assert ask(sa.func.count(Customer.id)) == 0
    assert ask(sa.func.sum(DailyRollup.identified)) == 0
