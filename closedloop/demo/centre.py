"""The demo contact centre: its export, row by row, and the truth kept beside it.

centre = generate(seed=7)
for row in centre.rows(): ...          # what the bank's systems would export
for fix_key, row in centre.removed(): ...   # what they never saw
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from closedloop.demo.calendar import CHANNELS, N_DAYS, FloatArray, iso_time
from closedloop.demo.demand import DAY_SECONDS, Contacts, IntArray, simulate_year
from closedloop.demo.intents import DISPOSITIONS, INDEX, INTENTS, QUEUES
from closedloop.demo.phrases import AGENTS
from closedloop.demo.scenario import FIXES
from closedloop.demo.transcripts import PRIVATE_KINDS, Facts, load_sentences, render_turns
from closedloop.demo.truth import EFFECTS, touched_by_fix

Row = dict[str, Any]

_STREAMS = ("demand", "details", "fixes")
_UNKNOWN_CUSTOMER = 0.02
_MISROUTED = 0.05
_WRAPPED_UP_AS_GENERAL = 0.31
_WRAPPED_UP_WRONG = 0.08
_CSAT_ANSWERED = 0.12
_CSAT_FIRST = (0.07, 0.16, 0.33, 0.66)  # ends of the shares of 1 to 4; the rest gives 5
_CSAT_REPEAT = (0.26, 0.48, 0.68, 0.87)
_HANDLE_MEDIAN = {"phone": 390.0, "chat": 560.0, "message": 310.0}  # seconds
_HANDLE_SPREAD = {"phone": 0.55, "chat": 0.45, "message": 0.60}  # sd of the logarithm
_HANDLE_REPEAT = 1.3
_MEAN_WAIT_SECONDS = 95.0
_TRANSFERS = (0.88, 0.1, 0.02)  # not at all, once, twice
_RESOLVED_FIRST, _RESOLVED_REPEAT = 0.86, 0.71
_FURTHER = 0x5EED
"""Parts what else is drawn for a contact from how it is told."""
_PRIVATE_SHARE = 0.045


@dataclass(frozen=True)
class Details:
    """Everything about contacts that no theory of demand needs, as arrays (n_contacts,)."""

    customer_number: IntArray
    is_known: NDArray[np.bool_]
    u_queue: FloatArray
    u_agent: FloatArray
    u_disposition: FloatArray
    u_sentence: FloatArray
    u_step: FloatArray
    handle_seconds: IntArray
    csat: NDArray[np.int8]
    private: NDArray[np.int8]
    seed: NDArray[np.uint64]


@dataclass(frozen=True)
class DemoCentre:
    """One simulated year of contacts; make it with `generate`.

    Attributes
    ----------
    contacts : Contacts
        The year had no fix shipped.
    fix : int8, shape (n_contacts,)
        Position in `FIXES` of the fix that took the contact away or moved it; -1 for none.
    details : Details
    """

    contacts: Contacts
    fix: NDArray[np.int8]
    details: Details

    def rows(self) -> Iterator[Row]:
        """Yield the contacts that came, in order of time, as an export would have them.

        Fields: contact_id, started_at (ISO 8601 with offset), customer_id (None if unknown),
        channel, queue, agent, disposition, turns (each with speaker and text), handle_seconds,
        team, language, resolved, wait_seconds and transfers where there is a queue, and csat (1
        to 5), nps, ces and survey_resolved where the customer answered.
        """
        for number, i in enumerate(self._kept.tolist()):
            yield self._row(i, int(self._intent[i]), _contact_id(number))

    def removed(self) -> Iterator[tuple[str, Row]]:
        """Yield (fix key, contact) for each contact that a fix took away, in order of time.

        A contact that came under another intent instead is among them as it would have been
        without the fix. It has the same contact_id as the row that did come.
        """
        came_as = {i: number for number, i in enumerate(self._kept.tolist())}
        for i in np.flatnonzero(self.fix >= 0).tolist():
            contact_id = _contact_id(came_as[i]) if i in came_as else f"never-{i:06d}"
            yield FIXES[self.fix[i]].key, self._row(i, int(self.contacts.intent[i]), contact_id)

    def intent_of(self, contact_id: str) -> str:
        """Return the true intent of a contact that came.

        Raises
        ------
        KeyError
            If no contact has this id.
        """
        number = int(contact_id.removeprefix("NB-")) - 1 if contact_id.startswith("NB-") else -1
        if not 0 <= number < len(self._kept):
            raise KeyError(contact_id)
        return INTENTS[int(self._intent[self._kept[number]])].key

    def per_day(self, *intents: str, without_fixes: bool = False) -> IntArray:
        """Count contacts a day.

        Parameters
        ----------
        *intents : str
            Keys of `INTENTS`, counted together; all if none is given.
        without_fixes : bool, optional
            Count the year as it would have been had no fix shipped.

        Returns
        -------
        int64, shape (N_DAYS,)
            First day first.
        """
        rows = slice(None) if without_fixes else self._kept
        intent = (self.contacts.intent if without_fixes else self._intent)[rows]
        day = self.contacts.second[rows] // DAY_SECONDS
        if intents:
            day = day[np.isin(intent, [INDEX[key] for key in intents])]
        return np.bincount(day, minlength=N_DAYS)

    def summary(self) -> dict[str, Any]:
        """Return counts of what came and of what the fixes did.

        `repeat_rate_7d` and `same_intent_rate_7d` are shares, 0..1, of the identified contacts
        whose seven days have passed by the end, that are followed by another contact of the
        same customer (about the same intent) within seven days.
        """
        kept, known = self._kept, self.details.is_known[self._kept]
        any_reason, same_intent = self._repeat_rates(kept[known])
        return {
            "contacts": len(kept),
            "customers": len(np.unique(self.contacts.customer[kept[known]])),
            "unidentified": int((~known).sum()),
            "repeat_rate_7d": any_reason,
            "same_intent_rate_7d": same_intent,
            "removed": {fix.key: int(self._is_gone(k).sum()) for k, fix in enumerate(FIXES)},
            "moved": {fix.key: int(self._is_moved(k).sum()) for k, fix in enumerate(FIXES)},
            "per_intent": {intent.key: int(self.per_day(intent.key).sum()) for intent in INTENTS},
        }

    @cached_property
    def _intent(self) -> NDArray[np.int8]:
        """True intent of each contact after the fixes, shape (n_contacts,)."""
        intent = self.contacts.intent.copy()
        for position, fix in enumerate(FIXES):
            target = EFFECTS[fix.key].moves_to
            if target is not None:
                intent[self.fix == position] = INDEX[target]
        return intent

    @cached_property
    def _kept(self) -> IntArray:
        """Positions of the contacts that came, in order of time."""
        gone = np.zeros(len(self.contacts), dtype=bool)
        for position in range(len(FIXES)):
            gone |= self._is_gone(position)
        return np.flatnonzero(~gone)

    def _is_gone(self, position: int) -> NDArray[np.bool_]:
        if EFFECTS[FIXES[position].key].moves_to is not None:
            return np.zeros(len(self.fix), dtype=bool)
        return np.equal(self.fix, position)

    def _is_moved(self, position: int) -> NDArray[np.bool_]:
        return np.equal(self.fix, position) & ~self._is_gone(position)

    def _repeat_rates(self, rows: IntArray) -> tuple[float, float]:
        order = rows[np.lexsort((self.contacts.second[rows], self.contacts.customer[rows]))]
        second, customer = self.contacts.second[order], self.contacts.customer[order]
        window = 7 * DAY_SECONDS
        mature = second + window < N_DAYS * DAY_SECONDS
        follows = np.zeros(len(order), dtype=bool)
        follows[:-1] = (np.diff(customer) == 0) & (np.diff(second) <= window)
        # The same intent may come back after something else came between.
        subject = customer * len(INTENTS) + self._intent[order]
        by_subject = np.lexsort((second, subject))
        again = np.zeros(len(order), dtype=bool)
        again[by_subject[:-1]] = (np.diff(subject[by_subject]) == 0) & (
            np.diff(second[by_subject]) <= window
        )
        return float(follows[mature].mean()), float(again[mature].mean())

    @cached_property
    def _before(self) -> IntArray:
        """Position of the contact before about the same problem, -1 if it is not in the year."""
        order = np.lexsort((self.contacts.ordinal, self.contacts.episode))
        before = np.full(len(order), -1, dtype=np.int64)
        same = np.diff(self.contacts.episode[order]) == 0
        before[order[1:][same]] = order[:-1][same]
        return before

    def _row(self, i: int, intent_code: int, contact_id: str) -> Row:
        """Return contact `i` told under an intent, its own or the one it moved to."""
        details, intent = self.details, INTENTS[intent_code]
        second, channel = int(self.contacts.second[i]), CHANNELS[self.contacts.channel[i]]
        queue = _queue(intent.queue, details.u_queue[i])
        agent = int(details.u_agent[i] * 8) * len(QUEUES) + QUEUES.index(queue)
        row = {
            "contact_id": contact_id,
            "started_at": iso_time(second),
            "customer_id": f"{details.customer_number[i]:08d}" if details.is_known[i] else None,
            "channel": channel,
            "queue": queue,
            "agent": f"{AGENTS[agent]} {agent + 101}",
            "disposition": _disposition(intent.disposition, details.u_disposition[i]),
            "turns": render_turns(self._facts(i, intent_code, AGENTS[agent])),
            "handle_seconds": int(details.handle_seconds[i]),
        }
        rng = Random(int(details.seed[i]) ^ _FURTHER)  # noqa: S311 - to be the same each time
        row |= _served(rng, channel, queue, agent, is_repeat=bool(self.contacts.ordinal[i] > 0))
        if details.csat[i]:
            row |= _answered(rng, int(details.csat[i]))
        return row

    def _facts(self, i: int, intent_code: int, agent: str) -> Facts:
        contacts, details, before = self.contacts, self.details, int(self._before[i])
        second = int(contacts.second[i])
        return Facts(
            seed=int(details.seed[i]),
            channel=CHANNELS[contacts.channel[i]],
            family=INTENTS[intent_code].family,
            sentence=self._sentence(i, intent_code),
            agent=agent,
            hour=second % DAY_SECONDS // 3600,
            is_known=bool(details.is_known[i]),
            ordinal=int(contacts.ordinal[i]) if before >= 0 else 0,
            days_since=_days_between(int(contacts.second[before]), second) if before >= 0 else 0,
            channel_before=CHANNELS[contacts.channel[before]] if before >= 0 else "",
            private=PRIVATE_KINDS[details.private[i]] if details.private[i] >= 0 else "",
        )

    def _sentence(self, i: int, intent_code: int) -> str:
        """Return the statement; contacts about one problem never use the same sentence."""
        sentences = load_sentences()[intent_code]
        start = int(self.details.u_sentence[i] * len(sentences))
        step = 1 + int(self.details.u_step[i] * (len(sentences) // 8))
        return sentences[(start + int(self.contacts.ordinal[i]) * step) % len(sentences)]


def generate(seed: int = 7) -> DemoCentre:
    """Simulate the demo year.

    Parameters
    ----------
    seed : int, optional
        The same seed gives the same rows, whatever the process.
    """
    children = np.random.SeedSequence(seed).spawn(len(_STREAMS))
    streams = {
        name: np.random.default_rng(child) for name, child in zip(_STREAMS, children, strict=True)
    }
    contacts = simulate_year(streams["demand"])
    fix = touched_by_fix(contacts, streams["fixes"])
    return DemoCentre(contacts, fix, _draw_details(streams["details"], contacts))


def _draw_details(rng: np.random.Generator, contacts: Contacts) -> Details:
    n, episodes = len(contacts), int(contacts.episode.max()) + 1
    numbers = 10_000_000 + rng.permutation(80_000_000 // 7)[: int(contacts.customer.max()) + 1] * 7
    is_known = rng.random(n) >= _UNKNOWN_CUSTOMER
    private = rng.integers(len(PRIVATE_KINDS), size=n)
    return Details(
        customer_number=numbers[contacts.customer],
        is_known=is_known,
        u_queue=rng.random(n),
        u_agent=rng.random(n),
        u_disposition=rng.random(n),
        u_sentence=rng.random(episodes)[contacts.episode],
        u_step=rng.random(episodes)[contacts.episode],
        handle_seconds=_draw_handle_seconds(rng, contacts),
        csat=_draw_csat(rng, contacts),
        private=np.where(rng.random(n) < _PRIVATE_SHARE, private, -1).astype(np.int8),
        seed=rng.integers(2**63, size=n, dtype=np.uint64),
    )


def _draw_handle_seconds(rng: np.random.Generator, contacts: Contacts) -> IntArray:
    median = np.array([_HANDLE_MEDIAN[name] for name in CHANNELS])[contacts.channel]
    spread = np.array([_HANDLE_SPREAD[name] for name in CHANNELS])[contacts.channel]
    seconds = median * np.exp(spread * rng.standard_normal(len(contacts)))
    seconds *= np.where(contacts.ordinal > 0, _HANDLE_REPEAT, 1.0)
    rounded: IntArray = np.clip(np.rint(seconds), 30, 5400).astype(np.int64)
    return rounded


def _draw_csat(rng: np.random.Generator, contacts: Contacts) -> NDArray[np.int8]:
    """Return 1 to 5, and 0 where the customer did not answer."""
    u = rng.random(len(contacts))
    first = 1 + np.searchsorted(_CSAT_FIRST, u, side="right")
    repeat = 1 + np.searchsorted(_CSAT_REPEAT, u, side="right")
    answered = rng.random(len(contacts)) < _CSAT_ANSWERED
    return np.where(answered, np.where(contacts.ordinal > 0, repeat, first), 0).astype(np.int8)


def _served(rng: Random, channel: str, queue: str, agent: int, *, is_repeat: bool) -> Row:
    """Return how a contact was served: by which team, after what wait, how often handed on."""
    served: Row = {
        "team": f"{queue} {'A' if agent // len(QUEUES) % 2 == 0 else 'B'}",
        "language": "en",
        "resolved": rng.random() < (_RESOLVED_REPEAT if is_repeat else _RESOLVED_FIRST),
    }
    if channel != "message":
        served["wait_seconds"] = round(rng.expovariate(1 / _MEAN_WAIT_SECONDS))
        served["transfers"] = rng.choices((0, 1, 2), _TRANSFERS)[0]
    return served


def _answered(rng: Random, csat: int) -> Row:
    """Return what a customer who rated a contact said beside it, which goes with the rating."""
    return {
        "csat": csat,
        "nps": min(10, max(0, 2 * csat + rng.randint(-2, 1))),
        "ces": min(7, max(1, csat + rng.randint(0, 2))),
        "survey_resolved": rng.random() < 0.12 + 0.17 * csat,
    }


def _contact_id(number: int) -> str:
    return f"NB-{number + 1:07d}"


def _days_between(earlier: int, later: int) -> int:
    return later // DAY_SECONDS - earlier // DAY_SECONDS


def _queue(right: str, u: float) -> str:
    return QUEUES[int(u / _MISROUTED * len(QUEUES))] if u < _MISROUTED else right


def _disposition(right: str, u: float) -> str:
    """Return the code an agent chose: often the general one, now and then a wrong one."""
    if u < _WRAPPED_UP_AS_GENERAL:
        return DISPOSITIONS[0]
    wrong = (u - _WRAPPED_UP_AS_GENERAL) / _WRAPPED_UP_WRONG
    return DISPOSITIONS[int(wrong * len(DISPOSITIONS))] if wrong < 1 else right
