"""What every change of contact drivers writes down, and what it reads to be checked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.domain.audit import Actor
from closedloop.domain.contact_drivers import DriverChangeKind, DriverState
from closedloop.domain.errors import Conflict, NotFound
from closedloop.domain.themes import GONE_STATUSES
from closedloop.models import ContactDriver, DriverChange, Theme
from closedloop.services.audit import record_event, record_on_theme


def get_driver_to_change(session: Session, driver_id: int, *, lock: bool = True) -> ContactDriver:
    """Return a driver, locked until the transaction ends.

    Raises
    ------
    NotFound
    """
    driver = session.get(
        ContactDriver, driver_id, with_for_update=True if lock else None, populate_existing=lock
    )
    if driver is None:
        raise NotFound("There is no such contact driver.")
    return driver


def called(driver: ContactDriver) -> str:
    """Return key and name, as a sentence says them."""
    return f"{driver.key} {driver.name}"


def names_in_use(session: Session, *, but: int = 0) -> list[str]:
    """Return the names of the drivers in use, all but one."""
    return list(
        session.scalars(
            sa.select(ContactDriver.name).where(
                ContactDriver.state == DriverState.IN_USE, ContactDriver.id != but
            )
        )
    )


def check_name_free(session: Session, driver: ContactDriver, name: str = "") -> None:
    """Refuse to bring a name back that another driver has by now.

    Raises
    ------
    Conflict
    """
    name = name or driver.name
    if name.casefold() in {other.casefold() for other in names_in_use(session, but=driver.id)}:
        raise Conflict(f"Another contact driver is called “{name}” by now. Rename that one first.")


def themes_of(session: Session, driver_id: int, *, lock: bool = False) -> list[Theme]:
    """Return the themes under a driver, merged and retired ones too, by id."""
    query = sa.select(Theme).where(Theme.driver_id == driver_id).order_by(Theme.id)
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    return list(session.scalars(query))


def count_in_use(themes: Iterable[Theme]) -> int:
    """Return how many of the themes are in use."""
    return sum(theme.status not in GONE_STATUSES for theme in themes)


def note_change(
    session: Session,
    kind: DriverChangeKind,
    driver: ContactDriver | None,
    by: Actor,
    *,
    themes: Sequence[Theme] = (),
    other: ContactDriver | None = None,
    detail: dict[str, Any] | None = None,
) -> DriverChange:
    """Write a change down, with where its themes stood before it."""
    stood = [[theme.id, theme.driver_id, theme.is_driver_by_person] for theme in themes]
    change = DriverChange(
        driver=driver,
        other=other,
        kind=kind,
        themes=count_in_use(themes),
        detail={"themes": stood, **(detail or {})},
        changed_by=by.name,
    )
    session.add(change)
    session.flush()  # events and the undo refer to its id
    return change


def put_under(
    session: Session,
    themes: Sequence[Theme],
    driver: ContactDriver | None,
    by: Actor,
    change: DriverChange,
    *,
    by_person: bool | None,
) -> None:
    """Give themes their driver, an event on each; by_person None keeps who decided about it."""
    place = f"under {called(driver)}" if driver else "under no contact driver"
    for theme in themes:
        theme.driver_id = driver.id if driver else None
        if by_person is not None:
            theme.is_driver_by_person = by_person
        said = f"put {theme.key} {theme.name} {place}"
        record_on_theme(session, by, theme, "themes.driver_changed", said, {"change": change.id})
    if change.kind is DriverChangeKind.MOVE and driver is not None:
        n = len(themes)
        said = f"moved {n:,} {'theme' if n == 1 else 'themes'} to {called(driver)}"
        record_on_driver(session, by, driver, "drivers.themes_moved", said, change)
    session.flush()


def record_on_driver(
    session: Session,
    by: Actor,
    driver: ContactDriver,
    verb: str,
    summary: str,
    change: DriverChange,
) -> None:
    """Put one change down in the history of a contact driver."""
    record_event(
        session,
        by=by,
        verb=verb,
        target_kind="driver",
        target_id=driver.id,
        summary=summary,
        detail={"change": change.id, "themes": [row[0] for row in change.detail["themes"]]},
    )
    session.flush()  # the change and its event are one
