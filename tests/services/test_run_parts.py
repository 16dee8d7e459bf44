"""What runs propose about agreed themes: nothing moves until somebody accepts, then all at once."""

from __future__ import annotations

import dataclasses
from contextlib import contextmanager
from datetime import UTC, datetime
from types import SimpleNamespace

import numpy as np
import pytest
import sqlalchemy as sa

from closedloop.domain.audit import Actor, ActorKind
from closedloop.domain.errors import Conflict, Invalid, InvalidTransition, NotFound
from closedloop.domain.runs import PartKind, PartState
from closedloop.domain.themes import ThemeStatus
from closedloop.models import (
    AuditEvent,
    Contact,
    ContactText,
    DefinitionSet,
    RunLabels,
    Theme,
    ThemeDefinition,
    ThemeEvidence,
    ThemeRun,
    TriageDecision,
)
from closedloop.services.run_parts import accept_parts, decline_parts
from closedloop.services.text_removal import remove_texts
from closedloop.services.themes import discover_themes
from closedloop.services.triage import dismiss_candidate, merge_themes, undo_decision
from ml.themes import ThemeModel
from ml.themes.vectors import DenseSpace, unit
from tests.factories.histories import rows_of, theme_named, themes_by_topic
from tests.factories.run_sites import Scripted, Site, fitting_maker_of, maker_of


@pytest.fixture
def site(database, settings, actor):
    return Site(database, settings, actor)


def test_first_run_says_which_candidates_are_new(site):
    site.add(CARD=9, PIN=7)
    site.discover("CARD", "PIN")

    assert site.told() == [("new", "T-001", "accepted"), ("new", "T-002", "accepted")]
    part = site.parts()[0]
    assert (part.name, part.contacts, part.decided_by) == ("Card", 18, "Priya Nair")


def test_candidates_are_said_to_continue_grow_and_vanish_with_the_run(site):
    site.add(CARD=9, PIN=7, REFUND=8)
    site.discover("CARD", "PIN", "REFUND")
    site.add(LOST=6)
    site.discover("CARD", "PIN+LOST")

    assert site.told() == [
        ("continued", "T-001", "accepted"),
        ("grew", "T-002", "accepted"),
        ("vanished", "T-003", "accepted"),
    ]
    grew = site.parts(kind=PartKind.GREW)[0]
    assert (grew.score, grew.contacts) == (round(14 / 26, 4), 26)


def test_without_agreed_themes_one_look_is_enough(site):
    site.add(CARD=9, PIN=7)
    maker = maker_of("CARD", "PIN")
    discover_themes(site.database.transaction, settings=site.settings, by=site.actor, maker=maker)
    assert maker.discover.calls == 1


def test_agreed_themes_are_looked_at_afresh_and_nothing_of_theirs_moves(site):
    site.add(CARD=9, PIN=7, REFUND=8)
    site.discover("CARD", "PIN", "REFUND")
    site.keep("Card", "Pin")
    contacts, themes = rows_of(site.database), rows_of(site.database, Theme)
    definitions = rows_of(site.database, ThemeDefinition)
    site.discover("CARD+PIN", "REFUND")

    assert site.told() == [("merged", "T-002", "proposed"), ("continued", "T-003", "accepted")]
    merged = site.parts(kind=PartKind.MERGED)[0]
    assert merged.detail["into"] == theme_named(site.database, "Our Card").id
    assert (merged.score, merged.contacts, merged.would_move) == (1.0, 32, 14)

    # Labels are renumbered by each run; themes, their contacts and their definitions stay.
    def where(rows):
        names = [column.name for column in Contact.__table__.columns]
        return [row[names.index("theme_id")] for row in rows]

    assert where(rows_of(site.database)) == where(contacts)
    assert [row[:3] for row in rows_of(site.database, Theme)] == [row[:3] for row in themes]
    mine = {theme_named(site.database, name).id for name in ("Our Card", "Our Pin")}
    assert [row for row in rows_of(site.database, ThemeDefinition) if row[1] in mine] == [
        row for row in definitions if row[1] in mine
    ]


