"""The definitions that parts of a run would put in force, were they accepted."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.orm import Session, undefer

from closedloop.domain.errors import Conflict, Invalid, NotFound
from closedloop.domain.runs import REMADE, PartKind, PartState
from closedloop.domain.themes import GONE_STATUSES
from closedloop.domain.triage import Decision
from closedloop.models import RunLabels, RunPart, Theme, ThemeRun, TriageDecision
from closedloop.services.decisions import status_in_words
from closedloop.services.definitions import (
    LabelThemes,
    Model,
    Standing,
    ThemeMaker,
    find_current_set,
    read_standing,
)
from closedloop.services.repeats import take_turn

DECIDED = {
    PartState.ACCEPTED: "accepted",
    PartState.DECLINED: "declined",
    PartState.SUPERSEDED: "superseded by a later run",
}


@dataclass
class PartsPlan:
    """A set to put in force: labels that stay, and clusters that take the place of others.

    Attributes
    ----------
    relabel, joined : dict of int to int
        Old labels to new: those that stay; those whose theme is made anew.
    owners : list of int or None
        Theme of each new label; None for a piece that becomes a theme of its own.
    pieces : dict of int to RunPart id
        New labels of these pieces.
    absorbed : frozenset of int
        Untouched candidates of which an accepted cluster holds most: they are part of it now.
    """

    standing: Standing
    model: Model
    encoder: str
    owners: LabelThemes
    relabel: dict[int, int]
    joined: dict[int, int]
    pieces: dict[int, int] = field(default_factory=dict)
    absorbed: frozenset[int] = frozenset()


def read_parts(session: Session, part_ids: Collection[int]) -> Sequence[RunPart]:
    """Return the parts, locked, those that make themes anew first.

    Raises
    ------
    Invalid
        If none is chosen, or they are of several runs.
    NotFound
    Conflict
        If one has been decided already, or a later run took its place.
    """
    wanted = sorted(set(part_ids))
    if not wanted:
        raise Invalid("Choose at least one part.")
    take_turn(session)
    parts = session.scalars(
        sa.select(RunPart)
        .where(RunPart.id.in_(wanted))
        .order_by(RunPart.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()
    if missing := set(wanted) - {part.id for part in parts}:
        raise NotFound(f"There is no part {min(missing)} of a run.")
    if len({part.run_id for part in parts}) > 1:
        raise Invalid("These parts are of several runs. Decide about one run at a time.")
    for part in parts:
        if part.state is not PartState.PROPOSED:
            raise Conflict(f"Part {part.id} of run {part.run_id} is {DECIDED[part.state]} already.")
    return sorted(parts, key=lambda part: (part.kind not in REMADE, part.id))


def plan_parts(session: Session, maker: ThemeMaker, parts: Sequence[RunPart]) -> PartsPlan:
    """Return the set that parts would put in force; changes nothing.

    Raises
    ------
    Conflict
        If the clusters of the run are no longer kept, a theme is gone, or another one was merged
        into it since the run.
    """
    standing = read_standing(session)
    current = find_current_set(session, with_model=True)
    kept = session.scalar(
        sa.select(RunLabels)
        .where(RunLabels.run_id == parts[0].run_id)
        .options(undefer(RunLabels.model))
    )
    run = session.get_one(ThemeRun, parts[0].run_id)
    if current is None or kept is None or kept.model is None or run.encoder != current.encoder:
        raise Conflict(
            f"The clusters of run {run.id} are no longer kept. Look for themes again, and decide "
            "about the parts of that run."
        )
    clusters = _choose_clusters(session, parts)
    remade = {theme for _, theme, _ in clusters if theme is not None}
    label_themes = current.label_themes
    absorbed = _absorbed(parts, [cluster for cluster, _, _ in clusters]) & standing.waiting
    goes = remade | set(absorbed)
    stays = [label for label, theme in enumerate(label_themes) if theme not in goes]
    models = [maker.read_model(current.model).restrict(stays)] if stays else []
    look = maker.read_model(kept.model)
    models.append(look.restrict([cluster for cluster, _, _ in clusters]))
    owners = [label_themes[old] for old in stays] + [theme for _, theme, _ in clusters]
    first = {theme: owners.index(theme) for theme in remade}
    return PartsPlan(
        standing=standing,
        model=maker.combine(models),
        encoder=current.encoder,
        owners=owners,
        relabel={old: new for new, old in enumerate(stays)},
        joined={
            old: first[theme]
            for old, theme in enumerate(label_themes)
            if theme is not None and theme in remade
        },
        pieces={
            len(stays) + place: part
            for place, (_, _, part) in enumerate(clusters)
            if part is not None
        },
        absorbed=absorbed,
    )


def _absorbed(parts: Sequence[RunPart], clusters: Collection[int]) -> frozenset[int]:
    return frozenset(
        candidate
        for part in parts
        for cluster, candidates in part.detail.get("absorbs", {}).items()
        if int(cluster) in clusters
        for candidate in candidates
    )


def _choose_clusters(
    session: Session, parts: Sequence[RunPart]
) -> list[tuple[int, int | None, int | None]]:
    """Return cluster, theme and part of what is made anew; no theme for a piece that leaves it.

    Of a theme that split, pieces nobody accepted stay with it.
    """
    leaving = {part.detail["cluster"]: part.id for part in parts if part.kind is PartKind.SPLIT}
    chosen: dict[int, tuple[int | None, int | None]] = {}
    for part in parts:
        if part.kind not in REMADE or part.theme_id is None:
            continue
        _check_standing(session, part)
        for cluster in part.detail.get("pieces") or [part.detail["cluster"]]:
            leaves = leaving.get(cluster) if part.kind is PartKind.SPLIT else None
            chosen[cluster] = (None, leaves) if leaves else (part.theme_id, None)
    return [(cluster, *owner) for cluster, owner in sorted(chosen.items())]


def _check_standing(session: Session, part: RunPart) -> None:
    theme = session.get_one(Theme, part.theme_id)
    if theme.status in GONE_STATUSES:
        raise Conflict(
            f"{theme.key} is {status_in_words(theme.status)} now, so part {part.id} has nothing "
            "to change. Decline it."
        )
    _check_not_merged_into(session, part, theme)


def _check_not_merged_into(session: Session, part: RunPart, theme: Theme) -> None:
    """Refuse a part from before a merge: it would make the theme anew without what was merged in.

    Mergers that the same run found are no obstacle: its clusters know of them.
    """
    run = session.get_one(ThemeRun, part.run_id)
    last = run.manifest.get("last_decision")  # early runs do not say it
    is_later = (
        TriageDecision.decided_at > run.finished_at if last is None else TriageDecision.id > last
    )
    later = session.scalars(
        sa.select(TriageDecision)
        .where(
            TriageDecision.decision == Decision.MERGE,
            TriageDecision.undone_at.is_(None),
            is_later,
        )
        .order_by(TriageDecision.id)
    )
    found = session.scalars(
        sa.select(RunPart.theme_id).where(
            RunPart.run_id == run.id,
            RunPart.kind == PartKind.MERGED,
            RunPart.state == PartState.ACCEPTED,
        )
    ).all()
    for decision in later:
        if decision.detail["into"] == theme.id and decision.theme_id not in found:
            raise Conflict(
                f"{decision.theme.key} was merged into {theme.key} since run {run.id}, by "
                f"{decision.decided_by}, and part {part.id} knows nothing of that. Decline it and "
                "look for themes again, or undo that merge first."
            )
