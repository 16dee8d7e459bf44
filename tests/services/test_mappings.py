"""Mappings by name: saved once, found by the columns they were made on."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from closedloop.adapters.mapping import Mapping
from closedloop.domain.errors import Conflict, Invalid, NotFound
from closedloop.models import AuditEvent, ImportBatch, SavedMapping
from closedloop.queries.mappings import find_mapping, find_mappings_for, get_mapping, list_mappings
from closedloop.services.mappings import delete_mapping, rename_mapping, save_mapping
from tests.factories.contacts import make_batch

HEADER = ["Ticket", "Opened", "Who"]
MAPPING = Mapping({"contact_id": "Ticket", "started_at": "Opened"}, source="desk")


@pytest.fixture
def save(session, actor):
    def run(name="Desk", mapping=MAPPING, header=HEADER, format="csv", **values):
        return save_mapping(
            session, name=name, format=format, header=header, mapping=mapping, by=actor, **values
        )

    return run


def test_a_mapping_is_found_by_its_columns_in_any_order_and_its_format(session, save) -> None:
    save()

    (found,) = find_mappings_for(session, format="csv", header=["Who", "Ticket", "Opened"])
    assert (found.name, found.saved_by, found.last_used_at) == ("Desk", "Priya Nair", None)
    assert Mapping.from_dict(found.mapping) == MAPPING
    assert find_mappings_for(session, format="csv", header=["Ticket", "Opened"]) == []
    assert find_mappings_for(session, format="xlsx", header=HEADER) == []


def test_the_one_used_last_comes_first(session, save) -> None:
    for name, day in (("Old", 1), ("New", 9), ("Middle", 5)):
        save(name)
        batch = make_batch(session)
        batch.mapping_name, batch.started_at = name, datetime(2026, 3, day, tzinfo=UTC)
    session.flush()

    found = find_mappings_for(session, format="csv", header=HEADER)
    assert [m.name for m in found] == ["New", "Middle", "Old"]
    assert [m.name for m in list_mappings(session)] == ["Middle", "New", "Old"]
    assert found[0].last_used_at == datetime(2026, 3, 9, tzinfo=UTC)


def test_saving_the_same_again_changes_nothing_and_another_one_needs_to_be_meant(
    session, save
) -> None:
    first = save()
    assert save(name="  Desk ").id == first.id
    other = Mapping({"contact_id": "Ticket", "started_at": "Opened"}, source="other")
    with pytest.raises(Conflict, match="another mapping called “Desk”"):
        save(mapping=other)

    save(mapping=other, replace=True)

    assert get_mapping(session, "Desk").mapping["source"] == "other"
    assert session.scalar(sa.select(sa.func.count(SavedMapping.id))) == 1
    verbs = session.scalars(sa.select(AuditEvent.verb).order_by(AuditEvent.id)).all()
    assert verbs == ["contacts.mapping_saved", "contacts.mapping_replaced"]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("", "a name of at most 80"),
        ("March.Export", "mark whole exports"),
        ("x" * 81, "a name of at most 80"),
        ("../etc", "has none of"),
        (".hidden", "no dot in front"),
        ("a\\b", "has none of"),
        ("Done", "folder for files that were read"),
        ("a\x00b", "has none of"),
    ],
)
def test_a_name_that_cannot_be_a_folder_is_refused(save, session, name, sentence) -> None:
    with pytest.raises(Invalid, match=sentence):
        save(name)
    assert list_mappings(session) == []


def test_a_mapping_that_cannot_read_its_file_is_refused_with_the_columns_of_the_file(
    save, session
) -> None:
    with pytest.raises(Invalid, match=r"mapped to started_at.*columns “Ticket”, “Opened”, “Who”"):
        save(mapping=Mapping({"contact_id": "Ticket"}))
    assert list_mappings(session) == []


def test_a_new_name_goes_with_the_imports_and_a_deleted_one_leaves_them(
    session, save, actor
) -> None:
    save()
    save("Taken")
    batch = make_batch(session)
    batch.mapping_name = "Desk"
    with pytest.raises(Conflict, match="called “Taken”"):
        rename_mapping(session, name="Desk", new_name="Taken", by=actor)

    rename_mapping(session, name="Desk", new_name="Help desk", by=actor)
    session.expire_all()
    assert get_mapping(session, "Help desk").last_used_at is not None
    assert find_mapping(session, "Desk") is None

    delete_mapping(session, name="Help desk", by=actor)
    session.flush()
    assert [m.name for m in list_mappings(session)] == ["Taken"]
    assert session.scalar(sa.select(sa.func.count(ImportBatch.id))) == 1


def test_an_unknown_name_is_answered_with_those_there_are(session, save, actor) -> None:
    with pytest.raises(NotFound, match="None has been saved yet"):
        get_mapping(session, "Desk")
    save()
    with pytest.raises(NotFound, match="Saved are: Desk"):
        get_mapping(session, "Desks")
    with pytest.raises(NotFound):
        delete_mapping(session, name="Desks", by=actor)
