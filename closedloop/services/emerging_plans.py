"""How an emerging theme would be recognised: a model that knows it, behind all that stands."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from closedloop.domain.errors import Conflict
from closedloop.models import Contact, ContactText, EmergingTheme, EncodedText
from closedloop.services.bulk import among
from closedloop.services.definitions import LabelThemes, Model, ThemeMaker, find_current_set
from closedloop.services.emerging import LEFT_OVER
from closedloop.services.encoding import unpack, walk_vectors
from closedloop.services.labelling import assign_rows
from closedloop.services.membership import NOWHERE, read_corrections, with_text

STRANGERS = 2_000
"""So many left-over contacts, and as many that have a theme, narrow the new definition."""

Vectors = NDArray[np.float32]
_NOTHING: Vectors = np.zeros((0, 1), np.float32)


@dataclass(frozen=True)
class TakingPlan:
    """A model that knows the emerging theme as its last label, and what it was made from.

    Attributes
    ----------
    set_id, run_id : int or None
        Of the set in force.
    encoder : str
    owners : list of int or None
        Theme of each label that stands.
    model : Model
    """

    set_id: int
    run_id: int | None
    encoder: str
    owners: LabelThemes
    model: Model

    @property
    def label(self) -> int:
        """The label of what emerges."""
        return len(self.owners)


def plan_taking(session: Session, row: EmergingTheme, maker: ThemeMaker) -> TakingPlan:
    """Return a model that gives the emerging theme what the themes in force do not claim.

    Raises
    ------
    Conflict
        If none of its contacts is left over any more, or none of their texts is kept.
    """
    current = find_current_set(session, with_model=True)
    members = _read_members(session, row, current.encoder) if current else _NOTHING
    if current is None or not len(members):
        raise Conflict(
            f"The contacts of “{row.name}” are in a theme by now, or their texts are gone. "
            "There is nothing left to take."
        )
    # Imported here: it brings scipy, which web workers need not load.
    from ml.themes.emerging import fit_spot

    spot = fit_spot(members, _read_strangers(session, row, current.encoder))
    model = maker.combine([maker.read_model(current.model), spot], in_turn=True)
    return TakingPlan(
        current.id, current.run_id, current.encoder, list(current.label_themes), model
    )


def find_joining(session: Session, plan: TakingPlan) -> list[int]:
    """Return the contacts that would join the emerging theme.

    What themes in force claim stays with them, so that only left-over texts need be looked at;
    of these, what somebody put in no theme stays there.
    """
    said = read_corrections(session)
    is_left = sa.exists().where(Contact.id == ContactText.contact_id, LEFT_OVER)
    here = nullcontext(session)
    found: list[str] = []
    for hashes, vectors in walk_vectors(lambda: here, encoder=plan.encoder, condition=is_left):
        labels, _ = assign_rows(plan.model, vectors)
        found += [hashes[place] for place in np.flatnonzero(np.asarray(labels) == plan.label)]
    joining = sorted(set(found) - set(said.texts.get(NOWHERE, ())))
    ids = session.scalars(sa.select(Contact.id).where(LEFT_OVER, with_text(session, joining)))
    return sorted(set(ids) - set(said.contacts.get(NOWHERE, ())))


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
