"""The candidate queue, one candidate with its evidence, and what a merge would do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from closedloop.domain.clock import utc_now
from closedloop.domain.errors import Invalid, NotFound
from closedloop.domain.themes import (
    GONE_STATUSES,
    OPEN_STATUSES,
    PriorityPart,
    ThemeStatus,
    priority_parts,
    priority_values,
)
from closedloop.models import Contact, Theme, ThemeRun, ThemeStats, TriageDecision
from closedloop.queries.theme_figures import (
    Figures,
    NearTheme,
    Quote,
    figures_of,
    is_small,
    list_near,
    list_quotes,
)
from closedloop.queries.theme_page import find_theme

COMPARED_STATUSES = (ThemeStatus.CANDIDATE, *OPEN_STATUSES)
"""Whose figures a priority is ranked among."""

MERGE_QUOTES = 3
_Counts = tuple[int, int, int]


@dataclass(frozen=True)
class QueuedCandidate:
    """A candidate in the queue."""

    id: int
    key: str
    name: str
    waiting_since: datetime
    is_small: bool

    @property
    def days_waiting(self) -> int:
        """Whole days since it was found."""
        return (utc_now() - self.waiting_since).days


@dataclass(frozen=True)
class ParkedTheme:
    """A parked theme: when it returns and why it was set aside."""

    key: str
    name: str
    parked_until: date | None
    reason: str
    decided_by: str


@dataclass(frozen=True)
class Priority:
    """The arithmetic of a priority and its place among the themes compared.

    Attributes
    ----------
    place, compared : int
        1 is the highest; `compared` includes the theme itself.
    """

    parts: tuple[PriorityPart, ...]
    points: float
    place: int
    compared: int


@dataclass(frozen=True)
class Candidate:
    """One theme to decide on; quotes and figures only with enough customers."""

    theme: Theme
    run_day: date | None
    figures: Figures | None
    is_small: bool
    quotes: tuple[Quote, ...]
    near: tuple[NearTheme, ...]
    priority: Priority | None


@dataclass(frozen=True)
class MergeSide:
    """One of the two themes of a merge; customers None below `k`.

    Attributes
    ----------
    contacts : int
        Over the whole history.
    """

    id: int
    key: str
    name: str
    status: ThemeStatus
    scenario: str
    contacts: int
    customers: int | None
    quotes: tuple[Quote, ...]


@dataclass(frozen=True)
class MergePreview:
    """What a merge would do, over the whole history.

    Attributes
    ----------
    moves : int
        Contacts that would move from `source` to `into`.
    contacts_after, customers_after : int
        Of `into`; customers in both count once, None below `k`.
    """

    source: MergeSide
    into: MergeSide
    moves: int
    contacts_after: int
    customers_after: int | None


def list_candidates(session: Session, *, k: int) -> list[QueuedCandidate]:
    """Return what waits for a decision, highest priority first, uncounted ones last."""
    rows = session.execute(
        sa.select(Theme.id, Theme.key, Theme.name, Theme.waiting_since, ThemeStats.people)
        .outerjoin(ThemeStats, ThemeStats.theme_id == Theme.id)
        .where(Theme.status == ThemeStatus.CANDIDATE)
        .order_by(sa.func.coalesce(ThemeStats.priority, -1.0).desc(), Theme.id)
    ).all()
    return [
        QueuedCandidate(i, key, name, at, people is not None and people < k)
        for i, key, name, at, people in rows
    ]


def list_parked(session: Session) -> list[ParkedTheme]:
    """Return the parked themes, the next to return first."""
    later = aliased(TriageDecision)
    newest = (
        sa.select(sa.func.max(later.id))
        .where(later.theme_id == Theme.id, later.undone_at.is_(None))
        .correlate(Theme)
        .scalar_subquery()
    )
    rows = session.execute(
        sa.select(
            Theme.key,
            Theme.name,
            Theme.parked_until,
            sa.func.coalesce(TriageDecision.reason, ""),
            sa.func.coalesce(TriageDecision.decided_by, ""),
        )
        .outerjoin(TriageDecision, TriageDecision.id == newest)
        .where(Theme.status == ThemeStatus.PARKED)
        .order_by(Theme.parked_until.asc().nulls_last(), Theme.id)
    ).all()
    return [ParkedTheme(*row) for row in rows]


def get_candidate(session: Session, key: str, *, k: int) -> Candidate:
    """Return one theme with its evidence, neighbours and priority.

    Parameters
    ----------
    session : Session
    key : str
    k : int
        Fewest distinct customers whose figures and words may be shown.

    Raises
    ------
    NotFound
    """
    theme = find_theme(session, key)
    figures = figures_of(theme.stats, k)
    run = session.get(ThemeRun, theme.run_id) if theme.run_id else None
    return Candidate(
        theme=theme,
        run_day=run.last_day if run else None,
        figures=figures,
        is_small=is_small(theme.stats, k),
        quotes=tuple(list_quotes(session, [theme.id])[theme.id]) if figures else (),
        near=tuple(list_near(session, theme.id, k)),
        priority=get_priority(session, theme) if figures else None,
    )


def get_priority(session: Session, theme: Theme) -> Priority | None:
    """Return the arithmetic of a theme's priority, None before it is counted."""
    rows = session.execute(
        sa.select(
            Theme.id,
            Theme.demand_type,
            ThemeStats.customers,
            ThemeStats.mature,
            ThemeStats.repeats_any,
            ThemeStats.repeats_same,
            ThemeStats.handle_seconds,
            ThemeStats.contacts_4_weeks,
            ThemeStats.contacts_4_weeks_before,
            ThemeStats.priority,
        )
        .join(ThemeStats, ThemeStats.theme_id == Theme.id)
        .where(Theme.status.in_(COMPARED_STATUSES))
        .order_by(Theme.id)
    ).all()
    names = (
        "demand_type",
        "customers",
        "mature",
        "repeats_any",
        "repeats_same",
        "handle_seconds",
        "contacts_4_weeks",
        "contacts_4_weeks_before",
    )
    values = {
        row.id: priority_values(**{name: getattr(row, name) for name in names}) for row in rows
    }
    if theme.id not in values:
        return None
    population: list[tuple[float, ...]] = list(values.values())
    points = {
        theme_id: sum(part.points for part in priority_parts(own, population))
        for theme_id, own in values.items()
    }
    higher = sum(other > points[theme.id] for other in points.values())
    parts = priority_parts(values[theme.id], population)
    return Priority(parts, points[theme.id], higher + 1, len(points))


