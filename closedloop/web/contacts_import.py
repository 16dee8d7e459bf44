"""Pages: taking a file of contacts in, from the upload to the job that reads it."""

from __future__ import annotations

from flask import flash, render_template, request, url_for
from werkzeug import Response as BaseResponse
from werkzeug.datastructures import FileStorage
from werkzeug.exceptions import RequestEntityTooLarge

from closedloop.adapters.mapping import CONSTANT_COLUMNS, IDENTIFIER_KINDS, Mapping
from closedloop.adapters.uploads import Upload, delete_upload, note, save_upload
from closedloop.domain.errors import Conflict, Invalid, Unreadable
from closedloop.domain.jobs import JobState
from closedloop.extensions import current_settings, db
from closedloop.queries.imports import list_batches
from closedloop.queries.jobs import find_job
from closedloop.queries.mappings import find_mapping, find_mappings_for
from closedloop.services.contact_rows import RowCleaner
from closedloop.services.contacts import recognise_file
from closedloop.services.import_faults import faults_in_words
from closedloop.services.intake import withdrawn_words
from closedloop.services.mappings import save_mapping
from closedloop.services.previews import ImportPreview, SampleRow
from closedloop.services.suggestions import Origin, Suggestion, from_saved, suggest_mapping
from closedloop.services.waiting_files import (
    WaitingFile,
    get_waiting_file,
    queue_import,
    queue_try,
    show_first_rows,
    try_small_file,
)
from closedloop.services.watched_folder import look_at_folder
from closedloop.web.asked import row_id
from closedloop.web.contacts_bp import bp
from closedloop.web.htmx import see_other
from closedloop.web.mapping_form import (
    CHANGE_WORDS,
    COLUMN_WORDS,
    CSAT_WORDS,
    DATE_WORDS,
    DECIMAL_WORDS,
    IDENTIFIER_WORDS,
    IDENTITY_WORDS,
    MappingForm,
    form_as_typed,
    form_of,
    origin_in_words,
    read_form,
    zone_choices,
)
from closedloop.web.permissions import requires, user_may
from closedloop.web.session import current_actor

STEPS = ("Choose a file", "Check and map", "Try it out", "Read it in")
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


def _waiting(token: str) -> WaitingFile:
    """Return an upload and what it looks like; `NotFound` when it is gone."""
    return get_waiting_file(current_settings(), token)


def _shown_rows(waiting: WaitingFile) -> list[list[str]]:
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
    form.values["save_as"] = suggestion.saved_name
    return _map_page(waiting, form, suggestion)


def _suggestion(waiting: WaitingFile, asked: str) -> Suggestion:
    """Return what to fill the form with: what was asked for, chosen before, saved, or guessed."""
    upload, header = waiting.upload, waiting.facts.header
    if asked and (saved := find_mapping(db.session, asked)):
        if found := from_saved(saved, header):
            return found
        flash(f"The mapping “{saved.name}” needs columns that this file does not have.", "warn")
    if upload.mapping is not None:
        mapping = Mapping.from_dict(upload.mapping)
        return Suggestion(mapping, Origin.GIVEN, upload.mapping_name)
    return suggest_mapping(
        db.session,
        settings=current_settings(),
        found=waiting.found,
        path=upload.path,
        file_name=upload.file_name,
    )


def _map_page(waiting: WaitingFile, form: MappingForm, suggestion: Suggestion | None) -> str:
    mapping = suggestion.mapping if suggestion else None
    sample: list[SampleRow] = []
    if mapping is not None and not mapping.problems_with(waiting.facts.header):
        sample = show_first_rows(
            db.session, settings=current_settings(), waiting=waiting, mapping=mapping
        )
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
        origin=origin_in_words(suggestion),
        reasons=dict(mapping.reasons) if mapping else {},
        sample=sample,
        saved=saved,
        saved_name=suggestion.saved_name if suggestion else "",
        column_words=COLUMN_WORDS,
        constants=CONSTANT_COLUMNS,
        inbound_columns=[("", "every row counts"), *((c, c) for c in waiting.facts.header)],
        identifier_words=IDENTIFIER_WORDS,
        identifiers=IDENTIFIER_KINDS,
        identifier_columns=[("", "none"), *((c, c) for c in waiting.facts.header)],
        csat_words=CSAT_WORDS,
        decimal_words=DECIMAL_WORDS,
        identity_words=IDENTITY_WORDS,
        change_words=CHANGE_WORDS,
        date_words=DATE_WORDS,
        zones=zone_choices(),
        gap_hours=f"{current_settings().session_gap_hours:g}",
    )


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


def _save_as(waiting: WaitingFile, mapping: Mapping, typed: dict[str, str]) -> str:
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
        job = queue_try(
            session,
            settings=current_settings(),
            upload=upload,
            mapping=mapping,
            by=current_actor(),
        )
    return note(upload, try_job_id=job.id, sample=[])


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
        preview = try_small_file(
            db.session, settings=current_settings(), waiting=waiting, mapping=mapping
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
        withdrawn_words=withdrawn_words,
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
    with db.transaction() as session:
        queued = queue_import(
            session,
            settings=current_settings(),
            upload=upload,
            mapping=Mapping.from_dict(upload.mapping),
            by=current_actor(),
            origin="upload",
            mapping_name=upload.mapping_name,
        )
    note(upload, job_id=queued.job_id, batch_id=queued.batch_id, attempts=queued.attempts)
    return see_other(url_for("contacts.import_job", job_id=queued.job_id))
