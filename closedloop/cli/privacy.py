"""`closedloop erase`, `closedloop texts expire`, `closedloop keys rotate|status`."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Any

import click
from sqlalchemy.exc import DatabaseError

from closedloop.cli.options import (
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
from closedloop.domain.errors import Invalid, NotFound, Refusal
from closedloop.domain.identities import IdentifierKind
from closedloop.services.erasure import Erased, erase_customer
from closedloop.services.expiry import expire_texts
from closedloop.services.key_rotation import rotate_customer_key
from closedloop.services.key_state import find_key_state, key_problem

NOBODY = 3
"""Exit status where somebody asked for is not known."""


@click.command("erase")
@instance_option
@click.option(
    "--customer",
    "customers",
    multiple=True,
    required=True,
    help="Id of the customer as the source names it; “-” reads one a line from standard input, "
    "which keeps it out of the history of your shell.",
)
@click.option(
    "--kind",
    type=click.Choice([kind.value for kind in IdentifierKind]),
    help="The id is a phone number, an e-mail address or an account number.",
)
@click.option(
    "--only-own",
    is_flag=True,
    help="Where several share the id: erase the one whose own id it is. Others who were seen with "
    "it stay, without it.",
)
@click.option("--dry-run", is_flag=True, help="Say what would go; change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--vacuum",
    is_flag=True,
    help="Rewrite the database, so that nothing stays in its free space. Takes as much disk again.",
)
@json_option
@speaks_plainly
def erase(
    instance: Path | None,
    customers: tuple[str, ...],
    kind: str | None,
    only_own: bool,
    dry_run: bool,
    yes: bool,
    vacuum: bool,
    as_json: bool,
) -> None:
    """Remove every trace of a customer: contacts, words, hashes, uploads.

    Decisions and measurements stay; one line of the audit log says that somebody was erased, not
    who. Exit status 0: done; 1: refused; 3: somebody is not known here, everybody else is done.
    """
    site = open_site(instance)
    wanted = _read_customers(customers)
    if not dry_run and not yes:
        if "-" in customers:
            raise Invalid("Ids from standard input leave nobody to ask: add --yes.")
        shown = f"{len(wanted):,} customers" if len(wanted) > 1 else "this customer"
        click.confirm(f"Erase {shown} for good?", abort=True, err=True)
    done: list[Erased] = []
    unknown: list[int] = []
    refused: list[tuple[int, str]] = []
    for number, text in enumerate(wanted, 1):
        try:
            done.append(_erase(site, text, kind, only_own=only_own, dry_run=dry_run))
        except NotFound:
            unknown.append(number)
        except Refusal as refusal:
            refused.append((number, refusal.sentence))
    left = _empty_log(site, vacuum=vacuum) if done and not dry_run else ""
    _tell(site, done, unknown, refused, dry_run=dry_run, vacuum=vacuum, as_json=as_json)
    if left:
        click.echo(left, err=True)
    sys.exit(1 if refused or left else NOBODY if unknown else 0)


def _empty_log(site: Site, *, vacuum: bool = False) -> str:
    """Drop old copies of what is gone; return what is left of it, with what to do."""
    try:
        if site.database.compact(vacuum=vacuum):
            return ""
    except DatabaseError as error:
        said = str(error.orig).strip().partition("\n")[0]
        return (
            f"They are gone, but the database could not be rewritten ({said}), so that older "
            "copies of what was deleted may stand in its free space. Make room, stop what else "
            "writes to it, and run VACUUM on it."
        )
    return (
        "They are gone, but somebody was reading the database, so that its log still holds what "
        "was deleted. Housekeeping empties it in the night; so does a stop of the whole site."
    )


def _read_customers(customers: tuple[str, ...]) -> list[str]:
    found: list[str] = []
    for text in customers:
        found += sys.stdin.read().splitlines() if text == "-" else [text]
    found = list(dict.fromkeys(filter(None, map(str.strip, found))))
    if not found:
        raise Invalid("No customer was named.")
    return found


def _erase(site: Site, text: str, kind: str | None, *, only_own: bool, dry_run: bool) -> Erased:
    return erase_customer(
        site.database.transaction,
        settings=site.settings,
        customer_id_text=text,
        kind=IdentifierKind(kind) if kind else None,
        only_own=only_own,
        by=COMMAND_LINE,
        dry_run=dry_run,
    )


def _tell(
    site: Site,
    done: list[Erased],
    unknown: list[int],
    refused: list[tuple[int, str]],
    *,
    dry_run: bool,
    vacuum: bool,
    as_json: bool,
) -> None:
    if as_json:
        print_json(
            {
                "dry_run": dry_run,
                "erased": [_plain(erased) for erased in done],
                "unknown": unknown,
                "refused": [{"number": n, "sentence": sentence} for n, sentence in refused],
            }
        )
        return
    for erased in done:
        facts = _plain(erased)
        lists = {name: facts.pop(name) for name in ("files", "unsearched", "mentioned")}
        print_table(
            ["would go" if dry_run else "gone", "number"], [[k, v] for k, v in facts.items()]
        )
        for name in lists["files"]:
            click.echo(f"Upload {'that would be ' if dry_run else ''}deleted: {name}")
        for name in lists["unsearched"]:
            click.echo(
                f"Nobody could look inside: {name}. An upload goes within a week; any other file "
                "is yours to look into."
            )
        for name in lists["mentioned"]:
            click.echo(f"{name} holds the id: look at it and delete it yourself.")
    for number in unknown:
        click.echo(
            f"Nobody is known by id {number} of those named. Write it as the source does, or say "
            "with --kind what it is.",
            err=True,
        )
    for number, sentence in refused:
        click.echo(f"Id {number}: {sentence}", err=True)
    if done and not dry_run:
        click.echo(_rest(site, vacuum))


def _plain(erased: Erased) -> dict[str, Any]:
    return {k: v for k, v in dataclasses.asdict(erased).items() if k != "tokens"}


def _rest(site: Site, vacuum: bool) -> str:
    """Say what is left to do."""
    left = "Backups and the systems the contacts came from are yours to clean."
    if vacuum:
        return left
    if site.database.engine.dialect.name == "postgresql":
        return f"PostgreSQL keeps deleted rows until its VACUUM: --vacuum runs it now. {left}"
    return f"Free pages of the file may hold older copies: --vacuum drops them. {left}"


@click.group("texts")
def texts() -> None:
    """Look after what customers said."""


@texts.command("expire")
@instance_option
@click.option("--dry-run", is_flag=True, help="Say what would go; change nothing.")
@json_option
@speaks_plainly
def expire(instance: Path | None, dry_run: bool, as_json: bool) -> None:
    """Delete texts older than CLOSEDLOOP_TEXT_DAYS; the nightly round does so, too.

    Counts, themes, decisions and measurements stay as they are.
    """
    site = open_site(instance)
    with Ticker() as ticker:
        expired = expire_texts(
            site.database.transaction,
            settings=site.settings,
            by=COMMAND_LINE,
            report=ticker,
            dry_run=dry_run,
        )
    has_deleted = bool(expired.texts or expired.rejects) and not dry_run
    left = _empty_log(site) if has_deleted else ""
    verb = "would expire" if dry_run else "expired"
    if as_json:
        print_json(dataclasses.asdict(expired))
    elif expired.before is None:
        click.echo("Texts are kept for ever: CLOSEDLOOP_TEXT_DAYS is 0.")
    else:
        click.echo(
            f"{expired.texts:,} texts of before {expired.before} {verb}, "
            f"and {expired.rejects:,} rows in quarantine."
        )
    if left:
        click.echo(left, err=True)
        sys.exit(1)


@click.group("keys")
def keys() -> None:
    """Look after the key that customers are hashed with."""


@keys.command("rotate")
@instance_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@speaks_plainly
def rotate(instance: Path | None, yes: bool, as_json: bool) -> None:
    """Put a new customer key on top of the old ones. Customers, chains and ids stay.

    Stop `serve` and workers first, or start them again afterwards: with the old settings they can
    import nothing. Broken off, the same command goes on where it stopped.
    """
    site = open_site(instance)
    if not yes:
        click.confirm(
            f"Rotate the customer key of {site.settings.instance}? Back the instance up first.",
            abort=True,
            err=True,
        )
    with Ticker() as ticker:
        done = rotate_customer_key(
            site.database.transaction, settings=site.settings, by=COMMAND_LINE, report=ticker
        )
    if as_json:
        print_json(dataclasses.asdict(done))
        return
    click.echo(
        f"{done.version} keys lie upon each other now; {done.rows:,} hashes were replaced. Start "
        "`serve` and workers again, and back the instance directory up: its closedloop.env is new."
    )


@keys.command("status")
@instance_option
@json_option
@speaks_plainly
def status(instance: Path | None, as_json: bool) -> None:
    """Say whether the keys of the settings are those of the database; exit status 1 if not."""
    site = open_site(instance)
    facts: dict[str, Any] = describe_keys(site)
    if as_json:
        print_json(facts)
    else:
        click.echo(facts["found"])
    sys.exit(0 if facts["ok"] else 1)


def describe_keys(site: Site) -> dict[str, Any]:
    """Return what is to be said of the customer keys."""
    with site.database.reading() as session:
        state = find_key_state(session)
    problem = key_problem(state, site.settings)
    number = len(site.settings.customer_keys)
    words = "1 key" if number == 1 else f"{number} keys"
    found = f"{words}, as in the database" if state else f"{words}; nothing is stored with it yet"
    return {"ok": not problem, "keys": number, "found": problem or found}
