"""Chooses the contact whose words say in one line what a theme is about."""

from __future__ import annotations

from collections import defaultdict

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.domain.summaries import count_words_held
from closedloop.models import ContactText, EvidenceKind, QuoteRejection, Theme, ThemeEvidence
from closedloop.queries.summaries import list_summaries
from closedloop.services.definitions import read_standing


def choose_summaries(session: Session, *, anew: bool) -> None:
    """Choose among the typical quotes of each theme that no person has described.

    The first that holds all words of the theme's name is taken, else the first of those that hold
    most. Only themes with enough customers have quotes.

    Parameters
    ----------
    session : Session
    anew : bool
        For every such theme that nobody has decided anything about; else only where there is
        none, or it no longer stands.
    """
    is_rejected = sa.exists().where(
        QuoteRejection.theme_id == ThemeEvidence.theme_id,
        QuoteRejection.contact_id == ThemeEvidence.contact_id,
    )
    rows = session.execute(
        sa.select(Theme, ThemeEvidence.contact_id, ContactText.issue_text)
        .join(ThemeEvidence, ThemeEvidence.theme_id == Theme.id)
        .join(ContactText, ContactText.contact_id == ThemeEvidence.contact_id)
        .where(
            Theme.scenario == "",
            ThemeEvidence.kind == EvidenceKind.TYPICAL,
            ContactText.issue_text != "",
            ~is_rejected,
        )
        .order_by(Theme.id, ThemeEvidence.rank)
    )
    quotes: dict[Theme, list[tuple[int, str]]] = defaultdict(list)
    for theme, contact, text in rows:
        quotes[theme].append((contact, text))
    decided = read_standing(session).kept
    kept = [theme.id for theme in quotes if theme.id in decided or not anew]
    standing = list_summaries(session, kept)
    for theme, typical in quotes.items():
        if theme.id not in standing:
            held = [count_words_held(text, theme.name) for _, text in typical]
            theme.summary_contact_id = typical[held.index(max(held))][0]
    session.flush()
