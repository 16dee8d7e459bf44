"""`closedloop report metrics`: every metric, or one with its trend and its parts."""

from __future__ import annotations

import dataclasses
from datetime import date, datetime
from pathlib import Path
from typing import Any

import click

from closedloop.cli.options import (
    instance_option,
    json_option,
    open_site,
    print_json,
    print_table,
    speaks_plainly,
)
from closedloop.domain.clock import last_full_day
from closedloop.domain.contacts import WINDOWS, window_for
from closedloop.domain.errors import Refusal
from closedloop.domain.metric_table import METRICS, get_metric
from closedloop.domain.metrics import Cell, Metric, Unit
from closedloop.queries.figures import DIMENSIONS
from closedloop.queries.handle_median import find_median
from closedloop.queries.metric_facts import (
    facts_of,
    find_ground,
    group_facts,
    piece_facts,
    read_filter,
)
from closedloop.queries.metric_trend import MetricPage, Step, get_metric_page
from closedloop.queries.metrics import Breakdown, Reading, list_groups, list_readings

DAY = click.DateTime(["%Y-%m-%d"])


def _filters(command: Any) -> Any:
    for name in reversed(DIMENSIONS):
        words = "a key such as T-001, or none" if name == "theme" else "- is none given"
        command = click.option(f"--{name}", default=None, help=f"Only this {name}; {words}.")(
            command
        )
    return command


@click.command("metrics")
@click.pass_obj
@instance_option
@click.option(
    "--window",
    type=click.Choice([window.key for window in WINDOWS]),
    default="7d",
    show_default=True,
    help="For the metrics that need one.",
)
@click.option("--metric", default=None, help="One metric by its key, with its trend.")
@click.option("--from", "first_day", type=DAY, help="First day, inclusive.")
@click.option("--to", "last_day", type=DAY, help="Last day, inclusive.")
@click.option(
    "--step",
    type=click.Choice([one.value for one in Step]),
    default=Step.DAY.value,
    show_default=True,
)
@click.option("--by", type=click.Choice(DIMENSIONS), help="Break down by this.")
@click.option("--driver", default="", help="What contact rates are held against.")
@click.option("--contact-driver", default="", help="Only this contact driver; a key such as D-004.")
@_filters
@json_option
@speaks_plainly
def metrics(
    parent: Path | None,
    instance: Path | None,
    window: str,
    metric: str | None,
    first_day: datetime | None,
    last_day: datetime | None,
    step: str,
    by: str | None,
    driver: str,
    contact_driver: str,
    as_json: bool,
    **values: str | None,
) -> None:
    """Print every metric of a period, each with its rule; without days, the last 28 mature ones.

    Shares lie between 0 and 1, times are seconds, money is in minor units. Values that stand on
    fewer contacts than the site shows are left out.
    """
    site = open_site(instance or parent)
    one = get_metric(metric) if metric else None
    with site.database.reading() as session:
        ground = find_ground(
            session,
            last_full_day=last_full_day(site.settings.reporting_zone),
            k=site.settings.privacy_k,
            default_pence=site.settings.pence_per_minute,
            zone=site.settings.reporting_zone,
        )
        if ground is None:
            raise Refusal("There are no contacts of a complete day yet. Import some first.")
        wanted = read_filter(
            session,
            ground,
            window=window_for(window),
            metric=one,
            first_day=first_day.date() if first_day else None,
            last_day=last_day.date() if last_day else None,
            values=values,
            driver=driver,
            contact_driver=contact_driver,
        )
        page, median = None, None
        if one:
            page = get_metric_page(session, one, wanted, step=Step(step), ground=ground)
            median = find_median(session, page.reading, wanted, ground.terms)
        readings = [page.reading] if page else list_readings(session, wanted, ground=ground)
        groups = {
            m.key: list_groups(session, m, wanted, by=by, ground=ground)
            for m in ([one] if one else METRICS)
            if by
        }
    if as_json:
        facts = _facts(readings, page, groups, by, ground.cut, ground.k)
        if median:
            facts["metrics"][0]["median"] = median.seconds
        print_json(facts)
        return
    _print(readings, page, groups, by)
    if median:
        words = median.why if median.seconds is None else f"{median.seconds:,.0f}"
        click.echo(f"\nMedian: {words}")


