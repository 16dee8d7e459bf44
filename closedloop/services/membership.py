"""Which theme contacts are counted under: what the definitions say, and what people put right.

What a contact's words say by the definitions in force is its `cluster` and `theme_confidence`;
`theme_id` is the theme that owns the cluster, unless somebody said otherwise. So the theme of any
contact can be worked out anew at any time, which is how changes are taken back.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.config import Settings
from closedloop.domain.themes import follow_mergers
from closedloop.models import Contact, ContactText, Theme, ThemeCorrection, ThemeEvidence
from closedloop.services.bulk import among
from closedloop.services.definitions import find_current_set, retired_labels
from closedloop.services.drift import refresh_weeks
from closedloop.services.repeats import chain_contacts
from closedloop.services.rollups import roll_up_days

NOWHERE = 0
"""Stands for no theme where the number of a theme stands."""

SAYS_SOMETHING = ContactText.issue_text != ""
STANDS = ThemeCorrection.taken_back_at.is_(None)


@dataclass
class Corrections:
    """What people said about contacts, the last word on each text or contact.

    Attributes
    ----------
    texts : dict of int to list of str
        Theme, or `NOWHERE`, to the hashes of texts that belong there.
    barred_texts : dict of int to list of str
        Theme to the hashes of texts that do not belong there, and nobody said where else.
    contacts, barred_contacts : dict of int to list of int
        The same by contact, where its text is gone or another one than it was.
    """

    texts: dict[int, list[str]] = field(default_factory=lambda: defaultdict(list))
    barred_texts: dict[int, list[str]] = field(default_factory=lambda: defaultdict(list))
    contacts: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    barred_contacts: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))


def read_corrections(session: Session, *, in_use: int | None = None) -> Corrections:
    """Return what stands of what people said, in terms of the themes of today.

    A text said to belong to a theme that was merged belongs to the one it was merged into; to
    one that was retired, to none. Of what was said of themes that are one by now, the last word
    counts.

    Parameters
    ----------
    in_use : int, optional
        A retired theme that is read as if it were in use again.
    """
    said, places = Corrections(), Places.read(session, in_use)
    by_text = last_words(session, ThemeCorrection.text_hash, ThemeCorrection.text_hash != "")
    _sort_out(by_text, places, said.texts, said.barred_texts)
    has_that_text = sa.exists().where(
        ContactText.contact_id == ThemeCorrection.contact_id,
        ContactText.text_hash == ThemeCorrection.text_hash,
        SAYS_SOMETHING,
    )
    by_contact = last_words(session, ThemeCorrection.contact_id, ~has_that_text)
    _sort_out(by_contact, places, said.contacts, said.barred_contacts)
    return said


def last_words(
    session: Session, about: Any, condition: sa.ColumnElement[bool]
) -> list[tuple[Any, int, bool]]:
    """Return about what, theme and whether it belongs: the last word on each pair, oldest first.

    Parameters
    ----------
    about : column of ThemeCorrection
        By text or by contact.
    condition : SQL condition
    """
    last = (
        sa.select(sa.func.max(ThemeCorrection.id).label("id"))
        .where(STANDS, condition)
        .group_by(about, ThemeCorrection.theme_id)
        .subquery()
    )
    rows = session.execute(
        sa.select(about, ThemeCorrection.theme_id, ThemeCorrection.belongs)
        .join(last, last.c.id == ThemeCorrection.id)
        .order_by(ThemeCorrection.id)
    )
    return [(row[0], row[1], row[2]) for row in rows]


def _sort_out(
    rows: Iterable[tuple[Any, int, bool]],
    places: Places,
    into: dict[int, list[Any]],
    barred: dict[int, list[Any]],
) -> None:
    last: dict[tuple[Any, int], bool] = {}
    for about, theme, belongs in rows:
        pair = about, places.ends[theme]
        last.pop(pair, None)  # said once more: its turn is the last
        last[pair] = belongs
    homes: dict[Any, int] = {}
    strange: dict[Any, set[int]] = defaultdict(set)
    for (about, end), belongs in last.items():
        if belongs:
            homes[about] = places.of(end)
        else:
            strange[about].add(places.of(end))
    for about, theme in homes.items():
        into[theme].append(about)
    for about, themes in strange.items():
        for theme in themes - {NOWHERE} if about not in homes else ():
            barred[theme].append(about)


@dataclass(frozen=True)
class Places:
    """Where each theme's contacts are counted after all mergers, and which themes are retired."""

    ends: Mapping[int, int]
    retired: Collection[int]

    @classmethod
    def read(cls, session: Session, in_use: int | None = None) -> Places:
        """Read them as they are now; a retired theme `in_use` counts as if it were in use again."""
        rows = session.execute(sa.select(Theme.id, Theme.merged_into_id)).all()
        into: dict[int, int | None] = {row[0]: row[1] for row in rows}
        ends = {theme: follow_mergers(theme, into) for theme in into}
        return cls(ends, retired_labels(session).keys() - {in_use})

    def of(self, theme: int) -> int:
        """Return where the contacts of a theme are counted; `NOWHERE` where that is retired."""
        end = self.ends[theme]
        return NOWHERE if end in self.retired else end


