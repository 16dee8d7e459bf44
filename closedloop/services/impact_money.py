"""What is known of time and money when something is measured: kept with it, never changed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from sqlalchemy.orm import Session

from closedloop.domain.impact import MeasurementWindow
from closedloop.domain.means import Mean, mean_of_weeks
from closedloop.domain.money import ChannelFacts, MoneyFacts, Price
from closedloop.queries.handle_times import (
    ChannelWeeks,
    list_channel_weeks,
    list_channels_of_many,
)
from closedloop.queries.metric_terms import CostRow, list_costs
from closedloop.queries.site import get_person_minutes

FEWEST_HANDLED = 30
"""Contacts with a handle time that a channel needs for a mean of its own."""

FEWEST_WEEKS = 8
"""Weeks with handle times that it needs, too: its error is that of weeks."""

LEAST_TIMED = 0.1
"""Share of a channel's contacts with a handle time below which it counts as without."""

_VAGUEST = (Price.OWN, Price.OTHER, Price.SITE)


def money_facts(
    session: Session,
    *,
    theme_ids: Collection[int],
    window: MeasurementWindow,
    first_counted: date,
    site_pence: float,
    k: int,
) -> dict[str, Any]:
    """Return the part of a measurement's detail that turns its contacts into time and money.

    Handle times are those of the theme before go-live, by channel, with the standard error of
    the mean over weeks; prices are those in force on the counted days. A channel of fewer than
    `FEWEST_HANDLED` timed contacts, `FEWEST_WEEKS` weeks or `k` people has no figures of its
    own: it takes the theme's mean, together with the other small ones. One whose contacts
    hardly ever have a handle time has none, and nothing is claimed for its share.

    Parameters
    ----------
    theme_ids : collection of int
        The theme, and those that the fix touches, too.
    window : MeasurementWindow
    site_pence : float
        What a minute costs where no price of a channel holds; 0 is not set.
    k : int
        Fewest people that a figure describes.

    Returns
    -------
    dict
        As JSON; `closedloop.domain.money.read_facts` reads it.
    """
    last_day = window.go_live - timedelta(days=1)
    channels = list_channel_weeks(session, theme_ids, window.first_day, last_day)
    large = {name for name, found in channels.items() if _stands_alone(found) or _untimed(found)}
    shown = list_channels_of_many(
        session, theme_ids, large, first_day=window.first_day, last_day=last_day, k=k
    )
    costs = list_costs(session)
    last = max(first_counted, window.as_of)  # while the roll-out lasts, the day after it
    prices = {name: price_over(costs, name, first_counted, last, site_pence) for name in channels}
    facts = MoneyFacts(
        tuple(_facts_of(channels, shown, prices)), person_minutes=get_person_minutes(session)
    )
    return facts.as_detail()


def _stands_alone(found: ChannelWeeks) -> bool:
    return found.handled >= FEWEST_HANDLED and len(found.weeks) >= FEWEST_WEEKS


def _untimed(found: ChannelWeeks) -> bool:
    """Return whether a channel worth speaking of hardly ever has a handle time."""
    return found.contacts >= FEWEST_HANDLED and found.handled < LEAST_TIMED * found.contacts


def price_over(
    costs: Sequence[CostRow], channel: str, first_day: date, last_day: date, site_pence: float
) -> tuple[float | None, Price]:
    """Return the mean price of a minute over some days, and the vaguest place it came from.

    The newest price of the channel itself comes first, then that of every other channel, then
    the site's. Days on which none of them holds stay out of the mean.

    Parameters
    ----------
    costs : sequence of CostRow
        By `valid_from`.
    first_day, last_day : date
        Both inclusive.
    site_pence : float
        0 is not set.
    """
    changes = {row.valid_from for row in costs if first_day < row.valid_from <= last_day}
    begins = sorted({first_day, *changes})
    ends = [*begins[1:], last_day + timedelta(days=1)]
    found = [
        ((end - day).days, *price)
        for day, end in zip(begins, ends, strict=True)
        if (price := _price_on(costs, channel, day, site_pence))
    ]
    if not found:
        return None, Price.NONE
    mean = sum(n * pence for n, pence, _ in found) / sum(n for n, _, _ in found)
    return mean, max((place for _, _, place in found), key=_VAGUEST.index)


def _price_on(
    costs: Sequence[CostRow], channel: str, day: date, site_pence: float
) -> tuple[float, Price] | None:
    held = [row for row in costs if row.valid_from <= day]
    own = [row.pence_per_minute for row in held if row.channel and row.channel == channel]
    other = [row.pence_per_minute for row in held if not row.channel]
    if own:
        return own[-1], Price.OWN
    if other:
        return other[-1], Price.OTHER
    return (site_pence, Price.SITE) if site_pence > 0 else None


def _facts_of(
    channels: Mapping[str, ChannelWeeks],
    shown: set[str],
    prices: Mapping[str, tuple[float | None, Price]],
) -> Iterable[ChannelFacts]:
    """Return the channels that may be shown, the largest first, then the others as one."""
    everything = sum(found.contacts for found in channels.values())
    for name in sorted(shown, key=lambda each: (-channels[each].contacts, each)):
        one = channels[name]
        mean = None if _untimed(one) else mean_of_weeks(one.weeks.values())
        yield _channel(name, one.contacts / everything, [one], mean, prices[name])
    rest = sorted(set(channels) - shown)
    if rest:
        small = [channels[name] for name in rest]
        share = sum(found.contacts for found in small) / everything
        yield _channel(
            None, share, small, _mean_of_all(channels.values()), _mix_prices(channels, rest, prices)
        )


def _channel(
    name: str | None,
    share: float,
    of: Sequence[ChannelWeeks],
    mean: Mean | None,
    price: tuple[float | None, Price],
) -> ChannelFacts:
    return ChannelFacts(
        channel=name,
        share=share,
        contacts=sum(found.contacts for found in of),
        handled=sum(found.handled for found in of),
        weeks=mean.weeks if mean else 0,
        handle_seconds=mean.value if mean else None,
        handle_error=mean.error if mean else None,
        pence_per_minute=price[0],
        price=price[1],
    )


def _mean_of_all(channels: Iterable[ChannelWeeks]) -> Mean | None:
    weeks: dict[int, tuple[int, int]] = {}
    for found in channels:
        for week, (handled, seconds) in found.weeks.items():
            before = weeks.get(week, (0, 0))
            weeks[week] = (before[0] + handled, before[1] + seconds)
    return mean_of_weeks(weeks.values())


def _mix_prices(
    channels: Mapping[str, ChannelWeeks],
    names: Sequence[str],
    prices: Mapping[str, tuple[float | None, Price]],
) -> tuple[float | None, Price]:
    """Return one price for small channels, by their contacts; None where one has none."""
    found = [(channels[name].contacts, *prices[name]) for name in names]
    if any(pence is None for _, pence, _ in found):
        return None, Price.NONE
    mean = sum(n * (pence or 0.0) for n, pence, _ in found) / sum(n for n, _, _ in found)
    return mean, max((place for _, _, place in found), key=_VAGUEST.index)
