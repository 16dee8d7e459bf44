"""Metrics over the API: every one over a period, and one with its trend and its parts."""

from __future__ import annotations

import dataclasses

from closedloop.api.auth import needs
from closedloop.api.blueprint import bp
from closedloop.api.metric_schemas import (
    MetricAnswer,
    MetricList,
    MetricOut,
    MetricQuery,
    MetricsQuery,
)
from closedloop.domain.clock import last_full_day
from closedloop.domain.contacts import WINDOWS, Window, window_for
from closedloop.domain.errors import Invalid, NotFound
from closedloop.domain.metric_table import get_metric
from closedloop.domain.metrics import Metric
from closedloop.extensions import current_settings, db
from closedloop.queries.figures import DIMENSIONS
from closedloop.queries.handle_median import find_median
from closedloop.queries.metric_facts import (
    facts_of,
    find_ground,
    group_facts,
    piece_facts,
    read_filter,
)
from closedloop.queries.metric_sums import MetricFilter
from closedloop.queries.metric_trend import get_metric_page
from closedloop.queries.metrics import Ground, list_groups, list_readings


@bp.get("/metrics")
@bp.doc(summary="Every metric over a period")
@bp.input(MetricsQuery, location="query", arg_name="asked")
@bp.output(MetricList)
@needs("metrics.view")
def list_metrics_view(asked: MetricsQuery) -> MetricList:
    """Give each metric with its rule; empty before there is a complete day of contacts."""
    window, ground = _window(asked.window), _ground()
    if ground is None:
        return MetricList(window=window.key, data_to=None, k=current_settings().privacy_k, items=[])
    wanted = _wanted(asked, ground, window, None)
    readings = list_readings(db.session, wanted, ground=ground)
    items = [MetricOut.model_validate(dataclasses.asdict(facts_of(r))) for r in readings]
    return MetricList(window=window.key, data_to=ground.cut, k=ground.k, items=items)


@bp.get("/metrics/<key>")
@bp.doc(summary="One metric, its trend and its parts")
@bp.input(MetricQuery, location="query", arg_name="asked")
@bp.output(MetricAnswer)
@needs("metrics.view")
def get_metric_view(key: str, asked: MetricQuery) -> MetricAnswer:
    """Give one metric by day, week or month and, with `by`, its parts."""
    metric, window, ground = get_metric(key), _window(asked.window), _ground()
    if ground is None:
        raise NotFound("There are no contacts of a complete day yet. Import some first.")
    wanted = _wanted(asked, ground, window, metric)
    page = get_metric_page(db.session, metric, wanted, step=asked.step, ground=ground)
    median = find_median(db.session, page.reading, wanted, ground.terms)
    groups = []
    if asked.by:
        found = list_groups(db.session, metric, wanted, by=asked.by, ground=ground)
        groups = [dataclasses.asdict(fact) for fact in group_facts(asked.by, found.groups)]
    return MetricAnswer.model_validate(
        {
            **dataclasses.asdict(facts_of(page.reading)),
            "data_to": ground.cut,
            "k": ground.k,
            "source": metric.source,
            "needs": metric.needs,
            "median": median.seconds if median else None,
            "trend": [dataclasses.asdict(fact) for fact in piece_facts(page.pieces)],
            "groups": groups,
        }
    )


def _ground() -> Ground | None:
    settings = current_settings()
    return find_ground(
        db.session,
        last_full_day=last_full_day(settings.reporting_zone),
        k=settings.privacy_k,
        default_pence=settings.pence_per_minute,
        zone=settings.reporting_zone,
    )


def _window(key: str) -> Window:
    known = [window.key for window in WINDOWS]
    if key not in known:
        sentence = f"The windows are {', '.join(known)}."
        raise Invalid(sentence, {"window": sentence})
    return window_for(key)


def _wanted(
    asked: MetricsQuery, ground: Ground, window: Window, metric: Metric | None
) -> MetricFilter:
    return read_filter(
        db.session,
        ground,
        window=window,
        metric=metric,
        first_day=asked.first_day,
        last_day=asked.last_day,
        values={name: getattr(asked, name) for name in DIMENSIONS},
        driver=asked.driver,
        contact_driver=asked.contact_driver,
    )
