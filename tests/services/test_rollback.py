"""An import taken out leaves the site as if it had never come, wherever the work breaks off."""

from __future__ import annotations

import dataclasses
import random
from pathlib import Path

import pytest
import sqlalchemy as sa

from closedloop.adapters.mapping import Mapping
from closedloop.config import Settings
from closedloop.domain.audit import Actor
from closedloop.domain.clock import utc_now
from closedloop.domain.errors import Conflict, Invalid, NotFound
from closedloop.extensions import Database
from closedloop.models import (
    AuditEvent,
    Contact,
    ContactLink,
    ContactText,
    Customer,
    CustomerKey,
    DailyRollup,
    DailySlice,
    DueDay,
    EncodedText,
    EvidenceKind,
    ImportBatch,
    ImportReject,
    LinkRun,
    Message,
    ThemeEvidence,
)
from closedloop.models.imports import BatchState
from closedloop.services import rollback as service
from closedloop.services import rollback_previews
from closedloop.services.contacts import import_file
from closedloop.services.import_holds import hold_import, new_holder
from closedloop.services.rollback import begin_roll_back, roll_back_import
from closedloop.services.rollback_previews import count_contacts_to_go, preview_roll_back
from tests.factories.themes import make_theme
from tests.services.test_contacts import MAPPING, row, write
from tests.statements import count_statements

ACTOR = Actor("Priya Nair")
TALK = dataclasses.replace(MAPPING, session_gap_seconds=12 * 3600)


@pytest.fixture
def take_in(database: Database, settings: Settings, actor: Actor, tmp_path: Path):
    """Import rows from the source "crm"; give the number of the import."""

    def take(rows: list[dict], mapping: Mapping = MAPPING) -> int:
        path = write(tmp_path / "contacts.csv", rows)
        return import_file(
            database.transaction,
            settings=settings,
            path=path,
            mapping=mapping,
            source="crm",
            file_name="contacts.csv",
            by=actor,
        ).id

    return take


@pytest.fixture
def take_out(database: Database, settings: Settings, actor: Actor):
    def take(batch_id: int, **values):
        return roll_back_import(
            database.transaction, settings=settings, batch_id=batch_id, by=actor, **values
        )

    return take


def picture(database: Database) -> dict[str, list[tuple]]:
    """Everything of contacts by what it is called outside, so that ids do not matter."""
    with database.reading() as session:
        customers = dict(session.execute(sa.select(Customer.id, Customer.key_hash)).all())
        ids = dict(session.execute(sa.select(Contact.id, Contact.source_contact_id)).all())
        left_out = {"id", "batch_id", "customer_id"}
        columns = [c for c in Contact.__table__.c if c.key not in left_out]
        rows = session.execute(sa.select(Contact.customer_id, *columns))
        contacts = [(customers.get(r[0]), *map(str, r[1:])) for r in rows]
        links = session.execute(sa.select(ContactLink.__table__))
        texts = session.scalars(sa.select(ContactText))
        messages = session.scalars(sa.select(Message))
        rollups = session.execute(sa.select(*(c for c in DailyRollup.__table__.c if c.key != "id")))
        return {
            "contacts": sorted(contacts, key=str),
            "customers": sorted(customers.values()),
            "links": sorted(
                (ids[r.contact_id], *r[1:6], ids[r.chain_id], r.chain_position) for r in links
            ),
            "texts": sorted((ids[t.contact_id], str(t.turns), t.issue_text) for t in texts),
            "messages": sorted(
                (m.source_message_id, ids[m.contact_id], m.sent_at, str(m.details))
                for m in messages
            ),
            "rollups": sorted((tuple(r) for r in rollups), key=str),
            "slices": sorted(map(str, session.execute(sa.select(DailySlice.__table__)))),
            "due": sorted(session.scalars(sa.select(DueDay.day))),
        }


