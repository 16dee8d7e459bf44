"""`closedloop themes unassigned|emerging|take`."""

from __future__ import annotations

import math
from dataclasses import asdict
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
    print_table,
    speaks_plainly,
)
from closedloop.domain.audit import COMMAND_LINE
from closedloop.domain.curation import COUNT_TO_TYPE_ABOVE, must_type_count
from closedloop.jobs.work import look_for_emerging
from closedloop.queries.contacts import ContactFilter, list_contacts
from closedloop.queries.leftovers import Coverage, EmergingRow, get_coverage, list_emerging
from closedloop.queries.site import get_data_span
from closedloop.services.emerging_taking import preview_taking, take_emerging
from closedloop.services.leftovers import find_nearest


@click.command("unassigned")
@instance_option
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 500))
@json_option
@speaks_plainly
def unassigned(instance: Path | None, limit: int, as_json: bool) -> None:
    """Print coverage of the last 4 weeks, and contacts in no theme with the nearest one."""
    site = open_site(instance)
    wanted = ContactFilter(without_theme=True, with_words=True)
    with site.database.reading() as session:
        last_day = get_data_span(session).last_day
        coverage = get_coverage(session, last_day=last_day) if last_day else None
        rows = list_contacts(session, wanted, limit=limit)
        nearest = find_nearest(session, contact_ids=[row.id for row in rows])
    contacts = [
        {
            "id": row.id,
            "source_contact_id": row.source_contact_id,
            "started_at": row.started_at.isoformat(),
            "nearest_theme": nearest[row.id].key if row.id in nearest else None,
            "nearness": _rounded(nearest[row.id].nearness) if row.id in nearest else None,
        }
        for row in rows
    ]
    if as_json:
        facts = _coverage(coverage, site.settings.privacy_k) if coverage else None
        print_json({"coverage": facts, "contacts": contacts})
        return
    if coverage is None:
        click.echo("There are no contacts yet.")
        return
    click.echo(_sentence(coverage, site.settings.privacy_k))
    headings = ["contact", "started", "nearest theme", "how near"]
    print_table(headings, [_cells(contact) for contact in contacts])


def _coverage(coverage: Coverage, k: int) -> dict[str, Any] | None:
    """Return coverage; None where it would be that of fewer customers than the threshold."""
    now = coverage.now
    if now.customers < k:
        return None
    return {
        "first_day": coverage.first_day.isoformat(),
        "last_day": coverage.last_day.isoformat(),
        "contacts_with_text": now.with_text,
        "with_theme": now.with_theme,
        "value": None if now.value is None else round(now.value, 4),
        "goal": coverage.goal,
        "meets_goal": coverage.meets_goal,
    }


def _sentence(coverage: Coverage, k: int) -> str:
    now = coverage.now
    if now.value is None or now.customers < k:
        return f"Fewer than {k} customers said something in the last 4 weeks: too few for a share."
    met = "met" if coverage.meets_goal else "not met"
    return (
        f"{now.value:.1%} of {now.with_text:,} contacts with text of the last 4 weeks are in a "
        f"theme. The goal of {coverage.goal:.0%} is {met}."
    )


def _cells(contact: dict[str, Any]) -> list[str]:
    return [
        contact["source_contact_id"],
        contact["started_at"],
        contact["nearest_theme"] or "–",
        _near(contact["nearness"]),
    ]


def _rounded(nearness: float) -> float:
    """Return it with four digits, rounded down: what is below 1 stays below."""
    return math.floor(nearness * 10_000) / 10_000


def _near(nearness: float | None) -> str:
    """Write how near a contact is; one that just misses is never told as near enough."""
    if nearness is None:
        return "–"
    return "over 99%" if 0.995 <= nearness < 1 else f"{nearness:.0%}"


@click.command("emerging")
@instance_option
@click.option("--look", is_flag=True, help="Look anew first, as the nightly round does.")
@json_option
@speaks_plainly
def emerging(instance: Path | None, look: bool, as_json: bool) -> None:
    """Print what emerges among contacts in no theme, and why it is thought to rise."""
    site = open_site(instance)
    if look:
        with Ticker() as ticker:
            look_for_emerging(site.database, site.settings, COMMAND_LINE, ticker)
    with site.database.reading() as session:
        rows = list_emerging(session, k=site.settings.privacy_k)
    if as_json:
        print_json([_facts(row) for row in rows])
        return
    for row in rows:
        click.echo(f"{row.id}  {row.name}: {row.why}")
        for said in row.quotes:
            click.echo(f"    “{said.text}”")
    if not rows:
        click.echo("Nothing emerges among the contacts in no theme.")


def _facts(row: EmergingRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "keywords": list(row.keywords),
        "contacts": row.contacts,
        "customers": row.customers,
        "customers_before": row.customers_before,
        "why": row.why,
        "found_on": row.found_on.isoformat(),
        "seen_on": row.seen_on.isoformat(),
        "quotes": [{**asdict(said), "day": said.day.isoformat()} for said in row.quotes],
    }


@click.command("take")
@click.argument("emerging", type=NUMBER)
@click.option(
    "--count",
    type=NUMBER,
    default=None,
    help=f"Contacts that will join; needed with --yes above {COUNT_TO_TYPE_ABOVE}.",
)
@click.option("--yes", is_flag=True, help="Do it; without, only show what would happen.")
@instance_option
@json_option
@speaks_plainly
def take(emerging: int, count: int | None, yes: bool, instance: Path | None, as_json: bool) -> None:
    """Make a candidate of what emerges, by the NUMBER `closedloop themes emerging` prints."""
    site = open_site(instance)
    if yes:
        _take(site, emerging, count, as_json)
        return
    k = site.settings.privacy_k
    with site.database.reading() as session:
        preview = preview_taking(session, emerging_id=emerging, k=k)
    if as_json:
        facts = {"contacts": preview.contacts, "customers": preview.customers}
        print_json({**facts, "ids": list(preview.ids), "notes": list(preview.notes)})
        return
    people = f"fewer than {k}" if preview.customers is None else f"{preview.customers:,}"
    click.echo(f"{preview.contacts:,} contacts of {people} customers would join it.")
    for note in preview.notes:
        click.echo(note)
    more = f" --count {preview.contacts}" if must_type_count(preview.contacts) else ""
    click.echo(f"Nothing was changed. Repeat with --yes{more} to do it; --json lists them.")


def _take(site: Site, emerging: int, count: int | None, as_json: bool) -> None:
    with Ticker() as ticker:
        taken = take_emerging(
            site.database.transaction,
            settings=site.settings,
            emerging_id=emerging,
            typed_count=count,
            by=COMMAND_LINE,
            report=ticker,
        )
    if as_json:
        print_json(asdict(taken))
        return
    click.echo(f"{taken.key} waits for triage now, with {taken.contacts:,} contacts.")
    click.echo(f"To take it back: closedloop themes changes {taken.key}, then undo its number.")
