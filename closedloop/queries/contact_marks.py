"""What contacts carry that metrics count: a handle time, a mark of the source, an answer."""

from __future__ import annotations

from dataclasses import dataclass, field

import sqlalchemy as sa

from closedloop.models import Contact


@dataclass(frozen=True)
class Mark:
    """Something a contact has or has not.

    Attributes
    ----------
    key : str
        As in addresses: "csat-satisfied".
    words : str
        As shown in a list of choices.
    figure : str
        The figure of the roll-up that counts such contacts.
    condition : condition on contacts
        The same, of the contact itself.
    """

    key: str
    words: str
    figure: str
    condition: sa.ColumnElement[bool] = field(compare=False, repr=False)


_C = Contact

MARKS: tuple[Mark, ...] = (
    Mark("handled", "Handle time known", "handled", _C.handle_seconds.is_not(None)),
    Mark("queued", "Known whether given up in the queue", "queued", _C.abandoned.is_not(None)),
    Mark("abandoned", "Given up in the queue", "abandoned", _C.abandoned.is_(True)),
    Mark("transferable", "Transfers known", "transferable", _C.transfers.is_not(None)),
    Mark("transferred", "Handed on at least once", "transferred", _C.transfers > 0),
    Mark(
        "resolution-known",
        "Marked by the source, resolved or not",
        "resolution_known",
        _C.resolved.is_not(None),
    ),
    Mark("resolved", "Marked resolved by the source", "resolution_yes", _C.resolved.is_(True)),
    Mark(
        "survey-answered",
        "Customer said whether it was resolved",
        "survey_answers",
        _C.survey_resolved.is_not(None),
    ),
    Mark("survey-yes", "Customer said resolved", "survey_yes", _C.survey_resolved.is_(True)),
    Mark("csat-answered", "Satisfaction answered", "csat_answers", _C.csat.is_not(None)),
    Mark("csat-satisfied", "Satisfied: 4 or 5 of 5", "csat_satisfied", _C.csat >= 4),
    Mark("nps-answered", "Recommendation answered", "nps_answers", _C.nps.is_not(None)),
    Mark("nps-promoters", "Promoters: 9 or 10", "nps_promoters", _C.nps >= 9),
    Mark("nps-detractors", "Detractors: 0 to 6", "nps_detractors", _C.nps <= 6),
    Mark("ces-answered", "Effort answered", "ces_answers", _C.ces.is_not(None)),
)


def find_mark(key: str) -> Mark | None:
    """Return what a key stands for, None when it stands for nothing."""
    return next((mark for mark in MARKS if mark.key == key), None)
