"""Pages: linking customers who have several identifiers, and taking it back."""

from __future__ import annotations

from typing import Any

from flask import flash, render_template, request, url_for
from werkzeug import Response

from closedloop.adapters.uploads import delete_upload, save_upload
from closedloop.domain.errors import Invalid, NotFound, Refusal
from closedloop.domain.identities import (
    MAX_CUSTOMERS,
    IdentifierKind,
    LinkReport,
    MatchRules,
)
from closedloop.domain.jobs import JobKind, JobState
from closedloop.extensions import current_settings, db
from closedloop.queries.identities import get_identity_counts, get_link_run, list_link_runs
from closedloop.queries.jobs import get_job
from closedloop.services.identities import check_crosswalk, read_rules
from closedloop.services.jobs import queue_job
from closedloop.web.asked import row_id
from closedloop.web.contacts_bp import bp
from closedloop.web.htmx import is_htmx, see_other
from closedloop.web.permissions import requires
from closedloop.web.session import current_actor

RUNS_SHOWN = 20
FORM_NAME = "the form"
"""What stands for the name of a rules file where the rules were filled in."""

Page = Response | tuple[str, int]


@bp.get("/identities")
@requires("contacts.link")
def identities() -> str:
    """List the link runs, and ask what links customers."""
    kinds = {kind.value: True for kind in IdentifierKind}
    return _page({**kinds, "max_customers": str(MAX_CUSTOMERS)}, {})


def _page(values: dict[str, Any], errors: dict[str, str]) -> str:
    before_id = request.args.get("before", type=row_id)
    runs = list_link_runs(db.session, limit=RUNS_SHOWN + 1, before_id=before_id)
    shown = runs[:RUNS_SHOWN]
    more = url_for("contacts.identities", before=shown[-1].id) if len(runs) > len(shown) else ""
    return render_template(
        "contacts/identities.html",
        values=values,
        errors=errors,
        kinds=list(IdentifierKind),
        countries=", ".join(current_settings().phone_regions),
        counts=get_identity_counts(db.session),
        runs=shown,
        more_url=more,
        first_url=url_for("contacts.identities") if before_id else "",
        max_mb=current_settings().max_upload_mb,
    )


@bp.post("/identities")
@requires("contacts.link")
def try_link() -> Page:
    """Queue a dry run of the rules that came with the form."""
    values: dict[str, Any] = {kind.value: kind.value in request.form for kind in IdentifierKind}
    values["max_customers"] = request.form.get("max_customers", "").strip()[:10]
    try:
        rules, name = _read_rules(values)
        token = _keep_crosswalk(rules)
    except Refusal as refusal:
        fields = getattr(refusal, "fields", {}) or {"rules": refusal.sentence}
        return _page(values, fields), 422
    arguments = {"rules": rules.to_dict(), "file_name": name, "token": token, "dry_run": True}
    return _queue(arguments)


def _read_rules(values: dict[str, Any]) -> tuple[MatchRules, str]:
    """Return the rules of the uploaded file or, without one, of the form; and their name."""
    sent = request.files.get("rules")
    if sent is not None and sent.filename:
        upload = save_upload(current_settings().uploads, sent.stream, file_name=sent.filename)
        try:
            return read_rules(upload.path), upload.file_name
        finally:
            delete_upload(upload)
    most = values["max_customers"]
    if not (most.isascii() and most.isdigit()):
        sentence = "Write a whole number from 2 to 100."
        raise Invalid(sentence, {"max_customers": sentence})
    link = {kind.value: values[kind.value] for kind in IdentifierKind}
    try:
        rules = MatchRules.from_dict({"link": link, "max_customers": int(most)})
    except Invalid as refusal:
        raise Invalid(refusal.sentence, {"max_customers": refusal.sentence}) from None
    if not rules.kinds:
        sentence = "Tick at least one kind of identifier."
        raise Invalid(sentence, {"kinds": sentence})
    return rules, FORM_NAME


def _keep_crosswalk(rules: MatchRules) -> str | None:
    """Keep an uploaded crosswalk if it is one; return its token."""
    sent = request.files.get("crosswalk")
    if sent is None or not sent.filename:
        return None
    settings = current_settings()
    upload = save_upload(settings.uploads, sent.stream, file_name=sent.filename)
    try:
        check_crosswalk(upload.path, settings=settings, rules=rules, name=upload.file_name)
    except Refusal as refusal:
        delete_upload(upload)
        raise Invalid(refusal.sentence, {"crosswalk": refusal.sentence}) from None
    return upload.token


def _queue(arguments: dict[str, Any]) -> Response:
    with db.transaction() as session:
        job = queue_job(
            session, kind=JobKind.LINK_CUSTOMERS, arguments=arguments, by=current_actor()
        )
    return see_other(url_for("contacts.link_job", job_id=job.id))


def _get_link_job(job_id: int) -> Any:
    job = get_job(db.session, job_id)
    if job.kind is not JobKind.LINK_CUSTOMERS:
        raise NotFound("This job links no customers.")
    return job


@bp.get("/identities/job/<int:job_id>")
@requires("contacts.link")
def link_job(job_id: int) -> str:
    """Show how far a linking is, then what it did or would do."""
    job = _get_link_job(job_id)
    report = job.result.get("report") if job.state is JobState.DONE else None
    template = "contacts/_link_progress.html" if is_htmx() else "contacts/link_job.html"
    return render_template(
        template,
        job=job,
        is_dry=bool(job.arguments.get("dry_run")),
        report=LinkReport(**report) if report else None,
        parted=job.result.get("parted"),
        kinds={kind.value: kind for kind in IdentifierKind},
        share=job.progress_done / job.progress_total if job.progress_total else None,
    )


@bp.post("/identities/job/<int:job_id>/apply")
@requires("contacts.link")
def apply_link(job_id: int) -> Response:
    """Queue what a dry run showed."""
    job = _get_link_job(job_id)
    if not job.arguments.get("dry_run") or job.state is not JobState.DONE:
        flash("Try the rules out first, and look at what they would join.", "warn")
        return see_other(url_for("contacts.link_job", job_id=job_id))
    return _queue({**job.arguments, "dry_run": False})


@bp.post("/identities/<int:run_id>/undo")
@requires("contacts.link")
def undo_link(run_id: int) -> Response:
    """Queue taking the last link run back."""
    run = get_link_run(db.session, run_id)
    if not run.may_undo:
        flash("A later link run builds on this one. Undo that one first.", "warn")
        return see_other(url_for("contacts.identities"))
    return _queue({"undo": run_id, "file_name": run.file_name})
