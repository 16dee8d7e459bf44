"""Take a theme out of use, and bring it back: previewed, kept by every run, undoable."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.config import Settings
from closedloop.domain.actions import OPEN_ACTIONS, SHIPPED_ACTIONS
from closedloop.domain.audit import Actor
from closedloop.domain.curation import RETIRABLE, check_typed_count
from closedloop.domain.errors import Conflict, InvalidTransition
from closedloop.domain.themes import GONE_STATUSES, ThemeStatus
from closedloop.models import Action, Contact, ContactText, Theme, ThemeChange, ThemeCorrection
from closedloop.models.curation import ChangeKind
from closedloop.services.bulk import among
from closedloop.services.change_previews import (
    ChangePreview,
    get_theme,
    preview_contacts,
    record_change,
)
from closedloop.services.decisions import status_in_words
from closedloop.services.definitions import (
    change_owners,
    find_current_set,
    get_theme_to_change,
    labels_of,
    retired_labels,
)
from closedloop.services.describing import note_change
from closedloop.services.membership import (
    SAYS_SOMETHING,
    STANDS,
    LastWords,
    find_loose,
    hold_corrections,
    merged_into,
    owner_of_cluster,
    read_corrections,
    settle_contacts,
    with_text,
)
from closedloop.services.repeats import take_turn
from closedloop.services.theme_stats import renew_stats_of_last_day


def preview_retire(session: Session, *, theme_id: int, k: int) -> ChangePreview:
    """Return what retiring a theme would do; changes nothing.

    Parameters
    ----------
    theme_id : int
    k : int
        Fewest customers that are told.

    Raises
    ------
    NotFound
    InvalidTransition
        If it is gone already, or its effect is being measured.
    Conflict
        If actions on it are open, or were shipped.
    """
    theme = get_theme(session, theme_id)
    _check_retirable(session, theme)
    ids = list(session.scalars(sa.select(Contact.id).where(Contact.theme_id == theme.id)))
    return preview_contacts(session, theme, ids, 0, k, ())


def retire_theme(
    session: Session,
    *,
    settings: Settings,
    theme_id: int,
    by: Actor,
    typed_count: int | None = None,
) -> ThemeChange:
    """Take a theme out of use: its contacts are in no theme, its labels belong to nobody.

    They stay recognised, so that no later run proposes the same again.

    Parameters
    ----------
    settings : Settings
    theme_id : int
    by : Actor
    typed_count : int, optional
        Asked for when it holds more than `COUNT_TO_TYPE_ABOVE` contacts.

    Raises
    ------
    NotFound
    Invalid
    InvalidTransition
    Conflict
    """
    take_turn(session)
    theme = get_theme_to_change(session, theme_id)
    preview = preview_retire(session, theme_id=theme_id, k=settings.privacy_k)
    check_typed_count(preview.contacts, typed_count, to_do="retire the theme")
    detail = {"status": theme.status.value, **take_labels(session, theme, preview.ids)}
    change = note_change(
        session,
        theme=theme,
        kind=ChangeKind.RETIRE,
        by=by,
        contacts=preview.contacts,
        detail=detail,
    )
    theme.status = ThemeStatus.RETIRED
    settle_contacts(session, settings=settings, ids=preview.ids)
    summary = f"retired {theme.key} {theme.name}: {preview.contacts:,} contacts are in no theme now"
    record_change(session, by, theme, "themes.retired", summary, change)
    renew_stats_of_last_day(session)
    return change


def take_labels(session: Session, theme: Theme, ids: Collection[int]) -> dict[str, Any]:
    """Take a theme its labels, and return what gives them back."""
    loose = find_loose(session, ids)
    current = find_current_set(session, with_model=True)
    labels = labels_of(current.label_themes, theme.id) if current else []
    if current is not None and labels:
        owners = [None if owner == theme.id else owner for owner in current.label_themes]
        reason = f"{theme.key} retired"
        change_owners(session, current=current, owners=owners, changed=(), reason=reason)
    return {"labels": labels, "loose": loose}


def preview_restore(session: Session, *, theme_id: int, k: int) -> ChangePreview:
    """Return what restoring a retired theme would do; changes nothing.

    Raises
    ------
    NotFound
    InvalidTransition
        If nobody retired it.
    """
    theme = get_theme(session, theme_id)
    retire = _find_retire(session, theme)
    ids = _returning(session, theme, retire)
    return preview_contacts(session, theme, ids, 0, k, ())


def restore_theme(
    session: Session,
    *,
    settings: Settings,
    theme_id: int,
    by: Actor,
    typed_count: int | None = None,
) -> ThemeChange:
    """Bring a retired theme back where it stood, with its contacts and those that came since.

    Raises
    ------
    NotFound
    Invalid
        If more than `COUNT_TO_TYPE_ABOVE` contacts return and their number was not typed.
    InvalidTransition
        If nobody retired it.
    """
    take_turn(session)
    theme = get_theme_to_change(session, theme_id)
    preview = preview_restore(session, theme_id=theme_id, k=settings.privacy_k)
    check_typed_count(preview.contacts, typed_count, to_do="restore the theme")
    retire = _find_retire(session, theme)
    change = note_change(
        session,
        theme=theme,
        kind=ChangeKind.RESTORE,
        by=by,
        contacts=preview.contacts,
        detail={"status": retire.detail["status"], "retire": retire.id},
    )
    give_back_labels(session, settings=settings, theme=theme, retire=retire)
    record_change(
        session, by, theme, "themes.restored", f"restored {theme.key} {theme.name}", change
    )
    renew_stats_of_last_day(session)
    return change


def give_back_labels(
    session: Session, *, settings: Settings, theme: Theme, retire: ThemeChange
) -> None:
    """Let a theme own its labels again, and be where it stood before it was retired.

    The caller has written down that the retirement no longer counts.
    """
    labels = retire.detail["labels"]
    theme.status = ThemeStatus(retire.detail["status"])
    session.flush()
    current = find_current_set(session, with_model=True)
    if current is not None and labels:
        owners = list(current.label_themes)
        for label in labels:
            owners[label] = theme.id
        reason = f"{theme.key} restored"
        change_owners(session, current=current, owners=owners, changed=(theme.id,), reason=reason)
    ids = _retired_contacts(session, theme, retire)
    settle_contacts(session, settings=settings, ids=ids, loose=retire.detail["loose"])
    hold_corrections(session, settings=settings)


def _find_retire(session: Session, theme: Theme) -> ThemeChange:
    """Return the change that retired a theme.

    Raises
    ------
    InvalidTransition
    """
    if theme.status is not ThemeStatus.RETIRED:
        raise InvalidTransition(f"{theme.key} is in use: it is {status_in_words(theme.status)}.")
    if theme.id not in retired_labels(session):
        raise InvalidTransition(
            f"{theme.key} was not retired by hand. What was dismissed at triage comes back when "
            "that decision is undone in its history; a candidate that a run no longer found is "
            "proposed again when its contacts return."
        )
    return session.scalars(
        sa.select(ThemeChange)
        .where(
            ThemeChange.theme_id == theme.id,
            ThemeChange.kind == ChangeKind.RETIRE,
            ThemeChange.undone_at.is_(None),
        )
        .order_by(ThemeChange.id.desc())
        .limit(1)
    ).one()


def _returning(session: Session, theme: Theme, retire: ThemeChange) -> list[int]:
    """Return the contacts that would be in the theme again, as people last said of each."""
    words = LastWords(read_corrections(session, in_use=theme.id))
    labels = set(retire.detail["labels"])
    loose = {
        contact: int(place) for place, ids in retire.detail["loose"].items() for contact in ids
    }
    candidates = _retired_contacts(session, theme, retire)
    rows = session.execute(
        sa.select(Contact.id, Contact.cluster, owner_of_cluster(session), ContactText.text_hash)
        .outerjoin(ContactText, sa.and_(ContactText.contact_id == Contact.id, SAYS_SOMETHING))
        .where(among(session, Contact.id, candidates), Contact.theme_id.is_distinct_from(theme.id))
    )
    return [
        contact
        for contact, cluster, owner, text_hash in rows
        if words.place(
            contact, text_hash, loose.get(contact, theme.id if cluster in labels else owner)
        )
        == theme.id
    ]


def _retired_contacts(session: Session, theme: Theme, retire: ThemeChange) -> list[int]:
    """Return the contacts that are recognised as the theme's, or said to be, and in none."""
    loose = [contact for ids in retire.detail["loose"].values() for contact in ids]
    said = (
        ThemeCorrection.theme_id.in_(merged_into(session, theme.id)),
        ThemeCorrection.belongs,
        STANDS,
    )
    hashes = session.scalars(sa.select(ThemeCorrection.text_hash).distinct().where(*said))
    parts = [
        Contact.cluster.in_(retire.detail["labels"]),
        among(session, Contact.id, loose),
        with_text(session, [text_hash for text_hash in hashes if text_hash]),
        Contact.id.in_(sa.select(ThemeCorrection.contact_id).where(*said)),
    ]
    at = sa.or_(Contact.theme_id.is_(None), Contact.theme_id == theme.id)
    return list(session.scalars(sa.select(Contact.id).where(sa.or_(*parts), at)))


def _check_retirable(session: Session, theme: Theme) -> None:
    if theme.status in GONE_STATUSES:
        raise InvalidTransition(f"{theme.key} is {theme.status.value} already.")
    if theme.status not in RETIRABLE:
        raise InvalidTransition(
            f"Actions on {theme.key} are at work or being measured. Finish or cancel them first, "
            "then retire the theme."
        )
    keys = session.scalars(
        sa.select(Action.key)
        .where(
            Action.theme_id == theme.id,
            Action.status.in_((*OPEN_ACTIONS, *SHIPPED_ACTIONS)),
        )
        .order_by(Action.id)
    ).all()
    if keys:
        raise Conflict(
            f"{theme.key} has actions that are open or measured on its contacts: "
            f"{', '.join(keys)}. Finish or cancel what is open; a theme whose actions were "
            "shipped stays, so that their effect can be read back."
        )
