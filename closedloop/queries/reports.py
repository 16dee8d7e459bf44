"""The executive report: what was shipped in a period, what it did, what comes next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.domain.actions import OPEN_ACTIONS, ActionStatus
from closedloop.domain.contacts import HEADLINE_WINDOW, Window, last_mature_day, share
from closedloop.domain.impact import Verdict
from closedloop.domain.money_totals import TotalMoney
from closedloop.domain.themes import ThemeStatus
from closedloop.models import (
    Comeback,
    Contact,
    ContactLink,
    DailySlice,
    Department,
    DueDay,
    Intervention,
    Theme,
    ThemeStats,
)
from closedloop.queries.actions import ActionFilter, ActionRow, list_actions
from closedloop.queries.go_lives import stands
from closedloop.queries.impact import ShippedAction, Total, list_shipped
from closedloop.queries.impact_total import portfolio_of
from closedloop.queries.repeats import ROLLING_DAYS, Day, RepeatFilter, Trend, get_trend

COMPARED_DAYS = 28
"""Days at either end of the period whose repeat rates are named."""

OPEN_ROWS = 200
"""Open actions read at most; a page names the first few."""


@dataclass(frozen=True)
class RateSpan:
    """Repeat rates over some mature days.

    Attributes
    ----------
    first_day, last_day : date
        Both inclusive.
    any, same : float or None
        Share of identified contacts followed within 7 days, 0 to 1; None without any.
    unidentified_share : float or None
        Contacts without a known customer of all: they are in no rate.
    """

    first_day: date
    last_day: date
    any: float | None
    same: float | None
    unidentified_share: float | None = None


@dataclass(frozen=True)
class BackAgain:
    """A theme that was reopened: since when, and how many contacts came on top of the fix."""

    key: str
    name: str
    department_name: str
    since_on: date | None
    excess: float | None


@dataclass(frozen=True)
class Waiting:
    """Candidates that wait for a decision, and their contacts of the last 90 days."""

    candidates: int
    contacts: int


@dataclass(frozen=True)
class Report:
    """What one page for executives says.

    Attributes
    ----------
    first_day, last_day : date
        The period, both inclusive: actions that went live in it, known by its last day.
    shipped : tuple of ShippedAction
        Verdicts first, the largest avoided first; those still too early last.
    earlier : int
        Actions that went live before the period.
    total : Total
        Over `shipped`.
    money : TotalMoney
        What that is worth.
    trend : Trend
        Repeat rates of each day.
    at_first, at_last : RateSpan or None
        First and last four weeks of mature days; None when the period is too short.
    open_actions : tuple of ActionRow
        As of now, by due day.
    back_again : tuple of BackAgain
        As of now.
    """

    first_day: date
    last_day: date
    shipped: tuple[ShippedAction, ...]
    earlier: int
    total: Total
    money: TotalMoney
    trend: Trend
    at_first: RateSpan | None
    at_last: RateSpan | None
    open_actions: tuple[ActionRow, ...]
    back_again: tuple[BackAgain, ...]
    waiting: Waiting

    def overdue(self, today: date) -> list[ActionRow]:
        """Return the open actions whose due day has passed."""
        return [row for row in self.open_actions if row.is_overdue(today)]

    @property
    def unidentified_share(self) -> float | None:
        """Share of the contacts without a known customer, 0 to 1; None without contacts."""
        contacts = sum(day.contacts for day in self.trend.days)
        identified = sum(day.identified for day in self.trend.days)
        return share(contacts - identified, contacts)

    @property
    def handed_back(self) -> list[ActionRow]:
        """Open actions that a department handed back."""
        return [row for row in self.open_actions if row.status is ActionStatus.HANDED_BACK]


_ORDER = {
    Verdict.FELL: 0,
    Verdict.INCONCLUSIVE: 1,
    Verdict.NO_CHANGE: 2,
    Verdict.ROSE: 3,
    Verdict.NOT_ENOUGH_DATA: 4,
    Verdict.TOO_EARLY: 5,
}


def default_period(cut: date, first_data_day: date) -> tuple[date, date]:
    """Return this year so far or the last six months, whichever reaches back further.

    Both days inclusive, not before the first day with data.
    """
    half_year_ago = cut - timedelta(days=182)
    return max(min(date(cut.year, 1, 1), half_year_ago), first_data_day), cut


def get_report(
    session: Session,
    *,
    first_day: date,
    last_day: date,
    cut: date,
    first_data_day: date,
    k: int,
    zone: str = "UTC",
    pence_now: float = 0.0,
) -> Report:
    """Return the report of a period.

    Parameters
    ----------
    first_day, last_day : date
        Both inclusive; `last_day` at most `cut`.
    cut : date
        Last complete reporting day that holds contacts.
    first_data_day : date
        First reporting day that holds contacts.
    k : int
        Fewest distinct people that a point of the trend describes.
    zone : str
        Of the reporting days.
    pence_now : float
        The site's cost of a minute today, for what was measured before any was set; 0 is unset.
    """
    everything = list_shipped(session, until=last_day)
    shipped = sorted((row for row in everything if row.went_live_on >= first_day), key=_rank_of)
    trend = get_trend(
        session,
        RepeatFilter(first_day=first_day, last_day=last_day),
        window=HEADLINE_WINDOW,
        cut=cut,
        first_data_day=first_data_day,
        k=k,
        zone=zone,
    )
    at_first, at_last = _compare(trend)
    looks = [row.look for row in shipped]
    portfolio = portfolio_of(session, looks, pence_now=pence_now, until=last_day)
    wanted = ActionFilter(statuses=OPEN_ACTIONS)
    return Report(
        first_day=first_day,
        last_day=last_day,
        shipped=tuple(shipped),
        earlier=len(everything) - len(shipped),
        total=portfolio.total,
        money=portfolio.money,
        trend=trend,
        at_first=at_first,
        at_last=at_last,
        open_actions=tuple(list_actions(session, wanted, limit=OPEN_ROWS)),
        back_again=_list_back_again(session),
        waiting=_count_waiting(session),
    )


def _rank_of(row: ShippedAction) -> tuple[int, float, str]:
    middle = row.look.credited.middle if row.look else 0.0
    return _ORDER[row.verdict], -middle, row.key


def _compare(trend: Trend) -> tuple[RateSpan | None, RateSpan | None]:
    """Return the first and the last four weeks of mature days, when they do not overlap."""
    until = trend.maturing_from
    mature = [day for day in trend.days if day.identified and (until is None or day.day < until)]
    if len(mature) < 2 * COMPARED_DAYS:
        return None, None
    return _span(mature[:COMPARED_DAYS]), _span(mature[-COMPARED_DAYS:])


def _span(days: Sequence[Day]) -> RateSpan:
    identified = sum(day.identified for day in days)
    contacts = sum(day.contacts for day in days)
    # a week that may be shown and lies in these days has people enough for all of them
    weeks = days[ROLLING_DAYS - 1 :]
    is_shown = (any(day.any7 for day in weeks), any(day.same7 for day in weeks))
    repeats = [sum(day.repeats[i] for day in days) for i in (0, 1)]
    rates = [
        share(count, identified) if shown or not count else None
        for count, shown in zip(repeats, is_shown, strict=True)
    ]
    without = share(contacts - identified, contacts) if rates[0] is not None else None
    return RateSpan(days[0].day, days[-1].day, rates[0], rates[1], without)


def _list_back_again(session: Session) -> tuple[BackAgain, ...]:
    newest = (
        sa.select(Comeback.id)
        .join(Intervention, Intervention.id == Comeback.intervention_id)
        .where(Comeback.theme_id == Theme.id, stands())
        .order_by(Comeback.alarm_on.desc(), Comeback.id.desc())
        .limit(1)
        .correlate(Theme)
        .scalar_subquery()
    )
    rows = session.execute(
        sa.select(
            Theme.key,
            Theme.name,
            sa.func.coalesce(Department.name, ""),
            Comeback.since_on,
            Comeback.excess,
        )
        .outerjoin(Department, Department.id == Theme.department_id)
        .outerjoin(Comeback, Comeback.id == newest)
        .where(Theme.status == ThemeStatus.REOPENED)
        .order_by(Theme.key)
    )
    return tuple(BackAgain(*row) for row in rows)


def _count_waiting(session: Session) -> Waiting:
    row = session.execute(
        sa.select(sa.func.count(Theme.id), sa.func.coalesce(sa.func.sum(ThemeStats.contacts), 0))
        .outerjoin(ThemeStats, ThemeStats.theme_id == Theme.id)
        .where(Theme.status == ThemeStatus.CANDIDATE)
    ).one()
    return Waiting(int(row[0]), int(row[1]))


@dataclass(frozen=True)
class RepeatSummary:
    """Repeats over the whole history, for one window.

    Attributes
    ----------
    contacts, identified_contacts : int or None
        All, and those whose customer is known. None here and below where fewer than k distinct
        people stand behind it.
    customers : int or None
        Distinct known ones.
    repeat_share_any : float or None
        Looking back: share of the identified contacts that came at most one window after an
        earlier one of the same customer.
    repeat_rate_any, repeat_rate_same_theme : float or None
        Looking forward: share of the identified contacts of mature days that another one
        followed within the window, for any reason or about the same theme.
    customers_repeating_share : float or None
        Share of the customers with at least one such repeat.
    unidentified_share : float or None
        Share of the contacts without a known customer: they are in no figure of repeats.
    mature_until : date or None
        Last day that the forward rates could count.
    """

    window: str
    contacts: int | None
    identified_contacts: int | None
    customers: int | None
    repeat_share_any: float | None
    repeat_rate_any: float | None
    repeat_rate_same_theme: float | None
    customers_repeating_share: float | None
    unidentified_share: float | None
    mature_until: date | None


def get_repeat_summary(
    session: Session, *, window: Window, cut: date | None, k: int, zone: str = "UTC"
) -> RepeatSummary:
    """Return repeats over the whole history.

    Read from the roll-up where it holds every contact; while days wait to be added up, or were
    never, from the contacts themselves, which is exact too and slower.

    Parameters
    ----------
    cut : date or None
        Last reporting day that holds contacts; None without contacts.
    k : int
        Fewest distinct people that a figure describes.
    zone : str
        Of the reporting days.
    """
    last = last_mature_day(cut, window, zone) if cut else None
    contacts = session.scalar(sa.select(sa.func.count()).select_from(Contact)) or 0
    is_due = session.scalar(sa.select(sa.exists(sa.select(DueDay.day))))
    found = None if is_due else _from_rollup(session, window, last)
    if found is None or found["contacts"] != contacts:
        found = _from_contacts(session, window, last)
    known, matured = found["identified"], found["matured"]
    customers = _count_rows(session, sa.select(Contact.customer_id).where(_IDENTIFIED))
    repeating = _count_rows(
        session,
        sa.select(Contact.customer_id)
        .join(ContactLink, ContactLink.contact_id == Contact.id)
        .where(ContactLink.previous_gap_seconds <= window.seconds),
    )
    is_mature = Contact.local_day <= last if last else sa.false()
    after = (ContactLink.next_gap_seconds, ContactLink.next_same_gap_seconds)
    rates = [
        share(found[name], matured)
        if _are_enough(session, k, is_mature)
        and _are_enough(session, k, is_mature, gap <= window.seconds)
        else None
        for name, gap in zip(("any", "same"), after, strict=True)
    ]
    some = customers == 0 or customers >= k  # of the identified contacts the people are customers
    everybody = customers + contacts - known
    is_again = repeating == 0 or repeating >= k
    return RepeatSummary(
        window=window.key,
        contacts=contacts if everybody == 0 or everybody >= k else None,
        identified_contacts=known if some else None,
        customers=customers if some else None,
        repeat_share_any=share(found["again"], known) if some and is_again else None,
        repeat_rate_any=rates[0],
        repeat_rate_same_theme=rates[1] if found["themed"] else None,
        customers_repeating_share=share(repeating, customers) if some and is_again else None,
        unidentified_share=share(contacts - known, contacts) if some and everybody >= k else None,
        mature_until=last,
    )


def _are_enough(session: Session, k: int, *where: sa.ColumnElement[bool]) -> bool:
    """Return whether the identified contacts are of nobody, or of at least k customers."""
    some = (
        sa.select(Contact.customer_id)
        .join(ContactLink, ContactLink.contact_id == Contact.id)
        .where(_IDENTIFIED, *where)
        .distinct()
        .limit(k)
    )
    people = session.scalar(sa.select(sa.func.count()).select_from(some.subquery())) or 0
    return people in (0, k)


_IDENTIFIED = Contact.customer_id.is_not(None)


def _count_rows(session: Session, rows: sa.Select[Any]) -> int:
    return session.scalar(sa.select(sa.func.count()).select_from(rows.distinct().subquery())) or 0


def _from_rollup(session: Session, window: Window, last: date | None) -> dict[str, int]:
    s = DailySlice
    mature = s.day <= last if last else sa.false()
    opening = getattr(s, f"opening_any_{window.key}")
    columns = {
        "contacts": s.contacts,
        "identified": s.identified,
        "again": s.identified - opening,
        "matured": sa.case((mature, s.identified), else_=0),
        "any": sa.case((mature, getattr(s, f"any_{window.key}")), else_=0),
        "same": sa.case((mature, getattr(s, f"same_{window.key}")), else_=0),
        "themed": s.themed,
    }
    row = session.execute(
        sa.select(*(sa.func.sum(column) for column in columns.values())).where(s.kind == "all")
    ).one()
    return {name: int(value or 0) for name, value in zip(columns, row, strict=True)}


def _from_contacts(session: Session, window: Window, last: date | None) -> dict[str, int]:
    mature = sa.and_(_IDENTIFIED, Contact.local_day <= last) if last else sa.false()
    columns = {
        "contacts": sa.func.count(Contact.id),
        "identified": _count_if(_IDENTIFIED),
        "again": _count_if(ContactLink.previous_gap_seconds <= window.seconds),
        "matured": _count_if(mature),
        "any": _count_if(sa.and_(mature, ContactLink.next_gap_seconds <= window.seconds)),
        "same": _count_if(sa.and_(mature, ContactLink.next_same_gap_seconds <= window.seconds)),
        "themed": _count_if(sa.and_(_IDENTIFIED, Contact.theme_id.is_not(None))),
    }
    row = session.execute(
        sa.select(*columns.values())
        .select_from(Contact)
        .outerjoin(ContactLink, ContactLink.contact_id == Contact.id)
    ).one()
    return {name: int(value or 0) for name, value in zip(columns, row, strict=True)}


def _count_if(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
    return sa.func.sum(sa.case((condition, 1), else_=0))