def test_accepting_a_theme_that_grew_makes_its_prototypes_anew(site):
    site.add(CARD=9, LOST=6, PIN=7)
    site.discover("CARD", "PIN")
    site.keep("Card")
    site.discover("CARD+LOST", "PIN")
    (grew,) = site.parts(kind=PartKind.GREW)
    assert (grew.state, grew.contacts, grew.would_move) == (PartState.PROPOSED, 30, 12)
    # What is in no agreed theme became a candidate of the run meanwhile.
    assert themes_by_topic(site.database) == {
        "CARD": {"T-001"},
        "LOST": {"T-003"},
        "PIN": {"T-002"},
    }

    done = site.accept(grew)

    assert (done.parts, done.new_themes) == (1, ())
    assert themes_by_topic(site.database) == {
        "CARD": {"T-001"},
        "LOST": {"T-001"},
        "PIN": {"T-002"},
    }
    assert theme_named(site.database, "Card+Lost").status is ThemeStatus.RETIRED
    card = theme_named(site.database, "Our Card")
    with site.database.reading() as session:
        numbers = session.scalars(
            sa.select(ThemeDefinition.number)
            .where(ThemeDefinition.theme_id == card.id)
            .order_by(ThemeDefinition.number)
        ).all()
        current = session.scalars(sa.select(DefinitionSet).where(DefinitionSet.is_current)).one()
        assert (numbers, current.number) == ([1, 2], done.definition_set)
        assert current.assigned_at is not None
        assert set(current.label_themes) >= {card.id}
    (after,) = site.parts(kind=PartKind.GREW)
    assert (after.state, after.decided_by) == (PartState.ACCEPTED, "Priya Nair")
    assert (after.detail["before"], after.detail["after"]) == (18, 30)


def test_accepting_a_theme_that_shrank_lets_contacts_go(site):
    site.add(CARD=9, LOST=6, PIN=7)
    site.discover("CARD+LOST", "PIN")
    site.keep("Card+Lost")
    site.discover("CARD", "PIN")
    (shrank,) = site.parts(kind=PartKind.SHRANK)
    assert (shrank.would_move, shrank.score) == (12, 0.6)
    assert themes_by_topic(site.database)["LOST"] == {"T-001"}

    site.accept(shrank)

    assert themes_by_topic(site.database) == {"CARD": {"T-001"}, "LOST": {None}, "PIN": {"T-002"}}


def test_accepting_a_split_makes_a_candidate_of_the_smaller_piece(site):
    site.add(CARD=9, LOST=6, PIN=7)
    site.discover("CARD+LOST", "PIN")
    site.keep("Card+Lost")
    site.discover("CARD", "LOST", "PIN")
    (split,) = site.parts(kind=PartKind.SPLIT)
    assert (split.name, split.contacts, split.would_move) == ("Lost", 12, 12)
    assert themes_by_topic(site.database)["LOST"] == {"T-001"}

    done = site.accept(split)

    assert done.new_themes == ("T-003",)
    assert themes_by_topic(site.database) == {
        "CARD": {"T-001"},
        "LOST": {"T-003"},
        "PIN": {"T-002"},
    }
    lost = theme_named(site.database, "Lost")
    assert (lost.status, lost.keywords) == (ThemeStatus.CANDIDATE, ["lost"])
    (after,) = site.parts(kind=PartKind.SPLIT)
    assert (after.detail["became"], after.detail["held"]) == (lost.id, 12)


def test_of_two_pieces_the_one_nobody_accepted_stays_with_the_theme(site):
    site.add(CARD=9, LOST=7, LOGIN=8)
    site.discover("CARD+LOST+LOGIN")
    site.keep("Card+Lost+Login")
    site.discover("CARD", "LOST", "LOGIN")
    parts = {part.name: part for part in site.parts(kind=PartKind.SPLIT)}
    assert set(parts) == {"Lost", "Login"}

    site.accept(parts["Lost"])

    assert themes_by_topic(site.database) == {
        "CARD": {"T-001"},
        "LOST": {"T-002"},
        "LOGIN": {"T-001"},
    }
    assert site.parts(id=parts["Login"].id)[0].state is PartState.PROPOSED


def test_accepting_a_merger_is_a_decision_that_can_be_undone(site):
    site.add(CARD=9, PIN=7)
    site.discover("CARD", "PIN")
    site.keep("Card", "Pin")
    site.discover("CARD+PIN")
    (merged,) = site.parts(kind=PartKind.MERGED)
    before = themes_by_topic(site.database)

    site.accept(merged)
    assert themes_by_topic(site.database) == {"CARD": {"T-001"}, "PIN": {"T-001"}}

    with site.database.transaction() as session:
        decision = session.scalars(sa.select(TriageDecision)).one()
        undo_decision(session, settings=site.settings, decision_id=decision.id, by=site.actor)
    assert themes_by_topic(site.database) == before