def test_only_what_the_import_brought_goes_and_neighbours_are_linked_again(
    take_in, take_out, database
) -> None:
    take_in([row("a", hours=0), row("b", hours=48), row("x", customer="other")])
    before = picture(database)
    batch_id = take_in([row("m", hours=24), row("n", customer="new"), row("o", customer="")])

    done = take_out(batch_id)

    assert (done.contacts, done.messages, done.customers) == (3, 0, 1)
    assert picture(database) == before
    gap = next(r for r in before["links"] if r[0] == "a")
    assert 48 * 3600 in gap


def test_vectors_of_words_that_nobody_says_any_more_go_with_the_import(
    take_in, take_out, database
) -> None:
    take_in([row("a", text="Both say this.")])
    second = take_in([row("b", text="Both say this."), row("c", text="Only here.")])
    with database.transaction() as session:
        for digest in session.scalars(sa.select(ContactText.text_hash).distinct()).all():
            session.add(EncodedText(encoder="test", text_hash=digest, vector=b"12"))

    take_out(second)

    with database.reading() as session:
        texts = session.scalars(sa.select(ContactText.text_hash)).all()
        assert session.scalars(sa.select(EncodedText.text_hash)).all() == texts
        assert len(texts) == 1


def test_the_same_file_can_be_imported_again_and_gives_the_same_rows(
    take_in, take_out, database
) -> None:
    rows = [row(f"c{n}", hours=n * 7, customer=f"cust-{n % 5}") for n in range(60)]
    take_in(rows[::3])
    second = take_in(rows)
    before = picture(database)

    take_out(second)
    again = take_in(rows)

    assert picture(database) == before
    with database.reading() as session:
        batch = session.get_one(ImportBatch, again)
        assert (batch.added, batch.unchanged) == (40, 20)


@pytest.mark.parametrize("seed", range(12))
def test_messages_taken_out_leave_what_the_others_alone_would_have_made(
    seed, take_in, take_out, database, settings, actor, tmp_path
) -> None:
    """Any of three imports of interleaved messages taken out equals the other two alone."""
    chance = random.Random(seed)
    rows = [
        row(
            f"m{n:02d}",
            hours=chance.choice([0, 6, 12, 18, 24, 36]) + n // 4 * 12,
            customer=chance.choice(["ann", "bob", ""]),
            queue=chance.choice(["", "cards", "loans"]),
            handle_seconds=chance.choice(["", "60", "90"]),
            csat=chance.choice(["", "2", "5"]),
            text=chance.choice([f"Message {n} about my card.", ""]),
        )
        for n in range(24)
    ]
    parts = [[r for n, r in enumerate(rows) if n % 3 == part] for part in range(3)]
    out = seed % 3
    batches = [take_in(part, TALK) for part in parts]

    take_out(batches[out])
    found = picture(database)

    for batch_id in (b for n, b in enumerate(batches) if n != out):
        take_out(batch_id)
    assert picture(database)["contacts"] == []
    for n, part in enumerate(parts):
        if n != out:
            take_in(part, TALK)
    assert found == picture(database)


def test_a_message_that_joined_two_contacts_leaves_two_and_their_own_words(
    take_in, take_out, database
) -> None:
    take_in(
        [row("m1", text="First."), row("m3", hours=20, text="Third.", handle_seconds="5")], TALK
    )
    bridge = take_in([row("m2", hours=10, text="Second.", queue="loans")], TALK)
    with database.reading() as session:
        assert session.scalars(sa.select(Contact.message_count)).all() == [3]
        assert count_contacts_to_go(session, bridge) == 0  # it is rebuilt, not deleted

    done = take_out(bridge)

    assert (done.contacts, done.messages) == (0, 1)
    with database.reading() as session:
        found = session.scalars(sa.select(Contact).order_by(Contact.started_at)).all()
        assert [c.source_contact_id for c in found] == ["m1", "m3"]
        assert [c.queue for c in found] == ["", ""]
        assert [c.handle_seconds for c in found] == [300, 5]
        assert [c.text.issue_text for c in found] == ["First.", "Third."]
        assert bridge not in {c.batch_id for c in found}


