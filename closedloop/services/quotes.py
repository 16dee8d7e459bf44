"""Quotes that people reject as evidence of a theme, and how they take that back."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.domain.audit import Actor
from closedloop.domain.errors import NotFound
from closedloop.models import QuoteRejection, Theme, ThemeEvidence
from closedloop.services.audit import record_on_theme
from closedloop.services.definitions import get_theme_to_change


def reject_quote(session: Session, *, theme_id: int, contact_id: int, by: Actor) -> None:
    """Take a quote out of the evidence of a theme, now and whenever quotes are picked.

    The next best takes its place at once. The contact stays in the theme. Rejecting it twice
    changes nothing.

    Raises
    ------
    NotFound
        If there is no such theme, or the contact is no evidence of it.
    """
    theme = get_theme_to_change(session, theme_id)
    if session.get(QuoteRejection, (theme_id, contact_id)) is not None:
        return
    is_quoted = sa.exists().where(
        ThemeEvidence.theme_id == theme_id, ThemeEvidence.contact_id == contact_id
    )
    if not session.scalar(sa.select(is_quoted)):
        raise NotFound(
            f"That contact is no longer quoted for {theme.key}: quotes were picked anew meanwhile."
        )
    session.add(QuoteRejection(theme_id=theme_id, contact_id=contact_id, rejected_by=by.name))
    _record(session, theme, contact_id, "themes.quote_rejected", "rejected a quote of", by)
    session.flush()


def take_back_rejection(session: Session, *, theme_id: int, contact_id: int, by: Actor) -> None:
    """Let a rejected quote count as evidence again.

    It stands where it stood; if quotes were picked anew meanwhile, the next picking considers it.

    Raises
    ------
    NotFound
        If there is no such theme, or the quote is not rejected.
    """
    theme = get_theme_to_change(session, theme_id)
    rejection = session.get(QuoteRejection, (theme_id, contact_id))
    if rejection is None:
        raise NotFound(f"That quote of {theme.key} is not rejected, so nothing had to change.")
    session.delete(rejection)
    _record(
        session, theme, contact_id, "themes.quote_taken_back", "took back a rejected quote of", by
    )
    session.flush()


def _record(
    session: Session, theme: Theme, contact_id: int, verb: str, did: str, by: Actor
) -> None:
    summary = f"{did} {theme.key} {theme.name}"
    record_on_theme(session, by, theme, verb, summary, {"contact": contact_id})