def test_a_part_of_before_a_merge_does_not_dissolve_it(site):
    site.add(CARD=9, LOST=6, PIN=7)
    site.discover("CARD", "PIN")
    site.keep("Card", "Pin")
    site.discover("CARD+LOST", "PIN")
    (grew,) = site.parts(kind=PartKind.GREW)
    merge = _merge(site, "Our Pin", "Our Card")
    before = site.snapshot()

    with pytest.raises(Conflict, match="T-002 was merged into T-001 since run 2, by Priya Nair"):
        site.accept(grew)

    assert site.snapshot() == before
    with site.database.transaction() as session:
        undo_decision(session, settings=site.settings, decision_id=merge, by=site.actor)
    site.accept(grew)
    assert themes_by_topic(site.database) == {
        "CARD": {"T-001"},
        "LOST": {"T-001"},
        "PIN": {"T-002"},
    }


def test_a_merger_that_the_run_found_itself_bars_no_other_part_of_it(site):
    site.add(CARD=14, LOST=9, PIN=5)
    site.discover("CARD+LOST", "PIN")
    site.keep("Card+Lost", "Pin")
    site.discover("CARD+PIN", "LOST")
    (merged,), (split,) = site.parts(kind=PartKind.MERGED), site.parts(kind=PartKind.SPLIT)
    assert merged.detail["into"] == split.theme_id

    site.accept(merged)
    done = site.accept(split)

    where = themes_by_topic(site.database)
    assert where["PIN"] == where["CARD"] != where["LOST"] == {done.new_themes[0]}


def _merge(site, name, into):
    with site.database.transaction() as session:
        return merge_themes(
            session,
            settings=site.settings,
            theme_id=theme_named(site.database, name).id,
            into_id=theme_named(site.database, into).id,
            reason="The same.",
            by=site.actor,
        ).id


def test_accepting_that_a_theme_vanished_dismisses_it(site):
    site.add(CARD=9, PIN=7)
    site.discover("CARD", "PIN")
    site.keep("Pin")
    site.discover("CARD")
    (vanished,) = site.parts(kind=PartKind.VANISHED)
    assert (vanished.contacts, vanished.would_move) == (14, 14)

    site.accept(vanished)

    assert theme_named(site.database, "Our Pin").status is ThemeStatus.RETIRED


def test_a_decision_that_comes_with_a_part_names_the_day_of_the_run(site):
    site.add(CARD=9, PIN=7)
    site.discover("CARD", "PIN")
    site.keep("Pin")
    site.discover("CARD")
    (vanished,) = site.parts(kind=PartKind.VANISHED)
    with site.database.transaction() as session:
        run = session.get_one(ThemeRun, vanished.run_id)
        run.started_at = datetime(2026, 6, 3, 23, 30, tzinfo=UTC)  # the 4th in London

    site.accept(vanished)

    with site.database.reading() as session:
        reason = session.scalars(sa.select(TriageDecision.reason)).one()
    assert reason == f"Run {vanished.run_id} of 4 June 2026 did not find it again."


def test_parts_apply_together_or_not_at_all(site):
    site.add(CARD=9, LOST=6, PIN=7, REFUND=8)
    site.discover("CARD+LOST", "PIN", "REFUND")
    site.keep("Card+Lost", "Pin", "Refund")
    site.discover("CARD", "LOST", "PIN+REFUND")
    (split,), (merged,) = site.parts(kind=PartKind.SPLIT), site.parts(kind=PartKind.MERGED)
    # Somebody dismisses what the merger is about: it cannot happen any more.
    with site.database.transaction() as session:
        dismiss_candidate(session, theme_id=merged.theme_id, reason="An old matter.", by=site.actor)
    before = site.snapshot()

    with pytest.raises(InvalidTransition, match="is retired already"):
        site.accept(split, merged)

    assert site.snapshot() == before
    assert {part.state for part in site.parts(run_id=split.run_id) if part.kind != "continued"} == {
        PartState.PROPOSED
    }


def test_split_and_merger_of_one_run_apply_in_one_step(site):
    site.add(CARD=9, LOST=6, PIN=7, REFUND=8)
    site.discover("CARD+LOST", "PIN", "REFUND")
    site.keep("Card+Lost", "Pin", "Refund")
    site.discover("CARD", "LOST", "PIN+REFUND")
    parts = site.parts(state=PartState.PROPOSED)

    done = site.accept(*parts)

    where = themes_by_topic(site.database)
    assert done.parts == 2
    assert where["PIN"] == where["REFUND"]
    assert where["LOST"] == {done.new_themes[0]} != where["CARD"]
    events = [row for row in rows_of(site.database, AuditEvent) if "themes.part_accepted" in row]
    assert len(events) == 2


