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
