"""Several changes to the same themes: which are measured as one, and which cannot be told apart."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from closedloop.domain.impact import counted_from

JOINT_DAYS = 28
"""Go-lives on the same themes at most so many days apart are one change."""

MOST_JOINED_DAYS = 364
"""Days from the first go-live to the last of changes measured as one."""

SETTLING_DAYS = 14
"""Days after an earlier change's roll-out until its new level may be compared with."""

LEAST_BASELINE_DAYS = 60
"""Days at that level that a later change needs before it, as any change needs."""


@dataclass(frozen=True)
class GoLive:
    """A change with the themes it touches.

    Attributes
    ----------
    id : int
        Of the intervention.
    key, title : str
        Of its action.
    went_live_on : date
        First day of the roll-out.
    rollout_days : int
    theme_ids : frozenset of int
        The action's theme and those it also touches.
    """

    id: int
    key: str
    title: str
    went_live_on: date
    rollout_days: int
    theme_ids: frozenset[int]

    @property
    def settled_on(self) -> date:
        """First day on which its new level may be compared with."""
        return counted_from(self.went_live_on, self.rollout_days) + timedelta(days=SETTLING_DAYS)


@dataclass(frozen=True)
class Overlap:
    """What the other changes to the same themes mean for measuring one.

    Attributes
    ----------
    members : tuple of GoLive
        Measured as one change, the first go-live first; the one asked about is among them.
    theme_ids : frozenset of int
        Every theme that one of the members touches.
    baseline_from : date or None
        First day that may be compared with, because an earlier change had settled by then;
        None without one.
    settled : GoLive or None
        That earlier change.
    blurs : tuple of GoLive
        Later changes that cannot be measured by themselves: their effects add up here.
    refusal : str
        Why it cannot be measured; empty when it can.
    """

    members: tuple[GoLive, ...]
    theme_ids: frozenset[int]
    baseline_from: date | None = None
    settled: GoLive | None = None
    blurs: tuple[GoLive, ...] = ()
    refusal: str = ""

    @property
    def is_joint(self) -> bool:
        """Whether several changes are measured as one."""
        return len(self.members) > 1


def find_overlap(mine: GoLive, others: Collection[GoLive], *, as_of: date) -> Overlap:
    """Return with what a change is measured, and against which days.

    Changes touch each other when they share a theme. Those at most `JOINT_DAYS` apart, also by
    way of others in between, are one change from the first go-live on. A later one is measured
    against the days since the earlier had settled, and ends the measuring of that one; where
    those days are too few, it is refused, and the earlier goes on with both effects in it. So is
    one that lies more than `MOST_JOINED_DAYS` behind the first it would be measured with.

    Parameters
    ----------
    mine : GoLive
    others : collection of GoLive
        Every other change; those that share no theme, or went live after `as_of`, say nothing.
    as_of : date
        Last data day, inclusive.
    """
    return _overlap(mine, _related(mine, others), as_of)


def _overlap(mine: GoLive, related: Sequence[GoLive], as_of: date) -> Overlap:
    """Return what `find_overlap` does, of changes that are related, by go-live."""
    known = [one for one in related if one.went_live_on <= as_of or one is mine]
    members = _joined(mine, known)
    themes = frozenset[int]().union(*(one.theme_ids for one in members))
    first, last = members[0].went_live_on, members[-1].went_live_on
    beside = [one for one in known if one not in members and one.theme_ids & themes]
    earlier = [one for one in beside if one.went_live_on < first]
    later = [one for one in beside if one.went_live_on > last]
    settled = max(earlier, key=lambda one: (one.settled_on, one.id), default=None)
    refusal = (
        _too_long_a_chain(mine, members)
        or _too_few_days(mine, first, settled)
        or _is_over(mine, members, later, known)
    )
    return Overlap(
        members=members,
        theme_ids=themes,
        baseline_from=settled.settled_on if settled else None,
        settled=settled,
        blurs=tuple(later),
        refusal=refusal,
    )


