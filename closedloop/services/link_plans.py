"""Work out which customers are one: from what was seen with them and what a crosswalk says.

Nothing is written here. The plan is the same whatever the order of the evidence: customers are
joined when a chain of identifiers connects them, and the oldest of them survives.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby, islice
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.domain.identities import (
    CUSTOMER_ID,
    Groups,
    IdentifierKind,
    LinkReport,
    MatchRules,
)
from closedloop.models import Customer, CustomerKey
from closedloop.services.crosswalks import Crosswalk, CrosswalkKey

KEYS_AT_ONCE = 5_000
ROWS_AT_ONCE = 10_000

_customers: Any = Customer.__table__
_keys: Any = CustomerKey.__table__


@dataclass
class LinkPlan:
    """What a link run would do.

    Attributes
    ----------
    moves : dict of int to int
        Customer to the one it is linked with, who survives; only where that changes.
    aliases : list of (key, kind, customer)
        Identifiers nobody has used yet, and whose they are.
    report : LinkReport
    """

    moves: dict[int, int] = field(default_factory=dict)
    aliases: list[tuple[str, str, int]] = field(default_factory=list)
    report: LinkReport = field(default_factory=LinkReport)


def plan_links(session: Session, *, rules: MatchRules, crosswalk: Crosswalk | None) -> LinkPlan:
    """Return what the rules and the crosswalk join.

    Parameters
    ----------
    session : Session
        One snapshot is read.
    rules : MatchRules
    crosswalk : Crosswalk, optional
        Read with the same rules.
    """
    planner = _Planner(session, rules)
    planner.read_links()
    planner.read_seen()
    if crosswalk is not None:
        planner.read_crosswalk(crosswalk)
    return planner.plan()


class _Planner:
    def __init__(self, session: Session, rules: MatchRules) -> None:
        self._session = session
        self._rules = rules
        self._groups: Groups[int] = Groups()
        self._roots: dict[int, int] = {}
        self._aliases: list[tuple[str, str, int]] = []
        self._report = LinkReport()
        self._joined: Counter[str] = Counter()
        self._shared: Counter[str] = Counter()

    def read_links(self) -> None:
        """Begin with what earlier runs linked; it stays."""
        count = sa.select(sa.func.count()).where(_customers.c.merged_into_id.is_(None))
        self._report.customers_before = self._session.scalar(count) or 0
        linked = sa.select(_customers.c.id, _customers.c.merged_into_id).where(
            _customers.c.merged_into_id.is_not(None)
        )
        for customer, root in self._session.execute(linked):
            self._roots[customer] = root
            self._groups.join([root, customer])

    def read_seen(self) -> None:
        """Join customers that were seen with the same identifier."""
        # the surest kind first, so that the report names it
        for kind in self._rules.kinds:
            seen = (
                sa.select(_keys.c.key_hash, _keys.c.customer_id)
                .where(_keys.c.kind == kind.value)
                .order_by(_keys.c.key_hash, _keys.c.customer_id)
                .execution_options(yield_per=ROWS_AT_ONCE)
            )
            rows = groupby(self._session.execute(seen), key=lambda row: row[0])
            grouped = ((key, [row[1] for row in found]) for key, found in rows)
            while portion := list(islice(grouped, KEYS_AT_ONCE)):
                self._join_seen(kind.value, portion)

    def _join_seen(self, kind: str, portion: Sequence[tuple[str, list[int]]]) -> None:
        owners = self._owners([key for key, _ in portion])
        for key, customers in portion:
            self._report.identifiers += 1
            if len(customers) > self._rules.max_customers:
                self._shared[kind] += 1
                continue
            everybody = {*customers, *owners.get(key, ())}
            self._joined[kind] += self._groups.join(sorted(everybody))

    def _owners(self, keys: Sequence[str]) -> dict[str, list[int]]:
        """Return the customers who are known by a key as their own."""
        rows = self._session.execute(
            sa.select(_customers.c.key_hash, _customers.c.id).where(_customers.c.key_hash.in_(keys))
        )
        return {key: [customer] for key, customer in rows}

    def read_crosswalk(self, crosswalk: Crosswalk) -> None:
        """Join customers that a crosswalk says are one person."""
        self._report.crosswalk_rows = crosswalk.rows
        self._report.unreadable = crosswalk.unreadable
        people: Groups[int] = Groups()
        for key in crosswalk.identifiers():
            self._report.identifiers += not key.is_spelling
            if self._may_link(key, count=not key.is_spelling):
                people.join(key.people)
        customer_of: dict[int, int] = {}
        for key, customers in self._with_customers(crosswalk):
            if customers:
                person = people.find(key.people[0])
                nodes = [*customers, *filter(None, [customer_of.get(person)])]
                self._joined[key.kind] += self._groups.join(nodes)
                customer_of.setdefault(person, customers[0])
        self._report.unmatched_rows = sum(
            people.find(person) not in customer_of for person in crosswalk.people()
        )
        for key, customers in self._with_customers(crosswalk):
            customer = customer_of.get(people.find(key.people[0]))
            if not customers and customer is not None and key.kind != CUSTOMER_ID:
                self._aliases.append((key.digest, key.kind, customer))

    def _may_link(self, key: CrosswalkKey, *, count: bool = False) -> bool:
        """Whether an identifier is one person's: not of two customer ids, nor of many."""
        if key.kind == CUSTOMER_ID:
            return True
        is_conflict = key.named > 1
        is_shared = len(key.people) > self._rules.max_customers
        if count:
            self._report.conflicts += is_conflict
            self._shared[key.kind] += is_shared and not is_conflict
        return not is_conflict and not is_shared

    def _with_customers(self, crosswalk: Crosswalk) -> Iterator[tuple[CrosswalkKey, list[int]]]:
        """Yield the identifiers that may link, and the customers behind each."""
        keys = (key for key in crosswalk.identifiers() if self._may_link(key))
        while portion := list(islice(keys, KEYS_AT_ONCE)):
            digests = [key.digest for key in portion]
            found: dict[str, set[int]] = defaultdict(set)
            seen = sa.select(_keys.c.key_hash, _keys.c.customer_id).where(
                _keys.c.key_hash.in_(digests)
            )
            for digest, customer in self._session.execute(seen):
                found[digest].add(customer)
            shared = {d for d, ids in found.items() if len(ids) > self._rules.max_customers}
            for digest, customers in self._owners(digests).items():
                found[digest].update(customers)
            yield from ((k, sorted(found[k.digest])) for k in portion if k.digest not in shared)

    def plan(self) -> LinkPlan:
        """Turn groups into moves to the oldest customer of each, unless a group is too large."""
        moves: dict[int, int] = {}
        survivors: dict[int, int | None] = {}
        for group in self._groups:
            oldest, *others = sorted(group)
            is_too_large = len(group) > self._rules.max_cluster
            self._report.too_large += is_too_large
            survivors.update(dict.fromkeys(group, None if is_too_large else oldest))
            if not is_too_large:
                moves |= {c: oldest for c in others if self._roots.get(c, c) != oldest}
        aliases = [
            (digest, kind, survivor)
            for digest, kind, customer in self._aliases
            if (survivor := survivors.get(customer, customer)) is not None
        ]
        report = self._report
        report.joined_by = {kind: n for kind, n in sorted(self._joined.items()) if n}
        report.shared = {kind: n for kind, n in sorted(self._shared.items()) if n}
        gone = sum(customer not in self._roots for customer in moves)
        report.customers_after = report.customers_before - gone
        report.aliases = len(aliases)
        report.sentences = _sentences(report, self._rules)
        return LinkPlan(moves, aliases, report)


def _sentences(report: LinkReport, rules: MatchRules) -> list[str]:
    """Return what a person should know before believing the counts."""
    said = [
        f"{n:,} {IdentifierKind(kind).plural if n > 1 else IdentifierKind(kind).label} "
        f"{'belong' if n > 1 else 'belongs'} to more than {rules.max_customers} customers: a "
        "switchboard, a family or a shop. Nobody was linked by it."
        for kind, n in report.shared.items()
    ]
    notes = (
        (
            report.conflicts,
            "{} of the crosswalk's identifiers stand under more than one customer id. They link "
            "nobody; mend the crosswalk if they should.",
        ),
        (
            report.too_large,
            f"{{}} groups would have made more than {rules.max_cluster} customers one. They were "
            "left as they are: look for an identifier that many share.",
        ),
        (
            report.unmatched_rows,
            "{} customers of the crosswalk have not contacted you yet. Run it again after the "
            "next import.",
        ),
        (
            report.unreadable,
            "{} cells of the crosswalk are no identifier of their kind. Phone numbers without + "
            "need CLOSEDLOOP_PHONE_COUNTRIES.",
        ),
    )
    return [*said, *(sentence.format(f"{n:,}") for n, sentence in notes if n)]
