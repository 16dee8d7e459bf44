"""What `closedloop import` says: rows beside their contacts, what would happen, what came in."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import click

from closedloop.adapters.mapping import ON_CHANGE, Mapping
from closedloop.cli.options import print_json, print_table
from closedloop.queries.imports import BatchContacts, RejectCounts
from closedloop.services.intake import withdrawn_words
from closedloop.services.previews import ImportPreview, SampleRow


def print_sample(rows: Iterable[SampleRow]) -> None:
    """Print rows beside the contacts they become."""
    for row in rows:
        cells = "  ".join(f"{name}={value[:60]}" for name, value in row.raw.items() if value)
        click.echo(f"\n{row.place}: {cells}")
        if (contact := row.contact) is None:
            click.echo(f"  no contact: {row.reason}")
            continue
        said = " / ".join(f"{speaker}: {text[:160]}" for speaker, text in contact.turns[:2])
        who = f"customer {contact.customer_key[:6]}" if contact.customer_key else "unidentified"
        parts = [contact.contact_id, f"{contact.started_at:%Y-%m-%d %H:%M} UTC", contact.channel]
        click.echo(f"  contact {', '.join(filter(None, parts))}, {who}")
        if said:
            click.echo(f"  {said}")


def print_preview(preview: ImportPreview, as_json: bool) -> None:
    """Print what an import would do."""
    names = ("rows_read", "would_add", "unchanged", "changed", "withdrawn", "rejected", "skipped")
    facts = {name: getattr(preview, name) for name in (*names, "unidentified", "is_whole")}
    rejects = [dataclasses.asdict(reason) for reason in preview.reasons]
    if as_json:
        more = ("first_at", "last_at", "channels", "languages")
        print_json(facts | {n: getattr(preview, n) for n in more} | {"rejects": rejects})
        return
    left_out = f", leave {preview.skipped:,} out" if preview.skipped else ""
    share = preview.unidentified_rate
    nobody = "" if share is None else f", no identity {share:.1%}"
    click.echo(
        f"Would add {preview.would_add:,}, change {preview.would_change:,}, "
        f"reject {preview.rejected:,}{left_out}{nobody}. Nothing was changed."
    )
    if preview.first_at and preview.last_at:
        days = sorted({f"{at:%Y-%m-%d}" for at in (preview.first_at, preview.last_at)})
        click.echo(f"The new contacts are of {' to '.join(days)} (UTC).")
    print_table(["what", "rows"], [[k.replace("_", " "), v] for k, v in facts.items()])
    for title, counts in (("channel", preview.channels), ("language", preview.languages)):
        if set(counts) - {""}:
            ranked = sorted(counts.items(), key=lambda item: -item[1])
            print_table([title, "rows"], [[value or "not known", n] for value, n in ranked[:12]])
    for reason in preview.reasons:
        click.echo(f"{_rows(reason.rows)}: {reason.example}")
    if n := preview.withdrawn:
        click.echo(f"{withdrawn_words(n)}: reading the file in takes none of them out.")


def say_result(
    batch: Any, opened: BatchContacts, counts: RejectCounts, mapping: Mapping, *, k: int
) -> None:
    """Say what an import brought and what is left of it to do.

    Parameters
    ----------
    batch : ImportBatch
    opened : BatchContacts
    counts : RejectCounts
    mapping : Mapping
    k : int
        Fewest customers that a share describes.
    """
    if batch.added:
        is_messages = bool(mapping.session_gap_seconds or mapping.session_gaps)
        click.echo(_say_opened(opened, is_messages=is_messages, k=k))
    if batch.left_out or not batch.rows_read:
        click.echo(batch.message)
    if batch.rejected:
        click.echo(
            f"Quarantine holds {_rows(batch.rejected)} of it, each with its line and reason: "
            f"closedloop imports show {batch.id}. As a file to correct: closedloop imports rejects "
            f"{batch.id} OUT.csv --to-correct FILE. To try them again: "
            f"closedloop import FILE --replay-of {batch.id}"
        )
    if batch.renewed:
        contacts = "1 contact" if batch.renewed == 1 else f"{batch.renewed:,} contacts"
        click.echo(
            f"Replaced {contacts} that “{batch.source}” brings with other content; taking the "
            "import out puts the earlier content back."
        )
    if n := counts.withdrawn:
        which = "1 contact that is here is" if n == 1 else f"{n:,} contacts that are here are"
        click.echo(
            f"{which} deleted or spam in “{batch.source}” by now, and still counted. Which: "
            f"closedloop imports show {batch.id}."
        )
    if counts.kept:
        click.echo(
            f"In {_rows(counts.kept)} “{batch.source}” brings a known id with other content; "
            f"the first version stays. See closedloop imports show {batch.id}. "
            f"{_say_kept(batch.id, mapping)} If the file comes from elsewhere, import it with "
            "another --source."
        )


def _say_kept(batch_id: int, mapping: Mapping) -> str:
    """Say how to have the later version, where that can be."""
    if mapping.on_change != ON_CHANGE[0] or mapping.session_gap_seconds:
        return "Messages that were gathered into contacts stay as they came in."
    return (
        f"To have the later one: closedloop import FILE --replay-of {batch_id} --on-change replace."
    )


def _say_opened(opened: BatchContacts, *, is_messages: bool, k: int) -> str:
    """Say in one line what the new rows are: contacts, of whom, and who came again."""
    known = "1 known customer" if opened.customers == 1 else f"{opened.customers:,} known customers"
    said = f"New: {opened.contacts:,} contacts" + (f" of {known}" if opened.customers else "")
    if opened.unidentified:
        said += f", {opened.unidentified:,} of them without a customer"
    if opened.again_share is not None and opened.customers >= k and opened.again >= k:
        said += f"; {opened.again_share:.1%} of the customers came again within 7 days"
        if is_messages and opened.again_share_in_messages is not None:
            said += f" ({opened.again_share_in_messages:.1%} if each message were a contact)"
    return f"{said}."


def _rows(number: int) -> str:
    return "1 row" if number == 1 else f"{number:,} rows"
