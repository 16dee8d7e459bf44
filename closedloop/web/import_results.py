"""Pages: what an import brought, its refused rows and how to try them again, and taking it out."""

from __future__ import annotations

from flask import Response, flash, render_template, request, url_for
from werkzeug import Response as BaseResponse

from closedloop.adapters.registry import reader_named
from closedloop.adapters.uploads import copy_upload, delete_upload, note
from closedloop.domain.errors import Invalid, Unreadable
from closedloop.domain.jobs import JobKind
from closedloop.extensions import current_settings, db
from closedloop.queries.imports import (
    count_batch_contacts,
    count_rejects,
    get_batch,
    list_rejects,
    list_replays,
)
from closedloop.services.contacts import recognise_file
from closedloop.services.import_holds import is_being_read
from closedloop.services.jobs import queue_job
from closedloop.services.rejects import find_kept_file, hidden_rows, rows_to_correct
from closedloop.services.rollback import COUNT_TYPED_ABOVE, begin_roll_back
from closedloop.services.rollback_previews import preview_roll_back
from closedloop.services.suggestions import from_import
from closedloop.web.asked import row_id
from closedloop.web.contacts_bp import bp
from closedloop.web.contacts_import import save_sent
from closedloop.web.csv_files import send_csv
from closedloop.web.htmx import see_other
from closedloop.web.permissions import requires
from closedloop.web.session import current_actor

REJECTS_SHOWN = 50
COUNTED_UNASKED = 50_000
"""Contacts of an import whose customers are counted with its page; of more of them when asked."""


@bp.get("/imports/<int:batch_id>")
@requires("contacts.import")
def import_show(batch_id: int) -> str:
    """Show what an import brought, and the rows that could not be read."""
    return _result_page(batch_id)


def _result_page(batch_id: int, error: str = "") -> str:
    batch = get_batch(db.session, batch_id)
    line = request.args.get("after", 0, type=row_id)
    rejects = list_rejects(db.session, batch_id=batch_id, after_line=line, limit=REJECTS_SHOWN + 1)
    shown = rejects[:REJECTS_SHOWN]
    here = url_for("contacts.import_show", batch_id=batch_id)
    is_counted = batch.added <= COUNTED_UNASKED or "customers" in request.args
    return render_template(
        "contacts/import_show.html",
        batch=batch,
        is_read=is_being_read(batch),
        opened=count_batch_contacts(db.session, batch_id) if batch.added and is_counted else None,
        count_url=""
        if is_counted
        else url_for("contacts.import_show", batch_id=batch_id, customers="count"),
        k=current_settings().privacy_k,
        counts=count_rejects(db.session, batch_id),
        rejects=shown,
        unit=reader_named(batch.format).unit.capitalize(),
        kept=find_kept_file(current_settings(), batch_id),
        replays=list_replays(db.session, batch_id),
        error=error,
        max_mb=current_settings().max_upload_mb,
        more_url=f"{here}?after={shown[-1].line}#rejects" if len(rejects) > len(shown) else "",
        first_url=f"{here}#rejects" if line else "",
    )


@bp.get("/imports/<int:batch_id>/rejects.csv")
@requires("contacts.import")
def import_rejects(batch_id: int) -> Response:
    """Send the rows that could not be read, redacted, as CSV."""
    lines = hidden_rows(db.session, batch_id=batch_id)
    return send_csv(f"rejects-of-import-{batch_id}.csv", lines)


@bp.get("/imports/<int:batch_id>/to-correct.csv")
@requires("contacts.import")
def import_to_correct(batch_id: int) -> Response:
    """Send the refused rows as they stand in the file, to be corrected and brought again."""
    lines = rows_to_correct(db.session, settings=current_settings(), batch_id=batch_id)
    return send_csv(f"rows-to-correct-of-import-{batch_id}.csv", lines)


@bp.post("/imports/<int:batch_id>/again")
@requires("contacts.import")
def import_again(batch_id: int) -> BaseResponse | tuple[str, int]:
    """Begin to try refused rows again: with a corrected file, or with the one that is kept."""
    batch = get_batch(db.session, batch_id)
    if request.form.get("kept"):
        upload = find_kept_file(current_settings(), batch_id)
        if upload is None:
            return _result_page(batch_id, "The file is no longer kept. Upload it again."), 422
        again = copy_upload(upload)
    else:
        sent = request.files.get("file")
        if sent is None or not sent.filename:
            return _result_page(batch_id, "No file came with the form. Choose one."), 422
        again = save_sent(sent)
    try:
        header = recognise_file(again.path).facts.header
    except Unreadable as error:
        delete_upload(again)
        return _result_page(batch_id, f"The file was not taken in. {error.sentence}"), 422
    fitting = from_import(batch, header)
    note(again, replay_of_id=batch_id, mapping=fitting and fitting.mapping.to_dict())
    return see_other(url_for("contacts.import_map", token=again.token))


@bp.get("/imports/<int:batch_id>/roll-back")
@requires("contacts.import")
def import_roll_back(batch_id: int) -> str:
    """Show what taking an import out would remove."""
    return _roll_back_page(batch_id)


def _roll_back_page(batch_id: int, error: str = "") -> str:
    is_counted = "count" in request.args
    preview = preview_roll_back(db.session, batch_id=batch_id, is_exact=is_counted)
    return render_template(
        "contacts/import_roll_back.html",
        batch=get_batch(db.session, batch_id),
        preview=preview,
        count_url=""
        if preview.is_exact
        else url_for("contacts.import_roll_back", batch_id=batch_id, count="now"),
        count=preview.contacts if preview.contacts > COUNT_TYPED_ABOVE else None,
        error=error,
    )


@bp.post("/imports/<int:batch_id>/roll-back")
@requires("contacts.import")
def import_take_out(batch_id: int) -> BaseResponse | tuple[str, int]:
    """Begin to take an import out, or go on with one that is half taken out."""
    batch = get_batch(db.session, batch_id)
    typed = "".join(c for c in request.form.get("typed_count", "") if c.isdigit())
    by = current_actor()
    try:
        with db.transaction() as session:
            begin_roll_back(
                session,
                batch_id=batch_id,
                by=by,
                contacts=int(typed[:12]) if typed else None,
                wants_count=True,
            )
            job = queue_job(
                session,
                kind=JobKind.ROLL_BACK_IMPORT,
                arguments={"batch_id": batch_id, "file_name": batch.file_name},
                by=by,
            )
    except Invalid as error:
        return _roll_back_page(batch_id, error.sentence), 422
    return see_other(url_for("contacts.import_job", job_id=job.id))


@bp.post("/imports/pick-up")
@requires("contacts.import")
def import_pick_up() -> BaseResponse:
    """Read what lies in the watched folder now."""
    with db.transaction() as session:
        queue_job(session, kind=JobKind.PICK_UP_FILES, by=current_actor())
    flash("The watched folder is read as soon as a worker is free.", "done")
    return see_other(url_for("contacts.import_new"))
