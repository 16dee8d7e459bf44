"""Which contacts of a customer are one case: a source said that one follows another up.

A ticket merged into another one and a follow-up carry the source id of that other one. Together
with the contact of that id, and with all others of the customer that carry it, they are one
case, and so is what follows those in turn. The contact with that id need not be here: two
tickets merged into a third are one case without it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.models import Contact
from closedloop.services.bulk import Integers, read_columns

_contacts: Any = Contact.__table__
IS_FOLLOW_UP: sa.ColumnElement[bool] = _contacts.c.follows_contact_id != sa.literal_column("''")
"""Written out, or SQLite would not see that the index of follow-ups holds all of them."""


def has_follow_ups(session: Session) -> bool:
    """Return whether any contact follows another one up: one look at an index."""
    # as a minimum, which PostgreSQL takes from the index even before it knows the table
    first = sa.select(sa.func.min(_contacts.c.follows_contact_id)).where(IS_FOLLOW_UP)
    return session.scalar(first) is not None


def read_cases(session: Session, condition: sa.ColumnElement[bool], ids: Integers) -> Integers:
    """Return the case of each contact: equal numbers are one case, 0 is none.

    Parameters
    ----------
    session : Session
    condition : condition on contacts
        That of all contacts of some customers.
    ids : array of int
        Those contacts, in any order.
    """
    cases = np.zeros(len(ids), dtype=np.int64)
    found = read_columns(session, _select_pairs(condition))
    if not len(found["id"]):
        return cases
    by_id = np.argsort(ids)

    def places(of: Integers) -> Integers:
        return by_id[np.searchsorted(ids, of, sorter=by_id)]

    one = places(found["id"])
    is_here = found["target"] > 0
    pairs = (one, places(found["fellow"])), (one[is_here], places(found["target"][is_here]))
    a, b = (np.concatenate(ends) for ends in zip(*pairs, strict=True))
    members, ends = np.unique(np.concatenate((a, b)), return_inverse=True)
    cases[members] = 1 + _components(len(members), ends[: len(a)], ends[len(a) :])
    return cases


def _select_pairs(condition: sa.ColumnElement[bool]) -> sa.Select[Any]:
    """Return each follow-up with what it follows, 0 where that is not a contact of the customer.

    And with a fellow: the first contact of the customer that follows the same, perhaps itself.
    """
    c, target = _contacts.c, _contacts.alias("target")
    is_target = sa.and_(
        target.c.source == c.source,
        target.c.source_contact_id == c.follows_contact_id,
        target.c.customer_id == c.customer_id,
    )
    fellows = [c.customer_id, c.source, c.follows_contact_id]
    return (
        sa.select(
            c.id,
            sa.func.coalesce(target.c.id, 0).label("target"),
            sa.func.min(c.id).over(partition_by=fellows).label("fellow"),
        )
        .select_from(_contacts.outerjoin(target, is_target))
        .where(condition, IS_FOLLOW_UP)
    )


def _components(n: int, a: Integers, b: Integers) -> Integers:
    """Return for each of n members the least one it is joined with by pairs (a, b)."""
    least = np.arange(n)
    while True:
        before = least
        low = np.minimum(least[a], least[b])
        least = least.copy()
        for ends in (a, b, before[a], before[b]):  # the last two carry it over long chains at once
            np.minimum.at(least, ends, low)
        least = least[least]
        if np.array_equal(least, before):
            return least
