"""Many values and ids at once, on the database at hand."""

from __future__ import annotations

from itertools import pairwise

import sqlalchemy as sa

from closedloop.models import Contact
from closedloop.services.bulk import among, is_postgresql, read_columns, take_ids
from tests.factories.contacts import make_contact

IDS = [
    "plain",
    "",
    "NULL",
    'say "hi"',
    "back\\slash",
    "a,b",
    "{c}",
    "line\nbreak",
    "ačiū 你好",
    "'",
]


def test_contacts_are_found_by_ids_whatever_these_are_written_with(session):
    for name in IDS:
        make_contact(session, source_contact_id=name)
    column = Contact.source_contact_id
    for wanted in (IDS, IDS[:1], IDS[3:5], []):
        found = session.scalars(sa.select(column).where(among(session, column, wanted)))
        assert sorted(found) == sorted(wanted)
    assert not list(session.scalars(sa.select(column).where(among(session, column, ["hi", "c"]))))


def test_contacts_are_read_as_columns_by_ids_whatever_these_are_written_with(session):
    for name in [*IDS, "50%", "50%%"]:
        make_contact(session, source_contact_id=name)
    column = Contact.source_contact_id
    for wanted in (IDS, ["50%"]):
        found = read_columns(session, sa.select(column).where(among(session, column, wanted)))
        assert sorted(found["source_contact_id"].spelled()) == sorted(wanted)


def test_ids_are_taken_once_also_where_they_do_not_follow_each_other(session):
    table = Contact.__table__
    ids = take_ids(session, table, 5)
    assert ids == sorted(set(ids))
    assert take_ids(session, table, 0) == []
    if is_postgresql(session):
        name = session.scalar(sa.func.pg_get_serial_sequence("contacts", "id"))
        session.execute(sa.text(f"ALTER SEQUENCE {name} INCREMENT BY 3"))
        apart = take_ids(session, table, 4)
        assert [after - before for before, after in pairwise(apart)] == [3] * 3
        assert not set(apart) & set(ids)
