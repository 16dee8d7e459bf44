"""A look is kept for reading while nothing changes, and no longer."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from closedloop.domain.audit import ActorKind
from closedloop.models import AuditEvent
from closedloop.services import kept_looks
from closedloop.services.change_previews import ChangePreview
from closedloop.services.kept_looks import look_once

AT = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.fixture
def looks():
    """Give a look that counts how often it was made."""
    made: list[int] = []

    def look() -> ChangePreview:
        made.append(1)
        return ChangePreview((len(made),), 0, None, 0, ())

    look.made = made
    return look


def add_event(session, number: int) -> None:
    session.add(
        AuditEvent(
            id=number,
            at=AT,
            actor_kind=ActorKind.PERSON,
            actor_name="Ada",
            verb="themes.renamed",
            target_kind="theme",
            summary="renamed it",
        )
    )
    session.flush()


def test_nothing_is_looked_at_twice_until_something_changes(session, looks):
    add_event(session, 7)

    first = look_once(session, ("parts", 1), None, looks)
    assert look_once(session, ("parts", 1), None, looks) == first
    assert look_once(session, ("parts", 2), None, looks) != first
    add_event(session, 8)
    assert look_once(session, ("parts", 1), None, looks) != first


def test_an_event_that_was_begun_earlier_and_is_seen_later_counts(session, looks):
    add_event(session, 8)
    before = look_once(session, ("parts", 1), None, looks)

    add_event(session, 7)

    assert look_once(session, ("parts", 1), None, looks) != before


def test_looks_of_a_site_that_changed_are_let_go(session, looks):
    kept_looks._LOOKS.clear()
    look_once(session, ("parts", 1), None, looks)
    look_once(session, ("parts", 2), None, looks)
    add_event(session, 7)

    look_once(session, ("parts", 3), None, looks)

    assert len(kept_looks._LOOKS) == 1
