"""What became of imports, over the API: results, refused rows, cancelling, taking out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import flask

from closedloop.api.auth import WRITE, api_actor, needs
from closedloop.api.blueprint import bp
from closedloop.api.import_schemas import (
    DetailQuery,
    ImportDetail,
    ImportList,
    ImportOut,
    ImportQuery,
    LaterImport,
    OpenedOut,
    ReasonOut,
    RejectList,
    RejectOut,
    RollBackForm,
    RollBackOut,
    RollBackQuery,
)
from closedloop.api.jobs import job_out
from closedloop.api.schemas import JobOut
from closedloop.domain.errors import Invalid
from closedloop.domain.jobs import JobKind
from closedloop.extensions import current_settings, db
from closedloop.queries.imports import (
    count_batch_contacts,
    count_rejects,
    count_settled,
    get_batch,
    list_batches,
    list_rejects,
    list_replays,
)
from closedloop.queries.jobs import find_job_of_import
from closedloop.services.jobs import cancel_import, queue_job
from closedloop.services.rejects import find_kept_file, hidden_rows, rows_to_correct
from closedloop.services.rollback import begin_roll_back
from closedloop.services.rollback_previews import preview_roll_back

_ROUTE = "/imports/<int(max=2147483647):import_id>"
_NO_IMPORT = "There is no such import."


def _file_or(missing: str, *, words: str) -> dict[int | str, Any]:
    """Say what an address answers with that gives a table."""
    table = {"description": words, "content": {"text/csv": {"schema": {"type": "string"}}}}
    return {200: table, 404: missing}


@bp.get("/imports")
@bp.doc(summary="List imports")
@bp.input(ImportQuery, location="query", arg_name="asked")
@bp.output(ImportList)
@needs("contacts.import")
def list_imports_view(asked: ImportQuery) -> ImportList:
    """Give imports, the newest first."""
    before = min(int(asked.after), 2**31 - 1) if asked.after else None
    rows = list_batches(db.session, limit=asked.limit + 1, before_id=before)
    page = rows[: asked.limit]
    more = str(page[-1].id) if len(rows) > asked.limit else None
    settled = count_settled(db.session, [row.id for row in page if row.rejected])
    items = [ImportOut(**_facts(row, settled.get(row.id, 0))) for row in page]
    return ImportList(items=items, next=more)


@bp.get(_ROUTE)
@bp.doc(summary="One import", responses={404: _NO_IMPORT})
@bp.input(DetailQuery, location="query", arg_name="asked")
@bp.output(ImportDetail)
@needs("contacts.import")
def get_import_view(import_id: int, asked: DetailQuery) -> ImportDetail:
    """Give one import: what it brought, what was refused, who works on it."""
    batch, counts = get_batch(db.session, import_id), count_rejects(db.session, import_id)
    job = find_job_of_import(db.session, import_id)
    return ImportDetail(
        **_facts(batch, counts.settled),
        mapping=dict(batch.mapping),
        redactions=dict(batch.redactions),
        reasons=[ReasonOut(code=code, rows=n, example=said) for code, n, said in counts.reasons],
        replays=[other.id for other in list_replays(db.session, import_id)],
        is_file_kept=find_kept_file(current_settings(), import_id) is not None,
        job_id=job.id if job else None,
        opened=_opened(import_id) if asked.customers else None,
    )


@bp.get(f"{_ROUTE}/rejects")
@bp.doc(summary="Refused rows of an import", responses={404: _NO_IMPORT})
@bp.input(ImportQuery, location="query", arg_name="asked")
@bp.output(RejectList)
@needs("contacts.import")
def list_rejects_view(import_id: int, asked: ImportQuery) -> RejectList:
    """Give the refused rows in the order of the file, personal data hidden."""
    get_batch(db.session, import_id)
    after = min(int(asked.after), 2**31 - 1) if asked.after else 0
    rows = list_rejects(db.session, batch_id=import_id, after_line=after, limit=asked.limit + 1)
    page = rows[: asked.limit]
    items = [
        RejectOut(
            line=r.line, code=r.code, reason=r.reason, row=r.raw, settled_by_id=r.settled_by_id
        )
        for r in page
    ]
    return RejectList(items=items, next=str(page[-1].line) if len(rows) > asked.limit else None)


@bp.get(f"{_ROUTE}/rejects.csv")
@bp.doc(
    summary="Refused rows of an import as a file, personal data hidden",
    responses=_file_or(_NO_IMPORT, words="A table."),
)
@needs("contacts.import")
def get_rejects_file_view(import_id: int) -> flask.Response:
    """Give the refused rows as CSV, up to 50,000 of them."""
    lines = hidden_rows(db.session, batch_id=import_id)
    return _as_file(f"rejects-of-import-{import_id}.csv", lines)


@bp.get(f"{_ROUTE}/to-correct.csv")
@bp.doc(
    summary="Refused rows of an import as they stand in its file, to correct and bring again",
    responses=_file_or(
        "There is no such import, or its file is no longer kept.",
        words="A table with `closedloop_line` in front.",
    ),
)
@needs("contacts.import")
def get_rows_to_correct_view(import_id: int) -> flask.Response:
    """Give the rows that no other import took in since; they hold personal data."""
    lines = rows_to_correct(db.session, settings=current_settings(), batch_id=import_id)
    return _as_file(f"rows-to-correct-of-import-{import_id}.csv", lines)


def _as_file(name: str, lines: Iterable[str]) -> flask.Response:
    response = flask.Response(lines, mimetype="text/csv")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


@bp.post(f"{_ROUTE}/cancel")
@bp.doc(
    summary="Stop reading an import, or taking it out",
    responses={404: _NO_IMPORT, 409: "No job works on it."},
)
@bp.output(JobOut)
@needs("contacts.import", WRITE)
def cancel_import_view(import_id: int) -> JobOut:
    """Ask the job to stop at its next step; what is stored stays, and can go on or be taken out."""
    with db.transaction() as session:
        return job_out(cancel_import(session, batch_id=import_id, by=api_actor()))


@bp.get(f"{_ROUTE}/roll-back")
@bp.doc(summary="What taking an import out would do", responses={404: _NO_IMPORT})
@bp.input(RollBackQuery, location="query", arg_name="asked")
@bp.output(RollBackOut)
@needs("contacts.import")
def preview_roll_back_view(import_id: int, asked: RollBackQuery) -> RollBackOut:
    """Count what would go; nothing is changed."""
    found = preview_roll_back(db.session, batch_id=import_id, is_exact=asked.count)
    counts = {name: getattr(found, name) for name in RollBackOut.model_fields if name != "later"}
    later = [LaterImport(id=number, unchanged=rows) for number, rows in found.later]
    return RollBackOut(**counts, later=later)


@bp.post(f"{_ROUTE}/roll-back")
@bp.doc(
    summary="Take an import out again",
    responses={
        404: _NO_IMPORT,
        409: "It is being read, or was taken out.",
        422: "Another number would go.",
    },
)
@bp.input(RollBackForm, location="json", arg_name="sent")
@bp.output(JobOut, status_code=202)
@needs("contacts.import", WRITE)
def roll_back_import_view(import_id: int, sent: RollBackForm) -> tuple[JobOut, int, dict[str, str]]:
    """Queue the job that removes what it brought; the file can be imported again afterwards."""
    by = api_actor()
    with db.transaction() as session:
        batch = begin_roll_back(
            session, batch_id=import_id, by=by, contacts=sent.expected_count, wants_count=True
        )
        job = queue_job(
            session,
            kind=JobKind.ROLL_BACK_IMPORT,
            arguments={"batch_id": import_id, "file_name": batch.file_name},
            by=by,
        )
        answer = job_out(job)
    return answer, 202, {"Location": flask.url_for("api.get_job_view", job_id=answer.id)}


@bp.post("/imports/pick-up")
@bp.doc(
    summary="Read what lies in the watched folder now", responses={422: "No folder is watched."}
)
@bp.output(JobOut, status_code=202)
@needs("contacts.import", WRITE)
def pick_up_view() -> tuple[JobOut, int, dict[str, str]]:
    """Queue the job that reads its files, as the nightly round does."""
    if not current_settings().watched_folder:
        raise Invalid("No folder is watched. Set CLOSEDLOOP_WATCHED_FOLDER to one.")
    with db.transaction() as session:
        answer = job_out(queue_job(session, kind=JobKind.PICK_UP_FILES, by=api_actor()))
    return answer, 202, {"Location": flask.url_for("api.get_job_view", job_id=answer.id)}


def _facts(batch: Any, settled: int) -> dict[str, Any]:
    own = {"state", "rejects_settled"}
    values = {name: getattr(batch, name) for name in ImportOut.model_fields if name not in own}
    state = batch.state.value
    if batch.rolled_back_by:
        state = "taken_out" if batch.rolled_back_at else "half_taken_out"
    return {**values, "state": state, "rejects_settled": settled}


def _opened(import_id: int) -> OpenedOut:
    found = count_batch_contacts(db.session, import_id)
    k = current_settings().privacy_k
    is_shown = found.customers >= k
    return OpenedOut(
        contacts=found.contacts,
        unidentified=found.unidentified,
        customers=found.customers if is_shown or not found.customers else None,
        came_again_share=found.again_share if is_shown and found.again >= k else None,
    )
