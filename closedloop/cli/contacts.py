"""`closedloop import FILE`: look at it, try it out, read it in; Ctrl-C stops at the next step."""

from __future__ import annotations

import dataclasses
import math
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from closedloop.adapters.guesses import DATES_ALONE, source_from
from closedloop.adapters.mapping import DEFAULT_SOURCE, ON_CHANGE, Mapping
from closedloop.adapters.types import BadMapping
from closedloop.cli.import_words import print_preview, print_sample, say_result
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
from closedloop.domain.errors import Invalid
from closedloop.domain.jobs import Progress
from closedloop.queries.imports import count_batch_contacts, count_rejects, get_batch
from closedloop.queries.mappings import find_mappings_for, get_mapping
from closedloop.services.contact_files import RecognisedFile, measure_extent
from closedloop.services.contacts import import_file, preview_file, recognise_file
from closedloop.services.long_work import Cancelled
from closedloop.services.mappings import save_mapping
from closedloop.services.previews import ImportPreview
from closedloop.services.rejects import get_kept_file
from closedloop.services.replays import lines_to_try
from closedloop.services.same_contacts import refuse_second_source

PREVIEWED_ROWS = 20
COUNTS_OF_ROWS = ("added", "unchanged", "changed", "renewed", "rejected")


@dataclasses.dataclass(frozen=True)
class _Wanted:
    """What a command is to read, and how."""

    file: Path
    file_name: str
    found: RecognisedFile
    mapping: Mapping
    mapping_name: str
    source: str
    replay_of_id: int | None
    fitting: list[str]
    """Names of the mappings saved for the same columns, last used first."""
    is_source_guessed: bool
    """Whether nobody named the source and it was taken from the name of the file."""


