"""`closedloop customers link|runs|undo`."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from closedloop.cli.options import (
    NUMBER,
    Ticker,
    instance_option,
    json_option,
    open_site,
    print_json,
    print_table,
    speaks_plainly,
)
from closedloop.domain.audit import COMMAND_LINE
from closedloop.domain.identities import LinkReport
from closedloop.queries.identities import list_link_runs
from closedloop.services.identities import link_customers, read_rules, undo_link_run


@click.group("customers")
def customers() -> None:
    """Make customers one who have several identifiers."""


@customers.command("link")
@click.argument("rules", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@instance_option
@click.option(
    "--crosswalk",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="CSV with columns customer_id, phone, email, account: each row is one customer.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be joined; change nothing.")
@json_option
@speaks_plainly
def link(
    rules: Path, instance: Path | None, crosswalk: Path | None, dry_run: bool, as_json: bool
) -> None:
    """Link customers by a file of match rules; see docs/identity.md.

    Running it again changes nothing. `closedloop customers undo` takes the last run back.
    """
    site = open_site(instance)
    with Ticker() as ticker:
        report, run_id = link_customers(
            site.database.transaction,
            settings=site.settings,
            rules=read_rules(rules),
            crosswalk=crosswalk,
            file_name=rules.name,
            by=COMMAND_LINE,
            report=ticker,
            dry_run=dry_run,
        )
    if as_json:
        print_json({"run": run_id, "dry_run": dry_run, **dataclasses.asdict(report)})
        return
    _print_report(report, dry_run)


def _print_report(report: LinkReport, dry_run: bool) -> None:
    joined = ", ".join(f"{n:,} by {kind}" for kind, n in report.joined_by.items()) or "nobody"
    rows = [
        ["identifiers compared", f"{report.identifiers:,}"],
        ["customers before", f"{report.customers_before:,}"],
        ["customers after", f"{report.customers_after:,}"],
        ["contacts moved", "-" if dry_run else f"{report.contacts_moved:,}"],
        ["identifiers kept for later contacts", f"{report.aliases:,}"],
    ]
    print_table(["nothing was changed" if dry_run else "", "number"], rows)
    click.echo(f"Joined: {joined}.")
    for sentence in report.sentences:
        click.echo(sentence)


@customers.command("runs")
@instance_option
@json_option
@speaks_plainly
def runs(instance: Path | None, as_json: bool) -> None:
    """List the link runs, the newest first."""
    site = open_site(instance)
    with site.database.reading() as session:
        found = list_link_runs(session, limit=50)
    if as_json:
        print_json([dataclasses.asdict(run) for run in found])
        return
    rows = [
        [
            run.id,
            f"{run.started_at:%Y-%m-%d %H:%M}",
            run.file_name,
            run.started_by,
            run.joined,
            "undone" if run.undone_at else "",
        ]
        for run in found
    ]
    print_table(["run", "when", "rules", "by", "joined", ""], rows)


@customers.command("undo")
@click.argument("run_id", type=NUMBER)
@instance_option
@json_option
@speaks_plainly
def undo(run_id: int, instance: Path | None, as_json: bool) -> None:
    """Part the customers again that the last link run made one."""
    site = open_site(instance)
    with Ticker() as ticker:
        parted = undo_link_run(
            site.database.transaction,
            settings=site.settings,
            run_id=run_id,
            by=COMMAND_LINE,
            report=ticker,
        )
    if as_json:
        print_json({"run": run_id, "parted": parted})
        return
    click.echo(f"{parted:,} customers stand as they did before link run {run_id}.")
