"""Which themes a measurement adds up, and with which other changes it is measured as one."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.domain.errors import NotMeasurable
from closedloop.domain.impact_overlap import GoLive, Overlap, find_overlap
from closedloop.domain.themes import ThemeStatus
from closedloop.models import Intervention, Theme, ThemeDefinition
from closedloop.services.impact_inputs import ThemeName, find_family
from closedloop.services.impact_shared import SharedReads


def check_defined(session: Session, theme: Theme, shared: SharedReads) -> int:
    """Return the number of the theme's definition.

    Raises
    ------
    NotMeasurable
        If the set in force gives the theme no contacts.
    """
    latest = session.execute(
        sa.select(ThemeDefinition.number, ThemeDefinition.definition_set_id)
        .where(ThemeDefinition.theme_id == theme.id)
        .order_by(ThemeDefinition.number.desc())
        .limit(1)
    ).one_or_none()
    in_force = theme.id in shared.label_themes
    if latest is None or not (in_force or latest.definition_set_id == shared.definition_set_id):
        raise NotMeasurable(
            f"{theme.key} has no definition in the current set, so no contact can be counted "
            "for it. Discover themes again, or merge it into the theme that took its place."
        )
    number: int = latest.number
    return number


def check_overlap(intervention: Intervention, shared: SharedReads, as_of: date) -> Overlap:
    """Return with which other changes it is measured.

    Raises
    ------
    NotMeasurable
        If it cannot be told from another change, or a later one has taken over.
    """
    known = {one.id: one for one in shared.go_lives}
    mine = known.get(intervention.id) or _go_live_of(intervention)
    others = [one for one in shared.go_lives if one.id != mine.id]
    overlap = find_overlap(mine, others, as_of=as_of)
    if overlap.refusal:
        raise NotMeasurable(overlap.refusal)
    return overlap


def _go_live_of(intervention: Intervention) -> GoLive:
    also = intervention.plan.get("also") or []
    return GoLive(
        intervention.id,
        intervention.action.key,
        intervention.action.title,
        intervention.went_live_on,
        intervention.rollout_days,
        frozenset({intervention.theme_id, *(one["id"] for one in also)}),
    )


def name_touched(
    session: Session, theme_ids: Collection[int], theme: Theme, shared: SharedReads
) -> tuple[ThemeName, ...]:
    """Return the themes that are added up, the action's own first.

    One that was merged into another of them is counted there.

    Raises
    ------
    NotMeasurable
        If one has no definition in the current set, or was merged into a theme that the change
        does not touch, so that its contacts would be missing from the sum.
    """
    own = ThemeName(theme.id, theme.key, theme.name)
    others = sorted(set(theme_ids) - {theme.id})
    if not others:
        return (own,)
    rows = session.execute(
        sa.select(Theme.id, Theme.key, Theme.name, Theme.status, Theme.merged_into_id)
        .where(Theme.id.in_(others))
        .order_by(Theme.id)
    ).all()
    found = [own]
    for row in rows:
        if row.status is ThemeStatus.MERGED:
            if row.merged_into_id not in theme_ids:
                raise NotMeasurable(
                    f"{row.key}, which this change also touches, was merged into a theme that it "
                    "does not touch, so its contacts can no longer be told from others."
                )
        elif row.id in shared.label_themes:
            found.append(ThemeName(row.id, row.key, row.name))
        else:
            raise NotMeasurable(
                f"{row.key}, which this change also touches, has no definition in the current "
                "set, so no contact can be counted for it. Discover themes again, or merge it "
                "into the theme that took its place."
            )
    return tuple(found)


def family_of(session: Session, intervention: Intervention, touched: Collection[int]) -> list[int]:
    """Return the family as declared when it was shipped, by likeness where none was."""
    declared = intervention.plan.get("family")
    if declared is None:
        return find_family(session, intervention.theme_id, touched)
    return [theme_id for theme_id in declared if theme_id not in touched]
