"""Trying an encoder before contacts are given to it."""

from __future__ import annotations

import time
from dataclasses import dataclass

from closedloop.domain.errors import Invalid
from ml.text.embed import load_encoder
from ml.text.probes import STATEMENTS, UNDERSTOOD, count_understood

N_TIMED = 64


@dataclass(frozen=True)
class EncoderCheck:
    """What an encoder is, how fast, and in which languages it sees that the same was said.

    Attributes
    ----------
    name : str
        Under which vectors are kept; holds digits of a checksum of the weights.
    dimensions : int
    load_seconds : float
        Until the first vector.
    texts_per_second : float
        Texts of some 20 words, no two alike.
    understood : dict of str to int
        Language to how many of `n_statements` were nearest to the same in English.
    n_statements : int
    """

    name: str
    dimensions: int
    load_seconds: float
    texts_per_second: float
    understood: dict[str, int]
    n_statements: int

    @property
    def languages(self) -> list[str]:
        """Languages that are understood, English aside."""
        return sorted(code for code, n in self.understood.items() if n >= UNDERSTOOD)


def check_encoder_named(name: str) -> EncoderCheck:
    """Load an encoder, time it, and try eight statements in thirteen languages.

    Raises
    ------
    Invalid
        If it cannot be loaded; the sentence says what is missing.
    """
    started = time.perf_counter()
    try:
        encoder = load_encoder(name)
        encoder.encode(["card"])
    except (ValueError, RuntimeError, OSError) as error:
        raise Invalid(str(error)) from error
    loaded = time.perf_counter()
    texts = [
        f"I have been waiting for the refund of order {number} since last week, and nobody "
        "answers my messages or calls me back"
        for number in range(N_TIMED)
    ]
    encoder.encode(texts)
    timed = time.perf_counter()
    return EncoderCheck(
        name=encoder.name,
        dimensions=encoder.dimensions,
        load_seconds=loaded - started,
        texts_per_second=N_TIMED / (timed - loaded),
        understood=count_understood(encoder),
        n_statements=len(STATEMENTS["en"]),
    )
