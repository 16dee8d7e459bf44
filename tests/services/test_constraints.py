"""Corrections as pairs for the next discovery: what is passed on, and what is left out."""

from __future__ import annotations

import hashlib

import pytest
import sqlalchemy as sa

from closedloop.domain.themes import ThemeStatus
from closedloop.models import ThemeCorrection, ThemeRun
from closedloop.services.constraints import read_links, tell_honoured
from tests.factories.contacts import make_batch, make_contact
from tests.factories.histories import add_contacts, theme_named
from tests.factories.rollups import make_evidence
from tests.factories.themes import make_theme
from tests.services.test_curation import Site

TEXTS = ["card lost", "card gone", "refund late", "refund  late", "pin wrong", "card old"]


@pytest.fixture
def pool(session):
    """Two themes and six texts that a run reads; texts 2 and 3 are equal once in plain form."""
    batch = make_batch(session)
    card, refund = make_theme(session, ThemeStatus.TRIAGED), make_theme(session)
    contacts = [make_contact(session, text=text, batch=batch) for text in TEXTS]

    def say(place, theme, belongs):
        session.add(
            ThemeCorrection(
                theme_id=theme.id,
                contact_id=contacts[place].id,
                text_hash=_hash(TEXTS[place]),
                belongs=belongs,
                said_by="Priya",
            )
        )
        session.flush()

    def read(themes=None):
        return read_links(
            session,
            hashes=[_hash(text) for text in TEXTS],
            texts=TEXTS,
            themes=themes or [None] * len(TEXTS),
        )

    return card, refund, say, read, contacts


def _hash(text):
    return hashlib.sha256(text.encode()).hexdigest()


def test_nothing_said_passes_nothing_on(pool):
    assert pool[3]().as_arguments() == {}


def test_texts_said_to_belong_to_one_theme_must_be_together(pool):
    card, refund, say, read, _ = pool
    for place in (0, 1, 5):
        say(place, card, True)
    say(4, refund, True)
    assert read().must_link == ((0, 1), (0, 5))


def test_a_stranger_is_kept_apart_from_who_belongs_else_from_typical_else_from_members(
    pool, session
):
    card, _, say, read, contacts = pool
    say(4, card, False)
    assert read().not_read == 1  # nothing of the theme is read
    assert read([card.id, None, None, None, card.id, card.id]).cannot_link == ((4, 0), (4, 5))
    make_evidence(session, card, contacts[1])
    assert read([card.id] * 6).cannot_link == ((4, 1),)
    say(5, card, True)
    assert read().cannot_link == ((4, 5),)


def test_texts_that_belong_to_a_theme_must_be_with_its_most_typical_text(pool, session):
    card, _, say, read, contacts = pool
    say(4, card, True)
    say(5, card, True)
    assert read([card.id] * 6).must_link == ((4, 5), (4, 0))
    make_evidence(session, card, contacts[1])
    assert read([card.id] * 6).must_link == ((4, 5), (4, 1))


def test_of_what_was_said_of_themes_that_are_one_by_now_the_last_word_is_passed_on(pool, session):
    card, refund, say, read, _ = pool
    say(0, refund, True)
    say(1, card, True)
    refund.status, refund.merged_into_id = ThemeStatus.MERGED, card.id
    say(0, card, False)
    links = read()
    assert (links.must_link, links.cannot_link) == ((), ((0, 1),))


def told(links, labels, words):
    """The numbers honoured, and why the others were not."""
    found = tell_honoured(links, labels)
    assert found["said"] == found["honoured"] + len(found["missed"])
    assert found["sentence"] == words
    return found["ids"], [tuple(row) for row in found["missed"]]


def test_what_is_honoured_is_what_the_clusters_of_the_run_say(pool, session):
    card, refund, say, read, contacts = pool
    themes = [card.id, card.id, refund.id, refund.id, card.id, refund.id]
    say(4, card, False)
    say(5, card, True)
    first, second = session.scalars(sa.select(ThemeCorrection.id).order_by(ThemeCorrection.id))
    make_evidence(session, card, contacts[0])
    links = read(themes)
    # 4 is kept apart from 5, who belongs there; 5 is looked for beside 0, who is typical.
    assert links.cannot_link == ((4, 5),)
    assert told(links, [0, 0, 1, 1, 1, 0], "honoured 2 of 2 corrections") == ([first, second], [])
    assert told(links, [0, 0, 1, 1, -1, 1], "honoured 1 of 2 corrections") == (
        [first],
        [(second, "apart")],
    )
    assert told(links, [0, 0, 1, 1, 0, 0], "honoured 1 of 2 corrections") == (
        [second],
        [(first, "together")],
    )
    # In no cluster at all two texts are not together.
    assert told(links, [-1] * 6, "honoured 1 of 2 corrections") == ([first], [(second, "apart")])


