"""`closedloop themes discover|assign|list`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import click

from closedloop.cli.options import (
    SEED,
    Ticker,
    instance_option,
    json_option,
    open_site,
    print_json,
    print_table,
    speaks_plainly,
)
from closedloop.cli.themes_codes import codes
from closedloop.cli.themes_curation import changes, move, restore, retire, split, undo
from closedloop.cli.themes_drivers import drivers
from closedloop.cli.themes_leftovers import emerging, take, unassigned
from closedloop.cli.themes_naming import name
from closedloop.cli.themes_next import faq, map_, next_
from closedloop.cli.themes_runs import accept, decline, run, runs
from closedloop.domain.audit import COMMAND_LINE
from closedloop.jobs.work import assign_new
from closedloop.queries.themes import ThemeFilter, ThemeRow, ThemeView, list_themes
from closedloop.services.themes import discover_themes


@click.group("themes")
def themes() -> None:
    """Find themes in repeat contacts, and give contacts their themes."""


themes.add_command(next_)
themes.add_command(faq)
themes.add_command(map_)
themes.add_command(unassigned)
themes.add_command(emerging)
themes.add_command(take)
themes.add_command(codes)
themes.add_command(drivers)
for command in (move, split, retire, restore, changes, undo):
    themes.add_command(command)
themes.add_command(name)
themes.add_command(runs)
themes.add_command(run)
themes.add_command(accept)
themes.add_command(decline)


@themes.command("discover")
@instance_option
@click.option(
    "--seed", type=SEED, default=0, show_default=True, help="Same data, same seed: same themes."
)
@click.option(
    "--finer",
    type=click.IntRange(-2, 2),
    default=0,
    show_default=True,
    help="Steps finer (1, 2) or coarser (-1, -2) than the data say.",
)
@json_option
@speaks_plainly
def discover(instance: Path | None, seed: int, finer: int, as_json: bool) -> None:
    """Look for themes in repeat contacts; what people decided stays as it is."""
    site = open_site(instance)
    with Ticker() as ticker:
        result = discover_themes(
            site.database.transaction,
            settings=site.settings,
            by=COMMAND_LINE,
            seed=seed,
            finer=finer,
            report=ticker,
        )
    facts = dataclasses.asdict(result)
    if as_json:
        print_json(facts)
        return
    click.echo(
        f"{result.found} themes in {result.texts:,} texts; {result.candidates} wait for triage; "
        f"{result.left_over:,} texts are in none."
    )


@themes.command("assign")
@instance_option
@json_option
@speaks_plainly
def assign(instance: Path | None, as_json: bool) -> None:
    """Give every contact that has none its theme, and renew the figures."""
    site = open_site(instance)
    with Ticker() as ticker:
        facts = assign_new(site.database, site.settings, COMMAND_LINE, ticker)
    if as_json:
        print_json(facts)
        return
    click.echo(f"{facts['assigned']:,} contacts looked at; {facts['with_theme']:,} have a theme.")


@themes.command("list")
@instance_option
@json_option
@speaks_plainly
def list_(instance: Path | None, as_json: bool) -> None:
    """Print themes with their figures of the last 90 days, largest first."""
    site = open_site(instance)
    with site.database.reading() as session:
        wanted = ThemeFilter(view=ThemeView.ALL)
        rows = list_themes(session, wanted, k=site.settings.privacy_k, limit=None).rows
    facts = [_facts(row) for row in rows]
    if as_json:
        print_json(facts)
        return
    headings = [
        "key",
        "status",
        "contacts",
        "customers",
        "again, same theme",
        "no customer",
        "name",
    ]
    print_table(headings, [_cells(row) for row in rows])
    if any(row.figures and row.figures.unidentified for row in rows):
        click.echo("Customers: known ones alone; contacts without one count as contacts only.")
    if any(row.is_small for row in rows):
        click.echo(f"No figures: fewer than {site.settings.privacy_k} customers in 90 days.")
    if not rows:
        click.echo("There are no themes yet: closedloop themes discover")


def _cells(row: ThemeRow) -> list[str]:
    """Return one line of the table: a dash for what is not known, nothing for what is hidden."""
    f = row.figures
    if f is None:
        return [row.key, row.status.value, "", "", "", "", row.name]
    customers = f"{f.customers:,}" if f.knows_customers else "–"
    unsaid = "few" if f.mature else "–"
    again = unsaid if f.repeat_same is None else f"{f.repeat_same:.1%}"
    without = "" if f.unidentified_share is None else f"{f.unidentified_share:.1%}"
    return [row.key, row.status.value, f"{f.contacts:,}", customers, again, without, row.name]


def _facts(row: ThemeRow) -> dict[str, Any]:
    """Return one theme; figures of fewer customers than the privacy threshold are None."""
    figures = row.figures
    rate, without = (figures.repeat_same, figures.unidentified_share) if figures else (None, None)
    return {
        "key": row.key,
        "name": row.name,
        "status": row.status.value,
        "contacts": figures.contacts if figures else None,
        "customers": figures.customers if figures else None,
        "repeat_rate_7d_same_theme": None if rate is None else round(rate, 4),
        "unidentified_share": None if without is None else round(without, 4),
    }
