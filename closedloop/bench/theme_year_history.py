"""A made-up history of contacts whose words and subjects drift, with the truth kept beside it.

The sentences are those of the demonstration bank. From the first drifting month on, of each
month's new contacts a share is drift: half of it old subjects in sentences nobody used before,
half subjects that nobody had, one more each month.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from random import Random
from typing import Any

from closedloop.demo.intents import INTENTS
from closedloop.demo.transcripts import load_sentences

FIRST_MONTH = datetime(2023, 7, 1, 9, tzinfo=UTC)
DAYS = 30
KNOWN_INTENTS = 20
"""These are asked about from the start; the others come in one by one, a month each."""

KNOWN_WORDING = 0.6
"""Share of a subject's sentences that are in use from the start."""

OPENINGS = ("Since the new app, ", "After the update: ", "With the new version, ")
"""Drifted sentences begin like this half of the time."""


@dataclass(frozen=True)
class Made:
    """One contact as an export has it, and what it is about."""

    row: dict[str, Any]
    intent: str
    is_drift: bool


@dataclass(frozen=True)
class History:
    """Contacts month by month.

    Attributes
    ----------
    per_month : int
        Contacts; each customer has two of them, three days apart, about one subject.
    drift : float
        Share of new contacts, 0 to 1, from month `first_drift` on.
    seed : int
    """

    per_month: int
    drift: float
    first_drift: int
    seed: int = 7

    def month(self, number: int) -> list[Made]:
        """Return the contacts of a month, counted from 0, in the order of their numbers."""
        rng = Random(self.seed * 1_000 + number)  # noqa: S311 - to be the same each time
        made = []
        for pair in range(self.per_month // 2):
            intent, is_drift = self._subject(rng, number)
            sentences = self._sentences(intent, is_drift, rng)
            start = FIRST_MONTH + timedelta(
                days=DAYS * number + rng.randrange(DAYS - 4), minutes=rng.randrange(480)
            )
            for turn, text in enumerate(sentences):
                row = {
                    "contact_id": f"y{number:02d}-{pair:05d}-{turn}",
                    "started_at": (start + timedelta(days=3 * turn)).isoformat(),
                    "customer_id": f"c{number:02d}-{pair:05d}",
                    "channel": "phone",
                    "text": text,
                }
                made.append(Made(row, INTENTS[intent].key, is_drift))
        return made

    def last_moment(self, number: int) -> datetime:
        """Return the evening of the last day of a month."""
        return FIRST_MONTH + timedelta(days=DAYS * (number + 1), hours=12)

    def _subject(self, rng: Random, number: int) -> tuple[int, bool]:
        weights = [intent.per_day for intent in INTENTS]
        known = rng.choices(range(KNOWN_INTENTS), weights[:KNOWN_INTENTS])[0]
        months = number - self.first_drift + 1
        if months < 1 or rng.random() >= self.drift:
            return known, False
        newcomers = range(KNOWN_INTENTS, min(KNOWN_INTENTS + months, len(INTENTS)))
        return (rng.choice(newcomers), True) if rng.random() < 0.5 else (known, True)

    def _sentences(self, intent: int, is_drift: bool, rng: Random) -> Sequence[str]:
        known, later = self._wording[intent]
        if intent >= KNOWN_INTENTS or not is_drift:
            return rng.sample(known, 2)
        return [
            f"{rng.choice(OPENINGS)}{text[0].lower()}{text[1:]}" if rng.random() < 0.5 else text
            for text in rng.sample(later, 2)
        ]

    @cached_property
    def _wording(self) -> list[tuple[Sequence[str], Sequence[str]]]:
        """Sentences of each subject, those of the start and those that come with drift."""
        found: list[tuple[Sequence[str], Sequence[str]]] = []
        for sentences in load_sentences():
            cut = int(len(sentences) * KNOWN_WORDING)
            found.append((sentences[:cut], sentences[cut:]))
        return found
