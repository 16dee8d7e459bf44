"""Discovery: propose themes from repeat contacts, without touching what people decided."""

from __future__ import annotations

import platform
from collections import Counter
from dataclasses import dataclass, replace
from datetime import date
from importlib.metadata import version
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.config import Settings
from closedloop.domain.audit import Actor
from closedloop.domain.clock import utc_now
from closedloop.domain.errors import Conflict, Invalid
from closedloop.domain.jobs import Progress
from closedloop.domain.themes import check_finer
from closedloop.models import ThemeRun, TriageDecision
from closedloop.services.assignment import (
    TRIES,
    bring_up_to_date,
    labels_at_hand,
)
from closedloop.services.constraints import tell_honoured
from closedloop.services.definitions import (
    Model,
    Standing,
    ThemeMaker,
    find_current_set,
    own_maker,
    read_standing,
)
from closedloop.services.discovery_pool import FEWEST_REPEATS, Pool, read_pool
from closedloop.services.driver_proposals import propose_drivers
from closedloop.services.encoding import load_vectors
from closedloop.services.evidence import renew_evidence
from closedloop.services.labelling import TextLabels, label_texts
from closedloop.services.long_work import Report, Transactions, tell_nobody
from closedloop.services.proposals import Cluster, Proposal, apply_proposal
from closedloop.services.run_records import Discovery, keep_run
from closedloop.services.shared_words import shared_words
from ml.text.embed import Encoder

SAMPLE = 25_000
LIBRARIES = ("numpy", "scipy", "scikit-learn", "graspologic-native", "onnxruntime")


@dataclass(frozen=True)
class DiscoveryResult:
    """What a run found.

    Attributes
    ----------
    run_id : int
    texts : int
        Contacts read.
    found : int
        Themes found in them.
    candidates : int
        Candidates waiting for triage now.
    left_over : int
        Texts read that are in no theme.
    """

    run_id: int
    texts: int
    found: int
    candidates: int
    left_over: int


def discover_themes(
    transactions: Transactions,
    *,
    settings: Settings,
    by: Actor,
    seed: int = 0,
    first_day: date | None = None,
    last_day: date | None = None,
    report: Report = tell_nobody,
    sample: int = SAMPLE,
    finer: int = 0,
    maker: ThemeMaker | None = None,
) -> DiscoveryResult:
    """Find the themes behind repeat contacts and propose those nobody has decided about.

    What people decided stays: contacts of agreed, dismissed, renamed and merged themes are set
    aside, and their labels go into the new definitions as they are. A cluster that mostly holds
    an untouched candidate's contacts keeps that candidate; candidates found no more are retired;
    the rest become new candidates. All of it happens in one transaction, at the end.

    Parameters
    ----------
    transactions : Transactions
    settings : Settings
    by : Actor
    seed : int
        Equal data and seed give equal themes.
    first_day, last_day : date, optional
        Reporting days to read, inclusive; by default the last 180 days of the data.
    report : Report
    sample : int
        At most so many contacts are read, drawn with the seed.
    finer : int
        Steps from -2 to 2 that somebody wants the themes finer (above 0) or coarser than the
        data say.
    maker : ThemeMaker, optional
        Tests pass a small one.

    Raises
    ------
    Invalid
        If there is no contact with text in these days.
    Conflict
        If the encoder was changed since people decided about themes, or if people kept deciding
        while this ran.
    """
    steps = {"finer": check_finer(finer)} if finer else {}
    maker = maker or own_maker()
    encoder = maker.load_encoder(settings.encoder)
    bring_up_to_date(transactions, settings=settings, by=by, report=report, maker=maker)
    for _ in range(TRIES):
        with transactions() as session:
            standing = read_standing(session)
            pool = read_pool(session, settings, standing, first_day, last_day, seed, sample)
            kept = _read_kept_model(session, standing, maker)
            whole = pool
            if pool.claimed:
                nobody = replace(standing, kept=frozenset(), retired=frozenset())
                whole = read_pool(session, settings, nobody, first_day, last_day, seed, sample)
        found = _find(transactions, maker, encoder, seed, pool, report, steps)
        rest = afresh = _as_kept(pool, found, settings.privacy_k)
        if whole is not pool:
            # What agreed themes hold is looked at afresh, too, for the parts people decide about.
            of_whole = _find(transactions, maker, encoder, seed, whole, report, steps)
            afresh = _as_kept(whole, of_whole, settings.privacy_k)
        model = _join(maker, kept, found)
        texts = label_texts(
            transactions,
            encoder=encoder.name,
            model=model,
            report=report,
            scheduler=settings.dask_scheduler,
        )
        report(Progress(0, 0, "Bringing all contacts under the new themes"))
        proposal = _propose(standing, model, pool, rest, texts, encoder.name)
        with transactions() as session:
            result = _apply(
                session,
                settings,
                by,
                seed,
                pool,
                found,
                standing,
                proposal,
                (whole, afresh),
                rest,
                finer,
            )
            if result is not None:
                _add_drivers(session, settings, by, result.run_id, maker)
        if result is not None:
            renew_evidence(transactions, settings=settings, report=report, maker=maker, is_run=True)
            return result
    raise Conflict("People kept deciding about themes while this ran. Start the discovery again.")


