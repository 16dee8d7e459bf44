"""Jobs over the API: how far what was asked for is."""

from __future__ import annotations

from typing import Any

from closedloop.api.auth import WRITE, api_actor, needs
from closedloop.api.blueprint import bp
from closedloop.api.schemas import JobOut
from closedloop.domain.clock import utc_now
from closedloop.extensions import db
from closedloop.queries.jobs import get_job, seconds_left
from closedloop.services.jobs import cancel_job

_ROUTE = "/jobs/<int(max=2147483647):job_id>"


@bp.get(_ROUTE)
@bp.doc(summary="One job")
@bp.output(JobOut)
@needs("jobs.view")
def get_job_view(job_id: int) -> JobOut:
    """Give one job and how far it is."""
    return job_out(get_job(db.session, job_id))


@bp.post(f"{_ROUTE}/cancel")
@bp.doc(
    summary="Stop a job",
    responses={404: "There is no such job.", 409: "It has ended."},
)
@bp.output(JobOut)
@needs("jobs.control", WRITE)
def cancel_job_view(job_id: int) -> JobOut:
    """Ask a job to stop: at once when it waits, at its next step when it runs."""
    with db.transaction() as session:
        return job_out(cancel_job(session, job_id=job_id, by=api_actor()))


def job_out(job: Any) -> JobOut:
    """Return a job as the API gives it."""
    values = {n: getattr(job, n) for n in JobOut.model_fields if n != "seconds_left"}
    left = seconds_left(job, utc_now())
    return JobOut(**values, seconds_left=None if left is None else round(left))
