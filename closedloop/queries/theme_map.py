"""The picture of contacts by theme as the page shows it: no point says whose contact it is."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.orm import Session, joinedload, undefer

from closedloop.domain.themes import GONE_STATUSES, Quadrant, follow_mergers
from closedloop.models import DefinitionSet, Theme, ThemeMap
from closedloop.queries.theme_figures import Figures, figures_of, quadrant_of

SIDE = 65_535
"""The longer side of the picture in its own units: a coordinate fits two bytes."""


@dataclass(frozen=True)
class Island:
    """One theme in the picture.

    Attributes
    ----------
    n : int
        Contacts drawn; of more than the picture holds, a fair draw.
    x, y, r : int
        Centre and radius, 0 to `SIDE`.
    """

    theme_id: int
    key: str
    name: str
    quadrant: Quadrant | None
    figures: Figures
    n: int
    x: int
    y: int
    r: int


@dataclass(frozen=True)
class Picture:
    """The islands, largest first, and their contacts.

    Attributes
    ----------
    points : bytes
        Little-endian uint16: x of every contact, then y of every contact, island by island in
        the order of `islands`.
    agreement : float
        Share 0–1 of a contact's ten nearest that are of its theme.
    faithfulness : float or None
        Rank correlation of distances between themes here and of how unlike they are.
    hidden : int
        Themes left out because they describe too few people.
    """

    as_of: date
    set_number: int
    is_current: bool
    islands: tuple[Island, ...]
    width: int
    height: int
    agreement: float
    faithfulness: float | None
    hidden: int
    points: bytes = field(repr=False, default=b"")

    @property
    def n_points(self) -> int:
        """Contacts drawn."""
        return sum(island.n for island in self.islands)

    def coordinates(self) -> list[tuple[list[int], list[int]]]:
        """Return x and y of every contact, island by island in the order of `islands`."""
        xs, ys = np.frombuffer(self.points, "<u2").reshape(2, -1).tolist()
        found, start = [], 0
        for island in self.islands:
            its = slice(start, start + island.n)
            start = its.stop
            found.append((xs[its], ys[its]))
        return found


@dataclass(frozen=True)
class _Group:
    theme: Theme
    figures: Figures
    x: NDArray[np.float32]
    y: NDArray[np.float32]


def find_picture(session: Session, *, k: int) -> Picture | None:
    """Return the newest picture, None where none was drawn yet.

    Themes with fewer than `k` people, and those that are gone, are left out with their contacts;
    those of a merged theme lie where they lay and count for the theme it was merged into.

    Parameters
    ----------
    session : Session
    k : int
    """
    found = session.execute(
        sa.select(ThemeMap, DefinitionSet.number, DefinitionSet.is_current)
        .join(DefinitionSet, DefinitionSet.id == ThemeMap.definition_set_id)
        .options(undefer(ThemeMap.points))
        .order_by(ThemeMap.id.desc())
        .limit(1)
    ).one_or_none()
    if found is None:
        return None
    drawn, number, is_current = found
    with np.load(io.BytesIO(drawn.points), allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    groups, hidden = _groups(session, arrays, k)
    agreement, faithfulness = (float(value) for value in arrays["measured"])
    islands, points, size = _scale(groups)
    return Picture(
        drawn.as_of,
        number,
        is_current,
        islands,
        *size,
        agreement,
        None if math.isnan(faithfulness) else faithfulness,
        hidden,
        points,
    )


def _groups(session: Session, arrays: dict[str, Any], k: int) -> tuple[list[_Group], int]:
    """Return the contacts of each theme that may be shown, and how many themes may not."""
    themes = {
        theme.id: theme
        for theme in session.scalars(sa.select(Theme).options(joinedload(Theme.stats)))
    }
    into = {theme.id: theme.merged_into_id for theme in themes.values()}
    labels_of: dict[int, list[int]] = {}
    for label, theme_id in enumerate(arrays["theme_id"].tolist()):
        if (theme := _standing(themes, into, theme_id)) is not None:
            labels_of.setdefault(theme.id, []).append(label)
    groups = []
    for theme_id, labels in labels_of.items():
        theme = themes[theme_id]
        figures = figures_of(theme.stats, k)
        if figures is not None:
            rows = np.isin(arrays["label"], labels)
            groups.append(_Group(theme, figures, arrays["x"][rows], arrays["y"][rows]))
    groups.sort(key=lambda group: (-group.figures.contacts, group.theme.id))
    return groups, len(labels_of) - len(groups)


def _standing(themes: dict[int, Theme], into: dict[int, int | None], theme_id: int) -> Theme | None:
    """Return the theme whose contacts these are now; None when it is gone."""
    theme = themes.get(follow_mergers(theme_id, into))
    return None if theme is None or theme.status in GONE_STATUSES else theme


def _scale(groups: list[_Group]) -> tuple[tuple[Island, ...], bytes, tuple[int, int]]:
    """Return islands, points and (width, height) in units of which the longer side has `SIDE`."""
    if not groups:
        return (), b"", (SIDE, SIDE)
    x = np.concatenate([group.x for group in groups]).astype(np.float64)
    y = np.concatenate([group.y for group in groups]).astype(np.float64)
    left, top = x.min(), y.min()
    scale = SIDE / max(float(np.ptp(x)), float(np.ptp(y)), 1e-9)
    x, y = (x - left) * scale, (y - top) * scale
    islands, start = [], 0
    for group in groups:
        rows = slice(start, start + len(group.x))
        start = rows.stop
        islands.append(_island(group, x[rows], y[rows]))
    points = np.concatenate([x, y]).round().astype("<u2").tobytes()
    return tuple(islands), points, (int(x.max()), int(y.max()))


def _island(group: _Group, x: NDArray[np.float64], y: NDArray[np.float64]) -> Island:
    middle = (float(x.min() + x.max()) / 2, float(y.min() + y.max()) / 2)
    radius = float(np.hypot(x - middle[0], y - middle[1]).max())
    return Island(
        group.theme.id,
        group.theme.key,
        group.theme.name,
        quadrant_of(group.theme),
        group.figures,
        len(x),
        *(round(value) for value in (*middle, radius)),
    )
