"""The readers of contact exports: one file each, one line of registration each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from closedloop.adapters.bundle import Bundle
from closedloop.adapters.mapping import Mapping
from closedloop.adapters.types import BadRow, FileFacts, Piece, RawRow

Rows = Iterator[RawRow | BadRow]


@dataclass(frozen=True)
class InPieces:
    """How a text file is cut into pieces that other processes can read.

    Attributes
    ----------
    cut : function of Bundle, FileFacts and a number of characters
        Yields the file from its beginning as pieces of about so many characters; from where it
        cannot be cut surely, as rows. None when the bundle cannot be cut at all.
    read : function of Piece and FileFacts to rows
        What all pieces hold, and the rows that came by themselves, is what `read_rows` gives.
    """

    cut: Callable[[Bundle, FileFacts, int], Iterator[Piece | RawRow | BadRow] | None]
    read: Callable[[Piece, FileFacts], list[RawRow | BadRow]]


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
    in_pieces : InPieces, optional
        Where several processes can read one file.
    cuts : bool
        Whether it cuts conversations into contacts where they paused, by `Bundle.pauses`.
    """

    format: str
    title: str
    guide: str
    recognise: Callable[[Bundle], FileFacts | None]
    read_rows: Callable[[Bundle, FileFacts], Rows]
    mapping: Callable[[FileFacts], Mapping] | None = None
    unit: str = "record"
    in_pieces: InPieces | None = None
    cuts: bool = False

    @property
    def has_lines(self) -> bool:
        """Whether `RawRow.line` is a line of a text file."""
        return self.unit == "line"
