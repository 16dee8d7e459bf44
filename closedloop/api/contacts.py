"""Contacts over the API; the redacted text only when it is asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar

from closedloop.api.auth import needs
from closedloop.api.blueprint import bp
from closedloop.api.cursors import read_instant, write_cursor
from closedloop.api.schemas import (
    NO_THEME,
    ContactDetail,
    ContactList,
    ContactOut,
    ContactQuery,
    ContactSearch,
    EpisodeContact,
    TextQuery,
    TurnOut,
    theme_ref,
)
from closedloop.domain.errors import Invalid
from closedloop.extensions import current_settings, db
from closedloop.queries.contact_among import Among, Part
from closedloop.queries.contact_drivers import find_driver
from closedloop.queries.contact_marks import MARKS
from closedloop.queries.contact_page import ContactPage, get_contact_page
from closedloop.queries.contacts import (
    ContactFilter,
    ContactRow,
    Cursor,
    find_among,
    find_follow,
    find_mark,
    list_contacts,
)
from closedloop.queries.theme_page import find_theme

_Found = TypeVar("_Found")


@bp.get("/contacts")
@bp.doc(summary="List contacts")
@bp.input(ContactQuery, location="query", arg_name="asked")
@bp.output(ContactList)
@needs("contacts.view")
def list_contacts_view(asked: ContactQuery) -> ContactList:
    """Give contacts, the newest first."""
    after = read_instant(asked.after)
    rows = list_contacts(
        db.session, _wanted(asked), after=Cursor(*after) if after else None, limit=asked.limit + 1
    )
    page = rows[: asked.limit]
    more = len(rows) > asked.limit
    return ContactList(
        items=[_contact(row, with_text=asked.text) for row in page],
        next=write_cursor(page[-1].started_at, page[-1].id) if more else None,
    )


def _wanted(asked: ContactQuery) -> ContactFilter:
    theme_id = None
    if asked.theme and asked.theme != NO_THEME:
        theme_id = find_theme(db.session, asked.theme).id
    driver_id = find_driver(db.session, asked.contact_driver).id if asked.contact_driver else None
    return replace(
        filter_of(asked),
        team=asked.team or None,
        language=asked.language or None,
        theme_id=theme_id,
        without_theme=asked.theme == NO_THEME,
        contact_driver_id=driver_id,
        repeats_only=asked.repeats,
        identified=asked.identified,
        follow=_known("chain", asked.chain, find_follow(asked.chain), "followed-any-7d"),
        mark=_known("has", asked.has, find_mark(asked.has), ", ".join(m.key for m in MARKS)),
        among=_known("among", asked.among, _among(asked), ", ".join(Part)),
    )


def _among(asked: ContactQuery) -> Among | None:
    if asked.among == Part.VOLUME and not asked.volume:
        sentence = "Name the driver volume whose days count, as volume=orders."
        raise Invalid(sentence, {"volume": sentence})
    pence = current_settings().pence_per_minute
    return find_among(db.session, asked.among, volume=asked.volume, default_pence=pence)


def _known(name: str, asked: str, found: _Found | None, known: str) -> _Found | None:
    """Return what was found, or refuse what stands for nothing."""
    if asked and found is None:
        sentence = f"“{name}” was not understood. It is, for example or one of: {known}."
        raise Invalid(sentence, {name: sentence})
    return found


def filter_of(asked: ContactSearch) -> ContactFilter:
    """Return what is asked of contacts as their query takes it."""
    return ContactFilter(
        words=asked.q,
        first_day=asked.first_day,
        last_day=asked.last_day,
        channel=asked.channel or None,
        queue=asked.queue or None,
        disposition=asked.disposition or None,
    )


def _contact(row: ContactRow, *, with_text: bool) -> ContactOut:
    return ContactOut(
        id=row.id,
        source_contact_id=row.source_contact_id,
        started_at=row.started_at,
        channel=row.channel,
        queue=row.queue,
        disposition=row.disposition,
        customer=row.customer_hash,
        theme=theme_ref(row.theme_key, row.theme_name),
        episode_position=row.chain_position,
        handle_seconds=row.handle_seconds,
        team=row.team,
        language=row.language,
        text=row.first_words if with_text else None,
    )


@bp.get("/contacts/<int(max=9223372036854775807):contact_id>")
@bp.doc(summary="One contact")
@bp.input(TextQuery, location="query", arg_name="asked")
@bp.output(ContactDetail)
@needs("contacts.view")
def get_contact_view(contact_id: int, asked: TextQuery) -> ContactDetail:
    """Give one contact with what the same customer did before and after."""
    return _detail(get_contact_page(db.session, contact_id), with_text=asked.text)


def _detail(page: ContactPage, *, with_text: bool) -> ContactDetail:
    contact: Any = page.contact
    turns = [TurnOut(speaker=turn.speaker, text=turn.text) for turn in page.turns]
    theme = page.theme
    return ContactDetail(
        id=contact.id,
        source_contact_id=contact.source_contact_id,
        started_at=contact.started_at,
        channel=contact.channel,
        queue=contact.queue,
        disposition=contact.disposition,
        customer=page.customer_hash,
        theme=theme_ref(theme.key, theme.name) if theme else None,
        episode_position=contact.link.chain_position if contact.link else None,
        handle_seconds=contact.handle_seconds,
        turns=turns if with_text else None,
        around=[
            EpisodeContact(
                id=item.id,
                started_at=item.started_at,
                channel=item.channel,
                theme=theme_ref(item.theme_key, item.theme_name),
                is_same_episode=item.is_episode,
            )
            for item in page.chain
            if not item.is_this
        ],
    )
