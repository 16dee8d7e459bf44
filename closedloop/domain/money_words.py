"""What is said beside time and money: the rules on hover, and where a number is weaker."""

from __future__ import annotations

from closedloop.domain.impact import Range
from closedloop.domain.impact_words import MINUS, per_cent, to_words
from closedloop.domain.money import ChannelFacts, MoneyFacts, Price, minor_units
from closedloop.domain.payback import FEWEST_IDENTIFIED, RepeatShare, round_out

RULES = {
    "minutes": "Avoided contacts times the mean handle time of the theme before the change, "
    "channel by channel. The 95 % range carries both errors, that of the count and that of the "
    "handle time, put together as those of a product.",
    "people": "Agent minutes a year at the pace of the counted days, divided by the minutes a "
    "year of a full-time person. It says how much capacity is free, not that anybody left. A fix "
    "whose contacts came back frees nobody any more.",
    "pence": "Agent minutes at what a minute cost in each channel on the counted days, rounded "
    "outwards to two figures. Capacity freed, not cash: it becomes cash only when staffing or "
    "a supplier's bill changes. A price set later does not change it.",
    "repeats": "Share of contacts followed by the same theme within 7 days: the share before the "
    "change of the contacts expected, minus the share since of those that came. They are part "
    "of the contacts avoided, not on top of them.",
    "cost": "What the fix costs, at least and at most, as its people stated it.",
    "payback": "The day on which what is freed has reached what the fix cost, if it goes on at "
    "the pace of the counted days: the lowest cost with the upper end of the range to the "
    "highest cost with the lower end. Changes measured as one pay back what they cost "
    "together. Nothing is told while the verdict is inconclusive, or once the "
    "contacts came back before it had.",
    "total": "Errors of the handle time of a channel are added in full over the actions. Of the "
    "errors of counts a quarter is taken to be in common as far as two actions were counted over "
    "the same days and compared with the same themes.",
    "channels": "Share of the theme's contacts before the change. The contacts avoided are taken "
    "to be spread over the channels alike.",
}


def channel_name(channel: str | None) -> str:
    """Name a channel as people do; the small ones together, and contacts that name none."""
    if channel is None:
        return "other channels"
    return channel.replace("_", " ") or "no channel named"


def money_notes(facts: MoneyFacts) -> list[str]:
    """Say where time or money is weaker than it looks; empty when nothing is."""
    if not facts.is_dated:
        return [
            "It was measured before handle times were kept by channel, so the range carries the "
            "error of the count alone."
        ]
    return [*_untimed(facts), *_unsure(facts), *_priced_by_others(facts), *_unpriced(facts)]


def _untimed(facts: MoneyFacts) -> list[str]:
    without = [c for c in facts.channels if c.handle_seconds is None]
    if not without or facts.timed_share == 0:
        return []
    share = per_cent(1 - facts.timed_share)
    return [
        f"Nothing is claimed for {_listed(without)} ({share} of the theme's contacts): no handle "
        "times are recorded there."
    ]


def _unsure(facts: MoneyFacts) -> list[str]:
    if facts.knows_error or facts.timed_share == 0:
        return []
    return [
        "All handle times are of one week, so their error is not known and the range carries "
        "that of the count alone."
    ]


def _priced_by_others(facts: MoneyFacts) -> list[str]:
    timed = [c for c in facts.channels if c.handle_seconds is not None]
    other = [c for c in timed if c.price is Price.OTHER]
    site = [c for c in timed if c.price is Price.SITE]
    said = []
    if other:
        said.append(f"The price of every other channel stands in for {_listed(other)}.")
    if site:
        said.append(
            f"No price was set for {_listed(site)} on all counted days: the site's cost of an "
            "agent minute stands in."
        )
    return said


def _unpriced(facts: MoneyFacts) -> list[str]:
    without = [
        c for c in facts.channels if c.handle_seconds is not None and c.pence_per_minute is None
    ]
    if not without or facts.priced_share == 0:
        return []
    return [f"No money is claimed for {_listed(without)}: a minute there has no price."]


def _listed(channels: list[ChannelFacts]) -> str:
    *first, last = [channel_name(c.channel) for c in channels]
    return f"{', '.join(first)} and {last}" if first else last


def worth_in_words(
    minutes: Range | None, people: Range | None, pence: Range | None, currency: str
) -> str:
    """Say capacity first, then money, rounded outwards to two figures; empty if neither is known.

    Parameters
    ----------
    minutes, people, pence : Range or None
        Agent minutes, full-time people, minor units of `currency`.
    """
    if minutes is None:
        return ""
    said = f"Agent time: {to_words(minutes.low / 60, minutes.high / 60)} hours"
    if people is not None:
        full_time = round_out(people)
        ends = f"{full_time.low:.6g} to {full_time.high:.6g}".replace("-", MINUS)
        said += f", {ends} full-time people"
    if pence is None:
        return f"{said}; finance has not set what a minute costs."
    worth = round_out(pence).scaled(1 / minor_units(currency))
    money = to_words(worth.low, worth.high)
    return f"{said}; worth {currency} {money}, capacity and not cash."


def not_at_this_pace(came_back: int) -> str:
    """Say how many fixes of a total are in no pace, as their contacts came back; empty if none."""
    if not came_back:
        return ""
    of = "1 fix" if came_back == 1 else f"{came_back:,} fixes"
    return f"Full-time people without those of {of} whose contacts came back."


def why_no_repeats(before: RepeatShare, after: RepeatShare, *, has_moved: bool) -> str:
    """Say why repeats avoided are not told."""
    if has_moved:
        return "not told, as contacts moved to a theme beside it"
    if before.identified < FEWEST_IDENTIFIED:
        return f"not told: under {FEWEST_IDENTIFIED} contacts of known customers before the change"
    if after.identified < FEWEST_IDENTIFIED:
        return f"not yet known: under {FEWEST_IDENTIFIED} contacts have had 7 days since the change"
    return "not yet known"