def test_why_a_correction_could_not_be_honoured_is_told(pool, session):
    card, refund, say, read, contacts = pool
    say(2, refund, True)
    say(3, refund, False)  # the same words in plain form
    contacts.append(make_contact(session, text="never read"))
    TEXTS.append("never read")
    try:
        say(6, card, True)
    finally:
        TEXTS.pop()
    say(0, card, False)
    numbers = list(session.scalars(sa.select(ThemeCorrection.id).order_by(ThemeCorrection.id)))
    found = tell_honoured(read([None, None, refund.id, None, refund.id, None]), [0] * 6)
    assert found["ids"] == numbers[:1]
    assert found["missed"] == [
        [numbers[1], "contradictory"],
        [numbers[2], "not_read"],
        [numbers[3], "nothing_read"],
    ]
    assert found["missed_by"] == {"contradictory": 1, "not_read": 1, "nothing_read": 1}


@pytest.mark.parametrize("sample", [30, 4_000])
def test_of_every_text_put_right_one_contact_is_read_with_what_stands_for_its_theme(
    database, settings, actor, sample
):
    add_contacts(database, settings, {"CARD": 120, "REFUND": 120})
    site = Site(database, settings, actor)
    site.discover()
    site.ids = {name: theme_named(database, name).id for name in ("Card", "Refund")}
    wrong = [site.contacts(f"CARD a{place} turn0")[0] for place in (3, 50, 90, 110)]
    site.move(wrong, "Card", "Refund")
    for seed in range(3):
        site.discover(sample=sample, seed=seed)
        with database.reading() as session:
            run = session.scalars(sa.select(ThemeRun).order_by(ThemeRun.id.desc())).first()
            told = run.manifest["corrections"]
        assert told["said"] == 8
        assert told["not_read"] == 0
        assert len(site.discoverer.calls[-1]["texts"]) <= sample
        # What the double finds goes by the first word, whatever people say.
        assert told["missed_by"] == {"apart": 4, "together": 4}


def test_the_runs_double_agrees_with_people_where_words_do(database, settings, actor):
    add_contacts(database, settings, {"CARD": 9, "REFUND": 8})
    site = Site(database, settings, actor)
    site.discover()
    site.ids = {name: theme_named(database, name).id for name in ("Card", "Refund")}
    change = site.move(site.contacts("CARD a0 turn0"), "Card", "Refund")
    site.move(site.contacts("CARD a0 turn0"), "Refund", "Card")
    assert change
    site.discover()
    with database.reading() as session:
        run = session.scalars(sa.select(ThemeRun).order_by(ThemeRun.id.desc())).first()
    assert run.manifest["corrections"]["sentence"] == "honoured 2 of 2 corrections"


def test_the_last_word_counts_and_what_was_taken_back_does_not(pool, session):
    card, _, say, read, _ = pool
    say(0, card, True)
    say(1, card, True)
    say(1, card, False)
    assert read().must_link == ()
    assert read().cannot_link == ((1, 0),)
    for row in session.query(ThemeCorrection):
        row.taken_back_at = row.said_at
    session.flush()
    assert read().as_arguments() == {}


def test_pairs_that_contradict_others_or_equal_words_are_left_out_and_counted(pool):
    card, refund, say, read, _ = pool
    say(2, refund, True)
    say(3, refund, False)  # the same words in plain form
    say(0, card, True)
    say(1, card, True)
    links = read()
    assert (links.must_link, links.cannot_link, links.contradictory) == (((0, 1),), (), 1)


def test_what_belongs_to_a_retired_theme_says_nothing_about_texts(database, settings, actor):
    add_contacts(database, settings, {"CARD": 9, "PIN": 7})
    site = Site(database, settings, actor)
    site.discover()
    site.ids = {name: theme_named(database, name).id for name in ("Card", "Pin")}
    site.move(site.contacts("CARD a0"), "Card", "Pin")
    site.retire("Pin")
    site.discover()
    # Texts of a retired theme are set aside and those of a curated one are looked at once more.
    assert not any(call.get("must_link") for call in site.discoverer.calls)


def test_discovery_is_given_the_pairs_when_it_looks_at_everything_afresh(database, settings, actor):
    add_contacts(database, settings, {"CARD": 9, "REFUND": 8})
    site = Site(database, settings, actor)
    site.discover()
    site.ids = {name: theme_named(database, name).id for name in ("Card", "Refund")}
    site.move(site.contacts("CARD a0"), "Card", "Refund")
    site.move(site.contacts("CARD a1 turn0"), "Card")
    site.discover()
    last = [call for call in site.discoverer.calls if call.get("must_link")][-1]
    linked = {last["texts"][place] for pair in last["must_link"] for place in pair}
    # The two that were moved, and one that stands for the theme they were moved to.
    assert {text for text in linked if text.startswith("CARD")} == {
        "CARD a0 turn0",
        "CARD a0 turn1",
    }
    assert len(linked) == 3
    apart = {last["texts"][one] for one, _ in last["cannot_link"]}
    assert apart == {"CARD a0 turn0", "CARD a0 turn1", "CARD a1 turn0"}
    assert {last["texts"][other].split()[0] for _, other in last["cannot_link"]} == {"CARD"}
