"""What people put right, as pairs for the next discovery; and what became of it in a run."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.domain.runs import Missed
from closedloop.models import Contact, ContactText, EvidenceKind, ThemeCorrection, ThemeEvidence
from closedloop.services.bulk import among
from closedloop.services.membership import (
    NOWHERE,
    SAYS_SOMETHING,
    STANDS,
    Places,
    places_of_themes,
)
from ml.text.clean import wording

ANCHORS = 3
"""Texts of a theme that one which does not belong there is kept apart from."""

Pair = tuple[int, int]


@dataclass(frozen=True)
class Said:
    """The last word on a text, or on a contact without one, and a theme."""

    id: int
    contact: int
    text_hash: str
    theme: int
    belongs: bool


@dataclass(frozen=True)
class Asked:
    """What is asked of a run for one correction.

    Attributes
    ----------
    place : int
        Of its text among those read.
    others : tuple of int
        Places of the texts it is compared with.
    belongs : bool
        It should share a cluster with one of them; else with none.
    """

    place: int
    others: tuple[int, ...]
    belongs: bool

    def holds(self, labels: Sequence[int]) -> bool:
        """Return whether the clusters of a run, -1 for none, say the same."""
        own = labels[self.place]
        shares = own >= 0 and any(labels[other] == own for other in self.others)
        return shares is self.belongs


@dataclass(frozen=True)
class Links:
    """Pairs of texts by their place among those that a run reads.

    Attributes
    ----------
    must_link, cannot_link : tuple of (int, int)
    contradictory : int
        Pairs left out because others say the opposite.
    asked : dict of int to Asked
        By the number of the correction.
    missed : dict of int to Missed
        Corrections that cannot be asked for, and why.
    """

    must_link: tuple[Pair, ...] = ()
    cannot_link: tuple[Pair, ...] = ()
    contradictory: int = 0
    asked: Mapping[int, Asked] = field(default_factory=dict)
    missed: Mapping[int, Missed] = field(default_factory=dict)

    @property
    def not_read(self) -> int:
        """Corrections about texts that the run does not read, or with nothing to compare to."""
        return sum(why is not Missed.CONTRADICTORY for why in self.missed.values())

    def as_arguments(self) -> dict[str, Any]:
        """Return what discovery is given; nothing where nobody said anything."""
        if not self.must_link and not self.cannot_link:
            return {}
        return {"must_link": list(self.must_link), "cannot_link": list(self.cannot_link)}


def read_links(
    session: Session,
    *,
    hashes: Sequence[str],
    texts: Sequence[str],
    themes: Sequence[int | None],
) -> Links:
    """Return what people said about texts that a run reads.

    Texts said to belong to one theme must share a cluster, and share it with a text that stands
    for the theme: its most typical quote, else the first that is read. A text said not to belong
    to a theme must not share one with up to `ANCHORS` texts of it: such as people put there,
    else typical quotes, else the first that are read.

    Parameters
    ----------
    hashes, texts, themes : sequences of length n
        Of the contacts read, in their order, with the theme each is in now.
    """
    place_of: dict[str, int] = {}
    for place, text_hash in enumerate(hashes):
        place_of.setdefault(text_hash, place)
    where = places_of_themes(session)
    told, missed = _sort_out(_read_said(session), where, place_of)
    at_home: dict[int, list[int]] = defaultdict(list)
    for said in told:
        if said.belongs:
            at_home[where[said.theme]].append(place_of[said.text_hash])
    anchors = _Anchors(session, {where[said.theme] for said in told}, place_of, themes, at_home)
    must = []
    for theme, places in sorted(at_home.items()):
        must += [(places[0], other) for other in (*places[1:], *anchors.own(theme)[:1])]
    asked = {}
    for said in told:
        place, theme = place_of[said.text_hash], where[said.theme]
        others = anchors.of_home(theme, place) if said.belongs else anchors.of(theme, place)
        if others:
            asked[said.id] = Asked(place, others, said.belongs)
        else:
            missed[said.id] = Missed.NOTHING_READ
    return _without_contradictions(must, asked, texts, missed)


def _sort_out(
    said: Iterable[Said], where: Mapping[int, int], place_of: Mapping[str, int]
) -> tuple[list[Said], dict[int, Missed]]:
    """Part what can be asked of the run from what cannot, and say why not."""
    told: list[Said] = []
    missed: dict[int, Missed] = {}
    for one in said:
        if where[one.theme] == NOWHERE:
            missed[one.id] = Missed.THEME_GONE
        elif not one.text_hash:
            missed[one.id] = Missed.NO_WORDS
        elif one.text_hash not in place_of:
            missed[one.id] = Missed.NOT_READ
        else:
            told.append(one)
    return told, missed


def _read_said(session: Session) -> list[Said]:
    """Return the last word on each text (else contact) and theme, oldest first.

    Themes that were merged count as the one they are now.
    """
    last = (
        sa.select(sa.func.max(ThemeCorrection.id))
        .where(STANDS)
        .group_by(
            ThemeCorrection.text_hash,
            sa.case((ThemeCorrection.text_hash == "", ThemeCorrection.contact_id), else_=0),
            ThemeCorrection.theme_id,
        )
    )
    rows = session.execute(
        sa.select(
            ThemeCorrection.id,
            ThemeCorrection.contact_id,
            ThemeCorrection.text_hash,
            ThemeCorrection.theme_id,
            ThemeCorrection.belongs,
        )
        .where(ThemeCorrection.id.in_(last))
        .order_by(ThemeCorrection.id)
    )
    ends = Places.read(session).ends
    found: dict[tuple[str | int, int], Said] = {}
    for one in (Said(*row) for row in rows):
        about = one.text_hash or one.contact, ends[one.theme]
        found.pop(about, None)  # said once more: its turn is the last
        found[about] = one
    return list(found.values())


class _Anchors:
    """Texts that stand for a theme: put there by people, else typical, else the first read."""

    def __init__(
        self,
        session: Session,
        wanted: Collection[int],
        place_of: Mapping[str, int],
        themes: Sequence[int | None],
        at_home: Mapping[int, list[int]],
    ) -> None:
        self._at_home = at_home
        self._typical = _find_typical(session, wanted, place_of)
        self._first: dict[int, list[int]] = defaultdict(list)
        for place, theme in enumerate(themes):
            if theme is None or theme not in wanted:
                continue
            if len(self._first[theme]) <= ANCHORS + len(at_home.get(theme, ())):
                self._first[theme].append(place)

    def own(self, theme: int) -> tuple[int, ...]:
        """Return up to `ANCHORS` places that stand for a theme without anybody's word."""
        put = set(self._at_home.get(theme, ()))
        for found in (self._typical.get(theme), self._first.get(theme)):
            others = [other for other in found or () if other not in put]
            if others:
                return tuple(others[:ANCHORS])
        return ()

    def of_home(self, theme: int, place: int) -> tuple[int, ...]:
        """Return the places a text that belongs there should share a cluster with one of."""
        return self.own(theme) or self._without(self._at_home.get(theme), place)

    def of(self, theme: int, place: int) -> tuple[int, ...]:
        """Return the places a text that does not belong there should share a cluster with none."""
        for found in (self._at_home.get(theme), self._typical.get(theme), self._first.get(theme)):
            if others := self._without(found, place):
                return others
        return ()

    def _without(self, found: Sequence[int] | None, place: int) -> tuple[int, ...]:
        return tuple(other for other in found or () if other != place)[:ANCHORS]