def _find(
    transactions: Transactions,
    maker: ThemeMaker,
    encoder: Encoder,
    seed: int,
    pool: Pool,
    report: Report,
    steps: dict[str, int],
) -> Any:
    """Find themes in what was read; None where nothing was."""
    if not pool.texts:
        return None
    report(Progress(0, 0, f"Finding themes in {len(pool.texts):,} contacts"))
    with transactions() as session:
        vectors = load_vectors(session, encoder=encoder.name, hashes=pool.hashes)
    return maker.discover(
        pool.texts,
        encoder=encoder,
        seed=seed,
        embeddings=vectors,
        dispositions=pool.dispositions,
        **pool.links.as_arguments(),
        **steps,
    )


def _join(maker: ThemeMaker, kept: Model | None, found: Any) -> Model:
    """Return what is decided and what was found as one model, the decided labels first.

    What a decided theme claims stays with it, however surely something new would claim it, too:
    that is for people to accept.
    """
    parts = [] if kept is None else [kept]
    if found is not None:
        parts.append(found.model)
    if not parts:
        raise Invalid("Every contact of these days is in a theme that people decided about.")
    return maker.combine(parts, in_turn=True)


def _read_kept_model(session: Session, standing: Standing, maker: ThemeMaker) -> Model | None:
    current = find_current_set(session, with_model=True)
    if current is None or not standing.kept_labels:
        return None
    return maker.read_model(current.model).restrict(standing.kept_labels)


def _shared_words(pool: Pool, found: Any, k: int) -> list[tuple[str, list[str]]]:
    """Return name and keywords of each theme that was found, of words that enough people said."""
    said: dict[int, list[tuple[int | None, str]]] = {i: [] for i in range(len(found.themes))}
    labels = np.asarray(found.labels).tolist()
    for label, person, text in zip(labels, pool.people, pool.texts, strict=True):
        if label >= 0:
            said[label].append((person, text))
    return [
        shared_words(theme.name, theme.keywords, said[i], k=k)
        for i, theme in enumerate(found.themes)
    ]


def _propose(
    standing: Standing,
    model: Model,
    pool: Pool,
    rest: Discovery | None,
    texts: TextLabels,
    encoder: str,
) -> Proposal:
    relabel = {old: new for new, old in enumerate(standing.kept_labels)}
    read = Counter(rest.labels) if rest is not None else Counter[int]()
    words = zip(rest.names, rest.keywords, strict=True) if rest is not None else ()
    # Of a sample, as many as there are for each that was drawn.
    each = (pool.available - pool.claimed) / max(len(pool.texts), 1)
    return Proposal(
        model=model.to_bytes(),
        encoder=encoder,
        relabel=relabel,
        kept_owners=[standing.label_themes[old] for old in standing.kept_labels],
        clusters=[
            Cluster(len(relabel) + i, name, list(keywords), round(read[i] * each))
            for i, (name, keywords) in enumerate(words)
        ],
        texts=texts,
        available=pool.available,
    )


