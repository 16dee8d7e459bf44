"""Let what was said expire by schedule, while counts, themes, decisions and measurements stay."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.config import Settings
from closedloop.domain.audit import NIGHTLY_ROUND, Actor
from closedloop.domain.clock import local_day, today
from closedloop.domain.jobs import Progress
from closedloop.models import Contact, ContactText, ImportBatch, ImportReject, SiteSetting
from closedloop.queries.site import TEXTS_EXPIRED, find_texts_expired_before
from closedloop.services.audit import record_event
from closedloop.services.long_work import Report, Transactions, tell_nobody
from closedloop.services.repeats import take_turn
from closedloop.services.text_removal import (
    RemovedTexts,
    count_old_versions,
    empty_versions,
    overwrite_deleted,
    remove_texts,
)

CONTACTS_AT_ONCE = 2_000

_contacts: Any = Contact.__table__
_texts: Any = ContactText.__table__
_batches: Any = ImportBatch.__table__
_rejects: Any = ImportReject.__table__


@dataclass(frozen=True)
class Expired:
    """What expired, or would.

    Attributes
    ----------
    before : date or None
        Texts of earlier reporting days; None where texts are kept for ever.
    texts, vectors, quotes : int
        The texts of earlier versions of contacts among them.
    rejects : int
        Rows in quarantine, by the day of their import.
    """

    before: date | None
    texts: int = 0
    vectors: int = 0
    quotes: int = 0
    rejects: int = 0


def expire_texts(
    transactions: Transactions,
    *,
    settings: Settings,
    by: Actor = NIGHTLY_ROUND,
    report: Report = tell_nobody,
    dry_run: bool = False,
) -> Expired:
    """Delete what was said on days more than `settings.text_days` days ago.

    Quotes of it and vectors that no other text needs go with it, and so do quarantined rows of
    imports as old. Contacts keep everything else, their theme included, and no count changes. It
    goes in portions: broken off, the next run does the rest.

    Parameters
    ----------
    transactions : Transactions
    settings : Settings
        `text_days` 0 keeps every text.
    by : Actor, optional
    report : Report, optional
        Told texts done of those there are.
    dry_run : bool
        Count, but change nothing; vectors and quotes are not counted then.
    """
    if not settings.text_days:
        return Expired(None)
    before = today(settings.reporting_zone) - timedelta(days=settings.text_days)
    with transactions() as session:
        total = _count_texts(session, before) + count_old_versions(session, before)
        rejects = _old_rejects(session, settings, before)
    if dry_run:
        return Expired(before, total, rejects=sum(rejects.values()))
    removed = RemovedTexts()
    last_id = 0
    while True:
        report(Progress(removed.texts, max(total, removed.texts), "Texts expire"))
        with transactions() as session:
            last_id, found = _expire_portion(session, before, last_id)
        if not last_id:
            break
        removed += found
    with transactions() as session:
        take_turn(session)
        overwrite_deleted(session)
        if n := empty_versions(session, before):
            _remember(session, before)
            removed += RemovedTexts(n)
    n_rejects = sum(rejects.values())
    expired = Expired(before, removed.texts, removed.vectors, removed.quotes, n_rejects)
    _close(transactions, expired, list(rejects), by)
    return expired


def _is_old(before: date) -> sa.ColumnElement[bool]:
    condition: sa.ColumnElement[bool] = _contacts.c.local_day < before
    return condition


def _count_texts(session: Session, before: date) -> int:
    joined = _texts.join(_contacts, _contacts.c.id == _texts.c.contact_id)
    count = sa.select(sa.func.count()).select_from(joined).where(_is_old(before))
    return session.scalar(count) or 0


def _expire_portion(session: Session, before: date, last_id: int) -> tuple[int, RemovedTexts]:
    """Expire the next texts behind a contact; return the last of them, 0 at the end."""
    take_turn(session)
    overwrite_deleted(session)
    old = (
        sa.select(_texts.c.contact_id)
        .join(_contacts, _contacts.c.id == _texts.c.contact_id)
        .where(_is_old(before), _texts.c.contact_id > last_id)
        .order_by(_texts.c.contact_id)
        .limit(CONTACTS_AT_ONCE)
    )
    ids = session.scalars(old).all()
    if not ids:
        return 0, RemovedTexts()
    _remember(session, before)
    return ids[-1], remove_texts(session, ids)


def _remember(session: Session, before: date) -> None:
    """Note down that texts before a day are gone, so that a page can say why there is none."""
    known = find_texts_expired_before(session)
    if known is None or known < before:
        value = {"value": before.isoformat()}
        session.merge(SiteSetting(key=TEXTS_EXPIRED, value=value))
        session.flush()  # the next portion looks it up


def _old_rejects(session: Session, settings: Settings, before: date) -> dict[int, int]:
    """Return rows in quarantine by import, of imports that began before a day."""
    rows = session.execute(
        sa.select(_batches.c.id, _batches.c.started_at, sa.func.count())
        .join(_rejects, _rejects.c.batch_id == _batches.c.id)
        .group_by(_batches.c.id, _batches.c.started_at)
    )
    zone = settings.reporting_zone
    return {batch: n for batch, started, n in rows if local_day(started, zone) < before}


def _close(transactions: Transactions, expired: Expired, batches: list[int], by: Actor) -> None:
    with transactions() as session:
        take_turn(session)
        overwrite_deleted(session)
        if batches:
            session.execute(sa.delete(_rejects).where(_rejects.c.batch_id.in_(batches)))
        if expired.texts or expired.rejects:
            record_event(
                session,
                by=by,
                verb="contacts.texts_expired",
                target_kind="site",
                target_id=None,
                summary=f"{expired.texts:,} texts of before {expired.before} expired by schedule, "
                f"and {expired.rejects:,} rows in quarantine",
                detail={"texts": expired.texts, "rejects": expired.rejects},
            )
