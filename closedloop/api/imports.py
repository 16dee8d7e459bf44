"""Imports over the API: look at a file beside its contacts, try it out, read it in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import flask

from closedloop.adapters.mapping import DEFAULT_SOURCE, Mapping
from closedloop.adapters.types import BadMapping
from closedloop.adapters.uploads import (
    Upload,
    copy_upload,
    delete_upload,
    note,
    save_upload,
)
from closedloop.api.auth import WRITE, api_actor, needs
from closedloop.api.blueprint import bp
from closedloop.api.import_schemas import (
    BroughtFile,
    ImportForm,
    ImportPreviewOut,
    PreviewForm,
    SampleContact,
    SampleOut,
)
from closedloop.api.jobs import job_out
from closedloop.api.schemas import JobOut, TurnOut
from closedloop.domain.errors import Invalid, Refusal
from closedloop.extensions import current_settings, db
from closedloop.queries.imports import get_batch
from closedloop.queries.jobs import get_job
from closedloop.queries.mappings import find_mappings_for, get_mapping
from closedloop.services.contact_files import check_mapping
from closedloop.services.contacts import recognise_file
from closedloop.services.import_faults import faults_in_words
from closedloop.services.previews import SampleRow
from closedloop.services.rejects import get_kept_file
from closedloop.services.same_contacts import refuse_second_source
from closedloop.services.suggestions import Origin, Suggestion, from_import, suggest_mapping
from closedloop.services.waiting_files import (
    WaitingFile,
    get_waiting_file,
    queue_import,
    queue_try,
    show_first_rows,
)

_MISFIT = {404: "No such upload, saved mapping or import.", 422: "File or mapping do not fit."}


@bp.post("/imports/preview")
@bp.doc(
    summary="Look at a file of contacts: its format, a mapping, its first rows", responses=_MISFIT
)
@bp.input(PreviewForm, location="form_and_files", arg_name="sent")
@bp.output(ImportPreviewOut)
@needs("contacts.import", WRITE)
def preview_import_view(sent: PreviewForm) -> ImportPreviewOut:
    """Keep the file for a week and show what it looks like; nothing of it is stored."""
    with _brought(sent) as waiting:
        suggestion = _given(sent) or _first_mapping(waiting) or _suggested(waiting)
        if sent.on_change:
            changed = replace(suggestion.mapping, on_change=sent.on_change)
            suggestion = replace(suggestion, mapping=changed)
        return _preview_out(waiting, suggestion)


@bp.post("/imports")
@bp.doc(summary="Bring in a file of contacts, or try it out", responses=_MISFIT)
@bp.input(ImportForm, location="form_and_files", arg_name="sent")
@bp.output(JobOut, status_code=202)
@needs("contacts.import", WRITE)
def create_import_view(sent: ImportForm) -> tuple[JobOut, int, dict[str, str]]:
    """Keep the file and queue the job that reads it; ask /jobs/ID how far it is."""
    with _brought(sent) as waiting:
        suggestion = _given(sent) or _first_mapping(waiting) or _own_mapping(waiting)
        mapping = suggestion.mapping
        if sent.on_change:
            mapping = replace(mapping, on_change=sent.on_change)
        if mapping.source == DEFAULT_SOURCE and waiting.upload.replay_of_id is None:
            refuse_second_source(
                db.session,
                settings=current_settings(),
                path=waiting.upload.path,
                mapping=mapping,
                source=mapping.source,
            )
        if sent.dry_run:
            job = _queue_try(waiting.upload, mapping)
        else:
            job = _queue_import(waiting.upload, mapping, suggestion.saved_name)
    return job, 202, {"Location": flask.url_for("api.get_job_view", job_id=job.id)}


@contextmanager
def _brought(sent: BroughtFile) -> Iterator[WaitingFile]:
    """Give the file that is meant; one that was sent along is not kept when it is refused."""
    if sent.replay_of is not None:
        get_batch(db.session, sent.replay_of)
    file: Any = sent.file
    if file is None and sent.upload:
        waiting = get_waiting_file(current_settings(), sent.upload)
        is_other = sent.replay_of is not None and waiting.upload.replay_of_id != sent.replay_of
        if is_other:
            upload = note(waiting.upload, replay_of_id=sent.replay_of, sample=[])
            waiting = replace(waiting, upload=upload)
        yield waiting
        return
    upload = note(_keep(sent), replay_of_id=sent.replay_of)
    try:
        yield WaitingFile(upload, recognise_file(upload.path))
    except Refusal:
        delete_upload(upload)
        raise


def _keep(sent: BroughtFile) -> Upload:
    """Keep the file that was sent along, or a second copy of the one an import read."""
    file: Any = sent.file
    if file is not None:
        with faults_in_words():
            return save_upload(
                current_settings().uploads, file.stream, file_name=file.filename or "contacts"
            )
    if sent.replay_of is None:
        sentence = "Send a file, or the `upload` that its preview gave."
        raise Invalid(sentence, {"file": sentence})
    return copy_upload(get_kept_file(current_settings(), sent.replay_of))


def _given(sent: BroughtFile) -> Suggestion | None:
    """Return the mapping of a form: inline, or saved under a name; None when it says none."""
    text = sent.mapping.strip()
    if not text:
        return None
    if text[:1] not in "{[" and len(text) <= 80:
        known = get_mapping(db.session, text)
        return Suggestion(Mapping.from_dict(known.mapping), Origin.GIVEN, known.name)
    try:
        settings = json.loads(text)
        if not isinstance(settings, dict):
            raise BadMapping("The mapping must be one JSON object with “columns” in it.")
        return Suggestion(Mapping.from_dict(settings), Origin.GIVEN)
    except BadMapping as error:
        raise Invalid(error.sentence, {"mapping": error.sentence}) from error
    except (ValueError, RecursionError):
        sentence = "The mapping is no valid JSON."
        raise Invalid(sentence, {"mapping": sentence}) from None


def _first_mapping(waiting: WaitingFile) -> Suggestion | None:
    """Return the mapping of the import whose refused rows are tried again, where it fits."""
    if waiting.upload.replay_of_id is None:
        return None
    return from_import(get_batch(db.session, waiting.upload.replay_of_id), waiting.facts.header)


def _suggested(waiting: WaitingFile) -> Suggestion:
    return suggest_mapping(
        db.session,
        settings=current_settings(),
        found=waiting.found,
        path=waiting.upload.path,
        file_name=waiting.upload.file_name,
    )


def _own_mapping(waiting: WaitingFile) -> Suggestion:
    """Return the mapping a known format has; a table must come with one."""
    if waiting.found.has_own_mapping:
        return Suggestion(waiting.found.mapping, Origin.FORMAT)
    sentence = (
        "Send a mapping: a table says nowhere which column is what. Give its JSON, or the name of "
        "a saved one. POST /imports/preview suggests one."
    )
    raise Invalid(sentence, {"mapping": sentence})


def _queue_try(upload: Upload, mapping: Mapping) -> JobOut:
    check_mapping(upload.path, mapping)
    upload = note(upload, mapping=mapping.to_dict(), sample=[])  # before a job adds its own
    with db.transaction() as session:
        job = queue_try(
            session, settings=current_settings(), upload=upload, mapping=mapping, by=api_actor()
        )
        return job_out(job)


def _queue_import(upload: Upload, mapping: Mapping, name: str) -> JobOut:
    with db.transaction() as session:
        queued = queue_import(
            session,
            settings=current_settings(),
            upload=upload,
            mapping=mapping,
            by=api_actor(),
            origin="api",
            mapping_name=name,
        )
        answer = job_out(get_job(session, queued.job_id))
    note(upload, job_id=queued.job_id, batch_id=queued.batch_id, attempts=queued.attempts)
    return answer


def _preview_out(waiting: WaitingFile, suggestion: Suggestion) -> ImportPreviewOut:
    upload, found, facts = waiting.upload, waiting.found, waiting.facts
    mapping = suggestion.mapping
    problems = mapping.problems_with(facts.header)
    rows: list[SampleRow] = []
    if not problems:
        rows = show_first_rows(
            db.session, settings=current_settings(), waiting=waiting, mapping=mapping
        )
    saved = find_mappings_for(db.session, format=facts.format, header=facts.header)
    return ImportPreviewOut(
        upload=upload.token,
        file_name=upload.file_name,
        bytes=upload.size,
        format=facts.format,
        title=found.title,
        guide=found.guide,
        reasons=list(facts.reasons),
        columns=list(facts.header),
        members=list(found.members),
        n_members=found.n_members,
        mapping=mapping.to_dict(),
        mapping_origin=suggestion.origin.value,
        mapping_name=suggestion.saved_name,
        mapping_reasons=dict(mapping.reasons),
        problems=problems,
        saved_mappings=[known.name for known in saved],
        is_sampled=waiting.is_sampled,
        rows=[_sample_out(row) for row in rows],
    )


def _sample_out(row: SampleRow) -> SampleOut:
    contact = None
    if (clean := row.contact) is not None:
        own = {"customer", "turns"}
        contact = SampleContact(
            customer=clean.customer_key,
            turns=[TurnOut(speaker=speaker, text=text) for speaker, text in clean.turns],
            **{n: getattr(clean, n) for n in SampleContact.model_fields if n not in own},
        )
    return SampleOut(
        line=row.line, place=row.place, row=row.raw, contact=contact, reason=row.reason
    )
