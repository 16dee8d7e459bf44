"""Propose a contact driver for themes that have none; what has one stays where it is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from closedloop.config import Settings
from closedloop.domain.audit import Actor
from closedloop.domain.contact_drivers import NAME_LENGTH, DriverState
from closedloop.domain.free_names import free_name, next_key
from closedloop.domain.themes import GONE_STATUSES, STATS_DAYS
from closedloop.models import (
    Contact,
    ContactDriver,
    ContactText,
    DailyRollup,
    DriverChange,
    Theme,
    ThemeStats,
)
from closedloop.services.audit import record_event
from closedloop.services.definitions import ThemeMaker, find_current_set, labels_of, own_maker

TEXTS_PER_THEME = 150
MOST_CODES = 200


@dataclass
class DriverOutcome:
    """What a proposal did, by key.

    Attributes
    ----------
    born : list of str
        Drivers that are new.
    placed : list of str
        Themes that were put under a driver.
    left : list of str
        Themes that still have none.
    retired : list of str
        Drivers that only runs had touched and that no theme is left in.
    """

    born: list[str] = field(default_factory=list)
    placed: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    retired: list[str] = field(default_factory=list)

    def as_manifest(self) -> dict[str, Any]:
        """Return what the run's manifest says about it."""
        return asdict(self)


@dataclass(frozen=True)
class _Known:
    """Themes in use whose words are known, and the drivers in use that hold some of them."""

    themes: list[Theme]
    centres: NDArray[np.float32]
    drivers: list[ContactDriver]

    @property
    def standing(self) -> NDArray[np.int64]:
        place = {driver.id: number for number, driver in enumerate(self.drivers)}
        return np.array([place.get(theme.driver_id or 0, -1) for theme in self.themes], np.int64)


def propose_drivers(
    session: Session,
    *,
    settings: Settings,
    by: Actor,
    run_id: int | None = None,
    maker: ThemeMaker | None = None,
) -> DriverOutcome:
    """Put themes without a contact driver under one, an existing one or a new one.

    No theme leaves its driver, no driver is renamed, and a theme that somebody took out of every
    driver stays out. A new driver needs a theme of enough customers, since it is named by what
    they say. Drivers without a theme that nobody ever touched are retired.

    Parameters
    ----------
    session : Session
    settings : Settings
    by : Actor
    run_id : int, optional
        The run it is part of.
    maker : ThemeMaker, optional
        Tests pass a small one.
    """
    outcome = DriverOutcome()
    themes = _themes_in_use(session)
    drivers = _drivers_in_use(session)
    waiting = [t for t in themes if t.driver_id is None and not t.is_driver_by_person]
    if waiting and _are_enough(themes):
        known = _read_known(session, themes, drivers, maker or own_maker())
        if known.themes:
            _place(session, known, settings.privacy_k, run_id, outcome, by)
    outcome.left = [theme.key for theme in waiting if theme.driver_id is None]
    _retire_untouched(session, themes, drivers, outcome, by)
    return outcome


def _are_enough(themes: Sequence[Theme]) -> bool:
    from ml.themes.drivers import FEWEST_THEMES

    return len(themes) >= FEWEST_THEMES


def _themes_in_use(session: Session) -> list[Theme]:
    query = sa.select(Theme).where(Theme.status.not_in(GONE_STATUSES)).order_by(Theme.id)
    return list(session.scalars(query.with_for_update()))


def _drivers_in_use(session: Session) -> list[ContactDriver]:
    query = sa.select(ContactDriver).where(ContactDriver.state == DriverState.IN_USE)
    return list(session.scalars(query.order_by(ContactDriver.id).with_for_update()))


