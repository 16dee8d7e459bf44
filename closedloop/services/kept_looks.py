"""What would move, found once: a list is paged through without a second look.

Who confirms it looks afresh; a kept look is for reading alone.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from threading import Lock
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.models import AuditEvent, Contact, DefinitionSet, Job
from closedloop.services.change_previews import ChangePreview
from closedloop.services.definitions import ThemeMaker

LOOKS_KEPT = 4
_LOOKS: dict[tuple[Any, ...], tuple[ThemeMaker | None, ChangePreview]] = {}
"""What this process found lately, the newest last, each with the maker that its key names."""
_CHANGING = Lock()


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
    site = (session.get_bind().engine.url, *_stamp(session))
    key = (*site, *asked, maker and id(maker))
    if (kept := _LOOKS.get(key)) is not None:
        return kept[1]
    found = look()
    with _CHANGING:
        for other in list(_LOOKS):
            is_outdated = other[0] == site[0] and other[: len(site)] != site
            if is_outdated or len(_LOOKS) >= LOOKS_KEPT:
                del _LOOKS[other]
        _LOOKS[key] = (maker, found)
    return found


def _stamp(session: Session) -> tuple[Any, ...]:
    """Return what changes with all a look depends on: events, contacts, definitions, jobs done.

    Of events and jobs the number counts as well: one that was begun earlier may be seen later.
    """
    newest = (
        *(AuditEvent.id, AuditEvent.at, Contact.id, Job.finished_at),
        *(DefinitionSet.id, DefinitionSet.assigned_at),
    )
    numbers = (sa.func.count(AuditEvent.id), sa.func.count(Job.finished_at))
    figures: list[sa.ColumnElement[Any]] = [*map(sa.func.max, newest), *numbers]
    asked = [sa.select(figure).scalar_subquery() for figure in figures]
    return tuple(session.execute(sa.select(*asked)).one())
