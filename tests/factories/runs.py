"""Runs that looked for themes, their parts and their labels, for tests."""

from __future__ import annotations

from datetime import date

import numpy as np
from sqlalchemy.orm import Session

from closedloop.domain.clock import utc_now
from closedloop.domain.runs import PartKind, PartState
from closedloop.models import RunLabels, RunPart, Theme, ThemeRun


def make_run(session: Session, **values) -> ThemeRun:
    """Add a run with a manifest."""
    run = ThemeRun(
        **{
            "finished_at": utc_now(),
            "first_day": date(2026, 1, 1),
            "last_day": date(2026, 3, 31),
            "encoder": "words@1",
            "seed": 0,
            "texts": 1200,
            "found": 14,
            "left_over": 120,
            "manifest": {
                "read": "repeat contacts",
                "note": "",
                "available": 1300,
                "claimed_by_decided_themes": 400,
                "drawn": 1200,
                "parameters": {"resolution": 1.5},
                "versions": {"python": "3.11.1"},
                "coverage": {"contacts_with_text": 5000, "contacts_with_theme": 4100},
                "corrections": {"said": 4, "honoured": 3},
                "parts": {"split": 1},
            },
            **values,
        }
    )
    session.add(run)
    session.flush()
    return run


def make_part(session: Session, run: ThemeRun, theme: Theme | None = None, **values) -> RunPart:
    """Add a part that waits."""
    detail = {"of_theme": 100, "leave": 10, "join": 50, "cluster": 0, **values.pop("detail", {})}
    part = RunPart(
        **{
            "run_id": run.id,
            "kind": PartKind.GREW,
            "theme_id": theme.id if theme else None,
            "name": "some cluster",
            "score": 0.6,
            "contacts": 140,
            "would_move": 60,
            "detail": detail,
            "state": PartState.PROPOSED,
            **values,
        }
    )
    session.add(part)
    session.flush()
    return part


def make_labels(
    session: Session, run: ThemeRun, clusters: dict[str, list[str]], *, people: int = 9
) -> RunLabels:
    """Keep which texts went into which cluster, one contact a text."""
    rows = sorted(
        (bytes.fromhex(text), label)
        for label, texts in enumerate(clusters.values())
        for text in texts
    )
    labels = RunLabels(
        run_id=run.id,
        hashes=b"".join(row[0] for row in rows),
        labels=np.array([row[1] for row in rows], np.int32).tobytes(),
        counts=np.ones(len(rows), np.int32).tobytes(),
        themes=np.zeros(len(rows), np.int32).tobytes(),
        names=[{"name": name, "people": people} for name in clusters],
    )
    session.add(labels)
    session.flush()
    return labels
