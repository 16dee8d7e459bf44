"""How many contacts a change avoided, and whether they come back."""

from ml.impact.comeback import watch_for_comeback
from ml.impact.estimate import METHOD_VERSION, estimate_impact
from ml.impact.types import ComebackWatch, ImpactEstimate, OwnHistory, Verdict

__all__ = [
    "METHOD_VERSION",
    "ComebackWatch",
    "ImpactEstimate",
    "OwnHistory",
    "Verdict",
    "estimate_impact",
    "watch_for_comeback",
]
