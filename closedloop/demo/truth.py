"""What the planted fixes really do. Only the generator, and those who mark it, read this."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from closedloop.demo.calendar import LAST_DAY, N_DAYS, FloatArray, day_number
from closedloop.demo.demand import DAY_SECONDS, Contacts
from closedloop.demo.intents import INDEX
from closedloop.demo.scenario import FIXES, Fix


@dataclass(frozen=True)
class Effect:
    """What one fix does to the contacts of its intents.

    Attributes
    ----------
    drop : float
        Share of contacts, 0..1, that no longer come once it is rolled out.
    lasts_until : date
        Last day, inclusive, on which problems are prevented.
    moves_to : str or None
        Intent under which the contacts come instead; None if they do not come at all.
    """

    drop: float
    lasts_until: date = LAST_DAY
    moves_to: str | None = None


EFFECTS: dict[str, Effect] = {
    "card_notices": Effect(drop=0.45),
    "top_up_faq": Effect(drop=0.0),
    "pending_label": Effect(drop=0.40, moves_to="card_payment_not_recognised"),
    "refund_date": Effect(drop=0.40, lasts_until=date(2026, 4, 20)),
}


def drop_by_day(fix: Fix) -> FloatArray:
    """Return the share of contacts that a fix takes away, shape (N_DAYS,).

    It climbs in equal steps over the roll-out days, the first of which is `fix.shipped_on`.
    """
    effect = EFFECTS[fix.key]
    days = np.arange(N_DAYS)
    since = days - day_number(fix.shipped_on)
    ramp = np.clip((since + 1) / (fix.roll_out_days + 1), 0.0, 1.0)
    return effect.drop * ramp * (days <= day_number(effect.lasts_until))


def touched_by_fix(contacts: Contacts, rng: np.random.Generator) -> NDArray[np.int8]:
    """Decide which contacts a fix takes away.

    A problem that is prevented is not asked about again either, whatever the day. A problem
    that began before the fix may be settled by it at the customer's next contact.

    Parameters
    ----------
    contacts : Contacts
        The year without fixes, in order of time.
    rng : numpy.random.Generator
        A stream of its own: other draws do not depend on what is planted.

    Returns
    -------
    int8, shape (n_contacts,)
        Position in `FIXES`, -1 where none applies; no two of them touch the same intent.
    """
    luck = rng.random(int(contacts.episode.max()) + 1)[contacts.episode]
    day = contacts.second // DAY_SECONDS
    touched = np.full(len(contacts), -1, dtype=np.int8)
    for position, fix in enumerate(FIXES):
        mine = np.isin(contacts.intent, [INDEX[key] for key in fix.intents])
        touched[mine & (luck < drop_by_day(fix)[day])] = position
    return _carried_forward(contacts, touched)


def _carried_forward(contacts: Contacts, touched: NDArray[np.int8]) -> NDArray[np.int8]:
    """Extend each touched contact to the later contacts about the same problem."""
    hit = np.flatnonzero(touched >= 0)[::-1]  # latest first, so that the earliest is kept
    never = np.iinfo(np.int8).max
    first_hit = np.full(int(contacts.episode.max()) + 1, never, dtype=np.int8)
    by_fix = np.full(len(first_hit), -1, dtype=np.int8)
    first_hit[contacts.episode[hit]] = contacts.ordinal[hit]
    by_fix[contacts.episode[hit]] = touched[hit]
    later = contacts.ordinal >= first_hit[contacts.episode]
    return np.where(later, by_fix[contacts.episode], np.int8(-1)).astype(np.int8)
