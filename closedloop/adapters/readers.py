"""The readers of contact exports: one file each, one line of registration each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from closedloop.adapters.bundle import Bundle
from closedloop.adapters.mapping import Mapping
from closedloop.adapters.types import BadRow, FileFacts, RawRow


@dataclass(frozen=True)
class Reader:
    """How one kind of export is recognised and read.

    Attributes
    ----------
    format : str
        Its name in data: stays the same for ever.
    title : str
        As people know the export.
    guide : str
        Its page in `docs/import/`.
    recognise : function of Bundle to FileFacts or None
        By content, from bounded parts of the files; None when it is another format. May raise
        `UnreadableFile` only when nobody else could read it either.
    read_rows : function of Bundle and FileFacts to rows
        In bounded memory, the same rows with the same numbers on each reading; what cannot be
        read is a `BadRow`. Must not raise on any content.
    mapping : function of FileFacts to Mapping, optional
        For formats whose columns are known; the others are guessed from their header.
    unit : str
        What `RawRow.line` counts: 'line' of a text file, 'row' of a sheet, or 'record'.
    """

    format: str
    title: str
    guide: str
    recognise: Callable[[Bundle], FileFacts | None]
    read_rows: Callable[[Bundle, FileFacts], Iterator[RawRow | BadRow]]
    mapping: Callable[[FileFacts], Mapping] | None = None
    unit: str = "record"

    @property
    def has_lines(self) -> bool:
        """Whether `RawRow.line` is a line of a text file."""
        return self.unit == "line"
