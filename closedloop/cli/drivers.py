"""`closedloop drivers import|list`: the daily volumes that contact rates are held against."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from closedloop.cli.options import (
    instance_option,
    json_option,
    open_site,
    print_json,
    print_table,
    speaks_plainly,
)
from closedloop.domain.audit import COMMAND_LINE
from closedloop.queries.metric_terms import list_drivers
from closedloop.services.metrics import MOST_DRIVER_BYTES, import_drivers


@click.group("drivers")
def drivers() -> None:
    """Keep the daily volumes (orders, customers, bills) that contact rates are held against."""


@drivers.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@instance_option
@click.option("--driver", default="", help="What the volumes are of, if no column says it.")
@json_option
@speaks_plainly
def import_volumes(file: Path, instance: Path | None, driver: str, as_json: bool) -> None:
    """Take in a CSV of daily volumes: day,volume or day,driver,volume; days like 2026-03-31.

    All or nothing. The same file again changes nothing; a day with another volume is replaced.
    """
    site = open_site(instance)
    with file.open("rb") as stream:
        data = stream.read(MOST_DRIVER_BYTES + 1)
    with site.database.transaction() as session:
        report = import_drivers(
            session, data=data, driver=driver, file_name=file.name, by=COMMAND_LINE
        )
    if as_json:
        print_json(dataclasses.asdict(report))
        return
    click.echo(
        f"{', '.join(report.drivers)}: {report.added:,} {'day' if report.added == 1 else 'days'} "
        f"new, {report.changed:,} replaced, {report.unchanged:,} as before."
    )


@drivers.command("list")
@instance_option
@json_option
@speaks_plainly
def list_volumes(instance: Path | None, as_json: bool) -> None:
    """List what is known of each driver."""
    site = open_site(instance)
    with site.database.reading() as session:
        found = list_drivers(session)
    if as_json:
        print_json([dataclasses.asdict(row) for row in found])
        return
    if not found:
        click.echo("No volumes yet. Take some in with `closedloop drivers import FILE`.")
        return
    rows = [
        [row.driver, f"{row.days:,}", row.first_day, row.last_day, f"{row.volume:,.0f}"]
        for row in found
    ]
    print_table(["driver", "days", "from", "to", "volume in all"], rows)
