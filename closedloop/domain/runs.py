"""What became of each theme in a run: its clusters matched with what stands, by shared contacts.

Pure arithmetic over counts of contacts; what people decide about it is in services/run_parts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

LEAST_OVERLAP = 0.3
"""Pairs that share less (Jaccard) are not the same theme."""

SAME = 0.8
"""From this Jaccard on a theme goes on as it is."""

MOST = 0.5
LARGE = 0.25
FEWEST_READ = 10
"""Of a theme with fewer contacts among those read nothing is said."""

ONE_IN = 200
MOST_CUSTOMERS_ASKED = 50
MOST_CONTACTS_ASKED = 100
"""A candidate is worth somebody's time from one in 200 customers and contacts on, or so many."""

NO_THEME = 0
LEFT_OVER = -1

RULE = (
    "Contacts read are counted twice over: by the theme they stand in, and by the group this run "
    "put them in when it looked at everything afresh. A theme and a group that are each other’s "
    "best match and share at least 30 % of the contacts in either are the same: it "
    "continued from 80 % on, below that it grew or shrank, by what is more, contacts that join or "
    "contacts that leave. It split when two groups, each made mostly of it, hold at least 25 % "
    "of it each. Two themes merged when one group holds most of both. It vanished when no "
    "group matches. Of a theme with fewer than 10 contacts read nothing is said."
)
"""Stands beside the table of parts; `match_run` does what it says."""


class PartKind(StrEnum):
    """What a run says became of a theme."""

    CONTINUED = "continued"
    GREW = "grew"
    SHRANK = "shrank"
    NEW = "new"
    SPLIT = "split"
    MERGED = "merged"
    VANISHED = "vanished"


class Missed(StrEnum):
    """Why the clusters of a run do not say what somebody put right."""

    CONTRADICTORY = "contradictory"
    NOT_READ = "not_read"
    NOTHING_READ = "nothing_read"
    NO_WORDS = "no_words"
    THEME_GONE = "theme_gone"
    APART = "apart"
    TOGETHER = "together"


MISSED_IN_WORDS = {
    Missed.CONTRADICTORY: "contradictory: other corrections, or equal words, say the opposite",
    Missed.NOT_READ: "not read: no contact with these words was among those the run read",
    Missed.NOTHING_READ: "not read: nothing else of the theme was among what the run read",
    Missed.NO_WORDS: "not read: the contact holds no words",
    Missed.THEME_GONE: "theme gone: it was retired since",
    Missed.APART: "the run found it apart from the others of the theme",
    Missed.TOGETHER: "the run found it together with others of the theme",
}


class PartState(StrEnum):
    """Whether somebody took a part of a run over."""

    PROPOSED = "proposed"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    SUPERSEDED = "superseded"


REMADE = frozenset({PartKind.GREW, PartKind.SHRANK, PartKind.SPLIT})
"""Accepting these makes the prototypes of a theme anew."""


@dataclass(frozen=True)
class Finding:
    """One thing that became of a theme or a cluster.

    Attributes
    ----------
    kind : PartKind
    theme : int or None
        None for a new one.
    cluster : int or None
        The cluster that matches, was split off, holds both, or is new; None when vanished.
    score : float
        Jaccard, 0 to 1: of theme and cluster; of a merger, of both themes together and the
        cluster; of a vanished theme or a new cluster, the best there is.
    contacts : int
        Contacts read in the cluster; of a vanished theme, in the theme.
    moves : int
        Contacts read whose theme would change.
    other : int or None
        Of a merger the theme it is merged into.
    pieces : tuple of int
        Of a split every cluster the theme fell into, the one it goes on as first.
    """

    kind: PartKind
    theme: int | None
    cluster: int | None
    score: float
    contacts: int
    moves: int
    other: int | None = None
    pieces: tuple[int, ...] = ()


def jaccard(both: int, one: int, other: int) -> float:
    """Return the share 0–1 that two sets have in common, from their sizes; 0 of nothing."""
    either = one + other - both
    return both / either if either else 0.0


@dataclass(frozen=True)
class Fewest:
    """What a cluster needs to be proposed as a new candidate.

    Attributes
    ----------
    customers : int
        Of all days.
    contacts : int
        Of the days a run reads, among those it could have read.
    """

    customers: int
    contacts: int


