"""`closedloop init` and `closedloop doctor`."""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path
from typing import Any

import click

from closedloop.cli.options import (
    instance_option,
    json_option,
    open_site,
    print_json,
    print_table,
    speaks_plainly,
)
from closedloop.cli.privacy import describe_keys
from closedloop.config import (
    DEFAULT_INSTANCE,
    INSTANCE_FILE,
    find_unknown,
    make_instance,
    read_env_file,
)
from closedloop.domain.accounts import Role
from closedloop.domain.audit import COMMAND_LINE
from closedloop.domain.errors import Invalid
from closedloop.queries.accounts import has_users
from closedloop.queries.jobs import find_leader
from closedloop.queries.site import (
    DaysLookedAt,
    get_data_span,
    get_definition_set_number,
    look_at_days,
)
from closedloop.services.accounts import add_user
from closedloop.services.claims import try_encoder
from closedloop.services.migrations import database_revisions, upgrade_database
from closedloop.services.redaction import describe_redaction
from closedloop.services.watched_folder import look_at_folder


@click.command("init")
@instance_option
@click.option("--admin-email", envvar="CLOSEDLOOP_ADMIN_EMAIL", help="First administrator.")
@click.option("--admin-name", default="Administrator", show_default=True)
@click.option(
    "--admin-password",
    envvar="CLOSEDLOOP_ADMIN_PASSWORD",
    help="Better in the environment than here; one is made and printed when it is left out.",
)
@click.option(
    "--set",
    "pairs",
    multiple=True,
    metavar="NAME=VALUE",
    help="Setting to write down, unless the instance has it.",
)
@json_option
@speaks_plainly
def init(
    instance: Path | None,
    admin_email: str | None,
    admin_name: str,
    admin_password: str | None,
    pairs: tuple[str, ...],
    as_json: bool,
) -> None:
    """Make or upgrade an instance: keys, database, first administrator. Asks nothing.

    Running it again keeps keys, settings, data and people, and brings the tables up to date.
    """
    directory = instance or DEFAULT_INSTANCE
    values = {}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not sign:
            raise Invalid(f"--set {pair} sets nothing. Write --set NAME=VALUE.")
        name = name.upper()
        values[name if name.startswith("CLOSEDLOOP_") else f"CLOSEDLOOP_{name}"] = value
    standing = read_env_file(directory / INSTANCE_FILE)
    path = make_instance(directory, values)
    not_set = sorted(name for name in values if standing.get(name, values[name]) != values[name])
    site = open_site(directory, needs_tables=False)
    upgrade_database(site.database.engine)
    made_password = None
    with site.database.transaction() as session:
        nobody = not has_users(session)
        if nobody and admin_email:
            if not admin_password:
                admin_password = made_password = secrets.token_urlsafe(12)
            add_user(
                session,
                email=admin_email,
                name=admin_name,
                password=admin_password,
                role=Role.ADMIN,
                department_id=None,
                by=COMMAND_LINE,
            )
    facts = {
        "instance": str(site.settings.instance),
        "database": site.database.engine.url.render_as_string(hide_password=True),
        "admin": admin_email if nobody else None,
        "password": made_password,
        "not_set": not_set,
    }
    if as_json:
        print_json(facts)
        return
    click.echo(f"The instance is ready: {facts['instance']}")
    if not_set:
        click.echo(
            f"Not set, as this instance has another value already: {', '.join(not_set)}. To change "
            f"it, write it in {path} and start closedloop again."
        )
    if made_password:
        click.echo(f"Sign in as {admin_email} with the password {made_password} and change it.")
    elif nobody and not admin_email:
        click.echo("Nobody can sign in yet: the first page you open asks for an administrator.")
    click.echo(f"Next: closedloop serve --instance {directory}")


@click.command("doctor")
@instance_option
@json_option
@speaks_plainly
def doctor(instance: Path | None, as_json: bool) -> None:
    """Look at an instance and say what is not as it should be, and what to do."""
    site = open_site(instance, needs_tables=False)
    checks = [
        _keys(site.settings.instance),
        *(_check("bad", "settings", sentence) for sentence in find_unknown(site.settings.instance)),
        *_database(site),
        _encoder(site),
        _redaction(site),
        _private(site.settings.instance),
        _writable(site),
        *_watched_folder(site),
    ]
    if as_json:
        print_json(checks)
    else:
        print_table(["", "what", "found"], [[c["state"], c["what"], c["found"]] for c in checks])
    sys.exit(any(check["state"] == "bad" for check in checks))


