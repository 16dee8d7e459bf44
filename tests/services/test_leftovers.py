from __future__ import annotations

from datetime import UTC, date, datetime
from types import SimpleNamespace

import numpy as np
import pytest
import sqlalchemy as sa

from closedloop.domain.clock import as_if
from closedloop.domain.errors import Invalid
from closedloop.models import AuditEvent, ContactText, EncodedText
from closedloop.queries.leftovers import get_coverage
from closedloop.services.definitions import ThemeMaker, add_set
from closedloop.services.leftovers import find_nearest, set_coverage_goal
from tests.factories.contacts import make_contact
from tests.factories.themes import make_theme


def maker_of(nearness: float) -> ThemeMaker:
    """A maker whose model finds every text this near its one theme."""
    model = SimpleNamespace(nearness=lambda vectors: np.full((len(vectors), 1), nearness))
    return ThemeMaker(None, None, lambda _: model, None)


@pytest.mark.parametrize(
    ("near", "shown"),
    [(0.25, 0.25), (0.98, 0.98), (0.9951, 0.99), (0.999_999, 0.99), (1.0, 1.0), (1.7, 1.0)],
)
def test_a_contact_that_just_misses_a_theme_is_never_said_to_be_wholly_near_it(
    session, near, shown
) -> None:
    theme = make_theme(session)
    contact = make_contact(session, text="My card did not come.")
    text_hash = session.scalars(
        sa.select(ContactText.text_hash).where(ContactText.contact_id == contact.id)
    ).one()
    vector = np.ones(4, np.float32).tobytes()
    session.add(EncodedText(text_hash=text_hash, encoder="e@1", vector=vector))
    add_set(
        session, model=b"m", encoder="e@1", label_themes=[theme.id], run_id=None, reason="First"
    )

    found = find_nearest(session, contact_ids=[contact.id], maker=maker_of(near))[contact.id]

    assert (found.key, found.nearness) == (theme.key, shown)
    assert (f"{found.nearness:.0%}" == "100%") is (near >= 1)


@pytest.mark.parametrize(
    ("day", "holds_from"),
    [(None, date(2026, 5, 12)), (4, date(2026, 5, 4)), (14, date(2026, 5, 12))],
)
def test_a_goal_holds_from_the_last_day_of_the_data_but_no_day_to_come(
    session, settings, actor, day, holds_from
):
    if day is not None:
        make_contact(session, started_at=datetime(2026, 5, day, 10, tzinfo=UTC))
    with as_if(datetime(2026, 5, 12, 9, tzinfo=UTC)):
        row = set_coverage_goal(session, settings=settings, goal=0.7, by=actor)

    assert row.valid_from == holds_from
    assert get_coverage(session, last_day=holds_from).goal == 0.7
    assert session.scalars(sa.select(AuditEvent.verb)).all() == ["themes.coverage_goal_set"]


@pytest.mark.parametrize("goal", [0.0, -0.2, 1.0001, float("nan"), float("inf")])
def test_a_goal_that_is_no_share_is_refused(session, settings, actor, goal):
    with pytest.raises(Invalid, match="above 0 and up to 100"):
        set_coverage_goal(session, settings=settings, goal=goal, by=actor)
