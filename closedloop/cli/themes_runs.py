"""`closedloop themes runs|run|accept|decline`: what runs proposed, and deciding about it."""

from __future__ import annotations

import dataclasses
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
from closedloop.domain.curation import COUNT_TO_TYPE_ABOVE
from closedloop.domain.runs import PartKind
from closedloop.queries.runs import PartRow, RunPage, RunRow, get_run, list_runs
from closedloop.services.parts_previews import agree_to_parts, preview_acceptance
from closedloop.services.run_choices import find_run_of
from closedloop.services.run_parts import accept_parts, decline_parts


@click.command("runs")
@click.option("--before", type=NUMBER, help="Only runs older than this number.")
@instance_option
@json_option
@speaks_plainly
def runs(before: int | None, instance: Path | None, as_json: bool) -> None:
    """Print the runs that looked for themes, newest first; 100 at a time."""
    site = open_site(instance)
    with site.database.reading() as session:
        found = list_runs(session, before_id=before)
    if as_json:
        print_json([_run_facts(row) for row in found])
        return
    headings = ["run", "days read", "contacts", "themes", "in none", "to decide"]
    print_table(headings, [_run_cells(row) for row in found])
    if not found:
        click.echo("There was no run yet: closedloop themes discover")


@click.command("run")
@click.argument("run_id", type=NUMBER)
@instance_option
@json_option
@speaks_plainly
def run(run_id: int, instance: Path | None, as_json: bool) -> None:
    """Print what one run read, found and proposes."""
    site = open_site(instance)
    with site.database.reading() as session:
        page = get_run(session, run_id)
    if as_json:
        print_json(_page_facts(page))
        return
    click.echo(
        f"Run {page.run.id}: {page.run.found} themes in {page.run.texts:,} contacts, "
        f"{page.run.left_over:,} in none."
    )
    headings = ["part", "theme", "became", "match", "would move", "decision", "name"]
    print_table(headings, [_part_cells(part) for part in page.parts])
    if page.waiting:
        click.echo("Take parts over: closedloop themes accept PART…")


@click.command("accept")
@click.argument("parts", type=NUMBER, nargs=-1, required=True, metavar="PART...")
@click.option(
    "--count",
    type=NUMBER,
    default=None,
    help=f"Contacts of the whole history that will move; needed above {COUNT_TO_TYPE_ABOVE}.",
)
@click.option(
    "--exact",
    type=NUMBER,
    default=None,
    help="The same, without counting them once more before it begins.",
)
@click.option("--look", is_flag=True, help="Only show which contacts of the whole history move.")
@instance_option
@json_option
@speaks_plainly
def accept(
    parts: tuple[int, ...],
    count: int | None,
    exact: int | None,
    look: bool,
    instance: Path | None,
    as_json: bool,
) -> None:
    """Take parts of a run over, together or not at all; the whole history is assigned anew."""
    site = open_site(instance)
    if look:
        _look(site, parts, as_json)
        return
    if exact is None:
        with site.database.reading() as session:
            exact = agree_to_parts(
                session,
                run_id=find_run_of(session, parts),
                part_ids=parts,
                typed_count=count,
                k=site.settings.privacy_k,
            )
    with Ticker() as ticker:
        done = accept_parts(
            site.database.transaction,
            settings=site.settings,
            part_ids=parts,
            exact_count=exact,
            by=COMMAND_LINE,
            report=ticker,
        )
    if as_json:
        print_json(dataclasses.asdict(done))
        return
    born = f"; new candidates: {', '.join(done.new_themes)}" if done.new_themes else ""
    click.echo(
        f"Accepted {done.parts} of run {done.run_id}, definition set {done.definition_set}{born}."
    )


def _look(site: Site, parts: tuple[int, ...], as_json: bool) -> None:
    """Say which contacts accepting parts would move."""
    k = site.settings.privacy_k
    with site.database.reading() as session:
        run_id = find_run_of(session, parts)
        preview = preview_acceptance(session, run_id=run_id, part_ids=parts, k=k)
    facts = {"contacts": preview.contacts, "customers": preview.customers}
    if as_json:
        print_json({**facts, "ids": list(preview.ids), "notes": list(preview.notes)})
        return
    people = f"fewer than {k}" if preview.customers is None else f"{preview.customers:,}"
    click.echo(f"{preview.contacts:,} contacts of {people} customers would change their theme.")
    for note in preview.notes:
        click.echo(note)
    named = " ".join(map(str, parts))
    click.echo(
        "Nothing was changed. To do it: closedloop themes accept "
        f"{named} --exact {preview.contacts}; --look --json lists them."
    )


@click.command("decline")
@click.argument("parts", type=NUMBER, nargs=-1, required=True, metavar="PART...")
@instance_option
@speaks_plainly
def decline(parts: tuple[int, ...], instance: Path | None) -> None:
    """Decide that parts of a run are not taken over."""
    site = open_site(instance)
    with site.database.transaction() as session:
        n = decline_parts(session, part_ids=parts, by=COMMAND_LINE)
    click.echo(f"Declined {n}. Nothing else was changed.")


def _run_cells(row: RunRow) -> list[Any]:
    ran = row.run
    days = f"{ran.first_day} to {ran.last_day}"
    return [ran.id, days, f"{ran.texts:,}", ran.found, f"{ran.left_over:,}", row.waiting]


def _run_facts(row: RunRow) -> dict[str, Any]:
    ran = row.run
    return {
        "run": ran.id,
        "started_at": ran.started_at,
        "first_day": ran.first_day,
        "last_day": ran.last_day,
        "encoder": ran.encoder,
        "seed": ran.seed,
        "contacts": ran.texts,
        "found": ran.found,
        "left_over": ran.left_over,
        "parts": {state.value: n for state, n in row.parts.items()},
    }


def _page_facts(page: RunPage) -> dict[str, Any]:
    return {
        **_run_facts(RunRow(page.run, {})),
        "manifest": page.run.manifest,
        "before": page.before_id,
        "parts": [_part_facts(part) for part in page.parts],
    }


def _part_facts(part: PartRow) -> dict[str, Any]:
    return {
        "part": part.id,
        "kind": part.kind.value,
        "state": part.state.value,
        "theme": part.theme_key,
        "name": part.name,
        "into": part.into_key,
        "became": part.became_key,
        "match": part.score,
        "contacts": part.contacts,
        "would_move": part.would_move,
        "decided_by": part.decided_by,
    }


def _part_cells(part: PartRow) -> list[Any]:
    what = part.kind.value if part.into_key is None else f"{part.kind.value} into {part.into_key}"
    match = "–" if part.kind is PartKind.NEW else f"{part.score:.0%}"
    decision = "none, a candidate" if part.is_of_candidate else part.state.value
    return [part.id, part.theme_key, what, match, part.would_move, decision, part.name]
