"""How many contacts a change avoided, and whether they come back."""

from ml.impact.cases import ImpactCase
from ml.impact.comeback import watch_for_comeback
from ml.impact.estimate import METHOD_VERSION, estimate_impact, estimate_many
from ml.impact.types import (
    AtFewest,
    ComebackWatch,
    ImpactEstimate,
    OwnHistory,
    Rate,
    Reached,
    Verdict,
)

__all__ = [
    "METHOD_VERSION",
    "AtFewest",
    "ComebackWatch",
    "ImpactCase",
    "ImpactEstimate",
    "OwnHistory",
    "Rate",
    "Reached",
    "Verdict",
    "estimate_impact",
    "estimate_many",
    "watch_for_comeback",
]
