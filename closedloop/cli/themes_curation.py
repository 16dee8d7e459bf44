"""`closedloop themes move|split|retire|restore|changes|undo`: shown first, done with --yes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from closedloop.cli.options import (
    CONTACT_NUMBER,
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
from closedloop.queries.curation import Change, find_change, is_of_parts, list_changes
from closedloop.queries.theme_page import find_theme
from closedloop.services.curation import (
    move_contacts,
    preview_move,
    preview_split,
    split_theme,
)
from closedloop.services.parts_undoing import undo_parts
from closedloop.services.retiring import (
    preview_restore,
    preview_retire,
    restore_theme,
    retire_theme,
)
from closedloop.services.undoing import undo_change

NO_THEME = "none"

key_argument = click.argument("key")
ids_argument = click.argument("contacts", nargs=-1, required=True, type=CONTACT_NUMBER)
yes_option = click.option(
    "--yes", is_flag=True, help="Do it; without, only show what would happen."
)
count_option = click.option(
    "--count",
    type=NUMBER,
    default=None,
    help=f"Contacts that will move; needed with --yes above {COUNT_TO_TYPE_ABOVE}.",
)


@click.command("move")
@key_argument
@ids_argument
@click.option("--to", required=True, help="Key of the theme they belong to, or “none”.")
@count_option
@yes_option
@instance_option
@json_option
@speaks_plainly
def move(
    key: str,
    contacts: tuple[int, ...],
    to: str,
    count: int | None,
    yes: bool,
    instance: Path | None,
    as_json: bool,
) -> None:
    """Say that CONTACTS of the theme KEY belong to another one, by their numbers."""
    site = open_site(instance)

    def given(session: Any) -> dict[str, Any]:
        to_id = None if to == NO_THEME else find_theme(session, to).id
        return {
            "theme_id": find_theme(session, key).id,
            "contact_ids": contacts,
            "to_id": to_id,
        }

    _do(
        site,
        as_json,
        yes,
        lambda session: preview_move(session, k=site.settings.privacy_k, **given(session)),
        lambda session: move_contacts(
            session,
            settings=site.settings,
            by=COMMAND_LINE,
            typed_count=count,
            **given(session),
        ),
        f"from {key} to {'no theme' if to == NO_THEME else to}",
    )


@click.command("split")
@key_argument
@ids_argument
@click.option("--name", required=True, help="Name of the new theme.")
@count_option
@yes_option
@instance_option
@json_option
@speaks_plainly
def split(
    key: str,
    contacts: tuple[int, ...],
    name: str,
    count: int | None,
    yes: bool,
    instance: Path | None,
    as_json: bool,
) -> None:
    """Make a theme of what is like CONTACTS in the theme KEY; it waits for triage."""
    site = open_site(instance)
    _do(
        site,
        as_json,
        yes,
        lambda session: preview_split(
            session,
            theme_id=find_theme(session, key).id,
            contact_ids=contacts,
            k=site.settings.privacy_k,
        ),
        lambda session: split_theme(
            session,
            settings=site.settings,
            theme_id=find_theme(session, key).id,
            contact_ids=contacts,
            name=name,
            by=COMMAND_LINE,
            typed_count=count,
        ),
        f"from {key} to a new theme",
    )


@click.command("retire")
@key_argument
@count_option
@yes_option
@instance_option
@json_option
@speaks_plainly
def retire(key: str, count: int | None, yes: bool, instance: Path | None, as_json: bool) -> None:
    """Take a theme out of use: its contacts are in no theme, and no run proposes it again."""
    _keep_or_drop(key, count, yes, instance, as_json, preview_retire, retire_theme, f"out of {key}")


@click.command("restore")
@key_argument
@count_option
@yes_option
@instance_option
@json_option
@speaks_plainly
def restore(key: str, count: int | None, yes: bool, instance: Path | None, as_json: bool) -> None:
    """Bring a retired theme back, with its contacts and those that came in since."""
    _keep_or_drop(key, count, yes, instance, as_json, preview_restore, restore_theme, f"to {key}")


@click.command("changes")
@key_argument
@click.option("--before", type=NUMBER, help="Only changes older than this number.")
@instance_option
@json_option
@speaks_plainly
def changes(key: str, before: int | None, instance: Path | None, as_json: bool) -> None:
    """Print what people did to a theme, newest first, 100 at a time, with the number to undo it."""
    site = open_site(instance)
    with site.database.reading() as session:
        found = list_changes(session, find_theme(session, key).id, before_id=before)
    if as_json:
        print_json([_facts(change) for change in found])
        return
    headings = ["number", "when", "what", "contacts", "other theme", "by", "taken back by"]
    print_table(headings, [[str(cell) for cell in _facts(change).values()] for change in found])


@click.command("undo")
@click.argument("change", type=NUMBER)
@yes_option
@instance_option
@json_option
@speaks_plainly
def undo(change: int, yes: bool, instance: Path | None, as_json: bool) -> None:
    """Take a change back by its NUMBER, as `closedloop themes changes` prints it."""
    site = open_site(instance)
    if not yes:
        with site.database.reading() as session:
            _say_undo(find_change(session, change), as_json, yes)
        return
    with site.database.reading() as session:
        is_job = is_of_parts(session, change)
    if is_job:
        _undo_parts(site, change, as_json)
        return
    with site.database.transaction() as session:
        done = undo_change(session, settings=site.settings, change_id=change, by=COMMAND_LINE)
        _say_undo(done, as_json, yes)


def _undo_parts(site: Site, change: int, as_json: bool) -> None:
    with Ticker() as ticker:
        undo_parts(
            site.database.transaction,
            settings=site.settings,
            change_id=change,
            by=COMMAND_LINE,
            report=ticker,
        )
    with site.database.reading() as session:
        _say_undo(find_change(session, change), as_json, yes=True)


def _say_undo(change: Any, as_json: bool, yes: bool) -> None:
    key = change.theme.key
    if as_json:
        number = change.id if yes else None
        print_json({"change": number, "theme": key, "contacts": change.contacts})
    elif yes:
        click.echo(f"Taken back: {key} is as it was.")
    else:
        what = f"{change.kind.value} of {key} by {change.changed_by}, {change.contacts:,} contacts"
        click.echo(f"Change {change.id}: {what}.")
        click.echo("Nothing was changed. Repeat with --yes to take it back.")


def _keep_or_drop(
    key: str,
    count: int | None,
    yes: bool,
    instance: Path | None,
    as_json: bool,
    look: Callable[..., Any],
    change: Callable[..., Any],
    words: str,
) -> None:
    site = open_site(instance)
    _do(
        site,
        as_json,
        yes,
        lambda session: look(
            session, theme_id=find_theme(session, key).id, k=site.settings.privacy_k
        ),
        lambda session: change(
            session,
            settings=site.settings,
            theme_id=find_theme(session, key).id,
            by=COMMAND_LINE,
            typed_count=count,
        ),
        words,
    )


def _do(
    site: Site,
    as_json: bool,
    yes: bool,
    look: Callable[[Any], Any],
    change: Callable[[Any], Any],
    words: str,
) -> None:
    """Show what would happen and, if it was said, do it."""
    with site.database.reading() as session:
        preview = look(session)
    facts = {
        "contacts": preview.contacts,
        "named": preview.chosen,
        "customers": preview.customers,
        "stay": preview.stays,
        "notes": list(preview.notes),
        "change": None,
    }
    if yes:
        with site.database.transaction() as session:
            facts["change"] = change(session).id
    if as_json:
        print_json(facts)
        return
    k = site.settings.privacy_k
    people = f"fewer than {k}" if preview.customers is None else f"{preview.customers:,}"
    verb = "moved" if yes else "would move"
    click.echo(f"{preview.contacts:,} contacts of {people} customers {verb} {words}.")
    for note in preview.notes:
        click.echo(note)
    if yes:
        click.echo(f"To take it back: closedloop themes undo {facts['change']} --yes")
        return
    more = f" --count {preview.contacts}" if must_type_count(preview.contacts) else ""
    click.echo(f"Nothing was changed. Repeat with --yes{more} to do it.")


def _facts(change: Change) -> dict[str, Any]:
    return {
        "number": change.id,
        "when": change.changed_at.isoformat(timespec="minutes"),
        "what": change.kind,
        "contacts": change.contacts,
        "other": change.other_key or "",
        "by": change.changed_by,
        "undone_by": change.undone_by,
    }
