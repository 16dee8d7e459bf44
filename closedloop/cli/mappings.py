"""`closedloop mappings list|show|guess|save|export|rename|delete`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from closedloop.adapters.mapping import Mapping
from closedloop.cli.options import (
    OUT_FILE,
    instance_option,
    json_option,
    open_site,
    print_json,
    print_table,
    speaks_plainly,
)
from closedloop.domain.audit import COMMAND_LINE
from closedloop.queries.mappings import get_mapping, list_mappings
from closedloop.services.contact_files import check_mapping, recognise_file
from closedloop.services.mappings import delete_mapping, rename_mapping, save_mapping
from closedloop.services.suggestions import Origin, suggest_mapping

_ORIGIN = {
    Origin.SAVED: "From the saved mapping “{}”.",
    Origin.EARLIER: "As “{}” was read: it has the same columns.",
    Origin.FORMAT: "The format says itself what is what.",
    Origin.GUESS: "Guessed from the names of the columns:",
}


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


@mappings.command("guess")
@click.argument("file", type=click.Path(exists=True, path_type=Path))
@click.argument("out", required=False, type=OUT_FILE)
@instance_option
@speaks_plainly
def guess(file: Path, out: Path | None, instance: Path | None) -> None:
    """Print how a file would be read, or write it to OUT (.toml or .json), to be looked through.

    As the import page fills its form in: from the mapping saved for the same columns, the last
    import of the same columns, the format itself, or the names of the columns.
    """
    site = open_site(instance)
    found = recognise_file(file)
    with site.database.reading() as session:
        suggestion = suggest_mapping(
            session, settings=site.settings, found=found, path=file, file_name=file.name
        )
    mapping = suggestion.mapping
    for reason in (_ORIGIN[suggestion.origin].format(suggestion.name), *mapping.reasons.values()):
        click.echo(reason, err=True)
    if out is None:
        click.echo(json.dumps(mapping.to_dict(), indent=2, ensure_ascii=False))
        return
    mapping.dump(out)
    click.echo(f"Written: {out}", err=True)


@mappings.command("save")
@click.argument("name")
@click.argument("mapping", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("file", type=click.Path(exists=True, path_type=Path))
@instance_option
@click.option("--yes", is_flag=True, help="Give up another mapping of this name for it.")
@speaks_plainly
def save(name: str, mapping: Path, file: Path, instance: Path | None, yes: bool) -> None:
    """Keep a mapping file under a name, for files like FILE.

    The next file with the same columns is filled in from it on the import page.
    """
    site = open_site(instance)
    settled = Mapping.load(mapping)
    facts = check_mapping(file, settled)
    with site.database.transaction() as session:
        saved = save_mapping(
            session,
            name=name,
            format=facts.format,
            header=facts.header,
            mapping=settled,
            by=COMMAND_LINE,
            replace=yes,
        )
        click.echo(f"Saved: {saved.name}")


@mappings.command("export")
@click.argument("name")
@click.argument("file", type=OUT_FILE)
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
