"""`closedloop jobs list|run|cancel`."""

from __future__ import annotations

from pathlib import Path

import click

from closedloop.cli.options import (
    NUMBER,
    Site,
    Ticker,
    instance_option,
    json_option,
    open_site,
    print_json,
    print_table,
    speaks_plainly,
)
from closedloop.domain.audit import COMMAND_LINE
from closedloop.domain.jobs import JobKind
from closedloop.jobs.schedule import next_run, schedule
from closedloop.jobs.work import WORK
from closedloop.queries.jobs import list_jobs
from closedloop.services.jobs import cancel_job


@click.group("jobs")
def jobs() -> None:
    """See what the clock and people asked for, and run it now."""


@jobs.command("list")
@instance_option
@click.option("--limit", type=NUMBER, default=20, show_default=True)
@json_option
@speaks_plainly
def list_(instance: Path | None, limit: int, as_json: bool) -> None:
    """Print the newest jobs."""
    site = open_site(instance)
    with site.database.reading() as session:
        rows = [
            {
                "id": job.id,
                "kind": job.kind.value,
                "state": job.state.value,
                "progress": f"{job.progress_done} of {job.progress_total}",
                "queued_by": job.queued_by,
                "created_at": job.created_at,
                "finished_at": job.finished_at,
                "error": job.error,
            }
            for job in list_jobs(session, limit=limit)
        ]
    if as_json:
        print_json(rows)
        return
    headings = ["id", "kind", "state", "progress", "queued_by", "created_at", "error"]
    print_table(headings, [[row[name] for name in headings] for row in rows])


@jobs.command("schedule")
@instance_option
@json_option
@speaks_plainly
def schedule_(instance: Path | None, as_json: bool) -> None:
    """Print what runs by itself, when next, and why then."""
    site: Site = open_site(instance)
    rows = [
        {"job": spec.id, "next": next_run(spec, site.settings), "why": spec.why}
        for spec in schedule(site.settings)
    ]
    if as_json:
        print_json(rows)
        return
    print_table(["job", "next", "why"], [list(row.values()) for row in rows])


@jobs.command("run")
@click.argument("kind", type=click.Choice([kind.value for kind in JobKind]))
@instance_option
@json_option
@speaks_plainly
def run(kind: str, instance: Path | None, as_json: bool) -> None:
    """Run one kind of job here and now, without the queue."""
    if kind in (JobKind.IMPORT_CONTACTS, JobKind.TRY_IMPORT):
        raise click.UsageError("Use `closedloop import FILE`.")
    if kind == JobKind.ROLL_BACK_IMPORT:
        raise click.UsageError("Use `closedloop imports roll-back NUMBER`.")
    if kind == JobKind.LINK_CUSTOMERS:
        raise click.UsageError("Use `closedloop customers link`.")
    site = open_site(instance)
    with Ticker() as ticker:
        result = WORK[JobKind(kind)](site.database, site.settings, {}, COMMAND_LINE, ticker)
    if as_json:
        print_json(result)
        return
    print_table(["what", ""], [[name.replace("_", " "), value] for name, value in result.items()])


@jobs.command("cancel")
@click.argument("job_id", type=NUMBER)
@instance_option
@speaks_plainly
def cancel(job_id: int, instance: Path | None) -> None:
    """Ask a job to stop."""
    site = open_site(instance)
    with site.database.transaction() as session:
        cancel_job(session, job_id=job_id, by=COMMAND_LINE)
    click.echo(f"Job {job_id} was asked to stop.")
