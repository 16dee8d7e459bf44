"""Find the customers behind imported rows, and note which identifiers were seen with whom."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.domain.identities import MatchRules
from closedloop.models import Contact, Customer, CustomerKey, LinkMove, LinkRun
from closedloop.services.bulk import among, in_portions, take_ids, write_columns
from closedloop.services.clean_rows import CleanRow
from closedloop.services.repeats import IDS_PER_STATEMENT, insert_into

_contacts: Any = Contact.__table__
_customers: Any = Customer.__table__
_keys: Any = CustomerKey.__table__
_moves: Any = LinkMove.__table__


@dataclass(frozen=True)
class RowCustomers:
    """Customers by the key of their rows.

    Attributes
    ----------
    ids : dict of str to int
        Whose the contacts are, links counted.
    own : dict of str to int
        Whose they would be without links, where that is somebody else.
    """

    ids: dict[str, int]
    own: dict[str, int]

    def seen(self, key: str) -> int:
        """Return the customer an identifier was seen with."""
        return self.own.get(key, self.ids[key])


def find_rules_in_force(session: Session) -> tuple[int, MatchRules] | None:
    """Return number and rules of the last link run that was not undone."""
    row = session.execute(
        sa.select(LinkRun.id, LinkRun.rules)
        .where(LinkRun.undone_at.is_(None))
        .order_by(LinkRun.id.desc())
        .limit(1)
    ).one_or_none()
    return (row[0], MatchRules.from_dict(row[1])) if row else None


def find_or_add_customers(
    session: Session, row_keys: Iterable[str | None], *, key_version: int
) -> RowCustomers:
    """Return the customers of rows, adding those who are new.

    A key nobody has yet may be an identifier of somebody known: one that a link run gave, or one
    that was seen with a single customer and is of a kind the rules in force link by.

    Parameters
    ----------
    session : Session
        Holds the turn of writers.
    row_keys : iterable of str or None
        Of each row; None is an unidentified customer.
    key_version : int
        How many keys they were made with.
    """
    wanted = sorted({key for key in row_keys if key})
    found = _look_up(session, wanted)
    missing = [key for key in wanted if key not in found]
    if missing:
        linked = _linked_by_identifier(session, missing)
        added = dict(zip(missing, take_ids(session, _customers, len(missing)), strict=True))
        write_columns(
            session,
            _customers,
            {
                "id": list(added.values()),
                "key_hash": missing,
                "key_version": [key_version] * len(missing),
                **_merged_into(missing, linked),
            },
        )
        moves = [
            {"link_run_id": run, "customer_id": added[key], "before_id": None, "after_id": root}
            for key, (root, run) in linked.items()
        ]
        if moves:
            session.execute(sa.insert(_moves), moves)
        found |= {key: (i, linked[key][0] if key in linked else None) for key, i in added.items()}
    return RowCustomers(
        {key: root or own for key, (own, root) in found.items()},
        {key: own for key, (own, root) in found.items() if root},
    )


def _merged_into(
    keys: Sequence[str], linked: Mapping[str, tuple[int, int]]
) -> dict[str, list[int | None]]:
    if not linked:
        return {}
    return {"merged_into_id": [linked[key][0] if key in linked else None for key in keys]}


def _look_up(session: Session, keys: Collection[str]) -> dict[str, tuple[int, int | None]]:
    """Return (customer, whom it was linked with) by key."""
    found: dict[str, tuple[int, int | None]] = {}
    columns = (_customers.c.key_hash, _customers.c.id, _customers.c.merged_into_id)
    for portion in in_portions(keys, IDS_PER_STATEMENT):
        rows = session.execute(
            sa.select(*columns).where(among(session, _customers.c.key_hash, portion))
        ).all()
        found |= {key: (own, root) for key, own, root in rows}
    return found


def _linked_by_identifier(session: Session, keys: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Return (customer, link run) of keys that are identifiers of one known customer."""
    root = sa.func.coalesce(_customers.c.merged_into_id, _customers.c.id)
    roots: dict[str, set[int]] = defaultdict(set)
    runs: dict[str, int] = {}
    kinds: dict[str, str] = {}
    for portion in in_portions(keys, IDS_PER_STATEMENT):
        rows = session.execute(
            sa.select(_keys.c.key_hash, _keys.c.kind, _keys.c.link_run_id, root)
            .join(_customers, _customers.c.id == _keys.c.customer_id)
            .where(among(session, _keys.c.key_hash, portion))
        )
        for key, kind, run, customer_id in rows:
            roots[key].add(customer_id)
            kinds[key] = kind
            if run is not None:
                runs[key] = run
    rules = find_rules_in_force(session) if roots else None
    for key, kind in kinds.items():
        if key not in runs and rules is not None and kind in rules[1].kinds:
            runs[key] = rules[0]
    return {
        key: (next(iter(found)), runs[key])
        for key, found in roots.items()
        if len(found) == 1 and key in runs
    }


def note_links(
    session: Session, source: str, rows: Iterable[CleanRow], customers: RowCustomers
) -> None:
    """Note, on contacts just added to linked customers, whose they would be without the links."""
    for row in rows:
        if row.customer_key in customers.own:
            session.execute(
                sa.update(_contacts)
                .where(
                    _contacts.c.source == source,
                    _contacts.c.source_contact_id == row.contact_id,
                    _contacts.c.own_customer_id.is_(None),
                )
                .values(own_customer_id=customers.own[row.customer_key])
            )


def note_identifiers(
    session: Session, rows: Iterable[CleanRow], customers: RowCustomers, *, key_version: int
) -> None:
    """Note which identifiers rows name beside their customer, for the next link run."""
    named = [row for row in rows if row.identifiers and row.customer_key]
    if not named:
        return
    ids = {row.customer_key: 0 for row in named if row.customer_key not in customers.ids}
    known = {key: own for key, (own, _) in _look_up(session, [k for k in ids if k]).items()}
    seen = {
        (digest, known.get(row.customer_key) or customers.seen(row.customer_key)): kind
        for row in named
        for kind, digest in row.identifiers
        if row.customer_key in known or row.customer_key in customers.ids
        if digest != row.customer_key
    }
    values = [
        {"key_hash": key, "customer_id": customer, "kind": kind, "key_version": key_version}
        for (key, customer), kind in sorted(seen.items())
    ]
    if values:
        session.execute(insert_into(session, _keys).on_conflict_do_nothing(), values)
