"""Turn what a run found into candidates, and bring the whole history under the new set."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.config import Settings
from closedloop.domain.audit import Actor
from closedloop.domain.free_names import free_name, next_key
from closedloop.domain.runs import Fewest, fewest_of_candidate, match_clusters
from closedloop.domain.themes import GONE_STATUSES, NAME_LENGTH, ThemeStatus
from closedloop.domain.triage import Decision
from closedloop.models import (
    Contact,
    ContactText,
    DefinitionSet,
    Theme,
    ThemeEvidence,
    ThemeRun,
    TriageDecision,
)
from closedloop.services.assignment import (
    ASSIGNED,
    JOINED,
    OWNERS,
    carry_over,
    count_coverage,
    renew_all_figures,
    write_contacts,
    write_owners,
)
from closedloop.services.audit import record_event, record_on_theme
from closedloop.services.definitions import (
    LabelThemes,
    Standing,
    add_set,
    define,
    relabel_changes,
)
from closedloop.services.labelling import TextLabels
from closedloop.services.membership import apply_corrections

_CUSTOMERS = sa.func.count(sa.distinct(Contact.customer_id)) + sa.func.sum(
    sa.case((Contact.customer_id.is_(None), 1), else_=0)
)


@dataclass(frozen=True)
class Cluster:
    """A group found by a run, by its label in the new model.

    Of the contacts the run could have read, it holds about so many.
    """

    label: int
    name: str
    keywords: list[str]
    contacts: int = 0


@dataclass(frozen=True)
class Proposal:
    """What a run wants to put in force.

    Attributes
    ----------
    model : bytes
    encoder : str
    relabel : dict of int to int
        Labels of kept themes, old to new; the new ones are 0, 1, ….
    kept_owners : list of int or None
        Theme of each kept label, in the new order.
    clusters : list of Cluster
        Their labels follow the kept ones.
    texts : TextLabels
        Every text under the new model.
    available : int
        Contacts the run could have read, agreed themes included.
    """

    model: bytes
    encoder: str
    relabel: dict[int, int]
    kept_owners: LabelThemes
    clusters: list[Cluster]
    texts: TextLabels
    available: int


@dataclass
class Outcome:
    """What became of the clusters and the candidates, by key; `owners` of the clusters by id.

    `fewest` is what a new candidate needs, and `too_small` how many clusters have less: their
    contacts stay in no theme.
    """

    born: list[str] = field(default_factory=list)
    continued: list[str] = field(default_factory=list)
    retired: list[str] = field(default_factory=list)
    fewest: Fewest = field(default_factory=lambda: Fewest(0, 0))
    too_small: int = 0
    left_kept: int = 0
    joined_kept: int = 0
    coverage: dict[str, int] = field(default_factory=dict)
    waiting: int = 0
    owners: LabelThemes = field(default_factory=list)

    def as_manifest(self) -> dict[str, Any]:
        """Return what the run's manifest says about it."""
        return {
            "born": self.born,
            "continued": self.continued,
            "retired": self.retired,
            "fewest_customers": self.fewest.customers,
            "fewest_contacts": self.fewest.contacts,
            "clusters_too_small": self.too_small,
            "contacts_that_left_decided_themes": self.left_kept,
            "contacts_that_joined_decided_themes": self.joined_kept,
        }


def apply_proposal(
    session: Session,
    *,
    settings: Settings,
    run: ThemeRun,
    standing: Standing,
    proposal: Proposal,
    by: Actor,
) -> Outcome:
    """Write candidates, the new set, contacts and every figure made from them.

    The labels of all texts are at hand (`labels_at_hand`). The caller holds the locks and has
    checked that `standing` is what is in force.
    """
    outcome = Outcome()
    themes = {theme.id: theme for theme in session.scalars(sa.select(Theme))}
    owners = list(proposal.kept_owners)
    owners += _own_clusters(session, settings, run, standing, proposal, themes, outcome, by)
    _retire_unmatched(session, standing, owners, themes, outcome, by)
    labels = range(len(proposal.kept_owners), len(owners))
    outcome.owners = [owners[label] for label in labels]
    write_owners(session, owners)
    _count_moves(session, standing, outcome)
    new = put_in_force(
        session,
        settings=settings,
        model=proposal.model,
        encoder=proposal.encoder,
        owners=owners,
        run_id=run.id,
        reason=f"Discovery of {run.texts:,} contacts",
        changed={owners[label]: [label] for label in labels},
        relabel=proposal.relabel,
    )
    with_text, with_theme = count_coverage(session)
    outcome.coverage = {"contacts_with_text": with_text, "contacts_with_theme": with_theme}
    outcome.waiting = sum(t.status is ThemeStatus.CANDIDATE for t in themes.values())
    _record_run(session, run, outcome, new.number, by)
    return outcome


