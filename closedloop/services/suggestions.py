"""Which mapping to begin with: one that was saved, the one of the last file, or a guess."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from closedloop.adapters.column_names import INBOUND_FLAGS
from closedloop.adapters.guesses import normalised_name, source_from
from closedloop.adapters.mapping import Mapping
from closedloop.adapters.types import BadMapping
from closedloop.config import Settings
from closedloop.models import ImportBatch
from closedloop.queries.imports import list_batches
from closedloop.queries.mappings import KnownMapping, find_mappings_for
from closedloop.services.contact_files import RecognisedFile
from closedloop.services.same_contacts import find_other_source

MESSAGE_IDS = ("message_id", "tweet_id")
"""Columns of ids that tell that a row is one message."""

BATCHES_LOOKED_AT = 20
"""How many of the newest imports are looked through for one of the same columns."""


class Origin(StrEnum):
    """Where a mapping to begin with comes from."""

    GIVEN = "given"
    SAVED = "saved"
    EARLIER = "earlier"
    FORMAT = "format"
    GUESS = "guess"


@dataclass(frozen=True)
class Suggestion:
    """A mapping to begin with.

    Attributes
    ----------
    mapping : Mapping
        With reasons where it was guessed.
    origin : Origin
    name : str
        Of the saved mapping, or of the file that was read before; empty otherwise.
    used_at : datetime or None
        When a saved mapping was last used.
    """

    mapping: Mapping
    origin: Origin
    name: str = ""
    used_at: datetime | None = None

    @property
    def saved_name(self) -> str:
        """Name of the saved mapping, empty when it is none."""
        return self.name if self.origin in (Origin.GIVEN, Origin.SAVED) else ""


def suggest_mapping(
    session: Session, *, settings: Settings, found: RecognisedFile, path: Path, file_name: str
) -> Suggestion:
    """Return the mapping to begin with.

    The mapping last used of those saved for the same columns goes first, then that of the last
    import of the same columns, then what the format says itself, then a guess.

    Parameters
    ----------
    session : Session
    settings : Settings
        Of the site: its zone and session gap complete a guess.
    found : RecognisedFile
    path : Path
        Where the file lies: a guess takes the source that has brought its contacts before.
    file_name : str
        As people know the file; a guess takes its first words for the source otherwise.
    """
    facts = found.facts
    for saved in find_mappings_for(session, format=facts.format, header=facts.header):
        if suggestion := from_saved(saved, facts.header):
            return suggestion
    batches = [
        (batch.file_name, batch.source, batch.mapping)
        for batch in list_batches(session, limit=BATCHES_LOOKED_AT)
        if batch.format == facts.format
    ]
    if suggestion := from_earlier(batches, facts.header):
        return suggestion
    if found.has_own_mapping:
        return Suggestion(found.mapping, Origin.FORMAT)
    guess = from_guess(found.mapping, file_name=file_name, settings=settings)
    other = find_other_source(
        session, settings=settings, path=path, mapping=guess.mapping, source=guess.mapping.source
    )
    if other is None:
        return guess
    reasons = {**guess.mapping.reasons, "source": f"“{other}” has brought these contacts before."}
    return replace(guess, mapping=replace(guess.mapping, source=other, reasons=reasons))


def from_saved(saved: KnownMapping, header: Sequence[str]) -> Suggestion | None:
    """Return a saved mapping to begin with; None when it does not fit the columns."""
    try:
        mapping = Mapping.from_dict(saved.mapping)
    except BadMapping:
        return None
    if mapping.problems_with(header):
        return None
    return Suggestion(mapping, Origin.SAVED, saved.name, saved.last_used_at)


def from_earlier(
    earlier: Iterable[tuple[str, str, MappingOf[str, Any]]], header: Sequence[str]
) -> Suggestion | None:
    """Return the mapping that read the last file with these columns.

    Parameters
    ----------
    earlier : iterable of (file name, source, mapping)
        Imports of the same format, newest first.
    header : sequence of str
    """
    for name, source, kept in earlier:
        try:
            mapping = replace(Mapping.from_dict(kept), source=source)
        except BadMapping:
            continue
        if not mapping.problems_with(header):
            return Suggestion(mapping, Origin.EARLIER, name)
    return None


def from_import(batch: ImportBatch, header: Sequence[str]) -> Suggestion | None:
    """Return the mapping of an import whose refused rows are tried; None where it does not fit."""
    return from_earlier([(batch.file_name, batch.source, batch.mapping)], header)


def _is_of_messages(guess: Mapping) -> bool:
    """Whether the rows look like messages that went both ways, not like calls or tickets."""
    if guess.inbound is None:
        return False
    flag = normalised_name(guess.inbound[0]) in INBOUND_FLAGS
    return flag or normalised_name(guess.columns.get("contact_id", "")) in MESSAGE_IDS


def from_guess(guess: Mapping, *, file_name: str, settings: Settings) -> Suggestion:
    """Return a guess with what the site and the name of the file say beside it."""
    zone = settings.reporting_zone if "zone" in guess.reasons else None
    gap = round(settings.session_gap_hours * 3600) if _is_of_messages(guess) else None
    source = source_from(file_name)
    mapping = replace(guess, zone=zone, session_gap_seconds=gap, source=source)
    return Suggestion(mapping, Origin.GUESS)
