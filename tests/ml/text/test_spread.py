"""Texts spread over an executor: the same rows in the same order, each text once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from ml.text.embed import load_encoder
from ml.text.spread import SpreadEncoder


@pytest.fixture(scope="module")
def encoder():
    return load_encoder()


class Counting(ThreadPoolExecutor):
    """Counts the texts it is given."""

    n_texts = 0

    def submit(self, work, packed, texts):
        self.n_texts += len(texts)
        return super().submit(work, packed, texts)


def test_spread_texts_keep_their_order_and_equal_ones_are_encoded_once(encoder):
    texts = [f"where is parcel {i}?" for i in range(25)] + ["where is parcel 3?", ""]

    with Counting(2) as executor:
        spread = SpreadEncoder(encoder, executor, texts_per_task=4)
        vectors = spread.encode(texts)
        assert executor.n_texts == 26

    assert np.array_equal(vectors, encoder.encode(texts))
    assert (spread.name, spread.dimensions) == (encoder.name, encoder.dimensions)


def test_no_texts_need_no_task(encoder):
    with Counting(1) as executor:
        assert SpreadEncoder(encoder, executor).encode([]).shape == (0, encoder.dimensions)
        assert executor.n_texts == 0
