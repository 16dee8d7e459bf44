"""Choosing among the parts of a run: what may be chosen, and what is queued."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from closedloop.domain.errors import ChangedMeanwhile, Conflict, Invalid, NotFound
from closedloop.domain.runs import PartState
from closedloop.domain.themes import ThemeStatus
from closedloop.models import AuditEvent, RunPart
from closedloop.services.run_choices import decline_chosen, preview_parts, queue_acceptance
from tests.factories.runs import make_part, make_run
from tests.factories.themes import make_theme


@pytest.fixture
def run(session):
    return make_run(session)


@pytest.fixture
def parts(session, run):
    """Three parts that wait."""
    theme = make_theme(session, ThemeStatus.TRIAGED)
    return [make_part(session, run, theme, would_move=n).id for n in (60, 40, 1)]


def accept(session, run, parts, actor):
    return queue_acceptance(session, run_id=run.id, part_ids=parts, exact_count=7, by=actor)


def test_the_job_is_told_the_parts_and_the_number_that_moves(session, run, parts, actor):
    job = accept(session, run, [*parts[:2], parts[0]], actor)

    assert job.arguments == {"parts": parts[:2], "count": 7}


@pytest.mark.parametrize("state", [s for s in PartState if s is not PartState.PROPOSED])
def test_what_was_decided_cannot_be_chosen(session, run, parts, actor, state):
    session.get_one(RunPart, parts[0]).state = state
    session.flush()

    for choose in (accept, decline):
        with pytest.raises(ChangedMeanwhile, match="has decided about one"):
            choose(session, run, parts, actor)
    assert session.get_one(RunPart, parts[1]).state is PartState.PROPOSED


def test_parts_of_another_run_and_runs_that_are_not_there_are_refused(session, run, parts, actor):
    other = make_run(session)

    with pytest.raises(Conflict, match=f"Run {other.id} has no part {parts[0]}"):
        accept(session, other, parts, actor)
    with pytest.raises(NotFound, match="no run 404"):
        preview_parts(session, run_id=404, part_ids=parts)
    with pytest.raises(Invalid, match="at least one"):
        preview_parts(session, run_id=run.id, part_ids=[])


def test_declining_leaves_one_event_a_part(session, run, parts, actor):
    done = decline(session, run, parts[:2], actor)

    assert [part.id for part in done.parts] == parts[:2]
    states = [session.get_one(RunPart, part).state for part in parts]
    assert states == [PartState.DECLINED, PartState.DECLINED, PartState.PROPOSED]
    verbs = session.scalars(sa.select(AuditEvent.verb)).all()
    assert verbs == ["themes.part_declined"] * 2


def decline(session, run, parts, actor):
    return decline_chosen(session, run_id=run.id, part_ids=parts, by=actor)
