"""One contact: what was said, and what the same customer did before and after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, joinedload

from closedloop.domain.errors import NotFound
from closedloop.models import Contact, ContactLink, ContactText, Customer, ImportBatch, Theme
from closedloop.queries.contacts import FIRST_WORDS, ThemeOption
from closedloop.queries.site import find_texts_expired_before

NEIGHBOURS = 40
"""Contacts of one customer looked at on each side of the one that is shown."""


@dataclass(frozen=True)
class Turn:
    """One thing that was said; `said_at` where messages have a time of their own."""

    speaker: str
    text: str
    said_at: datetime | None


@dataclass(frozen=True)
class ChainItem:
    """One contact of the customer's timeline.

    Attributes
    ----------
    gap_seconds : int or None
        Seconds since the one above it; None for the first shown.
    is_this : bool
        The contact the page is about.
    is_episode : bool
        Part of the same episode; the others are neighbours.
    """

    id: int
    started_at: datetime
    channel: str
    disposition: str
    theme_id: int | None
    theme_key: str | None
    theme_name: str | None
    first_words: str
    gap_seconds: int | None
    is_this: bool
    is_episode: bool


@dataclass(frozen=True)
class ContactPage:
    """One contact with everything around it.

    Attributes
    ----------
    turns : list of Turn
        Empty without text; `silence` then says why.
    is_wordless : bool
        Nothing was said that tells what it is about: no text, or courtesies and links alone.
    silence : {'', 'no_column', 'expired', 'never', 'unknown'}
        Why there is no text: the file had no column for it, what was said on that day has
        expired by schedule, the row was empty, or it cannot be told from an expired one.
    chain : list of ChainItem
        Oldest first; empty when the customer is not known.
    has_more_before, has_more_after : bool
        The customer has contacts beyond the timeline.
    """

    contact: Contact
    customer_hash: str | None
    theme: ThemeOption | None
    file_name: str
    turns: list[Turn]
    is_wordless: bool
    silence: str
    chain: list[ChainItem]
    episode_length: int
    has_more_before: bool
    has_more_after: bool


def get_contact_page(session: Session, contact_id: int) -> ContactPage:
    """Return one contact.

    Raises
    ------
    NotFound
    """
    row = session.execute(
        sa.select(
            Contact,
            ContactText.turns,
            ContactText.issue_text,
            Customer.key_hash,
            Theme,
            ImportBatch,
        )
        .join(ImportBatch, ImportBatch.id == Contact.batch_id)
        .outerjoin(ContactText, ContactText.contact_id == Contact.id)
        .outerjoin(Customer, Customer.id == Contact.customer_id)
        .outerjoin(Theme, Theme.id == Contact.theme_id)
        .options(joinedload(Contact.link))
        .where(Contact.id == contact_id)
    ).one_or_none()
    if row is None:
        raise NotFound(f"There is no contact {contact_id}. It may have been deleted on request.")
    contact, turns, issue, key_hash, theme, batch = row
    before, after = _neighbours(session, contact)
    chain = _timeline(contact, before, after)
    columns = dict(batch.mapping.get("columns") or {})
    return ContactPage(
        contact=contact,
        customer_hash=key_hash,
        theme=ThemeOption(theme.id, theme.key, theme.name) if theme else None,
        file_name=batch.file_name,
        turns=[_turn(turn) for turn in turns or []],
        is_wordless=not issue,
        silence="" if turns else _why_silent(session, contact, columns),
        chain=chain,
        episode_length=sum(item.is_episode for item in chain),
        has_more_before=bool(before) and chain[0].id != before[-1].id,
        has_more_after=bool(after) and chain[-1].id != after[-1].id,
    )


def _turn(turn: Sequence[Any]) -> Turn:
    said_at = datetime.fromisoformat(turn[3]) if len(turn) > 3 and turn[3] else None
    return Turn(str(turn[0]), str(turn[1]), said_at)


def _why_silent(session: Session, contact: Contact, columns: dict[str, Any]) -> str:
    """Tell an empty row from an expired one: texts expire by age, so an older one kept says so."""
    if columns and not {"text", "turns"} & set(columns):
        return "no_column"
    expired_before = find_texts_expired_before(session)
    if expired_before is not None and contact.local_day < expired_before:
        return "expired"
    older_is_kept = session.scalar(
        sa.select(
            sa.exists()
            .where(Contact.batch_id == contact.batch_id)
            .where(Contact.started_at <= contact.started_at)
            .where(ContactText.contact_id == Contact.id)
        )
    )
    return "never" if older_is_kept else "unknown"


def _neighbours(session: Session, contact: Contact) -> tuple[list[ChainItem], list[ChainItem]]:
    """Return the customer's contacts before and after, each nearest first."""
    if contact.customer_id is None:
        return [], []
    chain_id = contact.link.chain_id if contact.link else None
    at = sa.tuple_(Contact.started_at, Contact.id)
    here = sa.tuple_(sa.literal(contact.started_at, Contact.started_at.type), contact.id)
    of_customer = (
        sa.select(
            Contact.id,
            Contact.started_at,
            Contact.channel,
            Contact.disposition,
            ContactLink.chain_id,
            Theme.id.label("theme_id"),
            Theme.key,
            Theme.name,
            sa.func.substr(ContactText.issue_text, 1, FIRST_WORDS).label("first_words"),
        )
        .outerjoin(Theme, Theme.id == Contact.theme_id)
        .outerjoin(ContactText, ContactText.contact_id == Contact.id)
        .outerjoin(ContactLink, ContactLink.contact_id == Contact.id)
        .where(Contact.customer_id == contact.customer_id)
        .limit(NEIGHBOURS)
    )
    earlier = of_customer.where(at < here).order_by(Contact.started_at.desc(), Contact.id.desc())
    later = of_customer.where(at > here).order_by(Contact.started_at, Contact.id)

    def item(row: Any) -> ChainItem:
        return ChainItem(
            id=row.id,
            started_at=row.started_at,
            channel=row.channel,
            disposition=row.disposition,
            theme_id=row.theme_id,
            theme_key=row.key,
            theme_name=row.name,
            first_words=row.first_words or "",
            gap_seconds=None,
            is_this=False,
            is_episode=row.chain_id is not None and row.chain_id == chain_id,
        )

    before = [item(row) for row in session.execute(earlier)]
    after = [item(row) for row in session.execute(later)]
    return before, after


def _timeline(contact: Contact, before: list[ChainItem], after: list[ChainItem]) -> list[ChainItem]:
    """Return the episode and one neighbour on each side, oldest first, with the gaps between."""
    if contact.customer_id is None:
        return []
    this = ChainItem(
        contact.id, contact.started_at, contact.channel, contact.disposition,
        None, None, None, "", None, True, True,
    )  # fmt: skip
    items = [*reversed(_episode_and_one(before)), this, *_episode_and_one(after)]
    gaps = [
        None,
        *(
            int((later.started_at - earlier.started_at).total_seconds())
            for earlier, later in pairwise(items)
        ),
    ]
    return [replace(item, gap_seconds=gap) for item, gap in zip(items, gaps, strict=True)]


def _episode_and_one(nearest_first: list[ChainItem]) -> list[ChainItem]:
    inside = next(
        (i for i, item in enumerate(nearest_first) if not item.is_episode), len(nearest_first)
    )
    return nearest_first[: inside + 1]
