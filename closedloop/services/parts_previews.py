"""Which contacts of the whole history would move, were parts of a run accepted."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import nullcontext

import numpy as np
import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.config import Settings
from closedloop.domain.audit import Actor
from closedloop.domain.curation import check_typed_count
from closedloop.domain.errors import Conflict, Invalid, InvalidTransition
from closedloop.domain.runs import REMADE, PartKind
from closedloop.models import Contact, ContactText, Job, RunPart, Theme
from closedloop.services.assignment import HAS_TEXT
from closedloop.services.change_previews import (
    ChangePreview,
    preview_moves,
    say_measured,
    say_unread,
)
from closedloop.services.definitions import ThemeMaker, own_maker
from closedloop.services.encoding import walk_vectors
from closedloop.services.kept_looks import look_once
from closedloop.services.labelling import assign_rows
from closedloop.services.membership import SAYS_SOMETHING, LastWords, read_corrections
from closedloop.services.merging import check_merge
from closedloop.services.parts_plans import PartsPlan, plan_parts
from closedloop.services.run_choices import preview_parts, queue_acceptance
from closedloop.services.triage import check_dismissal

_BORN = -1
"""Stands for every theme that is not there yet."""


def preview_acceptance(
    session: Session,
    *,
    run_id: int,
    part_ids: Collection[int],
    k: int,
    maker: ThemeMaker | None = None,
) -> ChangePreview:
    """Return which contacts would change their theme, were parts accepted; changes nothing.

    Every text is looked at under the definitions that accepting would put in force: some
    seconds for each hundred thousand. What was found is kept for the next pages of the list, until
    anything changes on the site; whoever confirms it looks afresh.

    Parameters
    ----------
    run_id : int
    part_ids : collection of int
    k : int
        Fewest customers that are told.
    maker : ThemeMaker, optional
        Tests pass a small one.

    Raises
    ------
    Invalid, NotFound, Conflict
        As for `preview_parts`, if the clusters of the run are no longer kept, and if a theme
        cannot be merged or dismissed as it stands.
    """
    ids = _chosen(session, run_id, part_ids)
    return look_once(session, ("parts", ids, k), maker, lambda: _look(session, ids, k, maker))


def _chosen(session: Session, run_id: int, part_ids: Collection[int]) -> tuple[int, ...]:
    chosen = preview_parts(session, run_id=run_id, part_ids=part_ids)
    ids = tuple(sorted(part.id for part in chosen.parts))
    if refusals := list_refusals(session, ids):
        raise Conflict(" ".join(refusals.values()))
    return ids


def list_refusals(session: Session, part_ids: Collection[int]) -> dict[int, str]:
    """Return a sentence by part for each merger or dismissal that cannot be taken over now.

    Parameters
    ----------
    part_ids : collection of int
        Parts of one run that wait for a decision.
    """
    parts = session.scalars(
        sa.select(RunPart)
        .where(RunPart.id.in_(sorted(part_ids)), RunPart.theme_id.is_not(None))
        .order_by(RunPart.id)
    )
    return {part.id: sentence for part in parts if (sentence := _refusal(session, part))}


def _refusal(session: Session, part: RunPart) -> str:
    theme = session.get_one(Theme, part.theme_id)
    try:
        if part.kind is PartKind.MERGED:
            check_merge(session, theme, session.get_one(Theme, part.detail["into"]))
        elif part.kind is PartKind.VANISHED:
            check_dismissal(session, theme)
    except (Conflict, Invalid, InvalidTransition) as refusal:
        return (
            f"What run {part.run_id} says of {theme.key} {theme.name} cannot be taken over as it "
            f"stands: {refusal.sentence} Leave this part out, or decline it."
        )
    return ""


def _look(
    session: Session, part_ids: Sequence[int], k: int, maker: ThemeMaker | None
) -> ChangePreview:
    wanted = sa.select(RunPart).where(RunPart.id.in_(part_ids))
    parts = session.scalars(wanted.order_by(RunPart.id)).all()
    mergers = {
        part.theme_id: int(part.detail["into"])
        for part in parts
        if part.kind is PartKind.MERGED and part.theme_id is not None
    }
    remade = [part for part in parts if part.kind in REMADE]
    if remade:
        plan = plan_parts(session, maker or own_maker(), remade)
        ids = list(_moving(session, plan, mergers))
        ids += _losing(session, plan, mergers)
    else:
        merged = sa.select(Contact.id).where(Contact.theme_id.in_(list(mergers)))
        ids = list(session.scalars(merged))
    themes = sorted({part.theme_id for part in parts if part.theme_id is not None})
    held = Contact.theme_id.in_(themes)
    notes = (*say_measured(session, [*themes, *mergers.values()]), *say_unread(session))
    return preview_moves(session, ids, held=held, k=k, notes=notes)


def queue_seen(
    session: Session,
    *,
    settings: Settings,
    run_id: int,
    part_ids: Collection[int],
    typed_count: int | None,
    by: Actor,
    maker: ThemeMaker | None = None,
) -> Job:
    """Queue the job that takes parts over and assigns the whole history anew.

    Parameters
    ----------
    settings : Settings
    run_id, part_ids, typed_count, maker
        As for `agree_to_parts`; the job moves so many contacts, or none.
    by : Actor

    Raises
    ------
    Invalid, NotFound, Conflict
        As for `agree_to_parts`.
    """
    count = agree_to_parts(
        session,
        run_id=run_id,
        part_ids=part_ids,
        typed_count=typed_count,
        k=settings.privacy_k,
        maker=maker,
    )
    return queue_acceptance(session, run_id=run_id, part_ids=part_ids, exact_count=count, by=by)


def agree_to_parts(
    session: Session,
    *,
    run_id: int,
    part_ids: Collection[int],
    typed_count: int | None,
    k: int,
    maker: ThemeMaker | None = None,
) -> int:
    """Return how many contacts taking parts over will move, held against what was typed.

    Not the contacts read alone: a run may read some of many, and each repeated text once.

    Parameters
    ----------
    run_id, part_ids, k, maker
        As for `preview_acceptance`.
    typed_count : int or None
        Contacts of the whole history that will move; asked for above `COUNT_TO_TYPE_ABOVE`.

    Raises
    ------
    Invalid, NotFound, Conflict
        As for `preview_acceptance`, and if another number was typed.
    """
    preview = _look(session, _chosen(session, run_id, part_ids), k, maker)
    check_typed_count(preview.contacts, typed_count, to_do="accept these parts")
    return preview.contacts


def _moving(session: Session, plan: PartsPlan, mergers: Mapping[int, int]) -> Iterator[int]:
    """Yield the contacts with text that would be in another theme, or in none."""
    words = LastWords(read_corrections(session))
    here = nullcontext(session)
    for hashes, vectors in walk_vectors(lambda: here, encoder=plan.encoder):
        labels, _ = assign_rows(plan.model, vectors)
        owners = _owners(plan, np.asarray(labels).tolist())
        owner_of = dict(zip(hashes, owners, strict=True))
        rows = session.execute(
            sa.select(Contact.id, Contact.theme_id, ContactText.text_hash)
            .join(ContactText, ContactText.contact_id == Contact.id)
            .where(
                ContactText.text_hash.between(hashes[0], hashes[-1]),
                SAYS_SOMETHING,
                Contact.cluster.is_not(None),
            )
        )
        for contact, at, text_hash in rows:
            if text_hash in owner_of:
                place = words.place(contact, text_hash, owner_of[text_hash])
                if at != mergers.get(place or 0, place):
                    yield contact


def _owners(plan: PartsPlan, labels: Sequence[int]) -> list[int | None]:
    """Return the theme of each label; one that is not born yet is `_BORN`."""
    owners = [_BORN if label in plan.pieces else theme for label, theme in enumerate(plan.owners)]
    return [owners[label] if label >= 0 else None for label in labels]


def _losing(session: Session, plan: PartsPlan, mergers: Mapping[int, int]) -> list[int]:
    """Return the contacts without text that move: no label carries them over, or theirs merges."""
    words = LastWords(read_corrections(session))
    carried = {*plan.relabel, *plan.joined}
    rows = session.execute(
        sa.select(Contact.id, Contact.cluster, Contact.theme_id).where(
            ~HAS_TEXT, Contact.theme_id.is_not(None)
        )
    )
    found = []
    for contact, cluster, at in rows:
        place = words.place(contact, None, at if cluster in carried else None)
        if at != mergers.get(place or 0, place):
            found.append(contact)
    return found
