"""Pages about jobs: what runs by itself, what runs now, what ran."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from flask import Blueprint, flash, render_template, request, url_for
from werkzeug import Response

from closedloop.domain.clock import utc_now
from closedloop.domain.errors import NotFound
from closedloop.domain.jobs import BY_HAND, JobKind, JobState
from closedloop.extensions import current_settings, db
from closedloop.jobs.schedule import JobSpec, next_run, schedule
from closedloop.queries.jobs import find_leader, get_job, last_runs, list_jobs, seconds_left
from closedloop.services.jobs import cancel_job, queue_by_hand, retry_job
from closedloop.web.asked import row_id
from closedloop.web.filters import day, n
from closedloop.web.htmx import is_htmx, see_other
from closedloop.web.permissions import requires
from closedloop.web.session import current_actor

bp = Blueprint("jobs", __name__, url_prefix="/jobs")
PAGE_ROWS = 30
RESULT_WORDS = {
    "added": "Rows taken in",
    "rejected": "Rows that could not be read",
    "found": "Themes found",
    "candidates": "Candidates that wait",
    "left_over": "Contacts read for candidates that are in none",
    "assigned": "Contacts looked at",
    "with_theme": "Contacts with a theme",
    "back_from_parking": "Themes back from parking",
    "measured": "Actions measured",
    "came_back": "Themes that came back",
    "placebos": "Dates without a change checked",
    "false_alarms": "False alarms on them",
    "as_of": "Data to",
    "jobs_deleted": "Old jobs deleted",
    "uploads_removed": "Uploads removed",
    "unpacked_removed": "Unpacked archives of killed processes removed",
    "vectors_removed": "Vectors that no text needs any more removed",
    "files_read": "Files picked up",
    "files_failed": "Files that could not be read",
    "contacts": "Contacts taken out",
    "moved_back": "Contacts moved back",
    "customers": "Customers nobody else knew",
}


@dataclass(frozen=True)
class Line:
    """One line of the schedule, with what became of it last time."""

    spec: JobSpec
    next_at: datetime | None
    last: object | None


@bp.get("/")
@requires("jobs.view")
def index() -> str:
    """Show the schedule, what runs now, and the history."""
    settings = current_settings()
    last = last_runs(db.session)
    before = request.args.get("before", type=row_id)
    jobs = list_jobs(db.session, limit=PAGE_ROWS + 1, before_id=before)
    return render_template(
        "jobs/_list.html" if is_htmx() else "jobs/index.html",
        lines=[
            Line(spec, next_run(spec, settings), last.get(spec.kind)) for spec in schedule(settings)
        ],
        leader=find_leader(db.session),
        jobs=jobs[:PAGE_ROWS],
        more=jobs[PAGE_ROWS - 1].id if len(jobs) > PAGE_ROWS else None,
        before=before,
        kinds=BY_HAND,
        is_running=any(job.state in {JobState.QUEUED, JobState.RUNNING} for job in jobs),
        now=utc_now(),
        seconds_left=seconds_left,
    )


@bp.get("/<int:job_id>")
@requires("jobs.view")
def show(job_id: int) -> str:
    """Show one job; htmx gets only how far it is."""
    job = get_job(db.session, job_id)
    return render_template(
        "jobs/_job.html" if is_htmx() else "jobs/show.html",
        job=job,
        results=_results(job.result),
        now=utc_now(),
        seconds_left=seconds_left,
    )


def _results(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what a job reports in words; ids, which say nothing to people, are left out."""
    return [
        (RESULT_WORDS.get(name, name.replace("_", " ").capitalize()), _value_words(value))
        for name, value in result.items()
        if not name.endswith("_id") and not isinstance(value, dict)
    ]


def _value_words(value: Any) -> str:
    if isinstance(value, int | float):
        return n(value)
    try:
        return day(date.fromisoformat(str(value)))
    except ValueError:
        return str(value)


@bp.post("/run/<kind>")
@requires("jobs.control")
def run(kind: str) -> Response:
    """Queue one kind of job now, or show the one that waits or runs already."""
    if kind not in BY_HAND:
        raise NotFound("There is no such job to run by hand.")
    with db.transaction() as session:
        job, is_new = queue_by_hand(session, kind=JobKind(kind), by=current_actor())
    if not is_new:
        what = "runs" if job.state is JobState.RUNNING else "waits for its turn"
        flash(f"“{job.kind.label}” {what} already, so no second one was queued.", "done")
    return see_other(url_for("jobs.show", job_id=job.id))


@bp.post("/<int:job_id>/cancel")
@requires("jobs.control")
def cancel(job_id: int) -> Response:
    """Ask a job to stop."""
    with db.transaction() as session:
        job = cancel_job(session, job_id=job_id, by=current_actor())
    if job.state is JobState.CANCELLED:
        flash("The job is cancelled.", "done")
    else:
        flash("The job was asked to stop; it does so at its next step.", "done")
    return see_other(url_for("jobs.show", job_id=job_id))


@bp.post("/<int:job_id>/retry")
@requires("jobs.control")
def retry(job_id: int) -> Response:
    """Queue a failed or cancelled job again."""
    with db.transaction() as session:
        job = retry_job(session, job_id=job_id, by=current_actor())
    return see_other(url_for("jobs.show", job_id=job.id))
