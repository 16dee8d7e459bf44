"""Pages: taking a file of contacts in, from the upload to the result."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

from flask import Response, flash, render_template, request, url_for
from werkzeug import Response as BaseResponse
from werkzeug.datastructures import FileStorage
from werkzeug.exceptions import RequestEntityTooLarge

from closedloop.adapters.contacts import read_contacts
from closedloop.adapters.mapping import CONSTANT_COLUMNS, Mapping
from closedloop.adapters.types import FileFacts, Reject
from closedloop.adapters.uploads import Upload, delete_upload, find_upload, note, save_upload
from closedloop.domain.clock import utc_now
from closedloop.domain.errors import Invalid, NotFound, Unreadable
from closedloop.domain.jobs import JobKind, JobState
from closedloop.extensions import current_settings, db
from closedloop.queries.imports import (
    count_batch_contacts,
    find_batch,
    get_batch,
    list_batches,
    list_rejects,
)
from closedloop.queries.jobs import get_job, seconds_left
from closedloop.services.contact_files import open_contacts
from closedloop.services.contact_rows import RowCleaner
from closedloop.services.contacts import open_import, preview_file, recognise_file
from closedloop.services.jobs import queue_job
from closedloop.web.asked import row_id
from closedloop.web.contacts_bp import bp, gap_words
from closedloop.web.csv_files import csv_response
from closedloop.web.filters import n
from closedloop.web.htmx import is_htmx, see_other
from closedloop.web.mapping_form import (
    COLUMN_WORDS,
    DATE_WORDS,
    MappingForm,
    Suggestion,
    form_as_typed,
    form_of,
    read_form,
    suggest,
    zone_choices,
)
from closedloop.web.permissions import requires, user_may
from closedloop.web.session import current_actor

STEPS = ("Choose a file", "Check and map", "Try it out", "Read it in")
SAMPLE_ROWS = 20
TRIED_ROWS = 20_000
"""The dry run reads at most this many rows, so that the page comes in seconds."""

REJECTS_SHOWN = 50
REJECTS_EXPORTED = 50_000
BATCHES_SHOWN = 20
_DRAINED_BYTES = 2 * 1024**3


@bp.get("/import")
@requires("contacts.import")
def import_new() -> str:
    """Ask for a file, and list what was imported before."""
    return _upload_page()


def _upload_page(error: str = "") -> str:
    before_id = request.args.get("before", type=row_id)
    batches = list_batches(db.session, limit=BATCHES_SHOWN + 1, before_id=before_id)
    shown = batches[:BATCHES_SHOWN]
    more = url_for("contacts.import_new", before=shown[-1].id) if len(batches) > len(shown) else ""
    return render_template(
        "contacts/import_new.html",
        steps=STEPS,
        error=error,
        batches=shown,
        more_url=more,
        first_url=url_for("contacts.import_new") if before_id else "",
        max_mb=current_settings().max_upload_mb,
    )


@bp.post("/import")
@requires("contacts.import")
def import_upload() -> BaseResponse | tuple[str, int]:
    """Keep an uploaded file under a random name, if it is one that can be read."""
    sent = request.files.get("file")
    if sent is None or not sent.filename:
        return _upload_page("No file came with the form. Choose one and send it again."), 422
    upload = _save(sent)
    try:
        recognise_file(upload.path)
    except Unreadable as error:
        delete_upload(upload)
        return _upload_page(f"“{upload.file_name}” was not taken in. {error.sentence}"), 422
    return see_other(url_for("contacts.import_map", token=upload.token))


def _save(sent: FileStorage) -> Upload:
    return save_upload(
        current_settings().uploads, sent.stream, file_name=sent.filename or "unnamed file"
    )


@bp.errorhandler(RequestEntityTooLarge)
def too_large(_error: RequestEntityTooLarge) -> tuple[str, int]:
    """Say how to bring in a file that the page does not take."""
    if not user_may("contacts.import"):
        sentence = "The file is larger than this site accepts."
        return render_template("errors/error.html", status=413, message=sentence), 413
    _drain()
    most = current_settings().max_upload_mb
    sentence = (
        f"The file is larger than {most:,} MB, which is what this page takes; nothing of it was "
        "kept. Split the export by month, or ask whoever runs the server to read it in there: "
        "closedloop import FILE"
    )
    return _upload_page(sentence), 413


def _drain() -> None:
    """Read the rest of a request and forget it: browsers show no answer before they have sent."""
    stream, left = request.environ["wsgi.input"], request.content_length or 0
    left = min(left, _DRAINED_BYTES)
    while left > 0 and (block := stream.read(min(left, 1 << 20))):
        left -= len(block)


@dataclass(frozen=True)
class Waiting:
    """An upload that waits for its mapping."""

    upload: Upload
    facts: FileFacts
    guess: Mapping


def _waiting(token: str) -> Waiting:
    """Return an upload and what it looks like; `NotFound` when it is gone."""
    upload = find_upload(current_settings().uploads, token)
    if upload is None:
        raise NotFound(
            "This upload is no longer kept; files wait for a week. Upload it again: nothing is "
            "counted twice."
        )
    recognised = recognise_file(upload.path)
    return Waiting(upload, recognised.facts, recognised.mapping)


def _shown_rows(waiting: Waiting) -> list[list[str]]:
    """Return the first rows of the file with personal data hidden."""
    cleaner = RowCleaner(current_settings(), waiting.facts, Mapping({}))
    return [[cleaner.redact(cell) for cell in row] for row in waiting.facts.sample_rows]


@bp.get("/import/<token>")
@requires("contacts.import")
def import_map(token: str) -> str:
    """Show what was recognised and how the columns would be read."""
    waiting = _waiting(token)
    suggestion = _suggestion(waiting)
    form = form_of(suggestion.mapping, waiting.facts)
    return _map_page(waiting, form, suggestion)


def _suggestion(waiting: Waiting) -> Suggestion:
    if waiting.upload.mapping is not None:
        return Suggestion(Mapping.from_dict(waiting.upload.mapping))
    batches = list_batches(db.session, limit=BATCHES_SHOWN)
    return suggest(
        waiting.guess,
        waiting.facts.header,
        file_name=waiting.upload.file_name,
        earlier=[(batch.file_name, batch.source, batch.mapping) for batch in batches],
        settings=current_settings(),
    )


def _map_page(waiting: Waiting, form: MappingForm, suggestion: Suggestion | None) -> str:
    mapping = suggestion.mapping if suggestion else None
    sample = []
    if mapping is not None and not mapping.problems_with(waiting.facts.header):
        sample = preview_file(
            db.session,
            settings=current_settings(),
            path=waiting.upload.path,
            mapping=mapping,
            source=mapping.source,
            sample=SAMPLE_ROWS,
            limit=SAMPLE_ROWS,
        ).sample
    return render_template(
        "contacts/import_map.html",
        steps=STEPS,
        upload=waiting.upload,
        facts=waiting.facts,
        first_rows=_shown_rows(waiting),
        form=form,
        origin=suggestion.origin if suggestion else "",
        reasons=dict(mapping.reasons) if mapping else {},
        sample=sample,
        column_words=COLUMN_WORDS,
        constants=CONSTANT_COLUMNS,
        inbound_columns=[("", "every row counts"), *((c, c) for c in waiting.facts.header)],
        date_words=DATE_WORDS,
        zones=zone_choices(),
        gap_hours=f"{current_settings().session_gap_hours:g}",
    )


@bp.post("/import/<token>")
@requires("contacts.import")
def import_check(token: str) -> BaseResponse | tuple[str, int]:
    """Keep the mapping and go on to the dry run."""
    waiting = _waiting(token)
    typed = {name: request.form[name][:2000] for name in request.form if name != "csrf_token"}
    try:
        mapping = read_form(typed, waiting.facts)
    except Invalid as error:
        form = form_as_typed(typed, waiting.facts, error.fields)
        return _map_page(waiting, form, None), 422
    note(waiting.upload, mapping=mapping.to_dict())
    return see_other(url_for("contacts.import_try", token=token))


@bp.get("/import/<token>/check")
@requires("contacts.import")
def import_try(token: str) -> str | BaseResponse:
    """Show what the import would do, without doing it."""
    waiting = _waiting(token)
    if waiting.upload.mapping is None:
        return see_other(url_for("contacts.import_map", token=token))
    mapping = Mapping.from_dict(waiting.upload.mapping)
    preview = preview_file(
        db.session,
        settings=current_settings(),
        path=waiting.upload.path,
        mapping=mapping,
        source=mapping.source,
        sample=SAMPLE_ROWS,
        limit=TRIED_ROWS,
    )
    rejects = _first_rejects(waiting, mapping) if preview.rejected else []
    return render_template(
        "contacts/import_check.html",
        steps=STEPS,
        upload=waiting.upload,
        mapping=mapping,
        preview=preview,
        rejects=rejects,
        tried=TRIED_ROWS,
    )


def _first_rejects(waiting: Waiting, mapping: Mapping) -> list[Reject]:
    with open_contacts(waiting.upload.path, mapping) as opened:
        outcomes = read_contacts(opened.bundle, opened.facts, mapping, now=utc_now())
        rejects = (row for row in islice(outcomes, TRIED_ROWS) if isinstance(row, Reject))
        return list(islice(rejects, SAMPLE_ROWS))


@bp.post("/import/<token>/run")
@requires("contacts.import")
def import_run(token: str) -> BaseResponse:
    """Queue the import, or go to the one that this upload already has."""
    waiting = _waiting(token)
    upload = waiting.upload
    if upload.mapping is None:
        flash("Say first which column is what.", "warn")
        return see_other(url_for("contacts.import_map", token=token))
    mapping = Mapping.from_dict(upload.mapping)
    if upload.job_id is not None and _goes_on(upload):
        return see_other(url_for("contacts.import_job", job_id=upload.job_id))
    by = current_actor()
    with db.transaction() as session:
        batch_id = _batch_to_fill(upload)
        if batch_id is None:
            batch_id = open_import(
                session,
                path=upload.path,
                mapping=mapping,
                source=mapping.source,
                file_name=upload.file_name,
                by=by,
            ).id
        arguments = {
            "path": str(upload.path),
            "mapping": mapping.to_dict(),
            "source": mapping.source,
            "file_name": upload.file_name,
            "batch_id": batch_id,
            "token": token,
        }
        slot = f"contacts.import_file @ {token[:24]}-{upload.attempts}"
        job = queue_job(
            session, kind=JobKind.IMPORT_CONTACTS, arguments=arguments, by=by, slot=slot
        )
    note(upload, job_id=job.id, batch_id=batch_id, attempts=upload.attempts + 1)
    return see_other(url_for("contacts.import_job", job_id=job.id))


def _goes_on(upload: Upload) -> bool:
    """Whether the job of this upload waits, runs or is done with this very mapping."""
    job = get_job(db.session, upload.job_id or 0)
    is_same = job.arguments.get("mapping") == upload.mapping
    return is_same and job.state in (JobState.QUEUED, JobState.RUNNING, JobState.DONE)


def _batch_to_fill(upload: Upload) -> int | None:
    """Return the import that broke off and can go on; None to open a new one."""
    batch = find_batch(db.session, upload.batch_id) if upload.batch_id else None
    if batch is None or batch.state.value == "done" or batch.mapping != upload.mapping:
        return None
    return batch.id


@bp.get("/imports/job/<int:job_id>")
@requires("contacts.import")
def import_job(job_id: int) -> str | BaseResponse:
    """Show how far an import is; when it is done, its result."""
    job = get_job(db.session, job_id)
    if job.kind is not JobKind.IMPORT_CONTACTS:
        raise NotFound("This job is no import.")
    if job.state is JobState.DONE:
        batch_id = job.result.get("batch_id") or job.arguments.get("batch_id")
        return see_other(url_for("contacts.import_show", batch_id=batch_id))
    template = "contacts/_progress.html" if is_htmx() else "contacts/import_job.html"
    return render_template(template, steps=STEPS, job=job, progress=_progress(job, utc_now()))


def _progress(job: Any, now: datetime) -> dict[str, Any]:
    """Return share, rate and time left of a running import in words.

    While the file is read, progress counts its bytes; afterwards contacts get their themes,
    counted in another unit, and no time left is claimed.
    """
    path = Path(str(job.arguments.get("path", "")))
    is_reading = path.is_file() and path.stat().st_size == job.progress_total
    elapsed = (now - job.started_at).total_seconds() if job.started_at else 0
    rate = ""
    if is_reading and elapsed > 0 and job.progress_done >= 1000 * elapsed:
        rate = f"{n(job.progress_done / elapsed / 1000)} kB a second"
    left = seconds_left(job, now) if is_reading else None
    return {
        "share": job.progress_done / job.progress_total if job.progress_total else None,
        "rate": rate,
        "left": f"about {gap_words(round(left))} left" if left is not None else "",
        "doing": job.doing,
    }


@bp.get("/imports/<int:batch_id>")
@requires("contacts.import")
def import_show(batch_id: int) -> str:
    """Show what an import brought, and the rows that could not be read."""
    batch = get_batch(db.session, batch_id)
    line = request.args.get("after", 0, type=row_id)
    rejects = list_rejects(db.session, batch_id=batch_id, after_line=line, limit=REJECTS_SHOWN + 1)
    shown = rejects[:REJECTS_SHOWN]
    here = url_for("contacts.import_show", batch_id=batch_id)
    return render_template(
        "contacts/import_show.html",
        batch=batch,
        opened=count_batch_contacts(db.session, batch_id) if batch.added else None,
        k=current_settings().privacy_k,
        rejects=shown,
        more_url=f"{here}?after={shown[-1].line}#rejects" if len(rejects) > len(shown) else "",
        first_url=f"{here}#rejects" if line else "",
    )


@bp.get("/imports/<int:batch_id>/rejects.csv")
@requires("contacts.import")
def import_rejects(batch_id: int) -> Response:
    """Send the rows that could not be read, redacted, as CSV."""
    batch = get_batch(db.session, batch_id)
    rejects = list_rejects(db.session, batch_id=batch_id, limit=REJECTS_EXPORTED + 1)
    rows: list[list[Any]] = [
        [batch.file_name, r.line, r.reason, r.raw] for r in rejects[:REJECTS_EXPORTED]
    ]
    if len(rejects) > REJECTS_EXPORTED:
        rows.append([f"Only the first {REJECTS_EXPORTED:,} rows are in this file."])
    headings = ("File", "Line", "Reason", "Row, personal data hidden")
    return csv_response(f"rejects-of-import-{batch_id}.csv", headings, rows)
