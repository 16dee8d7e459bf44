from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from sklearn.metrics import adjusted_mutual_info_score

from ml.text.embed import load_encoder
from ml.themes import ThemeModel, discover_themes
from ml.themes.vectors import unit

PLACES = """
    Oslo Lima Cairo Quito Delhi Seoul Paris Milan Turin Porto Leeds Essen Vaduz Sofia Riga Tunis
    Accra Lagos Osaka Busan Perth Miami Omaha Tampa Denver Boise Reno Salem Fargo Macon
"""
ISSUES = {
    "card": ["My new card for {} has not arrived", "Still waiting for the card I ordered to {}"],
    "refund": ["Where is the refund for my {} order", "The money back for {} is not on my account"],
    "pin": ["I forgot my PIN in {}", "How do I change my PIN while I am in {}"],
    "login": ["I cannot log in to the app from {}", "The app in {} says my password is wrong"],
}


def conversations() -> tuple[list[str], list[str]]:
    """Return 240 texts and what each is about, in mixed order."""
    pairs = [
        (form.format(place), issue)
        for issue, forms in ISSUES.items()
        for form in forms
        for place in PLACES.split()
    ]
    order = np.random.default_rng(3).permutation(len(pairs))
    return [pairs[i][0] for i in order], [pairs[i][1] for i in order]


class Remembering:
    """The default encoder, which encodes each text once in all these tests."""

    def __init__(self) -> None:
        self._encoder = load_encoder()
        self._known: dict[str, np.ndarray] = {}
        self.name, self.dimensions = self._encoder.name, self._encoder.dimensions

    def encode(self, texts: list[str]) -> np.ndarray:
        new = [text for text in texts if text not in self._known]
        self._known |= dict(zip(new, self._encoder.encode(new), strict=True))
        return np.array([self._known[text] for text in texts], np.float32).reshape(-1, 384)


@pytest.fixture(scope="module")
def encoder():
    return Remembering()


@pytest.fixture(scope="module")
def texts():
    return conversations()[0]


@pytest.fixture(scope="module")
def vectors(encoder, texts):
    return encoder.encode(texts)


@pytest.fixture(scope="module")
def found(texts, encoder, vectors):
    return discover_themes(texts, encoder, seed=0, embeddings=vectors)


def test_each_theme_holds_one_issue_and_nearly_all_texts_have_one(found):
    truth = np.array(conversations()[1])
    assert (found.labels >= 0).mean() > 0.9
    assert 4 <= len(found.themes) <= 8
    for theme in range(len(found.themes)):
        assert len(set(truth[found.labels == theme])) == 1


def test_themes_are_numbered_by_size_and_count_their_texts(found):
    sizes = [theme.size for theme in found.themes]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes == np.bincount(found.labels[found.labels >= 0]).tolist()
    assert found.model.n_themes == len(found.themes)


def test_exemplars_are_texts_of_their_theme(found, texts):
    for number, theme in enumerate(found.themes):
        assert theme.exemplars
        assert [texts[i] for i in theme.exemplar_indexes] == list(theme.exemplars)
        assert (found.labels[list(theme.exemplar_indexes)] == number).all()


def test_confidence_is_between_0_and_1_and_0_only_where_left_over(found):
    assert found.confidence.shape == found.labels.shape
    assert ((found.confidence > 0) == (found.labels >= 0)).all()
    assert found.confidence.max() <= 1


def test_the_model_recognises_what_it_was_fitted_on_and_refuses_strangers(found, vectors, encoder):
    labels, confidence = found.model.assign(vectors)
    assert (labels == found.labels).mean() > 0.95
    assert np.allclose(confidence[labels == found.labels], found.confidence[labels == found.labels])
    strange = ["The orchestra played Mahler beautifully", "Photosynthesis needs chlorophyll"]
    labels, confidence = found.model.assign(encoder.encode(strange))
    assert labels.tolist() == [-1, -1]
    assert confidence.tolist() == [0, 0]


def test_strangers_among_the_texts_are_left_over(texts, encoder):
    strange = [
        "The orchestra played Mahler beautifully",
        "Photosynthesis needs chlorophyll and light",
        "Our goalkeeper saved two penalties",
        "Basalt is an igneous rock",
    ]
    found = discover_themes([*texts, *strange], encoder)
    assert (found.labels[-4:] == -1).all()
    assert (found.labels >= 0).mean() > 0.85


