"""Pages: the runs that look for themes, what each proposed, and how two compare."""

from __future__ import annotations

from functools import partial
from operator import attrgetter
from typing import Any

from flask import flash, render_template, request, url_for
from werkzeug import Response

from closedloop.domain.curation import COUNT_TO_TYPE_ABOVE
from closedloop.domain.errors import Conflict, Invalid
from closedloop.domain.runs import RULE, PartState
from closedloop.domain.themes import FINENESS
from closedloop.extensions import current_settings, db
from closedloop.queries.drift import get_site_drift
from closedloop.queries.runs import (
    RUNS_SHOWN,
    compare_runs,
    get_run,
    list_missed,
    list_parts,
    list_runs,
)
from closedloop.services.parts_previews import (
    list_refusals,
    preview_acceptance,
    queue_seen,
)
from closedloop.services.run_choices import decline_chosen
from closedloop.web.asked import older_page, refused_fields, row_id, typed_count
from closedloop.web.htmx import see_other
from closedloop.web.permissions import requires
from closedloop.web.session import current_actor
from closedloop.web.themes_bp import bp
from closedloop.web.themes_curation import preview_values
from closedloop.web.themes_lineage import drift_chart


@bp.get("/runs")
@requires("themes.view")
def runs() -> str:
    """Show every run, newest first, and whether its definitions age."""
    drift = get_site_drift(db.session, k=current_settings().privacy_k)
    return render_template(
        "themes/runs.html",
        page=older_page(partial(list_runs, db.session), RUNS_SHOWN, attrgetter("run.id")),
        drift=drift,
        chart_data=drift_chart(drift, "All contacts"),
    )


@bp.get("/runs/<int:run_id>")
@requires("themes.view")
def run(run_id: int) -> str:
    """Show one run: what it read, what it found, what it proposes."""
    page = get_run(db.session, run_id)
    return render_template(
        "themes/run.html",
        page=page,
        run=page.run,
        manifest=page.run.manifest,
        missed=list_missed(db.session, page.run),
        rule=RULE,
        fineness=FINENESS,
    )


@bp.get("/runs/<int:run_id>/against/<int:other>")
@requires("themes.view")
def runs_against(run_id: int, other: int) -> str:
    """Compare two runs, the earlier one first."""
    k = current_settings().privacy_k
    found = compare_runs(db.session, run_id, other, k=k)
    return render_template("themes/runs_against.html", found=found, k=k)


@bp.get("/runs/against")
@requires("themes.view")
def choose_runs() -> Response:
    """Send the two runs chosen in the form to their page."""
    one, other = (request.args.get(name, type=row_id) for name in ("one", "other"))
    if one is None or other is None:
        raise Invalid("Choose two runs to compare.")
    return see_other(url_for("themes.runs_against", run_id=one, other=other))


@bp.get("/runs/<int:run_id>/parts")
@requires("themes.curate")
def parts(run_id: int) -> str:
    """Show what taking the chosen parts over would do, and ask."""
    return _parts_page(run_id, _chosen(request.args))


@bp.get("/runs/<int:run_id>/parts/contacts")
@requires("themes.curate")
def parts_contacts(run_id: int) -> str:
    """List every contact of the whole history that taking the chosen parts over would move."""
    return _contacts_page(run_id, _chosen(request.args), request.args, {})


@bp.post("/runs/<int:run_id>/parts/accept")
@requires("themes.curate")
def accept_run_parts(run_id: int) -> Response | tuple[str, int]:
    """Queue the taking over of parts; where many contacts move, list them and ask their number."""
    chosen = _chosen(request.form)
    try:
        with db.transaction() as session:
            job_id = queue_seen(
                session,
                settings=current_settings(),
                run_id=run_id,
                part_ids=chosen,
                typed_count=typed_count(),
                by=current_actor(),
            ).id
    except Invalid as refusal:
        errors, status = refused_fields(refusal, "contacts")
        return _contacts_page(run_id, chosen, request.form, errors), status
    except Conflict as refusal:
        errors = {"contacts": refusal.sentence}
        return _contacts_page(run_id, chosen, request.form, errors), 409
    return see_other(url_for("jobs.show", job_id=job_id))


@bp.post("/runs/<int:run_id>/parts/decline")
@requires("themes.curate")
def decline_run_parts(run_id: int) -> Response | tuple[str, int]:
    """Decide that parts are not taken over."""
    chosen = _chosen(request.form)
    try:
        with db.transaction() as session:
            done = decline_chosen(session, run_id=run_id, part_ids=chosen, by=current_actor())
    except (Conflict, Invalid) as refusal:
        return _refused(run_id, chosen, refusal)
    n = len(done.parts)
    flash("Declined. Nothing was changed." if n == 1 else f"Declined {n} parts.", "done")
    return see_other(url_for("themes.run", run_id=run_id))


def _chosen(given: Any) -> list[int]:
    return sorted({part for part in given.getlist("part", type=row_id) if part is not None})


def _refused(run_id: int, chosen: list[int], refusal: Conflict | Invalid) -> tuple[str, int]:
    if isinstance(refusal, Invalid):
        return _parts_page(run_id, chosen, refusal.fields or {"part": refusal.sentence}), 422
    return _parts_page(run_id, chosen, {"part": refusal.sentence}), 409


def _parts_page(run_id: int, chosen: list[int], errors: dict[str, str] | None = None) -> str:
    named = list_parts(db.session, run_id, chosen)
    found = [part for part in named if part.state is PartState.PROPOSED]
    refusals = list_refusals(db.session, [part.id for part in found])
    return render_template(
        "themes/run_parts.html",
        run=get_run(db.session, run_id).run,
        parts=found,
        moves=sum(part.would_move for part in found),
        refusals=list(refusals.values()),
        others=[part.id for part in found if part.id not in refusals],
        asks_above=COUNT_TO_TYPE_ABOVE,
        errors=errors or {},
    )


def _contacts_page(run_id: int, chosen: list[int], asked: Any, errors: dict[str, str]) -> str:
    k = current_settings().privacy_k
    back_url = url_for("themes.parts", run_id=run_id, part=chosen)
    preview = None
    try:
        preview = preview_acceptance(db.session, run_id=run_id, part_ids=chosen, k=k)
    except (Conflict, Invalid) as refusal:
        errors = {"contacts": refusal.sentence, **errors}
    return render_template(
        "themes/run_contacts.html",
        run_id=run_id,
        chosen=chosen,
        **preview_values(preview, asked, errors, back_url),
    )
