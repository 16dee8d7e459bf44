"""How many contacts a change of definitions moved, held against the number somebody agreed to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.domain.errors import Conflict
from closedloop.models import Contact

_TEMPORARY = sa.MetaData()
_BEFORE = sa.Table(
    "themes_before",
    _TEMPORARY,
    sa.Column("contact_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("theme_id", sa.Integer),
    prefixes=["TEMPORARY"],
)


@contextmanager
def agreed_to(session: Session, count: int | None) -> Iterator[None]:
    """Refuse what the block did if it moved another number of contacts than was agreed to.

    Parameters
    ----------
    count : int or None
        As somebody agreed to; None lets any number pass.

    Raises
    ------
    Conflict
        The transaction has to be rolled back.
    """
    if count is None:
        yield
        return
    connection = session.connection()
    _TEMPORARY.create_all(connection, checkfirst=False)
    stands = sa.select(Contact.id, Contact.theme_id)
    session.execute(sa.insert(_BEFORE).from_select(["contact_id", "theme_id"], stands))
    yield
    session.flush()
    query = (
        sa.select(sa.func.count(Contact.id))
        .join(_BEFORE, _BEFORE.c.contact_id == Contact.id)
        .where(Contact.theme_id.is_distinct_from(_BEFORE.c.theme_id))
    )
    moved = session.scalar(query) or 0
    # Not in a `finally`: after an error the rollback takes the table away.
    _TEMPORARY.drop_all(connection, checkfirst=False)
    if moved != count:
        raise Conflict(
            f"{moved:,} contacts would move by now, and {count:,} were agreed to: contacts came "
            "in, or somebody moved some. Look at the list again, then accept."
        )
