"""Runs over the API: what each read and found, what it proposes, deciding, comparing two."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import flask
from pydantic import Field

from closedloop.api.auth import WRITE, api_actor, needs
from closedloop.api.blueprint import bp
from closedloop.api.change_schemas import Confirmed, ListedQuery, PreviewOut
from closedloop.api.cursors import read_id
from closedloop.api.jobs import job_out
from closedloop.api.schemas import In, JobOut, Out, Page, Rate, RowId, ThemeRef, theme_ref
from closedloop.api.themes_curation import preview_out
from closedloop.domain.curation import must_type_count
from closedloop.domain.runs import PartKind, PartState
from closedloop.extensions import current_settings, db
from closedloop.queries.runs import PartRow, RunRow, Side, compare_runs, get_run, list_runs
from closedloop.services.parts_previews import preview_acceptance, queue_seen
from closedloop.services.run_choices import (
    decline_chosen,
    preview_parts,
    queue_look,
)

_RUN = "/themes/runs/<int(max=2147483647):run_id>"
_MOST_PARTS = 1_000
Queued = tuple[JobOut, int, dict[str, str]]


class LookIn(In):
    """How fine the themes should be: steps finer (above 0) or coarser than the data say."""

    finer: int = Field(0, ge=-2, le=2)


class PartsAsked(In):
    """Parts of the run, by their `id`."""

    parts: list[RowId] = Field(min_length=1, max_length=_MOST_PARTS)


class PartsIn(PartsAsked, Confirmed):
    """Parts to take over, together or not at all."""

    exact: bool = Field(
        False,
        description="Says nothing any more: `expected_count` always counts contacts of the whole "
        "history, as `parts/contacts` does, and the job moves so many, or none.",
    )


class RunBase(Out):
    """One look for themes. `left_over` are contacts read that ended in none."""

    id: int
    started_at: datetime
    finished_at: datetime | None
    first_day: date
    last_day: date
    encoder: str
    seed: int
    contacts: int
    found: int
    left_over: int


class RunOut(RunBase):
    """One run of a list, with how many of its parts wait for a decision."""

    waiting: int


class RunList(Out):
    """Runs, newest first."""

    items: list[RunOut]
    next: str | None


class PartOut(Out):
    """What a run says became of a theme. `match` is a Jaccard of contacts read, 0 to 1.

    `moves` are the contacts read whose theme would change; `into` is the theme it would be merged
    into, `became` the theme a piece became, `split_from` the one a new candidate was made of.
    """

    id: int
    kind: PartKind
    state: PartState
    name: str
    theme: ThemeRef | None
    into: ThemeRef | None
    became: str | None
    split_from: ThemeRef | None
    match: Rate
    contacts: int
    moves: int
    joins: int | None
    leaves: int | None
    decided_by: str
    decided_at: datetime | None


class RunDetail(RunBase):
    """One run with its parts and everything needed to repeat it."""

    before: int | None = Field(description="The run before it.")
    manifest: dict[str, Any]
    parts: list[PartOut]


class PartsPreview(Out):
    """What taking parts over would do; nothing was changed."""

    parts: list[PartOut]
    contacts: int = Field(
        description="Contacts of the whole history that would change their theme."
    )
    needs_expected_count: bool


class Declined(Out):
    """How many parts were declined."""

    declined: int


class SideOut(Out):
    """A cluster of one run; null where too few customers are in it."""

    name: str | None
    contacts: int | None


class PairOut(Out):
    """A cluster of each run that are the same."""

    one: SideOut
    other: SideOut
    match: Rate


class RunsCompared(Out):
    """Two runs by the texts that both read, the earlier one first."""

    one: int
    other: int
    contacts: int
    stability: Rate | None
    pairs: list[PairOut]
    only_one: list[SideOut]
    only_other: list[SideOut]


@bp.get("/themes/runs")
@bp.doc(summary="List runs")
@bp.input(Page, location="query", arg_name="asked")
@bp.output(RunList)
@needs("themes.view")
def list_runs_view(asked: Page) -> RunList:
    """Give the runs that looked for themes, the newest first."""
    rows = list_runs(db.session, before_id=read_id(asked.after), limit=asked.limit + 1)
    page = rows[: asked.limit]
    more = str(page[-1].run.id) if len(rows) > asked.limit else None
    return RunList(items=[_run_out(row) for row in page], next=more)


@bp.post("/themes/runs")
@bp.doc(summary="Look for themes")
@bp.input(LookIn, location="json", arg_name="sent")
@bp.output(JobOut, status_code=202)
@needs("themes.discover", WRITE)
def discover_view(sent: LookIn) -> Queued:
    """Queue a look for themes; ask /jobs/ID how far it is."""
    with db.transaction() as session:
        return queued(queue_look(session, finer=sent.finer, by=api_actor()))


@bp.get(_RUN)
@bp.doc(summary="One run", responses={404: "There is no such run."})
@bp.output(RunDetail)
@needs("themes.view")
def get_run_view(run_id: int) -> RunDetail:
    """Give one run: what it read, what it found, what it proposes, how to repeat it."""
    page = get_run(db.session, run_id)
    return RunDetail(
        **_base(page.run),
        before=page.before_id,
        manifest=page.run.manifest,
        parts=[_part_out(part) for part in page.parts],
    )


@bp.get(f"{_RUN}/against/<int(max=2147483647):other>")
@bp.doc(
    summary="Compare two runs",
    responses={404: "There is no such run, or it kept too little to be compared."},
)
@bp.output(RunsCompared)
@needs("themes.view")
def compare_runs_view(run_id: int, other: int) -> RunsCompared:
    """Match the clusters of two runs by the texts that both read."""
    found = compare_runs(db.session, run_id, other, k=current_settings().privacy_k)
    return RunsCompared(
        one=found.one.id,
        other=found.other.id,
        contacts=found.contacts,
        stability=found.stability,
        pairs=[
            PairOut(one=_side(pair.one), other=_side(pair.other), match=pair.jaccard)
            for pair in found.pairs
        ],
        only_one=[_side(side) for side in found.only_one],
        only_other=[_side(side) for side in found.only_other],
    )


_PARTS_REFUSED = {
    404: "There is no such run.",
    409: "A part has been decided, belongs to another run, or a later run took its place.",
}


@bp.post(f"{_RUN}/parts/preview")
@bp.doc(summary="What taking parts of a run over would do", responses=_PARTS_REFUSED)
@bp.input(PartsAsked, location="json", arg_name="sent")
@bp.output(PartsPreview)
@needs("themes.curate", WRITE)
def preview_parts_view(run_id: int, sent: PartsAsked) -> PartsPreview:
    """Count the contacts of the whole history that would move; nothing is changed."""
    chosen = preview_parts(db.session, run_id=run_id, part_ids=sent.parts)
    k = current_settings().privacy_k
    found = preview_acceptance(db.session, run_id=run_id, part_ids=sent.parts, k=k)
    return PartsPreview(
        parts=[_part_out(part) for part in chosen.parts],
        contacts=found.contacts,
        needs_expected_count=must_type_count(found.contacts),
    )


@bp.post(f"{_RUN}/parts/contacts")
@bp.doc(summary="Every contact that taking parts over would move", responses=_PARTS_REFUSED)
@bp.input(PartsAsked, location="json", arg_name="sent")
@bp.input(ListedQuery, location="query", arg_name="asked")
@bp.output(PreviewOut)
@needs("themes.curate", WRITE)
def list_parts_contacts_view(run_id: int, sent: PartsAsked, asked: ListedQuery) -> PreviewOut:
    """Give the contacts of the whole history that would change their theme; nothing is changed."""
    k = current_settings().privacy_k
    found = preview_acceptance(db.session, run_id=run_id, part_ids=sent.parts, k=k)
    return preview_out(found, asked)


@bp.post(f"{_RUN}/parts/accept")
@bp.doc(summary="Take parts of a run over", responses=_PARTS_REFUSED)
@bp.input(PartsIn, location="json", arg_name="sent")
@bp.output(JobOut, status_code=202)
@needs("themes.curate", WRITE)
def accept_parts_view(run_id: int, sent: PartsIn) -> Queued:
    """Queue the job that takes them over, all or none; the whole history is assigned anew."""
    with db.transaction() as session:
        job = queue_seen(
            session,
            settings=current_settings(),
            run_id=run_id,
            part_ids=sent.parts,
            typed_count=sent.expected_count,
            by=api_actor(),
        )
        return queued(job)


@bp.post(f"{_RUN}/parts/decline")
@bp.doc(summary="Decline parts of a run", responses=_PARTS_REFUSED)
@bp.input(PartsAsked, location="json", arg_name="sent")
@bp.output(Declined)
@needs("themes.curate", WRITE)
def decline_parts_view(run_id: int, sent: PartsAsked) -> Declined:
    """Decide that they are not taken over; nothing else changes."""
    with db.transaction() as session:
        done = decline_chosen(session, run_id=run_id, part_ids=sent.parts, by=api_actor())
    return Declined(declined=len(done.parts))


def queued(job: Any) -> Queued:
    """Return a job that was queued, and where to ask how far it is."""
    answer = job_out(job)
    return answer, 202, {"Location": flask.url_for("api.get_job_view", job_id=answer.id)}


def _base(run: Any) -> dict[str, Any]:
    own = {"id", "contacts"}
    values = {name: getattr(run, name) for name in RunBase.model_fields if name not in own}
    return {"id": run.id, "contacts": run.texts, **values}


def _run_out(row: RunRow) -> RunOut:
    return RunOut(**_base(row.run), waiting=row.waiting)


def _part_out(part: PartRow) -> PartOut:
    return PartOut(
        id=part.id,
        kind=part.kind,
        state=part.state,
        name=part.name,
        theme=theme_ref(part.theme_key, part.theme_name),
        into=theme_ref(part.into_key, part.into_name),
        became=part.became_key,
        split_from=theme_ref(part.from_key, part.from_name),
        match=part.score,
        contacts=part.contacts,
        moves=part.would_move,
        joins=part.joins,
        leaves=part.leaves,
        decided_by=part.decided_by,
        decided_at=part.decided_at,
    )


def _side(side: Side) -> SideOut:
    return SideOut(name=side.name or None, contacts=side.contacts)
