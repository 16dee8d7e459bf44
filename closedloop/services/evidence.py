"""What stands beside a theme: quotes for and against it, and the themes it is like.

More quotes are picked than shown, so that another stands ready when a person rejects one.
Everything is picked from at most `SAMPLE` contacts of each theme, read theme by theme, so the
memory needed does not grow with the history.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import groupby, permutations
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from closedloop.config import Settings
from closedloop.domain.jobs import Progress
from closedloop.domain.themes import GONE_STATUSES, QUOTES_SHOWN, STATS_DAYS, follow_mergers
from closedloop.models import (
    Contact,
    ContactText,
    EncodedText,
    EvidenceKind,
    QuoteRejection,
    Theme,
    ThemeEvidence,
    ThemeLikeness,
)
from closedloop.queries.site import get_data_span
from closedloop.services.definitions import ThemeMaker, find_current_set, labels_of
from closedloop.services.encoding import unpack
from closedloop.services.long_work import Report, Transactions
from closedloop.services.summaries import choose_summaries

if TYPE_CHECKING:
    from ml.themes.evidence import Evidence

SAMPLE = 2_000
FRINGE = 50
NEAREST = 3
ROWS_AT_ONCE = 10_000
SPARE = 5
"""Quotes of each kind that stand ready behind those shown."""


@dataclass(frozen=True)
class _Sample:
    """Contacts: ids, who made them, confidence, fit (all n,) and vectors (n, dimensions).

    Fit is how much of the theme's keywords each holds, 0–1.
    """

    contacts: NDArray[np.int64]
    people: NDArray[np.int64]
    confidence: NDArray[np.float64]
    fit: NDArray[np.float64]
    vectors: NDArray[np.float32]

    def at(self, places: Sequence[int] | NDArray[np.int64]) -> _Sample:
        """Return some of them."""
        where = np.asarray(places, np.int64)
        return _Sample(
            self.contacts[where],
            self.people[where],
            self.confidence[where],
            self.fit[where],
            self.vectors[where],
        )

    def without(self, contacts: set[int], people: set[int]) -> _Sample:
        """Return those that are neither one of some contacts nor of one of some people."""
        unwanted = np.isin(self.contacts, list(contacts)) | np.isin(self.people, list(people))
        return self.at(np.flatnonzero(~unwanted))


@dataclass
class _Quotes:
    """Quotes picked for one theme, no two of one person, none that was rejected."""

    prototypes: NDArray[np.float32]
    rejected: set[int]
    rows: list[tuple[EvidenceKind, int, int, float]] = field(default_factory=list)
    people: set[int] = field(default_factory=set)

    def pick_inside(self, sample: _Sample) -> None:
        """Pick typical and boundary quotes from contacts of the theme."""
        sample = sample.without(self.rejected, set())
        found = self._pick(sample, is_member=True, n_each=QUOTES_SHOWN[EvidenceKind.TYPICAL.value])
        self._take(EvidenceKind.TYPICAL, sample, found.typical, sample.confidence)
        self._take(EvidenceKind.BOUNDARY, sample, found.boundary, sample.confidence)

    def pick_outside(self, sample: _Sample) -> None:
        """Pick the contrary quote from contacts that are not in the theme."""
        sample = sample.without(self.rejected, self.people)
        nearness = np.clip((sample.vectors @ self.prototypes.T).max(axis=1), 0.0, 1.0)
        nearest = np.argsort(-nearness, kind="stable")[:FRINGE]
        sample, nearness = sample.at(nearest), nearness[nearest]
        found = self._pick(sample, is_member=False, n_each=1)
        self._take(EvidenceKind.CONTRARY, sample, found.contrary, nearness)

    def _pick(self, sample: _Sample, *, is_member: bool, n_each: int) -> Evidence:
        # Imported here: it brings scipy, which web workers need not load.
        from ml.themes.evidence import pick_evidence

        return pick_evidence(
            sample.vectors,
            self.prototypes,
            sample.confidence,
            np.full(len(sample.contacts), is_member),
            n_each=n_each,
            n_spare=SPARE,
            fit=sample.fit,
            people=sample.people,
        )

    def _take(
        self, kind: EvidenceKind, sample: _Sample, places: Iterable[int], value: NDArray[Any]
    ) -> None:
        for rank, place in enumerate(places, 1):
            self.people.add(int(sample.people[place]))
            self.rows.append((kind, rank, int(sample.contacts[place]), float(value[place])))


def renew_evidence(
    transactions: Transactions,
    *,
    settings: Settings,
    report: Report,
    maker: ThemeMaker,
    is_run: bool = False,
) -> int:
    """Pick the quotes of every theme in use anew, and say which themes are alike.

    Typical quotes lie near the theme, hold its keywords and differ from each other; of boundary
    ones the assignment was least sure; the contrary one comes nearest of those that are not in
    the theme. What a person rejected is not picked again. A theme with fewer than
    `settings.privacy_k` people in the last `STATS_DAYS` days gets none.

    Parameters
    ----------
    transactions : Transactions
        One reads each theme; one writes everything at the end.
    settings : Settings
    report : Report
    maker : ThemeMaker
    is_run : bool
        Whether a run has just looked at the themes: then the sentence that says what a theme is
        about is chosen anew, else only where it is missing or no longer stands.

    Returns
    -------
    int
        Quotes picked, those that stand ready included.
    """
    with transactions() as session:
        current = find_current_set(session, with_model=True)
        last_day = get_data_span(session).last_day
        if current is None or last_day is None:
            return 0
        owners, encoder = current.label_themes, current.encoder
        model, since = maker.read_model(current.model), last_day - timedelta(days=STATS_DAYS - 1)
        themes = list(
            session.scalars(
                sa.select(Theme.id).where(Theme.status.not_in(GONE_STATUSES)).order_by(Theme.id)
            )
        )
        people = _count_people(session, since)
        keywords, rejected = _read_keywords(session), _read_rejected(session)
        outside = {0: _read_sample(session, encoder, since, None, ())}
    centres: dict[int, NDArray[np.float32]] = {}
    quotes: dict[int, _Quotes] = {}
    for done, theme in enumerate(themes, 1):
        with transactions() as session:
            sample = _read_sample(session, encoder, since, theme, keywords.get(theme, ()))
        report(Progress(done, len(themes), "Picking quotes"))
        labels = labels_of(owners, theme)
        if len(sample.contacts) == 0 or not labels:
            continue
        centres[theme] = _centre(sample)
        if people.get(theme, 0) >= settings.privacy_k:
            prototypes = np.vstack([model.prototypes(label) for label in labels])
            quotes[theme] = _Quotes(prototypes, rejected.get(theme, set()))
            quotes[theme].pick_inside(sample)
            outside[theme] = sample.at(np.argsort(sample.confidence, kind="stable")[:FRINGE])
    for theme, picked in quotes.items():
        others = [s for owner, s in outside.items() if owner != theme and len(s.contacts)]
        if others:
            picked.pick_outside(_join(others))
    with transactions() as session:
        n = _write_quotes(session, quotes)
        choose_summaries(session, anew=is_run)
        _write_likeness(session, centres, since)
    return n


def _join(samples: Sequence[_Sample]) -> _Sample:
    return _Sample(
        np.concatenate([s.contacts for s in samples]),
        np.concatenate([s.people for s in samples]),
        np.concatenate([s.confidence for s in samples]),
        np.concatenate([s.fit for s in samples]),
        np.concatenate([s.vectors for s in samples]),
    )


def _count_people(session: Session, since: date) -> dict[int, int]:
    """Return the people behind each theme; an unidentified contact counts as one of its own."""
    unidentified = sa.func.sum(sa.case((Contact.customer_id.is_(None), 1), else_=0))
    rows = session.execute(
        sa.select(Contact.theme_id, sa.func.count(sa.distinct(Contact.customer_id)) + unidentified)
        .where(Contact.theme_id.is_not(None), Contact.local_day >= since)
        .group_by(Contact.theme_id)
    )
    return {theme: int(n) for theme, n in rows if theme is not None}


def _read_keywords(session: Session) -> dict[int, list[list[str]]]:
    """Return the keywords of each theme, and of those that were merged into it."""
    rows = session.execute(
        sa.select(Theme.id, Theme.merged_into_id, Theme.keywords).order_by(Theme.id)
    ).all()
    into: Mapping[int, int | None] = {theme: other for theme, other, _ in rows}
    found: dict[int, list[list[str]]] = {}
    for theme, _, keywords in rows:
        owner = follow_mergers(theme, into)
        found.setdefault(owner, []).append([str(word) for word in keywords])
    return found


def _read_rejected(session: Session) -> dict[int, set[int]]:
    found: dict[int, set[int]] = {}
    for theme, contact in session.execute(
        sa.select(QuoteRejection.theme_id, QuoteRejection.contact_id)
    ):
        found.setdefault(theme, set()).add(contact)
    return found


def _fit(texts: Sequence[str], keywords: Sequence[Sequence[str]]) -> NDArray[np.float64]:
    """Return how much of the keywords of the theme each text holds, or of one merged into it."""
    # Imported here: it brings scipy, which web workers need not load.
    from ml.themes.evidence import keyword_fit

    best = (max((keyword_fit(text, words) for words in keywords), default=0.0) for text in texts)
    return np.fromiter(best, np.float64, len(texts))


def _read_sample(
    session: Session,
    encoder: str,
    since: date,
    theme: int | None,
    keywords: Sequence[Sequence[str]],
) -> _Sample:
    """Read contacts of a theme, or left over ones; ordered by text hash, they are a fair draw."""
    belongs = (
        sa.and_(Contact.theme_id.is_(None), Contact.cluster == -1)
        if theme is None
        else Contact.theme_id == theme
    )
    rows = session.execute(
        sa.select(
            Contact.id,
            Contact.customer_id,
            Contact.theme_confidence,
            EncodedText.vector,
            ContactText.issue_text,
        )
        .join(ContactText, ContactText.contact_id == Contact.id)
        .join(EncodedText, EncodedText.text_hash == ContactText.text_hash)
        .where(belongs, Contact.local_day >= since, EncodedText.encoder == encoder)
        .order_by(ContactText.text_hash, Contact.source, Contact.source_contact_id)
        .limit(SAMPLE)
    ).all()
    return _Sample(
        np.array([row[0] for row in rows], np.int64),
        np.array([-row[0] if row[1] is None else row[1] for row in rows], np.int64),
        np.array([row[2] or 0.0 for row in rows], np.float64),
        _fit([row[4] for row in rows], keywords),
        unpack([row[3] for row in rows]),
    )


def _centre(sample: _Sample) -> NDArray[np.float32]:
    mean = sample.vectors.mean(axis=0)
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-9), np.float32)


def _write_quotes(session: Session, quotes: dict[int, _Quotes]) -> int:
    session.execute(sa.delete(ThemeEvidence).execution_options(synchronize_session=False))
    contacts = {row[2] for picked in quotes.values() for row in picked.rows}
    now_in = _themes_of(session, sorted(contacts))
    gone = set(session.scalars(sa.select(Theme.id).where(Theme.status.in_(GONE_STATUSES))))
    rows = [
        ThemeEvidence(theme_id=theme, kind=kind, rank=rank, contact_id=contact, confidence=value)
        for theme, picked in quotes.items()
        for kind, rank, contact, value in picked.rows
        # Somebody may have merged or dismissed a theme, or deleted a contact, meanwhile.
        if theme not in gone
        and contact in now_in
        and (now_in[contact] == theme) is (kind is not EvidenceKind.CONTRARY)
    ]
    session.add_all(rows)
    session.flush()  # readers of this transaction see them
    return len(rows)


def _themes_of(session: Session, contacts: Sequence[int]) -> dict[int, int | None]:
    found: dict[int, int | None] = {}
    for start in range(0, len(contacts), 500):
        part = contacts[start : start + 500]
        rows = session.execute(sa.select(Contact.id, Contact.theme_id).where(Contact.id.in_(part)))
        found.update((contact, theme) for contact, theme in rows)
    return found


def _write_likeness(session: Session, centres: dict[int, NDArray[np.float32]], since: date) -> None:
    session.execute(sa.delete(ThemeLikeness).execution_options(synchronize_session=False))
    if len(centres) < 2:
        return
    both = _count_customers_in_both(session, since)
    themes = sorted(centres)
    cosines = np.stack([centres[t] for t in themes]) @ np.stack([centres[t] for t in themes]).T
    np.fill_diagonal(cosines, -np.inf)
    for i, theme in enumerate(themes):
        for j in np.argsort(-cosines[i], kind="stable")[: min(NEAREST, len(themes) - 1)]:
            other = themes[int(j)]
            session.add(
                ThemeLikeness(
                    theme_id=theme,
                    other_id=other,
                    likeness=round(float(cosines[i, j]), 4),
                    customers_in_both=both.get((theme, other), 0),
                )
            )
    session.flush()


def _count_customers_in_both(session: Session, since: date) -> Counter[tuple[int, int]]:
    """Count here, not by a join: contacts that have just got their themes are no statistics yet,
    without which PostgreSQL compares every row with every other one.
    """
    rows = session.execute(
        sa.select(Contact.customer_id, Contact.theme_id)
        .distinct()
        .where(
            Contact.theme_id.is_not(None),
            Contact.customer_id.is_not(None),
            Contact.local_day >= since,
        )
        .order_by(Contact.customer_id)
        .execution_options(yield_per=ROWS_AT_ONCE)
    )
    both: Counter[tuple[int, int]] = Counter()
    for _, themes in groupby(rows, key=itemgetter(0)):
        both.update(permutations([theme or 0 for _, theme in themes], 2))
    return both
