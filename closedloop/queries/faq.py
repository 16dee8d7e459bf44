"""Candidates for a list of frequent questions: what customers ask, and answers that held."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, joinedload

from closedloop.domain.contacts import HEADLINE_WINDOW, share
from closedloop.domain.faq import ASKING_SHARE, answer_of, is_question
from closedloop.domain.themes import GONE_STATUSES, STATS_DAYS, DemandType, Strategy
from closedloop.models import Contact, ContactLink, ContactText, Theme, ThemeStats
from closedloop.queries.theme_figures import Figures, figures_of, find_mature_day, shorten

READ_TEXTS = 120
"""The newest contacts of a theme whose share of questions is measured."""

READ_CONTACTS = 300
"""The newest mature contacts of a theme among which answers are looked for."""

MOST_THEMES = 100
FEWEST_TEXTS = 20
SATISFIED = 4
SPARE = 30
EXEMPLARS = 3
_FIRST_CHARACTERS = 600
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Answered:
    """A question that one contact answered: what was asked and what the agent said."""

    question: str
    answer: str
    day: date
    channel: str
    csat: float | None
    contact_id: int


@dataclass(frozen=True)
class FaqCandidate:
    """A theme whose customers mostly want to know something.

    Attributes
    ----------
    texts, questions : int
        Newest contacts with words that were read, and those of them that ask.
    reasons : tuple of str
        Why it is here, in words.
    exemplars : tuple of Answered
        Best first, no two of one customer; empty unless `k` customers were answered so.
    answered : int or None
        At least as many customers were answered in one contact: those among the `SPARE` contacts
        looked at closely; None below `k`.
    """

    key: str
    name: str
    figures: Figures
    texts: int
    questions: int
    reasons: tuple[str, ...]
    exemplars: tuple[Answered, ...]
    answered: int | None

    @property
    def asking(self) -> float | None:
        """Share 0–1 of the texts that ask; None below `FEWEST_TEXTS`."""
        return share(self.questions, self.texts) if self.texts >= FEWEST_TEXTS else None


def list_faq_candidates(
    session: Session, *, k: int, most: int = MOST_THEMES
) -> tuple[FaqCandidate, ...]:
    """Return themes that a page of answers could take, most contacts first.

    They are value demand, or are to be met by informing or self-service, or nobody has called
    them failure demand and at least half of their newest texts ask something. An exemplar is a
    contact of a known customer that opened and closed the matter: none about the theme in the 7
    days before and after, not said to be unresolved. Those that ask come first, then those with
    a satisfied answer to the survey, then those most sure to belong to the theme.

    Parameters
    ----------
    session : Session
    k : int
        Fewest people behind a theme, and fewest distinct customers behind its exemplars.
    most : int
        Candidates at most.
    """
    themes = _themes(session, k)
    counted = _count_questions(session, [theme for theme, _ in themes])
    chosen = []
    for theme, figures in themes:
        texts, questions = counted[theme.id]
        if reasons := _reasons(theme, texts, questions):
            chosen.append((theme, figures, texts, questions, reasons))
    del chosen[most:]
    answers = _read_answers(session, [(theme.id, figures.as_of) for theme, figures, *_ in chosen])
    found = []
    for theme, figures, texts, questions, reasons in chosen:
        exemplars, customers = _pick(answers[theme.id])
        is_large = customers >= k
        found.append(
            FaqCandidate(
                theme.key,
                theme.name,
                figures,
                texts,
                questions,
                reasons,
                exemplars if is_large else (),
                customers if is_large else None,
            )
        )
    return tuple(found)


def _themes(session: Session, k: int) -> list[tuple[Theme, Figures]]:
    rows = session.scalars(
        sa.select(Theme)
        .join(ThemeStats, ThemeStats.theme_id == Theme.id)
        .where(Theme.status.not_in(GONE_STATUSES))
        .options(joinedload(Theme.stats))
        .order_by(ThemeStats.contacts.desc(), Theme.id)
        .limit(MOST_THEMES)
    )
    pairs = [(theme, figures_of(theme.stats, k)) for theme in rows]
    return [(theme, figures) for theme, figures in pairs if figures is not None]


def _reasons(theme: Theme, texts: int, questions: int) -> tuple[str, ...]:
    reasons = []
    if theme.demand_type is DemandType.VALUE:
        reasons.append("value demand")
    if theme.strategy in (Strategy.INFORM, Strategy.SELF_SERVE):
        reasons.append(theme.strategy.label.lower())
    is_failure = theme.demand_type is DemandType.FAILURE
    if not is_failure and texts >= FEWEST_TEXTS and questions >= ASKING_SHARE * texts:
        reasons.append("customers ask")
    return tuple(reasons)


def _count_questions(session: Session, themes: Sequence[Theme]) -> dict[int, tuple[int, int]]:
    """Return how many of the newest texts of each theme were read, and how many ask."""
    counted = {theme.id: (0, 0) for theme in themes}
    parts = [_newest_texts(theme) for theme in themes]
    if not parts:
        return counted
    for theme_id, text in session.execute(sa.union_all(*parts)):
        texts, questions = counted[theme_id]
        counted[theme_id] = (texts + 1, questions + is_question(text))
    return counted


def _newest_texts(theme: Theme) -> sa.Select[Any]:
    first = sa.func.substr(ContactText.issue_text, 1, _FIRST_CHARACTERS)
    newest = (
        sa.select(Contact.theme_id, first.label("words"))
        .join(ContactText, ContactText.contact_id == Contact.id)
        .where(Contact.theme_id == theme.id, ContactText.issue_text != "")
        .order_by(Contact.started_at.desc(), Contact.id.desc())
        .limit(READ_TEXTS)
        .subquery()
    )
    return sa.select(newest)


def _read_answers(
    session: Session, themes: Sequence[tuple[int, date]]
) -> dict[int, list[tuple[int, Answered]]]:
    """Return (customer, answered) of each theme, best first."""
    found: dict[int, list[tuple[int, Answered]]] = defaultdict(list)
    mature = {day: find_mature_day(session, day) for day in {as_of for _, as_of in themes}}
    parts = [_resolved_at_once(theme_id, as_of, mature[as_of]) for theme_id, as_of in themes]
    if not parts:
        return found
    rows = sorted(session.execute(sa.union_all(*parts)).all(), key=lambda row: row.place)
    for theme_id, customer, contact_id, day, channel, csat, _, words, turns in rows:
        if words and (answer := answer_of(turns)):
            answered = Answered(shorten(words), answer, day, channel, csat, contact_id)
            found[theme_id].append((customer, answered))
    return found


def _resolved_at_once(theme_id: int, as_of: date, last: date) -> sa.Select[Any]:
    window = HEADLINE_WINDOW.seconds
    first = as_of - timedelta(days=STATS_DAYS - 1)
    # By instant, which the index has in the order asked for; a little wide, for zones.
    newest = (
        sa.select(Contact)
        .where(
            Contact.theme_id == theme_id,
            Contact.customer_id.is_not(None),
            Contact.started_at > _noon(first - _DAY),
            Contact.started_at < _noon(last + _DAY),
        )
        .order_by(Contact.started_at.desc(), Contact.id.desc())
        .limit(READ_CONTACTS)
        .subquery()
    )
    c, link = newest.c, ContactLink
    best = (
        sa.select(
            c.theme_id,
            c.customer_id,
            c.id,
            c.local_day,
            c.channel,
            c.csat,
            sa.func.row_number().over(order_by=_best_first(c)).label("place"),
        )
        .join(link, link.contact_id == c.id)
        .where(
            c.local_day.between(first, last),
            sa.func.coalesce(link.next_same_gap_seconds, window + 1) > window,
            sa.func.coalesce(link.previous_same_gap_seconds, window + 1) > window,
            sa.func.coalesce(c.resolved, sa.true()),
        )
        .order_by("place")
        .limit(SPARE)
        .subquery()
    )
    words = (ContactText.issue_text, ContactText.turns)
    return sa.select(best, *words).join(ContactText, ContactText.contact_id == best.c.id)


def _noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)


def _best_first(c: Any) -> tuple[sa.ColumnElement[Any], ...]:
    is_satisfied = sa.case((c.csat >= SATISFIED, 1), else_=0)
    return (is_satisfied.desc(), sa.func.coalesce(c.theme_confidence, 0).desc(), c.id)


def _pick(rows: Sequence[tuple[int, Answered]]) -> tuple[tuple[Answered, ...], int]:
    """Return the best, no two of one customer or in the same words; and all customers."""
    picked: list[Answered] = []
    people: set[int] = set()
    seen: set[str] = set()
    in_order = sorted(rows, key=lambda row: not is_question(row[1].question))  # stable: best first
    for customer, answered in in_order:
        said = {answered.question.casefold(), answered.answer.casefold()}
        is_new = customer not in people and not said & seen
        people.add(customer)
        if is_new and len(picked) < EXEMPLARS:
            picked.append(answered)
            seen |= said
    return tuple(picked), len(people)
