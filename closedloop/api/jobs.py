"""Jobs over the API: how far what was asked for is."""

from __future__ import annotations

from typing import Any

from closedloop.api.auth import needs
from closedloop.api.blueprint import bp
from closedloop.api.schemas import JobOut
from closedloop.extensions import db
from closedloop.queries.jobs import get_job


@bp.get("/jobs/<int(max=2147483647):job_id>")
@bp.doc(summary="One job")
@bp.output(JobOut)
@needs("jobs.view")
def get_job_view(job_id: int) -> JobOut:
    """Give one job and how far it is."""
    return job_out(get_job(db.session, job_id))


def job_out(job: Any) -> JobOut:
    """Return a job as the API gives it."""
    return JobOut(**{name: getattr(job, name) for name in JobOut.model_fields})