@click.command("import")
@click.argument("file", required=False, type=click.Path(exists=True, path_type=Path))
@instance_option
@click.option(
    "--mapping",
    "mapping_name",
    metavar="NAME|FILE",
    help="A saved mapping, or a file that says which column is what; see docs/import/README.md. "
    "Guessed when left out; exports of known systems need none.",
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
@click.option(
    "--pause",
    "pauses",
    multiple=True,
    metavar="CHANNEL=HOURS",
    help="Exports whose conversations are cut into contacts: hours without a message after which "
    "the customer's next one is another contact. [default: 72 in email and web, else 12]",
)
@click.option(
    "--on-change",
    type=click.Choice(list(ON_CHANGE)),
    help="What becomes of a known contact that comes with other content: the first version is "
    "kept, the later one replaces it, or does so and adds its words to those before. [default: "
    "the mapping's; keep for tables, replace for exports of known systems, extend for Zendesk]",
)
@click.option("--save-mapping", metavar="NAME", help="Keep how the file is read under a name.")
@click.option("--preview", is_flag=True, help="Show the first rows beside what they become.")
@click.option("--dry-run", is_flag=True, help="Say what would happen; change nothing.")
@click.option(
    "--replay-of",
    type=NUMBER,
    metavar="NUMBER",
    help="Try the refused rows of an import again: with its own file only those rows are read. "
    "FILE may be left out as long as the site keeps that one.",
)
@click.option("--yes", is_flag=True, help="Do not ask, and let a saved mapping be changed.")
@click.option("--no-assign", is_flag=True, help="Do not give the new contacts their themes yet.")
@json_option
@speaks_plainly
def import_contacts(
    file: Path | None,
    instance: Path | None,
    mapping_name: str | None,
    source: str | None,
    zone: str | None,
    date_order: str | None,
    session_gap_hours: float | None,
    pauses: tuple[str, ...],
    on_change: str | None,
    save_mapping: str | None,
    preview: bool,
    dry_run: bool,
    replay_of: int | None,
    yes: bool,
    no_assign: bool,
    as_json: bool,
) -> None:
    """Take a file, an archive or a directory of contacts in.

    Importing the same file again changes nothing. Rows that cannot be read go to quarantine with
    their line and the reason. After Ctrl-C, or any accident, the same command goes on where the
    last one stopped.
    """
    site = open_site(instance)
    changes: dict[str, Any] = {}
    if zone:
        changes["zone"] = zone
    if date_order:
        changes["date_order"] = date_order
    if session_gap_hours is not None:
        changes["session_gap_seconds"] = _gap_seconds(session_gap_hours)
    if pauses:
        changes["pauses"] = dict(map(_pause, pauses))
    if on_change:
        changes["on_change"] = on_change
    wanted = _wanted(site, file, mapping_name, source, changes, replay_of)
    if preview:
        _show_sample(site, wanted, as_json)
        return
    _refuse_second_source(site, wanted)
    if dry_run:
        if not as_json:
            _warn_of_dates_alone(wanted.mapping)
        print_preview(_try_out(site, wanted), as_json)
        return
    is_sure = yes or as_json or mapping_name or wanted.found.has_own_mapping
    if not is_sure and sys.stdin.isatty():
        _ask(wanted)
    if save_mapping:
        wanted = _save(site, wanted, save_mapping, replace=yes)
    _read_in(site, wanted, no_assign=no_assign, as_json=as_json)


def _wanted(
    site: Site,
    given: Path | None,
    mapping_name: str | None,
    source: str | None,
    changes: dict[str, Any],
    replay_of: int | None,
) -> _Wanted:
    """Return what to read, from the options, a saved mapping, or what the file looks like."""
    file, file_name = _file(site, given, replay_of)
    found = recognise_file(file)
    name = ""
    if mapping_name and _is_file(mapping_name):
        mapping = Mapping.load(Path(mapping_name))
    elif mapping_name:
        with site.database.reading() as session:
            known = get_mapping(session, mapping_name)
        mapping, name = Mapping.from_dict(known.mapping), known.name
    elif replay_of is not None:
        with site.database.reading() as session:
            batch = get_batch(session, replay_of)
            mapping = Mapping.from_dict({**batch.mapping, "source": batch.source})
    else:
        mapping = found.mapping
    mapping = dataclasses.replace(mapping, **changes)
    is_guessed = not source and mapping.source == DEFAULT_SOURCE and replay_of is None
    source = source or _source_of(site, mapping, file_name, replay_of)
    with site.database.reading() as session:
        facts = found.facts
        saved = find_mappings_for(session, format=facts.format, header=facts.header)
    fitting = [known.name for known in saved]
    name = "" if changes else name
    return _Wanted(file, file_name, found, mapping, name, source, replay_of, fitting, is_guessed)


def _source_of(site: Site, mapping: Mapping, file_name: str, replay_of: int | None) -> str:
    """Return the mapping's source, that of the import tried again, or what the file's name says."""
    if mapping.source != DEFAULT_SOURCE:
        return mapping.source
    if replay_of is None:
        return source_from(file_name)
    with site.database.reading() as session:
        return get_batch(session, replay_of).source


def _file(site: Site, given: Path | None, replay_of: int | None) -> tuple[Path, str]:
    """Return the file to read and its name: the one given, or the one an import read."""
    if given is not None:
        return given, given.name
    if replay_of is None:
        raise click.UsageError("Name the FILE to read.")
    kept = get_kept_file(site.settings, replay_of)
    return kept.path, kept.file_name


def _is_file(text: str) -> bool:
    return text.lower().endswith((".json", ".toml")) or Path(text).is_file()


def _refuse_second_source(site: Site, wanted: _Wanted) -> None:
    """Refuse what came before under another source, where the source is a guess."""
    if wanted.is_source_guessed:
        with site.database.reading() as session:
            refuse_second_source(
                session,
                settings=site.settings,
                path=wanted.file,
                mapping=wanted.mapping,
                source=wanted.source,
            )


def _save(site: Site, wanted: _Wanted, name: str, *, replace: bool) -> _Wanted:
    with site.database.transaction() as session:
        saved = save_mapping(
            session,
            name=name,
            format=wanted.found.facts.format,
            header=wanted.found.facts.header,
            mapping=dataclasses.replace(wanted.mapping, source=wanted.source),
            by=COMMAND_LINE,
            replace=replace,
        )
        return dataclasses.replace(wanted, mapping_name=saved.name)


def _ask(wanted: _Wanted) -> None:
    """Show how the file would be read and ask whether that is right."""
    click.echo(_recognised(wanted.found))
    _print_columns(wanted.mapping)
    _name_fitting(wanted)
    if not click.confirm("Read it in like this?", default=True):
        raise Invalid("Nothing was read. Say with --mapping which column is what.")


def _recognised(found: RecognisedFile) -> str:
    packed = f", {found.n_members:,} files" if found.n_members > 1 else ""
    return f"{found.title}{packed}. {' '.join(found.facts.reasons)}"


def _name_fitting(wanted: _Wanted) -> None:
    others = [name for name in wanted.fitting if name != wanted.mapping_name]
    if others:
        click.echo(f"Saved for these columns: {', '.join(others)}. To use one: --mapping NAME")


def _print_columns(mapping: Mapping) -> None:
    print_table(["becomes", "column of the file"], [[k, v] for k, v in mapping.columns.items()])
    _warn_of_dates_alone(mapping)
    if mapping.inbound is not None:
        column, value = mapping.inbound
        click.echo(f"Only rows with “{value}” in “{column}” are contacts of customers.")


def _warn_of_dates_alone(mapping: Mapping) -> None:
    if DATES_ALONE in (reason := mapping.reasons.get("started_at", "")):
        click.echo(f"{reason} Export it with the time, or map that column as started_time.")


@contextmanager
def _stoppable(ticker: Ticker) -> Iterator[Any]:
    """Give a report that stops the work after Ctrl-C; a second one ends the process at once."""
    asked = False

    def ask(signum: int, frame: Any) -> None:
        nonlocal asked
        del signum, frame
        asked = True
        signal.signal(signal.SIGINT, before)
        click.echo("\nStopping at the next step; Ctrl-C again stops at once.", err=True)

    def report(progress: Progress) -> None:
        ticker(progress)
        if asked:
            raise Cancelled("Stopped. What was read so far stays; the same command goes on there.")

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield report
    finally:
        signal.signal(signal.SIGINT, before)
        ticker.close()


def _lines(site: Site, wanted: _Wanted) -> frozenset[int] | None:
    if wanted.replay_of_id is None:
        return None
    sha256 = measure_extent(wanted.file).sha256
    with site.database.reading() as session:
        return lines_to_try(
            session,
            replay_of_id=wanted.replay_of_id,
            sha256=sha256,
            mapping=wanted.mapping,
        )


def _try_out(site: Site, wanted: _Wanted) -> ImportPreview:
    with _stoppable(Ticker()) as report, site.database.reading() as session:
        return preview_file(
            session,
            settings=site.settings,
            path=wanted.file,
            mapping=wanted.mapping,
            source=wanted.source,
            sample=0,
            only_lines=_lines(site, wanted),
            report=report,
        )


def _show_sample(site: Site, wanted: _Wanted, as_json: bool) -> None:
    """Show the first rows beside what they become, personal data hidden."""
    try:
        with site.database.reading() as session:
            found = preview_file(
                session,
                settings=site.settings,
                path=wanted.file,
                mapping=wanted.mapping,
                source=wanted.source,
                sample=PREVIEWED_ROWS,
                limit=PREVIEWED_ROWS,
                only_lines=_lines(site, wanted),
            )
    except BadMapping as error:
        raise Invalid(error.sentence) from error
    if as_json:
        print_json(
            {
                "format": wanted.found.facts.format,
                "title": wanted.found.title,
                "reasons": wanted.found.facts.reasons,
                "guide": wanted.found.guide,
                "mapping": dataclasses.replace(wanted.mapping, source=wanted.source).to_dict(),
                "mapping_reasons": dict(wanted.mapping.reasons),
                "saved_mappings": wanted.fitting,
                "rows": [row.to_dict() for row in found.sample],
            }
        )
        return
    click.echo(_recognised(wanted.found))
    _print_columns(wanted.mapping)
    _name_fitting(wanted)
    print_sample(found.sample)


def _read_in(site: Site, wanted: _Wanted, *, no_assign: bool, as_json: bool) -> None:
    with _stoppable(Ticker()) as report:
        batch = import_file(
            site.database.transaction,
            settings=site.settings,
            path=wanted.file,
            mapping=wanted.mapping,
            source=wanted.source,
            file_name=wanted.file_name,
            by=COMMAND_LINE,
            report=report,
            mapping_name=wanted.mapping_name,
            replay_of_id=wanted.replay_of_id,
        )
        if not no_assign:
            # imported here: with it comes all that measures, which an import alone never needs
            from closedloop.jobs.work import assign_new

            assign_new(site.database, site.settings, COMMAND_LINE, report)
    counts = ("rows_read", *COUNTS_OF_ROWS, "left_out")
    names = ("id", "source", *counts, "unidentified", "redactions", "message")
    facts = {n: getattr(batch, n) for n in names}
    with site.database.reading() as session:
        opened = count_batch_contacts(session, batch.id)
        set_aside = count_rejects(session, batch.id)
    if as_json:
        print_json({**facts, "contacts": opened.contacts, "customers": opened.customers})
        return
    print_table(["", "rows"], [[name, facts[name]] for name in counts])
    say_result(batch, opened, set_aside, wanted.mapping, k=site.settings.privacy_k)


def _gap_seconds(hours: float) -> int:
    """Return whole seconds; the mapping checks their range, which NaN has none of."""
    if not math.isfinite(hours * 3600):
        raise Invalid("Write the session gap as hours, such as 12 or 0.5.")
    return round(hours * 3600)


def _pause(text: str) -> tuple[str, int]:
    """Return a channel and its seconds of a text such as email=24."""
    channel, _, hours = text.rpartition("=")
    try:
        found = float(hours)
    except ValueError:
        found = math.nan
    if not channel.strip() or not math.isfinite(found * 3600):
        raise Invalid(f"“{text}” is no pause. Write a channel and hours, such as email=24.")
    return channel.strip().lower(), round(found * 3600)