def _apply(
    session: Session,
    settings: Settings,
    by: Actor,
    seed: int,
    pool: Pool,
    found: Any,
    standing: Standing,
    proposal: Proposal,
    afresh: tuple[Pool, Discovery | None],
    rest: Discovery | None,
    finer: int,
) -> DiscoveryResult | None:
    """Write the whole run; None when somebody decided something since `standing` was read."""
    if read_standing(session, lock=True) != standing:
        return None
    left_over = int(np.sum(np.asarray(found.labels) < 0)) if found is not None else 0
    run = ThemeRun(
        first_day=pool.first_day,
        last_day=pool.last_day,
        encoder=proposal.encoder,
        seed=seed,
        texts=len(pool.texts),
        found=len(proposal.clusters),
        left_over=left_over,
    )
    session.add(run)
    session.flush()  # themes and the set refer to its id
    with labels_at_hand(session, proposal.texts):
        outcome = apply_proposal(
            session, settings=settings, run=run, standing=standing, proposal=proposal, by=by
        )
    run.finished_at = utc_now()
    parts = Counter[str]()
    looked_at, whole = afresh
    if whole is not None:
        parts = keep_run(
            session,
            run=run,
            k=settings.privacy_k,
            standing=standing,
            whole=whole,
            rest=rest,
            owners=outcome.owners,
            by_name=by.name,
        )
    run.manifest = {
        **_manifest(pool, found, finer),
        "themes": outcome.as_manifest(),
        "coverage": outcome.coverage,
        "corrections": tell_honoured(looked_at.links, whole.labels if whole is not None else []),
        "looked_at": len(looked_at.texts),
        "parts": dict(parts),
        "last_decision": session.scalar(sa.select(sa.func.max(TriageDecision.id))) or 0,
    }
    return DiscoveryResult(run.id, run.texts, run.found, outcome.waiting, left_over)


def _add_drivers(
    session: Session, settings: Settings, by: Actor, run_id: int, maker: ThemeMaker
) -> None:
    """Propose contact drivers for themes without one, and say in the manifest what came of it."""
    outcome = propose_drivers(session, settings=settings, by=by, run_id=run_id, maker=maker)
    run = session.get_one(ThemeRun, run_id)
    run.manifest = {**run.manifest, "drivers": outcome.as_manifest()}


def _as_kept(pool: Pool, found: Any, k: int) -> Discovery | None:
    if found is None:
        return None
    words = _shared_words(pool, found, k)
    return Discovery(
        hashes=pool.hashes,
        labels=np.asarray(found.labels).tolist(),
        themes=pool.themes,
        people=pool.people,
        names=[name for name, _ in words],
        keywords=[keywords for _, keywords in words],
        model=found.model.to_bytes(),
    )


def _manifest(pool: Pool, found: Any, finer: int) -> dict[str, Any]:
    read = "repeat contacts" if pool.is_repeats else "all contacts"
    why = (
        ""
        if pool.is_repeats
        else f"Fewer than {FEWEST_REPEATS} repeat contacts with text; all contacts were read."
    )
    return {
        "read": read,
        "note": why,
        "available": pool.available,
        "claimed_by_decided_themes": pool.claimed,
        "drawn": len(pool.texts),
        "read_for_corrections": pool.added,
        "finer": finer,
        "parameters": _plain(found.parameters) if found is not None else {},
        "versions": {"python": platform.python_version(), **_versions()},
    }


def _versions() -> dict[str, str]:
    return {name: version(name) for name in LIBRARIES}


def _plain(value: Any) -> Any:
    """Return parameters as JSON can hold them: numbers of numpy become Python's."""
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(inner) for inner in value]
    if isinstance(value, np.generic):
        return value.item()
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)
