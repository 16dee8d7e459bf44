"""Which theme each contact belongs to: computed text by text, written in one transaction.

Labels are worked out outside any transaction, from vectors read in chunks, and kept as compact
arrays (72 bytes a distinct text). Then one transaction brings contacts, chains, roll-up and
figures under them together, so that no page ever mixes two definitions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.config import Settings
from closedloop.domain.audit import Actor
from closedloop.domain.errors import Conflict
from closedloop.domain.jobs import Progress
from closedloop.domain.themes import ThemeStatus
from closedloop.models import Contact, ContactText, DefinitionSet, Theme
from closedloop.services.audit import record_event
from closedloop.services.definitions import (
    ThemeMaker,
    check_encoder,
    find_current_set,
    own_maker,
    read_standing,
)
from closedloop.services.drift import refresh_weeks
from closedloop.services.encoding import encode_texts
from closedloop.services.evidence import renew_evidence
from closedloop.services.labelling import TextLabels, label_texts
from closedloop.services.long_work import Report, Transactions, tell_nobody
from closedloop.services.membership import apply_corrections
from closedloop.services.repeats import chain_contacts, take_turn
from closedloop.services.rollups import roll_up_days
from closedloop.services.theme_stats import find_stats_day, refresh_theme_stats

TRIES = 3
ROWS_PER_INSERT = 5_000
CUSTOMERS_ONE_BY_ONE = 20_000
"""Past so many customers the whole history is chained, which is then cheaper."""

_TEMPORARY = sa.MetaData()
ASSIGNED = sa.Table(
    "assigned_texts",
    _TEMPORARY,
    sa.Column("text_hash", sa.String(64), primary_key=True),
    sa.Column("label", sa.Integer, nullable=False),
    sa.Column("confidence", sa.Float),
    prefixes=["TEMPORARY"],
)
OWNERS = sa.Table(
    "label_owners",
    _TEMPORARY,
    sa.Column("label", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("theme_id", sa.Integer),
    prefixes=["TEMPORARY"],
)
HAS_TEXT = sa.exists().where(ContactText.contact_id == Contact.id, ContactText.issue_text != "")
JOINED = sa.and_(
    ContactText.contact_id == Contact.id,
    ContactText.issue_text != "",
    ASSIGNED.c.text_hash == ContactText.text_hash,
)


@dataclass(frozen=True)
class AssignResult:
    """What an assignment did.

    Attributes
    ----------
    assigned : int
        Contacts given a label now, left over ones included.
    contacts_with_text : int
    with_theme : int
        Of these, the ones in a theme that has not been dismissed.
    definition_set : int or None
        Number of the set; None before the first discovery.
    """

    assigned: int
    contacts_with_text: int
    with_theme: int
    definition_set: int | None


@contextmanager
def labels_at_hand(session: Session, texts: TextLabels) -> Iterator[None]:
    """Put the labels into a temporary table that set-based statements can join.

    A few million texts are inserted in portions; the statements over it then run once each,
    in one transaction: portions of contacts by range of text hash would be no faster, and a
    reader between two of them would see numbers of two definitions.
    """
    connection = session.connection()
    _TEMPORARY.create_all(connection, checkfirst=False)
    for start in range(0, len(texts.hashes), ROWS_PER_INSERT):
        part = slice(start, start + ROWS_PER_INSERT)
        rows = zip(
            texts.hashes[part].tolist(),
            texts.labels[part].tolist(),
            texts.confidence[part].tolist(),
            strict=True,
        )
        connection.execute(
            sa.insert(ASSIGNED),
            [
                {
                    "text_hash": text_hash.decode(),
                    "label": label,
                    "confidence": confidence if label >= 0 else None,
                }
                for text_hash, label, confidence in rows
            ],
        )
    yield
    # Not in a `finally`: after an error the rollback takes the tables away.
    _TEMPORARY.drop_all(connection, checkfirst=False)


def write_owners(session: Session, label_themes: Sequence[int | None]) -> None:
    """Say which theme each label at hand belongs to; -1 belongs to none."""
    rows = [{"label": -1, "theme_id": None}]
    rows += [{"label": label, "theme_id": theme} for label, theme in enumerate(label_themes)]
    session.execute(sa.insert(OWNERS), rows)


def write_contacts(session: Session, *, only_new: bool) -> int:
    """Bring contacts under the labels and owners at hand; return how many had a text."""
    labelled = (
        sa.update(Contact)
        .where(JOINED, OWNERS.c.label == ASSIGNED.c.label)
        .values(
            cluster=ASSIGNED.c.label,
            theme_id=OWNERS.c.theme_id,
            theme_confidence=ASSIGNED.c.confidence,
        )
        .execution_options(synchronize_session=False)
    )
    if only_new:
        labelled = labelled.where(Contact.cluster.is_(None))
    result: Any = session.execute(labelled)
    return int(result.rowcount)


def carry_over(session: Session, relabel: Mapping[int, int]) -> None:
    """Keep contacts whose text has expired where they were, under the new labels.

    Parameters
    ----------
    relabel : mapping of int to int
        Old label to new, of the themes that people decided about. Everything else that has no
        text, or whose text came in meanwhile, is left over or still to be assigned.
    """
    values: dict[str, Any] = {"cluster": -1, "theme_id": None, "theme_confidence": None}
    if relabel:
        stays = Contact.cluster.in_(list(relabel))
        values = {
            "cluster": sa.case(dict(relabel), value=Contact.cluster, else_=-1),
            "theme_id": sa.case((stays, Contact.theme_id)),
            "theme_confidence": sa.case((stays, Contact.theme_confidence)),
        }
    _update(session, sa.update(Contact).where(~HAS_TEXT).values(values))
    unseen = sa.and_(HAS_TEXT, ~sa.exists().where(JOINED))
    blank = {"cluster": None, "theme_id": None, "theme_confidence": None}
    _update(session, sa.update(Contact).where(unseen).values(blank))


def set_aside_without_text(session: Session) -> None:
    """Mark contacts that came in without a text as left over."""
    _update(
        session,
        sa.update(Contact).where(Contact.cluster.is_(None), ~HAS_TEXT).values(cluster=-1),
    )


def _update(session: Session, statement: sa.Update) -> None:
    session.execute(statement.execution_options(synchronize_session=False))


def renew_all_figures(session: Session, settings: Settings) -> None:
    """Chain, roll up and count the whole history, under the themes contacts have now."""
    chain_contacts(session, settings=settings, customer_ids=None)
    roll_up_days(session, days=None)
    refresh_weeks(session, days=None)
    if as_of := find_stats_day(session, settings):
        refresh_theme_stats(session, settings=settings, as_of=as_of)


def assign_contacts(
    transactions: Transactions,
    *,
    settings: Settings,
    by: Actor,
    everything: bool = False,
    report: Report = tell_nobody,
    maker: ThemeMaker | None = None,
) -> AssignResult:
    """Give contacts their theme under the definitions in force.

    A second run finds nothing to do but renews evidence and figures. Before the first discovery
    texts are only encoded, so that discovery finds the work done.

    Parameters
    ----------
    transactions : Transactions
    settings : Settings
    by : Actor
    everything : bool
        Also contacts that have been assigned before.
    report : Report
    maker : ThemeMaker, optional
        Tests pass a small one.

    Raises
    ------
    Conflict
        If the themes in force were defined with another encoder, or if definitions kept
        changing while this ran.
    """
    maker = maker or own_maker()
    result = bring_up_to_date(
        transactions, settings=settings, by=by, everything=everything, report=report, maker=maker
    )
    renew_evidence(transactions, settings=settings, report=report, maker=maker)
    return result


def bring_up_to_date(
    transactions: Transactions,
    *,
    settings: Settings,
    by: Actor,
    everything: bool = False,
    report: Report,
    maker: ThemeMaker,
) -> AssignResult:
    """Do what `assign_contacts` does without the evidence; discovery starts with this.

    Raises
    ------
    Conflict
        If the definitions changed each time while contacts were being assigned.
    """
    encoder = maker.load_encoder(settings.encoder)
    with transactions() as session:
        check_encoder(read_standing(session).encoder, encoder)
    encode_texts(transactions, encoder=encoder, report=report, scheduler=settings.dask_scheduler)
    for _ in range(TRIES):
        result = _try_to_assign(transactions, settings, by, everything, report, maker, encoder.name)
        if result is not None:
            return result
    raise Conflict("The themes kept changing while contacts were being assigned. Try again.")


def _try_to_assign(
    transactions: Transactions,
    settings: Settings,
    by: Actor,
    everything: bool,
    report: Report,
    maker: ThemeMaker,
    encoder: str,
) -> AssignResult | None:
    with transactions() as session:
        current = find_current_set(session, with_model=True)
        if current is None:
            return _count_result(session, 0, None)
        content = current.model
        model = maker.read_model(content)
    is_new = sa.exists().where(Contact.id == ContactText.contact_id, Contact.cluster.is_(None))
    texts = label_texts(
        transactions,
        encoder=encoder,
        model=model,
        report=report,
        condition=None if everything else is_new,
        scheduler=settings.dask_scheduler,
    )
    report(Progress(0, 0, "Writing down the themes of contacts"))
    with transactions() as session:
        take_turn(session)
        current = find_current_set(session, with_model=True)
        if current is None or current.model != content:
            return None  # another model was put in force meanwhile
        assigned = _write(session, settings, texts, current, everything)
        if assigned:
            _record(session, by, assigned, current)
        return _count_result(session, assigned, current)


def _write(
    session: Session,
    settings: Settings,
    texts: TextLabels,
    current: DefinitionSet,
    everything: bool,
) -> int:
    with labels_at_hand(session, texts):
        write_owners(session, current.label_themes)
        customers, days = ([], set()) if everything else _affected(session)
        assigned = write_contacts(session, only_new=not everything)
    set_aside_without_text(session)
    apply_corrections(session)
    if everything or len(customers) > CUSTOMERS_ONE_BY_ONE:
        renew_all_figures(session, settings)
        return assigned
    if assigned:
        days |= chain_contacts(session, settings=settings, customer_ids=customers)
        roll_up_days(session, days=days)
        refresh_weeks(session, days=days)
    if as_of := find_stats_day(session, settings):
        refresh_theme_stats(session, settings=settings, as_of=as_of)
    return assigned


def _affected(session: Session) -> tuple[list[int], set[date]]:
    """Return the customers and reporting days of the contacts that are about to be assigned."""
    new = sa.and_(JOINED, Contact.cluster.is_(None))
    ids = session.scalars(
        sa.select(Contact.customer_id).distinct().where(new, Contact.customer_id.is_not(None))
    )
    days = session.scalars(sa.select(Contact.local_day).distinct().where(new))
    return [customer for customer in ids if customer is not None], set(days)


def _record(session: Session, by: Actor, assigned: int, current: DefinitionSet) -> None:
    record_event(
        session,
        by=by,
        verb="themes.assigned",
        target_kind="site",
        target_id=None,
        summary=f"assigned {assigned:,} contacts to themes by definition set {current.number}",
        detail={"assigned": assigned, "definition_set": current.number},
    )


def _count_result(session: Session, assigned: int, current: DefinitionSet | None) -> AssignResult:
    counts = count_coverage(session)
    return AssignResult(assigned, counts[0], counts[1], current.number if current else None)


def count_coverage(session: Session) -> tuple[int, int]:
    """Return how many contacts have a text, and how many of these a theme that is in use."""
    with_text = sa.select(sa.func.count(ContactText.contact_id)).where(ContactText.issue_text != "")
    with_theme = (
        sa.select(sa.func.count(Contact.id))
        .join(Theme, Theme.id == Contact.theme_id)
        .where(Theme.status != ThemeStatus.RETIRED, HAS_TEXT)
    )
    return session.scalar(with_text) or 0, session.scalar(with_theme) or 0
