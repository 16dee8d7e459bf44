"""`closedloop themes drivers`: contact drivers above themes; a change is shown, done with --yes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from closedloop.cli.options import (
    NUMBER,
    Site,
    instance_option,
    json_option,
    open_site,
    print_json,
    print_table,
    speaks_plainly,
)
from closedloop.domain.audit import COMMAND_LINE
from closedloop.queries.contact_drivers import (
    DriverList,
    DriverRow,
    find_driver,
    list_drivers,
)
from closedloop.queries.driver_changes import list_driver_changes
from closedloop.queries.theme_page import find_theme
from closedloop.services.contact_drivers import (
    DriverPreview,
    create_driver,
    merge_drivers,
    move_themes,
    preview_merge,
    preview_themes,
    rename_driver,
    restore_driver,
    retire_driver,
)
from closedloop.services.driver_proposals import propose_drivers
from closedloop.services.driver_undoing import undo_driver_change

NO_DRIVER = "none"

yes_option = click.option(
    "--yes", is_flag=True, help="Do it; without, only show what would happen."
)
count_option = click.option(
    "--count", type=NUMBER, default=None, help="Themes that will move; needed above 100."
)


@click.group("drivers", invoke_without_command=True)
@instance_option
@json_option
@click.pass_context
@speaks_plainly
def drivers(context: click.Context, instance: Path | None, as_json: bool) -> None:
    """Print the contact drivers: the coarse reasons above themes, with their share.

    Driver volumes, which rates are held against, are another thing: closedloop drivers.
    """
    if context.invoked_subcommand is not None:
        return
    site = open_site(instance)
    with site.database.reading() as session:
        found = list_drivers(session, k=site.settings.privacy_k)
    if as_json:
        print_json(_all_facts(found))
        return
    headings = ["key", "contacts", "share", "4 weeks", "themes", "name"]
    print_table(headings, [_cells(row) for row in found.rows])
    if found.without:
        n = len(found.without.themes)
        click.echo(f"{n} {'theme has' if n == 1 else 'themes have'} no contact driver.")
    elif not found.rows:
        click.echo("There are no themes yet: closedloop themes discover")


@drivers.command("propose")
@instance_option
@json_option
@speaks_plainly
def propose(instance: Path | None, as_json: bool) -> None:
    """Put themes without a contact driver under one; what has one stays where it is."""
    site = open_site(instance)
    with site.database.transaction() as session:
        outcome = propose_drivers(session, settings=site.settings, by=COMMAND_LINE)
    if as_json:
        print_json(outcome.as_manifest())
        return
    click.echo(
        f"{len(outcome.placed)} themes placed, {len(outcome.born)} new contact drivers; "
        f"{len(outcome.left)} themes still have none."
    )


@drivers.command("move")
@click.argument("themes", nargs=-1, required=True)
@click.option("--to", required=True, help="Key of the contact driver, or “none”.")
@count_option
@yes_option
@instance_option
@json_option
@speaks_plainly
def move(
    themes: tuple[str, ...],
    to: str,
    count: int | None,
    yes: bool,
    instance: Path | None,
    as_json: bool,
) -> None:
    """Put THEMES, by their keys, under another contact driver; no run moves them again."""
    site = open_site(instance)

    def given(session: Any) -> dict[str, Any]:
        to_id = None if to == NO_DRIVER else find_driver(session, to).id
        return {"theme_ids": [find_theme(session, key).id for key in themes], "to_id": to_id}

    _do(site, as_json, yes, count, preview_themes, move_themes, given, to)


@drivers.command("merge")
@click.argument("key")
@click.option("--into", required=True, help="Key of the contact driver that takes its themes.")
@count_option
@yes_option
@instance_option
@json_option
@speaks_plainly
def merge(
    key: str, into: str, count: int | None, yes: bool, instance: Path | None, as_json: bool
) -> None:
    """Merge the contact driver KEY into another one."""
    site = open_site(instance)

    def given(session: Any) -> dict[str, Any]:
        into_id = find_driver(session, into).id
        return {"driver_id": find_driver(session, key).id, "into_id": into_id}

    _do(site, as_json, yes, count, preview_merge, merge_drivers, given, into)


@drivers.command("create")
@click.argument("name")
@instance_option
@speaks_plainly
def create(name: str, instance: Path | None) -> None:
    """Make a contact driver called NAME; move themes to it afterwards."""
    site = open_site(instance)
    with site.database.transaction() as session:
        change = create_driver(session, name=name, by=COMMAND_LINE)
        key, change_id = change.driver.key if change.driver else "", change.id
    click.echo(f"Made {key}. Take it back: closedloop themes drivers undo {change_id}")


@drivers.command("rename")
@click.argument("key")
@click.argument("name")
@instance_option
@speaks_plainly
def rename(key: str, name: str, instance: Path | None) -> None:
    """Call the contact driver KEY by NAME; no run changes it."""
    site = open_site(instance)
    with site.database.transaction() as session:
        driver_id = find_driver(session, key).id
        driver = rename_driver(session, driver_id=driver_id, name=name, by=COMMAND_LINE)
        said = f"{driver.key} is called {driver.name}."
    click.echo(said)


@drivers.command("retire")
@click.argument("key")
@instance_option
@speaks_plainly
def retire(key: str, instance: Path | None) -> None:
    """Take the contact driver KEY, which holds no themes, out of use."""
    site = open_site(instance)
    with site.database.transaction() as session:
        change = retire_driver(session, driver_id=find_driver(session, key).id, by=COMMAND_LINE)
        change_id = change.id
    click.echo(f"Retired {key}. Take it back: closedloop themes drivers undo {change_id}")


@drivers.command("restore")
@click.argument("key")
@instance_option
@speaks_plainly
def restore(key: str, instance: Path | None) -> None:
    """Bring the retired contact driver KEY back into use, without themes."""
    site = open_site(instance)
    with site.database.transaction() as session:
        change = restore_driver(session, driver_id=find_driver(session, key).id, by=COMMAND_LINE)
        change_id = change.id
    click.echo(f"Restored {key}. Take it back: closedloop themes drivers undo {change_id}")


@drivers.command("changes")
@click.option("--before", type=NUMBER, help="Only changes older than this number.")
@instance_option
@json_option
@speaks_plainly
def changes(before: int | None, instance: Path | None, as_json: bool) -> None:
    """Print what people did to contact drivers, newest first; 100 at a time."""
    site = open_site(instance)
    with site.database.reading() as session:
        rows = list_driver_changes(session, before_id=before)
    if as_json:
        print_json([vars(row) for row in rows])
        return
    headings = ["change", "kind", "driver", "into", "themes", "by", "taken back by"]
    cells = [
        [r.id, r.kind.value, r.driver_key, r.other_key, r.themes, r.changed_by, r.undone_by]
        for r in rows
    ]
    print_table(headings, cells)


@drivers.command("undo")
@click.argument("change", type=NUMBER)
@instance_option
@speaks_plainly
def undo(change: int, instance: Path | None) -> None:
    """Take CHANGE, by its number, back."""
    site = open_site(instance)
    with site.database.transaction() as session:
        undo_driver_change(session, change_id=change, by=COMMAND_LINE)
    click.echo("Taken back: every theme and name is where the change found it.")


def _do(
    site: Site,
    as_json: bool,
    yes: bool,
    count: int | None,
    preview: Callable[..., DriverPreview],
    verb: Callable[..., Any],
    given: Callable[[Any], dict[str, Any]],
    to: str,
) -> None:
    """Show what would move, and move it when that was said."""
    if not yes:
        with site.database.reading() as session:
            found = preview(session, k=site.settings.privacy_k, **given(session))
        _show(found, to, as_json)
        return
    with site.database.transaction() as session:
        change = verb(session, by=COMMAND_LINE, typed_count=count, **given(session))
        facts = {"change": change.id, "themes": change.themes}
    if as_json:
        print_json(facts)
        return
    click.echo(f"Done. Take it back: closedloop themes drivers undo {facts['change']}")


def _show(found: DriverPreview, to: str, as_json: bool) -> None:
    if as_json:
        print_json({"themes": [vars(theme) for theme in found.themes], "contacts": found.contacts})
        return
    rows = [
        [t.key, t.from_key or "none", "" if t.contacts is None else f"{t.contacts:,}", t.name]
        for t in found.themes
    ]
    print_table(["theme", "from", "contacts", "name"], rows)
    n = len(found.themes)
    click.echo(f"{n} {'theme' if n == 1 else 'themes'} would move to {to}. Nothing was changed.")
    for name in found.left_empty:
        click.echo(f"{name} would be left without themes.")


def _cells(row: DriverRow) -> list[Any]:
    contacts = "" if row.contacts is None else f"{row.contacts:,}"
    shares = ["" if value is None else f"{value:.0%}" for value in (row.share, row.change)]
    return [row.key, contacts, *shares, len(row.themes), row.name]


def _all_facts(found: DriverList) -> dict[str, Any]:
    without = found.without.themes if found.without else ()
    return {
        "drivers": [
            {
                "key": row.key,
                "name": row.name,
                "contacts": row.contacts,
                "share": row.share,
                "change_4_weeks": row.change,
                "themes": [theme.key for theme in row.themes],
            }
            for row in found.rows
        ],
        "themes_without": [theme.key for theme in without],
    }
