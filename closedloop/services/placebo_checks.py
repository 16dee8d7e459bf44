"""The site's own placebo monitor: how often would the method have cried wolf here?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.config import Settings
from closedloop.domain.audit import Actor
from closedloop.domain.errors import NotMeasurable
from closedloop.domain.impact import LOOK_ALPHA, MOST_CONTROLS, PRE_DAYS_MAX
from closedloop.domain.jobs import JobKind, Progress
from closedloop.domain.placebos import CHECK_EVERY_DAYS, told
from closedloop.domain.power import DECIDING_LOOKS
from closedloop.models import ImpactPrior, Job, PlaceboCheck
from closedloop.queries.impact_site import figures_of
from closedloop.services.askers import require_permission
from closedloop.services.audit import record_event
from closedloop.services.impact_panels import AFTER_DAYS, SitePanel, read_panel
from closedloop.services.impact_priors import current_prior
from closedloop.services.jobs import queue_job
from closedloop.services.long_work import Report, Transactions, tell_nobody
from ml.impact import METHOD_VERSION
from ml.impact.monitor import (
    LEAST_PRE,
    Placebo,
    PlaceboSummary,
    choose_placebos,
    run_placebos,
    sum_up,
)

MOST_PLACEBOS = 200
"""Dates of themes that one check estimates at most: what a night can bear."""

PANEL_DAYS = 2 * PRE_DAYS_MAX
"""Days of which dates are drawn and history is read."""


def queue_placebos(session: Session, *, by: Actor) -> Job:
    """Queue a check now instead of waiting for the week to pass.

    Raises
    ------
    NotAllowed
    """
    require_permission(
        session, by, "impact.measure", "Only a CX manager starts a check; ask one of them."
    )
    return queue_job(session, kind=JobKind.MEASURE_IMPACT, arguments={"placebos": True}, by=by)


def are_placebos_due(session: Session, *, as_of: date) -> bool:
    """Return whether, since the last check, a week passed or method or prior changed."""
    newest = session.scalar(sa.select(PlaceboCheck).order_by(PlaceboCheck.id.desc()).limit(1))
    if newest is None or newest.method_version != METHOD_VERSION:
        return True
    if as_of - newest.as_of >= timedelta(days=CHECK_EVERY_DAYS):
        return True
    learnt = session.scalar(sa.select(sa.func.max(ImpactPrior.id))) or 0
    return as_of > newest.as_of and learnt != newest.detail["prior_id"]


def check_placebos(
    transactions: Transactions,
    *,
    settings: Settings,
    as_of: date,
    by: Actor,
    most: int = MOST_PLACEBOS,
    report: Report = tell_nobody,
) -> int:
    """Estimate at dates on which nothing was shipped, and store how often a change was claimed.

    Dates and themes are drawn by a seed made of the day, so that another week draws others and
    the same day the same. A day is checked once a method version.

    Parameters
    ----------
    as_of : date
        Last complete reporting day, inclusive.
    most : int
        Dates at most.
    report : callable
        Told how far it is; may raise `Cancelled`, and then nothing is stored.

    Returns
    -------
    int
        Id of the row.

    Raises
    ------
    NotMeasurable
        When no theme has history enough.
    """
    with transactions() as session:
        if existing := _find_check(session, as_of):
            return existing.id
        read = read_panel(session, settings=settings, as_of=as_of, days=PANEL_DAYS)
        prior = current_prior(session)
        prior_id = session.scalar(sa.select(sa.func.max(ImpactPrior.id))) or 0
    seed = as_of.toordinal()
    chosen = choose_placebos(read.panel, most=most, seed=seed) if read else []
    if read is None or not chosen:
        raise NotMeasurable(
            f"No theme can be checked yet: it takes {LEAST_PRE + AFTER_DAYS} days of contacts, on "
            f"the last {AFTER_DAYS} of which nothing was shipped."
        )
    placebos = _run(read, chosen, prior, report)
    with transactions() as session:
        if existing := _find_check(session, as_of):
            return existing.id
        return _store(session, as_of, placebos, prior_id, seed, by).id


def _find_check(session: Session, as_of: date) -> PlaceboCheck | None:
    return session.scalar(
        sa.select(PlaceboCheck).where(
            PlaceboCheck.as_of == as_of, PlaceboCheck.method_version == METHOD_VERSION
        )
    )


def _run(
    read: SitePanel,
    chosen: Sequence[tuple[int, int]],
    prior: tuple[float, ...] | None,
    report: Report,
) -> list[Placebo]:
    placebos: list[Placebo] = []
    report(Progress(0, len(chosen), "checking dates without a change"))
    for found in run_placebos(
        read.panel,
        chosen,
        look_days=DECIDING_LOOKS,
        alpha=LOOK_ALPHA,
        pre_days=PRE_DAYS_MAX,
        most_controls=MOST_CONTROLS,
        prior=prior,
    ):
        placebos += found
        report(Progress(len(placebos), len(chosen), "checking dates without a change"))
    return placebos


def _store(
    session: Session,
    as_of: date,
    placebos: Sequence[Placebo],
    prior_id: int,
    seed: int,
    by: Actor,
) -> PlaceboCheck:
    summed = sum_up(placebos, DECIDING_LOOKS)
    row = PlaceboCheck(
        as_of=as_of,
        method_version=METHOD_VERSION,
        n_placebos=summed.n_placebos,
        n_false=summed.n_false,
        sd_z=summed.sd_z,
        detail=_detail(summed, placebos, prior_id, seed),
    )
    session.add(row)
    session.flush()
    record_event(
        session,
        by=by,
        verb="impact.placebos_checked",
        target_kind="site",
        target_id=None,
        summary=f"checked the method: {told(figures_of(row))}",
        detail={"placebo_check_id": row.id, "n": row.n_placebos, "false": row.n_false},
    )
    return row


def _detail(
    summed: PlaceboSummary, placebos: Sequence[Placebo], prior_id: int, seed: int
) -> dict[str, Any]:
    return {
        "looks": [asdict(look) for look in summed.looks],
        "mean_z": summed.mean_z,
        "n_looks": summed.n_looks,
        "n_covered": summed.n_covered,
        "dates": len({one.day for one in placebos}),
        "themes": len({one.theme for one in placebos}),
        "alpha": LOOK_ALPHA,
        "seed": seed,
        "prior_id": prior_id,
    }
