"""Which contacts a run reads: drawn fairly, in an order of the data's own, with their links."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.config import Settings
from closedloop.domain.contacts import DAY
from closedloop.domain.errors import Invalid
from closedloop.models import Contact, ContactLink, ContactText
from closedloop.queries.contacts import has_words
from closedloop.queries.site import get_data_span
from closedloop.services.constraints import Links, find_contacts_to_read, read_links
from closedloop.services.definitions import Standing

DAYS_READ = 180
FEWEST_REPEATS = 300
MOST_FOR_CORRECTIONS = 2
"""One in so many contacts read, at most, is read for what people put right."""
IDS_PER_QUERY = 500


@dataclass(frozen=True)
class Pool:
    """The contacts a run reads, in an order that does not depend on how they came in.

    Of them `added` are read only to be told what people put right about them.
    """

    first_day: date
    last_day: date
    is_repeats: bool
    available: int
    claimed: int
    hashes: list[str]
    texts: list[str]
    dispositions: list[str | None]
    themes: list[int | None]
    people: list[int]
    added: int
    links: Links


def read_pool(
    session: Session,
    settings: Settings,
    standing: Standing,
    first_day: date | None,
    last_day: date | None,
    seed: int,
    sample: int,
) -> Pool:
    """Return the contacts to read: of these days, repeat contacts where there are enough of them.

    Parameters
    ----------
    settings : Settings
    standing : Standing
        What its kept themes hold is set aside.
    first_day, last_day : date or None
        Inclusive; by default the last `DAYS_READ` days of the data.
    seed : int
    sample : int
        At most so many are drawn.

    Raises
    ------
    Invalid
        If there is no contact with text in these days.
    """
    span = get_data_span(session)
    if span.last_day is None:
        raise Invalid("There are no contacts yet. Import contacts first, then discover themes.")
    last_day = last_day or span.last_day
    first_day = first_day or last_day - timedelta(days=DAYS_READ - 1)
    in_days = sa.and_(Contact.local_day.between(first_day, last_day), ContactText.issue_text != "")
    window = settings.repeat_window_days * DAY
    near = sa.or_(
        ContactLink.previous_gap_seconds <= window, ContactLink.next_gap_seconds <= window
    )
    is_repeat = sa.exists().where(ContactLink.contact_id == Contact.id, near)
    condition: sa.ColumnElement[bool] = sa.and_(in_days, is_repeat)
    available = _count(session, condition)
    is_repeats = available >= FEWEST_REPEATS
    if not is_repeats:
        condition, available = in_days, _count(session, in_days)
    if not available:
        raise Invalid(_say_wordless(session, first_day, last_day))
    unclaimed = sa.and_(
        sa.or_(Contact.theme_id.is_(None), Contact.theme_id.not_in(standing.kept)),
        sa.or_(Contact.cluster.is_(None), Contact.cluster.not_in(standing.retired)),
    )
    wanted = sa.and_(condition, unclaimed)
    always = find_contacts_to_read(
        session, condition=unclaimed, first=condition, most=sample // MOST_FOR_CORRECTIONS
    )
    ids, added = _draw(session, wanted, seed, sample, always)
    rows = _read_rows(session, ids)
    hashes, texts = [row[0] for row in rows], [row[1] for row in rows]
    themes = [row[3] for row in rows]
    return Pool(
        first_day=first_day,
        last_day=last_day,
        is_repeats=is_repeats,
        available=available,
        claimed=available - _count(session, wanted),
        hashes=hashes,
        texts=texts,
        dispositions=[row[2] or None for row in rows],
        themes=themes,
        people=[row[4] for row in rows],
        added=added,
        links=read_links(session, hashes=hashes, texts=texts, themes=themes),
    )


def _say_wordless(session: Session, first_day: date, last_day: date) -> str:
    if not has_words(session):
        return (
            "Themes are found in what customers said, and no contact here holds any. Import "
            "contacts with a message, transcript or note; repeat rates work without."
        )
    return (
        f"None of the contacts from {first_day:%-d %B %Y} to {last_day:%-d %B %Y}, the days that "
        "are read, holds what customers said. Import contacts of these days that do."
    )


def _count(session: Session, condition: sa.ColumnElement[bool]) -> int:
    query = sa.select(sa.func.count(Contact.id)).join(ContactText).where(condition)
    return session.scalar(query) or 0


def _draw(
    session: Session,
    condition: sa.ColumnElement[bool],
    seed: int,
    sample: int,
    always: Sequence[int],
) -> tuple[list[int], int]:
    """Return ids in an order of the data's own, about `sample` of them at most.

    Those that are always read are among them, and behind them where the condition leaves them
    out; of these the number is returned, too.
    """
    ids = np.fromiter(
        session.scalars(
            sa.select(Contact.id)
            .join(ContactText)
            .where(condition)
            .order_by(Contact.started_at, Contact.source, Contact.source_contact_id)
            .execution_options(yield_per=10_000)
        ),
        np.int64,
    )
    is_kept = np.isin(ids, np.array(always, np.int64))
    known = set(ids[is_kept].tolist())
    beside = [contact for contact in always if contact not in known]
    if len(ids) > sample:
        others = np.flatnonzero(~is_kept)
        n_others = max(0, sample - int(is_kept.sum()))
        is_kept[np.random.default_rng(seed).choice(others, n_others, replace=False)] = True
        ids = ids[is_kept]
    chosen: list[int] = ids.tolist()
    added = beside if chosen else []
    return chosen + added, len(added)


def _read_rows(session: Session, ids: Sequence[int]) -> list[tuple[str, str, str, int | None, int]]:
    """Return text hash, text, disposition, theme and person of contacts, in the order given."""
    rows: dict[int, tuple[str, str, str, int | None, int]] = {}
    for start in range(0, len(ids), IDS_PER_QUERY):
        part = ids[start : start + IDS_PER_QUERY]
        query = (
            sa.select(
                Contact.id,
                ContactText.text_hash,
                ContactText.issue_text,
                Contact.disposition,
                Contact.theme_id,
                # nobody knows better, so a contact without a customer is a person of its own
                sa.func.coalesce(Contact.customer_id, -Contact.id),
            )
            .join(ContactText)
            .where(Contact.id.in_(part))
        )
        rows.update(
            (row[0], (row[1], row[2], row[3], row[4], row[5])) for row in session.execute(query)
        )
    return [rows[contact] for contact in ids]
