"""What somebody chooses among the parts of a run: looked at, then taken over or declined."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.domain.audit import Actor
from closedloop.domain.curation import check_typed_count
from closedloop.domain.errors import Conflict, Invalid, NotFound
from closedloop.domain.jobs import JobKind
from closedloop.domain.runs import PartState
from closedloop.domain.themes import check_finer
from closedloop.models import Job, RunPart
from closedloop.queries.runs import PartRow, get_run, list_parts
from closedloop.services.jobs import queue_job
from closedloop.services.run_parts import decline_parts


@dataclass(frozen=True)
class ChosenParts:
    """Parts of one run that wait for a decision, and the contacts read whose theme would change."""

    parts: tuple[PartRow, ...]

    @property
    def moves(self) -> int:
        """Contacts that would move, all parts together."""
        return sum(part.would_move for part in self.parts)


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
    """Return what taking parts of a run over would do; changes nothing.

    Raises
    ------
    Invalid
        If none is chosen.
    NotFound
        If there is no such run.
    Conflict
        If one is no part of this run, somebody has decided about it, or a later run took its
        place.
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
        raise Conflict(
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
    typed_count: int | None,
    by: Actor,
    exact_count: int | None = None,
) -> Job:
    """Queue the job that takes parts of a run over and assigns the whole history anew.

    Parameters
    ----------
    run_id : int
    part_ids : collection of int
    typed_count : int or None
        Contacts read that will move; asked for above `COUNT_TO_TYPE_ABOVE`.
    by : Actor
    exact_count : int, optional
        Contacts of the whole history that will move, as `preview_acceptance` counts them; it
        stands for the other number, and the job moves so many or none.

    Raises
    ------
    Invalid
        Also if the number is asked for and another one was typed.
    NotFound, Conflict
        As for `preview_parts`.
    """
    chosen = preview_parts(session, run_id=run_id, part_ids=part_ids)
    arguments: dict[str, Any] = {"parts": sorted(part.id for part in chosen.parts)}
    if exact_count is None:
        check_typed_count(chosen.moves, typed_count, to_do="accept these parts")
    else:
        arguments["count"] = exact_count
    return queue_job(session, kind=JobKind.ASSIGN_THEMES, arguments=arguments, by=by)


def check_count_of_parts(
    session: Session, *, part_ids: Collection[int], typed_count: int | None
) -> None:
    """Refuse to take parts over at once unless the number that moves was typed, where it is asked.

    What else is wrong with them, taking them over says.

    Raises
    ------
    Invalid
    """
    moves = sa.select(sa.func.sum(RunPart.would_move)).where(
        RunPart.id.in_(sorted(set(part_ids))), RunPart.state == PartState.PROPOSED
    )
    check_typed_count(session.scalar(moves) or 0, typed_count, to_do="accept these parts")


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