def _facts(
    readings: list[Reading],
    page: MetricPage | None,
    groups: dict[str, Breakdown],
    by: str | None,
    cut: date,
    k: int,
) -> dict[str, Any]:
    found = []
    for reading in readings:
        facts = dataclasses.asdict(facts_of(reading))
        if page:
            facts["trend"] = [dataclasses.asdict(fact) for fact in piece_facts(page.pieces)]
        if by:
            parts = groups[reading.metric.key].groups
            facts["groups"] = [dataclasses.asdict(fact) for fact in group_facts(by, parts)]
        found.append(facts)
    return {"data_to": cut, "k": k, "by": by, "metrics": found}


def _print(
    readings: list[Reading], page: MetricPage | None, groups: dict[str, Breakdown], by: str | None
) -> None:
    click.echo(f"{_days_in_words(readings)}, window {readings[0].window.label}\n")
    rows = [
        [
            *(r.metric.key, words_of(r.metric, r.cell)),
            *("" if r.cell.n is None else r.cell.n, _without_customer(r), _change(r)),
            "" if r.goal is None else _number(r.metric, r.goal),
            r.cell.found.why,
        ]
        for r in readings
    ]
    headings = ["metric", "value", "stands on", "no customer", "change", "goal", "why not"]
    print_table(headings, rows)
    if page:
        _print_trend(page)
    for reading in readings:
        if by and (parts := groups[reading.metric.key].groups):
            click.echo("")
            print_table(
                [by, reading.metric.key, "stands on"],
                [
                    [p.label or f"no {by}", words_of(reading.metric, p.cell), p.cell.n]
                    for p in parts
                ],
            )
    if page:
        click.echo(f"\n{page.reading.metric.rule_in_words(page.reading.window)}")


def _without_customer(reading: Reading) -> str:
    """Write the share of contacts that a repeat figure cannot know; nothing beside the others."""
    told = () if reading.cell.is_hidden else reading.cell.found.coverage
    shares = (covered.without_customer for covered in told)
    return next((f"{share:.1%}" for share in shares if share is not None), "")


def _days_in_words(readings: list[Reading]) -> str:
    """Name the days that were counted; a metric whose window is still open has none."""
    counted = next((reading for reading in readings if reading.days), None)
    if counted is None:
        return "No day has had its whole window yet"
    return f"{counted.first_day} to {counted.last_day}"


def _print_trend(page: MetricPage) -> None:
    click.echo("")
    print_table(
        ["from", "to", "value", "stands on", ""],
        [
            [
                *(p.first_day, p.last_day, words_of(page.reading.metric, p.cell), p.cell.n),
                "maturing" if p.is_maturing else "",
            ]
            for p in page.pieces
        ],
    )


def words_of(metric: Metric, cell: Cell) -> str:
    """Write a cell plainly, or why it shows nothing."""
    if cell.is_hidden:
        return "too few"
    if cell.bound is not None:
        return f"{cell.state} {_number(metric, cell.bound)}"
    return _number(metric, cell.value)


def _change(reading: Reading) -> str:
    if reading.difference is None:
        return ""
    if reading.metric.unit is Unit.SHARE:
        return f"{reading.difference * 100:+.1f} points"
    words = _number(reading.metric, reading.difference)
    return words if reading.difference < 0 else f"+{words}"


def _number(metric: Metric, value: float | None) -> str:
    if value is None:
        return ""
    if metric.unit is Unit.SHARE:
        return f"{value:.1%}"
    if metric.unit is Unit.PENCE:
        return f"{value / 100:.2f}"
    return f"{value:,.0f}" if metric.unit in (Unit.COUNT, Unit.SECONDS) else f"{value:,.2f}"