def _related(mine: GoLive, others: Collection[GoLive]) -> list[GoLive]:
    """Return the change and those it shares themes with, also by way of others, by go-live."""
    found = {mine.id: mine}
    themes: set[int] = set()
    more = set(mine.theme_ids)
    while more - themes:
        themes |= more
        for one in others:
            if one.id != mine.id and one.theme_ids & themes:
                found[one.id] = one
        more = set[int]().union(*(one.theme_ids for one in found.values()))
    return sorted(found.values(), key=lambda one: (one.went_live_on, one.id))


def _joined(mine: GoLive, known: Sequence[GoLive]) -> tuple[GoLive, ...]:
    """Return the changes that are one with `mine`; both in order of go-live."""
    days = [one.went_live_on for one in known]
    near = timedelta(days=JOINT_DAYS)
    joined, waiting = {mine.id}, [mine]
    while waiting:
        one = waiting.pop()
        first = bisect_left(days, one.went_live_on - near)
        last = bisect_right(days, one.went_live_on + near)
        for other in known[first:last]:
            if other.id not in joined and other.theme_ids & one.theme_ids:
                joined.add(other.id)
                waiting.append(other)
    return tuple(one for one in known if one.id in joined)


def _too_long_a_chain(mine: GoLive, members: tuple[GoLive, ...]) -> str:
    """Say that the first of the changes measured as one is too long ago, or nothing."""
    first = members[0]
    days = (mine.went_live_on - first.went_live_on).days
    if days <= MOST_JOINED_DAYS:
        return ""
    return (
        f"{mine.key} is one of {len(members)} changes to the same themes, each at most "
        f"{JOINT_DAYS} days after another, that would be measured as one. The first of them, "
        f"{first.key} “{first.title}”, went live {days} days before it, and days so long before "
        f"a change tell nothing of it; the limit is {MOST_JOINED_DAYS}. What they did together "
        f"is measured with {first.key}."
    )


def _too_few_days(mine: GoLive, first: date, settled: GoLive | None) -> str:
    """Say why there is nothing to compare with, an empty string when there is."""
    if settled is None:
        return ""
    days = max(0, (first - settled.settled_on).days)
    if days >= LEAST_BASELINE_DAYS:
        return ""
    return (
        f"{mine.key} touches the same theme as {settled.key} “{settled.title}”, live since "
        f"{settled.went_live_on.isoformat()}. Between the day on which that one had settled and "
        f"this go-live {'lies 1 day' if days == 1 else f'lie {days} days'}; {LEAST_BASELINE_DAYS} "
        "are needed to compare with. What "
        f"both did together is measured with {settled.key}."
    )


def _is_over(
    mine: GoLive, members: tuple[GoLive, ...], later: list[GoLive], known: Sequence[GoLive]
) -> str:
    """Say that a later change has taken over, an empty string when none has."""
    settled_on = max(one.settled_on for one in members)
    soonest = settled_on + timedelta(days=LEAST_BASELINE_DAYS)
    for one in later:
        # what it is measured with has to lie as far away, too
        if one.went_live_on >= soonest and _joined(one, known)[0].went_live_on >= soonest:
            return (
                f"Since {one.went_live_on.isoformat()} {one.key} “{one.title}” is live on the "
                f"same theme and is measured by itself, so what {mine.key} did can be told up to "
                "the day before only. Its last look stands."
            )
    return ""


def superseded_on(mine: GoLive, others: Collection[GoLive]) -> date | None:
    """Return the first day on which a later change on the same themes has taken over, or None.

    A change that cannot be measured at all is taken over by none.
    """
    if all(one.went_live_on <= mine.went_live_on for one in others):
        return None
    related = _related(mine, others)
    # only what touches a theme of those it is measured with can take over
    now = _overlap(mine, related, date.max)
    if not now.refusal:
        return None  # the usual case, told by one look at how things stand
    themes = now.theme_ids
    beside = {one.went_live_on for one in related if one.theme_ids & themes}
    later = sorted(day for day in beside if day > mine.went_live_on)
    if not later or _overlap(mine, related, mine.went_live_on).refusal:
        return None
    return next((day for day in later if _overlap(mine, related, day).refusal), None)