def test_words_that_go_send_a_contact_back_to_be_assigned_and_quotes_go_with_theirs(
    take_in, take_out, session, database, monkeypatch
) -> None:
    take_in([row("kept", text="My card has not come.")], TALK)
    batch_id = take_in(
        [row("more", hours=1, text="Still no card."), row("own", customer="z")], TALK
    )
    theme = make_theme(session)
    for contact in session.scalars(sa.select(Contact)):
        contact.theme_id, contact.cluster = theme.id, 1
        session.add(
            ThemeEvidence(
                theme_id=theme.id,
                kind=EvidenceKind.TYPICAL,
                rank=contact.id,
                contact_id=contact.id,
                confidence=0.9,
            )
        )
    session.commit()
    assert preview_roll_back(session, batch_id=batch_id).quotes == 1
    with monkeypatch.context() as large, count_statements(database.engine) as seen:
        large.setattr(rollback_previews, "LOOKED_AT", 0)
        assert preview_roll_back(session, batch_id=batch_id).quotes == 1
    if database.engine.dialect.name == "sqlite":  # from the quotes to their contacts
        found = session.connection().exec_driver_sql(
            f"EXPLAIN QUERY PLAN {seen[-1]}", (batch_id, 1)
        )
        assert "ix_contacts_batch_started" not in str(found.all())
    session.rollback()

    take_out(batch_id)

    session.expire_all()
    contact = session.scalars(sa.select(Contact)).one()
    assert (contact.source_contact_id, contact.theme_id, contact.cluster) == ("kept", None, None)
    assert session.scalars(sa.select(ThemeEvidence.contact_id)).all() == [contact.id]
    session.rollback()


class Killed(BaseException):
    """The process dies: no `except Exception` sees it."""


@pytest.mark.parametrize("after", [0, 1, 2, 3])
def test_a_roll_back_that_breaks_off_says_so_and_goes_on(
    after, take_in, take_out, database, monkeypatch
) -> None:
    monkeypatch.setattr(service, "CONTACTS_AT_ONCE", 4)
    monkeypatch.setattr(service, "IDS_AT_ONCE", 2)
    take_in([row("a"), row("t0", hours=30, customer="talk")], TALK)
    before = picture(database)
    rows = [row(f"c{n}", hours=n, customer=f"cust-{n % 3}") for n in range(10)]
    plain = take_in(rows)
    seen = 0

    def die(_progress) -> None:
        nonlocal seen
        seen += 1
        if seen > after:
            raise Killed

    with pytest.raises(Killed):
        take_out(plain, report=die)
    with database.reading() as session:
        batch = session.get_one(ImportBatch, plain)
        assert (batch.rolled_back_by, batch.rolled_back_at) == ("Priya Nair", None)
    take_out(plain)

    assert picture(database) == before
    assert take_out(plain).contacts == 0  # once more changes nothing
    with database.reading() as session:
        verbs = session.scalars(
            sa.select(AuditEvent.verb)
            .where(AuditEvent.verb.like("contacts.roll%"))
            .order_by(AuditEvent.id)
        ).all()
        assert verbs == ["contacts.roll_back_begun", "contacts.rolled_back"]


def test_a_half_rolled_back_import_does_not_go_on(take_in, take_out, database, session) -> None:
    batch_id = take_in([row("a")])
    batch = session.get_one(ImportBatch, batch_id)
    batch.state = BatchState.FAILED
    begin_roll_back(session, batch_id=batch_id, by=Actor("Priya Nair"))
    session.commit()

    with pytest.raises(Conflict, match="taken out"):
        import_file(
            database.transaction,
            settings=None,
            path=Path("nowhere.csv"),
            mapping=MAPPING,
            source="crm",
            file_name="contacts.csv",
            by=Actor("Priya Nair"),
            batch_id=batch_id,
        )


