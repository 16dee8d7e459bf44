"""Read the days that are due: in this process and, where there are many, in one beside it.

Reading takes about as long as writing does. What the process beside reads is what this one would:
whoever is due has the turn of writers, and has not written any contact in its transaction.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import date
from functools import partial
from itertools import islice

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.models import Contact
from closedloop.services.beside import Beside
from closedloop.services.rollup_cells import Cells, read_cells

logger = logging.getLogger(__name__)

DAYS_WORTH_A_PROCESS = 60
CONTACTS_WORTH_A_PROCESS = 200_000
"""Of fewer days due, or with fewer contacts stored, most are read before a process has started."""

PORTIONS_AHEAD = 2
"""How many are read while one is written: what bounds the memory."""


class CellReader:
    """Reads the cells of days.

    Parameters
    ----------
    helper : Beside, optional
        A process that reads ahead; without it everything is read here.
    """

    def __init__(self, helper: Beside | None = None) -> None:
        self._helper = helper

    def read(self, session: Session, portions: Sequence[Sequence[date]]) -> Iterator[Cells]:
        """Yield the cells of each portion of days, in order.

        Parameters
        ----------
        session : Session
            With a helper: one that holds the turn of writers and has written no contact.
        portions : sequence of sequence of date
        """
        later = iter(portions[1:])  # the first is read here meanwhile
        for place, days in enumerate(portions):
            taken = self._take_back() if place else None
            self._hand_over(islice(later, 1 if place else PORTIONS_AHEAD))
            yield read_cells(session, days) if taken is None else taken

    def _hand_over(self, portions: Iterable[Sequence[date]]) -> None:
        if self._helper is not None:
            for days in portions:
                self._helper.hand_over(days)

    def _take_back(self) -> Cells | None:
        """Return what was read beside, None where nothing was."""
        if self._helper is None:
            return None
        try:
            cells: Cells = self._helper.take_back()
        except Exception as error:  # stopped, or without a connection: the work is done here
            logger.warning("A process beside cannot read days (%s).", type(error).__name__)
            self._helper = None
            return None
        return cells


@contextmanager
def open_reader(session: Session, n_days: int) -> Iterator[CellReader]:
    """Give what reads so many days, and end its process afterwards."""
    last = session.scalar(sa.select(sa.func.max(Contact.id))) or 0
    is_worth_it = n_days > DAYS_WORTH_A_PROCESS and last >= CONTACTS_WORTH_A_PROCESS
    if not is_worth_it or (os.cpu_count() or 1) < 2:
        yield CellReader()
        return
    url = session.get_bind().engine.url.render_as_string(hide_password=False)
    with closing(Beside(partial(_begin_reading, url))) as helper:
        yield CellReader(helper)


def _begin_reading(url: str) -> Callable[[Collection[date]], Cells]:
    """Return what reads days; begun anew for each portion, it sees what was committed last."""
    engine = sa.create_engine(url, hide_parameters=True)

    def answer(days: Collection[date]) -> Cells:
        with Session(engine) as session:
            return read_cells(session, days)

    return answer
