"""Which of many findings are more than chance."""

from __future__ import annotations

from collections.abc import Sequence


def false_discovery_rates(p_values: Sequence[float], *, tests: int = 0) -> list[float]:
    """Return the q-value of each p-value, by Benjamini and Hochberg's step-up procedure.

    Parameters
    ----------
    p_values : sequence of float
        0–1.
    tests : int
        How many were looked at, when those where nothing was found are not in the list; never
        counted as fewer than ``len(p_values)``.

    Returns
    -------
    list of float
        0–1, in the order of the p-values and never below them: the share of chance among the
        findings, were this one and all that are less likely by chance marked.
    """
    n = len(p_values)
    tests = max(tests, n)
    q_values, smallest = [0.0] * n, 1.0
    by_size = sorted(range(n), key=lambda i: p_values[i], reverse=True)
    for rank, place in zip(range(n, 0, -1), by_size, strict=True):
        smallest = min(smallest, p_values[place] * (tests / rank))  # a factor is never below 1
        q_values[place] = smallest
    return q_values