def test_the_look_before_a_large_roll_back_reads_no_contact_until_it_is_asked_to(
    take_in, session, database, monkeypatch
) -> None:
    take_in([row("a", hours=0)])
    batch_id = take_in([row("m", hours=24), row("n", customer="new"), row("o", customer="")])
    small = preview_roll_back(session, batch_id=batch_id)
    assert (small.contacts, small.customers, small.rebuilt, small.is_exact) == (3, 1, 0, True)
    monkeypatch.setattr(rollback_previews, "LOOKED_AT", 2)
    session.execute(sa.delete(Contact).where(Contact.source_contact_id == "o"))  # as if erased

    with count_statements(database.engine) as seen:
        told = preview_roll_back(session, batch_id=batch_id)

    assert (told.contacts, told.customers, told.rebuilt, told.is_exact) == (3, None, 0, False)
    assert len(seen) == 3  # the import, later ones, quotes
    assert [s for s in seen if " contacts" in s] == [s for s in seen if "theme_evidence" in s]
    exact = preview_roll_back(session, batch_id=batch_id, is_exact=True)
    assert (exact.contacts, exact.customers, exact.is_exact) == (2, 1, True)
    for wrong in (1, 4):
        with pytest.raises(Invalid, match="2 contacts would go"):
            begin_roll_back(session, batch_id=batch_id, by=ACTOR, contacts=wrong)
    for right in (3, 2):  # what was told, and what was counted
        begin_roll_back(session, batch_id=batch_id, by=ACTOR, contacts=right)
        session.get_one(ImportBatch, batch_id).rolled_back_by = ""


def test_a_large_import_of_messages_says_how_many_contacts_they_are(
    take_in, session, monkeypatch
) -> None:
    batch_id = take_in([row("a", hours=0), row("b", hours=1), row("c", hours=48)], TALK)
    monkeypatch.setattr(rollback_previews, "LOOKED_AT", 2)

    told = preview_roll_back(session, batch_id=batch_id)

    assert (told.contacts, told.rebuilt, told.is_exact) == (2, None, False)


def test_an_import_that_is_being_read_is_not_taken_out_and_one_that_was_killed_is(
    take_in, take_out, session
) -> None:
    batch_id = take_in([row("a"), row("b")])
    batch = session.get_one(ImportBatch, batch_id)
    batch.state = BatchState.RUNNING
    with new_holder() as holder:
        hold_import(batch, holder)
        session.commit()
        with pytest.raises(Conflict, match="still being read"):
            take_out(batch_id)
        batch.beat_at = utc_now()
        session.commit()

    assert take_out(batch_id).contacts == 2
    session.expire_all()
    assert session.get_one(ImportBatch, batch_id).state is BatchState.FAILED


def test_a_wrong_number_an_unknown_import_and_a_second_time_are_refused(
    take_in, take_out, session, actor
) -> None:
    batch_id = take_in([row("a"), row("b")])
    with pytest.raises(Invalid, match="2 contacts would go, not 3"):
        begin_roll_back(session, batch_id=batch_id, by=actor, contacts=3)
    session.rollback()
    with pytest.raises(NotFound, match="no import number 99"):
        take_out(99)
    take_out(batch_id)
    with pytest.raises(Conflict, match="taken out before"):
        begin_roll_back(session, batch_id=batch_id, by=actor)
    session.rollback()


def test_customers_whom_a_link_run_joined_and_rows_in_quarantine_stay(
    take_in, take_out, session
) -> None:
    batch_id = take_in([row("a", customer="linked"), row("b", started_at="soon"), row("c")])
    linked = session.scalars(
        sa.select(Customer).join(Contact).where(Contact.source_contact_id == "a")
    ).one()
    seen = session.scalars(
        sa.select(Customer).join(Contact).where(Contact.source_contact_id == "c")
    ).one()
    run = LinkRun(file_name="rules.toml", rules={}, report={}, started_by="Test")
    session.add(run)
    session.flush()
    session.add_all(
        [
            CustomerKey(key_hash="1" * 64, customer_id=linked.id, kind="phone", link_run_id=run.id),
            CustomerKey(key_hash="2" * 64, customer_id=seen.id, kind="phone"),  # noted only
        ]
    )
    session.commit()

    take_out(batch_id)

    session.expire_all()
    assert session.scalars(sa.select(Customer.id)).all() == [linked.id]
    assert session.scalars(sa.select(CustomerKey.customer_id)).all() == [linked.id]
    assert session.scalar(sa.select(sa.func.count(ImportReject.id))) == 1
    session.rollback()