def test_power_failure_while_accepting_leaves_everything_as_it_was(site):
    site.add(CARD=9, LOST=6)
    site.discover("CARD+LOST")
    site.keep("Card+Lost")
    site.discover("CARD", "LOST")
    (split,) = site.parts(kind=PartKind.SPLIT)
    before = site.snapshot()

    @contextmanager
    def failing():
        with site.database.transaction() as session:
            yield session
            if session.scalar(sa.select(sa.func.count(Theme.id))) == 2:
                raise RuntimeError("the power went off")

    with pytest.raises(RuntimeError):
        accept_parts(
            failing, settings=site.settings, part_ids=[split.id], by=site.actor, maker=maker_of()
        )
    assert site.snapshot() == before
    assert site.accept(split).parts == 1  # and a second try goes through


def test_a_later_run_supersedes_what_nobody_decided(site):
    site.add(CARD=9, LOST=6)
    site.discover("CARD+LOST")
    site.keep("Card+Lost")
    first = site.discover("CARD", "LOST").run_id
    (split,) = site.parts(kind=PartKind.SPLIT)
    site.discover("CARD+LOST")

    assert site.parts(id=split.id)[0].state is PartState.SUPERSEDED
    with pytest.raises(Conflict, match="superseded by a later run"):
        site.accept(split)
    with site.database.reading() as session:
        models = dict(session.execute(sa.select(RunLabels.run_id, RunLabels.model)).all())
    assert models[first] is None
    assert models[max(models)]


def test_declining_changes_nothing_but_the_part(site):
    site.add(CARD=9, LOST=6)
    site.discover("CARD+LOST")
    site.keep("Card+Lost")
    site.discover("CARD", "LOST")
    (split,) = site.parts(kind=PartKind.SPLIT)
    before = site.snapshot()
    with site.database.transaction() as session:
        assert decline_parts(session, part_ids=[split.id], by=site.actor) == 1

    assert site.snapshot() == before
    assert site.parts(id=split.id)[0].state is PartState.DECLINED
    with pytest.raises(Conflict, match="declined already"):
        site.accept(split)


JOB = Actor("Assign themes for Priya Nair", ActorKind.JOB)


class Died(Exception):
    """Stands for a worker that is killed."""


def die_over_quotes(progress):
    if progress.doing == "Picking quotes":
        raise Died


def test_a_job_whose_worker_died_after_taking_parts_over_finds_that_done(site):
    site.add(CARD=9, LOST=6)
    site.discover("CARD+LOST")
    site.keep("Card+Lost")
    site.discover("CARD", "LOST")
    (split,) = site.parts(kind=PartKind.SPLIT)
    values = {"settings": site.settings, "part_ids": [split.id], "maker": site.maker_of()}
    with pytest.raises(Died):
        accept_parts(site.database.transaction, by=JOB, report=die_over_quotes, **values)
    before = rows_of(site.database), rows_of(site.database, DefinitionSet), site.told()

    done = accept_parts(site.database.transaction, by=JOB, **values)

    assert (rows_of(site.database), rows_of(site.database, DefinitionSet), site.told()) == before
    assert (done.parts, done.new_themes) == (1, (theme_named(site.database, "Lost").key,))
    assert rows_of(site.database, ThemeEvidence)
    with pytest.raises(Conflict, match="accepted already"):
        site.accept(split)


def test_what_cannot_be_decided_says_why(site):
    with pytest.raises(Invalid, match="at least one"):
        site.accept()
    with pytest.raises(NotFound, match="no part 404"):
        site.accept(SimpleNamespace(id=404))


def test_clusters_of_too_few_people_are_neither_named_nor_proposed(site):
    site.add(CARD=9, LOST=4)
    site.discover("CARD+LOST")
    site.keep("Card+Lost")
    site.discover("CARD", "LOST")

    assert site.parts(kind=PartKind.SPLIT) == []
    with site.database.reading() as session:
        names = session.scalars(sa.select(RunLabels.names).order_by(RunLabels.run_id)).all()
    assert names[-1] == [{"name": "Card", "people": 9}, {"name": "", "people": 4}]