def places_of_themes(session: Session) -> dict[int, int]:
    """Return where each theme's contacts are counted: itself, what it was merged into, nowhere."""
    places = Places.read(session)
    return {theme: places.of(theme) for theme in places.ends}


def merged_into(session: Session, theme_id: int) -> list[int]:
    """Return a theme and all that were merged into it, one after the other."""
    found = [theme_id]
    for one in found:
        found += session.scalars(sa.select(Theme.id).where(Theme.merged_into_id == one))
    return found


def with_text(session: Session, hashes: Collection[str]) -> sa.ColumnElement[bool]:
    """Return the condition that a contact says one of these texts."""
    saying = sa.select(ContactText.contact_id).where(
        SAYS_SOMETHING, among(session, ContactText.text_hash, hashes)
    )
    return Contact.id.in_(saying)


def apply_corrections(session: Session, *, condition: sa.ColumnElement[bool] | None = None) -> None:
    """Put contacts where people said they belong; what they say stands above the definitions.

    Parameters
    ----------
    condition : SQL condition, optional
        On `Contact`: only these.
    """
    for where, theme in _steps(session, read_corrections(session)):
        place = theme if theme != NOWHERE else None
        only = [where] if condition is None else [where, condition]
        statement = sa.update(Contact).where(*only, Contact.theme_id.is_distinct_from(place))
        session.execute(
            statement.values(theme_id=place).execution_options(synchronize_session=False)
        )


def _steps(session: Session, said: Corrections) -> list[tuple[sa.ColumnElement[bool], int]]:
    """Return conditions on contacts and where those go, in the order in which they apply."""
    steps: list[tuple[sa.ColumnElement[bool], int]] = []
    for theme, hashes in sorted(said.barred_texts.items()):
        steps.append((sa.and_(Contact.theme_id == theme, with_text(session, hashes)), NOWHERE))
    for theme, hashes in sorted(said.texts.items()):
        steps.append((with_text(session, hashes), theme))
    for theme, ids in sorted(said.barred_contacts.items()):
        steps.append((sa.and_(Contact.theme_id == theme, among(session, Contact.id, ids)), NOWHERE))
    for theme, ids in sorted(said.contacts.items()):
        steps.append((among(session, Contact.id, ids), theme))
    return steps


class LastWords:
    """What people said, by contact: where it is counted, whatever the definitions say."""

    def __init__(self, said: Corrections) -> None:
        self._by_text = _by_what(said.texts), _by_what(said.barred_texts)
        self._by_contact = _by_what(said.contacts), _by_what(said.barred_contacts)

    def about(self, session: Session) -> sa.ColumnElement[bool]:
        """Return the condition on contacts that something was said about."""
        of_texts = with_text(session, sorted({*self._by_text[0], *self._by_text[1]}))
        known = sorted({*self._by_contact[0], *self._by_contact[1]})
        return sa.or_(of_texts, among(session, Contact.id, known))

    def place(self, contact: int, text_hash: str | None, owner: int | None) -> int | None:
        """Return the theme a contact is counted in, given the one the definitions say."""
        place = owner or NOWHERE
        for about, (homes, barred) in (
            (text_hash, self._by_text),
            (contact, self._by_contact),
        ):
            if about in homes:
                place = homes[about][0]
            elif place in barred.get(about, ()):
                place = NOWHERE
        return place or None


