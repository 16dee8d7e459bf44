"""How far the data reach is asked once a request."""

from __future__ import annotations

from datetime import date

from closedloop.web.spans import data_cut, data_span
from tests.factories.contacts import make_contact
from tests.statements import count_statements


def test_the_span_is_read_once_a_request_and_cut_at_the_last_whole_day(app, session, database):
    make_contact(session, local_day=date(2026, 3, 2))
    session.commit()
    engine = app.extensions["closedloop_database"].engine

    with app.test_request_context("/"), count_statements(engine) as seen:
        assert data_cut() == date(2026, 3, 2)
        assert data_span().first_day == date(2026, 3, 2)
    assert sum("contacts.local_day" in statement for statement in seen) == 1

    make_contact(session, local_day=date(2026, 3, 4))
    session.commit()
    with app.test_request_context("/"):
        assert data_span().last_day == date(2026, 3, 4)
