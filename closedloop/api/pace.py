"""How often a token may ask: so that a loop gone wild in one program slows nobody else."""

from __future__ import annotations

import time
from collections import Counter
from threading import Lock

from closedloop.domain.errors import Refusal

WINDOW_SECONDS = 60


class TooFast(Refusal):
    """A token asks more often than the site lets it."""

    def __init__(self, sentence: str, seconds: int) -> None:
        super().__init__(sentence)
        self.seconds = seconds


class Pace:
    """Questions of each token in the minute that runs; each process counts its own.

    Parameters
    ----------
    most : int
        Questions a minute; 0 does not count them.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._lock = Lock()
        self._minute = 0
        self._asked: Counter[str] = Counter()

    def keep(self, token_hash: str, *, now: float | None = None) -> None:
        """Count a question.

        Parameters
        ----------
        token_hash : str
        now : float, optional
            Seconds of a clock that never goes back.

        Raises
        ------
        TooFast
            With the seconds until the next minute begins.
        """
        if not self.most:
            return
        minute, second = divmod(time.monotonic() if now is None else now, WINDOW_SECONDS)
        with self._lock:
            if minute != self._minute:
                self._minute = int(minute)
                self._asked.clear()
            self._asked[token_hash] += 1
            is_too_fast = self._asked[token_hash] > self.most
        if is_too_fast:
            left = max(1, round(WINDOW_SECONDS - second))
            raise TooFast(
                f"This token has asked more than {self.most:,} times within a minute. Ask again "
                f"in {left} seconds, and less often; lists give up to 200 rows at once.",
                left,
            )
