"""Count what a block sends to the database: a page's number must not grow with its rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa


@contextmanager
def count_statements(engine: sa.Engine) -> Iterator[list[str]]:
    """Collect the statements that the block sends through an engine."""
    seen: list[str] = []

    def note(_connection, _cursor, statement, *_rest) -> None:
        seen.append(statement)

    sa.event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        sa.event.remove(engine, "before_cursor_execute", note)


def statements_of(page, url: str) -> int:
    """Fetch a page; return how many statements it took."""
    with count_statements(page.app.extensions["closedloop_database"].engine) as seen:
        page.get(url)
    return len(seen)
