"""Pages: taking a file of contacts in, from the upload to the job that reads it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import flash, render_template, request, url_for
from werkzeug import Response as BaseResponse
from werkzeug.datastructures import FileStorage
from werkzeug.exceptions import RequestEntityTooLarge

from closedloop.adapters.mapping import CONSTANT_COLUMNS, IDENTIFIER_KINDS, Mapping
from closedloop.adapters.types import FileFacts
from closedloop.adapters.uploads import Upload, delete_upload, find_upload, note, save_upload
from closedloop.domain.errors import Conflict, Invalid, NotFound, Unreadable
from closedloop.domain.jobs import JobKind, JobState
from closedloop.extensions import current_settings, db
from closedloop.queries.imports import find_batch, list_batches
from closedloop.queries.jobs import find_job
from closedloop.queries.mappings import find_mapping, find_mappings_for
from closedloop.services.contact_files import RecognisedFile, fits_in_a_page, measure_extent
from closedloop.services.contact_rows import RowCleaner
from closedloop.services.contacts import open_import, preview_file, recognise_file
from closedloop.services.import_faults import faults_in_words
from closedloop.services.jobs import queue_job
from closedloop.services.mappings import save_mapping
from closedloop.services.previews import ImportPreview, SampleRow
from closedloop.services.replays import lines_to_try
from closedloop.services.told_ids import hide_in_name
from closedloop.services.watched_folder import look_at_folder
from closedloop.web.asked import row_id
from closedloop.web.contacts_bp import bp
from closedloop.web.htmx import see_other
from closedloop.web.mapping_form import (
    CHANGE_WORDS,
    COLUMN_WORDS,
    CSAT_WORDS,
    DATE_WORDS,
    IDENTIFIER_WORDS,
    IDENTITY_WORDS,
    MappingForm,
    Suggestion,
    form_as_typed,
    form_of,
    from_earlier,
    from_guess,
    from_saved,
    read_form,
    zone_choices,
)
from closedloop.web.permissions import requires, user_may
from closedloop.web.session import current_actor

STEPS = ("Choose a file", "Check and map", "Try it out", "Read it in")
SAMPLE_ROWS = 20
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
        folder=None if before_id else look_at_folder(current_settings()),
        folder_path=current_settings().watched_folder,
    )


@bp.post("/import")
@requires("contacts.import")
def import_upload() -> BaseResponse | tuple[str, int]:
    """Keep an uploaded file under a random name, if it is one that can be read."""
    sent = request.files.get("file")
    if sent is None or not sent.filename:
        return _upload_page("No file came with the form. Choose one and send it again."), 422
    upload = save_sent(sent)
    try:
        recognise_file(upload.path)
    except Unreadable as error:
        delete_upload(upload)
        return _upload_page(f"“{upload.file_name}” was not taken in. {error.sentence}"), 422
    return see_other(url_for("contacts.import_map", token=upload.token))


def save_sent(sent: FileStorage) -> Upload:
    """Keep a file that came with a form."""
    with faults_in_words():
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
    """An upload that waits for its mapping, and what it looks like."""

    upload: Upload
    found: RecognisedFile

    @property
    def facts(self) -> FileFacts:
        """What the first look at the file showed."""
        return self.found.facts

    @property
    def is_small(self) -> bool:
        """Whether a page can look at all of it."""
        return fits_in_a_page(self.upload.path, self.found)

    @property
    def is_sampled(self) -> bool:
        """Whether a page can look at the first contacts.

        In a large file only where its first lines are its first rows, and all of them count.
        """
        is_replay = self.upload.replay_of_id is not None
        has_first_lines = self.found.has_lines and not self.found.is_packed and not is_replay
        return self.is_small or has_first_lines

    def lines(self) -> frozenset[int] | None:
        """Return the only lines that count, where refused rows are tried again."""
        if self.upload.replay_of_id is None:
            return None
        batch = find_batch(db.session, self.upload.replay_of_id)
        if batch is None:
            return None
        sha256 = measure_extent(self.upload.path).sha256
        return lines_to_try(db.session, replay_of_id=batch.id, sha256=sha256)


def _waiting(token: str) -> Waiting:
    """Return an upload and what it looks like; `NotFound` when it is gone."""
    upload = find_upload(current_settings().uploads, token)
    if upload is None:
        raise NotFound(
            "This upload is no longer kept; files wait for a week. Upload it again: nothing is "
            "counted twice."
        )
    return Waiting(upload, recognise_file(upload.path))


def _shown_rows(waiting: Waiting) -> list[list[str]]:
    """Return the first rows of the file with personal data hidden."""
    cleaner = RowCleaner(current_settings(), waiting.facts, Mapping({}))
    return [[cleaner.redact(cell) for cell in row] for row in waiting.facts.sample_rows]


@bp.get("/import/<token>")
@requires("contacts.import")
def import_map(token: str) -> str:
    """Show what was recognised and how the columns would be read."""
    waiting = _waiting(token)
    suggestion = _suggestion(waiting, request.args.get("mapping", ""))
    form = form_of(suggestion.mapping, waiting.facts)
    form.values["save_as"] = suggestion.name
    return _map_page(waiting, form, suggestion)


def _suggestion(waiting: Waiting, asked: str) -> Suggestion:
    """Return what to fill the form with: what was asked for, chosen before, saved, or guessed."""
    upload, header = waiting.upload, waiting.facts.header
    if asked and (saved := find_mapping(db.session, asked)):
        if found := from_saved(saved, header):
            return found
        flash(f"The mapping “{saved.name}” needs columns that this file does not have.", "warn")
    if upload.mapping is not None:
        return Suggestion(Mapping.from_dict(upload.mapping), name=upload.mapping_name)
    fitting = find_mappings_for(db.session, format=waiting.facts.format, header=header)
    for saved in fitting:
        if found := from_saved(saved, header):
            return found
    batches = [
        (batch.file_name, batch.source, batch.mapping)
        for batch in list_batches(db.session, limit=BATCHES_SHOWN)
        if batch.format == waiting.facts.format
    ]
    if found := from_earlier(batches, header):
        return found
    if waiting.found.has_own_mapping:
        return Suggestion(waiting.found.mapping)
    return from_guess(
        waiting.found.mapping, file_name=upload.file_name, settings=current_settings()
    )


def _map_page(waiting: Waiting, form: MappingForm, suggestion: Suggestion | None) -> str:
    mapping = suggestion.mapping if suggestion else None
    sample: list[SampleRow] = []
    if mapping is not None and not mapping.problems_with(waiting.facts.header):
        sample = _sample(waiting, mapping)
    saved = find_mappings_for(db.session, format=waiting.facts.format, header=waiting.facts.header)
    return render_template(
        "contacts/import_map.html",
        steps=STEPS,
        upload=waiting.upload,
        found=waiting.found,
        facts=waiting.facts,
        is_small=waiting.is_small,
        is_sampled=waiting.is_sampled,
        first_rows=_shown_rows(waiting),
        form=form,
        origin=suggestion.origin if suggestion else "",
        reasons=dict(mapping.reasons) if mapping else {},
        sample=sample,
        saved=saved,
        saved_name=suggestion.name if suggestion else "",
        column_words=COLUMN_WORDS,
        constants=CONSTANT_COLUMNS,
        inbound_columns=[("", "every row counts"), *((c, c) for c in waiting.facts.header)],
        identifier_words=IDENTIFIER_WORDS,
        identifiers=IDENTIFIER_KINDS,
        identifier_columns=[("", "none"), *((c, c) for c in waiting.facts.header)],
        csat_words=CSAT_WORDS,
        identity_words=IDENTITY_WORDS,
        change_words=CHANGE_WORDS,
        date_words=DATE_WORDS,
        zones=zone_choices(),
        gap_hours=f"{current_settings().session_gap_hours:g}",
    )


def _sample(waiting: Waiting, mapping: Mapping) -> list[SampleRow]:
    """Return the first rows beside what they become; of some files only once a job read them."""
    if not waiting.is_sampled:
        return []
    return preview_file(
        db.session,
        settings=current_settings(),
        path=waiting.upload.path,
        mapping=mapping,
        source=mapping.source,
        sample=SAMPLE_ROWS,
        limit=SAMPLE_ROWS,
        only_lines=waiting.lines(),
    ).sample


@bp.post("/import/<token>")
@requires("contacts.import")
def import_check(token: str) -> BaseResponse | tuple[str, int]:
    """Keep the mapping, under a name if one was given, and go on to the dry run."""
    waiting = _waiting(token)
    typed = {name: request.form[name][:2000] for name in request.form if name != "csrf_token"}
    try:
        mapping = read_form(typed, waiting.facts)
        name = _save_as(waiting, mapping, typed)
    except Invalid as error:
        form = form_as_typed(typed, waiting.facts, error.fields)
        return _map_page(waiting, form, None), 422
    except Conflict as error:
        form = form_as_typed(typed, waiting.facts, {"save_as": error.sentence})
        return _map_page(waiting, form, None), 422
    upload = note(waiting.upload, mapping=mapping.to_dict(), mapping_name=name, try_job_id=None)
    if not waiting.is_small:
        _queue_try(upload, mapping)
    return see_other(url_for("contacts.import_try", token=token))


def _save_as(waiting: Waiting, mapping: Mapping, typed: dict[str, str]) -> str:
    """Save the mapping if a name was typed; changing the one it was filled from is meant."""
    name = typed.get("save_as", "").strip()
    if not name:
        return ""
    with db.transaction() as session:
        return save_mapping(
            session,
            name=name,
            format=waiting.facts.format,
            header=waiting.facts.header,
            mapping=mapping,
            by=current_actor(),
            replace=name == typed.get("filled_from", ""),
        ).name


def _queue_try(upload: Upload, mapping: Mapping) -> Upload:
    """Queue the job that looks at the whole file."""
    with db.transaction() as session:
        job = queue_job(
            session,
            kind=JobKind.TRY_IMPORT,
            arguments=_arguments(upload, mapping),
            by=current_actor(),
        )
    return note(upload, try_job_id=job.id, sample=[])


def _arguments(upload: Upload, mapping: Mapping) -> dict[str, Any]:
    return {
        "path": str(upload.path),
        "mapping": mapping.to_dict(),
        "source": mapping.source,
        "file_name": hide_in_name(upload.file_name, current_settings()),
        "token": upload.token,
        "replay_of_id": upload.replay_of_id,
    }


@bp.get("/import/<token>/check")
@requires("contacts.import")
def import_try(token: str) -> str | BaseResponse:
    """Show what the import would do, without doing it."""
    waiting = _waiting(token)
    upload = waiting.upload
    if upload.mapping is None:
        return see_other(url_for("contacts.import_map", token=token))
    mapping = Mapping.from_dict(upload.mapping)
    job = find_job(db.session, upload.try_job_id) if upload.try_job_id else None
    if waiting.is_small:
        preview = preview_file(
            db.session,
            settings=current_settings(),
            path=upload.path,
            mapping=mapping,
            source=mapping.source,
            sample=SAMPLE_ROWS,
            only_lines=waiting.lines(),
        )
    elif job is not None and job.state is JobState.DONE:
        preview = ImportPreview.from_dict(job.result["preview"])
        preview.sample = [SampleRow.from_dict(row) for row in upload.sample]
    elif job is not None:
        return see_other(url_for("contacts.import_job", job_id=job.id))
    else:
        return see_other(url_for("contacts.import_map", token=token))
    return render_template(
        "contacts/import_check.html",
        steps=STEPS,
        upload=upload,
        mapping=mapping,
        preview=preview,
    )


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
                settings=current_settings(),
                path=upload.path,
                mapping=mapping,
                source=mapping.source,
                file_name=upload.file_name,
                by=by,
                origin="upload",
                mapping_name=upload.mapping_name,
                replay_of_id=upload.replay_of_id,
            ).id
        job = queue_job(
            session,
            kind=JobKind.IMPORT_CONTACTS,
            arguments={**_arguments(upload, mapping), "batch_id": batch_id},
            by=by,
            slot=f"contacts.import_file @ {token[:24]}-{upload.attempts}",
        )
    note(upload, job_id=job.id, batch_id=batch_id, attempts=upload.attempts + 1)
    return see_other(url_for("contacts.import_job", job_id=job.id))


def _goes_on(upload: Upload) -> bool:
    """Whether the job of this upload waits, runs or is done with this very mapping."""
    job = find_job(db.session, upload.job_id or 0)
    batch = find_batch(db.session, upload.batch_id) if upload.batch_id else None
    if job is None or (batch is not None and batch.rolled_back_by):
        return False
    is_same = job.arguments.get("mapping") == upload.mapping
    return is_same and job.state in (JobState.QUEUED, JobState.RUNNING, JobState.DONE)


def _batch_to_fill(upload: Upload) -> int | None:
    """Return the import that broke off and can go on; None to open a new one."""
    batch = find_batch(db.session, upload.batch_id) if upload.batch_id else None
    if batch is None or batch.state.value == "done" or batch.mapping != upload.mapping:
        return None
    return None if batch.rolled_back_by else batch.id
