"""Taking an emerging theme: a candidate with a definition of its own, and all history under it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from closedloop.config import Settings
from closedloop.domain.audit import Actor
from closedloop.domain.clock import utc_now
from closedloop.domain.errors import Conflict
from closedloop.domain.jobs import JobKind, Progress
from closedloop.domain.leftovers import rise_in_words
from closedloop.models import (
    AuditEvent,
    Contact,
    ContactText,
    EmergingState,
    EmergingTheme,
    EncodedText,
    Job,
    Theme,
)
from closedloop.services.assignment import (
    ASSIGNED,
    JOINED,
    OWNERS,
    TRIES,
    TextLabels,
    label_texts,
    labels_at_hand,
    write_owners,
)
from closedloop.services.audit import record_event
from closedloop.services.bulk import among
from closedloop.services.definitions import (
    LabelThemes,
    Model,
    ThemeMaker,
    find_current_set,
    own_maker,
    read_standing,
)
from closedloop.services.emerging import LEFT_OVER, get_emerging_to_change, refuse_decided
from closedloop.services.encoding import unpack
from closedloop.services.evidence import renew_evidence
from closedloop.services.jobs import queue_job
from closedloop.services.long_work import Report, Transactions, tell_nobody
from closedloop.services.proposals import Cluster, bear_candidate, put_in_force

STRANGERS = 2_000
"""So many left-over contacts, and as many that have a theme, narrow the new definition."""

TAKEN = "emerging.taken"

Vectors = NDArray[np.float32]
_NOTHING: Vectors = np.zeros((0, 1), np.float32)


@dataclass(frozen=True)
class TakenTheme:
    """What became of an emerging theme that was taken.

    Attributes
    ----------
    key : str
        Of the candidate.
    contacts : int
        That it holds now, of the whole history.
    from_other_themes : int
        Of these, that were in another theme: none, as long as the definitions that stood before
        claim first.
    """

    key: str
    contacts: int
    from_other_themes: int


@dataclass(frozen=True)
class _Plan:
    """A model that knows the emerging theme as its last label, and what it was made from."""

    set_id: int
    run_id: int | None
    encoder: str
    owners: LabelThemes
    model: Model


def queue_taking(session: Session, *, emerging_id: int, by: Actor) -> Job:
    """Queue the job that makes a candidate of an emerging theme.

    Raises
    ------
    NotFound
    Conflict
        If it was taken or dismissed already.
    """
    refuse_decided(get_emerging_to_change(session, emerging_id))
    arguments = {"emerging_id": emerging_id}
    return queue_job(session, kind=JobKind.ASSIGN_THEMES, arguments=arguments, by=by)


def take_emerging(
    transactions: Transactions,
    *,
    settings: Settings,
    emerging_id: int,
    by: Actor,
    report: Report = tell_nobody,
    maker: ThemeMaker | None = None,
) -> TakenTheme:
    """Make an emerging theme a candidate, and bring the whole history under its definition.

    The candidate counts as named by a person, so that no run takes it away again. A contact
    that another theme holds stays there, however surely the new one would claim it.

    Parameters
    ----------
    transactions : Transactions
        Texts are labelled outside of any; one writes everything at the end.
    settings : Settings
    emerging_id : int
    by : Actor
    report : Report
    maker : ThemeMaker, optional
        Tests pass a small one.

    Raises
    ------
    NotFound
    Conflict
        If it was decided on already, its contacts are gone, or definitions kept changing.
    """
    maker = maker or own_maker()
    with transactions() as session:
        if done := _find_done(session, emerging_id, by):
            return done
    for _ in range(TRIES):
        with transactions() as session:
            plan = _plan(session, emerging_id, maker)
        texts = label_texts(transactions, encoder=plan.encoder, model=plan.model, report=report)
        report(Progress(0, 0, "Bringing all contacts under the new theme"))
        with transactions() as session:
            taken = _apply(session, settings, emerging_id, plan, texts, by)
        if taken is not None:
            renew_evidence(transactions, settings=settings, report=report, maker=maker)
            return taken
    raise Conflict("The themes kept changing while this ran. Take the emerging theme again.")


def _find_done(session: Session, emerging_id: int, by: Actor) -> TakenTheme | None:
    """Return what the same asker got, when a worker died between that and saying so."""
    row = get_emerging_to_change(session, emerging_id)
    if row.state is not EmergingState.TAKEN or row.decided_by != by.name:
        return None
    theme = session.get_one(Theme, row.theme_id)
    event = session.scalars(
        sa.select(AuditEvent)
        .where(
            AuditEvent.verb == TAKEN,
            AuditEvent.target_kind == "theme",
            AuditEvent.target_id == theme.id,
        )
        .order_by(AuditEvent.id.desc())
        .limit(1)
    ).one()
    return TakenTheme(theme.key, event.detail["contacts"], event.detail["from_other_themes"])


def _plan(session: Session, emerging_id: int, maker: ThemeMaker) -> _Plan:
    row = get_emerging_to_change(session, emerging_id)
    refuse_decided(row)
    current = find_current_set(session, with_model=True)
    members = _read_members(session, row, current.encoder) if current else _NOTHING
    if current is None or not len(members):
        raise Conflict(
            f"The contacts of “{row.name}” are in a theme by now, or their texts are gone. "
            "There is nothing left to take."
        )
    # Imported here: it brings scikit-learn, which web workers need not load.
    from ml.themes.emerging import fit_spot

    spot = fit_spot(members, _read_strangers(session, row, current.encoder))
    model = maker.combine([maker.read_model(current.model), spot], in_turn=True)
    return _Plan(current.id, current.run_id, current.encoder, list(current.label_themes), model)


def _read_members(session: Session, row: EmergingTheme, encoder: str) -> Vectors:
    return _read(session, encoder, sa.and_(among(session, Contact.id, row.members), LEFT_OVER))


def _read_strangers(session: Session, row: EmergingTheme, encoder: str) -> Vectors:
    is_member = among(session, Contact.id, row.members)
    groups = (sa.and_(LEFT_OVER, ~is_member), Contact.theme_id.is_not(None))
    found = [_read(session, encoder, group, STRANGERS) for group in groups]
    known = [vectors for vectors in found if len(vectors)]
    return np.vstack(known) if known else _NOTHING


def _read(
    session: Session, encoder: str, condition: sa.ColumnElement[bool], most: int | None = None
) -> Vectors:
    """Read vectors in the order of their text hash, which makes the first ones a fair draw."""
    rows: Sequence[bytes] = session.scalars(
        sa.select(EncodedText.vector)
        .join(ContactText, ContactText.text_hash == EncodedText.text_hash)
        .join(Contact, Contact.id == ContactText.contact_id)
        .where(condition, EncodedText.encoder == encoder, ContactText.issue_text != "")
        .order_by(ContactText.text_hash, Contact.source, Contact.source_contact_id)
        .limit(most)
    ).all()
    vectors = unpack(rows)
    return vectors[np.abs(vectors).max(axis=1, initial=0) > 0] if len(rows) else vectors


def _apply(
    session: Session,
    settings: Settings,
    emerging_id: int,
    plan: _Plan,
    texts: TextLabels,
    by: Actor,
) -> TakenTheme | None:
    """Write everything; None when the definitions changed since the plan was made."""
    if read_standing(session, lock=True).set_id != plan.set_id:
        return None
    row = get_emerging_to_change(session, emerging_id)
    refuse_decided(row)
    themes = {theme.id: theme for theme in session.scalars(sa.select(Theme))}
    label = len(plan.owners)
    cluster = Cluster(label, row.name, [str(word) for word in row.keywords])
    theme = bear_candidate(session, None, cluster, themes, by)
    theme.is_named_by_person = True
    owners: LabelThemes = [*plan.owners, theme.id]
    with labels_at_hand(session, texts):
        write_owners(session, owners)
        contacts, from_others = _count_moves(session, theme.id)
        new = put_in_force(
            session,
            settings=settings,
            model=plan.model.to_bytes(),
            encoder=plan.encoder,
            owners=owners,
            run_id=plan.run_id,
            reason=f"Emerging theme taken as {theme.key}",
            changed={theme.id: [label]},
            relabel={number: number for number in range(label)},
        )
    row.state, row.theme_id = EmergingState.TAKEN, theme.id
    row.decided_by, row.decided_at = by.name, utc_now()
    taken = TakenTheme(theme.key, contacts, from_others)
    _record(session, settings, row, theme, taken, new.number, by)
    session.flush()
    return taken


def _count_moves(session: Session, theme_id: int) -> tuple[int, int]:
    """Return the contacts the theme gets by the labels at hand, and those from another theme."""
    moves = (
        sa.select(sa.func.count(), sa.func.count(Contact.theme_id))
        .select_from(Contact)
        .join(ContactText, ContactText.contact_id == Contact.id)
        .join(ASSIGNED, ASSIGNED.c.text_hash == ContactText.text_hash)
        .join(OWNERS, OWNERS.c.label == ASSIGNED.c.label)
        .where(JOINED, OWNERS.c.theme_id == theme_id)
    )
    row = session.execute(moves).one()
    return int(row[0]), int(row[1])


def _record(
    session: Session,
    settings: Settings,
    row: EmergingTheme,
    theme: Theme,
    taken: TakenTheme,
    number: int,
    by: Actor,
) -> None:
    why = rise_in_words(row.customers, row.customers_before, k=settings.privacy_k)
    record_event(
        session,
        by=by,
        verb=TAKEN,
        target_kind="theme",
        target_id=theme.id,
        summary=f"took the emerging theme “{row.name}” as the candidate {theme.key}: {why}",
        detail={
            "emerging": row.id,
            "definition_set": number,
            "contacts": taken.contacts,
            "from_other_themes": taken.from_other_themes,
        },
    )
