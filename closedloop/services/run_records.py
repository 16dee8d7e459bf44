"""What a run leaves behind: where it put each text, and what became of each theme.

The clusters are those of a look at everything that was read, agreed themes included; nothing
but candidates follows from them until somebody accepts a part.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from closedloop.domain.runs import (
    LEFT_OVER,
    NO_THEME,
    REMADE,
    Finding,
    PartKind,
    PartState,
    jaccard,
    kind_of_pair,
    match_run,
)
from closedloop.domain.themes import GONE_STATUSES, NAME_LENGTH
from closedloop.models import RunLabels, RunPart, Theme, ThemeRun
from closedloop.services.definitions import LabelThemes, Standing

HASH_BYTES = 32


@dataclass(frozen=True)
class Discovery:
    """What one discovery made of the contacts it read, a row a contact, and where they stood.

    Attributes
    ----------
    hashes : sequence of str
    labels : sequence of int
        -1 left over.
    themes : sequence of int or None
        Before the run.
    people : sequence of int
        Who made the contact; a number of its own where nobody knows.
    names, keywords : sequence
        Of label 0, 1, ….
    model : bytes
    """

    hashes: Sequence[str]
    labels: Sequence[int]
    themes: Sequence[int | None]
    people: Sequence[int]
    names: Sequence[str]
    keywords: Sequence[Sequence[str]]
    model: bytes

    def count(self, themes: Collection[int]) -> Counter[tuple[int, int]]:
        """Count contacts by theme, of these alone, and label."""
        stood = (theme if theme in themes else NO_THEME for theme in self.themes)
        return Counter(zip(map(_known, stood), self.labels, strict=True))

    def people_by_label(self) -> dict[int, int]:
        """Count the people of each label."""
        return _count_people(self.labels, self.people)

    def people_by_theme(self) -> dict[int, int]:
        """Count the people of each theme."""
        return _count_people(map(_known, self.themes), self.people)


def _known(theme: int | None) -> int:
    return NO_THEME if theme is None else theme


def _count_people(groups: Iterable[int], people: Sequence[int]) -> dict[int, int]:
    found: dict[int, set[int]] = defaultdict(set)
    for group, person in zip(groups, people, strict=True):
        found[group].add(person)
    return {group: len(members) for group, members in found.items()}


def keep_run(
    session: Session,
    *,
    run: ThemeRun,
    k: int,
    standing: Standing,
    whole: Discovery,
    rest: Discovery | None,
    owners: LabelThemes,
    by_name: str,
) -> Counter[str]:
    """Store where the run put each text, and the parts people decide about.

    Parts of earlier runs that nobody decided about are superseded.

    Parameters
    ----------
    k : int
        A cluster or theme of fewer people is not named and nothing is proposed about it.
    standing : Standing
        Before the run.
    whole : Discovery
        At everything read.
    rest : Discovery or None
        At what agreed themes do not claim: candidates come from it.
    owners : list of int or None
        Theme of each label of `rest`.
    by_name : str
        Who the run is put down to: parts about candidates happened with it.

    Returns
    -------
    Counter of str
        Parts by kind.
    """
    _supersede(session)
    _keep_labels(session, run, whole, k)
    parts = _candidate_parts(session, run, standing, rest, owners, k, by_name) if rest else []
    candidates = _candidates_of(rest, owners) if rest else {}
    parts += _agreed_parts(session, run, standing, whole, k, candidates)
    session.add_all(parts)
    session.flush()
    return Counter(part.kind.value for part in parts)


def _supersede(session: Session) -> None:
    session.execute(
        sa.update(RunPart)
        .where(RunPart.state == PartState.PROPOSED)
        .values(state=PartState.SUPERSEDED)
        .execution_options(synchronize_session=False)
    )
    # Nothing can be made of a superseded run any more, and models are large.
    session.execute(
        sa.update(RunLabels)
        .where(RunLabels.model.is_not(None))
        .values(model=None)
        .execution_options(synchronize_session=False)
    )


def _keep_labels(session: Session, run: ThemeRun, discovery: Discovery, k: int) -> None:
    hashes, first, counts = np.unique(
        np.array(discovery.hashes, "S64"), return_index=True, return_counts=True
    )
    themes = np.array([_known(theme) for theme in discovery.themes], np.int32)
    people = discovery.people_by_label()
    session.add(
        RunLabels(
            run_id=run.id,
            hashes=pack_hashes(hashes),
            labels=np.asarray(discovery.labels, np.int32)[first].tobytes(),
            counts=counts.astype(np.int32).tobytes(),
            themes=themes[first].tobytes(),
            names=[
                {"name": name if people.get(label, 0) >= k else "", "people": people.get(label, 0)}
                for label, name in enumerate(discovery.names)
            ],
            model=discovery.model,
        )
    )


def pack_hashes(hashes: NDArray[np.bytes_]) -> bytes:
    """Return hex digests (n,) as 32 bytes each."""
    return b"".join(bytes.fromhex(one.decode()) for one in hashes.tolist())


def _candidates_of(rest: Discovery, owners: LabelThemes) -> dict[str, int]:
    """Return the candidate that each text is in after the run."""
    return {
        text_hash: owner
        for text_hash, label in zip(rest.hashes, rest.labels, strict=True)
        if label != LEFT_OVER and (owner := owners[label]) is not None
    }


def _absorbed(discovery: Discovery, candidates: dict[str, int]) -> dict[int, list[int]]:
    """Return the candidates that each cluster of the discovery holds most of."""
    everywhere: Counter[int] = Counter()
    there: Counter[tuple[int, int]] = Counter()
    for text_hash, label in zip(discovery.hashes, discovery.labels, strict=True):
        if candidate := candidates.get(text_hash):
            everywhere[candidate] += 1
            there[candidate, label] += 1
    found: dict[int, list[int]] = defaultdict(list)
    for (candidate, label), n in sorted(there.items()):
        if 2 * n > everywhere[candidate]:
            found[label].append(candidate)
    return found


def _agreed_parts(
    session: Session,
    run: ThemeRun,
    standing: Standing,
    discovery: Discovery,
    k: int,
    candidates: dict[str, int],
) -> list[RunPart]:
    """Return what the discovery says about themes people decided about, but for dismissed ones."""
    kept = sa.select(Theme).where(Theme.id.in_(standing.kept), Theme.status.not_in(GONE_STATUSES))
    themes = {theme.id: theme for theme in session.scalars(kept)}
    by_theme, by_label = discovery.people_by_theme(), discovery.people_by_label()
    counts = discovery.count(themes)
    absorbed = _absorbed(discovery, candidates)
    parts = []
    for finding in match_run(counts):
        theme = themes.get(finding.theme or NO_THEME)
        if theme is None or by_theme.get(theme.id, 0) < k:
            continue
        if finding.cluster is not None and by_label.get(finding.cluster, 0) < k:
            continue
        part = _part(run, finding, theme, discovery, counts)
        if finding.kind in REMADE and finding.cluster is not None:
            part.detail = {
                **part.detail,
                "absorbs": {
                    str(piece): absorbed.get(piece, [])
                    for piece in finding.pieces or (finding.cluster,)
                },
            }
        parts.append(part)
    return parts


def _part(
    run: ThemeRun,
    finding: Finding,
    theme: Theme,
    discovery: Discovery,
    counts: Counter[tuple[int, int]],
) -> RunPart:
    cluster = finding.cluster
    of_theme = sum(n for (stood, _), n in counts.items() if stood == theme.id)
    both = counts[theme.id, cluster] if cluster is not None else 0
    detail: dict[str, Any] = {"of_theme": of_theme, "leave": of_theme - both}
    if cluster is not None:
        detail |= {
            "cluster": cluster,
            "join": finding.contacts - both,
            "keywords": list(discovery.keywords[cluster]),
        }
    if finding.other is not None:
        detail["into"] = finding.other
    if finding.pieces:
        detail["pieces"] = list(finding.pieces)
    settled = finding.kind is PartKind.CONTINUED
    return RunPart(
        run_id=run.id,
        kind=finding.kind,
        theme_id=theme.id,
        name=(discovery.names[cluster] if cluster is not None else theme.name)[:NAME_LENGTH],
        score=round(finding.score, 4),
        contacts=finding.contacts,
        would_move=finding.moves,
        detail=detail,
        state=PartState.ACCEPTED if settled else PartState.PROPOSED,
    )


def _candidate_parts(
    session: Session,
    run: ThemeRun,
    standing: Standing,
    discovery: Discovery,
    owners: LabelThemes,
    k: int,
    by_name: str,
) -> list[RunPart]:
    """Return what became of candidates nobody had touched: it happened with the run."""
    counts = discovery.count(standing.waiting)
    of_theme, of_label = _sums(counts)
    people = discovery.people_by_theme()
    known = set(standing.waiting) | {owner for owner in owners if owner}
    themes = {t.id: t for t in session.scalars(sa.select(Theme).where(Theme.id.in_(known)))}
    parts = []
    for label, owner in enumerate(owners):
        if owner is None:
            continue
        found = (label, owner, counts, of_theme, of_label)
        kind = _kind_of_candidate(standing, *found)
        score = jaccard(counts[owner, label], of_theme[owner], of_label[label])
        detail: dict[str, Any] = {"cluster": label, "of_theme": of_theme[owner]}
        came_from = _came_from(counts, label, of_label[label])
        if came_from and came_from != owner:
            detail["from"] = came_from
        parts.append((kind, themes[owner], discovery.names[label], score, of_label[label], detail))
    for theme in sorted(standing.waiting - set(owners)):
        if people.get(theme, 0) >= k:
            n = of_theme[theme]
            detail = {"of_theme": n, "leave": n}
            parts.append((PartKind.VANISHED, themes[theme], themes[theme].name, 0.0, n, detail))
    return [
        RunPart(
            run_id=run.id,
            kind=kind,
            theme_id=theme.id,
            name=name[:NAME_LENGTH],
            score=round(score, 4),
            contacts=n,
            detail=detail,
            state=PartState.ACCEPTED,
            decided_by=by_name,
            decided_at=run.started_at,
        )
        for kind, theme, name, score, n, detail in parts
    ]


def _kind_of_candidate(
    standing: Standing,
    label: int,
    owner: int,
    counts: Counter[tuple[int, int]],
    of_theme: dict[int, int],
    of_label: dict[int, int],
) -> PartKind:
    if owner in standing.waiting:
        return kind_of_pair(counts[owner, label], of_theme[owner], of_label[label])
    return PartKind.SPLIT if _came_from(counts, label, of_label[label]) else PartKind.NEW


def _came_from(counts: Counter[tuple[int, int]], label: int, size: int) -> int | None:
    """Return the candidate that gave most of a cluster, if one did."""
    for (theme, there), n in counts.items():
        if there == label and theme != NO_THEME and 2 * n > size:
            return theme
    return None


def _sums(counts: Counter[tuple[int, int]]) -> tuple[dict[int, int], dict[int, int]]:
    of_theme: dict[int, int] = defaultdict(int)
    of_label: dict[int, int] = defaultdict(int)
    for (theme, label), n in counts.items():
        if theme != NO_THEME:
            of_theme[theme] += n
        if label != LEFT_OVER:
            of_label[label] += n
    return of_theme, of_label


def forget_texts(session: Session, hashes: Collection[str]) -> None:
    """Take texts that are gone out of what runs keep, so that no trace of them stays."""
    gone = {bytes.fromhex(one) for one in hashes}
    if not gone:
        return
    for kept in session.scalars(sa.select(RunLabels)):
        rows = [kept.hashes[at : at + HASH_BYTES] for at in range(0, len(kept.hashes), HASH_BYTES)]
        if gone.isdisjoint(rows):
            continue
        stays = np.array([row not in gone for row in rows], bool)
        kept.hashes = b"".join(row for row in rows if row not in gone)
        for column in ("labels", "counts", "themes"):
            values = np.frombuffer(getattr(kept, column), np.int32)
            setattr(kept, column, values[stays].tobytes())
    session.flush()
