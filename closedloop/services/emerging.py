"""Emerging themes: dense, rising spots among contacts in no theme, found anew each night.

Nothing follows from one until somebody takes it, which makes a candidate with a definition of
its own, or dismisses it, after which it does not come back while it looks alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.orm import Session, undefer

from closedloop.config import Settings
from closedloop.domain.audit import Actor
from closedloop.domain.clock import utc_now
from closedloop.domain.errors import Conflict, NotFound
from closedloop.domain.jobs import Progress
from closedloop.domain.leftovers import (
    GONE_AFTER_DAYS,
    MEMBERS_KEPT,
    MOST_READ,
    SPAN_DAYS,
    likeness,
    rise_in_words,
    spans_to,
)
from closedloop.domain.themes import NAME_LENGTH
from closedloop.models import Contact, ContactText, EmergingState, EmergingTheme, EncodedText
from closedloop.queries.site import get_data_span
from closedloop.services.audit import record_event
from closedloop.services.bulk import among, in_portions
from closedloop.services.definitions import find_current_set
from closedloop.services.encoding import load_vectors
from closedloop.services.long_work import Report, Transactions, tell_nobody
from closedloop.services.shared_words import NAMELESS, shared_words

if TYPE_CHECKING:
    from ml.themes.emerging import EmergingSpot

LEFT_OVER = sa.and_(Contact.theme_id.is_(None), Contact.cluster == -1)
STORED = np.dtype("<f4")


@dataclass
class EmergingResult:
    """What a night found.

    Attributes
    ----------
    last_day : date or None
        Last day looked at; None where nothing could be.
    read, left_over : int
        Contacts read, and how many there were to read.
    found : int
        Spots that rise.
    new, returned, gone : list of int
        Emerging themes by id.
    """

    last_day: date | None = None
    read: int = 0
    left_over: int = 0
    found: int = 0
    new: list[int] = field(default_factory=list)
    returned: list[int] = field(default_factory=list)
    gone: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class _Pile:
    """Left-over contacts of two spans in an order of the data's own, and what they are held
    against.
    """

    last_day: date
    left_over: int
    exposure: tuple[int, int]
    contacts: NDArray[np.int64]
    days: NDArray[np.int64]
    people: NDArray[np.int64]
    texts: list[str]
    vectors: NDArray[np.float32]


def find_emerging_themes(
    transactions: Transactions,
    *,
    settings: Settings,
    by: Actor,
    report: Report = tell_nobody,
    most_read: int = MOST_READ,
) -> EmergingResult:
    """Look for dense, rising spots among the contacts in no theme, and renew what is proposed.

    A spot that is alike to one of an earlier night is that one. Before the first discovery every
    contact is in no theme, so that there is nothing to look for.

    Parameters
    ----------
    transactions : Transactions
        One reads, one writes; none is open in between.
    settings : Settings
    by : Actor
    report : Report
    most_read : int
        Contacts read at most, a fair draw.
    """
    report(Progress(0, 0, "Looking for emerging themes"))
    with transactions() as session:
        pile = _read_pile(session, most_read)
    if pile is None:
        return EmergingResult()
    # Imported here: it brings scipy, which web workers need not load.
    from ml.themes.emerging import find_emerging

    spots = find_emerging(
        pile.vectors,
        pile.days,
        pile.people,
        pile.texts,
        last_day=pile.last_day.toordinal(),
        exposure=pile.exposure,
        span_days=SPAN_DAYS,
        fewest_customers=settings.privacy_k,
    )
    spots = [_with_shared_words(pile, spot, settings.privacy_k) for spot in spots]
    result = EmergingResult(pile.last_day, len(pile.contacts), pile.left_over, len(spots))
    with transactions() as session:
        _write(session, settings, pile, spots, result, by)
    return result


def _with_shared_words(pile: _Pile, spot: EmergingSpot, k: int) -> EmergingSpot:
    """Return a spot that is named by words that enough people said."""
    said = ((int(pile.people[row]), pile.texts[row]) for row in spot.members)
    name, keywords = shared_words(spot.name, spot.keywords, said, k=k)
    return replace(spot, name=name, keywords=tuple(keywords))


def _read_pile(session: Session, most_read: int) -> _Pile | None:
    current = find_current_set(session)
    last_day = get_data_span(session).last_day
    if current is None or last_day is None:
        return None
    spans = spans_to(last_day)
    in_days = Contact.local_day.between(spans.first_before, last_day)
    rows = session.execute(
        sa.select(Contact.id, Contact.local_day, Contact.customer_id, ContactText.text_hash)
        .join(ContactText, ContactText.contact_id == Contact.id)
        .where(in_days, LEFT_OVER, ContactText.issue_text != "", _is_encoded(current.encoder))
        .order_by(Contact.started_at, Contact.source, Contact.source_contact_id)
    ).all()
    left_over = len(rows)
    if left_over > most_read:
        drawn = np.random.default_rng(0).choice(left_over, most_read, replace=False)
        rows = [rows[place] for place in np.sort(drawn).tolist()]
    hashes = [row[3] for row in rows]
    contacts = [row[0] for row in rows]
    return _Pile(
        last_day=last_day,
        left_over=left_over,
        exposure=_count_exposure(session, spans.first_before, spans.first_day, last_day),
        contacts=np.array(contacts, np.int64),
        days=np.array([row[1].toordinal() for row in rows], np.int64),
        people=np.array([-row[0] if row[2] is None else row[2] for row in rows], np.int64),
        texts=_read_texts(session, contacts),
        vectors=load_vectors(session, encoder=current.encoder, hashes=hashes),
    )


def _is_encoded(encoder: str) -> sa.ColumnElement[bool]:
    return sa.exists().where(
        EncodedText.encoder == encoder, EncodedText.text_hash == ContactText.text_hash
    )


def _read_texts(session: Session, contacts: Sequence[int]) -> list[str]:
    found: dict[int, str] = {}
    for part in in_portions(contacts, 5_000):
        rows = session.execute(
            sa.select(ContactText.contact_id, ContactText.issue_text).where(
                among(session, ContactText.contact_id, part)
            )
        )
        found.update((contact, text) for contact, text in rows)
    return [found[contact] for contact in contacts]


def _count_exposure(session: Session, before: date, first: date, last: date) -> tuple[int, int]:
    """Return the contacts with text of the last span and of the one before, in a theme or not."""
    is_later = sa.case((Contact.local_day >= first, 1), else_=0)
    row = session.execute(
        sa.select(sa.func.sum(is_later), sa.func.count())
        .select_from(Contact)
        .join(ContactText, ContactText.contact_id == Contact.id)
        .where(Contact.local_day.between(before, last), ContactText.issue_text != "")
    ).one()
    later = int(row[0] or 0)
    return later, int(row[1]) - later


def _write(
    session: Session,
    settings: Settings,
    pile: _Pile,
    spots: Sequence[EmergingSpot],
    result: EmergingResult,
    by: Actor,
) -> None:
    known = list(
        session.scalars(
            sa.select(EmergingTheme)
            .options(undefer(EmergingTheme.prototype))
            .order_by(EmergingTheme.id)
            .with_for_update()
        )
    )
    matches = _match(known, pile, spots)
    for place, spot in enumerate(spots):
        row = matches.get(place)
        if row is None:
            result.new.append(_propose(session, settings, pile, spot, by).id)
        elif row.state is not EmergingState.TAKEN:
            _renew(row, pile, spot)
            if row.state is EmergingState.GONE:
                row.state = EmergingState.PROPOSED
                result.returned.append(row.id)
                _record(session, by, row, "emerging.returned", f"saw “{row.name}” emerge again")
    for row in known:
        is_old = row.seen_on <= pile.last_day - timedelta(days=GONE_AFTER_DAYS)
        if row.state is EmergingState.PROPOSED and is_old:
            row.state = EmergingState.GONE
            result.gone.append(row.id)
            summary = f"no longer saw “{row.name}” emerge: not since {row.seen_on.isoformat()}"
            _record(session, by, row, "emerging.gone", summary)
    session.flush()  # readers of this transaction see it


def _match(
    known: Sequence[EmergingTheme], pile: _Pile, spots: Sequence[EmergingSpot]
) -> dict[int, EmergingTheme]:
    """Return the emerging theme of an earlier night by spot; the most alike are paired first."""
    pairs = []
    for place, spot in enumerate(spots):
        members = _kept(pile, spot)
        for row in known:
            middle = np.frombuffer(row.prototype, STORED)
            if middle.shape == spot.prototype.shape:
                alike = likeness(members, row.members, float(middle @ spot.prototype))
                pairs.append((-alike, row.id, place, row))
    found: dict[int, EmergingTheme] = {}
    taken: set[int] = set()
    for alike, number, place, row in sorted(pairs, key=lambda pair: pair[:3]):
        # What was dismissed or taken may stand for several spots: none of them is news.
        is_free = number not in taken or row.state in (EmergingState.DISMISSED, EmergingState.TAKEN)
        if alike < 0 and place not in found and is_free:
            found[place] = row
            taken.add(number)
    return found


def _kept(pile: _Pile, spot: EmergingSpot) -> list[int]:
    kept: list[int] = pile.contacts[spot.members[:MEMBERS_KEPT]].tolist()
    return kept


def _renew(row: EmergingTheme, pile: _Pile, spot: EmergingSpot) -> None:
    """Bring the figures up to date; the name stays, so that people know it again."""
    row.seen_on = pile.last_day
    row.keywords = list(spot.keywords)
    row.contacts = len(spot.members)
    row.customers, row.customers_before = spot.customers, spot.customers_before
    row.p_value = spot.p_value
    row.prototype = spot.prototype.astype(STORED).tobytes()
    row.members = _kept(pile, spot)


def _propose(
    session: Session, settings: Settings, pile: _Pile, spot: EmergingSpot, by: Actor
) -> EmergingTheme:
    row = EmergingTheme(
        found_on=pile.last_day,
        name=" ".join(spot.name.split())[:NAME_LENGTH] or NAMELESS,
        state=EmergingState.PROPOSED,
    )
    _renew(row, pile, spot)
    session.add(row)
    session.flush()  # its id names it in the history
    why = rise_in_words(spot.customers, spot.customers_before, k=settings.privacy_k)
    _record(session, by, row, "emerging.found", f"saw “{row.name}” emerge: {why}")
    return row


def dismiss_emerging(session: Session, *, emerging_id: int, by: Actor) -> EmergingTheme:
    """Say that an emerging theme is none; it does not come back while it looks alike.

    Raises
    ------
    NotFound
    Conflict
        If it was taken or dismissed already.
    """
    row = get_emerging_to_change(session, emerging_id)
    refuse_decided(row)
    row.state, row.decided_by, row.decided_at = EmergingState.DISMISSED, by.name, utc_now()
    _record(session, by, row, "emerging.dismissed", f"dismissed the emerging theme “{row.name}”")
    session.flush()
    return row


def restore_emerging(session: Session, *, emerging_id: int, by: Actor) -> EmergingTheme:
    """Take the dismissal of an emerging theme back.

    Raises
    ------
    NotFound
    Conflict
        If it is not dismissed.
    """
    row = get_emerging_to_change(session, emerging_id)
    if row.state is not EmergingState.DISMISSED:
        raise Conflict(f"“{row.name}” is not dismissed, so there is nothing to take back.")
    row.state, row.decided_by, row.decided_at = EmergingState.PROPOSED, "", None
    summary = f"took back: dismissed the emerging theme “{row.name}”"
    _record(session, by, row, "emerging.restored", summary)
    session.flush()
    return row


def get_emerging_to_change(session: Session, emerging_id: int) -> EmergingTheme:
    """Return an emerging theme, locked until the transaction ends.

    Raises
    ------
    NotFound
    """
    row = session.get(EmergingTheme, emerging_id, with_for_update=True, populate_existing=True)
    if row is None:
        raise NotFound("There is no such emerging theme.")
    return row


def refuse_decided(row: EmergingTheme) -> None:
    """Refuse to decide on an emerging theme twice.

    Raises
    ------
    Conflict
    """
    if row.state in (EmergingState.TAKEN, EmergingState.DISMISSED):
        done = "taken" if row.state is EmergingState.TAKEN else "dismissed"
        raise Conflict(f"“{row.name}” has been {done} already, by {row.decided_by}.")


def _record(session: Session, by: Actor, row: EmergingTheme, verb: str, summary: str) -> None:
    record_event(
        session, by=by, verb=verb, target_kind="emerging", target_id=row.id, summary=summary
    )
