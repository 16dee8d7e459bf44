"""What avoided contacts are worth: of one measurement, and of several actions together."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.domain.impact import Range, Verdict
from closedloop.domain.money import Claim, read_facts
from closedloop.domain.money_totals import (
    TotalMoney,
    Worth,
    counted_once,
    total_money,
    worth_of,
)
from closedloop.domain.payback import (
    Costs,
    Payback,
    PaybackState,
    RepeatShare,
    pay_back,
    repeats_avoided,
)
from closedloop.models import ImpactMeasurement, Intervention, Theme
from closedloop.queries.impact import ADDED_VERDICTS
from closedloop.queries.impact_measured import Measured
from closedloop.queries.impact_page import FullMeasurement, get_costs


@dataclass(frozen=True)
class ActionMoney:
    """What one measurement of an action is worth.

    Attributes
    ----------
    claim : Claim
        The contacts credited, with what turns them into time and money.
    minutes, people, pence : Range or None
        Agent minutes over the counted days; full-time people at that pace; minor units of the
        currency. None where nothing is known, or the verdict allows no range to be valued.
    has_range : bool
        Whether the verdict allows one: not before the first look, nor when it is inconclusive.
    repeats : Range or None
        Repeats among the contacts avoided.
    repeats_before, repeats_after : RepeatShare
    costs : Costs
        Pence that the fix cost, and those measured as one with it.
    payback : Payback
    """

    claim: Claim
    has_range: bool
    minutes: Range | None
    people: Range | None
    pence: Range | None
    repeats: Range | None
    repeats_before: RepeatShare
    repeats_after: RepeatShare
    costs: Costs
    payback: Payback


def get_action_money(
    session: Session,
    measured: Measured,
    *,
    pence_now: float,
    came_back_since: date | None = None,
) -> ActionMoney:
    """Return what a measurement is worth, and when the fix has paid back.

    Parameters
    ----------
    measured : Measured
    pence_now : float
        The site's cost of a minute today; used only where none was set when it was measured.
    came_back_since : date, optional
        First day of the rise after it: from there on it goes on at its pace no more.
    """
    kept = _list_kept(session, [measured])[measured.id]
    costs = get_costs(session, measured.intervention_id, measured.joint)
    return _money_of(measured, kept, costs, pence_now, came_back_since)


def money_of(
    full: FullMeasurement,
    costs: Costs,
    *,
    pence_now: float,
    came_back_since: date | None = None,
) -> ActionMoney:
    """Return the same of a measurement that was read in full, with what the fix cost."""
    detail = full.detail
    kept = _Kept(
        money=detail.get("money"),
        controls=detail.get("controls"),
        repeats=detail.get("repeats"),
        joint=detail.get("joint"),
        counted_from=(detail.get("window") or {}).get("counted_from"),
    )
    return _money_of(full.measured, kept, costs, pence_now, came_back_since)


def get_total_money(
    session: Session,
    looks: Collection[Measured | None],
    *,
    pence_now: float,
    came_back: Collection[int] = (),
) -> TotalMoney:
    """Return what the looks in force are worth together; None stands for an action without one.

    Looks whose verdict allows nothing to be added are left out; of the interventions in
    `came_back` what they avoided stays, but nothing is told of how it goes on.
    """
    return total_money(_claims_of(session, looks, pence_now, frozenset(came_back)))


def get_counted(session: Session, looks: Collection[Measured | None]) -> dict[int, Range]:
    """Return the contacts with which each look is counted in the total of all of them.

    Parameters
    ----------
    looks : collection of Measured or None
        None stands for an action without one.

    Returns
    -------
    dict of int to Range
        By id of the intervention; without those that are not added, or by way of another one.
    """
    claims = _claims_of(session, looks, 0, frozenset())
    return {claim.intervention_id: claim.avoided for claim in counted_once(claims)}


def _claims_of(
    session: Session, looks: Collection[Measured | None], pence_now: float, back: frozenset[int]
) -> Sequence[Claim]:
    added = [look for look in looks if look is not None and look.verdict in ADDED_VERDICTS]
    kept = _list_kept(session, added)
    claims = [
        _claim(
            look,
            kept[look.id],
            pence_now,
            came_back=not back.isdisjoint({look.intervention_id, *look.joint}),
        )
        for look in added
    ]
    return _with_themes(session, added, claims)


def _with_themes(
    session: Session, looks: Sequence[Measured], claims: Sequence[Claim]
) -> Sequence[Claim]:
    """Return the claims with their themes and those that they moved to, where one of them moved."""
    if not any(look.has_moved for look in looks):
        return claims
    m = ImpactMeasurement
    rows = session.execute(
        sa.select(
            m.id,
            Theme.key,
            m.detail["parts"].label("parts"),
            m.detail["siblings"].label("siblings"),
        )
        .join(Intervention, Intervention.id == m.intervention_id)
        .join(Theme, Theme.id == Intervention.theme_id)
        .where(m.id.in_(sorted(look.id for look in looks)))
    )
    found = {row.id: row for row in rows}
    return [
        replace(
            claim,
            themes=frozenset({row.key, *(one["key"] for one in row.parts or ())}),
            moved_into=_moved_into(row.siblings) if look.has_moved else (),
        )
        for look, claim, row in zip(looks, claims, (found[one.id] for one in looks), strict=True)
    ]


def _moved_into(siblings: Collection[Mapping[str, Any]] | None) -> tuple[tuple[str, float], ...]:
    """Return key and contacts avoided of each; older rows have the ends alone."""
    return tuple(
        (one["key"], one["avoided"] if "avoided" in one else (one["low"] + one["high"]) / 2)
        for one in siblings or ()
    )


@dataclass(frozen=True)
class _Kept:
    """What a measurement wrote down of time and money."""

    money: Mapping[str, Any] | None
    controls: Collection[Any] | None
    repeats: Mapping[str, Any] | None
    joint: Collection[Mapping[str, Any]] | None
    counted_from: str | None


def _list_kept(session: Session, measured: Collection[Measured]) -> dict[int, _Kept]:
    if not measured:
        return {}
    m = ImpactMeasurement
    rows = session.execute(
        sa.select(
            m.id,
            m.detail["money"].label("money"),
            m.detail["controls"].label("controls"),
            m.detail["repeats"].label("repeats"),
            m.detail["joint"].label("joint"),
            m.detail[("window", "counted_from")].as_string().label("counted_from"),
        ).where(m.id.in_(sorted(one.id for one in measured)))
    )
    return {
        row.id: _Kept(
            money=row.money,
            controls=row.controls,
            repeats=row.repeats,
            joint=row.joint,
            counted_from=row.counted_from,
        )
        for row in rows
    }


def _money_of(
    measured: Measured,
    kept: _Kept,
    costs: Costs,
    pence_now: float,
    came_back_since: date | None,
) -> ActionMoney:
    claim = _claim(measured, kept, pence_now, came_back=came_back_since is not None)
    has_range = measured.verdict in ADDED_VERDICTS
    minutes, people, pence = (
        worth_of(claim, worth_in) if has_range else None
        for worth_in in (Worth.MINUTES, Worth.PEOPLE, Worth.PENCE)
    )
    before, after = (_repeat_share(kept.repeats, when) for when in ("before", "after"))
    repeats = None
    if has_range and not measured.has_moved:
        repeats = repeats_avoided(measured.avoided, measured.observed, before, after)
    return ActionMoney(
        claim=claim,
        has_range=has_range,
        minutes=minutes,
        people=people,
        pence=pence,
        repeats=repeats,
        repeats_before=before,
        repeats_after=after,
        costs=costs,
        payback=_before(_payback_of(measured.verdict, costs, pence, claim), came_back_since),
    )


def _payback_of(verdict: Verdict, costs: Costs, pence: Range | None, claim: Claim) -> Payback:
    """Return when a fix has paid back, of a verdict that was shown only.

    What was measured as one pays all that it cost together: the money is of all of them.
    """
    if costs.own is None:
        return Payback(PaybackState.NO_COST)
    if costs.together is None:
        return Payback(PaybackState.NO_COST_BESIDE)
    if verdict is Verdict.INCONCLUSIVE:
        return Payback(PaybackState.INCONCLUSIVE)
    if verdict not in ADDED_VERDICTS:
        return Payback(PaybackState.NO_RANGE)
    if verdict is Verdict.NO_CHANGE and pence is not None:
        # a range that ends within half a contact of zero holds it
        pence = Range(min(pence.low, 0.0), pence.middle, pence.high)
    return pay_back(costs.together, pence, claim.first_day, claim.n_days)


def _before(found: Payback, came_back_since: date | None) -> Payback:
    """Return a pay-back that was over before the contacts came back; else it cannot be told."""
    if came_back_since is None or found.state is not PaybackState.PAID:
        return found
    if found.latest is not None and found.latest < came_back_since:
        return found
    return Payback(PaybackState.CAME_BACK)


def _repeat_share(repeats: Mapping[str, Any] | None, when: str) -> RepeatShare:
    found = (repeats or {}).get(when) or {}
    return RepeatShare(found.get("identified", 0), found.get("repeats", 0))


def _claim(measured: Measured, kept: _Kept, pence_now: float, *, came_back: bool) -> Claim:
    facts = read_facts(
        kept.money,
        handle_seconds=measured.handle_seconds,
        pence_per_minute=measured.pence_per_minute,
    )
    first_day = measured.as_of - timedelta(days=max(measured.n_post, 1) - 1)
    if kept.counted_from:
        first_day = min(date.fromisoformat(kept.counted_from), first_day)
    return Claim(
        avoided=measured.credited,
        facts=facts.at_price(pence_now),
        first_day=first_day,
        last_day=measured.as_of,
        compared=frozenset(map(str, kept.controls or ())),
        n_counted=max(measured.n_post, 1),
        measured_as_one=frozenset(
            {measured.intervention_id, *(one["id"] for one in kept.joint or ())}
        ),
        intervention_id=measured.intervention_id,
        # what made it worse goes on making it worse
        came_back=came_back and measured.verdict is not Verdict.ROSE,
    )