def _read_known(
    session: Session, themes: Sequence[Theme], drivers: Sequence[ContactDriver], maker: ThemeMaker
) -> _Known:
    current = find_current_set(session, with_model=True)
    found: list[tuple[Theme, NDArray[np.float32]]] = []
    if current is not None:
        model = maker.read_model(current.model)
        for theme in themes:
            labels = labels_of(current.label_themes, theme.id)
            if not labels or (theme.driver_id is None and theme.is_driver_by_person):
                continue
            rows = np.vstack([model.prototypes(label) for label in labels])
            centre = rows.mean(axis=0) if len(rows) else np.zeros(0)
            if centre.any():
                found.append((theme, centre / np.linalg.norm(centre)))
    held = {theme.driver_id for theme, _ in found}
    return _Known(
        themes=[theme for theme, _ in found],
        centres=np.array([centre for _, centre in found], np.float32),
        drivers=[driver for driver in drivers if driver.id in held],
    )


def _place(
    session: Session,
    known: _Known,
    k: int,
    run_id: int | None,
    outcome: DriverOutcome,
    by: Actor,
) -> None:
    # Imported here: web workers that never propose need not load what finds themes.
    from ml.themes.drivers import find_drivers

    codes = _read_codes(session, [theme.id for theme in known.themes])
    labels = find_drivers(known.centres, standing=known.standing, codes=codes).labels
    members: dict[int, list[Theme]] = defaultdict(list)
    for theme, label in zip(known.themes, labels.tolist(), strict=True):
        members[label].append(theme)
    members.pop(-1, None)
    large = _of_enough_people(session, k)
    fresh = [label for label in sorted(members) if label >= len(known.drivers)]
    told = [label for label in fresh if any(theme.id in large for theme in members[label])]
    names = _name(session, members, large, told) if told else {}
    for number, driver in enumerate(known.drivers):
        _put_under(session, driver, members[number], outcome, by)
    for label, name in names.items():
        driver = _bear(session, *name, run_id, outcome, by)
        _put_under(session, driver, members[label], outcome, by)


def _read_codes(session: Session, theme_ids: Sequence[int]) -> NDArray[np.float32] | None:
    """Return the share of each wrap-up code among the contacts of each theme, None without."""
    last_day = session.scalar(sa.select(sa.func.max(DailyRollup.day)))
    if last_day is None:
        return None
    rows = session.execute(
        sa.select(DailyRollup.theme_id, DailyRollup.disposition, sa.func.sum(DailyRollup.contacts))
        .where(
            DailyRollup.theme_id.in_(theme_ids),
            DailyRollup.day > last_day - timedelta(days=STATS_DAYS),
            DailyRollup.disposition != "",
        )
        .group_by(DailyRollup.theme_id, DailyRollup.disposition)
    ).all()
    total: dict[str, int] = defaultdict(int)
    for _, code, contacts in rows:
        total[code] += int(contacts)
    columns = sorted(total, key=lambda code: (-total[code], code))[:MOST_CODES]
    if len(columns) < 2:
        return None
    place = {code: number for number, code in enumerate(columns)}
    found = np.zeros((len(theme_ids), len(columns)), np.float32)
    row_of = {theme_id: number for number, theme_id in enumerate(theme_ids)}
    for theme_id, code, contacts in rows:
        if theme_id is not None and code in place:
            found[row_of[theme_id], place[code]] = contacts
    return np.asarray(found / np.maximum(found.sum(axis=1, keepdims=True), 1), np.float32)


def _of_enough_people(session: Session, k: int) -> set[int]:
    return set(session.scalars(sa.select(ThemeStats.theme_id).where(ThemeStats.people >= k)))


