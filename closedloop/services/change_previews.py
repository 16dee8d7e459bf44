"""What a change of a theme would do, and what is looked at before it is made."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.domain.actions import SHIPPED_ACTIONS
from closedloop.domain.audit import Actor
from closedloop.domain.curation import MOST_CHOSEN
from closedloop.domain.errors import Invalid
from closedloop.models import Action, Contact, ContactText, Theme, ThemeChange
from closedloop.services.audit import record_on_theme
from closedloop.services.bulk import among
from closedloop.services.definitions import get_theme_to_change
from closedloop.services.membership import SAYS_SOMETHING, with_text


@dataclass(frozen=True)
class ChangePreview:
    """What a change would do.

    Attributes
    ----------
    ids : tuple of int
        Contacts that would move, newest first.
    chosen : int
        Of these, the ones that were named; the others say the same words, or are like them.
    customers : int or None
        Distinct people among them, one for each contact whose customer is not known; None below
        the privacy threshold.
    stays : int
        Contacts of the theme that stay in it.
    notes : tuple of str
        Sentences about actions.
    """

    ids: tuple[int, ...]
    chosen: int
    customers: int | None
    stays: int
    notes: tuple[str, ...]

    @property
    def contacts(self) -> int:
        """How many would move."""
        return len(self.ids)


def get_theme(session: Session, theme_id: int) -> Theme:
    """Return a theme to look at.

    Raises
    ------
    NotFound
    """
    theme = session.get(Theme, theme_id)
    return theme if theme is not None else get_theme_to_change(session, theme_id)


def get_themes(
    session: Session, theme_id: int | None, to_id: int | None, *, lock: bool = False
) -> tuple[Theme | None, Theme | None]:
    """Return two themes; locked, the lower id first, so that two changes cannot wait in a ring."""
    wanted = sorted({one for one in (theme_id, to_id) if one is not None})
    get = get_theme_to_change if lock else get_theme
    found = {one: get(session, one) for one in wanted}
    return found.get(theme_id or 0), found.get(to_id or 0)


def check_chosen(
    session: Session, theme: Theme | None, contact_ids: Collection[int], field: str
) -> list[int]:
    """Return the contacts picked, each once, all of them in the theme.

    Raises
    ------
    Invalid
        With a sentence for the field.
    """
    chosen = sorted(set(contact_ids))
    if not chosen:
        sentence = "Pick at least one contact."
        raise Invalid(sentence, {field: sentence})
    if len(chosen) > MOST_CHOSEN:
        sentence = (
            f"More than {MOST_CHOSEN:,} contacts are picked, the most for one change. Look for "
            "words that fewer of them hold, or change the theme as a whole: split it by a few "
            "examples, merge it or retire it."
        )
        raise Invalid(sentence, {field: sentence})
    place = theme.id if theme is not None else None
    there = session.scalar(
        sa.select(sa.func.count(Contact.id)).where(
            among(session, Contact.id, chosen), Contact.theme_id.is_not_distinct_from(place)
        )
    )
    if there != len(chosen):
        where = theme.key if theme is not None else "the contacts without a theme"
        gone = len(chosen) - (there or 0)
        what = f"{gone:,} of the {len(chosen):,} contacts picked {'is' if gone == 1 else 'are'}"
        what = "The contact picked is" if len(chosen) == 1 else what
        sentence = f"{what} not in {where} (any more). Load the list again and pick anew."
        raise Invalid(sentence, {field: sentence})
    return chosen


def find_same_words(session: Session, chosen: Sequence[int]) -> list[int]:
    """Return the contacts and all others that say the very same."""
    hashes = set(hashes_of(session, chosen).values())
    same = sa.or_(among(session, Contact.id, chosen), with_text(session, sorted(hashes)))
    return list(session.scalars(sa.select(Contact.id).where(same)))


def hashes_of(session: Session, contact_ids: Collection[int]) -> dict[int, str]:
    """Return the hashes of what contacts say, of those that say something."""
    rows = session.execute(
        sa.select(ContactText.contact_id, ContactText.text_hash).where(
            among(session, ContactText.contact_id, contact_ids), SAYS_SOMETHING
        )
    )
    return {row[0]: row[1] for row in rows}


def preview_contacts(
    session: Session,
    theme: Theme | None,
    ids: Collection[int],
    chosen: int,
    k: int,
    notes: Sequence[str],
) -> ChangePreview:
    """Return what would follow if contacts left a theme; None: contacts that are in no theme.

    Parameters
    ----------
    theme : Theme or None
    ids : collection of int
        All that would move.
    chosen : int
        Of these, the ones that were named.
    k : int
        Fewest customers that are told.
    notes : sequence of str
    """
    place = theme.id if theme is not None else None
    held = Contact.theme_id.is_not_distinct_from(place)
    return preview_moves(session, ids, held=held, chosen=chosen, k=k, notes=notes)


def preview_moves(
    session: Session,
    ids: Collection[int],
    *,
    held: sa.ColumnElement[bool],
    k: int,
    notes: Sequence[str],
    chosen: int = 0,
) -> ChangePreview:
    """Return what would follow if contacts moved to other themes.

    Parameters
    ----------
    ids : collection of int
        All that would move.
    held : SQL condition
        On contacts: those of which is said how many stay.
    k : int
        Fewest customers that are told.
    notes : sequence of str
    chosen : int
        Of those that move, the ones that were named.
    """
    these = among(session, Contact.id, ids)
    rows = session.execute(
        sa.select(Contact.id, Contact.customer_id, held)
        .where(these)
        .order_by(Contact.started_at.desc(), Contact.id.desc())
    ).all()
    people = {customer if customer is not None else -contact for contact, customer, _ in rows}
    n_held = session.scalar(sa.select(sa.func.count(Contact.id)).where(held)) or 0
    return ChangePreview(
        ids=tuple(row[0] for row in rows),
        chosen=chosen,
        customers=len(people) if len(people) >= k else None,
        stays=n_held - sum(bool(row[2]) for row in rows),
        notes=tuple(notes),
    )


def say_measured(session: Session, theme_ids: Sequence[int | None]) -> tuple[str, ...]:
    """Return a sentence for each action whose effect is measured on the contacts of themes."""
    rows = session.execute(
        sa.select(Action.key, Theme.key)
        .join(Theme, Theme.id == Action.theme_id)
        .where(
            Action.theme_id.in_([one for one in theme_ids if one is not None]),
            Action.status.in_(SHIPPED_ACTIONS),
        )
        .order_by(Action.id)
    )
    return tuple(
        f"The effect of {action} is measured on the contacts of {theme}: from the next look on, "
        "the days before and after it are counted with this change. Looks taken so far stay."
        for action, theme in rows
    )


def say_unread(session: Session) -> tuple[str, ...]:
    """Return a sentence where contacts wait for their first assignment, else nothing."""
    query = (
        sa.select(sa.func.count(Contact.id))
        .join(ContactText, ContactText.contact_id == Contact.id)
        .where(Contact.cluster.is_(None), SAYS_SOMETHING)
    )
    n = session.scalar(query) or 0
    if not n:
        return ()
    words = "1 contact has" if n == 1 else f"{n:,} contacts have"
    return (
        f"{words} come in that no look has given a theme yet. They are looked at first, so that "
        "other contacts may move than are listed here.",
    )


def record_change(
    session: Session, by: Actor, theme: Theme, verb: str, summary: str, change: ThemeChange
) -> None:
    """Write the audit event of a change on one of its themes."""
    detail = {"change": change.id, "contacts": change.contacts}
    record_on_theme(session, by, theme, verb, summary, detail)
