"""What a share that was counted on a sample says of the whole."""

from __future__ import annotations

from math import sqrt
from statistics import NormalDist


def wilson_interval(successes: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the range that a share lies in, by Wilson's score interval.

    Unlike the textbook "plus or minus" it stays between 0 and 1, and it is not empty when all
    of a small sample agree: 25 of 25 says "at least 87 %", not "100 %".

    Parameters
    ----------
    successes : int
        0 to `n`.
    n : int
        Size of the sample, at least 1.
    confidence : float
        Between 0 and 1, both excluded.

    Returns
    -------
    (float, float)
        Low and high end, 0–1.

    Raises
    ------
    ValueError
        If the numbers cannot be those of a sample.
    """
    if n < 1 or not 0 <= successes <= n or not 0 < confidence < 1:
        raise ValueError(f"{successes} of {n} at {confidence} is no sample")
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share, spread = successes / n, z * z / n
    middle = share + spread / 2
    reach = z * sqrt(share * (1 - share) / n + spread / (4 * n))
    low = 0.0 if successes == 0 else (middle - reach) / (1 + spread)
    high = 1.0 if successes == n else (middle + reach) / (1 + spread)
    return low, high
