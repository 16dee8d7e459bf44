"""A file that comes again under the name of another system is told before it counts twice."""

from __future__ import annotations

import gzip
from dataclasses import replace

import pytest

from closedloop.adapters.mapping import Mapping
from closedloop.domain.errors import Invalid
from closedloop.services.contacts import import_file
from closedloop.services.rollback import roll_back_import
from closedloop.services.same_contacts import find_other_source, refuse_second_source

ROWS = [f"{n},2026-03-{n:02d} 10:00,c{n}" for n in range(1, 21)]
MAPPING = Mapping({"contact_id": "id", "started_at": "at", "customer_id": "who"}, zone="UTC")


@pytest.fixture
def file(tmp_path):
    return write(tmp_path / "contacts.csv", ROWS)


def write(path, rows):
    path.write_text("\n".join(["id,at,who", *rows, ""]))
    return path


@pytest.fixture
def first(database, settings, actor, file):
    """The import that brought the file as that of the help desk."""
    return import_file(
        database.transaction,
        settings=settings,
        path=file,
        mapping=MAPPING,
        source="desk",
        file_name=file.name,
        by=actor,
    )


@pytest.fixture
def find(session, settings):
    return lambda path, source="other", mapping=MAPPING: find_other_source(
        session, settings=settings, path=path, mapping=mapping, source=source
    )


def test_the_same_bytes_under_another_name_are_those_of_the_first_source(first, find, tmp_path):
    assert find(write(tmp_path / "copy.csv", ROWS)) == "desk"


def test_the_same_bytes_are_known_whatever_the_mapping_says(first, find, file):
    assert find(file, mapping=replace(MAPPING, zone="Asia/Jakarta")) == "desk"
    assert find(file, mapping=Mapping({})) == "desk"


def test_a_packed_copy_and_one_that_has_grown_are_known_by_their_contacts(first, find, tmp_path):
    packed = tmp_path / "contacts.csv.gz"
    packed.write_bytes(gzip.compress("\n".join(["id,at,who", *ROWS, ""]).encode()))
    assert find(packed) == "desk"
    assert find(write(tmp_path / "april.csv", [*ROWS, "21,2026-04-01 10:00,c1"])) == "desk"


def test_a_file_of_its_own_source_and_one_with_the_same_ids_of_other_contacts_are_no_copies(
    first, find, file, tmp_path
):
    assert find(file, source="desk") is None
    assert find(write(tmp_path / "a.csv", [row.replace("10:00", "11:30") for row in ROWS])) is None


def test_a_file_that_was_taken_out_again_may_come_under_another_name(
    first, find, file, database, settings, actor
):
    roll_back_import(database.transaction, settings=settings, batch_id=first.id, by=actor)
    assert find(file) is None


def test_the_refusal_names_both_sources_and_what_to_do(first, session, settings, file):
    how = {"settings": settings, "path": file, "mapping": MAPPING, "source": "other"}
    said = "of “desk”; as those of “other” they would count twice"
    with pytest.raises(Invalid, match=said) as refused:
        refuse_second_source(session, **how)
    assert "source" in refused.value.fields