def _find_typical(
    session: Session, themes: Iterable[int], place_of: Mapping[str, int]
) -> dict[int, list[int]]:
    rows = session.execute(
        sa.select(ThemeEvidence.theme_id, ContactText.text_hash)
        .join(ContactText, ContactText.contact_id == ThemeEvidence.contact_id)
        .where(
            ThemeEvidence.theme_id.in_(sorted(themes)), ThemeEvidence.kind == EvidenceKind.TYPICAL
        )
        .order_by(ThemeEvidence.theme_id, ThemeEvidence.rank)
    )
    found: dict[int, list[int]] = defaultdict(list)
    for theme, text_hash in rows:
        if text_hash in place_of:
            found[theme].append(place_of[text_hash])
    return found


def _without_contradictions(
    must: Sequence[Pair],
    asked: Mapping[int, Asked],
    texts: Sequence[str],
    missed: Mapping[int, Missed],
) -> Links:
    """Drop the pairs to be kept apart that other pairs, or equal words, put together."""
    group: dict[str, str] = {}

    def head(text: str) -> str:
        while group.get(text, text) != text:
            text = group[text]
        return text

    apart = {
        number: [(one.place, other) for other in one.others]
        for number, one in asked.items()
        if not one.belongs
    }
    cannot = [pair for pairs in apart.values() for pair in pairs]
    plain = {place: wording(texts[place]) for pair in (*must, *cannot) for place in pair}
    for one, other in must:
        group[head(plain[other])] = head(plain[one])
    broken = {pair for pair in cannot if head(plain[pair[0]]) == head(plain[pair[1]])}
    opposed = {number for number, pairs in apart.items() if not broken.isdisjoint(pairs)}
    return Links(
        tuple(must),
        tuple(pair for pair in cannot if pair not in broken),
        sum(pair in broken for pair in cannot),
        {number: one for number, one in asked.items() if number not in opposed},
        {**missed, **dict.fromkeys(opposed, Missed.CONTRADICTORY)},
    )


