"""Any sentence model exported to ONNX, from a folder: offline, without torch.

A folder holds what `optimum` and sentence-transformers export: ``model.onnx`` (or
``onnx/model.onnx``) and ``tokenizer.json``. ``closedloop.json`` may say what the model wants in
front of a text and how many tokens count: ``{"prefix": "query: ", "max_tokens": 128}``.
``"multilingual": true`` says that it puts equal statements in different languages together.
``remove.npy`` may hold directions (rows at right angles, of length 1) that are taken out of each
vector, such as those that tell languages apart.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ml.text.encoding import (
    MAX_TOKENS,
    TEXTS_PER_CHUNK,
    Vectors,
    batches_of_one_length,
    encode_distinct,
    open_model,
    token_ids,
)

_MODELS = ("model.onnx", "onnx/model.onnx")
_MOST_TOKENS = 512
REMOVED = "remove.npy"
"""File of the directions that are taken out."""
_KNOWN_INPUTS = {"input_ids", "attention_mask", "token_type_ids"}
_BLOCK = 1 << 20


class OnnxFolderEncoder:
    """A model of a folder, with the mean over its tokens, scaled to length 1.

    Texts of one length in tokens are encoded together, so that nothing is padded.

    Parameters
    ----------
    folder : Path
    threads : int
        Processor threads for one batch.

    Raises
    ------
    ValueError
        If the folder lacks a file, or its settings cannot be used; the sentence says which.
    """

    def __init__(self, folder: Path, threads: int = 2) -> None:
        self._folder = folder
        self._threads = threads
        self._model, self._tokenizer = _find_files(folder)
        self._prefix, self._max_tokens, self.is_multilingual = _read_settings(folder)
        self._removed = _read_removed(folder / REMOVED)
        self._runtime: tuple[int, Any, Any] | None = None

    def __reduce__(self) -> tuple[type[OnnxFolderEncoder], tuple[Path, int]]:
        return OnnxFolderEncoder, (self._folder, self._threads)

    @cached_property
    def name(self) -> str:
        """Folder and the first digits of a SHA-256 over model, tokenizer and settings."""
        digest = hashlib.sha256(f"{self._prefix}\n{self._max_tokens}\n".encode())
        if self._removed is not None:
            digest.update(self._removed.tobytes())
        # weights of more than 2 GB lie in files beside the model
        beside = sorted(self._model.parent.glob("*.onnx_data"))
        for path in (self._tokenizer, self._model, *beside):
            with path.open("rb") as file:
                while block := file.read(_BLOCK):
                    digest.update(block)
        return f"onnx:{self._folder.resolve().name}@{digest.hexdigest()[:12]}"

    @cached_property
    def dimensions(self) -> int:
        """Length of each vector, as the model gives it."""
        return int(self._encode(["one"]).shape[1])

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return float32 (n_texts, dimensions), rows of length 1."""
        return encode_distinct(texts, self.dimensions, self._encode)

    def _encode(self, texts: list[str]) -> Vectors:
        session, tokenizer = self._load()
        parts = []
        for start in range(0, len(texts), TEXTS_PER_CHUNK):
            chunk = [self._prefix + text for text in texts[start : start + TEXTS_PER_CHUNK]]
            parts.append(self._encode_chunk(session, token_ids(tokenizer, chunk, self._threads)))
        return np.concatenate(parts)

    def _encode_chunk(self, session: Any, split: Sequence[list[int]]) -> Vectors:
        # a tokenizer without special tokens makes nothing of an empty text
        tokens = [ids or [0] for ids in split]
        wanted = [entry.name for entry in session.get_inputs()]
        output = _sentence_output(session)
        vectors: Vectors | None = None
        for rows in batches_of_one_length([len(ids) for ids in tokens]):
            ids = np.array([tokens[row] for row in rows], np.int64)
            feed = {name: _input(name, ids) for name in wanted}
            (found,) = session.run([output], feed)
            pooled = found.mean(axis=1) if found.ndim == 3 else found
            if vectors is None:
                vectors = np.empty((len(tokens), pooled.shape[1]), np.float32)
            if self._removed is not None:
                pooled = _unit(pooled)
                pooled = pooled - (pooled @ self._removed.T) @ self._removed
            vectors[rows] = _unit(pooled)
        assert vectors is not None  # there is at least one text
        return vectors

    def _load(self) -> tuple[Any, Any]:
        # A session does not survive a fork: its threads stay behind in the parent.
        if self._runtime is None or self._runtime[0] != os.getpid():
            try:
                opened = open_model(self._model, self._tokenizer, self._threads, self._max_tokens)
            except Exception as error:
                raise RuntimeError(
                    f"{self._folder} could not be loaded as a sentence model: {error}"
                ) from error
            _check_inputs(self._model, opened[0])
            self._runtime = (os.getpid(), *opened)
        return self._runtime[1:]


