from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import sqlalchemy as sa

from closedloop.models import ContactText, EncodedText
from closedloop.services.definitions import ThemeMaker, add_set
from closedloop.services.leftovers import find_nearest
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
