"""What avoided contacts are worth, over the API: capacity first, then money, both as ranges."""

from __future__ import annotations

from datetime import date

from pydantic import Field

from closedloop.api.auth import needs
from closedloop.api.blueprint import bp
from closedloop.api.schemas import Number, Out, RangeOut
from closedloop.domain.errors import NotFound
from closedloop.domain.impact import Range, Verdict
from closedloop.domain.money_words import money_notes
from closedloop.domain.payback import PaybackState, payback_words
from closedloop.extensions import current_settings, db
from closedloop.queries.impact_money import ActionMoney, get_action_money
from closedloop.queries.impact_page import find_shipped
from closedloop.queries.impact_total import get_portfolio
from closedloop.queries.site import get_pence_per_minute


class PaybackOut(Out):
    """The day on which what is freed has reached what the fix costs."""

    state: PaybackState
    earliest: date | None
    latest: date | None = Field(description="Null past two years.")
    sentence: str


class MoneyOut(Out):
    """What one action's avoided contacts are worth; null where it is not known."""

    key: str
    verdict: Verdict
    is_verdict: bool = Field(description="Of a look; false is the running estimate before it.")
    first_day: date = Field(description="First counted day.")
    last_day: date = Field(description="Last counted day.")
    minutes: RangeOut | None = Field(description="Agent minutes over the counted days.")
    people: RangeOut | None = Field(
        description="Full-time people, at the pace of those days; null once the contacts came back."
    )
    pence: RangeOut | None = Field(description="Minor units of the currency: capacity, not cash.")
    repeats_avoided: RangeOut | None = Field(description="Among the contacts, not on top.")
    handle_seconds: Number | None = Field(description="Mean before the change.")
    handle_seconds_range: RangeOut | None = Field(
        description="The same with its 95 % range; null where its error is not known."
    )
    pence_per_minute: Number | None = Field(description="Mean over channels and counted days.")
    is_priced_now: bool = Field(description="At the rate of today: none was set when measured.")
    cost_low: Number | None = Field(description="Minor units that the fix costs, at least.")
    cost_high: Number | None = Field(description="At most.")
    together_low: Number | None = Field(
        description="With what it was measured as one with: this has to be paid back. Null while "
        "one of them has no cost."
    )
    together_high: Number | None = Field(description="At most.")
    payback: PaybackOut
    notes: list[str] = Field(
        description="Where a range is weaker than it looks; none where there is no range."
    )


class TotalMoneyOut(Out):
    """What shipped actions are worth together, by their newest looks."""

    actions: int = Field(description="Actions whose newest look can be added.")
    inconclusive: int = Field(description="Not in it, as nothing can be told of them.")
    timed: int = Field(description="Of them those with handle times.")
    priced: int = Field(description="Of them those whose minutes have a price.")
    as_one: int = Field(description="In it by way of another one: both measured as one change.")
    came_back: int = Field(
        description="Of them those whose contacts came back: in the sums, but not in `people`."
    )
    contacts: RangeOut | None
    minutes: RangeOut | None
    people: RangeOut | None
    pence: RangeOut | None
    currency: str


@bp.get("/impact/money")
@bp.doc(summary="What shipped actions are worth together")
@bp.output(TotalMoneyOut)
@needs("impact.view")
def get_total_money_view() -> TotalMoneyOut:
    """Give minutes, people and money of all looks in force, with the range of their sum."""
    portfolio = get_portfolio(db.session, pence_now=_pence_now())
    found = portfolio.money
    return TotalMoneyOut(
        actions=found.actions,
        inconclusive=portfolio.total.inconclusive,
        timed=found.timed,
        priced=found.priced,
        as_one=found.as_one,
        came_back=found.came_back,
        contacts=_range(found.contacts),
        minutes=_range(found.minutes),
        people=_range(found.people),
        pence=_range(found.pence),
        currency=current_settings().currency,
    )


@bp.get("/impact/<string(maxlength=20):key>/money")
@bp.doc(
    summary="What one shipped action is worth, and when it has paid back",
    responses={404: "There is no such action, or it has not been measured."},
)
@bp.output(MoneyOut)
@needs("impact.view")
def get_money_view(key: str) -> MoneyOut:
    """Give time, people and money of the newest look, or of what runs before the first."""
    action = find_shipped(db.session, key)
    measured = action.look or action.running
    if measured is None:
        raise NotFound(f"{key} has not been measured yet.")
    money = get_action_money(
        db.session, measured, pence_now=_pence_now(), came_back_since=action.came_back_since
    )
    return _money(key, measured.verdict, money, is_verdict=measured.is_look)


def _pence_now() -> float:
    return get_pence_per_minute(db.session, current_settings().pence_per_minute)


def _money(key: str, verdict: Verdict, found: ActionMoney, *, is_verdict: bool) -> MoneyOut:
    facts, payback = found.claim.facts, found.payback
    low, high = found.costs.own or (None, None)
    together_low, together_high = found.costs.together or (None, None)
    return MoneyOut(
        key=key,
        verdict=verdict,
        is_verdict=is_verdict,
        first_day=found.claim.first_day,
        last_day=found.claim.last_day,
        minutes=_range(found.minutes),
        people=_range(found.people),
        pence=_range(found.pence),
        repeats_avoided=_range(found.repeats),
        handle_seconds=facts.mean_seconds,
        handle_seconds_range=_range(facts.seconds_range),
        pence_per_minute=facts.mean_pence,
        is_priced_now=facts.is_priced_now,
        cost_low=low,
        cost_high=high,
        together_low=together_low,
        together_high=together_high,
        payback=PaybackOut(
            state=payback.state,
            earliest=payback.earliest,
            latest=payback.latest,
            sentence=payback_words(payback),
        ),
        notes=money_notes(facts) if found.has_range else [],
    )


def _range(found: Range | None) -> RangeOut | None:
    return RangeOut(low=found.low, middle=found.middle, high=found.high) if found else None
