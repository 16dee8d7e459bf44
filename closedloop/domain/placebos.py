"""A site's own false alarms: what the method says of dates on which nothing was changed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from closedloop.domain.impact_words import NARROW
from closedloop.domain.proportions import wilson_interval

SD_Z_ALARM = 1.15
"""Spread of z above which the ranges of a site are called too narrow (reference study)."""

PROMISED_RATE = 0.05
"""False alarms of all four looks together that the method promises to stay within."""

LEAST_PLACEBOS = 50
"""Dates below which a spread says too little for an alarm."""

CHECK_EVERY_DAYS = 7
"""Days between two checks by the clock."""


@dataclass(frozen=True)
class PlaceboFigures:
    """How one check came out.

    Attributes
    ----------
    as_of : date
        Last day of data, inclusive.
    n, n_false : int
        Dates on which nothing was changed; of them those on which a look claimed a change.
    sd_z : float or None
        About 1 when ranges are as wide as they say.
    n_looks, n_covered : int
        Looks at those dates; of them those whose 95 % range held what came.
    method_version : str
    """

    as_of: date
    n: int
    n_false: int
    sd_z: float | None
    n_looks: int
    n_covered: int
    method_version: str

    @property
    def rate(self) -> float:
        """False alarms a date, 0..1."""
        return self.n_false / self.n if self.n else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the rate, by Wilson; 0 to 1 without a date."""
        return wilson_interval(self.n_false, self.n) if self.n else (0.0, 1.0)

    @property
    def coverage(self) -> float | None:
        """Share of ranges that held, 0..1; None without any."""
        return self.n_covered / self.n_looks if self.n_looks else None


def told(found: PlaceboFigures) -> str:
    """Return the sentence that is published."""
    low, high = found.interval
    dates = "1 date" if found.n == 1 else f"{found.n:,} dates"
    times = {0: "never", 1: "once"}.get(found.n_false, f"{found.n_false:,} times")
    return (
        f"On {dates} on which nothing was changed the method cried wolf {times}: "
        f"{_tenths(found.rate)} ({_tenths(low, unit=False)} to {_tenths(high)})."
    )


def alarm(found: PlaceboFigures) -> str:
    """Return what must be said when the method is not to be trusted here; empty when it is."""
    if found.n < LEAST_PLACEBOS:
        return ""
    if found.sd_z is not None and found.sd_z > SD_Z_ALARM:
        return (
            f"The ranges are too narrow on this site: they would have to be {found.sd_z:.2f} "
            "times as wide. Read every verdict with care, look for days without an import and "
            "for holidays that no calendar knows, and let the site learn its own prior if it can."
        )
    if found.interval[0] > PROMISED_RATE:
        return (
            f"The method cries wolf more often here than the {_tenths(PROMISED_RATE, digits=0)} "
            "that it promises. Read every verdict with care, and look for events that moved many "
            "themes at once."
        )
    return ""


def reservation(found: PlaceboFigures) -> str:
    """Return what limits a small check; empty when it is large enough."""
    if found.n >= LEAST_PLACEBOS:
        return ""
    return f"With fewer than {LEAST_PLACEBOS} such dates that says little yet."


def spread(found: PlaceboFigures) -> str:
    """Return how far results lay from expectation, in a sentence; empty where it is not known."""
    if found.sd_z is None:
        return ""
    return (
        f"Results lay {found.sd_z:.2f} times as far from what was expected as the method thinks "
        "(spread of z; 1 is right)."
    )


def say_all(found: PlaceboFigures) -> str:
    """Return what is published: rate, spread, what limits them and what they warn of."""
    said = (told(found), spread(found), reservation(found), alarm(found))
    return " ".join(filter(None, said))


def _tenths(share: float, *, unit: bool = True, digits: int = 1) -> str:
    text = f"{100 * share:.{digits}f}"
    return f"{text}{NARROW}%" if unit else text