def test_a_run_keeps_where_it_put_each_text_and_forgets_texts_that_are_gone(site):
    site.add(CARD=6, PIN=5)
    site.discover("CARD", "PIN")
    with site.database.transaction() as session:
        kept = session.scalars(sa.select(RunLabels)).one()
        assert len(kept.hashes) == 22 * 32
        labels = np.frombuffer(kept.labels, np.int32)
        assert np.bincount(labels).tolist() == [12, 10]
        assert np.frombuffer(kept.counts, np.int32).sum() == 22
        assert not np.frombuffer(kept.themes, np.int32).any()
        rows = [kept.hashes[at : at + 32] for at in range(0, len(kept.hashes), 32)]
        assert rows == sorted(rows)
        ids = list(session.scalars(sa.select(ContactText.contact_id).limit(3)))
        gone = session.scalars(
            sa.select(ContactText.text_hash).where(ContactText.contact_id.in_(ids))
        ).all()
        remove_texts(session, ids)
    with site.database.reading() as session:
        kept = session.scalars(sa.select(RunLabels)).one()
        assert len(kept.hashes) == 19 * 32
        assert not any(bytes.fromhex(one) in kept.hashes for one in gone)
        assert len(kept.labels) == len(kept.counts) == len(kept.themes) == 19 * 4


def test_decision_taken_while_parts_are_accepted_is_kept(site):
    site.add(CARD=9, LOST=6, PIN=7)
    site.discover("CARD+LOST", "PIN")
    site.keep("Card+Lost")
    site.discover("CARD", "LOST", "PIN")
    (split,) = site.parts(kind=PartKind.SPLIT)
    tried = []

    def interrupted(progress):
        if progress.doing.startswith("Bringing") and not tried:
            tried.append(1)
            site.keep("Pin")

    site.accept(split, report=interrupted)

    where = themes_by_topic(site.database)
    assert where["PIN"] == {theme_named(site.database, "Our Pin").key}
    assert where["LOST"] == {"T-003"}


def test_parts_apply_with_models_that_are_fitted_to_the_texts(database, settings, actor):
    site = Site(database, settings, actor, fitting_maker_of)
    site.add(CARD=20, LOST=15, PIN=16, REFUND=14, LOGIN=12)
    site.discover("CARD+LOST", "PIN", "REFUND", "LOGIN")
    site.keep("Card+Lost", "Pin")
    site.discover("CARD", "LOST", "PIN+REFUND", "LOGIN")
    kinds = {part.kind for part in site.parts(state=PartState.PROPOSED)}
    assert kinds == {PartKind.SPLIT, PartKind.GREW}

    done = site.accept(*site.parts(state=PartState.PROPOSED))

    where = themes_by_topic(site.database)
    assert where["CARD"] == {"T-001"}
    assert where["LOST"] == set(done.new_themes)
    assert where["PIN"] == where["REFUND"] == {"T-002"}
    assert where["LOGIN"] == {"T-004"}


class Greedy(Scripted):
    """Finds a theme that claims the texts of another topic, too, and more surely."""

    def __init__(self, *groups: str, claims: str) -> None:
        super().__init__(*groups)
        self.claims = claims

    def __call__(self, texts, *, encoder, embeddings, **values):
        found = super().__call__(texts, encoder=encoder, embeddings=embeddings, **values)
        also = encoder.encode([f"{self.claims} {number}" for number in range(30)])
        also = unit(also + 0.05 * np.random.default_rng(1).normal(size=also.shape))
        vectors = np.vstack([embeddings, also])
        labels = np.concatenate([found.labels, np.zeros(len(also), np.int64)])
        found.model = ThemeModel.fit(vectors, labels, DenseSpace.fit(vectors[:0]))
        return found


def test_a_run_takes_no_contact_from_a_theme_people_decided_about(database, settings, actor):
    def theme_of_contacts():
        with database.reading() as session:
            return dict(session.execute(sa.select(Contact.id, Contact.theme_id)).all())

    site = Site(database, settings, actor, fitting_maker_of)
    site.add(CARD=12)
    site.discover("CARD")
    site.keep("Card")
    before = theme_of_contacts()
    assert len(set(before.values())) == 1
    site.add(PIN=14)
    greedy = dataclasses.replace(fitting_maker_of(), discover=Greedy("PIN", claims="CARD"))
    discover_themes(database.transaction, settings=settings, by=actor, maker=greedy)
    after = theme_of_contacts()
    assert before.items() <= after.items()
    assert theme_named(database, "Pin").id in after.values()
