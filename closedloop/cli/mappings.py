"""`closedloop mappings list|show|export|rename|delete`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from closedloop.adapters.mapping import Mapping
from closedloop.cli.options import (
    instance_option,
    json_option,
    open_site,
    print_json,
    print_table,
    speaks_plainly,
)
from closedloop.domain.audit import COMMAND_LINE
from closedloop.queries.mappings import get_mapping, list_mappings
from closedloop.services.mappings import delete_mapping, rename_mapping


@click.group("mappings")
def mappings() -> None:
    """See and keep the mappings saved by name."""


@mappings.command("list")
@instance_option
@json_option
@speaks_plainly
def list_(instance: Path | None, as_json: bool) -> None:
    """Print the saved mappings."""
    site = open_site(instance)
    with site.database.reading() as session:
        rows = [
            {
                "name": known.name,
                "format": known.format,
                "source": known.mapping.get("source"),
                "saved_by": known.saved_by,
                "saved_at": known.saved_at,
                "last_used_at": known.last_used_at,
            }
            for known in list_mappings(session)
        ]
    if as_json:
        print_json(rows)
    elif rows:
        print_table(list(rows[0]), [list(row.values()) for row in rows])
    else:
        click.echo("No mapping is saved yet: closedloop import FILE --save-mapping NAME")


@mappings.command("show")
@click.argument("name")
@instance_option
@speaks_plainly
def show(name: str, instance: Path | None) -> None:
    """Print a mapping as the file that --mapping reads."""
    site = open_site(instance)
    with site.database.reading() as session:
        click.echo(json.dumps(get_mapping(session, name).mapping, indent=2, ensure_ascii=False))


@mappings.command("export")
@click.argument("name")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@instance_option
@speaks_plainly
def export(name: str, file: Path, instance: Path | None) -> None:
    """Write a mapping to a file: TOML where its name ends so, JSON otherwise."""
    site = open_site(instance)
    with site.database.reading() as session:
        Mapping.from_dict(get_mapping(session, name).mapping).dump(file)
    click.echo(f"Written: {file}")


@mappings.command("rename")
@click.argument("name")
@click.argument("new_name")
@instance_option
@speaks_plainly
def rename(name: str, new_name: str, instance: Path | None) -> None:
    """Give a mapping another name."""
    site = open_site(instance)
    with site.database.transaction() as session:
        saved = rename_mapping(session, name=name, new_name=new_name, by=COMMAND_LINE)
        click.echo(f"It is called {saved.name} now.")


@mappings.command("delete")
@click.argument("name")
@instance_option
@speaks_plainly
def delete(name: str, instance: Path | None) -> None:
    """Delete a mapping; imports made with it keep theirs."""
    site = open_site(instance)
    with site.database.transaction() as session:
        delete_mapping(session, name=name, by=COMMAND_LINE)
    click.echo(f"Deleted: {name}")
