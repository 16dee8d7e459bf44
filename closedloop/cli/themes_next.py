"""`closedloop themes next|faq|map`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from closedloop.cli.options import (
    Ticker,
    instance_option,
    json_option,
    open_site,
    print_json,
    print_table,
    speaks_plainly,
)
from closedloop.jobs.work import draw_themes
from closedloop.queries.faq import FaqCandidate, list_faq_candidates
from closedloop.queries.followers import Follower, list_followers


@click.command("next")
@instance_option
@click.option("--after", default="", help="Only what comes after this theme, for example T-014.")
@click.option("--all", "shows_all", is_flag=True, help="Chance too; else what is more than chance.")
@json_option
@speaks_plainly
def next_(instance: Path | None, after: str, shows_all: bool, as_json: bool) -> None:
    """Print which theme customers come back about after which, within 7 days."""
    site = open_site(instance)
    with site.database.reading() as session:
        found = list_followers(session, k=site.settings.privacy_k)
    rows = [
        row
        for row in (found.rows if shows_all else found.marked)
        if not row.is_same and after in ("", row.key)
    ]
    if as_json:
        print_json([_facts(row) for row in rows])
        return
    headings = ["after", "next", "share", "times as often", "customers", "name", "next name"]
    print_table(headings, [_cells(row) for row in rows])
    if found.as_of is None:
        click.echo("Nothing is counted yet: closedloop themes map, or wait for the night.")
    elif not rows:
        click.echo("No theme follows another more often than it follows any contact.")
    if found.unidentified_share is not None:
        click.echo(
            f"Contacts without a known customer, in no pair: {found.unidentified_share:.1%}."
        )
    if found.too_small:
        click.echo(f"{found.too_small:,} pairs of fewer than {site.settings.privacy_k} customers.")


def _cells(row: Follower) -> list[str]:
    shares = [f"{row.probability:.1%}", f"{row.lift:.1f}", f"{row.customers:,}"]
    return [row.key, row.next_key, *shares, row.name, row.next_name]


def _facts(row: Follower) -> dict[str, Any]:
    return {
        "theme": row.key,
        "next_theme": row.next_key,
        "contacts": row.contacts,
        "followed": row.followed,
        "customers": row.customers,
        "share": round(row.probability, 4),
        "lift": round(row.lift, 2),
        "more_than_chance": row.is_more_than_chance,
    }


@click.command("faq")
@instance_option
@json_option
@speaks_plainly
def faq(instance: Path | None, as_json: bool) -> None:
    """Print themes that a page of answers could take, with answers that settled the matter."""
    site = open_site(instance)
    with site.database.reading() as session:
        found = list_faq_candidates(session, k=site.settings.privacy_k)
    if as_json:
        print_json([_candidate(theme) for theme in found])
        return
    for theme in found:
        click.echo(f"{theme.key} {theme.name} ({', '.join(theme.reasons)})")
        for said in theme.exemplars:
            click.echo(f"  Q {said.question}\n  A {said.answer}")
    if not found:
        click.echo("No theme is value demand, to be met by informing, or mostly questions.")


def _candidate(theme: FaqCandidate) -> dict[str, Any]:
    return {
        "theme": theme.key,
        "name": theme.name,
        "reasons": list(theme.reasons),
        "contacts": theme.figures.contacts,
        "asking": None if theme.asking is None else round(theme.asking, 4),
        "answered": theme.answered,
        "exemplars": [{**asdict(said), "day": said.day.isoformat()} for said in theme.exemplars],
    }


@click.command("map")
@instance_option
@json_option
@speaks_plainly
def map_(instance: Path | None, as_json: bool) -> None:
    """Count what comes next after each theme and draw the map, as the nightly round does."""
    site = open_site(instance)
    with Ticker() as ticker:
        facts = draw_themes(site.database, site.settings, ticker)
    if as_json:
        print_json(facts)
        return
    drawn = f"{facts['points']:,} contacts drawn" if facts["points"] else "the map stands as it was"
    click.echo(f"{facts['pairs']:,} pairs of themes counted; {drawn}.")
