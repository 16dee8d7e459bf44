"""Broken exports all the way into the database: whole contacts or reasons, and counts add up."""

from __future__ import annotations

import itertools
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from closedloop.adapters.bundle import open_bundle
from closedloop.adapters.contacts import read_contacts
from closedloop.adapters.registry import recognise
from closedloop.adapters.types import ParsedContact, UnreadableFile
from closedloop.domain.audit import COMMAND_LINE
from closedloop.domain.errors import Refusal
from closedloop.models import Contact, ContactText, DueDay, ImportBatch, ImportReject
from closedloop.models.imports import BatchState
from closedloop.services.contacts import import_file
from tests.adapters.fuzz import EXAMPLES, NOW, broken_versions, fuzzed, mapping_of, write_files

FIXTURES = Path(__file__).parents[1] / "adapters/fixtures"
EXPORTS = ("csv", "json", "zendesk", "intercom", "captions")
SOURCES = itertools.count()

some = settings(fuzzed, max_examples=max(12, EXAMPLES // 5))
"""Each goes through a database, which takes its time."""


def parsed_by(path: Path) -> tuple[object, list[ParsedContact]] | None:
    """Return how a person would read files, and the contacts in them; None where none would."""
    try:
        with open_bundle(path) as bundle:
            reader, facts = recognise(bundle)
            mapping = mapping_of(reader, facts)
            outcomes = list(read_contacts(bundle, facts, mapping, now=NOW))
    except UnreadableFile:
        return None
    return mapping, [outcome for outcome in outcomes if isinstance(outcome, ParsedContact)]


@pytest.mark.parametrize("export", EXPORTS)
@some
@given(data=st.data())
def test_of_a_broken_export_whole_contacts_come_in_or_none(
    database, settings, export, data
) -> None:
    files = data.draw(broken_versions(FIXTURES / export))
    source = f"{export} {next(SOURCES)}"
    with tempfile.TemporaryDirectory(prefix="closedloop-fuzz-") as directory:
        path = write_files(files, Path(directory))
        read = parsed_by(path)
        if read is None:
            return
        mapping, parsed = read
        with suppress(Refusal):
            import_file(
                database.transaction,
                settings=settings,
                path=path,
                mapping=mapping,
                source=source,
                file_name="broken",
                by=COMMAND_LINE,
            )

    with database.reading() as session:
        batch = session.scalar(sa.select(ImportBatch).where(ImportBatch.source == source))
        stored = session.scalars(sa.select(Contact).where(Contact.source == source)).all()
        texts = sa.select(ContactText.contact_id).join(Contact).where(Contact.source == source)
        with_text = {*session.scalars(texts)}
        assert session.scalar(sa.select(sa.func.count()).select_from(DueDay)) == 0
        if batch is None or batch.state is not BatchState.DONE:
            assert stored == []
            return
        of_batch = ImportReject.batch_id == batch.id
        notes = session.scalar(sa.select(sa.func.count(ImportReject.id)).where(of_batch))
    by_id: dict[str, list[ParsedContact]] = {}
    for contact in parsed:
        by_id.setdefault(contact.contact_id, []).append(contact)
    assert len(stored) == batch.added == len(by_id)
    assert batch.added + batch.unchanged + batch.changed == len(parsed)
    assert len(parsed) + batch.rejected <= batch.rows_read
    assert batch.rejected <= notes <= batch.rejected + batch.changed
    assert batch.unidentified == sum(contact.customer_id is None for contact in stored)
    assert all(contact.content_hash and contact.local_day for contact in stored)
    for contact in stored:
        versions = by_id.get(contact.source_contact_id)
        if versions is None:  # its id was somebody's address, and is a hash
            continue
        assert any(
            contact.started_at == v.started_at and (contact.id in with_text) == bool(v.turns)
            for v in versions
        )
