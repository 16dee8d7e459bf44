"""The list of all metrics, in the order of the page."""

from __future__ import annotations

from closedloop.domain.errors import NotFound
from closedloop.domain.metric_repeats import REPEATS, RESOLUTION
from closedloop.domain.metric_service import DEMAND, HANDLING, VOICE
from closedloop.domain.metrics import Metric

METRICS: tuple[Metric, ...] = (*REPEATS, *RESOLUTION, *DEMAND, *HANDLING, *VOICE)


def get_metric(key: str) -> Metric:
    """Return the metric of a key.

    Raises
    ------
    NotFound
    """
    for metric in METRICS:
        if metric.key == key:
            return metric
    raise NotFound(f"There is no metric {key}. The page of metrics lists them all.")
