"""Put a new customer key on top of the old ones, without any customer id and without losing one.

A stored hash is made with every key, the oldest first, so a new key is applied to the hash that
is there. The order survives a kill at any point:

1. the new key is written to a file of the instance;
2. the database notes that a rotation has begun, and imports refuse to run;
3. hashes are replaced in portions, each with a note of how far it is;
4. the database notes its new number of keys;
5. the settings file takes the new key, and the file of step 1 goes.

Whoever runs it again after an accident goes on where it stopped. Until step 5 processes with the
old settings can import nothing: their keys are not those of the database.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.config import INSTANCE_FILE, Settings, write_private
from closedloop.domain.audit import Actor
from closedloop.domain.errors import Conflict
from closedloop.domain.jobs import Progress
from closedloop.models import (
    Contact,
    ContactVersion,
    Customer,
    CustomerKey,
    ImportBatch,
    ImportReject,
    Message,
)
from closedloop.models.imports import BatchState
from closedloop.services.audit import record_event
from closedloop.services.identifiers import put_keys_on
from closedloop.services.import_holds import is_being_read
from closedloop.services.key_state import (
    KeyState,
    check_of,
    find_key_state,
    key_problem,
    save_key_state,
)
from closedloop.services.long_work import Report, Transactions, tell_nobody
from closedloop.services.repeats import chain_contacts, take_turn

NEXT_KEY_FILE = "customer-key.next"
ROWS_AT_ONCE = 5_000
HASHED_ID = "hashed-"
"""What an id of a contact begins with where it was somebody's address; see `contact_rows`."""

_KEY, _BEFORE = "CLOSEDLOOP_CUSTOMER_KEY", "CLOSEDLOOP_CUSTOMER_KEYS_BEFORE"


@dataclass(frozen=True)
class _Column:
    """A column of hashes: how a value of it takes a new key, and which rows have one."""

    name: str
    put_on: Callable[[str, str], str]
    condition: Callable[[Any], sa.ColumnElement[bool]] | None = None


def _hash(value: str, key: str) -> str:
    return put_keys_on(value, [key])


def _hashed_id(value: str, key: str) -> str:
    return HASHED_ID + put_keys_on(value.removeprefix(HASHED_ID), [key])


def _is_hashed_id(column: Any) -> sa.ColumnElement[bool]:
    # of one length: an id that a source itself begins with "hashed-" is no hash of ours
    return sa.and_(column.like(f"{HASHED_ID}%"), sa.func.length(column) == len(HASHED_ID) + 64)


_STAGES: dict[str, tuple[Any, str, _Column]] = {
    "customers": (Customer.__table__, "id", _Column("key_hash", _hash)),
    "identifiers": (CustomerKey.__table__, "key_hash", _Column("key_hash", _hash)),
    "quarantine": (ImportReject.__table__, "id", _Column("customer_key", _hash)),
    "contacts": (Contact.__table__, "id", _Column("content_hash", _hash)),
    "messages": (Message.__table__, "id", _Column("content_hash", _hash)),
    "contact ids": (
        Contact.__table__,
        "id",
        _Column("source_contact_id", _hashed_id, _is_hashed_id),
    ),
    "earlier versions": (ContactVersion.__table__, "id", _Column("content_hash", _hash)),
    "message ids": (
        Message.__table__,
        "id",
        _Column("source_message_id", _hashed_id, _is_hashed_id),
    ),
    "follow-ups": (
        Contact.__table__,
        "id",
        _Column("follows_contact_id", _hashed_id, _is_hashed_id),
    ),
    "earlier follow-ups": (
        ContactVersion.__table__,
        "id",
        _Column("follows_contact_id", _hashed_id, _is_hashed_id),
    ),
}
_LAST = "ready"
_NEXT_STAGE = dict(zip(_STAGES, [*list(_STAGES)[1:], _LAST], strict=True))


@dataclass(frozen=True)
class Rotated:
    """What a rotation did: how many keys lie upon each other now, and how many rows changed."""

    version: int
    rows: int


def rotate_customer_key(
    transactions: Transactions,
    *,
    settings: Settings,
    by: Actor,
    report: Report = tell_nobody,
    new_key: str | None = None,
    environ: Sequence[str] | None = None,
) -> Rotated:
    """Replace the customer key; customers, chains and ids stay, and old files are still known.

    Parameters
    ----------
    transactions : Transactions
    settings : Settings
        Its `closedloop.env` is written anew at the end. Other processes have to be started again.
    by : Actor
    report : Report, optional
        Told rows done.
    new_key : str, optional
        Tests pass one; by default it is made.
    environ : sequence of str, optional
        Names of variables that are set outside the settings file; the process's own by default.

    Raises
    ------
    Conflict
        If the keys are set in the environment, where they cannot be changed from here; an import
        is being read; or the settings' keys are not those of the database.
    """
    _refuse_environment(settings, os.environ if environ is None else environ)
    with transactions() as session:
        take_turn(session)
        state, next_key = _begin(session, settings, new_key)
    keys = (*settings.customer_keys, next_key)
    rows = 0
    while state.stage and state.stage != _LAST:
        with transactions() as session:
            take_turn(session)
            state, done = _advance(session, state, next_key)
        rows += done
        report(Progress(rows, 0, f"Putting the new key on {state.stage}"))
    if state.stage:
        with transactions() as session:
            take_turn(session)
            _chain_hashed(session, settings)
            state = KeyState(len(keys), check_of(keys))
            save_key_state(session, state)
            _record(session, state.version, rows, by)
    _write_settings(settings, keys)
    return Rotated(state.version, rows)


def _refuse_environment(settings: Settings, names: Sequence[str] | Any) -> None:
    for name in (_KEY, _BEFORE):
        if name in names:
            raise Conflict(
                f"{name} is set in the environment, which wins over "
                f"{settings.instance / INSTANCE_FILE}. Write it there instead, then rotate."
            )