def list_merge_targets(session: Session, theme: Theme) -> list[tuple[str, str]]:
    """Return key and name of what a theme can be merged into: the agreed, never into a candidate.

    A candidate can be merged into another candidate as well.
    """
    closed_to_it = [*GONE_STATUSES]
    if theme.status is not ThemeStatus.CANDIDATE:
        closed_to_it.append(ThemeStatus.CANDIDATE)
    rows = session.execute(
        sa.select(Theme.key, Theme.name)
        .where(Theme.status.not_in(closed_to_it), Theme.id != theme.id)
        .order_by(Theme.name, Theme.id)
    ).all()
    return [(key, name) for key, name in rows]


def preview_merge(session: Session, theme_id: int, into_id: int, *, k: int = 5) -> MergePreview:
    """Return what merging one theme into another would do; changes nothing.

    Parameters
    ----------
    session : Session
    theme_id, into_id : int
        What goes, and what stays.
    k : int
        Fewest distinct customers that are described.

    Raises
    ------
    NotFound
    Invalid
        If the two are the same theme.
    """
    if theme_id == into_id:
        sentence = "A theme cannot be merged into itself. Choose another one."
        raise Invalid(sentence, {"into": sentence})
    themes = {
        theme.id: theme
        for theme in session.scalars(sa.select(Theme).where(Theme.id.in_((theme_id, into_id))))
    }
    if len(themes) < 2:
        raise NotFound("One of the two themes is not there any more.")
    counts = _count_both(session, theme_id, into_id)
    enough = [one for one in (theme_id, into_id) if counts[one][2] >= k]
    quotes = list_quotes(session, enough) if enough else {}
    source, into = (
        _side(themes[one], counts[one], quotes.get(one, []), k) for one in (theme_id, into_id)
    )
    together = counts[None]
    return MergePreview(
        source=source,
        into=into,
        moves=source.contacts,
        contacts_after=together[0],
        customers_after=together[1] if together[2] >= k else None,
    )


def list_merging(
    session: Session, theme_id: int, *, after: int | None = None, limit: int
) -> list[int]:
    """Return the contacts that a merge of the theme would move, newest first.

    Parameters
    ----------
    after : int, optional
        The last contact seen, which may have left the theme meanwhile; where there is no such
        contact any more, the list begins anew.
    limit : int
        Contacts at most; ask for one more than a page to know whether there is another.
    """
    held = sa.select(Contact.id).where(Contact.theme_id == theme_id)
    seen_at = after and session.scalar(sa.select(Contact.started_at).where(Contact.id == after))
    if seen_at:
        held = held.where(
            Contact.started_at <= seen_at,  # where the index is to begin
            sa.or_(Contact.started_at < seen_at, Contact.id < after),
        )
    newest_first = held.order_by(Contact.started_at.desc(), Contact.id.desc())
    return list(session.scalars(newest_first.limit(limit)))


def _count_both(session: Session, theme_id: int, into_id: int) -> dict[int | None, _Counts]:
    """Return contacts, distinct customers and people of each theme, and of both under None."""
    both = (theme_id, into_id)
    contacts, known = sa.func.count(Contact.id), sa.func.count(Contact.customer_id)
    customers = sa.func.count(sa.distinct(Contact.customer_id))
    columns = (contacts, customers, customers + contacts - known)
    each = (
        sa.select(Contact.theme_id, *columns)
        .where(Contact.theme_id.in_(both))
        .group_by(Contact.theme_id)
    )
    together = sa.select(sa.null(), *columns).where(Contact.theme_id.in_(both))
    rows: Sequence[Any] = session.execute(sa.union_all(each, together)).all()
    found = {row[0]: (row[1], row[2], row[3]) for row in rows}
    return {one: found.get(one, (0, 0, 0)) for one in (*both, None)}


def _side(theme: Theme, count: _Counts, quotes: list[Quote], k: int) -> MergeSide:
    return MergeSide(
        id=theme.id,
        key=theme.key,
        name=theme.name,
        status=theme.status,
        scenario=theme.scenario,
        contacts=count[0],
        customers=count[1] if count[2] >= k else None,
        quotes=tuple(quote for quote in quotes if quote.kind == "typical")[:MERGE_QUOTES],
    )
