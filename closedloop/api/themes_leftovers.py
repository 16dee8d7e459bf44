"""Contacts in no theme and what emerges among them, over the API."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime

from pydantic import Field

from closedloop.api.auth import needs
from closedloop.api.blueprint import bp
from closedloop.api.contacts import filter_of
from closedloop.api.cursors import read_instant, write_cursor
from closedloop.api.schemas import ContactSearch, In, Out, Rate
from closedloop.extensions import current_settings, db
from closedloop.queries.contacts import ContactRow, Cursor, list_contacts
from closedloop.queries.leftovers import Coverage, EmergingRow, get_coverage, list_emerging
from closedloop.queries.site import get_data_span
from closedloop.services.leftovers import Nearest, find_nearest


class CoverageOut(Out):
    """Share of the contacts with text of the last 4 weeks that is in a theme, and its goal."""

    first_day: date
    last_day: date
    contacts_with_text: int
    with_theme: int
    value: Rate | None
    goal: Rate
    meets_goal: bool | None


class UnassignedContact(Out):
    """One contact; nearness is its likeness to the nearest theme against what membership takes."""

    id: int
    source_contact_id: str
    started_at: datetime
    channel: str
    queue: str
    disposition: str
    nearest_theme: str | None
    nearness: Rate | None
    text: str | None = Field(description="Its redacted beginning; only when asked for.")


class UnassignedList(Out):
    """A page of contacts in no theme, the newest first; coverage is of all, or null if too few."""

    coverage: CoverageOut | None
    items: list[UnassignedContact]
    next: str | None


class EmergingQuery(In):
    """Whether quotes are wanted."""

    text: bool = Field(False, description="With redacted quotes.")


class EmergingOut(Out):
    """A dense spot among contacts in no theme, whose customers become more.

    `customers_before` is null where it is fewer than may be shown, but not none.
    """

    id: int
    name: str
    keywords: list[str]
    contacts: int
    customers: int
    customers_before: int | None
    why: str
    found_on: date
    seen_on: date
    quotes: list[str]


class EmergingList(Out):
    """What emerges, the most customers first."""

    items: list[EmergingOut]


@bp.get("/themes/unassigned")
@bp.doc(summary="List contacts in no theme")
@bp.input(ContactSearch, location="query", arg_name="asked")
@bp.output(UnassignedList)
@needs("contacts.view")
def list_unassigned_view(asked: ContactSearch) -> UnassignedList:
    """Give contacts with text that are in no theme, the newest first."""
    after = read_instant(asked.after)
    cursor = Cursor(*after) if after else None
    wanted = replace(filter_of(asked), without_theme=True, with_words=True)
    rows = list_contacts(db.session, wanted, after=cursor, limit=asked.limit + 1)
    page = rows[: asked.limit]
    nearest = find_nearest(db.session, contact_ids=[row.id for row in page])
    last_day = get_data_span(db.session).last_day
    return UnassignedList(
        coverage=coverage_out(get_coverage(db.session, last_day=last_day)) if last_day else None,
        items=[_contact(row, nearest.get(row.id), with_text=asked.text) for row in page],
        next=write_cursor(page[-1].started_at, page[-1].id) if len(rows) > asked.limit else None,
    )


def coverage_out(coverage: Coverage) -> CoverageOut | None:
    """Return coverage as the API gives it; None of too few customers."""
    now = coverage.now
    if now.customers < current_settings().privacy_k:
        return None
    return CoverageOut(
        first_day=coverage.first_day,
        last_day=coverage.last_day,
        contacts_with_text=now.with_text,
        with_theme=now.with_theme,
        value=now.value,
        goal=coverage.goal,
        meets_goal=coverage.meets_goal,
    )


def _contact(row: ContactRow, near: Nearest | None, *, with_text: bool) -> UnassignedContact:
    return UnassignedContact(
        id=row.id,
        source_contact_id=row.source_contact_id,
        started_at=row.started_at,
        channel=row.channel,
        queue=row.queue,
        disposition=row.disposition,
        nearest_theme=near.key if near else None,
        nearness=near.nearness if near else None,
        text=row.first_words if with_text else None,
    )


@bp.get("/themes/emerging")
@bp.doc(summary="List what emerges")
@bp.input(EmergingQuery, location="query", arg_name="asked")
@bp.output(EmergingList)
@needs("contacts.view")
def list_emerging_view(asked: EmergingQuery) -> EmergingList:
    """Give emerging themes that wait for a decision."""
    rows = list_emerging(db.session, k=current_settings().privacy_k)
    return EmergingList(items=[_emerging(row, with_text=asked.text) for row in rows])


def _emerging(row: EmergingRow, *, with_text: bool) -> EmergingOut:
    return EmergingOut(
        id=row.id,
        name=row.name,
        keywords=list(row.keywords),
        contacts=row.contacts,
        customers=row.customers,
        customers_before=row.customers_before,
        why=row.why,
        found_on=row.found_on,
        seen_on=row.seen_on,
        quotes=[said.text for said in row.quotes] if with_text else [],
    )
