"""How precise a theme is, measured on contacts drawn at random, and the next one to judge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.domain.proportions import wilson_interval
from closedloop.models import Contact, ContactText, MembershipCheck, ThemeDefinition
from closedloop.queries.theme_figures import shorten

LONGEST_TEXT = 1_500
"""Characters of a contact on the page of a check; the contact itself shows the rest."""


@dataclass(frozen=True)
class Precision:
    """What the last round of checks that is at least half done says of a theme.

    Before one is, what the last answered one says so far.

    Attributes
    ----------
    round : int
    drawn, looked_at, belonging : int
        Contacts drawn, those answered, and of these the ones that belong.
    low, high : float
        95 % interval of the share that belongs among all contacts with text, 0–1.
    checked_at : datetime
        The last answer.
    is_stale : bool
        The definition of the theme is another one since.
    """

    round: int
    drawn: int
    looked_at: int
    belonging: int
    low: float
    high: float
    checked_at: datetime
    is_stale: bool

    @property
    def share(self) -> float:
        """Of those looked at, 0–1."""
        return self.belonging / self.looked_at


def get_precisions(session: Session, theme_ids: Sequence[int]) -> dict[int, Precision]:
    """Return the precision of each theme that has been checked, in one statement."""
    c = MembershipCheck
    defined = (
        sa.select(
            ThemeDefinition.theme_id, sa.func.max(ThemeDefinition.definition_set_id).label("set_id")
        )
        .where(ThemeDefinition.theme_id.in_(theme_ids))
        .group_by(ThemeDefinition.theme_id)
        .subquery()
    )
    rows: Sequence[Any] = session.execute(
        sa.select(
            c.theme_id,
            c.round,
            sa.func.count().label("drawn"),
            sa.func.count(c.belongs).label("looked_at"),
            sa.func.sum(sa.case((c.belongs.is_(True), 1), else_=0)).label("belonging"),
            sa.func.max(c.checked_at).label("checked_at"),
            sa.func.max(c.definition_set_id).label("checked_set"),
            sa.func.max(defined.c.set_id).label("newest_set"),
        )
        .outerjoin(defined, defined.c.theme_id == c.theme_id)
        .where(c.theme_id.in_(theme_ids))
        .group_by(c.theme_id, c.round)
        .having(sa.func.count(c.belongs) > 0)
        .order_by(c.theme_id, c.round)
    ).all()
    rounds: dict[int, list[Any]] = {}
    for row in rows:
        rounds.setdefault(row.theme_id, []).append(row)
    return {theme: _precision(_telling(of_theme)) for theme, of_theme in rounds.items()}


def _telling(rounds: Sequence[Any]) -> Any:
    """Return the round that counts: the last one that is half done, or else the last."""
    half_done = [row for row in rounds if 2 * row.looked_at >= row.drawn]
    return (half_done or rounds)[-1]


def _precision(row: Any) -> Precision:
    low, high = wilson_interval(row.belonging, row.looked_at)
    return Precision(
        round=row.round,
        drawn=row.drawn,
        looked_at=row.looked_at,
        belonging=row.belonging,
        low=low,
        high=high,
        checked_at=row.checked_at,
        is_stale=(row.newest_set or 0) > row.checked_set,
    )


@dataclass(frozen=True)
class Question:
    """A contact to judge: does it belong to the theme?"""

    contact_id: int
    text: str
    day: date
    channel: str
    disposition: str


@dataclass(frozen=True)
class LastAnswer:
    """The newest answer of the round, which can be taken back."""

    contact_id: int
    belongs: bool
    checked_by: str


@dataclass(frozen=True)
class Round:
    """Where the last round of a theme stands.

    Attributes
    ----------
    drawn, left : int
        Contacts drawn, and those still to be looked at.
    passed_by : int
        Without answer, but their text has expired or they are in another theme now.
    question : Question or None
        The next one, in the order drawn.
    last : LastAnswer or None
    strays : tuple of int
        Contacts that do not belong, by the answers, and are in the theme still.
    """

    number: int
    drawn: int
    left: int
    passed_by: int
    question: Question | None
    last: LastAnswer | None
    strays: tuple[int, ...]


def find_round(session: Session, theme_id: int) -> Round | None:
    """Return where the last round of a theme stands; None when it was never checked."""
    number = session.scalar(last_round(theme_id))
    if number is None:
        return None
    checks = session.execute(
        sa.select(
            MembershipCheck.contact_id,
            MembershipCheck.belongs,
            MembershipCheck.checked_by,
            _CAN_BE_ASKED.label("can_be_asked"),
        )
        .join(Contact, Contact.id == MembershipCheck.contact_id)
        .where(MembershipCheck.theme_id == theme_id, MembershipCheck.round == number)
        .order_by(MembershipCheck.id)
    ).all()
    unanswered = [check for check in checks if check.belongs is None]
    askable = [check.contact_id for check in unanswered if check.can_be_asked]
    return Round(
        number=number,
        drawn=len(checks),
        left=len(askable),
        passed_by=len(unanswered) - len(askable),
        question=_find_question(session, askable[0]) if askable else None,
        last=_find_last(session, theme_id, number),
        strays=tuple(c.contact_id for c in checks if c.belongs is False and c.can_be_asked),
    )


def count_left(session: Session, theme_id: int) -> int:
    """Return how many contacts of a theme's last round are still to be looked at."""
    statement = (
        sa.select(sa.func.count())
        .select_from(MembershipCheck)
        .join(Contact, Contact.id == MembershipCheck.contact_id)
        .where(
            MembershipCheck.theme_id == theme_id,
            MembershipCheck.round == last_round(theme_id).scalar_subquery(),
            MembershipCheck.belongs.is_(None),
            _CAN_BE_ASKED,
        )
    )
    return session.scalar(statement) or 0


_CAN_BE_ASKED = sa.and_(
    Contact.theme_id == MembershipCheck.theme_id,
    sa.exists().where(ContactText.contact_id == Contact.id, ContactText.issue_text != ""),
)


def last_round(theme_id: int) -> sa.Select[Any]:
    """Return the query for the number of a theme's last round; null when it was never checked."""
    return sa.select(sa.func.max(MembershipCheck.round)).where(MembershipCheck.theme_id == theme_id)


def _find_question(session: Session, contact_id: int) -> Question:
    row = session.execute(
        sa.select(
            Contact.id,
            ContactText.issue_text,
            Contact.local_day,
            Contact.channel,
            Contact.disposition,
        )
        .join(ContactText, ContactText.contact_id == Contact.id)
        .where(Contact.id == contact_id)
    ).one()
    return Question(row[0], shorten(row[1], LONGEST_TEXT), *row[2:])


def _find_last(session: Session, theme_id: int, number: int) -> LastAnswer | None:
    c = MembershipCheck
    row: Any = session.execute(
        sa.select(c.contact_id, c.belongs, c.checked_by)
        .where(c.theme_id == theme_id, c.round == number, c.belongs.is_not(None))
        .order_by(c.checked_at.desc(), c.id.desc())
        .limit(1)
    ).one_or_none()
    return LastAnswer(*row) if row else None
