"""Sentence encoders: texts to vectors; the only module that loads a language model.

Nothing heavy is imported until an encoder is asked for its first vector, so web workers that
never encode do not pay for it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

DEFAULT_DIR = Path(__file__).parent / "models" / "all-MiniLM-L6-v2-int8"
MAX_TOKENS = 128
TOKENS_PER_BATCH = 4096
TEXTS_PER_CHUNK = 8192
# More characters than 128 tokens of real text have: a pasted file must not fill the memory.
MAX_CHARACTERS = 4000
EXTRA_PREFIX = "sentence-transformers:"

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


def load_encoder(name: str = "default") -> Encoder:
    """Return the encoder of that name, ready to use.

    Parameters
    ----------
    name : str
        ``"default"`` is the vendored all-MiniLM-L6-v2 (English, 384 dimensions, no download).
        ``"sentence-transformers:<model>"`` is any model of that library, by name or folder.

    Raises
    ------
    ValueError
        If no encoder has that name.
    RuntimeError
        If the optional library is not installed.
    """
    if name == "default":
        return MiniLmEncoder()
    if name.startswith(EXTRA_PREFIX) and len(name) > len(EXTRA_PREFIX):
        return SentenceTransformersEncoder(name.removeprefix(EXTRA_PREFIX))
    raise ValueError(
        f'There is no encoder called "{name}". Choose "default" or '
        f'"{EXTRA_PREFIX}<model>", for example "{EXTRA_PREFIX}all-mpnet-base-v2".'
    )


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


class MiniLmEncoder:
    """The vendored all-MiniLM-L6-v2 with 8-bit weights, run by onnxruntime.

    A text gets the same vector whatever it is encoded together with: activations are scaled
    per token, and a batch holds only texts of one length in tokens, so nothing is padded.

    Parameters
    ----------
    folder : Path, optional
        Holds model.onnx, tokenizer.json and SHA256SUMS.
    threads : int
        Processor threads for one batch.
    """

    dimensions = 384

    def __init__(self, folder: Path = DEFAULT_DIR, threads: int = 2) -> None:
        self._folder = folder
        self._threads = threads
        self._runtime: tuple[int, Any, Any] | None = None

    def __reduce__(self) -> tuple[type[MiniLmEncoder], tuple[Path, int]]:
        return MiniLmEncoder, (self._folder, self._threads)

    @cached_property
    def name(self) -> str:
        """Model and the first digits of its SHA-256, so that a rebuilt model has a new name."""
        sums = (self._folder / "SHA256SUMS").read_text(encoding="ascii").splitlines()
        digest = next(line.split()[0] for line in sums if line.endswith("  model.onnx"))
        return f"{self._folder.name}@{digest[:12]}"

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return float32 (n_texts, 384), rows of length 1; only the first 128 tokens count."""
        return encode_distinct(texts, self.dimensions, self._encode)

    def _encode(self, texts: list[str]) -> Vectors:
        session, tokenizer = self._load()
        vectors = np.empty((len(texts), self.dimensions), np.float32)
        for start in range(0, len(texts), TEXTS_PER_CHUNK):
            chunk = tokenizer.encode_batch_fast(texts[start : start + TEXTS_PER_CHUNK])
            tokens = [encoding.ids for encoding in chunk]
            for rows in _batches_of_one_length([len(ids) for ids in tokens]):
                ids = np.array([tokens[row] for row in rows], np.int64)
                feed = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
                vectors[start + rows] = session.run(None, feed)[0]
        return vectors

    def _load(self) -> tuple[Any, Any]:
        # A session does not survive a fork: its threads stay behind in the parent.
        if self._runtime is None or self._runtime[0] != os.getpid():
            self._runtime = (os.getpid(), *_open_model(self._folder, self._threads))
        return self._runtime[1:]


def _batches_of_one_length(lengths: Sequence[int]) -> Iterator[NDArray[np.int64]]:
    """Yield indexes of texts that have equal length, at most TOKENS_PER_BATCH tokens at a time."""
    order = np.argsort(lengths, kind="stable")
    cuts = np.flatnonzero(np.diff(np.asarray(lengths)[order])) + 1
    for group in np.split(order, cuts):
        step = max(1, TOKENS_PER_BATCH // lengths[group[0]])
        for start in range(0, len(group), step):
            yield group[start : start + step]


def _open_model(folder: Path, threads: int) -> tuple[Any, Any]:
    # The tokenizer's own threads gain nothing here and complain after a fork.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    import onnxruntime
    from tokenizers import Tokenizer

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
    )
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_TOKENS)
    return session, tokenizer


class SentenceTransformersEncoder:
    """Any model of the sentence-transformers library (an optional dependency).

    Parameters
    ----------
    model : str
        Name or folder of the model, as that library takes it.
    """

    def __init__(self, model: str) -> None:
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError as error:
            raise RuntimeError(
                f'The encoder "{EXTRA_PREFIX}{model}" needs the sentence-transformers library, '
                "which is not installed. Install it with: "
                "pip install closedloop[sentence-transformers]"
            ) from error
        self._model_name = model
        self._model = SentenceTransformer(model)

    def __reduce__(self) -> tuple[type[SentenceTransformersEncoder], tuple[str]]:
        return SentenceTransformersEncoder, (self._model_name,)

    @cached_property
    def dimensions(self) -> int:
        """Length of each vector, as the model says."""
        return int(self._model.encode(["one"], show_progress_bar=False).shape[1])

    @cached_property
    def name(self) -> str:
        """Model and a digest of its weights: a folder can be trained again under one name."""
        digest = hashlib.sha256()
        for key, value in sorted(self._model.state_dict().items()):
            digest.update(key.encode())
            digest.update(np.ascontiguousarray(value.cpu().float().numpy()).tobytes())
        return f"{EXTRA_PREFIX}{self._model_name}@{digest.hexdigest()[:12]}"

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return float32 (n_texts, dimensions), rows of length 1."""
        return encode_distinct(texts, self.dimensions, self._encode)

    def _encode(self, texts: list[str]) -> Vectors:
        found = self._model.encode(
            texts, batch_size=64, show_progress_bar=False, normalize_embeddings=True
        )
        return np.asarray(found, np.float32)
