"""What people put right, as pairs for the next discovery; and what became of it in a run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.models import Contact, ContactText, EvidenceKind, ThemeCorrection, ThemeEvidence
from closedloop.services.membership import NOWHERE, STANDS, last_words, places_of_themes
from ml.text.clean import normalise

ANCHORS = 3
"""Texts of a theme that one which does not belong there is kept apart from."""

Pair = tuple[int, int]


@dataclass(frozen=True)
class Links:
    """Pairs of texts by their place among those that a run reads.

    Attributes
    ----------
    must_link, cannot_link : tuple of (int, int)
    contradictory : int
        Pairs left out because others say the opposite.
    not_read : int
        Corrections about texts that the run does not read, or with nothing to compare them to.
    """

    must_link: tuple[Pair, ...] = ()
    cannot_link: tuple[Pair, ...] = ()
    contradictory: int = 0
    not_read: int = 0

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

    Texts said to belong to one theme must share a cluster. A text said not to belong to a theme
    must not share one with up to `ANCHORS` texts of it: such as people put there, else its
    typical quotes, else the first that are read.

    Parameters
    ----------
    hashes, texts, themes : sequences of length n
        Of the contacts read, in their order, with the theme each is in now.
    """
    place_of: dict[str, int] = {}
    for place, text_hash in enumerate(hashes):
        place_of.setdefault(text_hash, place)
    at_home: dict[int, list[int]] = defaultdict(list)
    strangers: list[tuple[int, int]] = []
    not_read = 0
    where = places_of_themes(session)
    for text_hash, theme, belongs in _said(session):
        if text_hash not in place_of or where[theme] == NOWHERE:
            not_read += 1
        elif belongs:
            at_home[where[theme]].append(place_of[text_hash])
        else:
            strangers.append((place_of[text_hash], where[theme]))
    must = [(places[0], other) for _, places in sorted(at_home.items()) for other in places[1:]]
    typical = _find_typical(session, {theme for _, theme in strangers}, place_of)
    cannot: list[Pair] = []
    for place, theme in strangers:
        anchors = at_home.get(theme) or typical.get(theme) or _first_of(theme, themes)
        pairs = [(place, anchor) for anchor in anchors[:ANCHORS] if anchor != place]
        cannot += pairs
        not_read += not pairs
    return _without_contradictions(must, cannot, texts, not_read)


def _said(session: Session) -> Iterable[tuple[str, int, bool]]:
    return last_words(session, ThemeCorrection.text_hash, ThemeCorrection.text_hash != "")


def _find_typical(
    session: Session, themes: Iterable[int], place_of: dict[str, int]
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


def _first_of(theme: int, themes: Sequence[int | None]) -> list[int]:
    found = (place for place, at in enumerate(themes) if at == theme)
    return [place for place, _ in zip(found, range(ANCHORS), strict=False)]


def _without_contradictions(
    must: Sequence[Pair], cannot: Sequence[Pair], texts: Sequence[str], not_read: int
) -> Links:
    """Drop the pairs to be kept apart that other pairs, or equal words, put together."""
    group: dict[str, str] = {}

    def head(text: str) -> str:
        while group.get(text, text) != text:
            text = group[text]
        return text

    plain = {place: normalise(texts[place]) for pair in (*must, *cannot) for place in pair}
    for one, other in must:
        group[head(plain[other])] = head(plain[one])
    possible = [pair for pair in cannot if head(plain[pair[0]]) != head(plain[pair[1]])]
    return Links(tuple(must), tuple(possible), len(cannot) - len(possible), not_read)


def tell_honoured(session: Session, links: Links) -> dict[str, Any]:
    """Return what a run's manifest says about corrections, once its themes are in force.

    Returns
    -------
    dict
        `said`: what people said that stands, the last word on each text and theme; `honoured`
        and `ids` those that hold now, by the number of the correction; the pairs discovery got.
    """
    where = places_of_themes(session)
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
            ThemeCorrection.id, ThemeCorrection.theme_id, ThemeCorrection.belongs, Contact.theme_id
        )
        .join(Contact, Contact.id == ThemeCorrection.contact_id)
        .where(ThemeCorrection.id.in_(last))
        .order_by(ThemeCorrection.id)
    ).all()
    held = [
        number
        for number, theme, belongs, at in rows
        if (at is not None and at == where[theme]) is belongs
    ]
    return {
        "said": len(rows),
        "honoured": len(held),
        "ids": held,
        "sentence": f"honoured {len(held):,} of {len(rows):,} corrections",
        "must_link": len(links.must_link),
        "cannot_link": len(links.cannot_link),
        "contradictory": links.contradictory,
        "not_read": links.not_read,
    }
