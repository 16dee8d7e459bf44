"""What people decide about contact drivers: name, make, move themes, merge, retire, restore."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.domain.audit import Actor
from closedloop.domain.contact_drivers import (
    MOST_MOVED,
    DriverChangeKind,
    DriverState,
    check_driver_name,
    check_in_use,
    check_typed_themes,
)
from closedloop.domain.errors import Conflict, Invalid, InvalidTransition, NotFound
from closedloop.domain.free_names import next_key
from closedloop.domain.themes import GONE_STATUSES
from closedloop.models import ContactDriver, DriverChange, Theme, ThemeStats
from closedloop.services.driver_records import (
    called,
    check_name_free,
    count_in_use,
    get_driver_to_change,
    names_in_use,
    note_change,
    put_under,
    record_on_driver,
    themes_of,
)

Kind = DriverChangeKind


@dataclass(frozen=True)
class MovedTheme:
    """A theme that would move; contacts of 90 days None where they are too few to be told."""

    id: int
    key: str
    name: str
    from_key: str
    from_name: str
    contacts: int | None


@dataclass(frozen=True)
class DriverPreview:
    """What a change of drivers would move.

    Attributes
    ----------
    themes : tuple of MovedTheme
        All of them, by key.
    contacts : int
        Of the last 90 days, in the themes whose contacts are told.
    untold : int
        Themes whose contacts are not.
    left_empty : tuple of str
        Drivers, "D-002 Cards", that no theme would be left in.
    """

    themes: tuple[MovedTheme, ...]
    contacts: int
    untold: int
    left_empty: tuple[str, ...]


def preview_themes(
    session: Session,
    *,
    theme_ids: Collection[int],
    to_id: int | None,
    k: int,
    is_new: bool = False,
) -> DriverPreview:
    """Return what moving themes to another driver would do; changes nothing.

    Parameters
    ----------
    theme_ids : collection of int
        At most `MOST_MOVED`; those that are there already are left out.
    to_id : int or None
        None takes them out of every driver.
    k : int
        Fewest customers whose contacts are told.
    is_new : bool
        They go to a driver that is yet to be made.

    Raises
    ------
    NotFound
        If there is no such theme or driver.
    Invalid
        If nothing, too much or nothing else was picked.
    InvalidTransition
        If the driver or a theme is not in use.
    """
    if to_id is not None:
        driver = get_driver_to_change(session, to_id, lock=False)
        check_in_use(driver.key, driver.state)
    return _preview(session, _movable(session, theme_ids, to_id, anything=is_new), k)


def preview_merge(session: Session, *, driver_id: int, into_id: int, k: int) -> DriverPreview:
    """Return what merging a driver into another one would move; changes nothing.

    Raises
    ------
    NotFound
    Invalid
        If both are the same.
    InvalidTransition
        If one of them is not in use.
    """
    _check_pair(session, driver_id, into_id, lock=False)
    # that it is left without themes is what a merge is
    return replace(_preview(session, themes_of(session, driver_id), k), left_empty=())


def create_driver(
    session: Session,
    *,
    name: str,
    by: Actor,
    theme_ids: Collection[int] = (),
    typed_count: int | None = None,
) -> DriverChange:
    """Make a contact driver of one's own, and put themes under it.

    Parameters
    ----------
    name : str
    by : Actor
    theme_ids : collection of int, optional
    typed_count : int, optional
        Asked for when more than `COUNT_TO_TYPE_ABOVE` themes move.

    Raises
    ------
    NotFound
    Invalid
        Also if the name is taken.
    InvalidTransition
    """
    name = check_driver_name(name, names_in_use(session))
    themes = _movable(session, theme_ids, None, lock=True, anything=True) if theme_ids else []
    check_typed_themes(len(themes), typed_count, to_do="move them")
    driver = ContactDriver(
        key=next_key("D", session.scalars(sa.select(ContactDriver.key))),
        name=name,
        is_named_by_person=True,
        keywords=[],
    )
    session.add(driver)
    session.flush()  # its themes and the change refer to it
    change = note_change(session, Kind.CREATE, driver, by, themes=themes)
    record_on_driver(session, by, driver, "drivers.created", f"made {called(driver)}", change)
    put_under(session, themes, driver, by, change, by_person=True)
    return change


def rename_driver(session: Session, *, driver_id: int, name: str, by: Actor) -> ContactDriver:
    """Give a driver a name of one's own; no run changes it.

    Raises
    ------
    NotFound
    Invalid
        If the name is empty, too long or taken.
    InvalidTransition
        If it is merged or retired.
    """
    driver = get_driver_to_change(session, driver_id)
    check_in_use(driver.key, driver.state)
    name = check_driver_name(name, names_in_use(session, but=driver.id))
    if name == driver.name and driver.is_named_by_person:
        return driver
    before = {"name": driver.name, "is_named_by_person": driver.is_named_by_person}
    was, driver.name, driver.is_named_by_person = driver.name, name, True
    change = note_change(session, Kind.RENAME, driver, by, detail={"before": before, "after": name})
    said = f"renamed {driver.key} from “{was}” to “{name}”"
    record_on_driver(session, by, driver, "drivers.renamed", said, change)
    return driver


def move_themes(
    session: Session,
    *,
    theme_ids: Collection[int],
    to_id: int | None,
    by: Actor,
    typed_count: int | None = None,
) -> DriverChange:
    """Put themes under another contact driver, or under none; no run moves them again.

    Parameters
    ----------
    theme_ids, to_id
        As for `preview_themes`.
    by : Actor
    typed_count : int, optional
        Asked for when more than `COUNT_TO_TYPE_ABOVE` themes move.

    Raises
    ------
    NotFound
    Invalid
    InvalidTransition
    """
    driver = None
    if to_id is not None:
        driver = get_driver_to_change(session, to_id)
        check_in_use(driver.key, driver.state)
    themes = _movable(session, theme_ids, to_id, lock=True)
    check_typed_themes(len(themes), typed_count, to_do="move them")
    change = note_change(session, Kind.MOVE, driver, by, themes=themes)
    put_under(session, themes, driver, by, change, by_person=True)
    return change


def merge_drivers(
    session: Session,
    *,
    driver_id: int,
    into_id: int,
    by: Actor,
    typed_count: int | None = None,
) -> DriverChange:
    """Merge a driver into another one: all its themes go there, and new ones like them, too.

    Raises
    ------
    NotFound
    Invalid
        If both are the same, or many themes move and their number was not typed.
    InvalidTransition
        If one of them is not in use.
    """
    driver, into = _check_pair(session, driver_id, into_id, lock=True)
    themes = themes_of(session, driver.id, lock=True)
    check_typed_themes(count_in_use(themes), typed_count, to_do="merge them")
    change = note_change(session, Kind.MERGE, driver, by, other=into, themes=themes)
    driver.state, driver.merged_into_id = DriverState.MERGED, into.id
    said = f"merged {called(driver)} into {called(into)}"
    record_on_driver(session, by, driver, "drivers.merged", said, change)
    record_on_driver(session, by, into, "drivers.merged", said, change)
    put_under(session, themes, into, by, change, by_person=None)
    return change


def retire_driver(session: Session, *, driver_id: int, by: Actor) -> DriverChange:
    """Take a driver without themes out of use; its key is never given again.

    Raises
    ------
    NotFound
    InvalidTransition
        If it is not in use.
    Conflict
        If a theme in use is under it.
    """
    driver = get_driver_to_change(session, driver_id)
    check_in_use(driver.key, driver.state)
    themes = themes_of(session, driver.id, lock=True)
    if n := count_in_use(themes):
        raise Conflict(
            f"{driver.key} still holds {n} {'theme' if n == 1 else 'themes'}. Move them to "
            "another contact driver, or merge this one into it."
        )
    change = note_change(session, Kind.RETIRE, driver, by, themes=themes)
    for theme in themes:
        theme.driver_id = None
    driver.state = DriverState.RETIRED
    record_on_driver(session, by, driver, "drivers.retired", f"retired {called(driver)}", change)
    return change


def restore_driver(session: Session, *, driver_id: int, by: Actor) -> DriverChange:
    """Bring a retired driver back into use, without themes.

    Raises
    ------
    NotFound
    InvalidTransition
        If it is not retired.
    Conflict
        If another driver has its name by now.
    """
    driver = get_driver_to_change(session, driver_id)
    if driver.state is not DriverState.RETIRED:
        raise InvalidTransition(f"{driver.key} is not retired; there is nothing to restore.")
    check_name_free(session, driver)
    driver.state = DriverState.IN_USE
    change = note_change(session, Kind.RESTORE, driver, by)
    record_on_driver(session, by, driver, "drivers.restored", f"restored {called(driver)}", change)
    return change


def _check_pair(
    session: Session, driver_id: int, into_id: int, *, lock: bool
) -> tuple[ContactDriver, ContactDriver]:
    if driver_id == into_id:
        sentence = "Choose another contact driver to merge it into."
        raise Invalid(sentence, {"into": sentence})
    # in the order of their ids, so that two people cannot wait for each other
    found = {
        one: get_driver_to_change(session, one, lock=lock) for one in sorted((driver_id, into_id))
    }
    for driver in found.values():
        check_in_use(driver.key, driver.state)
    return found[driver_id], found[into_id]


def _movable(
    session: Session,
    theme_ids: Collection[int],
    to_id: int | None,
    *,
    lock: bool = False,
    anything: bool = False,
) -> list[Theme]:
    """Return the themes that would move, by id; `anything`: wherever they are now."""
    wanted = sorted(set(theme_ids))
    if not wanted:
        raise _refused("Pick at least one theme.")
    if len(wanted) > MOST_MOVED:
        raise _refused(f"Pick at most {MOST_MOVED:,} themes at a time.")
    query = sa.select(Theme).where(Theme.id.in_(wanted)).order_by(Theme.id)
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    themes = list(session.scalars(query))
    if len(themes) < len(wanted):
        raise NotFound("One of the themes does not exist. Open the list of themes again.")
    for theme in themes:
        if theme.status in GONE_STATUSES:
            raise InvalidTransition(
                f"{theme.key} is {theme.status.value}; only themes in use have a contact driver."
            )
    if anything:
        return themes
    moved = [
        theme
        for theme in themes
        if theme.driver_id != to_id or (to_id is None and not theme.is_driver_by_person)
    ]
    if not moved:
        raise _refused("They are there already. Choose another contact driver.", "to")
    return moved


def _refused(sentence: str, field: str = "themes") -> Invalid:
    return Invalid(sentence, {field: sentence})


def _preview(session: Session, themes: Sequence[Theme], k: int) -> DriverPreview:
    in_use = [theme for theme in themes if theme.status not in GONE_STATUSES]
    ids = [theme.id for theme in in_use]
    counted = session.execute(
        sa.select(ThemeStats.theme_id, ThemeStats.contacts).where(
            ThemeStats.theme_id.in_(ids), ThemeStats.people >= k
        )
    ).all()
    told: dict[int, int] = dict(counted)
    drivers = {
        driver.id: driver
        for driver in session.scalars(
            sa.select(ContactDriver).where(
                ContactDriver.id.in_({theme.driver_id for theme in in_use if theme.driver_id})
            )
        )
    }
    rows = []
    for theme in in_use:
        driver = drivers.get(theme.driver_id or 0)
        names = (driver.key, driver.name) if driver else ("", "")
        rows.append(MovedTheme(theme.id, theme.key, theme.name, *names, told.get(theme.id)))
    keeping = _that_keep_some(session, list(drivers), ids)
    return DriverPreview(
        themes=tuple(rows),
        contacts=sum(told.values()),
        untold=len(rows) - len(told),
        left_empty=tuple(called(d) for d in drivers.values() if d.id not in keeping),
    )


def _that_keep_some(session: Session, driver_ids: Collection[int], ids: Sequence[int]) -> set[int]:
    """Return the drivers that still hold a theme in use when some have left."""
    return set(
        session.scalars(
            sa.select(Theme.driver_id).where(
                Theme.driver_id.in_(driver_ids),
                Theme.status.not_in(GONE_STATUSES),
                Theme.id.not_in(ids),
            )
        )
    )
