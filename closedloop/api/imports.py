"""Bringing contacts in over the API: the file is kept, checked and queued, not read at once."""

from __future__ import annotations

import json
from typing import Any

import flask
from apiflask.fields import UploadFile
from pydantic import Field

from closedloop.adapters.mapping import Mapping
from closedloop.adapters.types import BadMapping
from closedloop.adapters.uploads import Upload, delete_upload, note, save_upload
from closedloop.api.auth import WRITE, api_actor, needs
from closedloop.api.blueprint import bp
from closedloop.api.jobs import job_out
from closedloop.api.schemas import In, JobOut
from closedloop.domain.errors import Invalid, Refusal
from closedloop.domain.jobs import JobKind
from closedloop.extensions import current_settings, db
from closedloop.services.contacts import open_import
from closedloop.services.jobs import queue_job


class ImportForm(In):
    """A file of contacts, and which of its columns is what."""

    file: UploadFile = Field(description="CSV or JSON lines.")
    mapping: str = Field(
        max_length=100_000,
        description='JSON as in docs/import: {"source": …, "columns": {"contact_id": …}, …}.',
    )


@bp.post("/imports")
@bp.doc(summary="Bring in a file of contacts", responses={422: "File or mapping do not fit."})
@bp.input(ImportForm, location="form_and_files", arg_name="sent")
@bp.output(JobOut, status_code=202)
@needs("contacts.import", WRITE)
def create_import_view(sent: ImportForm) -> tuple[JobOut, int, dict[str, str]]:
    """Keep the file and queue the job that reads it; ask /jobs/ID how far it is."""
    mapping = _read_mapping(sent.mapping)
    stream: Any = sent.file
    upload = save_upload(
        current_settings().uploads, stream.stream, file_name=stream.filename or "contacts"
    )
    try:
        job = _queue(upload, mapping)
    except Refusal:
        delete_upload(upload)
        raise
    where = flask.url_for("api.get_job_view", job_id=job.id)
    return job, 202, {"Location": where}


def _read_mapping(text: str) -> Mapping:
    try:
        settings = json.loads(text)
        if not isinstance(settings, dict):
            raise BadMapping("The mapping must be one JSON object with “columns” in it.")
        return Mapping.from_dict(settings)
    except BadMapping as error:
        raise Invalid(error.sentence, {"mapping": error.sentence}) from error
    except (ValueError, RecursionError):
        sentence = "The mapping is no valid JSON."
        raise Invalid(sentence, {"mapping": sentence}) from None


def _queue(upload: Upload, mapping: Mapping) -> JobOut:
    with db.transaction() as session:
        by = api_actor()
        batch = open_import(
            session,
            path=upload.path,
            mapping=mapping,
            source=mapping.source,
            file_name=upload.file_name,
            by=by,
        )
        job = queue_job(
            session,
            kind=JobKind.IMPORT_CONTACTS,
            arguments={
                "path": str(upload.path),
                "mapping": mapping.to_dict(),
                "source": mapping.source,
                "file_name": upload.file_name,
                "batch_id": batch.id,
                "token": upload.token,
            },
            by=by,
        )
        answer = job_out(job)
    note(upload, job_id=answer.id, batch_id=batch.id, attempts=1)
    return answer