def _find_files(folder: Path) -> tuple[Path, Path]:
    if not folder.is_dir():
        raise ValueError(f"There is no folder {folder}. Name the folder of an exported model.")
    model = next((folder / name for name in _MODELS if (folder / name).is_file()), None)
    if model is None:
        raise ValueError(
            f"{folder} has no model.onnx. Export the model with: optimum-cli export onnx "
            f"--model NAME --task feature-extraction {folder}"
        )
    tokenizer = folder / "tokenizer.json"
    if not tokenizer.is_file():
        raise ValueError(
            f"{folder} has no tokenizer.json. Copy it from the model: "
            'AutoTokenizer.from_pretrained(NAME).save_pretrained("...") writes it.'
        )
    return model, tokenizer


def _read_settings(folder: Path) -> tuple[str, int, bool]:
    path = folder / "closedloop.json"
    if not path.is_file():
        return "", MAX_TOKENS, False
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        prefix, most = found.get("prefix", ""), found.get("max_tokens", MAX_TOKENS)
        is_multilingual = found.get("multilingual", False)
    except (ValueError, AttributeError) as error:
        raise ValueError(f"{path} is no JSON object: {error}") from error
    if not isinstance(prefix, str):
        raise ValueError(f'{path}: "prefix" must be a text in quotation marks.')
    if not isinstance(most, int) or not 8 <= most <= _MOST_TOKENS:
        raise ValueError(f'{path}: "max_tokens" must be a whole number from 8 to {_MOST_TOKENS}.')
    if not isinstance(is_multilingual, bool):
        raise ValueError(f'{path}: "multilingual" must be true or false.')
    return prefix, most, is_multilingual


def _read_removed(path: Path) -> Vectors | None:
    if not path.is_file():
        return None
    try:
        found = np.asarray(np.load(path, allow_pickle=False), np.float32)
        is_orthonormal = np.allclose(found @ found.T, np.eye(len(found)), atol=1e-3)
    except (ValueError, TypeError, OSError) as error:
        raise ValueError(f"{path} is no table of numbers as numpy saves it: {error}") from error
    if found.ndim != 2 or not is_orthonormal:
        raise ValueError(f"{path} must hold rows of length 1 at right angles to each other.")
    return found


def _unit(rows: Vectors) -> Vectors:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12))


def _check_inputs(model: Path, session: Any) -> None:
    names = {entry.name for entry in session.get_inputs()}
    if "input_ids" not in names or not names <= _KNOWN_INPUTS:
        raise ValueError(
            f"{model} asks for {', '.join(sorted(names))}; a sentence model takes input_ids, "
            "attention_mask and perhaps token_type_ids."
        )


def _input(name: str, ids: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    if name == "input_ids":
        return ids
    return np.ones_like(ids) if name == "attention_mask" else np.zeros_like(ids)


def _sentence_output(session: Any) -> str:
    """Return the output with a vector for each text, else the one with vectors for tokens."""
    names: list[str] = [entry.name for entry in session.get_outputs()]
    return next((name for name in names if name.startswith("sentence_embedding")), names[0])
