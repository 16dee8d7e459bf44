"""The way back to what themes were before parts of a run were accepted, or a theme was taken."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session, undefer

from closedloop.domain.errors import Conflict
from closedloop.domain.themes import ThemeStatus
from closedloop.models import DefinitionSet, Theme, ThemeChange
from closedloop.services.definitions import (
    LabelThemes,
    Model,
    Standing,
    ThemeMaker,
    find_current_set,
    labels_of,
    read_standing,
)


@dataclass(frozen=True)
class Way:
    """A set to put in force so that themes are what they were.

    Attributes
    ----------
    relabel : dict of int to int
        Labels of today that stay, to those of the set.
    joined : dict of int to int
        Labels that go, to one of the theme they came from.
    is_whole : bool
        The set before comes back label by label.
    """

    standing: Standing
    model: Model
    content: bytes
    encoder: str
    owners: LabelThemes
    relabel: dict[int, int]
    joined: dict[int, int]
    is_whole: bool


def themes_by_id(session: Session, ids: Iterable[int]) -> Sequence[Theme]:
    """Return themes as they stand now, by number."""
    query = sa.select(Theme).where(Theme.id.in_(list(ids))).order_by(Theme.id)
    return session.scalars(query.execution_options(populate_existing=True)).all()


def find_way(session: Session, maker: ThemeMaker, changes: Sequence[ThemeChange]) -> Way:
    """Return the way back from what was accepted together.

    Parameters
    ----------
    maker : ThemeMaker
    changes : sequence of ThemeChange
        The one that holds what all share first.

    Raises
    ------
    Conflict
        If other definitions say by now what the themes are.
    """
    current = find_current_set(session, with_model=True)
    detail = changes[0].detail
    made, before = (_read_set(session, detail[name]) for name in ("acceptance", "before"))
    if current is None or current.encoder != before.encoder:
        raise Conflict(
            "The themes in force were defined with another encoder since. "
            "This can no longer be taken back."
        )
    _check_labels(session, current, changes)
    standing = read_standing(session)
    if current.model == made.model:
        return _whole_way(session, maker, standing, current, before, changes)
    return _partial_way(maker, standing, current, before, changes)


def _read_set(session: Session, set_id: int) -> DefinitionSet:
    return session.get_one(DefinitionSet, set_id, options=[undefer(DefinitionSet.model)])


def _check_labels(session: Session, current: DefinitionSet, changes: Sequence[ThemeChange]) -> None:
    for change in changes:
        labels = change.detail["labels"]
        if not labels or not set(labels) <= set(labels_of(current.label_themes, change.theme_id)):
            key = session.get_one(Theme, change.theme_id).key
            raise Conflict(
                f"Another definition says what {key} is now. This can no longer be taken back; "
                "look for themes again, and decide about the parts of that run."
            )


def _whole_way(
    session: Session,
    maker: ThemeMaker,
    standing: Standing,
    current: DefinitionSet,
    before: DefinitionSet,
    changes: Sequence[ThemeChange],
) -> Way:
    """Return the way back to the set before, with what people decided about other themes since."""
    detail = changes[0].detail
    owners = list(before.label_themes)
    for old, new in detail["relabel"]:
        owners[old] = current.label_themes[new]
    found = themes_by_id(session, detail["absorbed"])
    lost = {theme.id for theme in found if theme.status is not ThemeStatus.RETIRED}
    owners = [None if owner in lost else owner for owner in owners]
    homes = {change.id: change.detail["old"][0] for change in changes if change.detail["old"]}
    return Way(
        standing=standing,
        model=maker.read_model(before.model),
        content=before.model,
        encoder=before.encoder,
        owners=owners,
        relabel={new: old for old, new in detail["relabel"]},
        joined=_joined(changes, homes, current),
        is_whole=True,
    )


def _partial_way(
    maker: ThemeMaker,
    standing: Standing,
    current: DefinitionSet,
    before: DefinitionSet,
    changes: Sequence[ThemeChange],
) -> Way:
    """Return the way to what is in force, but for the themes of the parts."""
    pieces = set(changes[0].detail["pieces"])
    goes = {label for change in changes for label in change.detail["labels"]}
    label_themes = current.label_themes
    stays = [
        label
        for label, theme in enumerate(label_themes)
        if label not in goes and theme not in pieces
    ]
    back = [(label, change) for change in changes for label in change.detail["old"]]
    homes: dict[int, int] = {}
    for place, (_, change) in enumerate(back):
        homes.setdefault(change.id, len(stays) + place)
    models = [maker.read_model(current.model).restrict(stays)] if stays else []
    if back:  # a theme that was taken while it emerged was nothing before
        models.append(maker.read_model(before.model).restrict([label for label, _ in back]))
    if not models:
        raise Conflict("No other theme is left. Retire this one instead.")
    model = maker.combine(models)
    return Way(
        standing=standing,
        model=model,
        content=model.to_bytes(),
        encoder=before.encoder,
        owners=[label_themes[label] for label in stays] + [c.theme_id for _, c in back],
        relabel={old: new for new, old in enumerate(stays)},
        joined=_joined(changes, homes, current),
        is_whole=False,
    )


def _joined(
    changes: Sequence[ThemeChange], homes: Mapping[int, int], current: DefinitionSet
) -> dict[int, int]:
    """Return where contacts without text go whose label goes: home to its theme."""
    joined = {
        label: homes[change.id]
        for change in changes
        if change.id in homes
        for label in change.detail["labels"]
    }
    home = next(iter(homes.values()), None)
    if home is not None:
        pieces = changes[0].detail["pieces"]
        joined |= {
            label: home for label, owner in enumerate(current.label_themes) if owner in pieces
        }
    return joined
