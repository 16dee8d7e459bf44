"""What discovery tells the maker of themes beside the texts; the rest is in test_themes."""

from __future__ import annotations

import contextlib
import dataclasses

import pytest
import sqlalchemy as sa

from closedloop.domain.errors import Invalid
from closedloop.jobs import work
from closedloop.models import RunPart, Theme, ThemeRun
from closedloop.services.run_choices import queue_look
from closedloop.services.themes import discover_themes
from tests.factories.histories import add_contacts
from tests.factories.theme_maker import Discoverer, WordEncoder, make_maker


def test_how_much_words_count_is_left_to_what_finds_themes_and_knows_the_encoder(
    database, settings, actor
):
    add_contacts(
        database, settings, {"CARD": 9, "REFUND": 8}, tag="has not been with me since then, "
    )
    encoder, find, given = WordEncoder(), Discoverer(), []
    encoder.languages = {"lt"}

    def discover(texts, *, encoder, **options):
        given.append((encoder, options))
        return find(texts, encoder=encoder, **options)

    maker = dataclasses.replace(make_maker(encoder), discover=discover)
    discover_themes(database.transaction, maker=maker, settings=settings, by=actor)

    assert given[0][0] is encoder
    assert "lexical_weight" not in given[0][1]


def test_steps_finer_reach_what_finds_themes_and_the_manifest(database, settings, actor):
    add_contacts(database, settings, {"CARD": 9, "REFUND": 8})
    find = Discoverer()
    values = {"settings": settings, "by": actor, "maker": make_maker(discover=find)}
    for finer in (0, -2):
        discover_themes(database.transaction, finer=finer, **values)
    with pytest.raises(Invalid, match="from -2"):
        discover_themes(database.transaction, finer=3, **values)

    assert [call.get("finer") for call in find.calls] == [None, -2]
    with database.reading() as session:
        runs = session.scalars(sa.select(ThemeRun).order_by(ThemeRun.id)).all()
    assert [run.manifest["finer"] for run in runs] == [0, -2]


def test_what_only_one_customer_says_neither_names_nor_describes_what_is_found(
    database, settings, actor
):
    add_contacts(database, settings, {"CARD": 1}, tag="hendrickson", contacts_each=6)
    add_contacts(database, settings, {"CARD": 8, "REFUND": 8}, tag="late")
    find = Discoverer()

    def discover(texts, **options):
        found = find(texts, **options)
        for theme in found.themes:
            theme.keywords = ("hendrickson0", *theme.keywords, "late")
            theme.name = f"Hendrickson0, {theme.name}"
        return found

    maker = make_maker(discover=discover)
    discover_themes(database.transaction, settings=settings, by=actor, maker=maker)

    with database.reading() as session:
        themes = {row.name: row.keywords for row in session.scalars(sa.select(Theme))}
        parts = session.scalars(sa.select(RunPart)).all()
    assert themes == {"Card, late": ["card", "late"], "Refund, late": ["refund", "late"]}
    assert not any("endrickson" in str(vars(part)) for part in parts)


def test_a_queued_look_is_as_fine_as_it_was_asked_to_be(database, settings, actor, monkeypatch):
    given = []
    monkeypatch.setattr(work, "discover_themes", lambda *_, **values: given.append(values["finer"]))
    with database.transaction() as session:
        arguments = [queue_look(session, finer=n, by=actor).arguments for n in (0, 2)]
    for one in arguments:
        with contextlib.suppress(AttributeError):  # the double gives no result to tell of
            work.discover(database, settings, one, actor, print)
    assert given == [0, 2]
