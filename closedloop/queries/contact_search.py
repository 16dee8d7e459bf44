"""Words looked for in contacts: the newest first, and so many at most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.models import Contact, ContactText, ImportBatch


@dataclass(frozen=True)
class Reach:
    """How far a search goes.

    Attributes
    ----------
    among : int
        Newest contacts of the period that are asked whether they fit the other filters.
    searched : int
        Newest of those that fit, whose numbers and texts are read.
    """

    among: int
    searched: int


@dataclass(frozen=True)
class Hit:
    """A contact that was found; hits sort by start."""

    started_at: datetime
    id: int


def find_hits(
    session: Session,
    words: str,
    *,
    period: Sequence[sa.ColumnElement[bool]],
    period_by_start: Sequence[sa.ColumnElement[bool]],
    others: Sequence[sa.ColumnElement[bool]],
    reach: Reach,
) -> list[Hit]:
    """Return the contacts a search finds, newest first.

    Parameters
    ----------
    words : str
        Beginning of a contact id, or words that all stand in the redacted text; a whole contact
        id is found wherever it is.
    period : sequence of condition
        That an index answers: they bound what the search goes through.
    period_by_start : sequence of condition
        The same, beside a bound of the start.
    others : sequence of condition
    reach : Reach
    """
    text = words.strip()
    bound = _bound(session, period, reach) if others else None
    within = period if bound is None else [*period_by_start, Contact.started_at > bound]
    newest = _newest([*within, *others], reach)
    found = (
        sa.select(newest.c.id, newest.c.started_at)
        .where(
            sa.or_(
                newest.c.source_contact_id.istartswith(text, autoescape=True),
                _stand_in_text(text.split(), newest.c.id),
            )
        )
        .union(_whole_number(session, text, [*period, *others]))
    )
    hits = [Hit(row.started_at, row.id) for row in session.execute(found)]
    return sorted(hits, key=lambda hit: (hit.started_at, hit.id), reverse=True)


def _bound(
    session: Session, period: Sequence[sa.ColumnElement[bool]], reach: Reach
) -> datetime | None:
    """Return the start after which `reach.among` contacts are to be asked for other filters."""
    return session.scalar(
        sa.select(Contact.started_at)
        .where(*period)
        .order_by(Contact.started_at.desc(), Contact.id.desc())
        .limit(1)
        .offset(reach.among)
    )


def _newest(conditions: Sequence[sa.ColumnElement[bool]], reach: Reach) -> sa.FromClause:
    return (
        sa.select(Contact.id, Contact.started_at, Contact.source_contact_id)
        .where(*conditions)
        .order_by(Contact.started_at.desc(), Contact.id.desc())
        .limit(reach.searched)
        .subquery("newest")
    )


def _stand_in_text(
    words: Sequence[str], contact_id: sa.ColumnElement[int]
) -> sa.ColumnElement[bool]:
    """Return whether all words stand in the text of a contact.

    As a value looked up for each contact: no plan reads every text there is for it.
    """
    all_there = sa.and_(*(ContactText.issue_text.icontains(w, autoescape=True) for w in words))
    return (
        sa.select(sa.case((all_there, 1), else_=0))
        .where(ContactText.contact_id == contact_id)
        .scalar_subquery()
        == 1
    )


def _whole_number(
    session: Session, text: str, conditions: Sequence[sa.ColumnElement[bool]]
) -> sa.Select[int, datetime]:
    sources = session.scalars(sa.select(ImportBatch.source).distinct()).all()
    return sa.select(Contact.id, Contact.started_at).where(
        # sources stand first in the index of ids
        Contact.source.in_(sources),
        Contact.source_contact_id == text,
        *conditions,
    )
