from __future__ import annotations

import hashlib
import importlib.util
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ml.text.embed import DEFAULT_DIR, MULTILINGUAL_DIR, encode_distinct, load_encoder
from ml.text.encoding import FEWEST_FOR_THREADS

HERE = Path(__file__).parent
SENTENCES = (HERE / "reference_sentences.txt").read_text(encoding="utf-8").splitlines()


@pytest.fixture(scope="module")
def encoder():
    return load_encoder("default")


def test_the_default_encoder_agrees_with_the_32_bit_model_on_every_sample_sentence(encoder):
    exact = np.load(HERE / "reference_vectors.npz")["vectors"]
    cosines = (encoder.encode(SENTENCES) * exact).sum(axis=1)
    assert len(SENTENCES) == len(exact) == 40
    assert cosines.min() >= 0.95
    # Right neighbours, not only high cosines: each sentence is nearest to itself.
    assert (encoder.encode(SENTENCES) @ exact.T).argmax(axis=1).tolist() == list(range(40))


def test_the_vendored_files_are_the_ones_their_checksums_name():
    lines = (DEFAULT_DIR / "SHA256SUMS").read_text().splitlines()
    names = {line.split()[1] for line in lines}
    assert names == {"LICENSE", "README.md", "model.onnx", "tokenizer.json"}
    for line in lines:
        digest, name = line.split()
        assert hashlib.sha256((DEFAULT_DIR / name).read_bytes()).hexdigest() == digest


def test_rows_have_length_one_and_follow_the_order_of_the_texts(encoder):
    texts = ["my card has not arrived", "", "refund", "my card has not arrived", "a " * 5000]
    vectors = encoder.encode(texts)
    assert vectors.shape == (5, encoder.dimensions)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert (vectors[0] == vectors[3]).all()
    assert (vectors[0] != vectors[2]).any()


def test_broken_characters_do_not_stop_the_rest(encoder):
    vectors = encoder.encode(["caf\ud800 bill", "caf? bill", "\x00"])
    assert (vectors[0] == vectors[1]).all()
    assert np.isfinite(vectors).all()


def test_no_texts_give_no_rows(encoder):
    assert encoder.encode([]).shape == (0, 384)


def test_a_text_gets_the_same_vector_whatever_it_is_encoded_with(encoder):
    together = encoder.encode(SENTENCES)
    alone = np.vstack([encoder.encode([text]) for text in SENTENCES])
    backwards = encoder.encode(SENTENCES[::-1])[::-1]
    assert (together == alone).all()
    assert (together == backwards).all()


def test_texts_that_threads_share_keep_their_order(encoder):
    texts = [f"{number} parcels did not arrive" for number in range(FEWEST_FOR_THREADS + 1)]
    together = encoder.encode(texts)
    for place in (0, len(texts) // 2, len(texts) // 2 + 1, len(texts) - 1):
        assert (together[place] == encoder.encode([texts[place]])[0]).all()


def test_an_encoder_can_be_sent_to_another_process(encoder):
    copy = pickle.loads(pickle.dumps(encoder))
    assert copy.name == encoder.name
    assert (copy.encode(SENTENCES[:2]) == encoder.encode(SENTENCES[:2])).all()


def test_the_name_says_which_weights_they_are(encoder):
    digest = hashlib.sha256((DEFAULT_DIR / "model.onnx").read_bytes()).hexdigest()
    assert encoder.name == f"all-MiniLM-L6-v2-int8@{digest[:12]}"


def test_equal_texts_are_encoded_once():
    seen: list[str] = []

    def encode(texts: list[str]) -> np.ndarray:
        seen.extend(texts)
        return np.arange(1, 1 + 2 * len(texts), dtype=np.float32).reshape(-1, 2)

    vectors = encode_distinct(["b", "a", "b", "b"], 2, encode)
    assert seen == ["b", "a"]
    assert (vectors[[0, 2, 3]] == vectors[0]).all()
    assert (vectors[1] != vectors[0]).all()


def test_one_text_instead_of_a_list_is_refused(encoder):
    with pytest.raises(TypeError, match="Put it in a list"):
        encoder.encode("my card")


@pytest.mark.parametrize("name", ["bert", "", "sentence-transformers:", "onnx:"])
def test_an_unknown_name_is_answered_with_the_choices(name):
    with pytest.raises(ValueError, match='Choose "default", "multilingual", "onnx:<folder>" or'):
        load_encoder(name)


@pytest.mark.skipif(
    (MULTILINGUAL_DIR / "model.onnx").is_file(), reason="the multilingual model is built here"
)
def test_a_multilingual_model_that_was_not_built_is_answered_with_how_to_build_it():
    with pytest.raises(RuntimeError, match=r"python tools/build_multilingual\.py"):
        load_encoder("multilingual")


@pytest.mark.skipif(
    importlib.util.find_spec("sentence_transformers") is not None,
    reason="the optional library is installed here",
)
def test_a_missing_library_is_answered_with_how_to_install_it():
    with pytest.raises(RuntimeError, match=r"pip install closedloop\[sentence-transformers\]"):
        load_encoder("sentence-transformers:all-mpnet-base-v2")


def test_importing_the_module_loads_nothing_heavy():
    code = (
        "import sys, ml.text.embed as e; e.load_encoder().name;"
        "sys.exit(bool({'onnxruntime', 'torch', 'tokenizers', 'sklearn'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
