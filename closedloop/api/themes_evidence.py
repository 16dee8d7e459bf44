"""Evidence of a theme over the API: its quotes, rejecting one, and what a machine suggests."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from pydantic import Field

from closedloop.api.auth import WRITE, api_actor, needs
from closedloop.api.blueprint import bp
from closedloop.api.change_schemas import ChangeDone
from closedloop.api.schemas import In, Out, Rate, Words
from closedloop.api.themes_curation import THEME, change_done
from closedloop.domain.errors import NotFound
from closedloop.extensions import current_settings, db
from closedloop.queries.naming import get_machine_words
from closedloop.queries.theme_figures import (
    Quote,
    figures_of,
    list_quotes,
    list_rejected_quotes,
)
from closedloop.queries.theme_page import find_theme
from closedloop.services.naming import (
    accept_suggestion,
    bring_back_suggestion,
    dismiss_suggestion,
)
from closedloop.services.quotes import reject_quote, take_back_rejection

_QUOTE = f"{THEME}/evidence/<int(max=9223372036854775807):contact_id>"
_MISSING = {404: "There is no such theme, or nothing of the kind to change."}


class QuoteOut(Out):
    """What a customer said, redacted; `kind` is typical, boundary or contrary."""

    contact: int
    kind: str
    text: str
    day: date
    channel: str
    speaker: str
    confidence: Rate


class RejectedOut(Out):
    """A quote somebody took out of the evidence."""

    contact: int
    text: str
    day: date
    rejected_by: str
    rejected_at: datetime


class Evidence(Out):
    """The quotes of a theme, best first of each kind; none of too few customers."""

    is_hidden: bool = Field(description="Too few customers to be quoted.")
    items: list[QuoteOut]


class RejectedList(Out):
    """Quotes that were rejected, the newest rejection first."""

    items: list[RejectedOut]


class QuoteDone(Out):
    """Whether a quote counts as evidence now."""

    contact: int
    is_rejected: bool


class SuggestionOut(Out):
    """What a language model wrote of a theme; `model` says which."""

    name: str
    summary: str
    model: str
    written_at: datetime
    is_offered: bool = Field(description="The name can be accepted: no person has named it.")
    is_name: bool = Field(description="Somebody accepted it.")


class NameIn(In):
    """The suggestion that was seen."""

    name: Words


class SuggestionDone(Out):
    """Whether the suggestion is put away now."""

    theme: str
    is_dismissed: bool


@bp.get(f"{THEME}/evidence")
@bp.doc(summary="Quotes of a theme", responses={404: "There is no such theme."})
@bp.output(Evidence)
@needs("themes.view")
def get_evidence_view(key: str) -> Evidence:
    """Give typical, boundary and contrary quotes, each with its contact."""
    theme = find_theme(db.session, key)
    if not _may_be_quoted(theme):
        return Evidence(is_hidden=True, items=[])
    quotes = list_quotes(db.session, [theme.id])[theme.id]
    return Evidence(is_hidden=False, items=[_quote(quote) for quote in quotes])


@bp.get(f"{THEME}/evidence/rejected")
@bp.doc(summary="Rejected quotes of a theme", responses={404: "There is no such theme."})
@bp.output(RejectedList)
@needs("themes.curate")
def list_rejected_view(key: str) -> RejectedList:
    """Give the quotes that were rejected, so that a rejection can be taken back."""
    theme = find_theme(db.session, key)
    rows = list_rejected_quotes(db.session, theme.id) if _may_be_quoted(theme) else []
    return RejectedList(
        items=[
            RejectedOut(
                contact=row.contact_id,
                text=row.text,
                day=row.day,
                rejected_by=row.rejected_by,
                rejected_at=row.rejected_at,
            )
            for row in rows
        ]
    )


@bp.post(f"{_QUOTE}/reject")
@bp.doc(summary="Reject a quote", responses=_MISSING)
@bp.output(QuoteDone)
@needs("themes.curate", WRITE)
def reject_quote_view(key: str, contact_id: int) -> QuoteDone:
    """Take a quote out of the evidence; the next best takes its place, the contact stays."""
    with db.transaction() as session:
        theme = find_theme(session, key)
        reject_quote(session, theme_id=theme.id, contact_id=contact_id, by=api_actor())
    return QuoteDone(contact=contact_id, is_rejected=True)


@bp.post(f"{_QUOTE}/take-back")
@bp.doc(summary="Take the rejection of a quote back", responses=_MISSING)
@bp.output(QuoteDone)
@needs("themes.curate", WRITE)
def take_back_quote_view(key: str, contact_id: int) -> QuoteDone:
    """Let a rejected quote count as evidence again."""
    with db.transaction() as session:
        theme = find_theme(session, key)
        take_back_rejection(session, theme_id=theme.id, contact_id=contact_id, by=api_actor())
    return QuoteDone(contact=contact_id, is_rejected=False)


@bp.get(f"{THEME}/suggestion")
@bp.doc(summary="Name a machine suggests", responses=_MISSING)
@bp.output(SuggestionOut)
@needs("themes.view")
def get_suggestion_view(key: str) -> SuggestionOut:
    """Give what a language model wrote of a theme, where one was asked."""
    theme = find_theme(db.session, key)
    found = get_machine_words(db.session, theme) if _may_be_quoted(theme) else None
    if found is None:
        raise NotFound(f"No name is suggested for {theme.key}.")
    return SuggestionOut(**vars(found))


@bp.post(f"{THEME}/suggestion/accept")
@bp.doc(summary="Accept a suggested name", responses={**_MISSING, 409: "Named meanwhile."})
@bp.input(NameIn, location="json", arg_name="sent")
@bp.output(ChangeDone)
@needs("themes.curate", WRITE)
def accept_suggestion_view(key: str, sent: NameIn) -> ChangeDone:
    """Give the theme the name suggested, as its person; undone like any renaming."""
    with db.transaction() as session:
        theme = find_theme(session, key)
        done = accept_suggestion(session, theme_id=theme.id, name=sent.name, by=api_actor())
        return change_done(done)


@bp.post(f"{THEME}/suggestion/dismiss")
@bp.doc(summary="Dismiss a suggestion", responses=_MISSING)
@bp.output(SuggestionDone)
@needs("themes.curate", WRITE)
def dismiss_suggestion_view(key: str) -> SuggestionDone:
    """Put away what the machine wrote; no run over all themes asks again."""
    with db.transaction() as session:
        dismiss_suggestion(session, theme_id=find_theme(session, key).id, by=api_actor())
    return SuggestionDone(theme=key, is_dismissed=True)


@bp.post(f"{THEME}/suggestion/bring-back")
@bp.doc(summary="Bring a dismissed suggestion back", responses=_MISSING)
@bp.output(SuggestionDone)
@needs("themes.curate", WRITE)
def bring_back_suggestion_view(key: str) -> SuggestionDone:
    """Show again what the machine wrote."""
    with db.transaction() as session:
        bring_back_suggestion(session, theme_id=find_theme(session, key).id, by=api_actor())
    return SuggestionDone(theme=key, is_dismissed=False)


def _may_be_quoted(theme: Any) -> bool:
    return figures_of(theme.stats, current_settings().privacy_k) is not None


def _quote(quote: Quote) -> QuoteOut:
    return QuoteOut(
        contact=quote.contact_id,
        kind=quote.kind,
        text=quote.text,
        day=quote.day,
        channel=quote.channel,
        speaker=quote.speaker,
        confidence=quote.confidence,
    )