def fewest_of_candidate(*, customers: int, contacts: int, k: int) -> Fewest:
    """Return what a new candidate needs: one in 200 of both, within bounds.

    Parameters
    ----------
    customers : int
        Behind all contacts with text.
    contacts : int
        That a run could have read, agreed themes included.
    k : int
        Privacy threshold; never fewer.
    """
    return Fewest(
        max(k, min(-(-customers // ONE_IN), MOST_CUSTOMERS_ASKED)),
        max(k, min(-(-contacts // ONE_IN), MOST_CONTACTS_ASKED)),
    )


def match_clusters(
    both: Mapping[tuple[int, int], int], of_theme: Mapping[int, int], of_label: Mapping[int, int]
) -> dict[int, int]:
    """Pair clusters with the themes whose contacts they mostly hold.

    Parameters
    ----------
    both : mapping of (theme, label) to int
        Contacts in both.
    of_theme, of_label : mapping of int to int
        Contacts of each.

    Returns
    -------
    dict of label to theme
        Pairs that are each other's best and share at least `LEAST_OVERLAP` of the contacts of
        either (Jaccard); of equals the lower number.
    """
    best_theme: dict[int, tuple[float, int]] = {}
    best_label: dict[int, tuple[float, int]] = {}
    for (theme, label), n in sorted(both.items()):
        overlap = jaccard(n, of_theme[theme], of_label[label])
        best_theme[label] = max(best_theme.get(label, (0.0, 0)), (overlap, -theme))
        best_label[theme] = max(best_label.get(theme, (0.0, 0)), (overlap, -label))
    return {
        label: -theme
        for label, (overlap, theme) in best_theme.items()
        if overlap >= LEAST_OVERLAP and best_label[-theme][1] == -label
    }


def kind_of_pair(both: int, of_theme: int, of_cluster: int) -> PartKind:
    """Return whether a theme continued, grew or shrank as the cluster that is its match."""
    if jaccard(both, of_theme, of_cluster) >= SAME:
        return PartKind.CONTINUED
    return PartKind.GREW if of_cluster >= of_theme else PartKind.SHRANK


def match_run(counts: Mapping[tuple[int, int], int]) -> list[Finding]:
    """Say what became of each theme and each cluster; see `RULE`.

    Parameters
    ----------
    counts : mapping of (theme, cluster) to int
        Contacts read by where they stand (`NO_THEME`) and where the run put them (`LEFT_OVER`).

    Returns
    -------
    list of Finding
        Of themes by number, then what is new by cluster. A theme that others are merged into has
        no finding of its own unless it split: the merger says what becomes of it.
    """
    return _Matching(counts).findings()


class _Matching:
    """The counts of one run, with their sums."""

    def __init__(self, counts: Mapping[tuple[int, int], int]) -> None:
        self.of_theme: dict[int, int] = defaultdict(int)
        self.of_cluster: dict[int, int] = defaultdict(int)
        for (theme, cluster), n in counts.items():
            self.of_theme[theme] += n
            self.of_cluster[cluster] += n
        judged = {t for t, n in self.of_theme.items() if t != NO_THEME and n >= FEWEST_READ}
        self.themes = sorted(judged)
        self.clusters = sorted(c for c in self.of_cluster if c != LEFT_OVER)
        self.both = {
            (theme, cluster): n
            for (theme, cluster), n in counts.items()
            if n and theme in judged and cluster != LEFT_OVER
        }
        found = match_clusters(self.both, self.of_theme, self.of_cluster)
        self.cluster_of = {theme: cluster for cluster, theme in found.items()}
        self.mergers = {c: held for c in self.clusters if len(held := self._held(c)) > 1}
        self.pieces = {t: cut for t in self.themes if len(cut := self._pieces(t)) > 1}

    def findings(self) -> list[Finding]:
        gone = {theme for held in self.mergers.values() for theme in held[1:]}
        grown = {held[0] for held in self.mergers.values()}
        found: list[Finding] = []
        for theme in self.themes:
            if theme in gone:
                found.append(self._merger(theme))
            elif theme in self.pieces:
                found += self._splits(theme)
            elif theme not in grown:
                found.append(self._match(theme))
        return found + self._new()

    def _n(self, theme: int, cluster: int) -> int:
        return self.both.get((theme, cluster), 0)

    def _score(self, theme: int, cluster: int) -> float:
        n = self._n(theme, cluster)
        return jaccard(n, self.of_theme[theme], self.of_cluster[cluster])

    def _held(self, cluster: int) -> list[int]:
        """Return the themes a cluster holds most of, the one that gave most first."""
        held = [t for t in self.themes if self._n(t, cluster) > MOST * self.of_theme[t]]
        return sorted(held, key=lambda theme: (-self._n(theme, cluster), theme))

    def _pieces(self, theme: int) -> list[int]:
        """Return the clusters a theme fell into, the one it goes on as first."""
        cut = [
            c
            for c in self.clusters
            if self._n(theme, c) >= LARGE * self.of_theme[theme]
            and self._n(theme, c) >= MOST * self.of_cluster[c]
        ]
        main = self.cluster_of.get(theme)
        return sorted(cut, key=lambda c: (c != main, -self._n(theme, c), c))

    def _merger(self, theme: int) -> Finding:
        cluster, held = next((c, held) for c, held in self.mergers.items() if theme in held[1:])
        into = held[0]
        both = self._n(theme, cluster) + self._n(into, cluster)
        size = self.of_cluster[cluster]
        return Finding(
            PartKind.MERGED,
            theme,
            cluster,
            jaccard(both, self.of_theme[theme] + self.of_theme[into], size),
            contacts=size,
            moves=self.of_theme[theme],
            other=into,
        )

    def _splits(self, theme: int) -> list[Finding]:
        pieces = tuple(self.pieces[theme])
        return [
            Finding(
                PartKind.SPLIT,
                theme,
                cluster,
                self._score(theme, cluster),
                contacts=self.of_cluster[cluster],
                moves=self.of_cluster[cluster],
                pieces=pieces,
            )
            for cluster in pieces[1:]
        ]

    def _match(self, theme: int) -> Finding:
        cluster = self.cluster_of.get(theme)
        size = self.of_theme[theme]
        if cluster is None:
            best = max((self._score(theme, c) for c in self.clusters), default=0.0)
            return Finding(PartKind.VANISHED, theme, None, best, contacts=size, moves=size)
        n, there = self._n(theme, cluster), self.of_cluster[cluster]
        kind = kind_of_pair(n, size, there)
        moves = 0 if kind is PartKind.CONTINUED else size + there - 2 * n
        return Finding(kind, theme, cluster, self._score(theme, cluster), there, moves)

    def _new(self) -> list[Finding]:
        known = set(self.cluster_of.values()) | set(self.mergers)
        known |= {cluster for pieces in self.pieces.values() for cluster in pieces}
        return [
            Finding(
                PartKind.NEW,
                None,
                cluster,
                max((self._score(theme, cluster) for theme in self.themes), default=0.0),
                contacts=self.of_cluster[cluster],
                moves=self.of_cluster[cluster],
            )
            for cluster in self.clusters
            if cluster not in known
        ]