def find_contacts_to_read(
    session: Session, *, condition: sa.ColumnElement[bool], first: sa.ColumnElement[bool], most: int
) -> list[int]:
    """Return contacts that a run must read to be told what people said.

    Of each text somebody put right one contact, and of each theme it was put to, or kept out
    of, those that stand for it: its typical quotes and its first contacts.

    Parameters
    ----------
    condition : SQL condition on Contact and ContactText
        Others are never read.
    first : SQL condition
        Taken rather than others.
    most : int
        At most so many; the words said last count first.

    Returns
    -------
    list of int
        Ids in an order of the data's own.
    """
    said = [one for one in reversed(_read_said(session)) if one.text_hash]
    if not said:
        return []
    where = places_of_themes(session)
    hashes = list(dict.fromkeys(one.text_hash for one in said))[:most]
    themes = sorted({where[one.theme] for one in said} - {NOWHERE})
    typical = sa.select(ThemeEvidence.contact_id).where(
        ThemeEvidence.theme_id.in_(themes), ThemeEvidence.kind == EvidenceKind.TYPICAL
    )
    groups = (
        (ContactText.text_hash, among(session, ContactText.text_hash, hashes), 1),
        (Contact.theme_id, Contact.id.in_(typical), ANCHORS),
        (Contact.theme_id, Contact.theme_id.in_(themes), ANCHORS),
    )
    found: dict[int, None] = {}
    for by, wanted, each in groups:
        kept = sa.and_(condition, SAYS_SOMETHING, wanted)
        found |= dict.fromkeys(_first_of_each(session, by, kept, first, each))
    return _in_order(session, list(found)[:most])


def _first_of_each(
    session: Session,
    by: Any,
    condition: sa.ColumnElement[bool],
    first: sa.ColumnElement[bool],
    each: int,
) -> Sequence[int]:
    order = (sa.case((first, 0), else_=1), *_OWN_ORDER)
    rank = sa.func.row_number().over(partition_by=by, order_by=order)
    ranked = (
        sa.select(Contact.id.label("id"), rank.label("rank"))
        .join(ContactText, ContactText.contact_id == Contact.id)
        .where(condition)
        .subquery()
    )
    return session.scalars(sa.select(ranked.c.id).where(ranked.c.rank <= each)).all()


_OWN_ORDER = (Contact.started_at, Contact.source, Contact.source_contact_id)
"""Does not depend on how contacts came in."""


def _in_order(session: Session, ids: Sequence[int]) -> list[int]:
    query = sa.select(Contact.id).where(among(session, Contact.id, ids)).order_by(*_OWN_ORDER)
    return list(session.scalars(query))


def tell_honoured(links: Links, labels: Sequence[int]) -> dict[str, Any]:
    """Return what a run's manifest says about corrections: which its own clusters agree with.

    Where contacts are counted says nothing about that: they are where people put them, whatever
    a run finds.

    Parameters
    ----------
    links : Links
        The run was given.
    labels : sequence of int
        Cluster of each contact it read, -1 for none; empty where it looked at nothing.

    Returns
    -------
    dict
        `said`: what people said that stands, the last word on each text and theme; `honoured`
        and `ids` those the clusters agree with, by the number of the correction; `missed` the
        others with why; the pairs discovery got.
    """
    missed = dict(links.missed)
    for number, asked in links.asked.items():
        if not labels:
            missed[number] = Missed.NOT_READ
        elif not asked.holds(labels):
            missed[number] = Missed.APART if asked.belongs else Missed.TOGETHER
    held = sorted(set(links.asked) - set(missed))
    n_said = len(held) + len(missed)
    return {
        "said": n_said,
        "honoured": len(held),
        "ids": held,
        "sentence": f"honoured {len(held):,} of {n_said:,} corrections",
        "missed": [[number, why.value] for number, why in sorted(missed.items())],
        "missed_by": dict(sorted(Counter(why.value for why in missed.values()).items())),
        "must_link": len(links.must_link),
        "cannot_link": len(links.cannot_link),
        "contradictory": links.contradictory,
        "not_read": links.not_read,
    }
