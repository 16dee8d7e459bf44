"""Imports over the API: bring a file in or try it out, see what came of it, take it out again."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any, Literal

import flask
from apiflask.fields import UploadFile
from pydantic import Field

from closedloop.adapters.mapping import Mapping
from closedloop.adapters.types import BadMapping
from closedloop.adapters.uploads import Upload, delete_upload, note, save_upload
from closedloop.api.auth import WRITE, api_actor, needs
from closedloop.api.blueprint import bp
from closedloop.api.jobs import job_out
from closedloop.api.schemas import In, JobOut, Limit, Out
from closedloop.domain.errors import Invalid, Refusal
from closedloop.domain.jobs import JobKind
from closedloop.extensions import current_settings, db
from closedloop.queries.imports import count_rejects, get_batch, list_batches, list_rejects
from closedloop.queries.mappings import get_mapping
from closedloop.services.contact_files import check_mapping
from closedloop.services.contacts import open_import, recognise_file
from closedloop.services.import_faults import faults_in_words
from closedloop.services.jobs import queue_job
from closedloop.services.rollback import begin_roll_back
from closedloop.services.told_ids import hide_in_name

_ROUTE = "/imports/<int(max=2147483647):import_id>"
Row = Annotated[int, Field(ge=0, le=2**31 - 1)]


class ImportForm(In):
    """A file of contacts, and which of its columns is what."""

    file: UploadFile = Field(
        description="A table, or an export of a known system; also as .zip or .gz."
    )
    mapping: str = Field(
        "",
        max_length=100_000,
        description='JSON as in docs/import: {"source": …, "columns": {"contact_id": …}, …}, or '
        "the name of a saved mapping. Exports of known systems need none.",
    )
    on_change: Literal["", "keep", "replace", "extend"] = Field(
        "",
        description="What becomes of a known contact with other content: the first version is "
        "kept, the later one replaces it, or does so and adds its words to those before. Left "
        "out, the mapping says it.",
    )
    dry_run: bool = Field(False, description="Look at the whole file and store nothing.")
    replay_of: Row | None = Field(
        None, description="The import whose refused rows this file tries again."
    )


class ImportOut(Out):
    """One run over one file."""

    id: int
    file_name: str
    source: str
    format: str
    origin: str = Field(description="upload, command, api or folder.")
    mapping_name: str = Field(description="Of a saved mapping; empty when it has no name.")
    state: str = Field(description="running, done, failed, half_taken_out or taken_out.")
    message: str
    replay_of_id: int | None
    rows_read: int
    added: int
    unchanged: int
    changed: int = Field(description="Known ids with other content.")
    renewed: int = Field(description="Of the changed ones, how many replaced what was stored.")
    rejected: int
    rejects_settled: int = Field(description="Refused rows that another import took in since.")
    unidentified: int
    started_at: datetime
    finished_at: datetime | None
    rolled_back_at: datetime | None


class ImportList(Out):
    """Imports, newest first."""

    items: list[ImportOut]
    next: str | None


class ImportQuery(In):
    """Which imports."""

    limit: Limit = 50
    after: Annotated[str, Field(max_length=10, pattern=r"^\d*$")] = Field(
        "", description="`next` of the answer before."
    )


class RejectOut(Out):
    """A row that could not be taken in; personal data are hidden."""

    line: int
    code: str
    reason: str
    row: str
    settled_by_id: int | None


class RejectList(Out):
    """Refused rows in the order of the file."""

    items: list[RejectOut]
    next: str | None


class RollBackForm(In):
    """How many contacts are expected to go; another number refuses."""

    contacts: Row | None = None


@bp.post("/imports")
@bp.doc(
    summary="Bring in a file of contacts, or try it out",
    responses={404: "No such saved mapping or import.", 422: "File or mapping do not fit."},
)
@bp.input(ImportForm, location="form_and_files", arg_name="sent")
@bp.output(JobOut, status_code=202)
@needs("contacts.import", WRITE)
def create_import_view(sent: ImportForm) -> tuple[JobOut, int, dict[str, str]]:
    """Keep the file and queue the job that reads it; ask /jobs/ID how far it is."""
    named = _read_mapping(sent.mapping)
    stream: Any = sent.file
    with faults_in_words():
        upload = save_upload(
            current_settings().uploads, stream.stream, file_name=stream.filename or "contacts"
        )
    try:
        job = _queue(upload, named or _own_mapping(upload), sent)
    except Refusal:
        delete_upload(upload)
        raise
    where = flask.url_for("api.get_job_view", job_id=job.id)
    return job, 202, {"Location": where}


@dataclass(frozen=True)
class _Named:
    """A mapping and the name it was saved under."""

    mapping: Mapping
    name: str = ""


def _read_mapping(text: str) -> _Named | None:
    """Return the mapping of a form: inline, or saved under a name; None when it says none."""
    text = text.strip()
    if not text:
        return None
    if text[:1] not in "{[" and len(text) <= 80:
        known = get_mapping(db.session, text)
        return _Named(Mapping.from_dict(known.mapping), known.name)
    try:
        settings = json.loads(text)
        if not isinstance(settings, dict):
            raise BadMapping("The mapping must be one JSON object with “columns” in it.")
        return _Named(Mapping.from_dict(settings))
    except BadMapping as error:
        raise Invalid(error.sentence, {"mapping": error.sentence}) from error
    except (ValueError, RecursionError):
        sentence = "The mapping is no valid JSON."
        raise Invalid(sentence, {"mapping": sentence}) from None


def _own_mapping(upload: Upload) -> _Named:
    """Return the mapping a known format has; a table must come with one."""
    found = recognise_file(upload.path)
    if found.has_own_mapping:
        return _Named(found.mapping)
    sentence = (
        "Send a mapping: a table says nowhere which column is what. Give its JSON, or the name of "
        "a saved one."
    )
    raise Invalid(sentence, {"mapping": sentence})


def _queue(upload: Upload, named: _Named, sent: ImportForm) -> JobOut:
    mapping, by = named.mapping, api_actor()
    if sent.on_change:
        mapping = replace(mapping, on_change=sent.on_change)
    arguments: dict[str, Any] = {
        "path": str(upload.path),
        "mapping": mapping.to_dict(),
        "source": mapping.source,
        "file_name": hide_in_name(upload.file_name, current_settings()),
        "token": upload.token,
        "replay_of_id": sent.replay_of,
    }
    batch_id = None
    with db.transaction() as session:
        if sent.replay_of is not None:
            get_batch(session, sent.replay_of)
        if sent.dry_run:
            check_mapping(upload.path, mapping)
            kind = JobKind.TRY_IMPORT
        else:
            kind = JobKind.IMPORT_CONTACTS
            batch_id = arguments["batch_id"] = open_import(
                session,
                settings=current_settings(),
                path=upload.path,
                mapping=mapping,
                source=mapping.source,
                file_name=upload.file_name,
                by=by,
                origin="api",
                mapping_name=named.name,
                replay_of_id=sent.replay_of,
            ).id
        answer = job_out(queue_job(session, kind=kind, arguments=arguments, by=by))
    note(upload, job_id=answer.id, batch_id=batch_id, attempts=1)
    return answer


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
    return ImportList(items=[_import_out(row) for row in page], next=more)


@bp.get(_ROUTE)
@bp.doc(summary="One import", responses={404: "There is no such import."})
@bp.output(ImportOut)
@needs("contacts.import")
def get_import_view(import_id: int) -> ImportOut:
    """Give one import: what it brought, what was refused."""
    return _import_out(get_batch(db.session, import_id))


@bp.get(f"{_ROUTE}/rejects")
@bp.doc(summary="Refused rows of an import", responses={404: "There is no such import."})
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


@bp.post(f"{_ROUTE}/roll-back")
@bp.doc(
    summary="Take an import out again",
    responses={404: "There is no such import.", 409: "It is being read, or was taken out."},
)
@bp.input(RollBackForm, location="json", arg_name="sent")
@bp.output(JobOut, status_code=202)
@needs("contacts.import", WRITE)
def roll_back_import_view(import_id: int, sent: RollBackForm) -> tuple[JobOut, int, dict[str, str]]:
    """Queue the job that removes what it brought; the file can be imported again afterwards."""
    by = api_actor()
    with db.transaction() as session:
        batch = begin_roll_back(session, batch_id=import_id, by=by, contacts=sent.contacts)
        job = queue_job(
            session,
            kind=JobKind.ROLL_BACK_IMPORT,
            arguments={"batch_id": import_id, "file_name": batch.file_name},
            by=by,
        )
        answer = job_out(job)
    return answer, 202, {"Location": flask.url_for("api.get_job_view", job_id=answer.id)}


def _import_out(batch: Any) -> ImportOut:
    own = {"state", "rejects_settled"}
    values = {name: getattr(batch, name) for name in ImportOut.model_fields if name not in own}
    state = batch.state.value
    if batch.rolled_back_by:
        state = "taken_out" if batch.rolled_back_at else "half_taken_out"
    settled = count_rejects(db.session, batch.id).settled if batch.rejected else 0
    return ImportOut(**values, state=state, rejects_settled=settled)