def test_equal_texts_share_a_label_however_they_are_spaced_or_masked(texts, encoder):
    copies = [texts[0], f"  {texts[0].replace(' ', '  ')} [PHONE]", f"{texts[0]}\n"]
    found = discover_themes([*texts, *copies], encoder)
    assert len({int(found.labels[i]) for i in (0, -1, -2, -3)}) == 1
    assert sum(theme.size for theme in found.themes) == (found.labels >= 0).sum()


@pytest.mark.parametrize("seed", [0, 5])
def test_a_text_that_comes_again_and_again_is_a_theme_by_itself(texts, encoder, seed):
    outage = "There is a power cut in the whole street"
    found = discover_themes([*texts, *[outage] * 40], encoder, seed)
    label = found.labels[-1]
    assert label >= 0
    assert set(np.array([*texts, *[outage] * 40])[found.labels == label]) == {outage}


def test_the_same_input_gives_the_same_answer_in_another_process(found):
    code = (
        "import sys, hashlib; from tests.ml.themes.test_discover import conversations;"
        "from ml.text.embed import load_encoder; from ml.themes import discover_themes;"
        "f = discover_themes(conversations()[0], load_encoder(), seed=0);"
        "print(hashlib.sha256(f.labels.tobytes() + f.confidence.tobytes() + f.model.to_bytes()"
        " + repr(f.themes).encode()).hexdigest())"
    )
    mine = hashlib.sha256(
        found.labels.tobytes()
        + found.confidence.tobytes()
        + found.model.to_bytes()
        + repr(found.themes).encode()
    ).hexdigest()
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        # whatever else is set stays: it may say how the linear algebra adds up
        env=os.environ
        | {
            "PYTHONHASHSEED": "77",
            "PYTHONPATH": ":".join(p for p in sys.path if p),
        },
    )
    assert done.stdout.strip() == mine


def test_must_links_are_honoured(texts, encoder, vectors, found):
    truth = conversations()[1]
    pairs = [(truth.index("card"), truth.index("pin")), (truth.index("pin"), truth.index("login"))]
    assert found.labels[pairs[0][0]] != found.labels[pairs[0][1]]
    again = discover_themes(texts, encoder, embeddings=vectors, must_link=pairs)
    assert len({int(again.labels[i]) for pair in pairs for i in pair}) == 1


def test_cannot_links_split_a_theme(texts, encoder, vectors, found):
    theme = found.themes[0].exemplar_indexes
    again = discover_themes(texts, encoder, embeddings=vectors, cannot_link=[theme[:2]])
    a, b = again.labels[list(theme[:2])]
    assert a != b
    assert (again.labels >= 0).mean() > 0.8


def test_pairs_that_contradict_each_other_are_refused(texts, encoder, vectors):
    with pytest.raises(ValueError, match="Texts 0 and 2 are told both to belong together"):
        discover_themes(
            texts, encoder, embeddings=vectors, must_link=[(0, 1), (1, 2)], cannot_link=[(0, 2)]
        )
    with pytest.raises(ValueError, match="must_link names text 240"):
        discover_themes(texts, encoder, embeddings=vectors, must_link=[(0, 240)])


def test_the_rest_of_a_sample_joins_by_vote(texts, encoder, vectors, found):
    pairs = [(0, 1)]
    sampled = discover_themes(texts, encoder, embeddings=vectors, max_fit=120, must_link=pairs)
    truth = np.array(conversations()[1])
    assert sampled.parameters["n_fitted"] == 120
    assert sampled.labels[0] == sampled.labels[1]
    assert (sampled.labels >= 0).mean() > 0.85
    for theme in range(1, len(sampled.themes)):
        _, counts = np.unique(truth[sampled.labels == theme], return_counts=True)
        assert counts.max() / counts.sum() > 0.8


