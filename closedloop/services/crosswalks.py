"""A crosswalk: a CSV file whose rows each name the identifiers of one customer.

Identifiers are hashed as they are read; what is kept is a temporary database, so that a
crosswalk of millions of rows needs no more memory than a short one.
"""

from __future__ import annotations

import csv
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from closedloop.config import Settings
from closedloop.domain.errors import Unreadable
from closedloop.domain.identities import (
    CROSSWALK_COLUMNS,
    CUSTOMER_ID,
    IdentifierKind,
    MatchRules,
)
from closedloop.services.identifiers import hash_customer, is_nobody, normalise_identifier

MAX_CELL = 320


@dataclass(frozen=True)
class CrosswalkKey:
    """One identifier of a crosswalk.

    Attributes
    ----------
    digest : str
        From `hash_customer`.
    kind : str
        Column it stands in.
    people : list of int
        Numbers of the people the crosswalk gives it to.
    named : int
        How many of them have a customer id of their own.
    is_spelling : bool
        It is an identifier as the crosswalk spells it, besides the way it is compared in.
    """

    digest: str
    kind: str
    people: list[int]
    named: int
    is_spelling: bool


class Crosswalk:
    """The identifiers of a crosswalk file, by person.

    A person is a customer id, or a row where there is none. Only kinds that the rules link by
    are read, and the customer id always.

    Parameters
    ----------
    settings : Settings
        For keys and countries.
    rules : MatchRules
    """

    def __init__(self, settings: Settings, rules: MatchRules) -> None:
        self._keys = settings.customer_keys
        self._countries = settings.phone_regions
        self._kinds = rules.kinds
        self.rows = 0
        self.unreadable = 0
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.execute("PRAGMA journal_mode = OFF")
        self._db.execute(
            "CREATE TABLE seen (digest TEXT, person INTEGER, kind TEXT, is_named INTEGER, "
            "is_spelling INTEGER, "
            "PRIMARY KEY (digest, person)) WITHOUT ROWID"
        )
        self._db.execute("CREATE TABLE people (digest TEXT PRIMARY KEY, person INTEGER)")
        self._db.execute("BEGIN")

    def read(self, path: Path, *, name: str = "", only_header: bool = False) -> None:
        """Read a file, which people know as `name`.

        Raises
        ------
        Unreadable
            If it is no such file; the sentence says what to do.
        """
        name = name or path.name
        try:
            with path.open(encoding="utf-8-sig", newline="") as stream:
                first = stream.readline()
                stream.seek(0)
                delimiter = max(",;\t|", key=first.count)
                rows = csv.reader(stream, delimiter=delimiter)
                self._read_rows(next(rows, []), () if only_header else rows, name)
        except UnicodeDecodeError as error:
            raise Unreadable(
                f"{name} is not written in UTF-8. Save it as “CSV UTF-8” and try again."
            ) from error
        except csv.Error as error:
            raise Unreadable(
                f"{name}: a row behind row {self.rows + 1} is no CSV ({error})."
            ) from error
        except OSError as error:
            raise Unreadable(f"{name} cannot be opened.") from error

    def _read_rows(self, first: list[str], rows: Iterable[list[str]], name: str) -> None:
        header = [cell.strip().lower().replace(" ", "_") for cell in first]
        places = {column: header.index(column) for column in CROSSWALK_COLUMNS if column in header}
        if len(places) < 2:
            raise Unreadable(
                f"{name} needs two columns or more of {', '.join(CROSSWALK_COLUMNS)}; each row "
                "names the identifiers of one customer."
            )
        for row in rows:
            self.rows += 1
            cells = {c: row[place].strip() for c, place in places.items() if place < len(row)}
            self._add(cells)

    def _add(self, cells: dict[str, str]) -> None:
        keys = [key for column, cell in cells.items() for key in self._keys_of(column, cell)]
        named = [digest for digest, column, _ in keys if column == CUSTOMER_ID]
        person = self._person(named[0]) if named else -self.rows
        self._db.executemany(
            "INSERT OR IGNORE INTO seen VALUES (?, ?, ?, ?, ?)",
            [(digest, person, column, bool(named), also) for digest, column, also in keys],
        )

    def _person(self, digest: str) -> int:
        self._db.execute("INSERT OR IGNORE INTO people VALUES (?, ?)", (digest, self.rows))
        find = "SELECT person FROM people WHERE digest = ?"
        return int(self._db.execute(find, (digest,)).fetchone()[0])

    def _keys_of(self, column: str, cell: str) -> Iterable[tuple[str, str, bool]]:
        """Yield (hash, column, whether it is a spelling) of a cell."""
        if is_nobody(cell):
            return
        if column == CUSTOMER_ID:
            yield hash_customer(cell[:MAX_CELL], self._keys), column, False
            return
        kind = IdentifierKind(column)
        if kind not in self._kinds:
            return
        written = normalise_identifier(cell[:MAX_CELL], kind, self._countries)
        if written is None:
            self.unreadable += 1
            return
        yield hash_customer(written, self._keys, kind), column, False
        if kind is not IdentifierKind.ACCOUNT and cell != written:
            # a source may have named its customers by the number or address as it stands here
            yield hash_customer(cell[:MAX_CELL], self._keys), column, True

    def identifiers(self) -> Iterator[CrosswalkKey]:
        """Yield every identifier once, in the order of its hash."""
        columns = "digest, person, kind, is_named, is_spelling"
        rows = self._db.execute(f"SELECT {columns} FROM seen ORDER BY 1, 2")  # noqa: S608
        for digest, found in groupby(rows, key=lambda row: str(row[0])):
            people = list(found)
            yield CrosswalkKey(
                digest,
                str(people[0][2]),
                [int(row[1]) for row in people],
                sum(bool(row[3]) for row in people),
                bool(people[0][4]),
            )

    def people(self) -> Iterator[int]:
        """Yield the number of every person once."""
        rows = self._db.execute("SELECT DISTINCT person FROM seen")
        return (int(row[0]) for row in rows)

    def close(self) -> None:
        """Drop the temporary database."""
        self._db.close()
