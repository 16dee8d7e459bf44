"""What a merge does to definitions and contacts, and how it is taken apart again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.config import Settings
from closedloop.domain.actions import SHIPPED_ACTIONS
from closedloop.domain.audit import Actor
from closedloop.domain.errors import Conflict, Invalid, InvalidTransition
from closedloop.domain.themes import GONE_STATUSES, ThemeStatus, check_theme_move
from closedloop.models import Action, Contact, Theme, ThemeEvidence
from closedloop.services.audit import record_event
from closedloop.services.bulk import among
from closedloop.services.definitions import (
    LabelThemes,
    add_set,
    define,
    find_current_set,
    get_theme_to_change,
    labels_of,
)
from closedloop.services.drift import refresh_weeks
from closedloop.services.membership import find_loose
from closedloop.services.repeats import chain_contacts
from closedloop.services.rollups import roll_up_days


def check_merge(session: Session, theme: Theme, into: Theme) -> None:
    """Refuse a merge that would lose something.

    Raises
    ------
    Invalid
    InvalidTransition
    Conflict
    """
    if theme.id == into.id:
        sentence = "A theme cannot be merged into itself. Choose another one."
        raise Invalid(sentence, {"into_id": sentence})
    if theme.status in GONE_STATUSES:
        raise InvalidTransition(f"{theme.key} is {theme.status.value} already.")
    if into.status in GONE_STATUSES:
        raise InvalidTransition(
            f"{into.key} is {into.status.value} and takes no contacts. Choose a theme in use."
        )
    shipped = session.scalar(
        sa.select(Action.key)
        .where(Action.theme_id == theme.id, Action.status.in_(SHIPPED_ACTIONS))
        .order_by(Action.id)
        .limit(1)
    )
    if shipped:
        raise Conflict(
            f"The action {shipped} of {theme.key} has been shipped, and its effect is measured on "
            f"the contacts of {theme.key} alone. Merge the other theme into this one instead."
        )
    check_theme_move(theme.status, ThemeStatus.MERGED)
    if theme.status is not ThemeStatus.CANDIDATE and into.status is ThemeStatus.CANDIDATE:
        raise InvalidTransition(
            f"{into.key} still waits for triage. Merge it into {theme.key}, which is agreed."
        )


def merge_labels(
    session: Session, *, settings: Settings, theme: Theme, into: Theme, by: Actor
) -> dict[str, Any]:
    """Move labels, contacts and unfinished actions to the other theme.

    Returns
    -------
    dict
        What `part_labels` needs to take it apart again.
    """
    held = session.scalars(sa.select(Contact.id).where(Contact.theme_id == theme.id)).all()
    loose = find_loose(session, held)
    labels = _pass_labels(session, theme, into)
    moved = _pass_contacts(session, settings, Contact.theme_id == theme.id, into.id)
    actions = list(
        session.scalars(sa.select(Action.id).where(Action.theme_id == theme.id).order_by(Action.id))
    )
    _pass_actions(session, actions, into, by)
    return {
        "into": into.id,
        "labels": labels,
        "loose": loose,
        "contacts": moved,
        "actions": actions,
    }


def part_labels(
    session: Session, *, settings: Settings, theme: Theme, detail: dict[str, Any], by: Actor
) -> None:
    """Give a merged theme back what it had, and what came in under its labels since.

    Raises
    ------
    Conflict
        If an action that moved along has been shipped, or the labels are no longer known.
    """
    into = get_theme_to_change(session, detail["into"])
    labels, actions = detail["labels"], detail["actions"]
    shipped = session.scalar(
        sa.select(Action.key).where(Action.id.in_(actions), Action.status.in_(SHIPPED_ACTIONS))
    )
    if shipped:
        raise Conflict(
            f"The action {shipped} has been shipped for both themes together since. "
            "The merge can no longer be undone."
        )
    loose = detail.get("loose")
    if detail["contacts"] and not labels and loose is None:  # early merges did not note it
        raise Conflict(
            f"Which contacts of {into.key} came from {theme.key} is no longer known. "
            "The merge can no longer be undone."
        )
    _return_labels(session, theme, into, labels)
    own = (loose or {}).get(str(theme.id), [])
    known = sa.or_(Contact.cluster.in_(labels), among(session, Contact.id, own))
    belongs = sa.and_(Contact.theme_id == into.id, known)
    _pass_contacts(session, settings, belongs, theme.id)
    _pass_actions(session, actions, theme, by)


def _pass_labels(session: Session, theme: Theme, into: Theme) -> list[int]:
    current = find_current_set(session, with_model=True)
    labels = labels_of(current.label_themes, theme.id) if current else []
    if labels:
        _new_set(session, labels, into, into, f"{theme.key} merged into {into.key}")
    return labels


def _return_labels(session: Session, theme: Theme, into: Theme, labels: Sequence[int]) -> None:
    if labels:
        reason = f"Merge of {theme.key} into {into.key} undone"
        _new_set(session, labels, theme, into, reason)


def _new_set(
    session: Session, labels: Sequence[int], owner: Theme, changed: Theme, reason: str
) -> None:
    """Put a set in force in which the labels belong to `owner`; the model stays the same.

    `changed` is the theme whose definition is another now: the one merged into, both ways.
    """
    current = find_current_set(session, with_model=True)
    if current is None:
        return
    owners: LabelThemes = list(current.label_themes)
    for label in labels:
        owners[label] = owner.id
    new = add_set(
        session,
        model=current.model,
        encoder=current.encoder,
        label_themes=owners,
        run_id=current.run_id,
        reason=reason,
    )
    define(session, theme_id=changed.id, set_id=new.id, labels=labels_of(owners, changed.id))


def _pass_contacts(
    session: Session, settings: Settings, belongs: sa.ColumnElement[bool], to: int
) -> int:
    """Move contacts to a theme and renew what is made from them; return how many moved.

    Customers without such a contact keep their gaps: nothing of theirs changed.
    """
    customers = session.scalars(
        sa.select(Contact.customer_id).distinct().where(belongs, Contact.customer_id.is_not(None))
    ).all()
    days = set(session.scalars(sa.select(Contact.local_day).distinct().where(belongs)))
    # A quote picked for one theme says nothing about the other.
    quoted = sa.select(Contact.id).where(belongs)
    session.execute(
        sa.delete(ThemeEvidence)
        .where(ThemeEvidence.contact_id.in_(quoted))
        .execution_options(synchronize_session=False)
    )
    result: Any = session.execute(
        sa.update(Contact)
        .where(belongs)
        .values(theme_id=to)
        .execution_options(synchronize_session=False)
    )
    known = [customer for customer in customers if customer is not None]
    days |= chain_contacts(session, settings=settings, customer_ids=known)
    roll_up_days(session, days=days)
    refresh_weeks(session, days=days)
    return int(result.rowcount)


def _pass_actions(session: Session, ids: Sequence[int], to: Theme, by: Actor) -> None:
    actions = session.scalars(sa.select(Action).where(Action.id.in_(ids)).order_by(Action.id))
    for action in actions:
        action.theme_id = to.id
        record_event(
            session,
            by=by,
            verb="actions.moved",
            target_kind="action",
            target_id=action.id,
            summary=f"moved {action.key} to {to.key} {to.name}",
        )
