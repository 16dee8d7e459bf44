"""`closedloop import FILE`."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import click

from closedloop.adapters.mapping import DEFAULT_SOURCE, Mapping, source_from
from closedloop.cli.options import (
    Ticker,
    instance_option,
    json_option,
    open_site,
    print_json,
    print_table,
    speaks_plainly,
)
from closedloop.domain.audit import COMMAND_LINE
from closedloop.domain.errors import Invalid
from closedloop.jobs.work import assign_new
from closedloop.queries.imports import BatchContacts, count_batch_contacts
from closedloop.services.contacts import import_file, preview_file, recognise_file


@click.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@instance_option
@click.option(
    "--mapping",
    "mapping_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Which column is what; see docs/import/README.md. Guessed when left out.",
)
@click.option(
    "--source",
    help="System the file comes from; ids are unique within it. [default: the mapping's, or the "
    "words the file's name begins with]",
)
@click.option("--zone", help="Time zone of times that carry none, e.g. Europe/London.")
@click.option("--date-order", type=click.Choice(["iso", "dmy", "mdy", "ymd", "epoch"]))
@click.option(
    "--session-gap-hours",
    type=float,
    help="The rows are messages: those of one customer at most this far apart are one contact.",
)
@click.option("--dry-run", is_flag=True, help="Say what would happen; change nothing.")
@click.option("--no-assign", is_flag=True, help="Do not give the new contacts their themes yet.")
@json_option
@speaks_plainly
def import_contacts(
    file: Path,
    instance: Path | None,
    mapping_file: Path | None,
    source: str | None,
    zone: str | None,
    date_order: str | None,
    session_gap_hours: float | None,
    dry_run: bool,
    no_assign: bool,
    as_json: bool,
) -> None:
    """Take a CSV or JSON Lines file of contacts in.

    Importing the same file again changes nothing. Rows that cannot be read go to quarantine with
    their line and the reason.
    """
    site = open_site(instance)
    mapping = Mapping.load(mapping_file) if mapping_file else recognise_file(file).mapping
    changes: dict[str, Any] = {}
    if zone:
        changes["zone"] = zone
    if date_order:
        changes["date_order"] = date_order
    if session_gap_hours is not None:
        changes["session_gap_seconds"] = _gap_seconds(session_gap_hours)
    mapping = dataclasses.replace(mapping, **changes)
    if not source:
        is_named = mapping.source != DEFAULT_SOURCE
        source = mapping.source if is_named else source_from(file.name)
    if dry_run:
        with site.database.reading() as session:
            preview = preview_file(
                session, settings=site.settings, path=file, mapping=mapping, source=source
            )
        _print_preview(preview, as_json)
        return
    ticker = Ticker()
    batch = import_file(
        site.database.transaction,
        settings=site.settings,
        path=file,
        mapping=mapping,
        source=source,
        file_name=file.name,
        by=COMMAND_LINE,
        report=ticker,
    )
    if not no_assign:
        assign_new(site.database, site.settings, COMMAND_LINE, ticker)
    ticker.close()
    facts = {
        name: getattr(batch, name)
        for name in (
            "id",
            "source",
            "rows_read",
            "added",
            "unchanged",
            "changed",
            "rejected",
            "unidentified",
            "redactions",
            "message",
        )
    }
    with site.database.reading() as session:
        opened = count_batch_contacts(session, batch.id)
    if as_json:
        print_json({**facts, "contacts": opened.contacts, "customers": opened.customers})
        return
    print_table(["", "rows"], [[name, value] for name, value in list(facts.items())[2:8]])
    if batch.added:
        click.echo(_say_opened(opened, is_messages=bool(mapping.session_gap_seconds)))
    if not batch.rows_read:
        click.echo(batch.message)
    if batch.rejected:
        click.echo(
            f"Quarantine holds {_rows(batch.rejected)} of it, each with its line and reason: "
            f"Contacts, Imports, no. {batch.id}."
        )
    if batch.changed:
        click.echo(
            f"In {_rows(batch.changed)} “{batch.source}” brings a known id with other content; "
            f"the first version stays. See Contacts, Imports, no. {batch.id}, or import with "
            "another --source if the file comes from elsewhere."
        )


def _rows(number: int) -> str:
    return "1 row" if number == 1 else f"{number:,} rows"


def _gap_seconds(hours: float) -> int:
    """Return whole seconds; the mapping checks their range, which NaN has none of."""
    if not math.isfinite(hours):
        raise Invalid("Write the session gap as hours, such as 12 or 0.5.")
    return round(hours * 3600)


def _say_opened(opened: BatchContacts, *, is_messages: bool) -> str:
    """Say in one line what the new rows are: contacts, of whom, and who came again."""
    known = "1 known customer" if opened.customers == 1 else f"{opened.customers:,} known customers"
    said = f"New: {opened.contacts:,} contacts" + (f" of {known}" if opened.customers else "")
    if opened.unidentified:
        said += f", {opened.unidentified:,} of them without a customer"
    if opened.again_share is not None:
        said += f"; {opened.again_share:.1%} of the customers came again within 7 days"
    if is_messages and opened.again_share_in_messages is not None:
        said += f" ({opened.again_share_in_messages:.1%} if each message were a contact)"
    return f"{said}."


def _print_preview(preview: Any, as_json: bool) -> None:
    names = ("rows_read", "would_add", "unchanged", "changed", "rejected", "skipped")
    facts = {name: getattr(preview, name) for name in (*names, "unidentified", "is_whole")}
    rejects = [dataclasses.asdict(reason) for reason in preview.reasons]
    if as_json:
        print_json({**facts, "rejects": rejects})
        return
    print_table(["nothing was changed", "rows"], [[k, v] for k, v in facts.items()])
    for reason in preview.reasons:
        click.echo(f"{_rows(reason.rows)}: {reason.example}")
