"""A later export replaces what changed, and gives way again when it is taken out."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import sqlalchemy as sa

from closedloop.adapters import vendor_rows
from closedloop.adapters.mapping import Mapping
from closedloop.adapters.readers import Reader
from closedloop.adapters.registry import READERS
from closedloop.adapters.types import FileFacts
from closedloop.adapters.vendor_rows import WITH_SUBJECT
from closedloop.config import Settings
from closedloop.domain.audit import Actor
from closedloop.extensions import Database
from closedloop.models import (
    Contact,
    ContactLink,
    ContactText,
    ContactVersion,
    Customer,
    DueDay,
    ImportBatch,
    ImportReject,
)
from closedloop.queries.imports import count_rejects
from closedloop.services.contacts import import_file, recognise_file
from closedloop.services.erasure import erase_customer
from closedloop.services.expiry import expire_texts
from closedloop.services.previews import ImportPreview, preview_file
from closedloop.services.renewal import extended
from closedloop.services.repeats import chain_contacts
from closedloop.services.rollback import roll_back_import
from closedloop.services.rollback_previews import preview_roll_back
from tests.factories.themes import make_theme
from tests.services.test_contacts import MAPPING, everything_stored, row, write
from tests.services.test_rollback import picture

LATEST = dataclasses.replace(MAPPING, on_change="replace")
FIRST = [
    row("open", hours=0, text="Where is my card?", handle_seconds="60"),
    row("same", hours=30),
    row("moves", hours=50, customer="cust-2"),
]
LATER = [
    row("open", hours=0, text="Where is my card? It came, thank you.", csat="5"),
    row("same", hours=30),
    row("moves", hours=80, customer="cust-3", channel="chat"),
    row("new", hours=90),
]


@pytest.fixture
def take_in(database: Database, settings: Settings, actor: Actor, tmp_path: Path):
    def take(rows: list[dict], mapping: Mapping = LATEST) -> ImportBatch:
        return import_file(
            database.transaction,
            settings=settings,
            path=write(tmp_path / "contacts.csv", rows),
            mapping=mapping,
            source="crm",
            file_name="contacts.csv",
            by=actor,
        )

    return take


@pytest.fixture
def take_out(database: Database, settings: Settings, actor: Actor):
    def take(batch: ImportBatch):
        return roll_back_import(
            database.transaction, settings=settings, batch_id=batch.id, by=actor
        )

    return take


def contact(database: Database, contact_id: str) -> Contact:
    with database.reading() as session:
        wanted = sa.select(Contact).where(Contact.source_contact_id == contact_id)
        found = session.scalars(wanted).one()
        assert found.link is None or found.link.contact_id == found.id
        return found


def count(database: Database, model) -> int:
    with database.reading() as session:
        return session.scalar(sa.select(sa.func.count()).select_from(model)) or 0


def test_what_changed_is_as_if_only_the_later_export_had_come(
    take_in, take_out, database, settings
) -> None:
    only = take_in(LATER)
    wanted = picture(database)
    take_out(only)
    take_in(FIRST)

    batch = take_in(LATER)

    assert (batch.added, batch.unchanged, batch.changed, batch.renewed) == (1, 1, 2, 2)
    found = picture(database)
    # the customer of before is kept for the version that can come back
    assert set(wanted.pop("customers")) < set(found.pop("customers"))
    assert found == wanted
    assert count(database, ImportReject) == 0
    with database.transaction() as session:  # from scratch it is the same
        assert chain_contacts(session, settings=settings, customer_ids=None) == set()


def test_the_same_export_again_changes_nothing(take_in, database) -> None:
    take_in(FIRST)
    take_in(LATER)
    before = picture(database), count(database, ContactVersion)
    batch = take_in(LATER)
    assert (batch.added, batch.unchanged, batch.changed, batch.renewed) == (0, 4, 0, 0)
    assert (picture(database), count(database, ContactVersion)) == before


def test_of_two_rows_in_one_file_the_last_counts_however_often_it_is_read(
    take_in, database
) -> None:
    rows = [row("a", text="One."), row("b"), row("a", text="Two."), row("a", text="Three.")]
    batch = take_in(rows)
    assert (batch.added, batch.changed, batch.renewed) == (2, 2, 1)
    assert count(database, ContactVersion) == 0
    before = picture(database)
    assert any("Three." in str(text) for text in before["texts"])
    take_in(rows)
    assert picture(database) == before


@pytest.mark.parametrize("mapping", [MAPPING, LATEST], ids=["keep", "replace"])
def test_the_dry_run_counts_the_changes_that_the_import_then_makes(
    take_in, database, settings, tmp_path, mapping
) -> None:
    take_in(FIRST)
    rows = [*LATER, row("open", text="Where is my card?", handle_seconds="60"), row("new")]
    path = write(tmp_path / "later.csv", rows)
    with database.reading() as session:
        seen = preview_file(session, settings=settings, path=path, mapping=mapping, source="crm")
    batch = take_in(rows, mapping)
    counts = (batch.added, batch.unchanged, batch.changed)
    assert (seen.would_add, seen.unchanged, seen.changed) == counts
    assert batch.renewed == (0 if mapping is MAPPING else 2)


def test_an_import_taken_out_puts_the_earlier_content_back_exactly(
    take_in, take_out, database
) -> None:
    take_in(FIRST)
    before = picture(database)
    batch = take_in(LATER)
    with database.reading() as session:
        preview = preview_roll_back(session, batch_id=batch.id)
    assert (preview.contacts, preview.restored) == (1, 2)

    done = take_out(batch)

    assert (done.contacts, done.restored) == (1, 2)
    assert picture(database) == before
    assert count(database, ContactVersion) == 0


def test_the_first_import_taken_out_leaves_what_the_later_one_brought(
    take_in, take_out, database
) -> None:
    first = take_in(FIRST)
    later = take_in(LATER)
    take_out(first)
    with database.reading() as session:
        ids = session.scalars(sa.select(Contact.source_contact_id).order_by(Contact.id)).all()
        kept = session.scalars(sa.select(Customer)).all()
    assert ids == ["open", "moves", "new"]  # "same" had come with the first alone
    assert len(kept) == 2
    take_out(later)
    assert count(database, Contact) == 0
    assert count(database, ContactVersion) == 0


def test_a_version_between_two_others_can_go_alone(take_in, take_out, database) -> None:
    texts = ["My card is lost.", "My card is late.", "My card is here."]
    batches = [take_in([row("a", text=text)]) for text in texts]
    take_out(batches[1])
    assert contact_text(database) == texts[2]
    take_out(batches[2])
    assert contact_text(database) == texts[0]
    take_out(batches[0])
    assert count(database, Contact) == 0


def contact_text(database: Database) -> str:
    with database.reading() as session:
        return session.scalars(sa.select(ContactText.issue_text)).one()


def test_a_contact_loses_its_theme_only_if_what_is_embedded_changed(take_in, database) -> None:
    take_in([row("a", text="One."), row("b", text="Two.")])
    with database.transaction() as session:
        theme = make_theme(session)
        session.execute(sa.update(Contact).values(theme_id=theme.id, cluster=0))
    take_in([row("a", text="One.", csat="4"), row("b", text="Two, and more.")])
    a, b = contact(database, "a"), contact(database, "b")
    assert (a.csat, a.cluster, a.theme_id is None) == (4, 0, False)
    assert (b.cluster, b.theme_id) == (None, None)


def test_a_contact_without_customer_has_no_place_in_a_chain(take_in, database) -> None:
    take_in([row("a"), row("b", hours=24)])
    take_in([row("a", customer="")])
    with database.reading() as session:
        (link,) = session.scalars(sa.select(ContactLink))
        assert link.previous_gap_seconds is None
        assert session.scalars(sa.select(DueDay)).all() == []


def test_messages_that_are_gathered_stay_as_they_are(take_in, database) -> None:
    talk = dataclasses.replace(LATEST, session_gap_seconds=3600)
    take_in([row("a", text="One."), row("b", hours=0.5, text="Two.")], talk)
    before = picture(database)
    for mapping in (talk, LATEST):
        batch = take_in([row("a", text="Other.")], mapping)
        assert (batch.changed, batch.renewed) == (1, 0)
        assert picture(database) == before
    assert count(database, ImportReject) == 2


def test_earlier_versions_go_with_an_erased_customer(take_in, database, settings, actor) -> None:
    take_in([row("a", customer="cust-778899", text="My word is xylophone.")])
    take_in([row("a", customer="cust-5", text="Other.")])
    assert "xylophone" in everything_stored(database)
    erase_customer(
        database.transaction, settings=settings, customer_id_text="cust-778899", by=actor
    )
    if database.engine.dialect.name == "sqlite":
        database.compact()
    assert "xylophone" not in everything_stored(database)
    assert count(database, Contact) == 1
    assert count(database, ContactVersion) == 0


def test_words_of_earlier_versions_expire(take_in, database, settings) -> None:
    take_in([row("a", text="My word is xylophone.")])
    take_in([row("a", text="Other.")])
    soon = dataclasses.replace(settings, text_days=1)
    assert expire_texts(database.transaction, settings=soon, dry_run=True).texts == 2
    assert expire_texts(database.transaction, settings=soon).texts == 2
    with database.reading() as session:
        (version,) = session.scalars(sa.select(ContactVersion))
    assert (version.turns, version.issue_text, version.text_hash) == ([], "", "")


def vendor_readers() -> list[Reader]:
    """Readers of exports of one make; captions come with a table somebody made."""
    return [reader for reader in READERS if reader.mapping and reader.format != "captions"]


@pytest.mark.parametrize("reader", vendor_readers(), ids=lambda reader: reader.format)
def test_exports_of_known_systems_let_the_later_version_count(reader) -> None:
    facts = FileFacts(reader.format, "utf-8", "", False, ["contact_id"], [], [])
    wanted = "extend" if reader.format == "zendesk" else "replace"
    assert reader.mapping(facts).on_change == wanted


def test_an_export_of_what_was_said_since_adds_to_what_was_said_before(
    take_in, take_out, database
) -> None:
    extend = dataclasses.replace(LATEST, on_change="extend")
    take_in([row("a", text="My card is lost."), row("b", text="Where is my parcel?")], extend)
    before = picture(database)
    since = [row("a", text="The new card is late.", csat="5"), row("b", text="Where is my parcel")]
    batch = take_in([*since, row("c")], extend)
    assert (batch.added, batch.renewed) == (1, 2)
    with database.reading() as session:
        texts = sa.select(ContactText.issue_text).order_by(ContactText.contact_id)
        first, second, _ = session.scalars(texts)
    assert "My card is lost." in first
    assert "The new card is late." in first
    assert second == "Where is my parcel"  # the same words with other marks: told once
    assert take_in(since, extend).unchanged == 2
    take_out(batch)
    assert picture(database) == before


def test_a_later_version_without_words_takes_none_away(take_in, database) -> None:
    take_in([row("a", text="My card is lost.")])
    batch = take_in([row("a", text="", csat="2")])
    assert batch.renewed == 1
    assert contact_text(database) == "My card is lost."
    assert contact(database, "a").csat == 2


def test_the_language_goes_with_the_words_that_it_was_told_by(take_in, database) -> None:
    take_in([row("a", text="My card is lost, and nobody told me what to do about it.")])
    assert contact(database, "a").language == "en"
    take_in([row("a", text="", csat="2")])
    assert contact(database, "a").language == "en"
    take_in([row("a", text="24", csat="2")])
    assert contact(database, "a").language == ""


@pytest.mark.parametrize(
    ("before", "since", "after"),
    [
        ("ab", "abc", "abc"),  # all of it is told again, with what is new
        ("ab", "bc", "abc"),  # the last comments, and one since
        ("ab", "c", "abc"),
        ("ab", "a", "ab"),
        ("aa", "a", "aa"),  # said twice is said twice
        ("a", "aa", "aa"),
        ("", "a", "a"),
    ],
)
def test_turns_are_added_once(before, since, after) -> None:
    told = [[["customer", word] for word in words] for words in (before, since, after)]
    assert extended(told[0], told[1]) == told[2]


@pytest.mark.parametrize(
    ("before", "since", "after"),
    [
        (["Old\nhelp", "so?"], ["New\nhelp", "so?", "hm"], ["New\nhelp", "so?", "hm"]),
        (["Old\nhelp", "so?"], ["New\nhelp", "hm"], ["New\nhelp", "so?", "hm"]),
        (["Help, now", "so?"], ["New\nHelp, now"], ["New\nHelp, now", "so?"]),
        (["Old\nhelp", "so?"], ["help", "hm"], ["help", "so?", "hm"]),
        (["Old\nhelp", "so?"], ["Old\nso?", "hm"], ["Old\nhelp", "so?", "hm"]),
        (["Old\nhelp"], ["Old\nother"], ["Old\nhelp", "Old\nother"]),
        (["Old"], ["New"], ["Old", "New"]),
    ],
)
def test_a_subject_that_was_renamed_doubles_no_turn(before, since, after) -> None:
    told = [[["customer", text] for text in texts] for texts in (before, since, after)]
    assert extended(told[0], told[1], has_subject=True) == told[2]


def test_a_first_line_of_its_own_is_kept_where_no_format_puts_a_subject_there() -> None:
    told = [["customer", "Card lost\nThanks"]], [["customer", "Card came\nThanks"]]
    assert extended(*told) == [*told[0], *told[1]]


def test_the_formats_with_a_subject_are_those_that_put_one_there() -> None:
    adapters = Path(vendor_rows.__file__).parent
    calling = {p.stem for p in adapters.glob("*.py") if " with_subject(" in p.read_text()}
    assert calling - {"vendor_rows"} == WITH_SUBJECT


TICKET = {
    **{"id": 7, "requester_id": 5, "submitter_id": 5, "brand_id": 1, "status": "open"},
    **{"created_at": "2026-03-02T10:00:00Z", "generated_timestamp": 1, "raw_subject": "Card"},
    **{"via": {"channel": "email"}, "subject": "Card", "description": "It is lost.\nHelp"},
}
DESK_TICKET = {
    **{"id": 7, "requester_id": 5, "status": 2, "source": 1, "spam": False, "priority": 1},
    **{"created_at": "2026-03-02T10:00:00Z", "updated_at": "2026-03-02T10:00:00Z"},
    **{"subject": "Card", "description_text": "It is lost."},
}


@pytest.fixture
def take_tickets(database: Database, settings: Settings, actor: Actor, tmp_path: Path):
    def take(tickets: list[dict] | dict) -> ImportBatch:
        path = tmp_path / "tickets.json"
        path.write_text(json.dumps(tickets))
        return import_file(
            database.transaction,
            settings=settings,
            path=path,
            mapping=recognise_file(path).mapping,
            source="desk",
            file_name="tickets.json",
            by=actor,
        )

    return take


@pytest.fixture
def try_tickets(database: Database, settings: Settings, tmp_path: Path):
    def look(tickets: list[dict] | dict) -> ImportPreview:
        path = tmp_path / "tickets.json"
        path.write_text(json.dumps(tickets))
        mapping = recognise_file(path).mapping
        with database.reading() as session:
            return preview_file(
                session, settings=settings, path=path, mapping=mapping, source="desk"
            )

    return look


def test_a_ticket_whose_subject_was_renamed_says_its_description_once(
    take_tickets, database
) -> None:
    for subject in ("Card", "Lost card, in work"):
        batch = take_tickets({"tickets": [{**TICKET, "subject": subject}]})
    assert batch.renewed == 1
    with database.reading() as session:
        (turns,) = session.scalars(sa.select(ContactText.turns))
    assert turns == [["customer", "Lost card, in work\nIt is lost.\nHelp"]]


@pytest.mark.parametrize(
    ("first", "gone"),
    [
        ({"tickets": [TICKET]}, {"tickets": [{**TICKET, "status": "deleted"}]}),
        ([DESK_TICKET], [{**DESK_TICKET, "spam": True}]),
        ([DESK_TICKET], [{**DESK_TICKET, "deleted": True}]),
    ],
)
def test_a_ticket_that_is_here_and_was_deleted_since_is_told(
    take_tickets, try_tickets, settings, actor, database, first, gone
) -> None:
    other = json.loads(json.dumps(gone).replace('"id": 7', '"id": 8'))
    assert try_tickets(other).withdrawn == 0
    alone = take_tickets(other)  # deleted before it ever came in: nothing to say
    assert (alone.rows_read, alone.changed, count(database, ImportReject)) == (1, 0, 0)
    take_tickets(first)

    tried, batch = try_tickets(gone), take_tickets(gone)

    assert (tried.withdrawn, tried.changed, tried.would_change) == (1, 1, 0)
    assert (batch.rows_read, batch.added, batch.changed, batch.rejected) == (1, 0, 1, 0)
    assert "1 contact that is here is deleted or spam in the source by now" in batch.message
    assert count(database, Contact) == 1
    with database.reading() as session:
        (note,) = session.scalars(sa.select(ImportReject))
        counts = count_rejects(session, batch.id)
    assert (note.code, note.line) == ("withdrawn", 1)
    assert note.reason.startswith("The contact 7 is deleted or spam in its source by now.")
    assert (counts.withdrawn, counts.kept) == (1, 0)

    erase_customer(database.transaction, settings=settings, customer_id_text="5", by=actor)
    assert count(database, ImportReject) == 0
