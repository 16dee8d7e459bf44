"""Before shipping: what the looks would see of a change, in words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from closedloop.domain.impact import FIRST_LOOKS, LOOK_DAYS
from closedloop.domain.impact_words import per_cent, spelt

SURE = 0.80
"""Chance from which a look is relied on: four cases of five."""

LEAST_CONTACTS = 30
"""Contacts to be expected over the counted days before a look may speak."""

DECIDING_LOOKS: tuple[int, ...] = LOOK_DAYS[:FIRST_LOOKS]
"""Counted days of the looks that decide whether a change worked."""


@dataclass(frozen=True)
class LookAhead:
    """What one look would see.

    Attributes
    ----------
    number : int
        From 1 up.
    days : int
        Counted days after the roll-out.
    day : date
        Last day of data that it reads.
    expected : float
        Contacts over the counted days without the change.
    chance : float
        0..1, that this look proves the expected drop.
    smallest_seen : float or None
        Share, 0..1, that is noticed in four cases of five; None when nothing is.
    speaks : bool
        Whether there are history and contacts enough for it to say anything.
    """

    number: int
    days: int
    day: date
    expected: float
    chance: float
    smallest_seen: float | None
    speaks: bool = True


@dataclass(frozen=True)
class WiderView:
    """The same question over the theme and those like it.

    Attributes
    ----------
    themes : int
        Themes taken together, the theme itself among them.
    look : LookAhead
        The first that would prove a drop of the same share in all of them.
    """

    themes: int
    look: LookAhead


@dataclass(frozen=True)
class Foresight:
    """Whether an action's expected drop could be proven, and when.

    Attributes
    ----------
    key, theme_key : str
    live_on : date
        First day of the roll-out that is reckoned with.
    rollout_days : int
        Days from then on that are not counted.
    data_to : date
        Last day of data that this stands on.
    n_pre : int
        Days of history read.
    history_lacking : int
        Days of history missing before anything can be claimed; 0 when there are enough.
    themes : int
        Themes that the action touches, its own among them: their total is looked at.
    controls : int
        Unaffected themes that it is compared with; 0 is its own history alone.
    expected_drop, smallest_drop : float
        Shares, 0..1, of the plan.
    per_day : float
        Contacts expected a day.
    looks : tuple of LookAhead
        Those that decide, in order.
    later : LookAhead or None
        The first quarterly look that proves the drop where none of `looks` does.
    wider : WiderView or None
        Where none of `looks` proves it, and a look over the themes like it would.
    """

    key: str
    theme_key: str
    live_on: date
    rollout_days: int
    data_to: date
    n_pre: int
    history_lacking: int
    themes: int
    controls: int
    expected_drop: float
    smallest_drop: float
    per_day: float
    looks: tuple[LookAhead, ...]
    later: LookAhead | None = None
    wider: WiderView | None = None

    @property
    def sure(self) -> LookAhead | None:
        """The first look that proves the expected drop in four cases of five, or more."""
        return next((look for look in self.looks if look.chance >= SURE), None)

    @property
    def best(self) -> LookAhead:
        """The look with the best chance, the earliest of them."""
        return max(self.looks, key=lambda look: (look.chance, -look.number))

    @property
    def can_speak(self) -> bool:
        """Whether any look would have history and contacts enough to say anything."""
        return any(look.speaks for look in self.looks)


def cases(chance: float) -> str:
    """Write a chance of 0..1 as cases: "92 of 100 cases"."""
    whole = round(chance * 100)
    if whole >= 100:
        return "more than 99 of 100 cases"
    return f"{whole} of 100 cases" if whole else "fewer than 1 of 100 cases"


def foresee(found: Foresight) -> list[str]:
    """Return what is to be expected, the answer first."""
    planned = f"If it works as planned ({per_cent(found.expected_drop)} fewer)"
    sure = found.sure
    if not found.can_speak:
        return [_cannot_speak(found)]
    if sure is None:
        best = found.best
        said = [
            f"{planned}, none of the looks would prove it reliably: the best of them, on "
            f"{spelt(best.day)}, in {cases(best.chance)}."
        ]
    else:
        said = [f"{planned}, the look on {spelt(sure.day)} would prove it in {cases(sure.chance)}."]
    return said + _unseen(sure or found.best)


def _unseen(look: LookAhead) -> list[str]:
    seen = look.smallest_seen
    if seen is None:
        return ["Even if nearly all of its contacts went away, it might stay unseen."]
    return [f"A drop under {per_cent(seen)} may stay unseen."]


def _cannot_speak(found: Foresight) -> str:
    if found.history_lacking:
        return (
            f"It could not be judged yet: there are {_days(found.n_pre)} of contacts to compare "
            f"with, and {_days(found.history_lacking)} more are needed before it goes live."
        )
    return (
        f"The looks could not judge it: fewer than {LEAST_CONTACTS} contacts are to be expected in "
        f"{_days(found.looks[-1].days)}, too few to tell a change from chance."
    )


def advise(found: Foresight) -> list[str]:
    """Return what would help where no look is to be relied on; nothing where one is."""
    if found.sure is not None:
        return _about_smallest(found)
    said = []
    if found.history_lacking:
        said.append(f"Ship it {_days(found.history_lacking)} later, if that costs nothing.")
    if found.later is not None:
        said.append(
            f"Give it more days: the quarterly look on {spelt(found.later.day)} would prove it "
            f"in {cases(found.later.chance)}."
        )
    if found.wider is not None:
        said.append(
            f"Measure at the family: if the fix reaches the {found.wider.themes} themes that are "
            f"alike, the look on {spelt(found.wider.look.day)} would prove "
            f"{per_cent(found.expected_drop)} fewer over all of them in "
            f"{cases(found.wider.look.chance)}. Name them on the action before it ships."
        )
    if not said:
        said.append(
            "Aim at a wider theme or at a larger drop, or agree beforehand that this one is "
            "done for its own sake: its effect will not be proven."
        )
    return said


def _about_smallest(found: Foresight) -> list[str]:
    """Say when what is worth having lies below what the looks can see."""
    seen = [look.smallest_seen for look in found.looks if look.smallest_seen is not None]
    if not seen or min(seen) <= found.smallest_drop:
        return []
    return [
        f"The smallest drop worth having, {per_cent(found.smallest_drop)}, is less than any "
        f"look sees reliably: {per_cent(min(seen))}."
    ]


def _days(number: int) -> str:
    return "1 day" if number == 1 else f"{number:,} days"
