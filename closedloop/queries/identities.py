"""Link runs, and how many contacts have an identity."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.domain.errors import NotFound
from closedloop.domain.identities import LinkReport
from closedloop.models import Customer, DailySlice, LinkRun


@dataclass(frozen=True)
class LinkRunRow:
    """One link run as a list shows it.

    `may_undo` is true of the last one that was not undone.
    """

    id: int
    file_name: str
    started_by: str
    started_at: datetime
    undone_at: datetime | None
    undone_by: str
    report: LinkReport
    joined: int
    may_undo: bool


@dataclass(frozen=True)
class IdentityCounts:
    """How many contacts and customers there are, and how many of the contacts know theirs.

    Attributes
    ----------
    contacts, identified : int
    customers : int
        Those linked counted once.
    linked : int
        Customers who are one with an older one.
    """

    contacts: int
    identified: int
    customers: int
    linked: int


def list_link_runs(
    session: Session, *, limit: int, before_id: int | None = None
) -> list[LinkRunRow]:
    """Return link runs, the newest first."""
    last = _last_in_force(session)
    query = sa.select(LinkRun).order_by(LinkRun.id.desc()).limit(limit)
    if before_id is not None:
        query = query.where(LinkRun.id < before_id)
    return [_row(run, last) for run in session.scalars(query)]


def get_link_run(session: Session, run_id: int) -> LinkRunRow:
    """Return one link run.

    Raises
    ------
    NotFound
    """
    found = session.get(LinkRun, run_id)
    if found is None:
        raise NotFound(f"There is no link run number {run_id}.")
    return _row(found, _last_in_force(session))


def _last_in_force(session: Session) -> int | None:
    return session.scalar(sa.select(sa.func.max(LinkRun.id)).where(LinkRun.undone_at.is_(None)))


def _row(run: LinkRun, last: int | None) -> LinkRunRow:
    known = {spec.name for spec in fields(LinkReport)}
    report = LinkReport(**{name: v for name, v in run.report.items() if name in known})
    return LinkRunRow(
        id=run.id,
        file_name=run.file_name,
        started_by=run.started_by,
        started_at=run.started_at,
        undone_at=run.undone_at,
        undone_by=run.undone_by,
        report=report,
        joined=report.joined,
        may_undo=run.id == last,
    )


def get_identity_counts(session: Session) -> IdentityCounts:
    """Return how many contacts know their customer, from the roll-up."""
    contacts, identified = session.execute(
        sa.select(
            sa.func.coalesce(sa.func.sum(DailySlice.contacts), 0),
            sa.func.coalesce(sa.func.sum(DailySlice.identified), 0),
        ).where(DailySlice.kind == "all")
    ).one()
    linked = sa.select(sa.func.count()).where(Customer.merged_into_id.is_not(None))
    n_linked = session.scalar(linked) or 0
    everybody = session.scalar(sa.select(sa.func.count()).select_from(Customer)) or 0
    return IdentityCounts(contacts, identified, everybody - n_linked, n_linked)
