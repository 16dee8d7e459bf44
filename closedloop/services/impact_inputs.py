"""What a measurement reads: the days, the comparison, the siblings; kept so it can be redone.

Everything the estimate depends on goes into one npz whose bytes are the same for the same
input, whatever the day it was written on: that makes a row reproducible, and unique.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import lru_cache

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from closedloop.domain.impact import (
    CONTROL_LEAST_MEAN,
    MOST_CONTROLS,
    RECENT_DAYS,
    SIBLING_LIKENESS,
    MeasurementWindow,
)
from closedloop.domain.themes import GONE_STATUSES
from closedloop.models import Action, Intervention, Theme, ThemeLikeness

Counts = NDArray[np.int32]
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest a zip can say; the time of writing must not show


@dataclass(frozen=True)
class ThemeName:
    """A theme as checks name it."""

    id: int
    key: str
    name: str


@dataclass(frozen=True)
class LeftOut:
    """A theme that is not compared with, and why."""

    theme: ThemeName
    reason: str


@dataclass(frozen=True)
class OtherFix:
    """Another change that went live around the one measured."""

    theme_id: int
    title: str
    went_live_on: date


@dataclass(frozen=True)
class Comparison:
    """Which themes stand beside the one measured.

    Attributes
    ----------
    controls : tuple of ThemeName
        Unaffected themes, in order of id.
    siblings : tuple of ThemeName
        So alike that contacts may move there; never controls.
    left_out : tuple of LeftOut
    other_fixes : tuple of OtherFix
        Live from `RECENT_DAYS` before go-live to the last day read.
    """

    controls: tuple[ThemeName, ...]
    siblings: tuple[ThemeName, ...]
    left_out: tuple[LeftOut, ...]
    other_fixes: tuple[OtherFix, ...]


@dataclass(frozen=True, eq=False)
class MeasurementInputs:
    """Every number an estimate depends on.

    Attributes
    ----------
    counts : int array, shape (n_days,)
        Contacts a day of the theme, the first `n_pre` of them before go-live.
    controls : int array, shape (n_days, n_controls)
    control_ids : tuple of int
        Theme of each column.
    siblings : int array, shape (n_days, n_siblings)
    sibling_ids : tuple of int
    first_day : date
        The day of counts[0].
    n_pre : int
    skip : tuple of int
        Indexes of roll-out days.
    holidays : tuple of date
        Within the days read.
    alpha : float
        Significance asked for.
    definition_set_id : int
    method_version : str
    """

    counts: Counts
    controls: Counts
    control_ids: tuple[int, ...]
    siblings: Counts
    sibling_ids: tuple[int, ...]
    first_day: date
    n_pre: int
    skip: tuple[int, ...]
    holidays: tuple[date, ...]
    alpha: float
    definition_set_id: int
    method_version: str


def pack_inputs(inputs: MeasurementInputs) -> bytes:
    """Return the inputs as a compressed npz; the same inputs give the same bytes."""
    arrays: dict[str, NDArray[np.generic]] = {
        "counts": inputs.counts,
        "controls": inputs.controls,
        "control_ids": np.array(inputs.control_ids, dtype=np.int64),
        "siblings": inputs.siblings,
        "sibling_ids": np.array(inputs.sibling_ids, dtype=np.int64),
        "first_day": np.array(inputs.first_day.toordinal(), dtype=np.int64),
        "n_pre": np.array(inputs.n_pre, dtype=np.int64),
        "skip": np.array(inputs.skip, dtype=np.int64),
        "holidays": np.array([day.toordinal() for day in inputs.holidays], dtype=np.int64),
        "alpha": np.array(inputs.alpha, dtype=np.float64),
        "definition_set_id": np.array(inputs.definition_set_id, dtype=np.int64),
        "method_version": np.frombuffer(inputs.method_version.encode(), dtype=np.uint8),
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, array in arrays.items():
            one = io.BytesIO()
            np.lib.format.write_array(one, np.ascontiguousarray(array), allow_pickle=False)
            member = zipfile.ZipInfo(f"{name}.npy", _EPOCH)
            member.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(member, one.getvalue())
    return out.getvalue()


def unpack_inputs(packed: bytes) -> MeasurementInputs:
    """Return the inputs that `pack_inputs` packed."""
    with np.load(io.BytesIO(packed), allow_pickle=False) as arrays:
        return MeasurementInputs(
            counts=arrays["counts"],
            controls=arrays["controls"],
            control_ids=tuple(int(i) for i in arrays["control_ids"]),
            siblings=arrays["siblings"],
            sibling_ids=tuple(int(i) for i in arrays["sibling_ids"]),
            first_day=date.fromordinal(arrays["first_day"].item()),
            n_pre=int(arrays["n_pre"].item()),
            skip=tuple(int(i) for i in arrays["skip"]),
            holidays=tuple(date.fromordinal(int(day)) for day in arrays["holidays"]),
            alpha=float(arrays["alpha"].item()),
            definition_set_id=int(arrays["definition_set_id"].item()),
            method_version=bytes(arrays["method_version"]).decode(),
        )


def fingerprint(packed: bytes) -> str:
    """Return the SHA-256 of packed inputs, hex."""
    return hashlib.sha256(packed).hexdigest()


def stack_counts(
    counts: Mapping[int, list[int]], theme_ids: Collection[int], n_days: int
) -> Counts:
    """Return a column for each theme, zeros where it has no contacts, (n_days, n_themes)."""
    none = [0] * n_days
    columns = [counts.get(theme_id, none) for theme_id in theme_ids]
    return np.array(columns, dtype=np.int32).reshape(len(columns), n_days).T.copy()


def find_family(session: Session, theme_id: int) -> list[int]:
    """Return the themes so alike that contacts may move there, in order of id."""
    likeness = ThemeLikeness.likeness >= SIBLING_LIKENESS
    either_way = sa.union(
        sa.select(ThemeLikeness.other_id).where(ThemeLikeness.theme_id == theme_id, likeness),
        sa.select(ThemeLikeness.theme_id).where(ThemeLikeness.other_id == theme_id, likeness),
    )
    return sorted(int(other) for other in session.scalars(either_way) if other != theme_id)


@dataclass
class _Sorting:
    """Themes as they are sorted into controls, siblings and left out."""

    controls: list[tuple[float, ThemeName]] = field(default_factory=list)
    siblings: list[ThemeName] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)


def choose_comparison(
    session: Session,
    *,
    theme_id: int,
    intervention_id: int | None,
    window: MeasurementWindow,
    family: Collection[int],
    counts: Mapping[int, list[int]],
) -> Comparison:
    """Sort the other themes into controls, siblings and those that are left out, with why.

    Parameters
    ----------
    intervention_id : int or None
        The one measured; None while it is only planned.
    window : MeasurementWindow
    family : collection of int
        Themes contacts may move to.
    counts : mapping of int to list of int
        Contacts a day from `window.first_day` on.
    """
    fixes = _other_fixes(session, intervention_id, window)
    first_fix = {fix.theme_id: fix for fix in reversed(fixes)}
    sorting = _Sorting()
    for other in _list_other_themes(session, theme_id):
        mean = sum(counts.get(other.id, ())[: window.n_pre]) / max(1, window.n_pre)
        _sort_in(sorting, other, mean, first_fix.get(other.id), other.id in family)
    largest = sorted(sorting.controls, key=lambda one: (-one[0], one[1].id))
    sorting.left_out += [
        LeftOut(other, f"the {MOST_CONTROLS} largest themes are compared with, this is smaller")
        for _, other in largest[MOST_CONTROLS:]
    ]
    controls = sorted((other for _, other in largest[:MOST_CONTROLS]), key=lambda one: one.id)
    return Comparison(
        tuple(controls), tuple(sorting.siblings), tuple(sorting.left_out), tuple(fixes)
    )


def _sort_in(
    sorting: _Sorting, other: ThemeName, mean: float, fix: OtherFix | None, is_family: bool
) -> None:
    if fix is not None:
        reason = f"has a fix of its own, live since {fix.went_live_on.isoformat()}: {fix.title}"
        sorting.left_out.append(LeftOut(other, reason))
    elif is_family:
        sorting.siblings.append(other)
        reason = "so alike that contacts may move there; watched as a sibling"
        sorting.left_out.append(LeftOut(other, reason))
    elif mean < CONTROL_LEAST_MEAN:
        reason = f"too few contacts to compare with: {mean:.2f} a day before the change"
        sorting.left_out.append(LeftOut(other, reason))
    else:
        sorting.controls.append((mean, other))


def _list_other_themes(session: Session, theme_id: int) -> list[ThemeName]:
    rows = session.execute(
        sa.select(Theme.id, Theme.key, Theme.name)
        .where(Theme.id != theme_id, Theme.status.not_in(GONE_STATUSES))
        .order_by(Theme.id)
    )
    return [ThemeName(*row) for row in rows]


def _other_fixes(
    session: Session, intervention_id: int | None, window: MeasurementWindow
) -> list[OtherFix]:
    """Return the changes whose going live falls between shortly before this one and as_of."""
    earliest = window.go_live - timedelta(days=RECENT_DAYS)
    rows = session.execute(
        sa.select(Intervention.theme_id, Action.title, Intervention.went_live_on)
        .join(Action, Action.id == Intervention.action_id)
        .where(
            Intervention.id != (intervention_id or 0),
            Intervention.went_live_on.between(earliest, window.as_of),
        )
        .order_by(Intervention.went_live_on, Intervention.id)
    )
    return [OtherFix(*row) for row in rows]


@lru_cache(maxsize=32)
def list_holidays(country: str, first_day: date, last_day: date) -> tuple[tuple[date, str], ...]:
    """Return the public holidays of a country between two days, both inclusive.

    Parameters
    ----------
    country : str
        "GB", or with a part of the country "GB-ENG"; empty is none.

    Raises
    ------
    LookupError
        If there is no calendar of that name.
    """
    if not country:
        return ()
    import holidays  # the calendars take a second to load; a web worker does without them

    code, _, part = country.partition("-")
    years = range(first_day.year, last_day.year + 1)
    try:
        calendar = holidays.country_holidays(code, subdiv=part or None, years=years)
    except NotImplementedError:
        raise LookupError(country) from None
    return tuple(
        (day, str(name)) for day, name in sorted(calendar.items()) if first_day <= day <= last_day
    )
