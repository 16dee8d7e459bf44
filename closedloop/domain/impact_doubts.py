"""Why a verdict is inconclusive, told from what a measurement wrote down."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from closedloop.domain.impact import (
    LEAST_MOVED,
    LOOK_Q,
    MOST_MOVED,
    Displacement,
    Range,
    Verdict,
)


class DoubtKind(StrEnum):
    """What keeps a verdict from claiming anything.

    OTHERS_MOVED: so many unaffected themes moved that something else may have happened. CHANCE: the
    look asks for more certainty. MANY_LOOKS: it would be claimed alone, but not among those judged
    with it. OWN_HISTORY: without a comparison the theme says something else. MAY_HAVE_MOVED: the
    contacts may be in a theme beside it, see `Displacement.OPEN`. NOT_TOLD: what was written down
    does not say.
    """

    OTHERS_MOVED = "others_moved"
    CHANCE = "chance"
    MANY_LOOKS = "many_looks"
    OWN_HISTORY = "own_history"
    MAY_HAVE_MOVED = "may_have_moved"
    NOT_TOLD = "not_told"


@dataclass(frozen=True)
class Doubt:
    """The reason with its numbers.

    Attributes
    ----------
    kind : DoubtKind
    moved, tried : int
        Unaffected themes that moved on the date of the change, of those that were tried.
    q_value : float or None
        Of what would be claimed with it, the share that would be chance, 0 to 1.
    alone : str
        What the theme's own history says by itself, as a verdict.
    """

    kind: DoubtKind
    moved: int = 0
    tried: int = 0
    q_value: float | None = None
    alone: str = ""


NOT_TOLD = Doubt(DoubtKind.NOT_TOLD)


def are_many(share: float, tried: int) -> bool:
    """Return whether so many unaffected themes moved that nothing is claimed.

    Parameters
    ----------
    share : float
        Of those that were tried, 0 to 1.
    """
    moved = round(share * tried)
    return moved >= LEAST_MOVED and moved > MOST_MOVED * tried


def find_doubt(
    *,
    avoided: Range,
    p_value: float,
    q_value: float | None = None,
    alpha: float | None = None,
    share_moved: float | None = None,
    tried: int | None = None,
    alone: str | None = None,
    displacement: Displacement = Displacement.NONE,
) -> Doubt:
    """Return why a measurement is inconclusive; what an older one lacks tells nothing.

    Parameters
    ----------
    avoided : Range
        Contacts, 95 %.
    p_value, q_value : float
        Of the look by itself, and among those judged with it; 0 to 1.
    alpha : float, optional
        What the look asked for.
    share_moved : float, optional
        Of the `tried` unaffected themes, 0 to 1.
    alone : str, optional
        Verdict of the theme's own history.
    displacement : Displacement, optional
    """
    if share_moved is not None and tried and are_many(share_moved, tried):
        return Doubt(DoubtKind.OTHERS_MOVED, moved=round(share_moved * tried), tried=tried)
    if alpha is not None and p_value >= alpha:
        return Doubt(DoubtKind.CHANCE)
    if q_value is not None and q_value > LOOK_Q:
        return Doubt(DoubtKind.MANY_LOOKS, q_value=q_value)
    if displacement is Displacement.OPEN:
        return Doubt(DoubtKind.MAY_HAVE_MOVED)
    if alone in _CLEAR and alone != _side(avoided):
        return Doubt(DoubtKind.OWN_HISTORY, alone=alone)
    return NOT_TOLD


_CLEAR = (Verdict.FELL.value, Verdict.ROSE.value, Verdict.NO_CHANGE.value)


def _side(avoided: Range) -> str:
    if avoided.low > 0:
        return Verdict.FELL.value
    return Verdict.ROSE.value if avoided.high < 0 else Verdict.NO_CHANGE.value
