"""Counts words and pieces of words in many texts at once, each under a hashed number."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

BITS = 18
N_FEATURES = 2**BITS
SHORTEST_PIECE, LONGEST_PIECE = 3, 5
# Bounds the memory: some dozen arrays are as long as the characters counted at once.
CHARACTERS_AT_ONCE = 1_000_000

_TOKEN = re.compile(r"\b\w\w+\b")
_SPACE, _END = ord(" "), ord("\n")
_ODD = np.uint64(0x9E3779B97F4A7C15)
_FOLD, _REST = np.uint64(29), np.uint64(64 - BITS)

Hashes = NDArray[np.uint64]


def count_words(texts: Sequence[str]) -> sparse.csr_matrix:
    """Count words of two or more letters and pairs of them: float32 (n_texts, N_FEATURES).

    The same text gives the same row in any process; small and large letters are one.
    """
    known: dict[str, int] = {}
    tokens = [_TOKEN.findall(text.lower()) for text in texts]
    lengths = np.array([len(found) for found in tokens], np.int64)
    words = np.array(
        [
            known.get(token) or known.setdefault(token, crc32(token.encode("utf-8", "replace")))
            for found in tokens
            for token in found
        ],
        np.uint64,
    )
    rows = np.repeat(np.arange(len(texts)), lengths)
    is_pair = rows[1:] == rows[:-1]
    pairs = ((words[:-1] * _ODD) ^ words[1:])[is_pair]
    features = np.concatenate([_feature(words * _ODD), _feature(pairs * _ODD)])
    return _table(np.concatenate([rows, rows[1:][is_pair]]), features, len(texts))


def count_pieces(texts: Sequence[str]) -> sparse.csr_matrix:
    """Count runs of three to five characters inside words: float32 (n_texts, N_FEATURES).

    A word has a space before and behind it, so that its beginning and end are pieces too.
    """
    parts = [_count_pieces(texts[start:stop]) for start, stop in _portions(texts)]
    if not parts:
        return sparse.csr_matrix((0, N_FEATURES), dtype=np.float32)
    return parts[0] if len(parts) == 1 else sparse.vstack(parts, format="csr")


def _portions(texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    start = size = 0
    for place, text in enumerate(texts):
        if size and size + len(text) > CHARACTERS_AT_ONCE:
            yield start, place
            start, size = place, 0
        size += len(text)
    if start < len(texts):
        yield start, len(texts)


def _count_pieces(texts: Sequence[str]) -> sparse.csr_matrix:
    lines = "".join([f" {' '.join(text.lower().split())} \n" for text in texts])
    codes = np.frombuffer(lines.encode("utf-32-le", "surrogatepass"), np.uint32)
    is_end = codes == _END
    rows = np.cumsum(is_end)
    # how many spaces and ends stand before each place
    gaps = np.concatenate([[0], np.cumsum(is_end | (codes == _SPACE))])
    letters = codes.astype(np.uint64)
    hashes = letters * _ODD
    found_rows, features = [], []
    for length in range(2, min(LONGEST_PIECE, len(codes)) + 1):
        n = len(codes) - length + 1
        hashes = (hashes[:n] ^ letters[length - 1 :]) * _ODD
        if length < SHORTEST_PIECE:
            continue
        is_piece = gaps[length - 1 : length - 1 + n] == gaps[1 : n + 1]
        is_piece &= ~is_end[:n] & ~is_end[length - 1 :]
        found_rows.append(rows[:n][is_piece])
        features.append(_feature(hashes[is_piece]))
    return _table(np.concatenate(found_rows), np.concatenate(features), len(texts))


def _feature(hashes: Hashes) -> NDArray[np.int32]:
    return ((hashes ^ (hashes >> _FOLD)) * _ODD >> _REST).astype(np.int32)


def _table(rows: NDArray[np.int64], features: NDArray[np.int32], n_rows: int) -> sparse.csr_matrix:
    ones = np.ones(len(rows), np.float32)
    table = sparse.csr_matrix((ones, (rows, features)), shape=(n_rows, N_FEATURES))
    table.sum_duplicates()
    return table
