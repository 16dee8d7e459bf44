"""One encoder at work in many processes: any executor, on this machine or on several."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from concurrent.futures import Executor
from functools import lru_cache

import numpy as np

from ml.text.embed import Encoder, Vectors, encode_distinct

TEXTS_PER_TASK = 500


class SpreadEncoder:
    """Encodes its texts in tasks of an executor; every text gets the vector it gets anyway.

    Parameters
    ----------
    encoder : Encoder
        Is sent to the processes without its weights, which each of them loads once.
    executor : Executor
        Of processes, or a Dask client's; one that hands lost tasks to other workers lets the work
        survive the death of some.
    texts_per_task : int
    """

    def __init__(
        self, encoder: Encoder, executor: Executor, texts_per_task: int = TEXTS_PER_TASK
    ) -> None:
        self._encoder = encoder
        self._packed = pickle.dumps(encoder)
        self._executor = executor
        self._step = texts_per_task

    @property
    def name(self) -> str:
        """That of the encoder: the vectors are the same."""
        return self._encoder.name

    @property
    def dimensions(self) -> int:
        """Length of each vector."""
        return self._encoder.dimensions

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return float32 (n_texts, dimensions), rows of length 1."""
        return encode_distinct(texts, self.dimensions, self._encode)

    def _encode(self, texts: list[str]) -> Vectors:
        tasks = [
            self._executor.submit(encode_part, self._packed, texts[at : at + self._step])
            for at in range(0, len(texts), self._step)
        ]
        return np.concatenate([task.result() for task in tasks])


def encode_part(packed: bytes, texts: list[str]) -> Vectors:
    """Encode some texts in the process this runs in, with the encoder that was sent."""
    return _unpack(packed).encode(texts)


@lru_cache(maxsize=1)
def _unpack(packed: bytes) -> Encoder:
    encoder: Encoder = pickle.loads(packed)  # noqa: S301 - our own process packed it
    return encoder
