"""What all sentence encoders share: the protocol, distinct texts, batches of one length."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

MAX_TOKENS = 128
TOKENS_PER_BATCH = 4096
TEXTS_PER_CHUNK = 8192
# With fewer texts threads cost more than they save.
FEWEST_FOR_THREADS = 512
# More characters than 128 tokens of real text have: a pasted file must not fill the memory.
MAX_CHARACTERS = 4000

Vectors = NDArray[np.float32]


class Encoder(Protocol):
    """Turns texts into vectors that are close when the texts mean nearly the same."""

    @property
    def name(self) -> str:
        """Identify the exact weights; vectors may be cached under (name, text)."""
        ...

    @property
    def dimensions(self) -> int:
        """Length of each vector."""
        ...

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return float32 (n_texts, dimensions), each row of length 1."""
        ...


def encode_distinct(
    texts: Sequence[str], dimensions: int, encode: Callable[[list[str]], Vectors]
) -> Vectors:
    """Encode each distinct text once and return one row per text.

    Parameters
    ----------
    texts : sequence of str, length n_texts
    dimensions : int
    encode : callable
        Gets a list of distinct texts; returns float32 (n_distinct, dimensions).

    Returns
    -------
    array of float32 (n_texts, dimensions)

    Raises
    ------
    TypeError
        If it is given one text instead of a list of them.
    """
    if isinstance(texts, str):
        raise TypeError("encode() takes a list of texts; this is one text. Put it in a list.")
    places: dict[str, int] = {}
    rows = [places.setdefault(_encodable(text), len(places)) for text in texts]
    if not places:
        return np.zeros((0, dimensions), np.float32)
    vectors = encode(list(places))
    return vectors if len(places) == len(rows) else vectors[rows]


def _encodable(text: str) -> str:
    """Cut what is too long and replace half characters, which tokenizers refuse."""
    return text[:MAX_CHARACTERS].encode("utf-8", "replace").decode("utf-8")


def batches_of_one_length(lengths: Sequence[int]) -> Iterator[NDArray[np.int64]]:
    """Yield indexes of texts that have equal length, at most TOKENS_PER_BATCH tokens at a time."""
    order = np.argsort(lengths, kind="stable")
    cuts = np.flatnonzero(np.diff(np.asarray(lengths)[order])) + 1
    for group in np.split(order, cuts):
        step = max(1, TOKENS_PER_BATCH // lengths[group[0]])
        for start in range(0, len(group), step):
            yield group[start : start + step]


def token_ids(tokenizer: Any, texts: Sequence[str], threads: int) -> list[list[int]]:
    """Return the numbers of the tokens of each text.

    The model waits for them, so the threads it runs on make them together: the tokenizer lets
    go of Python's lock while it works.
    """
    if threads < 2 or len(texts) < FEWEST_FOR_THREADS:
        return [encoding.ids for encoding in tokenizer.encode_batch_fast(texts)]
    share = -(-len(texts) // threads)
    parts = [texts[start : start + share] for start in range(0, len(texts), share)]
    with ThreadPoolExecutor(threads) as pool:
        found = pool.map(tokenizer.encode_batch_fast, parts)
    return [encoding.ids for part in found for encoding in part]


def open_model(
    model: Path, tokenizer: Path, threads: int, max_tokens: int = MAX_TOKENS
) -> tuple[Any, Any]:
    """Return an onnxruntime session and a tokenizer that cuts after so many tokens."""
    # The tokenizer's own threads gain nothing here and complain after a fork.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    import onnxruntime
    from tokenizers import Tokenizer

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    splitter = Tokenizer.from_file(str(tokenizer))
    splitter.no_padding()
    splitter.enable_truncation(max_tokens)
    return session, splitter
