"""Make customers one whose identifiers match, and take it back.

A linked customer keeps its row, which says whom it is linked with, and its contacts remember
whose they were. So later imports find the right customer, and undoing a run is exact but for
messages that were gathered into one contact meanwhile.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.config import Settings
from closedloop.domain.audit import Actor
from closedloop.domain.clock import utc_now
from closedloop.domain.errors import Conflict, Invalid, NotFound, Unreadable
from closedloop.domain.identities import LinkReport, MatchRules
from closedloop.domain.jobs import Progress
from closedloop.models import Contact, Customer, CustomerKey, LinkMove, LinkRun
from closedloop.services.audit import record_event
from closedloop.services.bulk import in_portions
from closedloop.services.crosswalks import Crosswalk
from closedloop.services.customers import find_rules_in_force
from closedloop.services.identifiers import hash_customer, normalise_identifier
from closedloop.services.key_state import require_keys
from closedloop.services.link_plans import LinkPlan, plan_links
from closedloop.services.long_work import Report, Transactions, tell_nobody
from closedloop.services.repeats import chain_contacts, insert_into, take_turn
from closedloop.services.rollups import roll_up_due
from closedloop.services.theme_stats import find_stats_day, refresh_theme_stats

__all__ = [
    "check_crosswalk",
    "hash_customer",
    "link_again",
    "link_customers",
    "normalise_identifier",
    "read_rules",
    "undo_link_run",
]

MOVES_AT_ONCE = 1_000
ALIASES_AT_ONCE = 5_000

_contacts: Any = Contact.__table__
_customers: Any = Customer.__table__
_keys: Any = CustomerKey.__table__
_moves: Any = LinkMove.__table__


def read_rules(path: Path) -> MatchRules:
    """Return the match rules of a TOML file.

    Raises
    ------
    Unreadable, Invalid
        If it is no TOML, or says what is not known.
    """
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise Unreadable(f"{path.name} is no TOML file: {error}.") from error
    except OSError as error:
        raise Unreadable(f"{path.name} cannot be opened.") from error
    return MatchRules.from_dict(settings)


def check_crosswalk(path: Path, *, settings: Settings, rules: MatchRules, name: str) -> None:
    """Refuse a file that is no crosswalk, by what its header says.

    Raises
    ------
    Unreadable
        With the name people know it by.
    """
    with closing(Crosswalk(settings, rules)) as crosswalk:
        crosswalk.read(path, name=name, only_header=True)


def link_customers(
    transactions: Transactions,
    *,
    settings: Settings,
    rules: MatchRules,
    crosswalk: Path | None = None,
    file_name: str = "",
    by: Actor,
    report: Report = tell_nobody,
    dry_run: bool = False,
) -> tuple[LinkReport, int | None]:
    """Make customers one who share identifiers of the kinds the rules name.

    The oldest customer of each group survives; running it again changes nothing. What earlier
    runs linked stays. It goes in portions: broken off, the next run does the rest.

    Parameters
    ----------
    transactions : Transactions
    settings : Settings
    rules : MatchRules
    crosswalk : Path, optional
        CSV, one customer's identifiers a row.
    file_name : str
        Of the rules, as people know it.
    by : Actor
    report : Report, optional
        Told customers moved of those to move.
    dry_run : bool
        Count, but change nothing.

    Returns
    -------
    report : LinkReport
    run : int or None
        Number of the link run; None for a dry one.

    Raises
    ------
    Invalid
        If the rules link by nothing.
    Unreadable
        If the crosswalk cannot be read.
    Conflict
        If customers are stored under other keys than the settings have.
    """
    if not rules.kinds:
        raise Invalid("The match rules link by nothing. Set phone, email or account to true.")
    plan = _plan(transactions, settings, rules, crosswalk, report)
    if dry_run:
        return plan.report, None
    with transactions() as session:
        take_turn(session)
        run = LinkRun(
            file_name=(file_name or "match rules")[:255],
            rules=rules.to_dict(),
            report=asdict(plan.report),
            started_by=by.name[:120],
        )
        session.add(run)
        session.flush()  # the moves need its number
        run_id = run.id
    _apply(transactions, settings, run_id, plan, report)
    _close(transactions, settings, run_id, plan.report, by, report)
    return plan.report, run_id


def link_again(
    transactions: Transactions, *, settings: Settings, by: Actor, report: Report = tell_nobody
) -> int:
    """Link customers who came in since, by the rules in force; a run is kept if it joins any.

    Returns
    -------
    int
        Customers joined to another.
    """
    with transactions() as session:
        rules = find_rules_in_force(session)
    if rules is None:
        return 0
    values: dict[str, Any] = {"settings": settings, "rules": rules[1], "by": by, "report": report}
    found, _ = link_customers(transactions, dry_run=True, **values)
    if not found.joined:
        return 0
    link_customers(transactions, file_name="the rules in force", **values)
    return found.joined


def _plan(
    transactions: Transactions,
    settings: Settings,
    rules: MatchRules,
    path: Path | None,
    report: Report,
) -> LinkPlan:
    report(Progress(0, 0, "Comparing identifiers"))
    with closing(Crosswalk(settings, rules)) if path else nullcontext() as crosswalk:
        if crosswalk is not None and path is not None:
            crosswalk.read(path)
        with transactions() as session:
            take_turn(session)
            require_keys(session, settings)
            return plan_links(session, rules=rules, crosswalk=crosswalk)


def _apply(
    transactions: Transactions, settings: Settings, run_id: int, plan: LinkPlan, report: Report
) -> None:
    # broken off between two portions, what is done holds and the next run does the rest
    by_survivor = sorted((into, customer) for customer, into in plan.moves.items())
    done = 0
    for portion in in_portions(by_survivor, MOVES_AT_ONCE):
        report(Progress(done, len(plan.moves), "Linking customers"))
        with transactions() as session:
            take_turn(session)
            moves = {customer: into for into, customer in portion}
            plan.report.contacts_moved += _move(session, run_id, moves)
            touched = {*moves.values()}
            chain_contacts(session, settings=settings, customer_ids=sorted(touched))
        done += len(portion)
    for aliases in in_portions(plan.aliases, ALIASES_AT_ONCE):
        with transactions() as session:
            take_turn(session)
            _add_aliases(session, settings, run_id, aliases)


def _move(session: Session, run_id: int, moves: Mapping[int, int]) -> int:
    """Give the contacts of customers to those they are linked with; return how many moved."""
    rows = session.execute(
        sa.select(_customers.c.id, _customers.c.merged_into_id).where(_customers.c.id.in_(moves))
    )
    before = {customer: root for customer, root in rows}  # noqa: C416 - rows are no pairs
    session.execute(
        sa.insert(_moves),
        [
            {"link_run_id": run_id, "customer_id": c, "before_id": before[c], "after_id": moves[c]}
            for c in sorted(before)
        ],
    )
    old = _contacts.c.customer_id.in_(list(before)) & _contacts.c.own_customer_id.is_(None)
    linked = _contacts.c.own_customer_id.in_(list(before))
    moved = session.scalar(sa.select(sa.func.count()).where(old | linked)) or 0
    customer: Any = sa.bindparam("customer")
    into: Any = sa.bindparam("into")
    for statement in (
        sa.update(_customers).where(_customers.c.id == customer).values(merged_into_id=into),
        # first those that came to it through earlier links, then its own
        sa.update(_contacts)
        .where(_contacts.c.own_customer_id == customer)
        .values(customer_id=into),
        sa.update(_contacts)
        .where(_contacts.c.customer_id == customer, _contacts.c.own_customer_id.is_(None))
        .values(customer_id=into, own_customer_id=customer),
    ):
        session.connection().execute(
            statement, [{"customer": c, "into": moves[c]} for c in sorted(before)]
        )
    return moved


def _add_aliases(
    session: Session, settings: Settings, run_id: int, aliases: Sequence[tuple[str, str, int]]
) -> None:
    values = [
        {
            "key_hash": digest,
            "customer_id": customer,
            "kind": kind,
            "link_run_id": run_id,
            "key_version": len(settings.customer_keys),
        }
        for digest, kind, customer in aliases
    ]
    session.execute(insert_into(session, _keys).on_conflict_do_nothing(), values)


def _close(
    transactions: Transactions,
    settings: Settings,
    run_id: int,
    found: LinkReport,
    by: Actor,
    report: Report,
) -> None:
    roll_up_due(transactions, report=report)
    found.is_finished = True
    with transactions() as session:
        take_turn(session)
        run = session.get_one(LinkRun, run_id)
        run.report = asdict(found)
        if as_of := find_stats_day(session, settings):
            refresh_theme_stats(session, settings=settings, as_of=as_of)
        record_event(
            session,
            by=by,
            verb="contacts.customers_linked",
            target_kind="link_run",
            target_id=run_id,
            summary=f"linked customers by {run.file_name}: {found.joined:,} joined to another, "
            f"{found.contacts_moved:,} contacts moved",
            detail={"joined": found.joined, "contacts": found.contacts_moved},
        )


def undo_link_run(
    transactions: Transactions,
    *,
    settings: Settings,
    run_id: int,
    by: Actor,
    report: Report = tell_nobody,
) -> int:
    """Part the customers again that a link run made one; contacts go back to whose they were.

    Messages of theirs that were gathered into one contact after the link stay together.

    Parameters
    ----------
    transactions : Transactions
    settings : Settings
    run_id : int
        Of the last run that was not undone.
    by : Actor
    report : Report, optional
        Told customers done of those to part.

    Returns
    -------
    int
        Customers that stand for themselves, or with whom they stood before.

    Raises
    ------
    NotFound
        If there is no such run.
    Conflict
        If it was undone before, or a later one was not.
    """
    with transactions() as session:
        take_turn(session)
        run = session.get(LinkRun, run_id)
        _check_undo(session, run, run_id)
        of_run = _moves.c.link_run_id == run_id
        total = session.scalar(sa.select(sa.func.count()).where(of_run)) or 0
        session.execute(sa.delete(_keys).where(_keys.c.link_run_id == run_id))
    done = 0
    while portion := _undo_portion(transactions, settings, run_id):
        done += portion
        report(Progress(done, total, "Parting customers"))
    roll_up_due(transactions, report=report)
    with transactions() as session:
        take_turn(session)
        run = session.get_one(LinkRun, run_id)
        run.undone_at, run.undone_by = utc_now(), by.name[:120]
        if as_of := find_stats_day(session, settings):
            refresh_theme_stats(session, settings=settings, as_of=as_of)
        record_event(
            session,
            by=by,
            verb="contacts.customers_parted",
            target_kind="link_run",
            target_id=run_id,
            summary=f"took the linking by {run.file_name} back: {done:,} customers parted",
            detail={"customers": done},
        )
    return done


def _check_undo(session: Session, run: LinkRun | None, run_id: int) -> None:
    if run is None:
        raise NotFound(f"There is no link run number {run_id}.")
    if run.undone_at is not None:
        raise Conflict("This link run was undone before.")
    later = sa.select(LinkRun.id).where(LinkRun.id > run_id, LinkRun.undone_at.is_(None))
    if (last := session.scalar(later.order_by(LinkRun.id.desc()).limit(1))) is not None:
        raise Conflict(f"Link run {last} came after this one and builds on it. Undo it first.")


def _undo_portion(transactions: Transactions, settings: Settings, run_id: int) -> int:
    with transactions() as session:
        take_turn(session)
        rows = session.execute(
            sa.select(_moves)
            .where(_moves.c.link_run_id == run_id)
            .order_by(_moves.c.customer_id)
            .limit(MOVES_AT_ONCE)
        ).all()
        if not rows:
            return 0
        _move_back(session, rows)
        ids = [row.customer_id for row in rows]
        touched: Iterable[int] = {*ids, *(r.after_id for r in rows), *(r.before_id for r in rows)}
        chain_contacts(
            session, settings=settings, customer_ids=sorted(i for i in touched if i is not None)
        )
        session.execute(
            sa.delete(_moves).where(_moves.c.link_run_id == run_id, _moves.c.customer_id.in_(ids))
        )
        return len(rows)


def _move_back(session: Session, rows: Sequence[Any]) -> None:
    customer: Any = sa.bindparam("customer")
    before: Any = sa.bindparam("before")
    own = _contacts.c.own_customer_id == customer
    connection = session.connection()
    pairs = [{"customer": row.customer_id, "before": row.before_id} for row in rows]
    connection.execute(
        sa.update(_customers).where(_customers.c.id == customer).values(merged_into_id=before),
        pairs,
    )
    if alone := [{"customer": pair["customer"]} for pair in pairs if pair["before"] is None]:
        back = {"customer_id": _contacts.c.own_customer_id, "own_customer_id": None}
        connection.execute(sa.update(_contacts).where(own).values(**back), alone)
    if linked := [pair for pair in pairs if pair["before"] is not None]:
        connection.execute(sa.update(_contacts).where(own).values(customer_id=before), linked)
