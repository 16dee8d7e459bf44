"""The site's own prior over the model's settings: which one holds, and how it is learnt."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.models import ImpactPrior


def current_prior(session: Session) -> tuple[float, ...] | None:
    """Return the weights that measurements are made with, in the order of the grid.

    Returns
    -------
    tuple of float or None
        One weight for each of the model's settings, adding up to 1; None is the prior that
        is delivered with the program.
    """
    newest = sa.select(ImpactPrior).order_by(ImpactPrior.id.desc()).limit(1)
    held = session.scalar(newest)
    if held is None or not held.weights:
        return None
    return tuple(float(weight) for weight in held.weights)