def _name(
    session: Session,
    members: Mapping[int, Sequence[Theme]],
    large: set[int],
    told: Sequence[int],
) -> dict[int, tuple[str, list[str]]]:
    """Return name and keywords of new drivers, set against what all drivers say.

    A driver of which nothing that was said may be read, or is kept, has none and takes no part.
    """
    from ml.themes.drivers import name_drivers

    said = {
        theme.id: _read_texts(session, theme.id)
        for group in members.values()
        for theme in group
        if theme.id in large
    }
    heard = {label: [t for t in group if said.get(t.id)] for label, group in members.items()}
    order = [label for label in sorted(heard) if heard[label]]
    themes = [theme for label in order for theme in heard[label]]
    drivers = [place for place, label in enumerate(order) for _ in heard[label]]
    of_text: dict[str, int] = {}
    for number, theme in enumerate(themes):
        for text in said[theme.id]:
            of_text.setdefault(text, number)
    named = name_drivers(
        list(of_text),
        np.array(list(of_text.values()), np.int64),
        np.array(drivers, np.int64),
        [theme.name for theme in themes],
    )
    found = dict(zip(order, named, strict=True))
    return {
        label: (found[label].name, list(found[label].keywords)) for label in told if label in found
    }


def _read_texts(session: Session, theme_id: int) -> list[str]:
    """Return a fair draw of different texts: in the order of their hashes, whoever came first."""
    rows = session.execute(
        sa.select(ContactText.text_hash, sa.func.min(ContactText.issue_text))
        .join(Contact, Contact.id == ContactText.contact_id)
        .where(Contact.theme_id == theme_id, ContactText.issue_text != "")
        .group_by(ContactText.text_hash)
        .order_by(ContactText.text_hash)
        .limit(TEXTS_PER_THEME)
    )
    return [row[1] for row in rows]


def _bear(
    session: Session,
    name: str,
    keywords: list[str],
    run_id: int | None,
    outcome: DriverOutcome,
    by: Actor,
) -> ContactDriver:
    rows = session.execute(sa.select(ContactDriver.key, ContactDriver.name, ContactDriver.state))
    drivers = rows.all()
    in_use = [row.name for row in drivers if row.state == DriverState.IN_USE]
    driver = ContactDriver(
        key=next_key("D", (row.key for row in drivers)),
        name=free_name(name, in_use, longest=NAME_LENGTH, otherwise="Other reasons"),
        keywords=keywords,
        run_id=run_id,
    )
    session.add(driver)
    session.flush()  # its themes and the next key need it
    outcome.born.append(driver.key)
    record_event(
        session,
        by=by,
        verb="drivers.found",
        target_kind="driver",
        target_id=driver.id,
        summary=f"found the contact driver {driver.key} {driver.name}",
    )
    return driver


def _put_under(
    session: Session,
    driver: ContactDriver,
    themes: Sequence[Theme],
    outcome: DriverOutcome,
    by: Actor,
) -> None:
    joined = [theme for theme in themes if theme.driver_id is None]
    if not joined:
        return
    for theme in joined:
        theme.driver_id = driver.id
    keys = [theme.key for theme in joined]
    outcome.placed += keys
    record_event(
        session,
        by=by,
        verb="drivers.themes_placed",
        target_kind="driver",
        target_id=driver.id,
        summary=f"put {', '.join(keys)} under {driver.key} {driver.name}",
        detail={"themes": keys},
    )
    session.flush()  # what counts themes of drivers reads it


def _retire_untouched(
    session: Session,
    themes: Sequence[Theme],
    drivers: Sequence[ContactDriver],
    outcome: DriverOutcome,
    by: Actor,
) -> None:
    held = {theme.driver_id for theme in themes}
    stands = DriverChange.undone_at.is_(None)
    touched = set(session.scalars(sa.select(DriverChange.driver_id).where(stands)))
    touched |= set(session.scalars(sa.select(DriverChange.other_id).where(stands)))
    for driver in drivers:
        if driver.id in held or driver.id in touched or driver.is_named_by_person:
            continue
        session.execute(
            sa.update(Theme)
            .where(Theme.driver_id == driver.id)
            .values(driver_id=None)
            .execution_options(synchronize_session="fetch")
        )
        driver.state = DriverState.RETIRED
        outcome.retired.append(driver.key)
        record_event(
            session,
            by=by,
            verb="drivers.retired",
            target_kind="driver",
            target_id=driver.id,
            summary=f"retired {driver.key} {driver.name}: no theme is left in it",
        )
