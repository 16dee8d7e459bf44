"""Take over, or decline, what a run proposed about themes that people decided on.

Accepted parts of a run apply in one transaction: prototypes of a theme are made anew from the
run's cluster, a piece that was split off becomes a candidate, themes merge by a triage decision,
and the whole history stands under the new definitions before anybody sees them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.config import Settings
from closedloop.domain.audit import Actor, ActorKind
from closedloop.domain.clock import local_day, utc_now
from closedloop.domain.runs import REMADE, PartKind, PartState
from closedloop.domain.themes import ThemeStatus
from closedloop.models import Contact, DefinitionSet, RunPart, Theme, ThemeRun
from closedloop.services.assignment import (
    labels_at_hand,
    write_owners,
)
from closedloop.services.audit import record_event, record_on_theme
from closedloop.services.definitions import (
    ThemeMaker,
    get_theme_to_change,
    own_maker,
    read_standing,
)
from closedloop.services.evidence import renew_evidence
from closedloop.services.labelling import TextLabels
from closedloop.services.long_work import Report, Transactions, tell_nobody
from closedloop.services.moves import agreed_to
from closedloop.services.parts_plans import PartsPlan, plan_parts, read_parts
from closedloop.services.parts_trail import count_movers, leave_trail, read_movers, read_trail
from closedloop.services.proposals import Cluster, bear_candidate, put_in_force
from closedloop.services.remaking import remake_history
from closedloop.services.triage import dismiss_candidate, merge_themes


@dataclass(frozen=True)
class Accepted:
    """What taking parts over did.

    Attributes
    ----------
    run_id : int
    parts : int
    definition_set : int or None
        Number of the set in force now.
    new_themes : tuple of str
        Keys of candidates that wait for triage now.
    """

    run_id: int
    parts: int
    definition_set: int | None
    new_themes: tuple[str, ...] = ()


def decline_parts(session: Session, *, part_ids: Collection[int], by: Actor) -> int:
    """Decide that parts of a run are not taken over; nothing else changes.

    Returns
    -------
    int
        Parts declined.

    Raises
    ------
    Invalid
        If none is chosen, or they are of several runs.
    NotFound
    Conflict
        If one has been decided already, or a later run took its place.
    """
    parts = read_parts(session, part_ids)
    for part in parts:
        _settle(session, part, PartState.DECLINED, by)
    return len(parts)


def accept_parts(
    transactions: Transactions,
    *,
    settings: Settings,
    part_ids: Collection[int],
    by: Actor,
    exact_count: int | None = None,
    report: Report = tell_nobody,
    maker: ThemeMaker | None = None,
) -> Accepted:
    """Take parts of one run over, all of them or none.

    A job that finds its parts taken over by itself, because its worker died before saying so,
    does only what was left to do.

    Parameters
    ----------
    transactions : Transactions
        Texts are labelled outside any; one writes everything.
    settings : Settings
    part_ids : collection of int
    by : Actor
    exact_count : int, optional
        Contacts of the whole history that move, as somebody agreed to who saw all of them.
    report : Report
    maker : ThemeMaker, optional
        Tests pass a small one.

    Raises
    ------
    Invalid
        If none is chosen, or they are of several runs.
    NotFound
    Conflict
        If one has been decided already, a later run took its place, its theme is gone or took
        another in since, people kept deciding while this ran, or another number of contacts would
        move.
    InvalidTransition
        If the life of a theme has no such step; the sentence says which.
    """
    maker = maker or own_maker()
    with transactions() as session:
        done = _find_done(session, part_ids, by)
    if done is not None:
        renew_evidence(transactions, settings=settings, report=report, maker=maker)
        return done
    with transactions() as session:
        is_remade = any(part.kind in REMADE for part in read_parts(session, part_ids))
    if not is_remade:
        with transactions() as session:
            parts = read_parts(session, part_ids)
            with agreed_to(session, exact_count):
                return _finish(session, settings, parts, by, ())
    return remake_history(
        transactions,
        settings=settings,
        plan=lambda session: plan_parts(session, maker, read_parts(session, part_ids)),
        apply=lambda session, plan, texts: _apply(
            session, settings, part_ids, plan, texts, exact_count, by
        ),
        doing="Bringing all contacts under the new definitions",
        refusal="People kept deciding about themes while this ran. Accept the parts again.",
        by=by,
        report=report,
        maker=maker,
    )


def _find_done(session: Session, part_ids: Collection[int], by: Actor) -> Accepted | None:
    """Return what a job did, when its worker died between that and saying so."""
    if by.kind is not ActorKind.JOB:
        return None
    wanted = set(part_ids)
    parts = session.scalars(
        sa.select(RunPart).where(
            RunPart.id.in_(sorted(wanted)),
            RunPart.state == PartState.ACCEPTED,
            RunPart.decided_by == by.name,
        )
    ).all()
    if not wanted or len(parts) < len(wanted):
        return None
    born = [part.detail["became"] for part in parts if "became" in part.detail]
    keys = session.scalars(sa.select(Theme.key).where(Theme.id.in_(born)).order_by(Theme.id)).all()
    return Accepted(parts[0].run_id, len(parts), _current_number(session), tuple(keys))


def _current_number(session: Session) -> int | None:
    return session.scalar(sa.select(DefinitionSet.number).where(DefinitionSet.is_current))


def _apply(
    session: Session,
    settings: Settings,
    part_ids: Collection[int],
    plan: PartsPlan,
    texts: TextLabels,
    exact_count: int | None,
    by: Actor,
) -> Accepted | None:
    """Write everything; None when somebody decided something since the plan was made."""
    if read_standing(session, lock=True) != plan.standing:
        return None
    with agreed_to(session, exact_count):
        return _write(session, settings, part_ids, plan, texts, by)


def _write(
    session: Session,
    settings: Settings,
    part_ids: Collection[int],
    plan: PartsPlan,
    texts: TextLabels,
    by: Actor,
) -> Accepted:
    parts = read_parts(session, part_ids)
    run = session.get_one(ThemeRun, parts[0].run_id)
    born = _bear_pieces(session, run, plan, parts, by)
    _retire_absorbed(session, plan, run, by)
    owners = [born[label].id if label in born else owner for label, owner in enumerate(plan.owners)]
    # Every label behind those that stay is new; its theme gets its next definition.
    new_labels = range(len(plan.relabel), len(owners))
    changed: dict[int | None, list[int]] = {}
    for label in new_labels:
        changed.setdefault(owners[label], []).append(label)
    before = _count_contacts(session, changed)
    set_id, label_themes = plan.standing.set_id or 0, plan.standing.label_themes
    trail = read_trail(session, before=set_id, relabel=plan.relabel)
    with labels_at_hand(session, texts):
        write_owners(session, owners)
        moved = count_movers(session, {theme for theme in changed if theme is not None})
        movers = read_movers(session)
        new = put_in_force(
            session,
            settings=settings,
            model=plan.model.to_bytes(),
            encoder=plan.encoder,
            owners=owners,
            run_id=run.id,
            reason=f"Parts of run {run.id} accepted",
            changed=changed,
            relabel=plan.relabel,
            joined=plan.joined,
        )
    born_of = {plan.pieces[label]: theme for label, theme in born.items()}
    _note_counts(parts, born_of, before, _count_contacts(session, changed))
    leave_trail(
        session,
        trail=trail,
        movers=movers,
        parts=[part for part in parts if part.kind in REMADE],
        owners=owners,
        before_owners=label_themes,
        acceptance=new.id,
        pieces=[theme.id for theme in born.values()],
        absorbed=plan.absorbed,
        moved=moved,
        by=by,
    )
    return _finish(session, settings, parts, by, tuple(theme.key for theme in born.values()))


def _bear_pieces(
    session: Session, run: ThemeRun, plan: PartsPlan, parts: Sequence[RunPart], by: Actor
) -> dict[int, Theme]:
    """Make a candidate of each piece that leaves its theme, by its new label."""
    themes = {theme.id: theme for theme in session.scalars(sa.select(Theme))}
    by_id = {part.id: part for part in parts}
    born = {}
    for label, part_id in plan.pieces.items():
        part = by_id[part_id]
        cluster = Cluster(label, part.name, list(part.detail.get("keywords", [])))
        born[label] = bear_candidate(session, run, cluster, themes, by)
    return born


def _retire_absorbed(session: Session, plan: PartsPlan, run: ThemeRun, by: Actor) -> None:
    for theme_id in sorted(plan.absorbed):
        theme = get_theme_to_change(session, theme_id)
        theme.status = ThemeStatus.RETIRED
        summary = (
            f"retired the candidate {theme.key} {theme.name}: most of it is in a cluster of "
            f"run {run.id} that was accepted"
        )
        record_on_theme(session, by, theme, "themes.retired", summary)


def _count_contacts(session: Session, themes: Collection[int | None]) -> dict[int, int]:
    wanted = [theme for theme in themes if theme is not None]
    rows = session.execute(
        sa.select(Contact.theme_id, sa.func.count())
        .where(Contact.theme_id.in_(wanted))
        .group_by(Contact.theme_id)
    )
    return {theme: int(n) for theme, n in rows if theme is not None}


def _note_counts(
    parts: Sequence[RunPart],
    born_of: Mapping[int, Theme],
    before: Mapping[int, int],
    after: Mapping[int, int],
) -> None:
    """Note on each part the contacts of its theme, and of the candidate that was born of it."""
    for part in parts:
        if part.kind in REMADE and part.theme_id is not None:
            counts = {"before": before.get(part.theme_id, 0), "after": after.get(part.theme_id, 0)}
            part.detail = {**part.detail, **counts}
        if (theme := born_of.get(part.id)) is not None:
            part.detail = {**part.detail, "became": theme.id, "held": after.get(theme.id, 0)}


def _finish(
    session: Session, settings: Settings, parts: Sequence[RunPart], by: Actor, born: tuple[str, ...]
) -> Accepted:
    """Do what needs no new prototypes, then put every part down as accepted."""
    run = session.get_one(ThemeRun, parts[0].run_id)
    ran_on = local_day(run.started_at, settings.reporting_zone)
    reason = f"Run {run.id} of {ran_on:%-d %B %Y}"
    for part in parts:
        if part.kind is PartKind.MERGED and part.theme_id is not None:
            merge_themes(
                session,
                settings=settings,
                theme_id=part.theme_id,
                into_id=part.detail["into"],
                reason=f"{reason} found most of both in one cluster.",
                by=by,
            )
        elif part.kind is PartKind.VANISHED and part.theme_id is not None:
            dismiss_candidate(
                session, theme_id=part.theme_id, reason=f"{reason} did not find it again.", by=by
            )
        _settle(session, part, PartState.ACCEPTED, by)
    return Accepted(run.id, len(parts), _current_number(session), born)


_BECAME = {
    PartKind.GREW: "grew",
    PartKind.SHRANK: "shrank",
    PartKind.SPLIT: "split",
    PartKind.MERGED: "is one with another theme",
    PartKind.VANISHED: "was not found again",
}


def _settle(session: Session, part: RunPart, state: PartState, by: Actor) -> None:
    part.state, part.decided_by, part.decided_at = state, by.name, utc_now()
    verb = "accepted" if state is PartState.ACCEPTED else "declined"
    theme = get_theme_to_change(session, part.theme_id) if part.theme_id else None
    what = f"{theme.key} {theme.name} {_BECAME[part.kind]}" if theme else part.name
    record_event(
        session,
        by=by,
        verb=f"themes.part_{verb}",
        target_kind="theme" if theme else "site",
        target_id=theme.id if theme else None,
        summary=f"{verb} what run {part.run_id} said: {what}",
        detail={"part": part.id, "run": part.run_id, "kind": part.kind.value, **part.detail},
    )
    session.flush()
