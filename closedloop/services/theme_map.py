"""The picture of contacts by theme: drawn from cached vectors, kept for the page to show."""

from __future__ import annotations

import io
from datetime import date, timedelta
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from closedloop.config import Settings
from closedloop.domain.jobs import Progress
from closedloop.domain.themes import STATS_DAYS
from closedloop.models import Contact, ContactText, EncodedText, ThemeMap
from closedloop.services.definitions import find_current_set
from closedloop.services.encoding import unpack
from closedloop.services.long_work import Report, Transactions, tell_nobody
from closedloop.services.theme_stats import find_stats_day

MOST_POINTS = 50_000
KEPT_DAYS = 7
"""A picture is drawn anew when it is older, so that what was erased leaves it, too."""

_PRIME = 1_000_003
_FACTOR = 611_953
"""Multiplying by it modulo the prime stirs ids, so that a share of them is a fair draw."""


def renew_theme_map(
    transactions: Transactions,
    *,
    settings: Settings,
    report: Report = tell_nobody,
    most: int = MOST_POINTS,
) -> int:
    """Draw the picture anew where none stands under the current definitions, or an old one.

    Parameters
    ----------
    transactions : Transactions
        One reads, one writes; none is open while the picture is drawn.
    settings : Settings
    report : Report
    most : int
        Contacts in the picture; of more, a fair draw is taken, the same one each time.

    Returns
    -------
    int
        Contacts placed; 0 where there was nothing to do.
    """
    with transactions() as session:
        current = find_current_set(session)
        as_of = find_stats_day(session, settings)
        if current is None or as_of is None or _stands(session, current.id, as_of):
            return 0
        set_id = current.id
        themes, vectors = _read(session, current.encoder, as_of, most)
    if not len(themes):
        return 0
    report(Progress(0, 0, "Drawing the map of themes"))
    points = _draw(themes, vectors)
    with transactions() as session:
        session.execute(sa.delete(ThemeMap).execution_options(synchronize_session=False))
        session.add(
            ThemeMap(definition_set_id=set_id, as_of=as_of, n_points=len(themes), points=points)
        )
    return len(themes)


def _stands(session: Session, set_id: int, as_of: date) -> bool:
    drawn = session.scalar(
        sa.select(sa.func.max(ThemeMap.as_of)).where(ThemeMap.definition_set_id == set_id)
    )
    return drawn is not None and drawn > as_of - timedelta(days=KEPT_DAYS)


def _read(
    session: Session, encoder: str, as_of: date, most: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return theme (n,) and vector (n, dimensions) of contacts of the last `STATS_DAYS` days."""
    wanted: Any = sa.and_(
        Contact.theme_id.is_not(None),
        Contact.local_day > as_of - timedelta(days=STATS_DAYS),
        Contact.local_day <= as_of,
    )
    n = session.scalar(sa.select(sa.func.count()).select_from(Contact).where(wanted)) or 0
    if n > most:
        stirred = (Contact.id % _PRIME) * _FACTOR % _PRIME
        wanted = sa.and_(wanted, stirred < int(_PRIME * most / n))
    rows = session.execute(
        sa.select(Contact.theme_id, EncodedText.vector)
        .join(ContactText, ContactText.contact_id == Contact.id)
        .join(EncodedText, EncodedText.text_hash == ContactText.text_hash)
        .where(wanted, EncodedText.encoder == encoder)
        .order_by(Contact.theme_id, Contact.id)
        .limit(most)
    ).all()
    return np.array([row[0] for row in rows], np.int64), unpack([row[1] for row in rows])


def _draw(themes: NDArray[np.int64], vectors: NDArray[np.float32]) -> bytes:
    # Imported here: it brings scipy, which web workers need not load.
    from ml.themes.projection import project_themes

    ids, labels = np.unique(themes, return_inverse=True)
    found = project_themes(vectors, labels.astype(np.int64))
    out = io.BytesIO()
    np.savez_compressed(
        out,
        x=found.positions[:, 0].astype(np.float32),
        y=found.positions[:, 1].astype(np.float32),
        label=labels.astype(np.int32),
        theme_id=ids,
        centres=found.centres,
        radii=found.radii,
        measured=np.array([found.agreement, found.faithfulness]),
    )
    return out.getvalue()
