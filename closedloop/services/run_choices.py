"""What somebody chooses among the parts of a run: looked at, then taken over or declined."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.domain.audit import Actor
from closedloop.domain.errors import ChangedMeanwhile, Conflict, Invalid, NotFound
from closedloop.domain.jobs import JobKind
from closedloop.domain.runs import PartState
from closedloop.domain.themes import check_finer
from closedloop.models import Job, RunPart
from closedloop.queries.runs import PartRow, get_run, list_parts
from closedloop.services.jobs import queue_job
from closedloop.services.run_parts import decline_parts


@dataclass(frozen=True)
class ChosenParts:
    """Parts of one run that wait for a decision."""

    parts: tuple[PartRow, ...]


def queue_look(session: Session, *, finer: int = 0, by: Actor) -> Job:
    """Queue a look for themes.

    Parameters
    ----------
    finer : int
        Steps from -2 to 2 that the themes should be finer (above 0) or coarser than the data say.

    Raises
    ------
    Invalid
        If it is another number.
    """
    arguments = {"finer": finer} if check_finer(finer) else {}
    return queue_job(session, kind=JobKind.DISCOVER_THEMES, arguments=arguments, by=by)


def preview_parts(session: Session, *, run_id: int, part_ids: Collection[int]) -> ChosenParts:
    """Return parts of a run that somebody may decide about; changes nothing.

    Raises
    ------
    Invalid
        If none is chosen.
    NotFound
        If there is no such run.
    ChangedMeanwhile
        If somebody has decided about one, or a later run took its place.
    Conflict
        If one is no part of this run.
    """
    chosen = set(part_ids)
    if not chosen:
        raise Invalid("Choose at least one part.")
    get_run(session, run_id)
    found = list_parts(session, run_id, chosen)
    strange = sorted(chosen - {part.id for part in found})
    if strange:
        raise Conflict(
            f"Run {run_id} has no part {strange[0]}. Look at the run again and choose anew."
        )
    if any(part.state is not PartState.PROPOSED for part in found):
        raise ChangedMeanwhile(
            "Somebody has decided about one of these parts meanwhile, or a later run took its "
            "place. Look at the run again."
        )
    return ChosenParts(found)


def find_run_of(session: Session, part_ids: Collection[int]) -> int:
    """Return the run that parts are of.

    Raises
    ------
    NotFound
        If there is none of these parts.
    """
    wanted = sa.select(sa.func.min(RunPart.run_id)).where(RunPart.id.in_(sorted(set(part_ids))))
    found = session.scalar(wanted)
    if found is None:
        raise NotFound(f"There is no part {min(part_ids, default=0)} of a run.")
    return found


def queue_acceptance(
    session: Session,
    *,
    run_id: int,
    part_ids: Collection[int],
    exact_count: int,
    by: Actor,
) -> Job:
    """Queue the job that takes parts of a run over and assigns the whole history anew.

    Parameters
    ----------
    run_id : int
    part_ids : collection of int
    exact_count : int
        Contacts of the whole history that will move, as `preview_acceptance` counts them; the
        job moves so many or none.
    by : Actor

    Raises
    ------
    Invalid, NotFound, Conflict
        As for `preview_parts`.
    """
    chosen = preview_parts(session, run_id=run_id, part_ids=part_ids)
    arguments = {"parts": sorted(part.id for part in chosen.parts), "count": exact_count}
    return queue_job(session, kind=JobKind.ASSIGN_THEMES, arguments=arguments, by=by)


def decline_chosen(
    session: Session, *, run_id: int, part_ids: Collection[int], by: Actor
) -> ChosenParts:
    """Decide that parts of a run are not taken over, and return them as they were.

    Raises
    ------
    Invalid, NotFound, Conflict
        As for `preview_parts`.
    """
    chosen = preview_parts(session, run_id=run_id, part_ids=part_ids)
    decline_parts(session, part_ids=[part.id for part in chosen.parts], by=by)
    return chosen
