"""Reviewing an alarm of the comeback watch: what the working group found behind it."""

from __future__ import annotations

from enum import StrEnum

from closedloop.domain.errors import Invalid

MOST_NOTE = 2_000
"""Characters of what the review found, at most."""


class ComebackOutcome(StrEnum):
    """What a case review says about the rise behind an alarm."""

    REAL = "real"
    EXPLAINED = "explained"
    NO_MATTER = "no_matter"

    @property
    def label(self) -> str:
        """As people say it."""
        return {
            ComebackOutcome.REAL: "It is back",
            ComebackOutcome.EXPLAINED: "Explained by something else",
            ComebackOutcome.NO_MATTER: "No matter",
        }[self]

    @property
    def rule(self) -> str:
        """What follows from it, in a sentence."""
        return {
            ComebackOutcome.REAL: "The fix no longer holds; the theme waits for a new action.",
            ComebackOutcome.EXPLAINED: "Something else brought the contacts, such as an outage or "
            "a season. The theme holds again, and the watch goes on after the alarm.",
            ComebackOutcome.NO_MATTER: "The rise is too small to act on. The theme holds again, "
            "and the watch goes on after the alarm.",
        }[self]


def check_review(outcome: ComebackOutcome | str, note: str) -> tuple[ComebackOutcome, str]:
    """Return the outcome and the trimmed note of a review.

    Raises
    ------
    Invalid
        Without an outcome, or without a note of what explains the rise.
    """
    note = " ".join(note.split())
    fields = {}
    if outcome not in set(ComebackOutcome):
        fields["outcome"] = "Choose what the review found."
    elif outcome == ComebackOutcome.EXPLAINED and not note:
        fields["note"] = "Say what explains the rise, so that the next person need not ask."
    if len(note) > MOST_NOTE:
        fields["note"] = f"Keep the note to {MOST_NOTE:,} characters."
    if fields:
        raise Invalid("The review was not saved. " + " ".join(fields.values()), fields)
    return ComebackOutcome(outcome), note
