"""What must hold for any texts: order, copies, people's pairs, and input that means no good."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.text.clean import normalise
from ml.themes import FoundThemes, discover_themes

DIMENSIONS = 12
VERBS = ["pay", "send", "lose", "block", "change", "order", "return", "cancel"]
THINGS = ["card", "bill", "parcel", "refund", "login", "voucher"]
WAYS = ["online", "twice", "abroad", "today", "again", "by", "phone", "in", "the", "shop"]

limited = settings(max_examples=15, deadline=None, derandomize=True, database=None)
seeds = st.integers(0, 2**16)


def collection(seed: int, n_texts: int = 150, noise: float = 0.3) -> tuple[list[str], np.ndarray]:
    """Return texts with copies among them and vectors that overlap, so that nothing is clear."""
    rng = np.random.default_rng(seed)
    texts, about = [], []
    for number in range(n_texts):
        thing = int(rng.integers(len(THINGS)))
        words = [str(rng.choice(VERBS)), THINGS[thing], str(rng.choice(WAYS))]
        about.append(thing)
        texts.append(" ".join(words) + (f" {number}" if rng.random() < 0.6 else ""))
    pull = {text: rng.normal(size=DIMENSIONS) for text in texts}
    rows = [np.eye(DIMENSIONS)[a] + noise * pull[t] for a, t in zip(about, texts, strict=True)]
    return texts, unit_rows(np.array(rows))


def unit_rows(rows: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.maximum(lengths, 1e-9)).astype(np.float32)


def vectors_for(n_texts: int, n_themes: int = 3) -> np.ndarray:
    """Return vectors of clear themes, by turns."""
    rng = np.random.default_rng(n_texts)
    about = np.eye(DIMENSIONS)[np.arange(n_texts) % n_themes]
    return unit_rows(about + 0.05 * rng.normal(size=about.shape))


def check_answer(found: FoundThemes, n_texts: int) -> None:
    """Fail unless the answer is one that can be stored and shown."""
    assert found.labels.shape == found.confidence.shape == (n_texts,)
    assert set(found.labels[found.labels >= 0].tolist()) == set(range(len(found.themes)))
    assert np.isfinite(found.confidence).all()
    assert found.confidence.min(initial=0) >= 0
    assert found.confidence.max(initial=0) <= 1
    names = [theme.name for theme in found.themes]
    assert len(set(names)) == len(names)
    assert all(name.strip() and len(name) < 300 for name in names)
    assert sum(theme.size for theme in found.themes) == (found.labels >= 0).sum()


def by_text(texts: list[str], found: FoundThemes) -> dict[str, set[int]]:
    labels: dict[str, set[int]] = {}
    for text, label in zip(texts, found.labels.tolist(), strict=True):
        labels.setdefault(text, set()).add(label)
    return labels


@limited
@given(seed=seeds, order=seeds, max_fit=st.sampled_from([40, 20_000]))
def test_the_order_in_which_texts_come_in_changes_nothing(seed, order, max_fit):
    texts, vectors = collection(seed)
    codes = [f"code {len(text) % 3}" for text in texts]
    moved = np.random.default_rng(order).permutation(len(texts))
    plain = discover_themes(texts, embeddings=vectors, dispositions=codes, max_fit=max_fit)
    mixed = discover_themes(
        [texts[i] for i in moved],
        embeddings=vectors[moved],
        dispositions=[codes[i] for i in moved],
        max_fit=max_fit,
    )
    # The very numbers are the same, which is more than the same parts.
    assert mixed.labels.tolist() == plain.labels[moved].tolist()
    assert [(t.name, t.keywords, t.size, t.exemplars) for t in mixed.themes] == [
        (t.name, t.keywords, t.size, t.exemplars) for t in plain.themes
    ]
    assert mixed.model.to_bytes() == plain.model.to_bytes()


def test_order_changes_nothing_with_pairs_that_people_named():
    texts, vectors = collection(5)
    moved = np.random.default_rng(1).permutation(len(texts))
    place = np.argsort(moved)
    must, cannot = pairs_of(texts, 11)
    plain = discover_themes(texts, embeddings=vectors, must_link=must, cannot_link=cannot)
    mixed = discover_themes(
        [texts[i] for i in moved],
        embeddings=vectors[moved],
        must_link=[(int(place[a]), int(place[b])) for a, b in must],
        cannot_link=[(int(place[a]), int(place[b])) for a, b in cannot],
    )
    assert mixed.labels.tolist() == plain.labels[moved].tolist()


@limited
@given(seed=seeds, max_fit=st.sampled_from([10, 40, 20_000]))
def test_copies_always_stay_together(seed, max_fit):
    texts, vectors = collection(seed)
    rng = np.random.default_rng(seed)
    again = rng.integers(len(texts), size=60)
    said = [*texts, *(f"  {texts[i]} [PHONE]" for i in again)]
    found = discover_themes(
        said, embeddings=np.vstack([vectors, vectors[again]]), max_fit=max_fit, seed=seed
    )
    check_answer(found, len(said))
    plain = [*texts, *(texts[i] for i in again)]
    assert {len(labels) for labels in by_text(plain, found).values()} == {1}


def spell_otherwise(text: str, way: int) -> str:
    """Return the same words in capitals, with other punctuation, or spaced otherwise."""
    return [
        text.upper(),
        text.title(),
        f"{text}!",
        text.replace(" ", "  \t"),
        ", ".join(text.split()) + "...",
    ][way % 5]


@limited
@given(seed=seeds, max_fit=st.sampled_from([40, 20_000]))
def test_near_copies_always_stay_together(seed, max_fit):
    texts, vectors = collection(seed)
    rng = np.random.default_rng(seed)
    again = rng.integers(len(texts), size=60)
    near = [spell_otherwise(texts[i], way) for way, i in enumerate(again)]
    # As an encoder has it, what is spelt otherwise lies elsewhere.
    row_of = {normalise(text): row for text, row in zip(texts, vectors, strict=True)}
    for i, text in zip(again, near, strict=True):
        row_of.setdefault(normalise(text), vectors[i] + 0.8 * rng.normal(size=DIMENSIONS))
    said = [*texts, *near]
    rows = unit_rows(np.array([row_of[normalise(text)] for text in said]))
    found = discover_themes(said, embeddings=rows, max_fit=max_fit, seed=seed)
    check_answer(found, len(said))
    assert found.labels[again].tolist() == found.labels[len(texts) :].tolist()
    moved = rng.permutation(len(said))
    mixed = discover_themes(
        [said[i] for i in moved],
        embeddings=rows[moved],
        max_fit=max_fit,
        seed=seed,
    )
    assert mixed.labels.tolist() == found.labels[moved].tolist()


def pairs_of(texts: list[str], seed: int) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Return pairs of different texts that do not contradict each other."""
    rng = np.random.default_rng(seed)
    first = {text: place for place, text in enumerate(texts)}
    places = rng.permutation(sorted(first.values()))[:20].tolist()
    must = [(a, b) for a, b in zip(places[:4], places[4:8], strict=True)]
    return must, [*zip(places[8:14], places[14:20], strict=True), (places[0], places[1])]