def _check(state: str, what: str, found: str) -> dict[str, str]:
    return {"state": state, "what": what, "found": found}


def _keys(instance: Path) -> dict[str, str]:
    path = instance / INSTANCE_FILE
    if not path.exists():
        return _check("ok", "keys", "from the environment")
    if os.name == "posix" and path.stat().st_mode & 0o077:
        return _check("bad", "keys", f"other users can read {path.name}: chmod 600 it")
    return _check("ok", "keys", "in the instance, readable by its owner only")


def _database(site: Any) -> list[dict[str, str]]:
    current, newest = database_revisions(site.database.engine)
    if current != newest:
        found = f"stands at {current or 'nothing'}, needs {newest}: run `closedloop init`"
        return [_check("bad", "tables", found)]
    keys = describe_keys(site)
    with site.database.reading() as session:
        span = get_data_span(session)
        people = has_users(session)
        leader = find_leader(session)
        number = get_definition_set_number(session)
        zone = _zone(look_at_days(session, site.settings.reporting_zone), site)
    dialect = site.database.engine.dialect.name
    days = f"{span.first_day} to {span.last_day}" if span.first_day else "none yet"
    return [
        _check("ok", "tables", f"{dialect}, at {newest}"),
        _check("ok" if keys["ok"] else "bad", "customer keys", keys["found"]),
        _check("ok" if people else "note", "people", "some" if people else "none: open the site"),
        _check("ok" if span.first_day else "note", "contacts", days),
        *zone,
        _check("ok" if number else "note", "definition set", str(number or "none yet")),
        _check(
            "ok" if leader else "note",
            "scheduler",
            leader.holder if leader else "nobody leads: `closedloop serve` or `scheduler` runs it",
        ),
    ]


def _zone(days: DaysLookedAt, site: Any) -> list[dict[str, str]]:
    """Say when contacts were given their days in another time zone than the one that is set."""
    if not days.elsewhere:
        return []
    found = (
        f"{days.elsewhere:,} of {days.contacts:,} contacts lie on other days than "
        f"{site.settings.reporting_zone} has: it was set after they were imported. Set "
        "CLOSEDLOOP_REPORTING_ZONE back, or take those imports out and bring them again"
    )
    return [_check("bad", "time zone", found)]


def _encoder(site: Any) -> dict[str, str]:
    try:
        name, dimensions = try_encoder(site.settings)
    except Exception as error:
        return _check("bad", "encoder", f"does not load: {error}")
    return _check("ok", "encoder", f"{name}, {dimensions} dimensions")


def _redaction(site: Any) -> dict[str, str]:
    is_usable, found = describe_redaction(site.settings)
    return _check("ok" if is_usable else "bad", "redaction", found)


def _private(instance: Path) -> dict[str, str]:
    """Look whether others can read what customers said: database, uploads, waiting files."""
    if os.name == "posix" and instance.is_dir() and instance.stat().st_mode & 0o077:
        return _check("bad", "privacy", f"other users can read {instance}: chmod 700 it")
    return _check("ok", "privacy", "the instance directory is closed to other users")


def _writable(site: Any) -> dict[str, str]:
    probe = site.settings.instance / ".doctor"
    try:
        probe.write_text("")
        probe.unlink()
    except OSError as error:
        return _check("bad", "instance directory", f"cannot be written: {error.strerror}")
    return _check("ok", "instance directory", "can be written")


def _watched_folder(site: Any) -> list[dict[str, str]]:
    state = look_at_folder(site.settings)
    if state is None:
        return []
    if state.problem:
        return [_check("bad", "watched folder", state.problem)]
    found = f"{len(state.waiting):,} waiting, {state.n_failed:,} that could not be read"
    if state.shut:
        found += f"; cannot be read and written, so nothing in it is: {', '.join(state.shut)}"
    is_well = not (state.n_failed or state.shut)
    return [_check("ok" if is_well else "note", "watched folder", found)]
