"""`closedloop impact list|measurements`."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import datetime
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
from closedloop.domain.errors import NotFound
from closedloop.domain.impact import Range, Verdict
from closedloop.domain.impact_page_words import stands_behind
from closedloop.domain.impact_words import to_words
from closedloop.queries.impact import (
    COUNTED_VERDICTS,
    ShippedAction,
    Standing,
    Total,
    list_departments_that_shipped,
    list_shipped,
)
from closedloop.queries.impact_measured import Measured, list_measurements
from closedloop.queries.impact_page import find_shipped
from closedloop.queries.impact_total import get_portfolio
from closedloop.queries.site import get_pence_per_minute

_DAY = click.DateTime(["%Y-%m-%d"])


@click.command("list")
@instance_option
@click.option("--department", help="Only actions of the department of this name.")
@click.option(
    "--verdict",
    type=click.Choice([one.value for one in Standing]),
    help="Only actions that stand like this.",
)
@click.option("--from", "first", type=_DAY, help="Went live on or after this day.")
@click.option("--to", "last", type=_DAY, help="Went live on or before this day.")
@json_option
@speaks_plainly
def list_impact(
    instance: Path | None,
    department: str | None,
    verdict: str | None,
    first: datetime | None,
    last: datetime | None,
    as_json: bool,
) -> None:
    """Print every shipped action with its verdict, its range and its next look, and the total."""
    site = open_site(instance)
    filters: dict[str, Any] = {
        "department_id": None,
        "standing": Standing(verdict) if verdict else None,
        "live_from": first.date() if first else None,
        "live_until": last.date() if last else None,
    }
    with site.database.reading() as session:
        if department:
            filters["department_id"] = _department_id(
                department, list_departments_that_shipped(session)
            )
        rows = list_shipped(session, **filters)
        pence = get_pence_per_minute(session, site.settings.pence_per_minute)
        total = get_portfolio(session, pence_now=pence, **filters).total
    if as_json:
        print_json({"shipped": [_facts(row) for row in rows], "total": _total(total)})
        return
    headings = ["action", "live", "verdict", "avoided (95 %)", "look", "next look", "title"]
    print_table(headings, [_cells(row) for row in rows])
    if total.avoided:
        click.echo(f"Together: {_together(total.avoided)} (95 %).")
    click.echo(stands_behind(total.verdicts, total.without_range))


@click.command("measurements")
@click.argument("action_key")
@instance_option
@click.option("--looks", "looks_only", is_flag=True, help="Only those that spoke a verdict.")
@click.option("--most", type=click.IntRange(1, 10_000), default=50, show_default=True)
@json_option
@speaks_plainly
def measurements(
    action_key: str, instance: Path | None, looks_only: bool, most: int, as_json: bool
) -> None:
    """Print what was measured of ACTION_KEY, the newest data first. Nothing of it is rewritten."""
    site = open_site(instance)
    with site.database.reading() as session:
        action = find_shipped(session, action_key)
        rows = list_measurements(
            session, action.intervention_id, is_look=True if looks_only else None, limit=most
        )
    if as_json:
        print_json([_measurement(row) for row in rows])
        return
    headings = ["id", "measurement", "data to", "verdict", "avoided (95 %)", "signed", "method"]
    print_table(headings, [_measurement_cells(row) for row in rows])
    if rows:
        click.echo(f"closedloop measure --reproduce {rows[0].id} computes the first one again.")
    else:
        click.echo("Nothing has been measured yet; the nightly round does it.")


def _department_id(name: str, shipped: Sequence[tuple[int, str]]) -> int:
    """Return the department of a name that has shipped something, whatever its capitals."""
    for department_id, known in shipped:
        if known.casefold() == name.strip().casefold():
            return department_id
    names = ", ".join(known for _, known in shipped)
    raise NotFound(
        f"No department “{name}” has shipped anything. "
        + (f"Those that have: {names}." if names else "Nobody has shipped anything yet.")
    )


def _range(measured: Measured | None) -> str:
    if measured is None:
        return "not yet known"
    if measured.verdict not in COUNTED_VERDICTS:
        return "no range"
    said = to_words(measured.avoided.low, measured.avoided.high)
    if measured.has_moved and measured.net:
        said += f" (net {to_words(measured.net.low, measured.net.high)})"
    return said


def _verdict(measured: Measured) -> str:
    return Standing.MOVED.label.lower() if measured.has_moved else measured.verdict.label.lower()


def _standing(row: ShippedAction) -> str:
    if row.came_back_since:
        return Standing.CAME_BACK.label.lower()
    return _verdict(row.look) if row.look else row.verdict.label.lower()


def _cells(row: ShippedAction) -> list[str]:
    return [
        row.key,
        row.went_live_on.isoformat(),
        _standing(row),
        _range(row.look),
        str(row.look_number),
        row.next_look.isoformat() if row.next_look else "none left",
        row.title,
    ]


def _facts(row: ShippedAction) -> dict[str, Any]:
    return {
        "action": row.key,
        "title": row.title,
        "theme": row.theme_key,
        "department": row.department_name,
        "owner": row.owner_name,
        "live": row.went_live_on,
        "verdict": row.verdict.value,
        "came_back_since": row.came_back_since,
        "next_look": row.next_look,
        "look": _measurement(row.look) if row.look else None,
        "running": _measurement(row.running) if row.running else None,
    }


def _together(avoided: Range) -> str:
    if avoided.high < 0:
        return f"{to_words(-avoided.high, -avoided.low)} more contacts came than expected"
    return f"{to_words(avoided.low, avoided.high)} contacts avoided"


def _total(total: Total) -> dict[str, Any]:
    return {
        "actions": total.actions,
        "without_range": total.without_range,
        "moved": total.moved,
        "avoided": dataclasses.asdict(total.avoided) if total.avoided else None,
        "verdicts": {one.value: total.verdicts.get(one, 0) for one in Verdict},
    }


def _measurement_cells(row: Measured) -> list[str]:
    is_said = row.is_look or row.verdict not in COUNTED_VERDICTS
    return [
        str(row.id),
        f"look {row.look}" if row.is_look else "running",
        row.as_of.isoformat(),
        _verdict(row) if is_said else "not a verdict",
        _range(row),
        str(row.sign_offs),
        row.method_version,
    ]


def _measurement(row: Measured) -> dict[str, Any]:
    return {
        "id": row.id,
        "as_of": row.as_of,
        "look": row.look,
        "is_verdict": row.is_look,
        "verdict": row.verdict.value,
        "observed": row.observed,
        "expected": row.expected,
        "avoided": dataclasses.asdict(row.avoided) if row.verdict in COUNTED_VERDICTS else None,
        "moved": row.has_moved,
        "net": dataclasses.asdict(row.net) if row.has_moved and row.net else None,
        "sign_offs": row.sign_offs,
        "method": row.method_version,
    }