def put_in_force(
    session: Session,
    *,
    settings: Settings,
    model: bytes,
    encoder: str,
    owners: LabelThemes,
    run_id: int | None,
    reason: str,
    changed: Mapping[int | None, Sequence[int]],
    relabel: Mapping[int, int],
    joined: Mapping[int, int] | None = None,
    settle: Callable[[], None] | None = None,
) -> DefinitionSet:
    """Write a new set and bring the whole history under it, in the caller's transaction.

    Labels and owners are at hand (`labels_at_hand`, `write_owners`).

    Parameters
    ----------
    owners : list of int or None
        Theme of each label of `model`.
    changed : mapping of theme to labels
        Themes that get their next numbered definition; None is passed over.
    relabel : mapping of int to int
        Labels that stay what they were, old to new.
    joined : mapping of int to int, optional
        Labels that are no more, old to the label that took their place: contacts whose text has
        expired go there. Merges are not taken apart by these.
    settle : callable, optional
        Puts right what labels alone cannot say, before figures are made from it.
    """
    new = add_set(
        session, model=model, encoder=encoder, label_themes=owners, run_id=run_id, reason=reason
    )
    _relabel_merges(session, relabel)
    relabel_changes(session, relabel)
    write_contacts(session, only_new=False)
    carry_over(session, {**(joined or {}), **relabel})
    # only now do contacts say which texts are under the new labels
    for theme_id, labels in changed.items():
        if theme_id is not None:
            define(session, theme_id=theme_id, set_id=new.id, labels=labels)
    if settle is not None:
        settle()
    apply_corrections(session)
    _drop_stale_evidence(session)
    renew_all_figures(session, settings)
    return new


def _own_clusters(
    session: Session,
    settings: Settings,
    run: ThemeRun,
    standing: Standing,
    proposal: Proposal,
    themes: dict[int, Theme],
    outcome: Outcome,
    by: Actor,
) -> LabelThemes:
    """Give each cluster a candidate: one that held its contacts before, or a new one."""
    matches = match_clusters(*_count_overlaps(session, standing, len(proposal.relabel)))
    customers = _count_customers(session)
    outcome.fewest = fewest_of_candidate(
        customers=_count_all_customers(session), contacts=proposal.available, k=settings.privacy_k
    )
    owners: LabelThemes = []
    for cluster in proposal.clusters:
        theme = themes.get(matches.get(cluster.label, 0))
        if theme is not None:
            theme.keywords = cluster.keywords
            outcome.continued.append(theme.key)
        elif (
            customers.get(cluster.label, 0) >= outcome.fewest.customers
            and cluster.contacts >= outcome.fewest.contacts
        ):
            theme = bear_candidate(session, run, cluster, themes, by)
            outcome.born.append(theme.key)
        else:
            # Not worth a working group's time, or its words are those of people one could trace.
            outcome.too_small += 1
        owners.append(theme.id if theme else None)
    return owners


def _count_overlaps(
    session: Session, standing: Standing, n_kept_labels: int
) -> tuple[dict[tuple[int, int], int], dict[int, int], dict[int, int]]:
    rows = session.execute(
        sa.select(Contact.theme_id, ASSIGNED.c.label, sa.func.count())
        .where(JOINED)
        .group_by(Contact.theme_id, ASSIGNED.c.label)
    )
    both: dict[tuple[int, int], int] = {}
    of_theme: dict[int, int] = defaultdict(int)
    of_label: dict[int, int] = defaultdict(int)
    for theme, label, n in rows:
        of_label[label] += n
        if theme in standing.waiting:
            of_theme[theme] += n
            if label >= n_kept_labels:
                both[theme, label] = n
    return both, of_theme, of_label


