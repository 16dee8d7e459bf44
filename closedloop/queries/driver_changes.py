"""What people did to contact drivers, each change with its number."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from closedloop.domain.contact_drivers import DriverChangeKind
from closedloop.models import ContactDriver, DriverChange

CHANGES_SHOWN = 100


@dataclass(frozen=True)
class DriverChangeRow:
    """One change of contact drivers, as the list of changes shows it.

    Attributes
    ----------
    driver_key, driver_name : str
        What was made, renamed, merged, retired, restored, or moved to; empty for no driver.
    other_key, other_name : str
        The driver it was merged into.
    was : str
        The name before a renaming.
    became : str
        The name after it.
    """

    id: int
    kind: DriverChangeKind
    driver_key: str
    driver_name: str
    other_key: str
    other_name: str
    themes: int
    was: str
    became: str
    changed_by: str
    changed_at: datetime
    undone_by: str
    undone_at: datetime | None


def list_driver_changes(
    session: Session,
    *,
    before_id: int | None = None,
    limit: int = CHANGES_SHOWN,
) -> list[DriverChangeRow]:
    """Return what people did to contact drivers, newest first.

    Parameters
    ----------
    before_id : int, optional
        Only changes older than this one.
    limit : int
    """
    first, second = aliased(ContactDriver), aliased(ContactDriver)
    query = (
        sa.select(DriverChange, first.key, first.name, second.key, second.name)
        .outerjoin(first, first.id == DriverChange.driver_id)
        .outerjoin(second, second.id == DriverChange.other_id)
        .order_by(DriverChange.id.desc())
        .limit(limit)
    )
    if before_id is not None:
        query = query.where(DriverChange.id < before_id)
    return [
        DriverChangeRow(
            id=change.id,
            kind=change.kind,
            driver_key=key or "",
            driver_name=name or "",
            other_key=other_key or "",
            other_name=other_name or "",
            themes=change.themes,
            was=change.detail.get("before", {}).get("name", ""),
            became=change.detail.get("after", ""),
            changed_by=change.changed_by,
            changed_at=change.changed_at,
            undone_by=change.undone_by,
            undone_at=change.undone_at,
        )
        for change, key, name, other_key, other_name in session.execute(query)
    ]
