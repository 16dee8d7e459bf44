"""What would move, found once: a list is paged through and confirmed without a second look."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.models import AuditEvent, Contact, DefinitionSet, Job
from closedloop.services.change_previews import ChangePreview
from closedloop.services.definitions import ThemeMaker

LOOKS_KEPT = 4
_LOOKS: dict[tuple[Any, ...], tuple[ThemeMaker | None, ChangePreview]] = {}
"""What this process found lately, the newest last, each with the maker that its key names."""


def look_once(
    session: Session,
    asked: tuple[Hashable, ...],
    maker: ThemeMaker | None,
    look: Callable[[], ChangePreview],
) -> ChangePreview:
    """Return what a look finds, or found before if nothing has changed on the site since.

    Parameters
    ----------
    asked : tuple
        Everything that the look depends on, but for the data and the maker.
    maker : ThemeMaker or None
        Who makes the look; None is the own one.
    look : callable
        Changes nothing.
    """
    key = (session.get_bind().engine.url, *_stamp(session), *asked, maker and id(maker))
    if (kept := _LOOKS.get(key)) is not None:
        return kept[1]
    found = look()
    while len(_LOOKS) >= LOOKS_KEPT:
        _LOOKS.pop(next(iter(_LOOKS)), None)
    _LOOKS[key] = (maker, found)
    return found


def _stamp(session: Session) -> tuple[Any, ...]:
    """Return what changes with all a look depends on: events, contacts, definitions, jobs done.

    Should it miss something, the job still moves the contacts that were seen, or none.
    """
    newest = (
        *(AuditEvent.id, AuditEvent.at, Contact.id, Job.finished_at),
        *(DefinitionSet.id, DefinitionSet.assigned_at),
    )
    asked = (sa.select(sa.func.max(column)).scalar_subquery() for column in newest)
    return tuple(session.execute(sa.select(*asked)).one())