def _count_customers(session: Session) -> dict[int, int]:
    """Return the people behind each label; nobody knows better, so an unidentified contact
    counts as one.
    """
    rows = session.execute(
        sa.select(ASSIGNED.c.label, _CUSTOMERS).where(JOINED).group_by(ASSIGNED.c.label)
    )
    return {label: int(n) for label, n in rows}


def _count_all_customers(session: Session) -> int:
    return session.scalar(sa.select(_CUSTOMERS).where(JOINED)) or 0


def bear_candidate(
    session: Session, run: ThemeRun | None, cluster: Cluster, themes: dict[int, Theme], by: Actor
) -> Theme:
    """Add a candidate for a cluster; `themes` holds every theme by id, and then this one, too."""
    in_use = [known.name for known in themes.values() if known.status not in GONE_STATUSES]
    theme = Theme(
        key=next_key("T", (known.key for known in themes.values())),
        name=free_name(cluster.name, in_use, longest=NAME_LENGTH, otherwise="Unnamed"),
        keywords=cluster.keywords,
        run_id=run.id if run else None,
    )
    session.add(theme)
    session.flush()  # the next key and the labels need it
    themes[theme.id] = theme
    record_on_theme(
        session, by, theme, "themes.found", f"found the candidate {theme.key} {theme.name}"
    )
    return theme


def _retire_unmatched(
    session: Session,
    standing: Standing,
    owners: LabelThemes,
    themes: dict[int, Theme],
    outcome: Outcome,
    by: Actor,
) -> None:
    for theme_id in sorted(standing.waiting - {owner for owner in owners if owner}):
        theme = themes[theme_id]
        theme.status = ThemeStatus.RETIRED
        outcome.retired.append(theme.key)
        summary = f"retired the candidate {theme.key} {theme.name}: it was not found again"
        record_on_theme(session, by, theme, "themes.retired", summary)


def _relabel_merges(session: Session, relabel: Mapping[int, int]) -> None:
    """Renumber the labels that merges name, so that the merges can still be undone."""
    for merge in standing_merges(session):
        labels = [relabel[label] for label in merge.detail.get("labels", []) if label in relabel]
        merge.detail = {**merge.detail, "labels": labels}


def standing_merges(session: Session) -> Sequence[TriageDecision]:
    """Return the merges that nobody took back, oldest first."""
    return session.scalars(
        sa.select(TriageDecision)
        .where(TriageDecision.decision == Decision.MERGE, TriageDecision.undone_at.is_(None))
        .order_by(TriageDecision.id)
    ).all()


def _count_moves(session: Session, standing: Standing, outcome: Outcome) -> None:
    """Say how many contacts decided themes lose and gain: new clusters compete for them."""
    kept = sorted(standing.kept)
    was, becomes = Contact.theme_id.in_(kept), OWNERS.c.theme_id.in_(kept)
    moves = Contact.theme_id.is_distinct_from(OWNERS.c.theme_id)
    row = session.execute(
        sa.select(
            sa.func.count(sa.case((sa.and_(was, moves), 1))),
            sa.func.count(sa.case((sa.and_(becomes, moves), 1))),
        )
        .select_from(Contact)
        .join(ContactText, ContactText.contact_id == Contact.id)
        .join(ASSIGNED, ASSIGNED.c.text_hash == ContactText.text_hash)
        .join(OWNERS, OWNERS.c.label == ASSIGNED.c.label)
    ).one()
    outcome.left_kept, outcome.joined_kept = int(row[0]), int(row[1])


def _drop_stale_evidence(session: Session) -> None:
    """Take away quotes until they are picked anew: a contact may have changed its theme."""
    session.execute(sa.delete(ThemeEvidence).execution_options(synchronize_session=False))


def _record_run(
    session: Session, run: ThemeRun, outcome: Outcome, set_number: int, by: Actor
) -> None:
    record_event(
        session,
        by=by,
        verb="themes.discovered",
        target_kind="site",
        target_id=None,
        summary=(
            f"discovered themes in {run.texts:,} contacts: {len(outcome.born)} new candidates, "
            f"{len(outcome.continued)} continued, {len(outcome.retired)} retired"
        ),
        detail={"run": run.id, "definition_set": set_number, **outcome.as_manifest()},
    )