def test_dispositions_tell_apart_what_the_texts_do_not():
    rng = np.random.default_rng(0)
    centres = np.repeat(np.eye(16)[:4], 40, axis=0)
    vectors = centres + 0.04 * rng.normal(size=centres.shape)
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    texts = [f"text {number}" for number in range(160)]
    codes = [None] * 120 + ["billing", "delivery"] * 20
    plain, coded = (
        discover_themes(
            texts, embeddings=vectors, dispositions=given, lexical_weight=0, resolution=2.0
        )
        for given in (None, codes)
    )
    assert len(set(plain.labels[120:].tolist())) == 1
    assert adjusted_mutual_info_score(codes[120:], coded.labels[120:]) > 0.9
    assert adjusted_mutual_info_score(plain.labels[:120], coded.labels[:120]) > 0.99
    assert coded.parameters["uses_dispositions"] is True


@pytest.mark.parametrize("n_texts", [0, 1, 2, 5, 30, 59, 61])
def test_few_texts_give_few_themes_and_no_error(texts, encoder, n_texts):
    found = discover_themes(texts[:n_texts], encoder)
    assert found.labels.shape == found.confidence.shape == (n_texts,)
    assert len(found.themes) <= n_texts / 3
    assert found.model.assign(encoder.encode(texts[:3]))[0].shape == (3,)
    json.dumps(found.parameters)


def test_five_ways_to_say_one_thing_are_one_theme(encoder):
    texts = [
        "My parcel has not arrived",
        "Where is my parcel?",
        "the parcel still has not come",
        "My parcel is late, where is it?",
        "parcel not delivered yet",
    ]
    found = discover_themes(texts, encoder)
    assert found.labels.tolist() == [0] * 5
    assert "parcel" in found.themes[0].name.lower()


def test_texts_without_words_are_left_over(texts, encoder):
    found = discover_themes(["", "[PHONE]", *texts], encoder)
    assert found.labels[:2].tolist() == [-1, -1]
    assert discover_themes([""] * 50, encoder).themes == ()


def test_emoji_and_signs_alone_are_no_theme_and_no_model_claims_them(texts, encoder, vectors):
    signs = ["\U0001f600", "\U0001f621", "\u2764\ufe0f", "?!"] * 8
    embeddings = np.vstack([vectors, np.tile(encoder.encode(["\U0001f600"]), (len(signs), 1))])

    found = discover_themes([*texts, *signs], encoder, embeddings=embeddings)

    assert (found.labels[len(texts) :] == -1).all()
    assert (found.model.assign(embeddings[len(texts) :])[0] == -1).all()


def test_parameters_can_be_written_as_json_and_repeat_the_run(found, texts, encoder, vectors):
    parameters = json.loads(json.dumps(found.parameters))
    assert parameters["encoder"] == encoder.name
    again = discover_themes(
        texts,
        encoder,
        parameters["seed"],
        embeddings=vectors,
        resolution=parameters["resolution"],
        n_neighbours=parameters["n_neighbours"],
        min_size=parameters["min_size"],
    )
    assert (again.labels == found.labels).all()


@pytest.mark.parametrize("given", [None, 2.5])
@pytest.mark.parametrize("n_texts", [40, 240])
def test_steps_finer_and_coarser_hold_for_few_texts_and_a_given_resolution(
    texts, encoder, vectors, given, n_texts
):
    step = 240 // n_texts

    def find(finer):
        found = discover_themes(
            texts[::step], encoder, embeddings=vectors[::step], resolution=given, finer=finer
        )
        return found.parameters, found

    usual, _ = find(0)
    assert usual["resolution_used"] == usual["resolution"]
    for finer in (-2, 2):
        parameters, found = find(finer)
        assert parameters["finer"] == finer
        assert parameters["resolution"] == usual["resolution"]
        assert np.isclose(
            parameters["resolution_used"], usual["resolution"] * 1.4**finer, atol=1e-3
        )
        again = discover_themes(
            texts[::step],
            encoder,
            embeddings=vectors[::step],
            resolution=parameters["resolution"],
            finer=finer,
        )
        assert again.labels.tolist() == found.labels.tolist()


