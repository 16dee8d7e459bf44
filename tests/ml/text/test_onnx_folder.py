"""A tiny model of the tests' own stands for what people export."""

from __future__ import annotations

import json
import pickle

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, pre_tokenizers

from ml.text.embed import load_encoder
from ml.text.onnx_folder import OnnxFolderEncoder

WORDS = {"[UNK]": 0, "query:": 1, "card": 2, "refund": 3, "late": 4}
TABLE = np.array([[0, 0, 0, 1], [9, 9, 9, 9], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]], np.float32)


def write_model(path, *, inputs=("input_ids", "attention_mask"), pooled=False, table=TABLE):
    """Write a model that looks words up, and may take their mean itself, at length 3."""
    nodes = [helper.make_node("Gather", ["table", "input_ids"], ["last_hidden_state"])]
    outputs = [("last_hidden_state", ["batch", "tokens", 4])]
    if pooled:
        nodes += [
            helper.make_node("ReduceMax", ["last_hidden_state"], ["top"], axes=[1], keepdims=0),
            helper.make_node("Mul", ["top", "three"], ["sentence_embedding"]),
        ]
        outputs.append(("sentence_embedding", ["batch", 4]))
    graph = helper.make_graph(
        nodes,
        "tiny",
        [
            helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "tokens"])
            for name in inputs
        ],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs],
        [
            numpy_helper.from_array(table, "table"),
            numpy_helper.from_array(np.array(3, np.float32), "three"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)


@pytest.fixture
def folder(tmp_path):
    """A folder as exporters leave it."""
    made = tmp_path / "tiny"
    write_model(made / "model.onnx")
    tokenizer = Tokenizer(models.WordLevel(WORDS, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.save(str(made / "tokenizer.json"))
    return made


def test_a_text_is_the_mean_of_its_tokens_at_length_one(folder):
    encoder = load_encoder(f"onnx:{folder}")
    vectors = encoder.encode(["card refund", "card card refund", "late", "card refund"])

    assert encoder.dimensions == 4
    assert vectors.dtype == np.float32
    assert vectors[0] == pytest.approx(np.array([1, 1, 0, 0]) / np.sqrt(2))
    assert vectors[1] == pytest.approx(np.array([2, 1, 0, 0]) / np.sqrt(5))
    assert (vectors[3] == vectors[0]).all()
    assert np.isfinite(encoder.encode(["", "card"])).all()
    assert encoder.encode([]).shape == (0, 4)


def test_vectors_that_the_model_makes_of_whole_texts_are_taken_as_they_are(folder):
    write_model(
        folder / "model.onnx", pooled=True, inputs=("input_ids", "attention_mask", "token_type_ids")
    )
    (vector,) = load_encoder(f"onnx:{folder}").encode(["card card refund"])
    assert vector == pytest.approx(np.array([1, 1, 0, 0]) / np.sqrt(2))


def test_the_prefix_and_the_number_of_tokens_are_read_from_the_settings(folder):
    assert load_encoder(f"onnx:{folder}").is_multilingual is False
    settings = {"prefix": "query: ", "max_tokens": 8, "multilingual": True}
    (folder / "closedloop.json").write_text(json.dumps(settings))
    assert load_encoder(f"onnx:{folder}").is_multilingual is True
    (vector,) = load_encoder(f"onnx:{folder}").encode(["card " * 7 + "refund"])
    mean = (TABLE[1] + 7 * TABLE[2]) / 8
    assert vector == pytest.approx(mean / np.linalg.norm(mean))


def test_the_name_changes_with_weights_and_settings_and_not_with_the_place(folder, tmp_path):
    name = load_encoder(f"onnx:{folder}").name
    assert name.startswith("onnx:tiny@")
    assert len(name.split("@")[1]) == 12

    folder.rename(tmp_path / "moved")
    (tmp_path / "tiny").symlink_to(tmp_path / "moved")
    moved = load_encoder(f"onnx:{tmp_path / 'moved'}").name
    assert moved.split("@")[1] == name.split("@")[1]

    (tmp_path / "moved/closedloop.json").write_text('{"prefix": "query: "}')
    assert load_encoder(f"onnx:{tmp_path / 'moved'}").name != moved
    (tmp_path / "moved/closedloop.json").unlink()
    write_model(tmp_path / "moved/model.onnx", table=TABLE * 2)
    assert load_encoder(f"onnx:{tmp_path / 'moved'}").name != moved


def test_a_model_in_the_folder_onnx_is_found_and_can_be_sent_to_another_process(folder):
    (folder / "onnx").mkdir()
    (folder / "model.onnx").rename(folder / "onnx/model.onnx")
    encoder = OnnxFolderEncoder(folder)
    copy = pickle.loads(pickle.dumps(encoder))
    assert (copy.encode(["late card"]) == encoder.encode(["late card"])).all()
    assert copy.name == encoder.name


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ("model.onnx", "has no model.onnx. Export the model with: optimum-cli"),
        ("tokenizer.json", "has no tokenizer.json. Copy it from the model"),
    ],
)
def test_what_a_folder_lacks_is_said_with_what_to_do(folder, missing, said):
    (folder / missing).unlink()
    with pytest.raises(ValueError, match=said):
        load_encoder(f"onnx:{folder}")
    with pytest.raises(ValueError, match="There is no folder"):
        load_encoder(f"onnx:{folder}/elsewhere")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("not json", "is no JSON object"),
        ("[1]", "is no JSON object"),
        ('{"prefix": 3}', '"prefix" must be a text'),
        ('{"max_tokens": 4}', "whole number from 8 to 512"),
        ('{"max_tokens": "many"}', "whole number from 8 to 512"),
        ('{"multilingual": "yes"}', "must be true or false"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(folder, settings, said):
    (folder / "closedloop.json").write_text(settings)
    with pytest.raises(ValueError, match=said):
        load_encoder(f"onnx:{folder}")


def test_a_file_that_is_no_model_and_a_model_of_something_else_are_refused(folder):
    write_model(folder / "model.onnx", inputs=("input_ids", "pixels"))
    with pytest.raises(ValueError, match="asks for input_ids, pixels"):
        load_encoder(f"onnx:{folder}").encode(["card"])

    (folder / "model.onnx").write_bytes(b"no model")
    with pytest.raises(RuntimeError, match="could not be loaded as a sentence model"):
        load_encoder(f"onnx:{folder}").encode(["card"])


def test_directions_in_the_folder_are_taken_out_of_each_vector(folder):
    before = load_encoder(f"onnx:{folder}").name
    np.save(folder / "remove.npy", np.array([[0, 0, 1, 0]], np.float32))
    encoder = load_encoder(f"onnx:{folder}")
    vectors = encoder.encode(["card late", "card"])
    assert vectors[0] == pytest.approx([1, 0, 0, 0])
    assert encoder.name != before
    assert np.isfinite(encoder.encode(["late"])).all()


@pytest.mark.parametrize("rows", [[[0, 0, 2, 0]], [[1, 0, 0, 0], [1, 0, 0, 0]], [1, 0, 0, 0]])
def test_directions_that_are_none_are_refused(folder, rows):
    np.save(folder / "remove.npy", np.array(rows, np.float32))
    with pytest.raises(ValueError, match=r"remove\.npy"):
        load_encoder(f"onnx:{folder}")
