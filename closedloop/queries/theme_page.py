"""One theme on one page: figures, trend, evidence, actions, lineage, history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased, joinedload

from closedloop.domain.actions import ActionStatus
from closedloop.domain.errors import NotFound
from closedloop.domain.impact import Verdict, has_only_moved
from closedloop.domain.themes import STATS_DAYS, Quadrant
from closedloop.domain.triage import Decision
from closedloop.models import (
    Action,
    DailyRollup,
    DailySlice,
    Department,
    ImpactMeasurement,
    Intervention,
    Theme,
    ThemeDefinition,
    TriageDecision,
    User,
)
from closedloop.queries.audit import list_history
from closedloop.queries.go_lives import is_in_force, list_superseded, stands
from closedloop.queries.summaries import list_summaries
from closedloop.queries.theme_figures import (
    Figures,
    NearTheme,
    Quote,
    figures_of,
    find_mature_day,
    is_small,
    list_near,
    list_quotes,
    quadrant_of,
)

TREND_DAYS = 364
CODES_NAMED = 3
HISTORY_ROWS = 30


@dataclass(frozen=True)
class Trend:
    """Contacts a day, oldest first, columns equally long.

    Attributes
    ----------
    followed : tuple of int
        Those of a known customer that the same theme followed within 7 days, so far.
    maturing_from : date
        First day whose 7 days have not all passed.
    """

    days: tuple[date, ...]
    contacts: tuple[int, ...]
    followed: tuple[int, ...]
    maturing_from: date

    def whole_weeks(self, k: int) -> list[Week]:
        """Return the whole weeks, oldest first, hiding what fewer than `k` people may stand for."""
        return [
            _week(
                monday,
                sum(self.contacts[i : i + 7]),
                sum(self.followed[i : i + 7]),
                is_maturing=self.days[i + 6] >= self.maturing_from,
                k=k,
            )
            for i, monday in enumerate(self.days)
            if not monday.weekday() and i + 7 <= len(self.days)
        ]


@dataclass(frozen=True)
class Week:
    """A whole week of a theme.

    Attributes
    ----------
    monday : date
    contacts, followed : int or None
        None where so few people may stand behind it that it is not shown.
    is_maturing : bool
        Of some contacts it is open yet whether the theme follows them.
    """

    monday: date
    contacts: int | None
    followed: int | None
    is_maturing: bool


def _week(monday: date, contacts: int, followed: int, *, is_maturing: bool, k: int) -> Week:
    # within a week all contacts of a person but the last are followed, so these are people
    people = contacts - followed
    if contacts and people < k:
        return Week(monday, None, None, is_maturing)
    return Week(monday, contacts, None if 0 < followed < k else followed, is_maturing)


@dataclass(frozen=True)
class CodeShare:
    """How many contacts of the theme carry one wrap-up code; `others` counts codes put together."""

    code: str
    contacts: int
    share: float
    others: int = 0


@dataclass(frozen=True)
class ThemeAction:
    """An action on the theme; verdict and range are of its newest look."""

    key: str
    title: str
    department_name: str
    owner_name: str
    status: ActionStatus
    due_on: date | None
    expected_drop: float
    hand_back_reason: str
    went_live_on: date | None
    rollout_days: int | None
    verdict: Verdict | None
    avoided_low: float | None
    avoided: float | None
    avoided_high: float | None

    @property
    def has_moved(self) -> bool:
        """Whether its contacts only moved to themes beside it."""
        return has_only_moved(self.status, self.verdict)


@dataclass(frozen=True)
class HistoryEntry:
    """A change to the theme; with a decision id where that decision can be undone."""

    at: datetime
    by: str
    verb: str
    text: str
    undo_decision_id: int | None


@dataclass(frozen=True)
class ThemePage:
    """Everything on a theme's page; figures, trend, quotes and codes only with `k` customers.

    `summary` is a customer's sentence, empty where people described the theme.
    """

    theme: Theme
    quadrant: Quadrant | None
    figures: Figures | None
    is_small: bool
    definition_number: int | None
    trend: Trend | None
    quotes: tuple[Quote, ...]
    codes: tuple[CodeShare, ...]
    near: tuple[NearTheme, ...]
    actions: tuple[ThemeAction, ...]
    merged_from: tuple[tuple[str, str], ...]
    history: tuple[HistoryEntry, ...]
    summary: str = ""


def get_theme_page(session: Session, key: str, *, k: int, first_day: date | None) -> ThemePage:
    """Return one theme's page.

    Parameters
    ----------
    session : Session
    key : str
        "T-014".
    k : int
        Fewest distinct customers whose figures and words may be shown.
    first_day : date or None
        First reporting day with contacts: the trend does not start before it.

    Raises
    ------
    NotFound
    """
    theme = find_theme(session, key)
    figures = figures_of(theme.stats, k)
    return ThemePage(
        theme=theme,
        quadrant=quadrant_of(theme),
        figures=figures,
        is_small=is_small(theme.stats, k),
        definition_number=_definition_number(session, theme.id),
        trend=_trend(session, theme.id, figures.as_of, first_day) if figures else None,
        quotes=tuple(list_quotes(session, [theme.id])[theme.id]) if figures else (),
        codes=_codes(session, theme.id, figures.as_of, k) if figures else (),
        near=tuple(list_near(session, theme.id, k)),
        actions=_actions(session, theme.id),
        merged_from=_merged_from(session, theme.id),
        history=list_theme_history(session, theme.id),
        summary=list_summaries(session, [theme.id]).get(theme.id, "") if figures else "",
    )


def find_theme(session: Session, key: str) -> Theme:
    """Return one theme with its figures, department and owner.

    Raises
    ------
    NotFound
    """
    theme = session.scalar(
        sa.select(Theme)
        .where(Theme.key == key)
        .options(
            joinedload(Theme.stats),
            joinedload(Theme.department),
            joinedload(Theme.owner),
            joinedload(Theme.driver),
            joinedload(Theme.merged_into),
        )
    )
    if theme is None:
        raise NotFound(f"There is no theme {key}. Look for it by name in the list of themes.")
    return theme


def _definition_number(session: Session, theme_id: int) -> int | None:
    return session.scalar(
        sa.select(sa.func.max(ThemeDefinition.number)).where(ThemeDefinition.theme_id == theme_id)
    )


def _trend(session: Session, theme_id: int, last_day: date, first_day: date | None) -> Trend:
    start = max(first_day or last_day, last_day - timedelta(days=TREND_DAYS - 1))
    start = min(start, last_day)
    rows = session.execute(
        sa.select(DailySlice.day, DailySlice.contacts, DailySlice.same_7d).where(
            DailySlice.kind == "theme",
            DailySlice.value == str(theme_id),
            DailySlice.day.between(start, last_day),
        )
    ).all()
    counted = {day: (int(contacts), int(followed)) for day, contacts, followed in rows}
    days = tuple(start + timedelta(days=i) for i in range((last_day - start).days + 1))
    return Trend(
        days=days,
        contacts=tuple(counted.get(day, (0, 0))[0] for day in days),
        followed=tuple(counted.get(day, (0, 0))[1] for day in days),
        maturing_from=find_mature_day(session, last_day) + timedelta(days=1),
    )


def _codes(session: Session, theme_id: int, last_day: date, k: int) -> tuple[CodeShare, ...]:
    rows = session.execute(
        sa.select(DailyRollup.disposition, sa.func.sum(DailyRollup.contacts).label("contacts"))
        .where(
            DailyRollup.theme_id == theme_id,
            DailyRollup.day > last_day - timedelta(days=STATS_DAYS),
            DailyRollup.day <= last_day,
        )
        .group_by(DailyRollup.disposition)
        .order_by(sa.desc("contacts"), DailyRollup.disposition)
    ).all()
    return fold_codes([(code, int(contacts)) for code, contacts in rows], k)


def fold_codes(counts: list[tuple[str, int]], k: int) -> tuple[CodeShare, ...]:
    """Return the largest codes and the others together, none of them below `k` contacts.

    Parameters
    ----------
    counts : list of (str, int)
        Code and contacts, largest first.
    k : int
        A code with fewer contacts could describe fewer customers; so could what is left over
        when it is subtracted from the total.
    """
    total = sum(contacts for _, contacts in counts)
    named = [(code, contacts) for code, contacts in counts[:CODES_NAMED] if contacts >= k]
    while named and 0 < total - sum(contacts for _, contacts in named) < k:
        named.pop()
    shares = [CodeShare(code, contacts, contacts / total) for code, contacts in named]
    rest = total - sum(contacts for _, contacts in named)
    if rest >= k:
        shares.append(CodeShare("", rest, rest / total, others=len(counts) - len(named)))
    return tuple(shares)


def _actions(session: Session, theme_id: int) -> tuple[ThemeAction, ...]:
    later = aliased(ImpactMeasurement)
    newest = (
        sa.select(later.id)
        .where(
            later.intervention_id == Intervention.id,
            later.is_look,
            is_in_force(list_superseded(session), later),
        )
        .order_by(later.as_of.desc(), later.id.desc())
        .limit(1)
        .correlate(Intervention)
        .scalar_subquery()
    )
    rows: Sequence[Any] = session.execute(
        sa.select(
            Action.key,
            Action.title,
            Department.name,
            sa.func.coalesce(User.name, ""),
            Action.status,
            Action.due_on,
            Action.expected_drop,
            Action.hand_back_reason,
            Intervention.went_live_on,
            Intervention.rollout_days,
            ImpactMeasurement.verdict,
            ImpactMeasurement.avoided_low,
            ImpactMeasurement.avoided,
            ImpactMeasurement.avoided_high,
        )
        .join(Department, Department.id == Action.department_id)
        .outerjoin(User, User.id == Action.owner_id)
        .outerjoin(Intervention, sa.and_(Intervention.action_id == Action.id, stands()))
        .outerjoin(ImpactMeasurement, ImpactMeasurement.id == newest)
        .where(Action.theme_id == theme_id)
        .order_by(Action.id.desc())
    ).all()
    return tuple(ThemeAction(*row) for row in rows)


def _merged_from(session: Session, theme_id: int) -> tuple[tuple[str, str], ...]:
    rows = session.execute(
        sa.select(Theme.key, Theme.name).where(Theme.merged_into_id == theme_id).order_by(Theme.id)
    ).all()
    return tuple((key, name) for key, name in rows)


def list_theme_history(session: Session, theme_id: int) -> tuple[HistoryEntry, ...]:
    """Return the newest changes; the newest decision can be undone where nothing stands on it."""
    events = list_history(session, "theme", theme_id, limit=HISTORY_ROWS)
    entries = [HistoryEntry(e.at, e.actor_name, e.verb, e.summary, None) for e in events]
    undoable = _undoable_decision(session, theme_id)
    if undoable is None:
        return tuple(entries)
    decision_id, verb, key = undoable
    for place, entry in enumerate(entries):
        if entry.verb == verb and f" {key} " in entry.text:
            entries[place] = replace(entry, undo_decision_id=decision_id)
            break
    return tuple(entries)


DECISION_VERBS = {
    Decision.ACCEPT: "themes.accepted",
    Decision.MERGE: "themes.merged",
    Decision.DISMISS: "themes.dismissed",
    Decision.PARK: "themes.parked",
}


def _undoable_decision(session: Session, theme_id: int) -> tuple[int, str, str] | None:
    """Return id, audit verb and theme key of the newest decision on a theme or a merge into it.

    None when the theme moved on since, or an action was proposed on the strength of it.
    """
    last_action = (
        sa.select(sa.func.max(Action.id)).where(Action.theme_id == theme_id).scalar_subquery()
    )
    row = session.execute(
        sa.select(TriageDecision, Theme.key, Theme.status, last_action)
        .join(Theme, Theme.id == TriageDecision.theme_id)
        .where(
            TriageDecision.undone_at.is_(None),
            sa.or_(TriageDecision.theme_id == theme_id, Theme.merged_into_id == theme_id),
        )
        .order_by(TriageDecision.id.desc())
        .limit(1)
    ).one_or_none()
    if row is None:
        return None
    decision, key, status, newest_action = row
    after = decision.detail.get("after", {}).get("status")
    if status != after or (newest_action or 0) > decision.detail.get("last_action", 0):
        return None
    return decision.id, DECISION_VERBS[decision.decision], key
