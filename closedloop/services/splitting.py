"""Splitting a theme by examples: what would leave it, and the definitions that say so."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from closedloop.domain.errors import Conflict, Invalid
from closedloop.models import Contact, ContactText, DefinitionSet, EncodedText, Theme
from closedloop.models.curation import ThemeCorrection
from closedloop.services.bulk import among
from closedloop.services.definitions import Model, ThemeMaker, find_current_set, labels_of
from closedloop.services.encoding import unpack
from closedloop.services.labelling import assign_rows
from closedloop.services.membership import (
    SAYS_SOMETHING,
    STANDS,
    LastWords,
    merged_into,
    read_corrections,
    with_text,
)

MEMBERS_READ = 5_000
TEXTS_AT_ONCE = 2_000

_SPLIT_OFF = -1
"""Stands for the theme that is not there yet."""

Vectors = NDArray[np.float32]


@dataclass
class SplitPlan:
    """What a split would put in force.

    Attributes
    ----------
    model : Model
        Knows the part that leaves under labels of its own.
    branches : list of (int, int)
        Label of the theme, label of what leaves it.
    passed : list of int
        Labels of the theme all of whose texts leave.
    leaving : dict of int to list of str
        New label to the hashes of the texts that get it.
    """

    current: DefinitionSet
    model: Model
    branches: list[tuple[int, int]] = field(default_factory=list)
    passed: list[int] = field(default_factory=list)
    leaving: dict[int, list[str]] = field(default_factory=dict)

    @property
    def labels(self) -> list[int]:
        """Labels of what leaves."""
        return sorted([*self.passed, *(new for _, new in self.branches)])


def plan_split(
    session: Session, *, theme: Theme, contact_ids: Sequence[int], maker: ThemeMaker
) -> SplitPlan:
    """Work out which texts of a theme are like the examples; changes nothing.

    Parameters
    ----------
    theme : Theme
    contact_ids : sequence of int
        Contacts of the theme, picked as examples of what is to leave.
    maker : ThemeMaker

    Raises
    ------
    Invalid
        If nothing was picked, an example says nothing, or all of the theme is like them.
    Conflict
        If the theme has no definition to split.
    """
    current = find_current_set(session, with_model=True)
    labels = labels_of(current.label_themes, theme.id) if current else []
    if current is None or not labels:
        raise Conflict(
            f"{theme.key} has no definition of its own, so that nothing says which contacts are "
            "alike. Move contacts one by one instead."
        )
    examples = _read_examples(session, current.encoder, contact_ids)
    plan = SplitPlan(current, maker.read_model(current.model))
    members = _read_members(session, current.encoder, labels, contact_ids)
    if not len(members):
        raise _all_alike(theme)
    for label in labels:
        _split_label(session, plan, label, members, examples)
    if set(plan.passed) == set(labels):
        raise _all_alike(theme)
    return plan


def _all_alike(theme: Theme) -> Invalid:
    sentence = (
        f"Every contact of {theme.key} is like these examples, so that nothing would be left. "
        "Pick fewer, or only such as really differ; or give the theme another name."
    )
    return Invalid(sentence, {"examples": sentence})


def _read_examples(session: Session, encoder: str, contact_ids: Sequence[int]) -> Vectors:
    rows = session.execute(
        sa.select(ContactText.text_hash, EncodedText.vector)
        .distinct()
        .join(EncodedText, EncodedText.text_hash == ContactText.text_hash)
        .where(
            among(session, ContactText.contact_id, contact_ids),
            SAYS_SOMETHING,
            EncodedText.encoder == encoder,
        )
        .order_by(ContactText.text_hash)
    ).all()
    if not rows:
        sentence = (
            "None of the contacts picked holds words that have been read. "
            "Pick contacts that say what the new theme is about."
        )
        raise Invalid(sentence, {"examples": sentence})
    return unpack([row[1] for row in rows])


def _split_label(
    session: Session, plan: SplitPlan, label: int, members: Vectors, examples: Vectors
) -> None:
    """Branch off what is like the examples, or pass the label on whole."""
    try:
        model = plan.model.branch(label, members=members, examples=examples)
    except ValueError:  # all of it is like the examples
        plan.passed.append(label)
        return
    new = model.n_themes - 1
    leaving: list[str] = []
    n_texts = 0
    for hashes, vectors in _walk_label(session, plan.current.encoder, label):
        found, _ = assign_rows(model, vectors)
        leaving += [hashes[place] for place in np.flatnonzero(np.asarray(found) == new)]
        n_texts += len(hashes)
    if n_texts and len(leaving) == n_texts:
        plan.passed.append(label)
    elif leaving:
        plan.model = model
        plan.branches.append((label, new))
        plan.leaving[new] = leaving


def _texts_of(labels: Sequence[int], encoder: str) -> sa.Select[str, bytes]:
    has_label = sa.exists().where(Contact.id == ContactText.contact_id, Contact.cluster.in_(labels))
    return (
        sa.select(ContactText.text_hash, EncodedText.vector)
        .distinct()
        .join(EncodedText, EncodedText.text_hash == ContactText.text_hash)
        .where(SAYS_SOMETHING, EncodedText.encoder == encoder, has_label)
        .order_by(ContactText.text_hash)
    )


def _read_members(
    session: Session, encoder: str, labels: Sequence[int], contact_ids: Sequence[int]
) -> Vectors:
    """Read texts of the theme but the examples; in the order of their hash, a fair draw."""
    picked = sa.select(ContactText.text_hash).where(
        among(session, ContactText.contact_id, contact_ids)
    )
    texts = _texts_of(labels, encoder).where(ContactText.text_hash.not_in(picked))
    rows = session.execute(texts.limit(MEMBERS_READ)).all()
    return unpack([row[1] for row in rows])


def _walk_label(session: Session, encoder: str, label: int) -> Iterator[tuple[list[str], Vectors]]:
    after = ""
    while True:
        page = _texts_of([label], encoder).where(ContactText.text_hash > after).limit(TEXTS_AT_ONCE)
        rows = session.execute(page).all()
        if not rows:
            return
        after = rows[-1][0]
        yield [row[0] for row in rows], unpack([row[1] for row in rows])


def leaving_contacts(session: Session, plan: SplitPlan, theme: Theme) -> list[int]:
    """Return the contacts that would leave the theme, the examples not counted.

    Those that somebody said belong to it, or to what was merged into it, stay.
    """
    parts: list[sa.ColumnElement[bool]] = [Contact.cluster.in_(plan.passed)]
    for source, new in plan.branches:
        parts.append(sa.and_(Contact.cluster == source, with_text(session, plan.leaving[new])))
    leaving = sa.and_(Contact.theme_id == theme.id, sa.or_(*parts))
    words = LastWords(read_corrections(session))
    rows = session.execute(
        sa.select(Contact.id, ContactText.text_hash)
        .outerjoin(ContactText, sa.and_(ContactText.contact_id == Contact.id, SAYS_SOMETHING))
        .where(leaving, words.about(session))
    )
    kept = {
        contact
        for contact, text_hash in rows
        if words.place(contact, text_hash, _SPLIT_OFF) != _SPLIT_OFF
    }
    return sorted(set(session.scalars(sa.select(Contact.id).where(leaving))) - kept)


def strangers_to(session: Session, theme: Theme) -> list[int]:
    """Return the contacts said not to belong to a theme, nor anywhere else.

    They do not belong to a part of it either.
    """
    words = LastWords(read_corrections(session))
    rows = session.execute(
        sa.select(ThemeCorrection.contact_id, ThemeCorrection.text_hash)
        .distinct()
        .where(
            ThemeCorrection.theme_id.in_(merged_into(session, theme.id)),
            ~ThemeCorrection.belongs,
            STANDS,
        )
    )
    return sorted(
        {contact for contact, said in rows if words.place(contact, said, theme.id) is None}
    )
