"""What a theme's numbers, quotes and neighbours are, and when they may be shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.domain.contacts import HEADLINE_WINDOW, is_few, share, share_of_enough
from closedloop.domain.themes import (
    GONE_STATUSES,
    QUOTES_SHOWN,
    STATS_DAYS,
    Quadrant,
    ThemeStatus,
    quadrant_for,
)
from closedloop.models import (
    Contact,
    ContactLink,
    ContactText,
    QuoteRejection,
    SiteSetting,
    Theme,
    ThemeEvidence,
    ThemeLikeness,
    ThemeStats,
)

QUOTE_LENGTH = 320
"""Characters of a quote on a page; the contact itself shows the rest."""

MATURE_DAY = "theme_figures_mature"
"""Setting under which stands which day the figures of themes were mature to, by their last day."""


def find_mature_day(session: Session, as_of: date) -> date:
    """Return the last day whose contacts count as mature in the figures to `as_of`, inclusive.

    It is told by the clock when the figures are renewed: a day later where the clocks went
    forward within the window.
    """
    whole_days = as_of - timedelta(days=HEADLINE_WINDOW.days)
    setting = session.get(SiteSetting, MATURE_DAY)
    kept = setting.value["value"] if setting else {}
    return date.fromisoformat(kept[iso]) if (iso := as_of.isoformat()) in kept else whole_days


def change_of(contacts: int, before: int, k: int) -> float | None:
    """Return the change from `before` on as a share; None from zero, and from or to a few."""
    if is_few(contacts, k) or is_few(before, k):
        return None
    return share(contacts - before, before)


def minutes_of_enough(seconds: int, handled: int, unsaid: int, *, k: int) -> float | None:
    """Return minutes; None when no contact has a handle time, or they tell of those of a few.

    Parameters
    ----------
    seconds, handled : int
        Handle time, and the contacts that have one.
    unsaid : int
        Those of them whose own theme may not tell it.
    k : int
        Fewest contacts that are told, other than none.
    """
    tells_few = is_few(handled, k) or is_few(unsaid, k)
    return seconds / 60 if handled and not tells_few else None


@dataclass(frozen=True)
class Figures:
    """The figures of one theme over `STATS_DAYS` days to `as_of`, inclusive.

    Attributes
    ----------
    contacts, customers, unidentified : int
        Customers are distinct known ones; unidentified are the contacts without one.
    mature, repeats_any, repeats_same : int
        Contacts of known customers whose 7 days have passed; of those the ones followed within
        7 days, for any reason and by the same theme.
    handled, handle_seconds : int
        Contacts that have a handle time, and the sum over them.
    contacts_4_weeks, contacts_4_weeks_before : int
        The last 28 days, and the 28 days before those.
    weekly : tuple of int
        Contacts in 13 whole weeks, oldest first.
    priority : float
        0–100.
    k : int
        Fewest contacts that a part of the figures may tell of, other than none.
    """

    as_of: date
    contacts: int
    customers: int
    unidentified: int
    mature: int
    repeats_any: int
    repeats_same: int
    handled: int
    handle_seconds: int
    contacts_4_weeks: int
    contacts_4_weeks_before: int
    weekly: tuple[int, ...]
    priority: float
    k: int = 0

    @property
    def first_day(self) -> date:
        """First day counted, inclusive."""
        return self.as_of - timedelta(days=STATS_DAYS - 1)

    @property
    def repeat_any(self) -> float | None:
        """Share 0–1 followed within 7 days for any reason; None of nothing mature, or of a few."""
        return share_of_enough(self.repeats_any, self.mature, self.k)

    @property
    def repeat_same(self) -> float | None:
        """Share 0–1 followed within 7 days by the same theme; None of nothing mature, or a few."""
        return share_of_enough(self.repeats_same, self.mature, self.k)

    @property
    def minutes(self) -> float | None:
        """Handle time of the contacts, in minutes; None when no contact has one, or only a few."""
        return minutes_of_enough(self.handle_seconds, self.handled, 0, k=self.k)

    @property
    def minutes_each(self) -> float | None:
        """Minutes of a contact that has a handle time; None when none has, or only a few."""
        return None if self.minutes is None else self.minutes / self.handled

    @property
    def contacts_each(self) -> float | None:
        """Contacts of a known customer; None when no customer is known."""
        return share(self.contacts - self.unidentified, self.customers)

    @property
    def unidentified_share(self) -> float | None:
        """Contacts without a known customer of all, 0 to 1; they enter no repeat rate."""
        return share(self.unidentified, self.contacts)

    @property
    def knows_customers(self) -> bool:
        """Whether any of the contacts names its customer; without any, nothing is said of them."""
        return self.customers > 0 or self.unidentified == 0

    @property
    def change(self) -> float | None:
        """Change of the last 4 weeks on the 4 before, 0.38 is 38 % more; or None."""
        return change_of(self.contacts_4_weeks, self.contacts_4_weeks_before, self.k)


def figures_of(stats: ThemeStats | None, k: int) -> Figures | None:
    """Return the figures that may be shown: None below `k` people or before the first count."""
    if stats is None or is_small(stats, k):
        return None
    return Figures(
        as_of=stats.as_of,
        contacts=stats.contacts,
        customers=stats.customers,
        unidentified=stats.unidentified,
        mature=stats.mature,
        repeats_any=stats.repeats_any,
        repeats_same=stats.repeats_same,
        handled=stats.handled,
        handle_seconds=stats.handle_seconds,
        contacts_4_weeks=stats.contacts_4_weeks,
        contacts_4_weeks_before=stats.contacts_4_weeks_before,
        weekly=tuple(stats.weekly),
        priority=stats.priority,
        k=k,
    )


def is_small(stats: ThemeStats | None, k: int) -> bool:
    """Return whether a theme was counted and describes too few people to be shown."""
    return stats is not None and stats.people < k


def quadrant_of(theme: Theme) -> Quadrant | None:
    """Return the cell of the matrix, None while nobody has placed the theme."""
    if theme.customer_values is None or theme.company_values is None:
        return None
    return quadrant_for(theme.customer_values, theme.company_values)


@dataclass(frozen=True)
class Quote:
    """A redacted sentence or two of a customer, standing for or against a theme.

    Attributes
    ----------
    speaker : str
        "customer", or "unknown" where the source does not say who of them said it.
    """

    kind: str
    text: str
    day: date
    channel: str
    contact_id: int
    confidence: float
    chain_position: int | None
    speaker: str = "customer"


def list_quotes(
    session: Session, theme_ids: list[int], *, length: int = QUOTE_LENGTH
) -> dict[int, list[Quote]]:
    """Return the evidence of each theme, typical, boundary, contrary, best first.

    So many of each kind as `QUOTES_SHOWN` says, without those that were rejected. The caller
    asks only for themes with enough customers. Expired texts are left out; the others are cut at
    a word behind `length` characters.
    """
    chosen = _chosen_quotes(theme_ids)
    rows: Sequence[Any] = session.execute(
        sa.select(
            chosen.c.theme_id,
            chosen.c.kind,
            ContactText.issue_text,
            Contact.local_day,
            Contact.channel,
            Contact.id,
            chosen.c.confidence,
            ContactLink.chain_position,
            ContactText.turns,
        )
        .join(Contact, Contact.id == chosen.c.contact_id)
        .join(ContactText, ContactText.contact_id == Contact.id)
        .outerjoin(ContactLink, ContactLink.contact_id == Contact.id)
        .where(sa.or_(*(_is_shown(chosen, kind, most) for kind, most in QUOTES_SHOWN.items())))
        .order_by(chosen.c.theme_id, chosen.c.place)
    ).all()
    quotes: dict[int, list[Quote]] = {theme_id: [] for theme_id in theme_ids}
    for row in rows:
        theme_id, kind, text, day, channel, contact_id, confidence, position, turns = row
        facts = (day, channel, contact_id, confidence, position, _speaker(turns))
        quotes[theme_id].append(Quote(kind.value, shorten(text, length), *facts))
    return quotes


def _chosen_quotes(theme_ids: Sequence[int]) -> sa.Subquery:
    """Say the place of each quote among those of its theme and kind that can be shown."""
    is_rejected = sa.exists().where(
        QuoteRejection.theme_id == ThemeEvidence.theme_id,
        QuoteRejection.contact_id == ThemeEvidence.contact_id,
    )
    place = sa.func.row_number().over(
        partition_by=(ThemeEvidence.theme_id, ThemeEvidence.kind),
        order_by=(ThemeEvidence.rank, ThemeEvidence.id),
    )
    return (
        sa.select(
            ThemeEvidence.theme_id,
            ThemeEvidence.kind,
            ThemeEvidence.contact_id,
            ThemeEvidence.confidence,
            place.label("place"),
        )
        .join(ContactText, ContactText.contact_id == ThemeEvidence.contact_id)
        .where(ThemeEvidence.theme_id.in_(theme_ids), ~is_rejected)
        .subquery()
    )


def _is_shown(chosen: sa.Subquery, kind: str, most: int) -> sa.ColumnElement[bool]:
    return sa.and_(chosen.c.kind == kind, chosen.c.place <= most)


def _speaker(turns: Sequence[Sequence[str]]) -> str:
    """Return whose words a quote is: speakers nobody knows stand in where no customer is named."""
    return "customer" if any(turn[0] == "customer" for turn in turns) else "unknown"


@dataclass(frozen=True)
class RejectedQuote:
    """A quote that somebody took out of the evidence of a theme."""

    contact_id: int
    text: str
    day: date
    rejected_by: str
    rejected_at: datetime


def list_rejected_quotes(session: Session, theme_id: int) -> list[RejectedQuote]:
    """Return the quotes of a theme that were rejected, newest first; expired texts left out."""
    rows = session.execute(
        sa.select(
            Contact.id,
            ContactText.issue_text,
            Contact.local_day,
            QuoteRejection.rejected_by,
            QuoteRejection.rejected_at,
        )
        .join(Contact, Contact.id == QuoteRejection.contact_id)
        .join(ContactText, ContactText.contact_id == Contact.id)
        .where(QuoteRejection.theme_id == theme_id)
        .order_by(QuoteRejection.rejected_at.desc(), Contact.id)
    ).all()
    return [RejectedQuote(row[0], shorten(row[1]), *row[2:]) for row in rows]


def shorten(text: str, length: int = QUOTE_LENGTH) -> str:
    """Return the text on one line, cut at a word and marked with an ellipsis when longer."""
    text = " ".join(text.split())
    if len(text) <= length:
        return text
    return text[:length].rsplit(" ", 1)[0].rstrip(" ,;:.") + " …"


@dataclass(frozen=True)
class NearTheme:
    """A theme close to another; customers None when they are too few to be told."""

    id: int
    key: str
    name: str
    status: ThemeStatus
    likeness: float
    customers_in_both: int | None


def list_near(session: Session, theme_id: int, k: int, limit: int = 4) -> list[NearTheme]:
    """Return the nearest themes that still stand, nearest first."""
    rows = session.execute(
        sa.select(
            Theme.id,
            Theme.key,
            Theme.name,
            Theme.status,
            ThemeLikeness.likeness,
            ThemeLikeness.customers_in_both,
        )
        .join(ThemeLikeness, ThemeLikeness.other_id == Theme.id)
        .where(
            ThemeLikeness.theme_id == theme_id,
            Theme.id != theme_id,
            Theme.status.not_in(GONE_STATUSES),
        )
        .order_by(ThemeLikeness.likeness.desc(), Theme.id)
        .limit(limit)
    ).all()
    return [NearTheme(*row[:5], row[5] if row[5] >= k or row[5] == 0 else None) for row in rows]