@limited
@given(seed=seeds, pairs=seeds, max_fit=st.sampled_from([25, 20_000]))
def test_pairs_that_people_named_are_honoured(seed, pairs, max_fit):
    texts, vectors = collection(seed)
    must, cannot = pairs_of(texts, pairs)
    found = discover_themes(
        texts, embeddings=vectors, must_link=must, cannot_link=cannot, max_fit=max_fit
    )
    check_answer(found, len(texts))
    labels = found.labels
    assert all(labels[a] == labels[b] for a, b in must)
    assert not [(a, b) for a, b in cannot if labels[a] == labels[b] >= 0]


@limited
@given(seed=seeds)
def test_a_seed_gives_one_answer(seed):
    texts, vectors = collection(seed)
    one, two = (discover_themes(texts, embeddings=vectors, seed=seed, max_fit=60) for _ in range(2))
    assert one.labels.tobytes() == two.labels.tobytes()
    assert one.confidence.tobytes() == two.confidence.tobytes()
    assert repr(one.themes) == repr(two.themes)


anything = st.one_of(
    st.text(max_size=30),
    st.text(alphabet="😀💳👨‍👩‍👧❤️🇱🇹ab ", max_size=12),
    st.text(alphabet="أين الطلبכרטיס 今天取消订单カード บัตรที่หาย", max_size=20),
    st.sampled_from(["[PHONE] [EMAIL]", "XXXX", "@who", "https://x.y/z", "\x00\ud800", "a" * 500]),
)


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(texts=st.lists(anything, max_size=90), seed=seeds)
def test_no_texts_at_all_make_it_crash(texts, seed):
    vectors = unit_rows(np.random.default_rng(seed).normal(size=(len(texts), 5)) ** 3)
    check_answer(discover_themes(texts, embeddings=vectors, max_fit=70), len(texts))


