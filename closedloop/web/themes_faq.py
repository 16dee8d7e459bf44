"""Page: themes that a page of answers could take, with answers that held."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from flask import Response, render_template

from closedloop.domain.faq import ASKING_SHARE
from closedloop.extensions import current_settings, db
from closedloop.queries.faq import READ_TEXTS, FaqCandidate, list_faq_candidates
from closedloop.web.csv_files import csv_response
from closedloop.web.permissions import requires
from closedloop.web.themes_bp import bp

SHOWN = 15
"""Candidates on the page; the CSV has them all."""

CSV_HEADINGS = (
    "theme",
    "name",
    "why",
    "contacts_90_days",
    "share_that_asks",
    "customers_answered_in_one_contact_at_least",
    "question",
    "answer",
    "day",
    "channel",
    "csat",
)


@bp.get("/faq")
@requires("themes.view")
def faq() -> str:
    """Show the candidates, each with its best answered questions."""
    k = current_settings().privacy_k
    found = list_faq_candidates(db.session, k=k, most=SHOWN + 1)
    return render_template(
        "themes/faq.html",
        found=found[:SHOWN],
        has_more=len(found) > SHOWN,
        k=k,
        read_texts=READ_TEXTS,
        asking_share=ASKING_SHARE,
    )


@bp.get("/faq.csv")
@requires("themes.view")
def faq_csv() -> Response:
    """Give the candidates and their answered questions as CSV, a row a question."""
    found = list_faq_candidates(db.session, k=current_settings().privacy_k)
    return csv_response("faq-candidates.csv", CSV_HEADINGS, _rows(found))


def _rows(found: Sequence[FaqCandidate]) -> Iterator[list[Any]]:
    for theme in found:
        asking = None if theme.asking is None else round(theme.asking, 4)
        about = [theme.key, theme.name, ", ".join(theme.reasons), theme.figures.contacts]
        about += [asking, theme.answered]
        if not theme.exemplars:
            yield [*about, "", "", "", "", ""]
        for said in theme.exemplars:
            yield [*about, said.question, said.answer, said.day, said.channel, said.csat]
