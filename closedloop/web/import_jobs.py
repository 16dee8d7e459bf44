"""Pages: how far the jobs of an import are; trying it out, reading it in, taking it out."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import flash, render_template, url_for
from werkzeug import Response

from closedloop.domain.clock import utc_now
from closedloop.domain.errors import NotFound
from closedloop.domain.jobs import JobKind, JobState
from closedloop.extensions import db
from closedloop.queries.jobs import OF_FILES, get_job, seconds_left
from closedloop.services.jobs import cancel_job
from closedloop.web.contacts_bp import bp, gap_words
from closedloop.web.contacts_import import STEPS
from closedloop.web.htmx import is_htmx, see_other
from closedloop.web.permissions import requires
from closedloop.web.session import current_actor


def _get_import_job(job_id: int) -> Any:
    job = get_job(db.session, job_id)
    if job.kind not in OF_FILES:
        raise NotFound("This job is no import.")
    return job


@bp.get("/imports/job/<int:job_id>")
@requires("contacts.import")
def import_job(job_id: int) -> str | Response:
    """Show how far a job is; when it is done, what came of it."""
    job = _get_import_job(job_id)
    if job.state is JobState.DONE:
        return see_other(_where(job))
    template = "contacts/_progress.html" if is_htmx() else "contacts/import_job.html"
    return render_template(
        template,
        steps=STEPS,
        step=3 if job.kind is JobKind.TRY_IMPORT else 4,
        job=job,
        progress=_progress(job, utc_now()),
    )


def _where(job: Any) -> str:
    if job.kind is JobKind.TRY_IMPORT:
        return url_for("contacts.import_try", token=job.arguments["token"])
    batch_id = job.result.get("batch_id") or job.arguments.get("batch_id")
    return url_for("contacts.import_show", batch_id=batch_id)


@bp.post("/imports/job/<int:job_id>/cancel")
@requires("contacts.import")
def import_cancel(job_id: int) -> Response:
    """Ask the job to stop; what it committed stays."""
    _get_import_job(job_id)
    with db.transaction() as session:
        cancel_job(session, job_id=job_id, by=current_actor())
    flash("It was asked to stop and does so at its next step.", "done")
    return see_other(url_for("contacts.import_job", job_id=job_id))


def _progress(job: Any, now: datetime) -> dict[str, Any]:
    """Return share and time left of a running job in words; its rate is in what it is doing."""
    left = seconds_left(job, now)
    is_known = bool(job.progress_total)
    return {
        "share": min(job.progress_done / job.progress_total, 1) if is_known else None,
        "left": f"about {gap_words(round(left))} left" if left is not None else "",
        "doing": job.doing,
    }
