"""`closedloop impact placebos|prior`, and the group with the commands of `impact_list.py`."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from closedloop.cli.impact_list import list_impact, measurements
from closedloop.cli.options import (
    Ticker,
    instance_option,
    json_option,
    open_site,
    print_json,
    speaks_plainly,
)
from closedloop.domain.audit import COMMAND_LINE
from closedloop.domain.errors import Refusal
from closedloop.domain.placebos import alarm, reservation, told
from closedloop.jobs.work import data_cut
from closedloop.queries.impact_site import find_newest_check, find_prior
from closedloop.services.impact_priors import (
    HISTORY_DAYS,
    count_themes_to_learn_from,
    learn_site_prior,
    return_to_delivered,
)
from closedloop.services.placebo_checks import MOST_PLACEBOS, check_placebos


@click.group("impact")
def impact() -> None:
    """See what shipped actions did, and look after the measuring itself."""


impact.add_command(list_impact)
impact.add_command(measurements)


@impact.command("placebos")
@instance_option
@click.option(
    "--most",
    type=click.IntRange(1, 10_000),
    default=MOST_PLACEBOS,
    show_default=True,
    help="Dates to pretend a change on, at most.",
)
@json_option
@speaks_plainly
def placebos(instance: Path | None, most: int, as_json: bool) -> None:
    """Count how often the method cries wolf on dates on which nothing was changed.

    The nightly round does so once a week. A day of data is checked once; asked again, the same
    numbers are printed.
    """
    site = open_site(instance)
    cut = data_cut(site.database, site.settings)
    if cut is None:
        raise Refusal("There are no contacts of a complete day yet. Import some first.")
    with Ticker() as ticker:
        check_placebos(
            site.database.transaction,
            settings=site.settings,
            as_of=cut,
            by=COMMAND_LINE,
            most=most,
            report=ticker,
        )
    with site.database.reading() as session:
        found = find_newest_check(session)
    if found is None:
        return
    if as_json:
        low, high = found.interval
        extra = {"rate": found.rate, "low": low, "high": high, "coverage": found.coverage}
        print_json({**dataclasses.asdict(found), **extra, "alarm": alarm(found)})
        return
    spread = "not known" if found.sd_z is None else f"{found.sd_z:.2f}"
    click.echo(f"{told(found)} Data to {found.as_of.isoformat()}.")
    click.echo(f"Spread of z: {spread}, 1 when the ranges are as wide as they say.")
    for sentence in (reservation(found), alarm(found)):
        if sentence:
            click.echo(sentence)


@impact.command("prior")
@instance_option
@click.option("--learn", is_flag=True, help="Learn it from this site's own themes.")
@click.option("--delivered", is_flag=True, help="Go back to the one delivered.")
@json_option
@speaks_plainly
def prior(instance: Path | None, learn: bool, delivered: bool, as_json: bool) -> None:
    """Say which prior measurements start from; learn the site's own, or go back."""
    if learn and delivered:
        raise Refusal("Choose one of --learn and --delivered.")
    site = open_site(instance)
    cut = data_cut(site.database, site.settings)
    if learn:
        if cut is None:
            raise Refusal("There are no contacts of a complete day yet. Import some first.")
        with Ticker() as ticker:
            learn_site_prior(
                site.database.transaction,
                settings=site.settings,
                as_of=cut,
                by=COMMAND_LINE,
                report=ticker,
            )
    if delivered:
        with site.database.transaction() as session:
            return_to_delivered(session, settings=site.settings, by=COMMAND_LINE)
    with site.database.reading() as session:
        found = find_prior(session)
        themes = count_themes_to_learn_from(session, as_of=cut)
    is_own = bool(found and found.is_own)
    if as_json:
        chosen = dataclasses.asdict(found) if found else None
        print_json({"is_own": is_own, "chosen": chosen, "themes_with_history": themes})
        return
    if found and is_own:
        click.echo(
            f"This site's own prior is in force, learnt from {found.n_themes} themes with data to "
            f"{found.as_of.isoformat()}."
        )
    else:
        click.echo("The delivered prior is in force.")
    click.echo(f"{themes} themes have {HISTORY_DAYS} days of contacts or more to learn from.")
