"""The database: what an error of it says is for the log, and the log is for no customer's words."""

from __future__ import annotations

import traceback

import pytest
import sqlalchemy as sa

from closedloop.models import ContactText
from tests.factories.contacts import make_contact


def test_an_error_of_the_database_tells_no_words_of_a_customer(database, session):
    contact = make_contact(session, text=None)
    session.commit()
    row = {
        "contact_id": contact.id,
        "turns": [["customer", "my card was eaten"]],
        "issue_text": "my card was eaten",
        "text_hash": None,
    }

    with pytest.raises(sa.exc.IntegrityError) as raised, database.transaction() as writing:
        writing.execute(sa.insert(ContactText.__table__), [row])

    told = "".join(traceback.format_exception(raised.value))
    assert "text_hash" in told
    assert "eaten" not in told


def test_a_log_that_somebody_reads_from_is_said_not_to_be_emptied(database, session):
    if session.get_bind().dialect.name != "sqlite":
        pytest.skip("The log of PostgreSQL is its own.")
    make_contact(session, text="my card was eaten")
    session.commit()

    with database.reading() as reader:
        reader.connection().exec_driver_sql("PRAGMA busy_timeout = 1")
        reader.scalar(sa.select(sa.func.count()).select_from(ContactText))
        make_contact(session, source_contact_id="later", text=None)
        session.commit()
        raw = database.engine.raw_connection()  # the next one that `compact` takes is this one
        raw.execute("PRAGMA busy_timeout = 1").close()
        raw.close()
        assert not database.compact()

    assert database.compact()
