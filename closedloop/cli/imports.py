"""`closedloop imports list|show|rejects|cancel|roll-back|pick-up`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from closedloop.cli.options import (
    NUMBER,
    OUT_FILE,
    Number,
    Ticker,
    instance_option,
    json_option,
    open_site,
    print_json,
    print_table,
    speaks_plainly,
)
from closedloop.domain.audit import COMMAND_LINE
from closedloop.domain.errors import Conflict, Invalid
from closedloop.jobs.work import assign_new
from closedloop.queries.imports import (
    count_rejects,
    get_batch,
    list_batches,
    list_rejects,
    list_replays,
)
from closedloop.services.jobs import cancel_import
from closedloop.services.rejects import hidden_rows, rows_to_correct
from closedloop.services.rollback import COUNT_TYPED_ABOVE, begin_roll_back, roll_back_import
from closedloop.services.rollback_previews import preview_roll_back
from closedloop.services.watched_folder import pick_up_files

COUNTS = (
    "rows_read",
    "added",
    "unchanged",
    "changed",
    "renewed",
    "rejected",
    "left_out",
    "unidentified",
)


@click.group("imports")
def imports() -> None:
    """See what was imported, take an import out again, read the watched folder."""


def _state(batch: Any) -> str:
    if batch.rolled_back_at:
        return "taken out"
    return "half taken out" if batch.rolled_back_by else str(batch.state.value)


@imports.command("list")
@instance_option
@click.option("--limit", type=NUMBER, default=20, show_default=True)
@json_option
@speaks_plainly
def list_(instance: Path | None, limit: int, as_json: bool) -> None:
    """Print the newest imports."""
    site = open_site(instance)
    with site.database.reading() as session:
        rows = [
            {
                "id": batch.id,
                "file_name": batch.file_name,
                "source": batch.source,
                "format": batch.format,
                "origin": batch.origin,
                "mapping": batch.mapping_name,
                "state": _state(batch),
                "started_at": batch.started_at,
                **{name: getattr(batch, name) for name in COUNTS},
            }
            for batch in list_batches(session, limit=limit)
        ]
    if as_json:
        print_json(rows)
        return
    names = ["id", "file_name", "source", "state", "started_at", "rows_read", "added", "rejected"]
    print_table(names, [[row[name] for name in names] for row in rows])


@imports.command("show")
@click.argument("number", type=NUMBER)
@instance_option
@click.option(
    "--rejects",
    "limit",
    type=Number(least=0),
    default=50,
    show_default=True,
    help="Refused rows at most.",
)
@json_option
@speaks_plainly
def show(number: int, instance: Path | None, limit: int, as_json: bool) -> None:
    """Print what an import brought, and its refused rows, personal data hidden."""
    site = open_site(instance)
    with site.database.reading() as session:
        batch = get_batch(session, number)
        counts = count_rejects(session, number)
        rejects = [
            {"line": r.line, "reason": r.reason, "row": r.raw, "settled_by": r.settled_by_id}
            for r in list_rejects(session, batch_id=number, limit=limit)
        ]
        replays = [other.id for other in list_replays(session, number)]
        facts = {
            "id": batch.id,
            "file_name": batch.file_name,
            "source": batch.source,
            "state": _state(batch),
            "message": batch.message,
            "replay_of": batch.replay_of_id,
            **{name: getattr(batch, name) for name in COUNTS},
            "rejects_settled": counts.settled,
        }
    if as_json:
        reasons = [{"code": c, "rows": n, "example": said} for c, n, said in counts.reasons]
        more = {"redactions": batch.redactions, "replays": replays, "reasons": reasons}
        print_json({**facts, **more, "mapping": batch.mapping, "rejects": rejects})
        return
    print_table(["what", ""], [[k.replace("_", " "), v] for k, v in facts.items()])
    if replays:
        click.echo(f"Its refused rows were tried again by: {', '.join(map(str, replays))}.")
    if batch.redactions:
        hidden = sorted(batch.redactions.items(), key=lambda item: -item[1])
        print_table(["hidden", "times"], [[kind, n] for kind, n in hidden])
    if len(counts.reasons) > 1:
        print_table(["rows", "refused because"], [[n, said] for _, n, said in counts.reasons])
    if rejects:
        print_table(["line", "reason"], [[r["line"], r["reason"]] for r in rejects])


@imports.command("rejects")
@click.argument("number", type=NUMBER)
@click.argument("out", type=OUT_FILE)
@instance_option
@click.option(
    "--to-correct",
    "file",
    type=click.Path(exists=True, path_type=Path),
    metavar="FILE",
    help="The file that the import read: write the rows as they stand in it, personal data and "
    "all, to be corrected and brought again.",
)
@click.option("--kept", is_flag=True, help="The same from the file that the site keeps for a week.")
@speaks_plainly
def rejects(number: int, out: Path, instance: Path | None, file: Path | None, kept: bool) -> None:
    """Write the refused rows of an import to a CSV file, personal data hidden.

    Corrected rows come in with `closedloop import OUT --replay-of NUMBER`.
    """
    if file and out.resolve() == file.resolve():
        raise Invalid("OUT must be another file than FILE, whose rows are read from it.")
    site = open_site(instance)
    with site.database.reading() as session:
        if file or kept:
            lines = rows_to_correct(session, settings=site.settings, batch_id=number, file=file)
        else:
            lines = hidden_rows(session, batch_id=number)
        with out.open("w", encoding="utf-8", newline="") as stream:
            stream.writelines(lines)
    click.echo(f"Written: {out}")


@imports.command("cancel")
@click.argument("number", type=NUMBER)
@instance_option
@speaks_plainly
def cancel(number: int, instance: Path | None) -> None:
    """Ask the job to stop that reads an import, or takes it out.

    What it stored stays. A command that reads a file itself is stopped with Ctrl-C.
    """
    site = open_site(instance)
    with site.database.transaction() as session:
        job = cancel_import(session, batch_id=number, by=COMMAND_LINE)
    click.echo(f"Job {job.id} was asked to stop and does so at its next step.")


@imports.command("roll-back")
@click.argument("number", type=NUMBER)
@instance_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Say what would go; change nothing.")
@json_option
@speaks_plainly
def roll_back(number: int, instance: Path | None, yes: bool, dry_run: bool, as_json: bool) -> None:
    """Take everything out again that an import brought.

    The same file can be imported afterwards. Measurements made before stay as they were. Broken
    off, the same command goes on.
    """
    site = open_site(instance)
    with site.database.reading() as session:
        preview = preview_roll_back(session, batch_id=number, is_exact=dry_run or not yes)
    facts: dict[str, Any] = {
        name: getattr(preview, name)
        for name in ("contacts", "rebuilt", "restored", "customers", "quotes")
    }
    if dry_run:
        if as_json:
            print_json({**facts, "later": preview.later, "refusal": preview.refusal})
        else:
            print_table(["would go", ""], [[k, v] for k, v in facts.items()])
            click.echo(preview.refusal or "Nothing was changed.")
        return
    if preview.refusal:
        raise Conflict(preview.refusal)
    if not yes:
        _ask(facts, preview.later)
    with site.database.transaction() as session:
        begin_roll_back(session, batch_id=number, by=COMMAND_LINE)
    with Ticker() as ticker:
        done = roll_back_import(
            site.database.transaction,
            settings=site.settings,
            batch_id=number,
            by=COMMAND_LINE,
            report=ticker,
        )
        assign_new(site.database, site.settings, COMMAND_LINE, ticker)
    gone = {"contacts": done.contacts, "messages": done.messages, "customers": done.customers}
    gone["restored"] = done.restored
    if as_json:
        print_json({"id": number, **gone})
        return
    print_table(["taken out", ""], [[k, v] for k, v in gone.items()])


def _ask(facts: dict[str, Any], later: list[tuple[int, int]]) -> None:
    print_table(["goes", ""], [[name, value] for name, value in facts.items()])
    for batch_id, rows in later:
        click.echo(f"Import {batch_id} found {rows:,} rows it had already; those of them go, too.")
    click.echo("Measurements that used these contacts stay as they were made.")
    if facts["contacts"] <= COUNT_TYPED_ABOVE:
        is_meant = click.confirm("Take it out?", default=False)
    else:
        typed = click.prompt("Type the number of contacts that go", default="", show_default=False)
        is_meant = "".join(filter(str.isdigit, typed)) == str(facts["contacts"])
    if not is_meant:
        raise Invalid("Nothing was taken out.")


@imports.command("pick-up")
@instance_option
@json_option
@speaks_plainly
def pick_up(instance: Path | None, as_json: bool) -> None:
    """Read what lies in the watched folder now."""
    site = open_site(instance)
    if not site.settings.watched_folder:
        raise Invalid("No folder is watched. Set CLOSEDLOOP_WATCHED_FOLDER to one.")
    with Ticker() as ticker:
        files = pick_up_files(
            site.database.transaction, settings=site.settings, by=COMMAND_LINE, report=ticker
        )
        if any(file.outcome == "done" for file in files):
            assign_new(site.database, site.settings, COMMAND_LINE, ticker)
    rows = [
        {"file": f.file_name, "mapping": f.mapping_name, "outcome": f.outcome, "said": f.sentence}
        for f in files
    ]
    if as_json:
        print_json(rows)
    elif rows:
        print_table(list(rows[0]), [list(row.values()) for row in rows])
    else:
        click.echo("Nothing is waiting.")
