"""Measure what a change avoided, night after night, and let the data judge the action."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy.orm import Session

from closedloop.config import Settings
from closedloop.domain.audit import Actor
from closedloop.domain.errors import NotFound, NotMeasurable
from closedloop.domain.impact_words import spelt
from closedloop.domain.themes import ThemeStatus, check_theme_move
from closedloop.models import ImpactMeasurement, Theme
from closedloop.services.askers import require_permission
from closedloop.services.comebacks import watch_comebacks
from closedloop.services.impact_readings import read_for_measuring
from closedloop.services.impact_round import measure_due
from closedloop.services.impact_rows import reproduce_measurement
from closedloop.services.impact_writing import lock_intervention, measure_alone
from closedloop.services.long_work import Transactions
from closedloop.services.theme_moves import move_theme
from ml.impact import METHOD_VERSION

__all__ = [
    "METHOD_VERSION",
    "Measuring",
    "close_theme",
    "measure_days",
    "measure_due",
    "measure_intervention",
    "reproduce_measurement",
    "watch_comebacks",
]


def measure_intervention(
    session: Session, *, settings: Settings, intervention_id: int, as_of: date, by: Actor
) -> ImpactMeasurement:
    """Estimate the contacts an intervention has avoided so far, and record it for ever.

    On the last data day of a look the verdict is spoken: action and theme follow it. It is
    judged among the looks of other changes with data to the same day that stand already; the
    nightly round judges all that fall due together. Between looks the estimate runs and moves
    nothing, and so it does when the data of a look that was spoken have changed since: a look is
    spoken once. The same inputs return the row that stands.

    Parameters
    ----------
    settings : Settings
        Holiday calendar and the cost of a minute until finance sets it.
    as_of : date
        Last reporting day to read, inclusive; a day past the last contacts is read as that
        last day.

    Returns
    -------
    ImpactMeasurement
        Numbers in contacts over the counted days since the roll-out, with a 95 % range.

    Raises
    ------
    NotFound
    NotMeasurable
        If definitions or contacts are missing, unassigned or out of reach, or if another change
        on the same theme leaves nothing to tell apart; the sentence says what to do.
    """
    intervention = lock_intervention(session, intervention_id)
    reading = read_for_measuring(session, settings, intervention, as_of)
    return measure_alone(session, settings, intervention, reading, by)


@dataclass(frozen=True)
class Measuring:
    """What came of measuring with data to several days.

    Attributes
    ----------
    made : tuple of ImpactMeasurement
        The row of each day that could be measured, in their order, whether new or there before.
    refusal : str
        Why the others could not, and what is kept; empty when all could.
    """

    made: tuple[ImpactMeasurement, ...]
    refusal: str


def measure_days(
    transactions: Transactions,
    *,
    settings: Settings,
    intervention_id: int,
    days: Sequence[date],
    by: Actor,
) -> Measuring:
    """Measure with data to one day after the other, each in a transaction of its own.

    A look that was read stays read, whatever a later day is refused for.

    Parameters
    ----------
    settings : Settings
    days : sequence of date
        Last reporting days to read, inclusive and rising: each asks what those before it said.

    Raises
    ------
    NotFound
    """
    made: list[ImpactMeasurement] = []
    refusal = ""
    for as_of in days:
        try:
            with transactions() as session:
                row = measure_intervention(
                    session,
                    settings=settings,
                    intervention_id=intervention_id,
                    as_of=as_of,
                    by=by,
                )
        except NotMeasurable as refused:
            refusal = refusal or refused.sentence
        else:
            made.append(row)
    if refusal and made:
        refusal += f" What was measured with data to {spelt(made[-1].as_of)} is kept."
    return Measuring(tuple(made), refusal)


def close_theme(session: Session, *, theme_id: int, by: Actor) -> Theme:
    """Close a theme that has held; the comeback watch stays on.

    Raises
    ------
    InvalidTransition
        If the data have not said that it held.
    NotAllowed, NotFound
    """
    require_permission(
        session, by, "themes.curate", "Only a CX manager closes a theme; ask one of them."
    )
    theme = session.get(Theme, theme_id, with_for_update=True, populate_existing=True)
    if theme is None:
        raise NotFound(f"There is no theme {theme_id}.")
    check_theme_move(theme.status, ThemeStatus.CLOSED)
    move_theme(session, theme=theme, wanted=ThemeStatus.CLOSED, why="it has held", by=by)
    session.flush()
    return theme
