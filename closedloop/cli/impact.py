"""`closedloop measure`."""

from __future__ import annotations

import dataclasses
import sys
from datetime import date, datetime
from pathlib import Path
from typing import Any

import click

from closedloop.cli.options import (
    NUMBER,
    Site,
    Ticker,
    instance_option,
    json_option,
    open_site,
    print_json,
    speaks_plainly,
)
from closedloop.domain.audit import COMMAND_LINE
from closedloop.domain.errors import NotMeasurable, Refusal
from closedloop.domain.impact import LOOK_DAYS
from closedloop.domain.impact_words import answer, how_many, plain, support
from closedloop.domain.money_words import worth_in_words
from closedloop.domain.payback import payback_words
from closedloop.jobs.work import data_cut
from closedloop.queries.impact_measured import Measured, list_measured
from closedloop.queries.impact_money import ActionMoney, get_action_money
from closedloop.queries.impact_page import find_shipped
from closedloop.queries.site import get_pence_per_minute
from closedloop.services.impact import (
    measure_days,
    measure_due,
    reproduce_measurement,
    watch_comebacks,
)


@click.command("measure")
@click.argument("action_key", required=False)
@instance_option
@click.option(
    "--as-of",
    type=click.DateTime(["%Y-%m-%d"]),
    help="Last day of data to read, inclusive. [default: the last complete day]",
)
@click.option(
    "--reproduce",
    "measurement_id",
    type=NUMBER,
    help="Compute this measurement again from its stored inputs and compare every digit.",
)
@json_option
@speaks_plainly
def measure(
    action_key: str | None,
    instance: Path | None,
    as_of: datetime | None,
    measurement_id: int | None,
    as_json: bool,
) -> None:
    """Measure what shipped actions avoided, and watch for contacts that come back.

    Without ACTION_KEY everything in its follow-up is measured, as the nightly round does. A
    verdict is spoken at the looks only: with 14, 28, 56 and 84 counted days, then each quarter;
    between them the estimate runs. Looks of one round are judged together; one measured by
    itself is judged with those of the same day that stand already.
    """
    site = open_site(instance)
    if measurement_id is not None:
        _reproduce(site, measurement_id, as_json)
        return
    cut = data_cut(site.database, site.settings)
    if cut is None:
        raise Refusal("There are no contacts of a complete day yet. Import some first.")
    day = min(as_of.date(), cut) if as_of else cut
    if action_key:
        _measure_one(site, action_key, day, as_json)
    else:
        _measure_all(site, day, as_json)


def _measure_one(site: Site, key: str, day: date, as_json: bool) -> None:
    """Measure one action: the looks that are due first, then the day asked for."""
    with site.database.transaction() as session:
        action = find_shipped(session, key)
    found = measure_days(
        site.database.transaction,
        settings=site.settings,
        intervention_id=action.intervention_id,
        days=[*action.unspoken_looks(day), day],
        by=COMMAND_LINE,
    )
    if found.refusal:
        raise NotMeasurable(found.refusal)
    newest = found.made[-1].id
    with site.database.transaction() as session:
        measured = list_measured(session, [newest])[newest]
        action = find_shipped(session, key)
        pence = get_pence_per_minute(session, site.settings.pence_per_minute)
        money = get_action_money(
            session, measured, pence_now=pence, came_back_since=action.came_back_since
        )
    if as_json:
        print_json({**_facts(key, measured), **_money_facts(money, site)})
        return
    finding = action.finding(measured)
    look = f"look {measured.look} of {len(LOOK_DAYS)}"
    what = look if measured.is_look else "running, not yet a verdict"
    verdict = measured.verdict.label.lower() + (", but moved" if measured.has_moved else "")
    click.echo(f"{key} {action.title}: {verdict} ({what})")
    click.echo(plain(answer(finding)))
    for sentence in filter(None, [*support(finding), measured.caution]):
        click.echo(sentence)
    if said := worth_in_words(money.minutes, money.people, money.pence, site.settings.currency):
        click.echo(said)
        click.echo(f"Paid back: {payback_words(money.payback)}")
    if action.next_look:
        click.echo(f"The next look reads data to {action.next_look.isoformat()}.")


def _facts(key: str, measured: Measured) -> dict[str, Any]:
    return {
        "action": key,
        "measurement_id": measured.id,
        "as_of": measured.as_of,
        "look": measured.look,
        "is_look": measured.is_look,
        "verdict": measured.verdict.value,
        "observed": measured.observed,
        "expected": measured.expected,
        "avoided": measured.avoided.middle,
        "low": measured.avoided.low,
        "high": measured.avoided.high,
        "p_value": measured.p_value,
        "displacement": measured.displacement.value,
        "failed_checks": list(measured.failed_checks),
        "net": dataclasses.asdict(measured.net) if measured.net else None,
        "method_version": measured.method_version,
    }


def _money_facts(money: ActionMoney, site: Site) -> dict[str, Any]:
    ranges = {
        "agent_minutes": money.minutes,
        "full_time_people": money.people,
        "pence": money.pence,
        "repeats_avoided": money.repeats,
    }
    return {
        **{name: dataclasses.asdict(one) if one else None for name, one in ranges.items()},
        "currency": site.settings.currency,
        "payback": dataclasses.asdict(money.payback),
    }


def _measure_all(site: Site, day: date, as_json: bool) -> None:
    with Ticker() as ticker:
        how: dict[str, Any] = {
            "settings": site.settings,
            "as_of": day,
            "by": COMMAND_LINE,
            "report": ticker,
        }
        summary = measure_due(site.database.transaction, **how)
        came_back = watch_comebacks(site.database.transaction, **how)
    if as_json:
        print_json({**dataclasses.asdict(summary), "came_back": came_back, "as_of": day})
    else:
        click.echo(
            f"{how_many(summary.interventions, 'shipped action')} with data to "
            f"{day.isoformat()}: {how_many(summary.measured, 'measurement')} added, "
            f"{how_many(summary.looks, 'look')} among them; {came_back} came back."
        )
        for refused in summary.refused:
            click.echo(f"Not measured: {refused.sentence}", err=True)
    if summary.failed:
        click.echo(
            f"{len(summary.failed)} could not be measured for a fault of the program; "
            "the log says which.",
            err=True,
        )
        sys.exit(1)


def _reproduce(site: Site, measurement_id: int, as_json: bool) -> None:
    """Print whether a measurement comes out the same; exit status 1 when it does not."""
    with site.database.reading() as session:
        found = reproduce_measurement(session, measurement_id=measurement_id)
    if as_json:
        print_json({"measurement_id": measurement_id, **dataclasses.asdict(found)})
    elif found.same:
        click.echo(f"Measurement {measurement_id} came out the same, digit for digit.")
    else:
        click.echo(f"Measurement {measurement_id} did not come out the same.")
        for sentence in found.differences:
            click.echo(sentence)
    if not found.same:
        sys.exit(1)
