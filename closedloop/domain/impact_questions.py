"""What speaks against reading a claim as it stands: failed checks, in words beside the claim."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from closedloop.domain.impact import CheckState, Verdict

QUESTIONS: dict[str, str] = {
    "earlier_trend": "contacts were going that way before the change already",
    "few_days": "it rests on a few days that stand out",
    "stages": "more fell than the customers reached can explain",
    "regression_to_mean": "the days right before the change were unusual",
    "other_fixes": "another change went live around the same days",
    "together": "it was measured together with other changes",
    "family": "themes that it touches went different ways",
    "spill": "contacts may have moved to themes beside it",
    "channels": "contacts may have moved to other channels",
    "newborn": "a theme of its family began only lately",
    "lately": "it may be wearing off",
    "repeat_rate": "more customers have to come back than before",
    "data_gaps": "days without contacts are in it or missing",
    "driver_volume": "volumes that it is held against are missing",
    "holidays": "public holidays are not known",
}
"""Half a sentence for each check that questions a claim when it fails, the gravest first.

Not here is what the answer itself says: other themes, its own history, the drop worth having.
"""

_SHOWN = 2
_CLAIMS = (Verdict.FELL, Verdict.ROSE)
_HIDES = "newborn"  # questions it, too, that nothing changed


def failed_checks(verdict: Verdict, checks: Collection[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the names of the checks that question a claim, the gravest first.

    Parameters
    ----------
    verdict : Verdict
        What claims neither a fall nor a rise needs no caution, but for what would hide one.
    checks : collection of mapping
        As a measurement keeps them: name, state, sentence.
    """
    failed = {check["name"] for check in checks if check["state"] == CheckState.WARN.value}
    if verdict not in _CLAIMS:
        failed &= {_HIDES} if verdict is Verdict.NO_CHANGE else set()
    return tuple(name for name in QUESTIONS if name in failed)


def caution(names: Sequence[str]) -> str:
    """Say in a sentence what questions a claim; empty when nothing does."""
    if not names:
        return ""
    said = [QUESTIONS[name] for name in names[:_SHOWN]]
    if more := len(names) - len(said):
        said.append("1 more check fails" if more == 1 else f"{more} more checks fail")
    *first, last = said
    return f"But {', '.join(first)} and {last}." if first else f"But {last}."
