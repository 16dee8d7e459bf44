"""Whatever people do in whatever order: undoing it all, newest first, restores every byte."""

from __future__ import annotations

import random

import pytest
import sqlalchemy as sa

from closedloop.domain.errors import Refusal
from closedloop.models import Contact
from tests.factories.histories import add_contacts, theme_named
from tests.factories.theme_maker import Discoverer, make_maker
from tests.services.test_curation import Site, _without

STEPS = 8


@pytest.fixture
def site(database, settings, actor):
    """Three themes, one of them of two things."""
    add_contacts(database, settings, {"CARD": 7, "REFUND": 6, "PIN": 6})
    add_contacts(database, settings, {"CARD APPLE apple pay wallet": 6}, tag="w")
    found = Site(database, settings, actor)
    found.maker = make_maker(discover=_without(Discoverer(), "APPLE"))
    found.discover()
    found.ids = {name: theme_named(database, name).id for name in ("Card", "Refund", "Pin")}
    return found


def _members(site, name):
    with site.database.reading() as session:
        place = site.ids.get(name)
        query = sa.select(Contact.id).where(Contact.theme_id.is_not_distinct_from(place))
        return list(session.scalars(query.order_by(Contact.id)))


def _one_step(site, chance, number):
    """Do one thing at random; return what takes it back, None where it made no sense."""
    names = [*site.ids, "nowhere"]
    source, other = chance.choice(names), chance.choice(names)
    members = _members(site, source)
    picked = chance.sample(members, min(len(members), chance.choice((1, 3, 10, 14))))
    verb = chance.choice(("move",) * 4 + ("split",) * 4 + ("retire", "restore", "restore", "merge"))
    try:
        if verb == "move":
            return site.undo, site.move(picked, source, other)
        if verb == "merge":
            return site.undo_merge, site.merge(source, other)
        if verb == "split":
            return site.undo, site.split(picked, source, f"Part {number}")
        return site.undo, getattr(site, verb)(source)
    except (Refusal, KeyError):
        return None


@pytest.mark.parametrize("seed", range(8))
def test_undoing_everything_newest_first_restores_every_byte(site, seed):
    chance = random.Random(seed)
    stack = []
    for number in range(STEPS * 4):
        before = site.snapshot()
        done = _one_step(site, chance, number)
        if done is None:
            assert site.snapshot() == before
            continue
        stack.append((before, done))
        if chance.random() < 0.3:
            after = site.snapshot()
            site.assign(everything=True)
            assert site.snapshot() == after  # a round finds everything where people put it
        if chance.random() < 0.2:
            before, (undo, change) = stack.pop()
            undo(change)
            assert site.snapshot() == before
        if len(stack) == STEPS:
            break
    assert len(stack) > 2
    for before, (undo, change) in reversed(stack):
        undo(change)
        assert site.snapshot() == before
