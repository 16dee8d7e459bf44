"""Which customer keys the database was written with, so that no process adds with others.

Hashes made with another key would turn every returning customer into a new one. So the database
remembers how many keys lie upon each other and what they make of a fixed word.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy.orm import Session

from closedloop.config import Settings
from closedloop.domain.errors import Conflict
from closedloop.models import SiteSetting
from closedloop.services.identifiers import hash_customer

STATE = "customer_keys"
_WORD = "the customer keys of this site"


@dataclass(frozen=True)
class KeyState:
    """The keys of a database.

    Attributes
    ----------
    version : int
        How many keys lie upon each other.
    check : str
        What they make of a fixed word, hex.
    stage : str
        What a rotation that has begun is at; empty when none runs.
    last_id : int or str
        How far it is in that stage.
    next_check : str
        What the keys with the new one make of the fixed word; empty when none runs.
    """

    version: int
    check: str
    stage: str = ""
    last_id: int | str = 0
    next_check: str = ""


def check_of(keys: tuple[str, ...]) -> str:
    """Return a fixed word hashed with the keys: it tells equal keys, and nothing more of them."""
    return hash_customer(_WORD, keys)


def find_key_state(session: Session) -> KeyState | None:
    """Return the keys of the database, None where nothing was stored with any yet."""
    row = session.get(SiteSetting, STATE, populate_existing=True)
    return KeyState(**row.value["value"]) if row else None


def save_key_state(session: Session, state: KeyState) -> None:
    """Write the state down; the caller holds the turn."""
    value: dict[str, Any] = {"value": asdict(state)}
    session.merge(SiteSetting(key=STATE, value=value))
    session.flush()  # a second look in this transaction must see it


def key_problem(state: KeyState | None, settings: Settings) -> str:
    """Return a sentence on why customers must not be hashed with these settings, or nothing."""
    keys = settings.customer_keys
    if state is None or (not state.stage and state.check == check_of(keys)):
        return ""
    if state.stage:
        return (
            "The customer key is being replaced. Let `closedloop keys rotate` finish, or run it "
            "again if it broke off; then start this again."
        )
    if state.version > len(keys):
        return (
            f"The customers of this site are stored under {state.version} keys and this process "
            f"knows {len(keys)}. Start it again; if that does not help, run `closedloop keys "
            "rotate`, which finishes what broke off, or restore closedloop.env of the instance."
        )
    return (
        "The customer key is not the one the customers of this site are stored under: every "
        "returning customer would look new. Restore CLOSEDLOOP_CUSTOMER_KEY and "
        "CLOSEDLOOP_CUSTOMER_KEYS_BEFORE from a backup of the instance's closedloop.env."
    )


def require_keys(session: Session, settings: Settings) -> None:
    """Refuse to hash customers with other keys than the database holds; note the first ones down.

    Parameters
    ----------
    session : Session
        Holds the turn of writers, so that a rotation cannot begin meanwhile.
    settings : Settings

    Raises
    ------
    Conflict
        If the keys differ or are being replaced.
    """
    state = find_key_state(session)
    if problem := key_problem(state, settings):
        raise Conflict(problem)
    if state is None:
        keys = settings.customer_keys
        save_key_state(session, KeyState(len(keys), check_of(keys)))
