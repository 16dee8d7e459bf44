"""What curating a theme needs to show: contacts to pick from, where they can go, past changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from closedloop.domain.errors import NotFound
from closedloop.domain.themes import GONE_STATUSES, ThemeStatus
from closedloop.domain.triage import Decision
from closedloop.models import Contact, ContactText, Theme, ThemeChange, TriageDecision
from closedloop.models.curation import ChangeKind
from closedloop.queries.theme_figures import shorten

CHANGES_SHOWN = 100
WORDS_SHOWN = 160
DESCRIBED = ("name", "scenario", "cause")


@dataclass(frozen=True)
class PickedContact:
    """A contact that would move; `words` are None without text, or when it has expired."""

    id: int
    started_at: datetime
    channel: str
    disposition: str
    words: str | None


def list_picked(session: Session, ids: Sequence[int]) -> list[PickedContact]:
    """Return contacts in the order of their ids given, a page of them at a time."""
    rows = session.execute(
        sa.select(
            Contact.id,
            Contact.started_at,
            Contact.channel,
            Contact.disposition,
            ContactText.issue_text,
        )
        .outerjoin(ContactText, ContactText.contact_id == Contact.id)
        .where(Contact.id.in_(ids))
    )
    found = {
        row[0]: PickedContact(*row[:4], shorten(row[4], WORDS_SHOWN) if row[4] else None)
        for row in rows
    }
    return [found[one] for one in ids if one in found]


def list_targets(session: Session, theme_id: int) -> list[tuple[str, str]]:
    """Return key and name of the themes that contacts can be moved to, by name."""
    rows = session.execute(
        sa.select(Theme.key, Theme.name)
        .where(Theme.status.not_in(GONE_STATUSES), Theme.id != theme_id)
        .order_by(Theme.name, Theme.id)
    )
    return [(row[0], row[1]) for row in rows]


class Retired(StrEnum):
    """How a theme went out of use, which says how it comes back."""

    BY_HAND = "by_hand"
    DISMISSED = "dismissed"
    OTHERWISE = "otherwise"


def how_retired(session: Session, theme: Theme) -> Retired | None:
    """Return how a theme went out of use; None of one that is in use or was merged."""
    if theme.status is not ThemeStatus.RETIRED:
        return None
    newest = session.scalar(
        sa.select(ThemeChange.kind)
        .where(
            ThemeChange.theme_id == theme.id,
            ThemeChange.kind.in_((ChangeKind.RETIRE, ChangeKind.RESTORE)),
            ThemeChange.undone_at.is_(None),
        )
        .order_by(ThemeChange.id.desc())
        .limit(1)
    )
    if newest is ChangeKind.RETIRE:
        return Retired.BY_HAND
    dismissed = sa.exists().where(
        TriageDecision.theme_id == theme.id,
        TriageDecision.decision == Decision.DISMISS,
        TriageDecision.undone_at.is_(None),
    )
    return Retired.DISMISSED if session.scalar(sa.select(dismissed)) else Retired.OTHERWISE


@dataclass(frozen=True)
class Change:
    """One change of a theme, as its list of changes shows it.

    Attributes
    ----------
    other_key, other_name : str or None
        The other theme it is about: split off from or into, moved from or to.
    is_source : bool
        The theme whose list it is was the one that was split or that contacts left.
    fields : tuple of str
        What was described.
    renamed : tuple of str or None
        The name before and after, where it was given one.
    became : tuple of str
        What the run said, of parts that were taken over.
    run : int or None
        That run.
    """

    id: int
    kind: str
    contacts: int
    other_key: str | None
    other_name: str | None
    is_source: bool
    fields: tuple[str, ...]
    renamed: tuple[str, str] | None
    became: tuple[str, ...]
    run: int | None
    changed_by: str
    changed_at: datetime
    undone_by: str
    undone_at: datetime | None


def find_change(session: Session, change_id: int) -> ThemeChange:
    """Return one change by its number.

    Raises
    ------
    NotFound
    """
    change = session.get(ThemeChange, change_id)
    if change is None:
        raise NotFound(f"There is no change {change_id}. Look among the changes of its theme.")
    return change


def is_of_parts(session: Session, change_id: int) -> bool:
    """Return whether a change took parts of a run over, so that undoing it is long work.

    Raises
    ------
    NotFound
    """
    return find_change(session, change_id).kind is ChangeKind.PARTS


def _renamed(detail: dict[str, Any]) -> tuple[str, str] | None:
    names = [detail.get(when, {}).get("name") for when in ("before", "after")]
    return (names[0], names[1]) if all(names) and names[0] != names[1] else None


def list_changes(
    session: Session, theme_id: int, *, before_id: int | None = None, limit: int = CHANGES_SHOWN
) -> list[Change]:
    """Return what people did to a theme outside triage, newest first.

    Parameters
    ----------
    theme_id : int
    before_id : int, optional
        Only changes older than this one.
    limit : int
    """
    first, second = aliased(Theme), aliased(Theme)
    rows = session.execute(
        sa.select(ThemeChange, first.key, first.name, second.key, second.name)
        .join(first, first.id == ThemeChange.theme_id)
        .outerjoin(second, second.id == ThemeChange.other_id)
        .where(sa.or_(ThemeChange.theme_id == theme_id, ThemeChange.other_id == theme_id))
        .where(ThemeChange.id < before_id if before_id is not None else sa.true())
        .order_by(ThemeChange.id.desc())
        .limit(limit)
    )
    found = []
    for change, key, name, other_key, other_name in rows:
        is_first = change.theme_id == theme_id
        came_from_nowhere = change.kind is ChangeKind.MOVE and change.detail.get("from") is None
        found.append(
            Change(
                id=change.id,
                kind=change.kind.value,
                contacts=change.contacts,
                other_key=other_key if is_first else key,
                other_name=other_name if is_first else name,
                is_source=is_first and not came_from_nowhere,
                fields=tuple(name for name in DESCRIBED if name in change.detail.get("after", {})),
                renamed=_renamed(change.detail) if change.kind is ChangeKind.DESCRIBE else None,
                became=tuple(change.detail.get("kinds", ())),
                run=change.detail.get("run"),
                changed_by=change.changed_by,
                changed_at=change.changed_at,
                undone_by=change.undone_by,
                undone_at=change.undone_at,
            )
        )
    return found
