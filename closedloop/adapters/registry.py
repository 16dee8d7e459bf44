"""The formats that can be read, in the order in which a bundle is offered to them."""

from __future__ import annotations

from dataclasses import replace

from closedloop.adapters import (
    amazon_connect,
    captions,
    contact_csv,
    contact_jsonl,
    freshdesk,
    genesys_cloud,
    google_insights,
    intercom,
    json_list,
    parquet,
    salesforce_case,
    twilio,
    xlsx,
    zendesk,
)
from closedloop.adapters.bundle import Bundle
from closedloop.adapters.csv_out import LINE_COLUMN, as_written
from closedloop.adapters.readers import Reader
from closedloop.adapters.types import FileFacts, UnreadableFile

READERS: tuple[Reader, ...] = (
    # exports of one make, told by what only they hold
    amazon_connect.READER,
    genesys_cloud.READER,
    zendesk.READER,
    twilio.READER,
    intercom.READER,
    freshdesk.READER,
    salesforce_case.READER,
    google_insights.READER,
    # tables of any make
    xlsx.READER,
    parquet.READER,
    captions.READER,
    contact_jsonl.READER,
    json_list.READER,
    contact_csv.READER,  # last: says of a lone file that nobody reads why it is no table
)

ARCHIVES = (".zip", ".tar", ".tgz", ".tar.gz", ".7z", ".rar", ".bz2", ".xz", ".zst")
"""How names of files end that are left packed."""


def recognise(bundle: Bundle) -> tuple[Reader, FileFacts]:
    """Return the first reader that knows a bundle, and what it says about it.

    Raises
    ------
    UnreadableFile
        If nobody knows it; the sentence names what can be read.
    """
    for reader in READERS:
        if (facts := reader.recognise(bundle)) is not None:
            return reader, _with_archives(_unquoted(facts), bundle)
    if not bundle.members:
        raise UnreadableFile("The directory holds no files. Check the export and make it again.")
    titles = ", ".join(reader.title for reader in READERS)
    what = "The file is" if len(bundle.members) == 1 else "The files are"
    left = "".join(f" {sentence}" for sentence in _archives_in(bundle))
    raise UnreadableFile(f"{what} of no kind that can be read here. Read can be: {titles}.{left}")


def _archives_in(bundle: Bundle) -> list[str]:
    """Say which files among others are archives, and so were not looked into."""
    if len(bundle.members) == 1:
        return []
    names = [m.name for m in bundle.members if m.name.lower().endswith(ARCHIVES)]
    if not names:
        return []
    shown = ", ".join(f"“{name}”" for name in names[:3])
    more = f" and {len(names) - 3:,} more" if len(names) > 3 else ""
    return [f"Left out, because archives are not unpacked twice: {shown}{more}. Unpack them first."]


def _with_archives(facts: FileFacts, bundle: Bundle) -> FileFacts:
    left = _archives_in(bundle)
    return replace(facts, reasons=[*facts.reasons, *left]) if left else facts


def _unquoted(facts: FileFacts) -> FileFacts:
    """Take the quotation marks off that a file of refused rows was made safe with."""
    if LINE_COLUMN not in facts.header:
        return facts
    return replace(
        facts,
        header=[as_written(name) for name in facts.header],
        sample_rows=[[as_written(cell) for cell in row] for row in facts.sample_rows],
    )


def reader_named(name: str) -> Reader:
    """Return the reader of a format; `KeyError` when there is none."""
    return {reader.format: reader for reader in READERS}[name]