def test_a_transcript_of_ten_megabytes_is_a_text_like_others():
    long = "my card was declined at the shop and nobody helps " * 200_000
    keys = ["k" * 10_000_000, "漢" * 10_000_000]
    texts = [long, *keys, *(f"card declined in shop {n}" for n in range(77))]
    found = discover_themes(texts, embeddings=vectors_for(80, 1))
    check_answer(found, 80)


def test_texts_of_nothing_but_emoji_are_left_over():
    emoji = "😀😡💳📦🔥🎁⚡🚀"
    texts = [emoji[i % 3] * (i // 3 + 1) + emoji[i % 8] for i in range(150)]
    found = discover_themes(texts, embeddings=vectors_for(150))
    check_answer(found, 150)
    assert found.themes == ()
    assert (found.labels == -1).all()


def test_writing_from_right_to_left_is_named_in_its_own_words():
    issues = ["أين الطلب", "إلغاء البطاقة", "כרטיס אבוד"]
    texts = [f"{issues[i % 3]} {i}" for i in range(120)]
    found = discover_themes(texts, embeddings=vectors_for(120))
    check_answer(found, 120)
    assert {theme.name for theme in found.themes} == set(issues)


def test_one_word_repeated_is_named_by_that_word():
    texts = ["refund " * count for count in range(1, 121)]
    found = discover_themes(texts, embeddings=vectors_for(120))
    check_answer(found, 120)
    assert found.themes
    assert all(theme.name.startswith("Refund") for theme in found.themes)
    # All vectors the same as well: nothing is left to tell texts apart by.
    check_answer(discover_themes(texts, embeddings=np.repeat(vectors_for(1), 120, 0)), 120)


def test_texts_that_are_empty_after_redaction_are_left_over():
    texts = ["[PHONE] [EMAIL]", "XXXX", "", "  \n", "@who https://example.org/x"] * 30
    found = discover_themes(texts, embeddings=vectors_for(150))
    check_answer(found, 150)
    assert found.themes == ()
    mixed = [*texts, *(f"card declined {n}" for n in range(80))]
    found = discover_themes(mixed, embeddings=vectors_for(230))
    check_answer(found, 230)
    assert (found.labels[:150] == -1).all()
    assert (found.labels[150:] >= 0).any()


def test_a_hundred_thousand_identical_texts_are_one_theme():
    vectors = np.broadcast_to(vectors_for(1), (100_000, DIMENSIONS))
    found = discover_themes(["My card is lost"] * 100_000, embeddings=vectors)
    check_answer(found, 100_000)
    assert [(theme.name, theme.size) for theme in found.themes] == [("Card lost", 100_000)]


@pytest.mark.parametrize("n_texts", [10, 100])
def test_vectors_of_zeros_say_nothing_and_the_words_decide(n_texts):
    texts = [f"{THINGS[i % 2]} {['lost', 'stolen'][i % 2]} {i}" for i in range(n_texts)]
    found = discover_themes(texts, embeddings=np.zeros((n_texts, 7), np.float32))
    check_answer(found, n_texts)
    assert found.themes or n_texts < 60
    for theme in range(len(found.themes)):
        assert len({i % 2 for i in np.flatnonzero(found.labels == theme)}) == 1


@pytest.mark.parametrize("texts", [[], ["My card is lost"], [""]])
def test_no_text_and_one_text_are_no_theme(texts):
    found = discover_themes(texts, embeddings=vectors_for(1)[: len(texts)])
    check_answer(found, len(texts))
    assert found.themes == ()
    assert found.model.assign(vectors_for(2))[0].tolist() == [-1, -1]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_vectors_that_are_no_numbers_are_refused_by_the_text_they_stand_for(value):
    vectors = vectors_for(100)
    vectors[7, 3] = value
    texts = [f"card {n}" for n in range(100)]
    with pytest.raises(ValueError, match=r"vector of text 7 holds a value that is no number"):
        discover_themes(texts, embeddings=vectors)
    with pytest.raises(ValueError, match="one row of numbers for each text"):
        discover_themes(texts, embeddings=np.zeros(100, np.float32))
