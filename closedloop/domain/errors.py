"""Every refusal closedloop can give, each with a sentence for the person who caused it.

The doors map these classes to a status and a page or problem document; nowhere else is a
status chosen for them (`closedloop/web/errors.py`, `closedloop/api/errors.py`).
"""

from __future__ import annotations

from collections.abc import Collection


class Refusal(Exception):
    """Something was asked that cannot be done; the message says what, where and what to do."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class NotFound(Refusal):
    """There is no such thing, or the asker may not know of it."""


class PartNotFound(NotFound):
    """What was named exists and tells more, and has not the part that was asked for."""


class NotAllowed(Refusal):
    """The asker's role does not include this."""


class Invalid(Refusal):
    """The input does not fit; `fields` says which field and why.

    Parameters
    ----------
    sentence : str
    fields : dict of str to str, optional
        Field name to a sentence about it.
    """

    def __init__(self, sentence: str, fields: dict[str, str] | None = None) -> None:
        super().__init__(sentence)
        self.fields = fields or {}


class InvalidTransition(Refusal):
    """A theme or an action cannot move from its state to the one asked for."""


class Conflict(Refusal):
    """Somebody else got there first, or the name is taken."""


class ChangedMeanwhile(Conflict):
    """Somebody changed the thing after the asker had opened its form.

    Parameters
    ----------
    sentence : str
    fields : collection of str, optional
        What of it is different now.
    """

    def __init__(self, sentence: str, fields: Collection[str] = ()) -> None:
        super().__init__(sentence)
        self.fields = frozenset(fields)


class NotMeasurable(Refusal):
    """There is not enough to estimate an effect from; the sentence says what is missing."""


class Unreadable(Refusal):
    """A file cannot be read at all; nothing of it was taken in."""


class TooLarge(Refusal):
    """A file or a request is larger than this site accepts."""


class TooManyAttempts(Refusal):
    """Too many wrong passwords; the sentence says when to try again."""


class Unavailable(Refusal):
    """Something the site needs is full, busy or away; what was done so far stays."""
