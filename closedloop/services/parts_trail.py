"""What accepted parts of a run leave behind, so that every contact can go back where it was."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.domain.audit import Actor
from closedloop.models import Contact, ContactText, RunPart, Theme, ThemeChange
from closedloop.models.curation import ChangeKind
from closedloop.services.assignment import ASSIGNED, HAS_TEXT, OWNERS
from closedloop.services.definitions import changes_with_labels, labels_of
from closedloop.services.describing import note_change
from closedloop.services.membership import owner_of_cluster
from closedloop.services.proposals import standing_merges

NAMED_LABELS = ("labels", "passed", "branches")
"""Where the detail of a change names labels."""


@dataclass(frozen=True)
class Trail:
    """How things stood before parts were accepted, as JSON can hold it.

    Attributes
    ----------
    before : int
        Definition set in force until then.
    relabel : list of [int, int]
        Labels of that set that stayed, old and new.
    merges, changes : dict of str to dict
        Labels that merges and changes named, by the number of each.
    wordless : list of [contact, cluster, theme, confidence]
        Contacts without text that no label carries over.
    """

    before: int
    relabel: list[list[int]]
    merges: dict[str, list[int]]
    changes: dict[str, dict[str, Any]]
    wordless: list[list[Any]]


def read_trail(session: Session, *, before: int, relabel: Mapping[int, int]) -> Trail:
    """Return what is lost when labels other than those of `relabel` go.

    Parameters
    ----------
    before : int
        The set in force.
    relabel : mapping of int to int
        Labels that stay, old to new.
    """
    stays = Contact.cluster.in_(list(relabel))
    lost = sa.or_(Contact.theme_id.is_not(None), Contact.cluster != -1)
    rows = session.execute(
        sa.select(Contact.id, Contact.cluster, Contact.theme_id, Contact.theme_confidence)
        .where(~HAS_TEXT, Contact.cluster.is_not(None), ~stays, lost)
        .order_by(Contact.id)
    )
    return Trail(
        before=before,
        relabel=[[old, new] for old, new in sorted(relabel.items())],
        merges={str(m.id): list(m.detail.get("labels", [])) for m in standing_merges(session)},
        changes={
            str(change.id): {n: change.detail[n] for n in NAMED_LABELS if n in change.detail}
            for change in changes_with_labels(session)
        },
        wordless=[list(row) for row in rows],
    )


def count_movers(session: Session, theme_ids: Collection[int]) -> dict[int, int]:
    """Count the contacts that join or leave each theme under the labels and owners at hand."""
    moves = Contact.theme_id.is_distinct_from(OWNERS.c.theme_id)
    found = {}
    for theme in sorted(theme_ids):
        concerned = sa.or_(Contact.theme_id == theme, OWNERS.c.theme_id == theme)
        query = (
            sa.select(sa.func.count())
            .select_from(Contact)
            .join(ContactText, ContactText.contact_id == Contact.id)
            .join(ASSIGNED, ASSIGNED.c.text_hash == ContactText.text_hash)
            .join(OWNERS, OWNERS.c.label == ASSIGNED.c.label)
            .where(ContactText.issue_text != "", moves, concerned)
        )
        found[theme] = session.scalar(query) or 0
    return found


def read_movers(session: Session) -> list[list[Any]]:
    """Return the contacts with text that go to another theme under the labels and owners at hand.

    Their texts may expire before that is taken back, and then nothing else says where they were.

    Returns
    -------
    list of [contact, cluster, confidence]
        As the set in force has them; confidence to four digits.
    """
    rows = session.execute(
        sa.select(Contact.id, Contact.cluster, Contact.theme_confidence)
        .join(ContactText, ContactText.contact_id == Contact.id)
        .join(ASSIGNED, ASSIGNED.c.text_hash == ContactText.text_hash)
        .join(OWNERS, OWNERS.c.label == ASSIGNED.c.label)
        .where(
            ContactText.issue_text != "",
            Contact.cluster.is_not(None),
            owner_of_cluster(session).is_distinct_from(OWNERS.c.theme_id),
        )
        .order_by(Contact.id)
    )
    return [
        [contact, cluster, None if confidence is None else round(confidence, 4)]
        for contact, cluster, confidence in rows
    ]


def leave_trail(
    session: Session,
    *,
    trail: Trail,
    movers: Sequence[list[Any]],
    parts: Sequence[RunPart],
    owners: Sequence[int | None],
    before_owners: Sequence[int | None],
    acceptance: int,
    pieces: Collection[int],
    absorbed: Collection[int],
    moved: Mapping[int, int],
    by: Actor,
) -> list[ThemeChange]:
    """Write a change down for each theme that was made anew; the first holds what all share.

    Parameters
    ----------
    trail : Trail
    movers : sequence of [contact, cluster, confidence]
        As `read_movers` found them.
    parts : sequence of RunPart
        That make themes anew.
    owners, before_owners : sequence of int or None
        Theme of each label, now and before.
    acceptance : int
        The set now in force.
    pieces, absorbed : collection of int
        Themes that were born and candidates that were retired.
    moved : mapping of int to int
        Theme to the contacts that joined or left it.
    by : Actor
    """
    shared: dict[str, Any] = {
        **vars(trail),
        "movers": list(movers),
        "acceptance": acceptance,
        "pieces": sorted(pieces),
        "absorbed": sorted(absorbed),
    }
    changes: list[ThemeChange] = []
    for theme_id in sorted({part.theme_id for part in parts if part.theme_id is not None}):
        mine = [part for part in parts if part.theme_id == theme_id]
        detail = {
            "run": mine[0].run_id,
            "parts": [part.id for part in mine],
            "kinds": [part.kind.value for part in mine],
            "labels": labels_of(owners, theme_id),
            "old": labels_of(before_owners, theme_id),
            **({"with": changes[0].id} if changes else shared),
        }
        changes.append(
            note_change(
                session,
                theme=session.get_one(Theme, theme_id),
                kind=ChangeKind.PARTS,
                by=by,
                contacts=moved.get(theme_id, 0),
                detail=detail,
            )
        )
    return changes