def find_strays(session: Session) -> list[int]:
    """Return the contacts that are not where what somebody said about them puts them."""
    words = LastWords(read_corrections(session))
    rows = session.execute(
        sa.select(Contact.id, Contact.theme_id, owner_of_cluster(session), ContactText.text_hash)
        .outerjoin(ContactText, sa.and_(ContactText.contact_id == Contact.id, SAYS_SOMETHING))
        .where(words.about(session))
        .order_by(Contact.id)
    )
    return [
        contact
        for contact, at, owner, text_hash in rows
        if at != words.place(contact, text_hash, owner)
    ]


def _by_what(of_theme: Mapping[int, Sequence[Any]]) -> dict[Any, list[int]]:
    found: dict[Any, list[int]] = defaultdict(list)
    for theme, things in of_theme.items():
        for about in things:
            found[about].append(theme)
    return dict(found)


def settle_contacts(
    session: Session,
    *,
    settings: Settings,
    ids: Collection[int],
    loose: Mapping[str, Sequence[int]] | None = None,
) -> None:
    """Work out anew which theme contacts are in, and renew what is made from that.

    Parameters
    ----------
    settings : Settings
    ids : collection of int
        Contacts. Others keep their theme and, but for those of the same customers, their gaps.
    loose : mapping of str to sequence of int, optional
        Theme, in decimal, to contacts that are in it though no definition says so.
    """
    if not ids:
        return
    session.flush()
    these = among(session, Contact.id, ids)
    customers, days = _touched(session, these)
    # A quote picked for one theme says nothing about another.
    session.execute(
        sa.delete(ThemeEvidence)
        .where(among(session, ThemeEvidence.contact_id, ids))
        .execution_options(synchronize_session=False)
    )
    _update(session, these, owner_of_cluster(session))
    places = places_of_themes(session) if loose else {}
    for theme, contacts in (loose or {}).items():
        # merged or retired since, it holds nothing itself
        place = places.get(int(theme)) or None
        _update(session, among(session, Contact.id, contacts), sa.literal(place, sa.Integer))
    apply_corrections(session, condition=these)
    days |= chain_contacts(session, settings=settings, customer_ids=customers)
    roll_up_days(session, days=days)
    refresh_weeks(session, days=days)


def _update(session: Session, where: sa.ColumnElement[bool], theme: Any) -> None:
    session.execute(
        sa.update(Contact)
        .where(where)
        .values(theme_id=theme)
        .execution_options(synchronize_session=False)
    )


def _touched(session: Session, these: sa.ColumnElement[bool]) -> tuple[list[int], set[Any]]:
    customers = session.scalars(
        sa.select(Contact.customer_id).distinct().where(these, Contact.customer_id.is_not(None))
    )
    days = session.scalars(sa.select(Contact.local_day).distinct().where(these))
    return [customer for customer in customers if customer is not None], set(days)


def owner_of_cluster(session: Session) -> sa.ColumnElement[int | None]:
    """Return, as SQL, the theme that owns the cluster of a contact by the set in force."""
    current = find_current_set(session)
    owners = dict(enumerate(current.label_themes)) if current else {}
    owned = {label: theme for label, theme in owners.items() if theme is not None}
    if not owned:
        return sa.cast(sa.null(), sa.Integer)
    return sa.case(owned, value=Contact.cluster, else_=sa.null())


def find_loose(session: Session, ids: Collection[int]) -> dict[str, list[int]]:
    """Return, by theme, the contacts that are there by no definition and by nobody's word.

    Such is a contact whose text expired before a run that no longer knows its cluster. It is
    kept, so that taking a change back restores it, too.
    """
    words = LastWords(read_corrections(session))
    owner = owner_of_cluster(session)
    rows = session.execute(
        sa.select(Contact.theme_id, Contact.id, owner, ContactText.text_hash)
        .outerjoin(ContactText, sa.and_(ContactText.contact_id == Contact.id, SAYS_SOMETHING))
        .where(among(session, Contact.id, ids), Contact.theme_id.is_distinct_from(owner))
        .order_by(Contact.id)
    )
    found: dict[str, list[int]] = defaultdict(list)
    for theme, contact, owned_by, text_hash in rows:
        if theme != words.place(contact, text_hash, owned_by):
            found[str(theme or NOWHERE)].append(contact)
    return dict(found)


def hold_corrections(session: Session, *, settings: Settings) -> int:
    """Put contacts back where people said they belong, after something else moved them.

    Returns
    -------
    int
        Contacts that moved.
    """
    session.flush()
    strays = find_strays(session)
    settle_contacts(session, settings=settings, ids=strays)
    return len(strays)
