"""Take changes of contact drivers back, and say what to undo first where one was built on."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.domain.audit import Actor
from closedloop.domain.clock import utc_now
from closedloop.domain.contact_drivers import DriverChangeKind, DriverState
from closedloop.domain.errors import Conflict, NotFound
from closedloop.models import ContactDriver, DriverChange, Theme
from closedloop.services.audit import record_event, record_on_theme
from closedloop.services.driver_records import (
    called,
    check_name_free,
    count_in_use,
    get_driver_to_change,
    themes_of,
)

Kind = DriverChangeKind


def undo_driver_change(session: Session, *, change_id: int, by: Actor) -> DriverChange:
    """Take a change back: every theme returns to the driver it had, every name to what it was.

    Raises
    ------
    NotFound
    Conflict
        If it was taken back already, or something was built on it since; says what.
    """
    change = session.get(DriverChange, change_id, with_for_update=True, populate_existing=True)
    if change is None:
        raise NotFound(f"There is no change {change_id} of contact drivers.")
    if change.undone_at is not None:
        raise Conflict(f"{change.undone_by} took this back already.")
    _UNDO[change.kind](session, change, by)
    change.undone_by, change.undone_at = by.name, utc_now()
    driver = change.driver
    record_event(
        session,
        by=by,
        verb="drivers.change_undone",
        target_kind="driver",
        target_id=driver.id if driver else None,
        summary=f"took back change {change.id} of contact drivers ({change.kind.value})",
        detail={"change": change.id},
    )
    session.flush()
    return change


def _undo_themes(session: Session, change: DriverChange, by: Actor) -> list[Theme]:
    """Put themes back where a change found them; refuse when they moved on since."""
    stood = {row[0]: (row[1], row[2]) for row in change.detail.get("themes", ())}
    query = sa.select(Theme).where(Theme.id.in_(stood)).order_by(Theme.id).with_for_update()
    themes = list(session.scalars(query.execution_options(populate_existing=True)))
    for later in _standing_since(session, change):
        moved = stood.keys() & {row[0] for row in later.detail.get("themes", ())}
        if moved:
            key = session.get_one(Theme, min(moved)).key
            raise Conflict(
                f"{key} was put under another contact driver since, by {later.changed_by}. "
                "Undo that change first."
            )
    _check_homes(session, {driver for driver, _ in stood.values() if driver is not None})
    for theme in themes:
        theme.driver_id, theme.is_driver_by_person = stood[theme.id]
        if change.kind is not Kind.RETIRE:
            said = f"put {theme.key} back where it was among the contact drivers"
            record_on_theme(
                session, by, theme, "themes.driver_restored", said, {"change": change.id}
            )
    session.flush()  # what is checked next counts themes
    return themes


def _standing_since(session: Session, change: DriverChange) -> list[DriverChange]:
    """Return the changes made after one that nobody took back, the newest first."""
    query = sa.select(DriverChange).where(
        DriverChange.id > change.id, DriverChange.undone_at.is_(None)
    )
    return list(session.scalars(query.order_by(DriverChange.id.desc())))


def _check_homes(session: Session, driver_ids: Collection[int]) -> None:
    gone = session.scalars(
        sa.select(ContactDriver)
        .where(ContactDriver.id.in_(driver_ids), ContactDriver.state != DriverState.IN_USE)
        .order_by(ContactDriver.id)
    ).first()
    if gone is not None:
        raise Conflict(
            f"{called(gone)} was {gone.state.value} since, and themes would return to it. "
            f"{'Restore it' if gone.state is DriverState.RETIRED else 'Undo that merge'} first."
        )


def _undo_create(session: Session, change: DriverChange, by: Actor) -> None:
    driver = _own_driver(session, change)
    _check_still(driver, DriverState.IN_USE)
    _undo_themes(session, change, by)
    if n := count_in_use(themes_of(session, driver.id)):
        raise Conflict(
            f"{n} more {'theme was' if n == 1 else 'themes were'} put under {driver.key} since. "
            "Move them to another contact driver first."
        )
    for theme in themes_of(session, driver.id):
        theme.driver_id = None
    driver.state = DriverState.RETIRED


def _undo_rename(session: Session, change: DriverChange, by: Actor) -> None:
    del by
    driver = _own_driver(session, change)
    for later in _standing_since(session, change):
        if later.kind is Kind.RENAME and later.driver_id == driver.id:
            raise Conflict(
                f"{driver.key} was renamed again since, by {later.changed_by}. "
                "Undo that change first."
            )
    before = change.detail["before"]
    check_name_free(session, driver, before["name"])
    driver.name, driver.is_named_by_person = before["name"], before["is_named_by_person"]


def _undo_move(session: Session, change: DriverChange, by: Actor) -> None:
    _undo_themes(session, change, by)


def _undo_merge(session: Session, change: DriverChange, by: Actor) -> None:
    driver = _own_driver(session, change)
    _check_still(driver, DriverState.MERGED)
    check_name_free(session, driver)
    driver.state, driver.merged_into_id = DriverState.IN_USE, None
    session.flush()  # its themes can only return to a driver in use
    _undo_themes(session, change, by)


def _undo_retire(session: Session, change: DriverChange, by: Actor) -> None:
    driver = _own_driver(session, change)
    _check_still(driver, DriverState.RETIRED)
    check_name_free(session, driver)
    driver.state = DriverState.IN_USE
    session.flush()  # its themes can only return to a driver in use
    _undo_themes(session, change, by)


def _undo_restore(session: Session, change: DriverChange, by: Actor) -> None:
    del by
    driver = _own_driver(session, change)
    _check_still(driver, DriverState.IN_USE)
    if themes_of(session, driver.id):
        raise Conflict(f"Themes were put under {driver.key} since. Move them away first.")
    driver.state = DriverState.RETIRED


def _own_driver(session: Session, change: DriverChange) -> ContactDriver:
    return get_driver_to_change(session, change.driver_id or 0)


def _check_still(driver: ContactDriver, state: DriverState) -> None:
    if driver.state is not state:
        now = {"in_use": "brought back into use"}.get(driver.state.value, driver.state.value)
        raise Conflict(f"{driver.key} was {now} since. Undo that change first.")


_UNDO = {
    Kind.CREATE: _undo_create,
    Kind.RENAME: _undo_rename,
    Kind.MOVE: _undo_move,
    Kind.MERGE: _undo_merge,
    Kind.RETIRE: _undo_retire,
    Kind.RESTORE: _undo_restore,
}
