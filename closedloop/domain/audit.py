"""Who a change is put down to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ActorKind(StrEnum):
    """A person signed in, a job on the clock, or somebody at the command line."""

    PERSON = "person"
    JOB = "job"
    COMMAND = "command"


@dataclass(frozen=True)
class Actor:
    """Whoever a change is put down to in the audit log.

    Attributes
    ----------
    name : str
        As shown: "Priya Nair", "Nightly round", "Command line".
    kind : ActorKind
    user_id : int or None
        Of a person; None for jobs and commands.
    """

    name: str
    kind: ActorKind = ActorKind.PERSON
    user_id: int | None = None


COMMAND_LINE = Actor("Command line", ActorKind.COMMAND)
NIGHTLY_ROUND = Actor("Nightly round", ActorKind.JOB)

NAMES_TAKEN = frozenset(one.name.casefold() for one in (COMMAND_LINE, NIGHTLY_ROUND))
"""Names that no person may have: a job keeps only the name of who queued it."""
