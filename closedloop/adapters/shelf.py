"""Records by kind, key and owner, however many and in whatever order they come."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from closedloop.adapters.bundle import Watch
from closedloop.adapters.lines import without_escapes

Json = dict[str, Any]


@dataclass(frozen=True)
class Filed:
    """Where a record is filed: its kind, its own id, what it belongs to, and how new it is.

    Of records of one kind and key, the one with the greatest `version` counts, and of equal ones
    the one read last. An empty `key` means that the record lacks the id it needs.
    """

    kind: str
    key: str
    owner: str = ""
    version: str = ""


@dataclass(frozen=True)
class Found:
    """A record taken from the shelf; `member` names its file."""

    key: str
    value: Json = field(repr=False)
    member: str = ""


class Shelf:
    """Records by kind, key and owner, in a temporary database that spills to disk."""

    def __init__(self, watch: Watch | None = None, pauses: Mapping[str, int] | None = None) -> None:
        self.watch = watch or Watch()
        self.pauses = pauses or {}
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.execute("PRAGMA journal_mode = OFF")
        self._db.execute(
            "CREATE TABLE records (seq INTEGER PRIMARY KEY, kind TEXT, key TEXT, owner TEXT,"
            " version TEXT, member INTEGER, body TEXT)"
        )
        self._db.execute("CREATE TABLE links (seq INTEGER PRIMARY KEY, owner TEXT, key TEXT)")
        self._db.execute("BEGIN")
        self._members: list[str] = []
        self._lost: dict[tuple[str, str], str] = {}
        self._cut: dict[str, list[int]] = {}

    def close(self) -> None:
        """Drop the temporary database."""
        self._db.close()

    def begin_member(self, name: str) -> None:
        """Say that what is added from now on comes from this file."""
        self._members.append(without_escapes(name))

    def add(self, filed: Filed, body: str) -> None:
        """Keep a record."""
        self._db.execute(
            "INSERT INTO records (kind, key, owner, version, member, body)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (
                *map(without_escapes, (filed.kind, filed.key, filed.owner, filed.version)),
                *(len(self._members) - 1, body),
            ),
        )

    def index(self) -> None:
        """Make what has been added findable; once, after the last record."""
        self._db.execute("CREATE INDEX by_key ON records (kind, key, version, seq)")
        self._db.execute("CREATE INDEX by_owner ON records (kind, owner, seq)")

    def note_lost(self, filed: Filed) -> None:
        """Remember that a record of this kind and owner is broken."""
        self._lost[filed.kind, filed.owner or filed.key] = self._members[-1]

    def note_cut(self, kind: str) -> None:
        """Remember that the file breaks off among records of a kind; "" where none is known."""
        self._cut.setdefault(kind, []).append(len(self._members) - 1)

    def forget_lost(self) -> None:
        """Take what is there for all there is."""
        self._lost.clear()
        self._cut.clear()

    def broken_part(self, kind: str, owner: str) -> str:
        """Return the file in which a record said to be of this owner is broken, or ""."""
        return self._lost.get((kind, owner), "")

    def lost_of(self, kind: str, owner: str) -> str:
        """Return the file in which records of this owner are broken or may be missing, or "".

        A file that breaks off may have lost records of any owner: of those it holds some of, and
        of those that no other file has any of.
        """
        if member := self.broken_part(kind, owner):
            return member
        if not (cut := [*self._cut.get(kind, []), *self._cut.get("", [])]):
            return ""
        rows = self._db.execute(
            "SELECT DISTINCT member FROM records WHERE kind = ? AND owner = ?",
            (kind, without_escapes(owner)),
        )
        members = {row[0] for row in rows}
        doubtful = [m for m in cut if m in members] or ([] if members else cut)
        return self._members[doubtful[0]] if doubtful else ""

    def cut_after(self, kind: str) -> str | None:
        """Return the version of the last record read of a kind before a file of it broke off.

        None where none did; the smallest where several did.
        """
        if not (cut := self._cut.get(kind)):
            return None
        query = "SELECT MAX(version) FROM records WHERE kind = ? AND member = ?"
        found = [self._db.execute(query, (kind, member)).fetchone()[0] for member in cut]
        return min(version or "" for version in found)

    def has(self, kind: str) -> bool:
        """Whether there is any record of a kind."""
        found = self._db.execute("SELECT 1 FROM records WHERE kind = ? LIMIT 1", (kind,))
        return found.fetchone() is not None

    def newest(self, kind: str, key: str | None) -> Found | None:
        """Return the newest record of a key."""
        row = self._db.execute(
            "SELECT key, body, member FROM records WHERE kind = ? AND key = ?"
            " ORDER BY version DESC, seq DESC LIMIT 1",
            (kind, without_escapes(key or "")),
        ).fetchone()
        return self._found(*row) if row else None

    def name_of(self, key: str | None) -> str | None:
        """Return the name that the record of kind "name" with this key has, or else the key."""
        found = self.newest("name", key) if key else None
        name = (found.value.get("name") or found.value.get("Name")) if found else None
        return name.strip() or key if isinstance(name, str) else key

    def each(self, kind: str) -> Iterator[Found]:
        """Yield the newest record of each key, in the order in which the keys first came."""
        keys = self._db.execute(
            "SELECT key, MIN(seq) AS first FROM records WHERE kind = ? GROUP BY key ORDER BY first",
            (kind,),
        )
        for key, _ in self._passing(keys, "COUNT(DISTINCT key) FROM records WHERE kind = ?", kind):
            if found := self.newest(kind, key):
                yield found

    def parts(self, kind: str, owner: str) -> list[Found]:
        """Return the newest record of each key of an owner, in the order of reading."""
        rows = self._db.execute(
            "SELECT key, body, member, version FROM records WHERE kind = ? AND owner = ?"
            " ORDER BY seq",
            (kind, without_escapes(owner)),
        )
        newest: dict[str, tuple[str, Found]] = {}
        for key, body, member, version in rows:
            if key not in newest or version >= newest[key][0]:
                newest[key] = (version, self._found(key, body, member))
        return [found for _, found in newest.values()]

    def owners(self, kind: str) -> Iterator[str]:
        """Yield the owners of records of a kind, in the order in which they first came."""
        rows = self._db.execute(
            "SELECT owner, MIN(seq) AS first FROM records WHERE kind = ?"
            " GROUP BY owner ORDER BY first",
            (kind,),
        )
        of = "COUNT(DISTINCT owner) FROM records WHERE kind = ?"
        for owner, _ in self._passing(rows, of, kind):
            yield owner

    def _passing(self, rows: Iterable[Any], of: str, *values: str) -> Iterator[Any]:
        """Yield rows, and let be heard how many of them are done."""
        total = self._db.execute(f"SELECT {of}", values).fetchone()[0]
        for number, row in enumerate(rows, 1):
            yield row
            self.watch.made(number, total)

    def link(self, owner: str, key: str) -> None:
        """Put a key under an owner."""
        self._db.execute(
            "INSERT INTO links (owner, key) VALUES (?, ?)", (without_escapes(owner), key)
        )

    def linked(self) -> Iterator[tuple[str, list[str]]]:
        """Yield each owner with the keys put under it, owners in order of their first key."""
        self._db.execute("CREATE INDEX IF NOT EXISTS by_link ON links (owner, seq)")
        owners = self._db.execute(
            "SELECT owner, MIN(seq) AS first FROM links GROUP BY owner ORDER BY first"
        )
        for owner, _ in self._passing(owners, "COUNT(DISTINCT owner) FROM links"):
            rows = self._db.execute("SELECT key FROM links WHERE owner = ? ORDER BY seq", (owner,))
            yield owner, [row[0] for row in rows]

    def _found(self, key: str, body: str, member: int) -> Found:
        return Found(key, json.loads(body), self._members[member])