def test_finer_steps_part_what_coarser_ones_keep_together():
    rng = np.random.default_rng(3)
    groups = np.repeat(np.arange(6), 9)
    rows = np.hstack([np.eye(3)[groups // 2], 0.75 * np.eye(6)[groups]])
    rows += 0.08 * rng.normal(size=rows.shape)
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    words = [f"matter {'abcdef'[group]} told in way {n}" for n, group in enumerate(groups)]

    def count(finer, **values):
        found = discover_themes(words, embeddings=rows, lexical_weight=0.01, finer=finer, **values)
        return len(found.themes)

    assert [count(finer) for finer in (-2, 0, 2)] == [3, 3, 6]
    assert [count(finer, resolution=2.0) for finer in (-2, 0)] == [3, 6]


def test_lengths_that_disagree_are_refused(texts, encoder, vectors):
    with pytest.raises(ValueError, match="240 texts and 10 embeddings"):
        discover_themes(texts, encoder, embeddings=vectors[:10])
    with pytest.raises(ValueError, match="240 texts and 1 dispositions"):
        discover_themes(texts, encoder, embeddings=vectors, dispositions=["a"])
    with pytest.raises(ValueError, match="needs an encoder"):
        discover_themes(texts)


def test_the_model_survives_a_file(found, vectors, tmp_path):
    found.model.save(tmp_path / "themes.npz")
    loaded = ThemeModel.load(tmp_path / "themes.npz")
    for mine, theirs in zip(found.model.assign(vectors), loaded.assign(vectors), strict=True):
        assert (mine == theirs).all()


def test_themes_found_in_a_sample_may_be_smaller_there_than_in_the_whole():
    rng = np.random.default_rng(4)
    middle = unit(rng.normal(size=(12, 32)))
    truth = np.arange(4_000) % 12
    vectors = unit(middle[truth] + 0.1 * rng.normal(size=(4_000, 32)))
    texts = [f"text {i} of kind {kind}" for i, kind in enumerate(truth)]
    found = discover_themes(texts, embeddings=vectors, max_fit=400, min_size=60, lexical_weight=0)
    assert len(found.themes) == 12
    assert (found.labels >= 0).mean() > 0.95


class Knowing:
    """Vectors of words, and languages somebody says it was made for."""

    name, dimensions = "knowing@1", 16

    def __init__(self, languages=None, *, is_multilingual=False):
        self.languages, self.is_multilingual = languages, is_multilingual

    def encode(self, texts):
        rows = np.random.default_rng(0).normal(size=(len(texts), 16)).astype(np.float32)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


CHINESE = [f"我的{thing}还没有{what}" for thing in ("包裹", "银行卡") for what in ("到", "寄出来")]
ENGLISH = [
    f"my {thing} has not {what} yet" for thing in ("card", "bill") for what in ("come", "gone")
]


@pytest.mark.parametrize(
    ("texts", "encoder", "weight"),
    [
        (CHINESE, Knowing({"en"}), 1.0),
        (ENGLISH, Knowing({"en"}), 0.55),
        (CHINESE, Knowing(), 0.55),
        (CHINESE + ENGLISH, Knowing(is_multilingual=True), 0.0),
        (CHINESE, None, 0.55),
    ],
)
def test_how_much_words_count_is_chosen_by_what_the_encoder_was_made_for(texts, encoder, weight):
    vectors = Knowing().encode(texts)
    found = discover_themes(texts, encoder, embeddings=vectors)
    assert found.parameters["lexical_weight"] == weight
    found = discover_themes(texts, encoder, embeddings=vectors, lexical_weight=0.25)
    assert found.parameters["lexical_weight"] == 0.25


def test_themes_of_several_languages_are_coarser_by_the_root_of_how_many_there_are(
    texts, vectors, found, monkeypatch
):
    mixed = [f"Kortelė {n} dar neatėjo" if n % 2 else text for n, text in enumerate(texts)]
    assert found.parameters["n_languages"] == 1
    assert discover_themes(mixed, embeddings=vectors).parameters["n_languages"] == 2
    monkeypatch.setattr("ml.themes.discover.n_languages", lambda spoken: 4)
    coarser = discover_themes(texts, embeddings=vectors).parameters
    assert coarser["resolution"] == pytest.approx(found.parameters["resolution"] / 2, abs=0.01)
    given = discover_themes(texts, embeddings=vectors, resolution=3.0).parameters
    assert given["resolution_used"] == 3.0