def _read_next_key(settings: Settings) -> str:
    """Return the new key of a rotation that broke off, empty where none did."""
    path = settings.instance / NEXT_KEY_FILE
    key = path.read_text("utf-8").strip() if path.exists() else ""
    # all but the removal of the file was done: it is the current key by now
    return "" if key == settings.customer_key else key


def _begin(session: Session, settings: Settings, new_key: str | None) -> tuple[KeyState, str]:
    """Return the state to go on from, and the new key; one that is through has no stage."""
    state, next_key = find_key_state(session), _read_next_key(settings)
    check = check_of((*settings.customer_keys, next_key)) if next_key else ""
    if state and not state.stage and state.check == check:
        return state, next_key  # all but the settings file was done
    if state and state.stage:
        if state.next_check != check:
            raise Conflict(
                f"A rotation broke off and its new key is not in {NEXT_KEY_FILE}. Restore that "
                "file of the instance directory, and run this again."
            )
        return state, next_key
    if problem := key_problem(state, settings):
        raise Conflict(problem)
    _refuse_while_importing(session)
    if not next_key:
        next_key = new_key or secrets.token_urlsafe(48)
        # before the database knows of it: a hash whose key is lost would be lost, too
        write_private(settings.instance / NEXT_KEY_FILE, f"{next_key}\n")
    keys = settings.customer_keys
    now = state or KeyState(len(keys), check_of(keys))
    first, next_check = next(iter(_STAGES)), check_of((*keys, next_key))
    state = replace(now, stage=first, last_id=0, next_check=next_check)
    save_key_state(session, state)
    return state, next_key


def _refuse_while_importing(session: Session) -> None:
    running = sa.select(ImportBatch).where(ImportBatch.state == BatchState.RUNNING)
    for batch in session.scalars(running):
        if is_being_read(batch):
            raise Conflict(
                f"Import no. {batch.id} is being read. Wait for its end or cancel it, then rotate."
            )


def _advance(session: Session, state: KeyState, key: str) -> tuple[KeyState, int]:
    """Put the key on the next rows of the stage; the note of it is in the same transaction."""
    table, place, column = _STAGES[state.stage]
    if state.stage == "identifiers":
        done, last = _advance_identifiers(session, state, key)
    else:
        done, last = _advance_column(session, table, place, column, int(state.last_id), key)
    if done:
        state = replace(state, last_id=last)
    else:
        state = replace(state, stage=_NEXT_STAGE[state.stage], last_id=0)
    save_key_state(session, state)
    return state, done


def _advance_column(
    session: Session, table: Any, place: str, column: _Column, last_id: int, key: str
) -> tuple[int, int]:
    value = table.c[column.name]
    condition = value.is_not(None) if column.condition is None else column.condition(value)
    rows = session.execute(
        sa.select(table.c[place], value)
        .where(table.c[place] > last_id, condition)
        .order_by(table.c[place])
        .limit(ROWS_AT_ONCE)
    ).all()
    if not rows:
        return 0, last_id
    changes: dict[str, Any] = {column.name: sa.bindparam("fresh")}
    if "key_version" in table.c:
        changes["key_version"] = table.c.key_version + 1
    session.connection().execute(
        sa.update(table).where(table.c[place] == sa.bindparam("row")).values(**changes),
        [{"row": row, "fresh": column.put_on(old, key)} for row, old in rows],
    )
    return len(rows), int(rows[-1][0])


def _advance_identifiers(session: Session, state: KeyState, key: str) -> tuple[int, int]:
    """Re-key identifiers: their hash is their place, so their version says which are done."""
    table: Any = CustomerKey.__table__
    rows = session.execute(
        sa.select(table.c.key_hash, table.c.customer_id)
        .where(table.c.key_version <= state.version)
        .limit(ROWS_AT_ONCE)
    ).all()
    if rows:
        session.connection().execute(
            sa.update(table)
            .where(
                table.c.key_hash == sa.bindparam("old"),
                table.c.customer_id == sa.bindparam("customer"),
            )
            .values(key_hash=sa.bindparam("fresh"), key_version=state.version + 1),
            [
                {"old": digest, "customer": customer, "fresh": _hash(digest, key)}
                for digest, customer in rows
            ],
        )
    return len(rows), 0


def _chain_hashed(session: Session, settings: Settings) -> None:
    """Chain customers anew whose contact ids changed: of two in one second ids give the order."""
    hashed = _is_hashed_id(Contact.source_contact_id) & Contact.customer_id.is_not(None)
    customers = session.scalars(sa.select(Contact.customer_id).distinct().where(hashed)).all()
    ids = [customer for customer in customers if customer is not None]
    chain_contacts(session, settings=settings, customer_ids=ids)


def _record(session: Session, version: int, rows: int, by: Actor) -> None:
    record_event(
        session,
        by=by,
        verb="site.customer_key_rotated",
        target_kind="site",
        target_id=None,
        summary=f"put a new customer key on top: {version} keys, {rows:,} hashes replaced",
        detail={"version": version, "rows": rows},
    )


def _write_settings(settings: Settings, keys: tuple[str, ...]) -> None:
    """Write the new key into the settings file, keeping its other lines; then drop the next key."""
    path = settings.instance / INSTANCE_FILE
    values = {_KEY: keys[-1], _BEFORE: ",".join(keys[:-1])}
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    kept = [line for line in lines if line.partition("=")[0].strip() not in values]
    text = "\n".join([*kept, *(f"{name}={value}" for name, value in values.items())])
    write_private(path, f"{text}\n")
    (settings.instance / NEXT_KEY_FILE).unlink(missing_ok=True)
