"""Home: what each role is shown first, and when a change of a share may be called one."""

from __future__ import annotations

from enum import StrEnum

from closedloop.domain.accounts import Role

LOOK_AGAIN_SECONDS = 30 * 60
"""A look at home within this time of the one before belongs to the same visit."""

NEW_VERDICT_DAYS = 14
"""Days of data for which a verdict counts as new."""

DUE_SOON_DAYS = 7

SURE_ERRORS = 3.0
"""Standard errors that two shares must lie apart to be called different.

Contacts of one customer come together, so the plain standard error is too small; three of them
leave room for that, and for looking at home every day.
"""


class Todo(StrEnum):
    """What may wait for somebody."""

    CAME_BACK = "came_back"
    JOB_FAILED = "job_failed"
    GOT_WORSE = "got_worse"
    OVERDUE = "overdue"
    PROPOSED = "proposed"
    VERDICT = "verdict"
    HANDED_BACK = "handed_back"
    DUE_SOON = "due_soon"
    NOT_HELD = "not_held"
    EMERGING = "emerging"
    CANDIDATES = "candidates"
    MINUTE_COST = "minute_cost"
    REPORT = "report"


_LOOP = (
    Todo.CAME_BACK,
    Todo.GOT_WORSE,
    Todo.VERDICT,
    Todo.OVERDUE,
    Todo.HANDED_BACK,
    Todo.NOT_HELD,
    Todo.EMERGING,
    Todo.CANDIDATES,
)
TODO_FOR: dict[Role, tuple[Todo, ...]] = {
    Role.CX_MANAGER: (Todo.JOB_FAILED, *_LOOP),
    Role.STAKEHOLDER: (
        Todo.OVERDUE,
        Todo.PROPOSED,
        Todo.DUE_SOON,
        Todo.CAME_BACK,
        Todo.GOT_WORSE,
        Todo.VERDICT,
    ),
    Role.EXECUTIVE: (Todo.CAME_BACK, Todo.GOT_WORSE, Todo.VERDICT, Todo.REPORT),
    Role.ADMIN: (Todo.JOB_FAILED, Todo.MINUTE_COST, *_LOOP),
}
"""What waits for each role, most pressing first. A stakeholder sees the own department's."""


class Change(StrEnum):
    """How a share stands against an earlier one."""

    FELL = "fell"
    ROSE = "rose"
    FLAT = "flat"


def judge_change(part: int, whole: int, part_before: int, whole_before: int) -> Change:
    """Say whether a share changed by more than chance would explain.

    Parameters
    ----------
    part, whole : int
        Contacts that count and all contacts, now; `whole` above zero.
    part_before, whole_before : int
        The same before.

    Returns
    -------
    Change
        FLAT when the shares lie less than `SURE_ERRORS` standard errors apart.
    """
    now, before = part / whole, part_before / whole_before
    pooled = (part + part_before) / (whole + whole_before)
    error = (pooled * (1 - pooled) * (1 / whole + 1 / whole_before)) ** 0.5
    if abs(now - before) <= SURE_ERRORS * error:
        return Change.FLAT
    return Change.FELL if now < before else Change.ROSE
