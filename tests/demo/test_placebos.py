"""A served demo checks dates without a change, once."""

from __future__ import annotations

import sqlalchemy as sa

from closedloop.demo.run import queue_placebo_check
from closedloop.models import Job


def test_however_often_the_demo_is_served_its_dates_are_checked_once(database):
    for _ in range(2):
        queue_placebo_check(database.transaction)

    with database.reading() as session:
        (job,) = session.scalars(sa.select(Job))
    assert (job.kind.value, job.arguments) == ("impact.measure_due", {"placebos": True})
