"""Runs: what each read and found, what it proposed, and how any two compare."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from closedloop.domain.errors import NotFound
from closedloop.domain.runs import (
    LEFT_OVER,
    MISSED_IN_WORDS,
    Missed,
    PartKind,
    PartState,
    jaccard,
    match_clusters,
)
from closedloop.models import RunLabels, RunPart, Theme, ThemeCorrection, ThemeRun

HASH_BYTES = 32
RUNS_SHOWN = 100
MISSED_SHOWN = 50
OTHER_THEMES = ("into", "became", "from")
"""Where the detail of a part names another theme than its own."""


@dataclass(frozen=True)
class RunRow:
    """One run in the list, with its parts counted by state."""

    run: ThemeRun
    parts: Mapping[PartState, int]

    @property
    def waiting(self) -> int:
        """Parts nobody decided about yet."""
        return self.parts.get(PartState.PROPOSED, 0)


@dataclass(frozen=True)
class PartRow:
    """One part of a run, with the themes it names.

    Attributes
    ----------
    from_key, from_name : str or None
        Of a candidate the run split off another, that other one.
    would_move : int
        Contacts read whose theme would change. A theme that is dismissed because it was not found
        again keeps its contacts, so that none would.
    is_of_candidate : bool
        It is about a candidate nobody had touched: it happened with the run, and nobody decided.
    """

    id: int
    kind: PartKind
    state: PartState
    name: str
    score: float
    contacts: int
    would_move: int
    detail: dict[str, Any]
    decided_by: str
    decided_at: datetime | None
    theme_key: str | None
    theme_name: str | None
    into_key: str | None
    into_name: str | None
    became_key: str | None
    from_key: str | None
    from_name: str | None
    is_of_candidate: bool

    @property
    def of_theme(self) -> int | None:
        """Contacts read that stood in the theme."""
        return self.detail.get("of_theme")

    @property
    def joins(self) -> int | None:
        """Contacts read that would join."""
        return self.detail.get("join")

    @property
    def leaves(self) -> int | None:
        """Contacts read that would leave, or have left a candidate with the run."""
        return 0 if self._keeps_its_contacts else self.detail.get("leave")

    @property
    def _keeps_its_contacts(self) -> bool:
        return _is_dismissal(self.kind, is_of_candidate=self.is_of_candidate)


@dataclass(frozen=True)
class RunPage:
    """One run, its parts, and the run before it."""

    run: ThemeRun
    parts: tuple[PartRow, ...]
    before_id: int | None

    @property
    def waiting(self) -> tuple[PartRow, ...]:
        """Parts nobody decided about yet."""
        return tuple(part for part in self.parts if part.state is PartState.PROPOSED)


@dataclass(frozen=True)
class MissedRow:
    """A correction that the clusters of a run do not agree with, and why.

    Attributes
    ----------
    belongs : bool
        Somebody said that the contact belongs to the theme; else that it does not.
    reason : str
        In words.
    """

    contact_id: int
    theme_key: str
    theme_name: str
    belongs: bool
    said_by: str
    reason: str


@dataclass(frozen=True)
class Side:
    """A cluster of one run: contacts read, and its name; None and "" of too few people."""

    label: int
    name: str
    contacts: int | None


@dataclass(frozen=True)
class Pair:
    """A cluster of each run that are the same, and what they share of the texts both read."""

    one: Side
    other: Side
    jaccard: float


@dataclass(frozen=True)
class Comparison:
    """Two runs side by side.

    Attributes
    ----------
    contacts : int
        Contacts the later run read whose text the earlier one read as well.
    pairs : tuple of Pair
        Largest first.
    only_one, only_other : tuple of Side
        Clusters without a match.
    stability : float or None
        Mean overlap of the earlier run's clusters with their match, by size, those without a
        match counting nothing; None where nothing is shared.
    """

    one: ThemeRun
    other: ThemeRun
    contacts: int
    pairs: tuple[Pair, ...]
    only_one: tuple[Side, ...]
    only_other: tuple[Side, ...]
    stability: float | None


def list_missed(
    session: Session, run: ThemeRun, *, limit: int = MISSED_SHOWN
) -> tuple[MissedRow, ...]:
    """Return the corrections a run did not honour, the newest first, at most `limit` of them.

    Those of contacts that were deleted since are left out.
    """
    told = run.manifest.get("corrections", {}).get("missed", [])
    why = {number: Missed(reason) for number, reason in told[-limit:]}
    rows = session.execute(
        sa.select(ThemeCorrection, Theme.key, Theme.name)
        .join(Theme, Theme.id == ThemeCorrection.theme_id)
        .where(ThemeCorrection.id.in_(why))
        .order_by(ThemeCorrection.id.desc())
    )
    return tuple(
        MissedRow(
            said.contact_id, key, name, said.belongs, said.said_by, MISSED_IN_WORDS[why[said.id]]
        )
        for said, key, name in rows
    )


def list_runs(
    session: Session, *, before_id: int | None = None, limit: int = RUNS_SHOWN
) -> list[RunRow]:
    """Return the newest runs, newest first; of those before one, where it is given."""
    older = ThemeRun.id < before_id if before_id is not None else sa.true()
    wanted = sa.select(ThemeRun).where(older).order_by(ThemeRun.id.desc()).limit(limit)
    runs = session.scalars(wanted).all()
    counts: dict[int, dict[PartState, int]] = defaultdict(dict)
    rows = session.execute(
        sa.select(RunPart.run_id, RunPart.state, sa.func.count())
        .where(RunPart.run_id.in_([run.id for run in runs]))
        .group_by(RunPart.run_id, RunPart.state)
    )
    for run_id, state, n in rows:
        counts[run_id][state] = int(n)
    return [RunRow(run, counts[run.id]) for run in runs]


def get_run(session: Session, run_id: int) -> RunPage:
    """Return one run.

    Raises
    ------
    NotFound
    """
    run = _find(session, run_id)
    before = session.scalar(sa.select(sa.func.max(ThemeRun.id)).where(ThemeRun.id < run_id))
    return RunPage(run, _list_parts(session, RunPart.run_id == run_id), before)


def list_parts(session: Session, run_id: int, part_ids: Collection[int]) -> tuple[PartRow, ...]:
    """Return the parts of a run that somebody chose."""
    chosen = sa.and_(RunPart.run_id == run_id, RunPart.id.in_(sorted(set(part_ids))))
    return _list_parts(session, chosen)


def _find(session: Session, run_id: int) -> ThemeRun:
    run = session.get(ThemeRun, run_id)
    if run is None:
        raise NotFound(f"There is no run {run_id}. Look for it in the list of runs.")
    return run


def _list_parts(session: Session, condition: sa.ColumnElement[bool]) -> tuple[PartRow, ...]:
    theme = aliased(Theme)
    rows = session.execute(
        sa.select(RunPart, theme.key, theme.name)
        .outerjoin(theme, theme.id == RunPart.theme_id)
        .where(condition)
        .order_by(RunPart.would_move.desc(), RunPart.id)
    ).all()
    named = {row[0].detail.get(word) for row in rows for word in OTHER_THEMES} - {None}
    others = {
        row.id: row
        for row in session.execute(
            sa.select(Theme.id, Theme.key, Theme.name).where(Theme.id.in_(named))
        )
    }
    return tuple(_part(*row, others) for row in rows)


def _is_dismissal(kind: PartKind, *, is_of_candidate: bool) -> bool:
    """Return whether accepting dismisses a theme, which keeps its contacts."""
    return kind is PartKind.VANISHED and not is_of_candidate


def _part(part: RunPart, key: str | None, name: str | None, others: Mapping[int, Any]) -> PartRow:
    into, became, origin = (others.get(part.detail.get(word, 0)) for word in OTHER_THEMES)
    # What people decide about would move something; a run writes of candidates what it did.
    is_of_candidate = bool(part.decided_by) and not part.would_move
    return PartRow(
        id=part.id,
        kind=part.kind,
        state=part.state,
        name=part.name,
        score=part.score,
        contacts=part.contacts,
        would_move=(
            0 if _is_dismissal(part.kind, is_of_candidate=is_of_candidate) else part.would_move
        ),
        detail=part.detail,
        decided_by=part.decided_by,
        decided_at=part.decided_at,
        theme_key=key,
        theme_name=name,
        into_key=into.key if into else None,
        into_name=into.name if into else None,
        became_key=became.key if became else None,
        from_key=origin.key if origin else None,
        from_name=origin.name if origin else None,
        is_of_candidate=is_of_candidate,
    )


def compare_runs(session: Session, one_id: int, other_id: int, *, k: int) -> Comparison:
    """Match the clusters of two runs by the texts that both read.

    Parameters
    ----------
    one_id, other_id : int
        In any order; the earlier one comes first in the answer.
    k : int
        Clusters of fewer people have neither name nor size.

    Raises
    ------
    NotFound
        If there is no such run, or it ran before runs kept where they put each text.
    """
    one, other = (_find(session, run_id) for run_id in sorted((one_id, other_id)))
    first, second = (_Labels(_labels_of(session, run.id), k) for run in (one, other))
    both: Counter[tuple[int, int]] = Counter()
    of_one: Counter[int] = Counter()
    of_other: Counter[int] = Counter()
    shared = 0
    for text, (label, contacts) in second.texts.items():
        if text not in first.texts:
            continue
        shared += contacts
        earlier = first.texts[text][0]
        of_one[earlier] += contacts
        of_other[label] += contacts
        if earlier != LEFT_OVER and label != LEFT_OVER:
            both[earlier, label] += contacts
    matches = match_clusters(both, of_one, of_other)
    scores = {
        label: jaccard(both[earlier, label], of_one[earlier], of_other[label])
        for label, earlier in matches.items()
    }
    pairs = [
        Pair(first.side(earlier), second.side(label), scores[label])
        for label, earlier in matches.items()
    ]
    weight = sum(n for label, n in of_one.items() if label != LEFT_OVER)
    held = sum(of_one[earlier] * scores[label] for label, earlier in matches.items())
    return Comparison(
        one,
        other,
        shared,
        tuple(sorted(pairs, key=lambda pair: (-(pair.other.contacts or 0), pair.other.label))),
        first.others(set(matches.values())),
        second.others(set(matches)),
        held / weight if weight else None,
    )


def _labels_of(session: Session, run_id: int) -> RunLabels:
    kept = session.get(RunLabels, run_id)
    if kept is None:
        raise NotFound(
            f"Run {run_id} did not keep which text went into which group, so that it cannot be "
            "compared. Later runs do."
        )
    return kept


class _Labels:
    """The clusters of one run: `texts` to label and contacts read."""

    def __init__(self, kept: RunLabels, k: int) -> None:
        labels = memoryview(kept.labels).cast("i").tolist()
        counts = memoryview(kept.counts).cast("i").tolist()
        hashes = kept.hashes
        self.texts = {
            hashes[at * HASH_BYTES : (at + 1) * HASH_BYTES]: (label, counts[at])
            for at, label in enumerate(labels)
        }
        self.sizes: Counter[int] = Counter()
        for label, count in self.texts.values():
            self.sizes[label] += count
        self.names = kept.names
        self.k = k

    def side(self, label: int) -> Side:
        known = self.names[label]
        if known["people"] < self.k:
            return Side(label, "", None)
        return Side(label, known["name"], self.sizes[label])

    def others(self, matched: Collection[int]) -> tuple[Side, ...]:
        rest = (self.side(label) for label in range(len(self.names)) if label not in matched)
        return tuple(sorted(rest, key=lambda side: (-(side.contacts or 0), side.label)))
