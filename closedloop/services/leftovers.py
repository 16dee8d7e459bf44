"""What is asked of contacts in no theme: the goal of coverage, and the theme nearest to each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.config import Settings
from closedloop.domain.audit import Actor
from closedloop.domain.clock import today
from closedloop.domain.errors import Invalid
from closedloop.domain.leftovers import COVERAGE_GOAL
from closedloop.domain.themes import GONE_STATUSES
from closedloop.models import ContactText, EncodedText, MetricGoal, Theme
from closedloop.queries.site import get_data_span
from closedloop.services.audit import record_event
from closedloop.services.definitions import Model, ThemeMaker, find_current_set, own_maker
from closedloop.services.encoding import unpack

JUST_MISSED = 0.99
"""What misses a theme by less is rounded down to this, so that nobody reads 100 %."""


@dataclass(frozen=True)
class Nearest:
    """The theme a contact is nearest to.

    Attributes
    ----------
    key, name : str
    nearness : float
        0 to 1: similarity to the theme as a share of what membership takes; 1 only where it is
        near enough, at most `JUST_MISSED` where it is not.
    """

    key: str
    name: str
    nearness: float


def set_coverage_goal(
    session: Session, *, settings: Settings, goal: float, by: Actor
) -> MetricGoal:
    """Set which share of the contacts with text shall be in a theme, from now on.

    It holds from the last day of the data, which is the day coverage is told for, but never from
    a day to come.

    Parameters
    ----------
    settings : Settings
    goal : float
        Share, above 0 to 1.
    by : Actor

    Raises
    ------
    Invalid
    """
    if not (math.isfinite(goal) and 0 < goal <= 1):
        sentence = "Give the goal as a number above 0 and up to 100 per cent, for example 80."
        raise Invalid(sentence, {"goal": sentence})
    running = today(settings.reporting_zone)
    valid_from = min(running, get_data_span(session).last_day or running)
    row = MetricGoal(metric=COVERAGE_GOAL, valid_from=valid_from, goal=goal, set_by=by.name)
    session.add(row)
    session.flush()  # readers of this transaction see it
    record_event(
        session,
        by=by,
        verb="themes.coverage_goal_set",
        target_kind="site",
        target_id=None,
        summary=f"set the goal of coverage to {goal:.0%} from {valid_from} on",
        detail={"goal": goal, "valid_from": valid_from.isoformat()},
    )
    return row


def find_nearest(
    session: Session, *, contact_ids: Sequence[int], maker: ThemeMaker | None = None
) -> dict[int, Nearest]:
    """Return the theme in use that each contact is nearest to, by the definitions in force.

    Contacts whose text says nothing or has no vector yet are left out, as are those that are
    like no theme at all. Meant for one page of contacts; nothing is encoded.

    Parameters
    ----------
    contact_ids : sequence of int
    maker : ThemeMaker, optional
        Tests pass a small one.
    """
    current = find_current_set(session, with_model=True)
    if current is None or not contact_ids:
        return {}
    rows = _read_vectors(session, current.encoder, contact_ids)
    themes = {
        theme: (key, name)
        for theme, key, name in session.execute(
            sa.select(Theme.id, Theme.key, Theme.name).where(Theme.status.not_in(GONE_STATUSES))
        )
    }
    labels = [label for label, theme in enumerate(current.label_themes) if theme in themes]
    if not rows or not labels:
        return {}
    model = maker.read_model(current.model) if maker else _read_model(current.model)
    nearness = model.nearness(unpack(list(rows.values())))[:, labels]
    best = nearness.argmax(axis=1)
    found: dict[int, Nearest] = {}
    for place, contact in enumerate(rows):
        near = float(nearness[place, best[place]])
        if near > 0 and np.isfinite(near):
            key, name = themes[current.label_themes[labels[int(best[place])]]]
            found[contact] = Nearest(key, name, 1.0 if near >= 1 else min(near, JUST_MISSED))
    return found


def _read_vectors(session: Session, encoder: str, contact_ids: Sequence[int]) -> dict[int, bytes]:
    # two statements, each by a primary key: of a join SQLite would read every vector there is
    texts = sa.select(ContactText.contact_id, ContactText.text_hash).where(
        ContactText.contact_id.in_(contact_ids), ContactText.issue_text != ""
    )
    hashes = {row.contact_id: row.text_hash for row in session.execute(texts)}
    stored = sa.select(EncodedText.text_hash, EncodedText.vector).where(
        EncodedText.encoder == encoder, EncodedText.text_hash.in_(sorted(set(hashes.values())))
    )
    vectors = {row.text_hash: row.vector for row in session.execute(stored)}
    return {
        contact: vectors[text_hash] for contact, text_hash in hashes.items() if text_hash in vectors
    }


@lru_cache(maxsize=2)
def _read_model(content: bytes) -> Model:
    """Return the model of a set; sets never change, and the next page asks for the same one."""
    return own_maker().read_model(content)
