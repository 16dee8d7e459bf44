"""Discovery: propose themes from repeat contacts, without touching what people decided."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from importlib.metadata import version
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.config import Settings
from closedloop.domain.audit import Actor
from closedloop.domain.clock import utc_now
from closedloop.domain.contacts import DAY
from closedloop.domain.errors import Conflict, Invalid
from closedloop.domain.jobs import Progress
from closedloop.domain.themes import check_finer
from closedloop.models import Contact, ContactLink, ContactText, ThemeRun
from closedloop.queries.contacts import has_words
from closedloop.queries.site import get_data_span
from closedloop.services.assignment import (
    TRIES,
    TextLabels,
    bring_up_to_date,
    label_texts,
    labels_at_hand,
)
from closedloop.services.constraints import (
    Links,
    find_contacts_to_read,
    read_links,
    tell_honoured,
)
from closedloop.services.definitions import (
    Model,
    Standing,
    ThemeMaker,
    find_current_set,
    own_maker,
    read_standing,
)
from closedloop.services.driver_proposals import propose_drivers
from closedloop.services.encoding import load_vectors
from closedloop.services.evidence import renew_evidence
from closedloop.services.long_work import Report, Transactions, tell_nobody
from closedloop.services.proposals import Cluster, Proposal, apply_proposal
from closedloop.services.run_records import Look, keep_run
from ml.text.embed import Encoder

DAYS_READ = 180
FEWEST_REPEATS = 300
SAMPLE = 20_000
MOST_FOR_CORRECTIONS = 2
"""One in so many contacts read, at most, is read for what people put right."""
IDS_PER_QUERY = 500
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


@dataclass(frozen=True)
class _Pool:
    """The contacts a run reads, in an order that does not depend on how they came in.

    Of them `added` are read only to be told what people put right about them.
    """

    first_day: date
    last_day: date
    is_repeats: bool
    available: int
    claimed: int
    hashes: list[str]
    texts: list[str]
    dispositions: list[str | None]
    themes: list[int | None]
    people: list[int]
    added: int
    links: Links


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
            pool = _read_pool(session, settings, standing, first_day, last_day, seed, sample)
            kept = _read_kept_model(session, standing, maker)
            whole = pool
            if pool.claimed:
                nobody = replace(standing, kept=frozenset(), retired=frozenset())
                whole = _read_pool(session, settings, nobody, first_day, last_day, seed, sample)
        found = _find(transactions, maker, encoder, seed, pool, report, steps)
        look = found
        if whole is not pool:
            # What agreed themes hold is looked at afresh, too, for the parts people decide about.
            look = _find(transactions, maker, encoder, seed, whole, report, steps)
        model = _join(maker, kept, found)
        texts = label_texts(transactions, encoder=encoder.name, model=model, report=report)
        report(Progress(0, 0, "Bringing all contacts under the new themes"))
        proposal = _propose(standing, model, pool, found, texts, encoder.name)
        with transactions() as session:
            result = _apply(
                session, settings, by, seed, pool, found, standing, proposal, (whole, look), finer
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
    pool: _Pool,
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


def _read_pool(
    session: Session,
    settings: Settings,
    standing: Standing,
    first_day: date | None,
    last_day: date | None,
    seed: int,
    sample: int,
) -> _Pool:
    span = get_data_span(session)
    if span.last_day is None:
        raise Invalid("There are no contacts yet. Import contacts first, then discover themes.")
    last_day = last_day or span.last_day
    first_day = first_day or last_day - timedelta(days=DAYS_READ - 1)
    in_days = sa.and_(Contact.local_day.between(first_day, last_day), ContactText.issue_text != "")
    window = settings.repeat_window_days * DAY
    near = sa.or_(
        ContactLink.previous_gap_seconds <= window, ContactLink.next_gap_seconds <= window
    )
    is_repeat = sa.exists().where(ContactLink.contact_id == Contact.id, near)
    condition: sa.ColumnElement[bool] = sa.and_(in_days, is_repeat)
    available = _count(session, condition)
    is_repeats = available >= FEWEST_REPEATS
    if not is_repeats:
        condition, available = in_days, _count(session, in_days)
    if not available:
        raise Invalid(_say_wordless(session, first_day, last_day))
    unclaimed = sa.and_(
        sa.or_(Contact.theme_id.is_(None), Contact.theme_id.not_in(standing.kept)),
        sa.or_(Contact.cluster.is_(None), Contact.cluster.not_in(standing.retired)),
    )
    wanted = sa.and_(condition, unclaimed)
    always = find_contacts_to_read(
        session, condition=unclaimed, first=condition, most=sample // MOST_FOR_CORRECTIONS
    )
    ids, added = _draw(session, wanted, seed, sample, always)
    rows = _read_rows(session, ids)
    hashes, texts = [row[0] for row in rows], [row[1] for row in rows]
    themes = [row[3] for row in rows]
    return _Pool(
        first_day=first_day,
        last_day=last_day,
        is_repeats=is_repeats,
        available=available,
        claimed=available - _count(session, wanted),
        hashes=hashes,
        texts=texts,
        dispositions=[row[2] or None for row in rows],
        themes=themes,
        people=[row[4] for row in rows],
        added=added,
        links=read_links(session, hashes=hashes, texts=texts, themes=themes),
    )


def _say_wordless(session: Session, first_day: date, last_day: date) -> str:
    if not has_words(session):
        return (
            "Themes are found in what customers said, and no contact here holds any. Import "
            "contacts with a message, transcript or note; repeat rates work without."
        )
    return (
        f"None of the contacts from {first_day:%-d %B %Y} to {last_day:%-d %B %Y}, the days that "
        "are read, holds what customers said. Import contacts of these days that do."
    )


def _count(session: Session, condition: sa.ColumnElement[bool]) -> int:
    query = sa.select(sa.func.count(Contact.id)).join(ContactText).where(condition)
    return session.scalar(query) or 0


def _draw(
    session: Session,
    condition: sa.ColumnElement[bool],
    seed: int,
    sample: int,
    always: Sequence[int],
) -> tuple[list[int], int]:
    """Return ids in an order of the data's own, about `sample` of them at most.

    Those that are always read are among them, and behind them where the condition leaves them
    out; of these the number is returned, too.
    """
    ids = np.fromiter(
        session.scalars(
            sa.select(Contact.id)
            .join(ContactText)
            .where(condition)
            .order_by(Contact.started_at, Contact.source, Contact.source_contact_id)
            .execution_options(yield_per=10_000)
        ),
        np.int64,
    )
    is_kept = np.isin(ids, np.array(always, np.int64))
    known = set(ids[is_kept].tolist())
    beside = [contact for contact in always if contact not in known]
    if len(ids) > sample:
        others = np.flatnonzero(~is_kept)
        n_others = max(0, sample - int(is_kept.sum()))
        is_kept[np.random.default_rng(seed).choice(others, n_others, replace=False)] = True
        ids = ids[is_kept]
    chosen: list[int] = ids.tolist()
    added = beside if chosen else []
    return chosen + added, len(added)


def _read_rows(session: Session, ids: Sequence[int]) -> list[tuple[str, str, str, int | None, int]]:
    """Return text hash, text, disposition, theme and person of contacts, in the order given."""
    rows: dict[int, tuple[str, str, str, int | None, int]] = {}
    for start in range(0, len(ids), IDS_PER_QUERY):
        part = ids[start : start + IDS_PER_QUERY]
        query = (
            sa.select(
                Contact.id,
                ContactText.text_hash,
                ContactText.issue_text,
                Contact.disposition,
                Contact.theme_id,
                # nobody knows better, so a contact without a customer is a person of its own
                sa.func.coalesce(Contact.customer_id, -Contact.id),
            )
            .join(ContactText)
            .where(Contact.id.in_(part))
        )
        rows.update(
            (row[0], (row[1], row[2], row[3], row[4], row[5])) for row in session.execute(query)
        )
    return [rows[contact] for contact in ids]


def _propose(
    standing: Standing, model: Model, pool: _Pool, found: Any, texts: TextLabels, encoder: str
) -> Proposal:
    relabel = {old: new for new, old in enumerate(standing.kept_labels)}
    themes = found.themes if found is not None else []
    read = Counter(np.asarray(found.labels).tolist()) if found is not None else Counter()
    # Of a sample, as many as there are for each that was drawn.
    each = (pool.available - pool.claimed) / max(len(pool.texts), 1)
    return Proposal(
        model=model.to_bytes(),
        encoder=encoder,
        relabel=relabel,
        kept_owners=[standing.label_themes[old] for old in standing.kept_labels],
        clusters=[
            Cluster(len(relabel) + i, theme.name, list(theme.keywords), round(read[i] * each))
            for i, theme in enumerate(themes)
        ],
        texts=texts,
        available=pool.available,
    )


def _apply(
    session: Session,
    settings: Settings,
    by: Actor,
    seed: int,
    pool: _Pool,
    found: Any,
    standing: Standing,
    proposal: Proposal,
    afresh: tuple[_Pool, Any],
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
    whole, look = (_look(*one) for one in (afresh, (pool, found)))
    if whole is not None:
        parts = keep_run(
            session,
            run=run,
            k=settings.privacy_k,
            standing=standing,
            whole=whole,
            rest=look,
            owners=outcome.owners,
            by_name=by.name,
        )
    run.manifest = {
        **_manifest(pool, found, finer),
        "themes": outcome.as_manifest(),
        "coverage": outcome.coverage,
        "corrections": tell_honoured(afresh[0].links, whole.labels if whole is not None else []),
        "looked_at": len(afresh[0].texts),
        "parts": dict(parts),
    }
    return DiscoveryResult(run.id, run.texts, run.found, outcome.waiting, left_over)


def _add_drivers(
    session: Session, settings: Settings, by: Actor, run_id: int, maker: ThemeMaker
) -> None:
    """Propose contact drivers for themes without one, and say in the manifest what came of it."""
    outcome = propose_drivers(session, settings=settings, by=by, run_id=run_id, maker=maker)
    run = session.get_one(ThemeRun, run_id)
    run.manifest = {**run.manifest, "drivers": outcome.as_manifest()}


def _look(pool: _Pool, found: Any) -> Look | None:
    if found is None:
        return None
    return Look(
        hashes=pool.hashes,
        labels=np.asarray(found.labels).tolist(),
        themes=pool.themes,
        people=pool.people,
        names=[theme.name for theme in found.themes],
        keywords=[list(theme.keywords) for theme in found.themes],
        model=found.model.to_bytes(),
    )


def _manifest(pool: _Pool, found: Any, finer: int) -> dict[str, Any]:
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
