"""What a theme is about in one line: what people wrote, else a sentence of a customer."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.domain.summaries import summary_of
from closedloop.models import Contact, ContactText, QuoteRejection, Theme


def list_summaries(session: Session, theme_ids: Iterable[int]) -> dict[int, str]:
    """Return a sentence for each theme that has one and that nobody has described.

    The caller asks only for themes with enough customers. It comes from the redacted text of the
    contact that a run chose, as long as that is kept, in the theme, and not rejected as a quote:
    no copy of a customer's words outlives them.
    """
    is_rejected = sa.exists().where(
        QuoteRejection.theme_id == Theme.id, QuoteRejection.contact_id == Contact.id
    )
    rows = session.execute(
        sa.select(Theme.id, Theme.name, ContactText.issue_text)
        .join(
            Contact, sa.and_(Contact.id == Theme.summary_contact_id, Contact.theme_id == Theme.id)
        )
        .join(ContactText, ContactText.contact_id == Contact.id)
        .where(
            Theme.id.in_(list(theme_ids)),
            Theme.scenario == "",
            ContactText.issue_text != "",
            ~is_rejected,
        )
    )
    return {theme: summary_of(text, name) for theme, name, text in rows}
