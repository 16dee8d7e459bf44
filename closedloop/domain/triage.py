"""Deciding on a candidate: what each decision needs."""

from __future__ import annotations

from enum import StrEnum

from closedloop.domain.errors import Invalid

SCENARIO_MIN_LENGTH = 12


class Decision(StrEnum):
    """What the working group decides about a candidate."""

    ACCEPT = "accept"
    MERGE = "merge"
    DISMISS = "dismiss"
    PARK = "park"


def check_scenario(scenario: str) -> str:
    """Return the failure scenario, trimmed; a candidate is not accepted without one.

    Raises
    ------
    Invalid
    """
    scenario = " ".join(scenario.split())
    if len(scenario) < SCENARIO_MIN_LENGTH:
        sentence = "Say in one sentence what goes wrong for the customer."
        raise Invalid(sentence, {"scenario": sentence})
    return scenario


def check_reason(reason: str, *, what: str) -> str:
    """Return the reason, trimmed; a decision against something is not taken without one.

    Raises
    ------
    Invalid
    """
    reason = " ".join(reason.split())
    if not reason:
        sentence = f"Say why, so that the next person need not ask: {what} needs a reason."
        raise Invalid(sentence, {"reason": sentence})
    return reason
