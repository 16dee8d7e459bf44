from __future__ import annotations

import numpy as np

from ml.themes.model import ThemeModel
from ml.themes.vectors import (
    DenseSpace,
    HybridSpace,
    LexicalSpace,
    RowView,
    disposition_shares,
    unit,
)

RNG = np.random.default_rng(0)
TEXTS = [f"{verb} the {thing} number {n}" for n in range(10) for verb in ("pay", "send", "lose")
         for thing in ("card", "bill", "parcel")]  # fmt: skip


def test_dense_space_takes_away_the_mean_and_the_strongest_direction():
    shared = unit(RNG.normal(size=(1, 40)))
    chatty = unit(RNG.normal(size=(1, 40)))
    vectors = unit(9 * shared + 2 * RNG.normal(size=(900, 1)) * chatty + RNG.normal(size=(900, 40)))
    space = DenseSpace.fit(vectors)
    found = space.transform(vectors)
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    assert np.abs(found @ space.common.T).max() < 1e-5
    assert np.linalg.norm(found.mean(axis=0)) < 0.3 * np.linalg.norm(vectors.mean(axis=0))


def test_a_direction_that_tells_two_large_themes_apart_is_kept():
    ends = np.repeat(np.eye(8, dtype=np.float32)[:2], 100, axis=0)
    vectors = unit(ends + 0.1 * RNG.normal(size=ends.shape))
    space = DenseSpace.fit(vectors)
    found = space.transform(vectors)
    assert len(space.common) == 0
    assert (found[:100] @ found[100:].T).max() < 0


def test_rows_read_in_an_order_of_their_own_teach_the_same_as_a_copy_of_them():
    table = unit(
        np.repeat(RNG.normal(size=(3, 16)), 100, axis=0) + 0.3 * RNG.normal(size=(300, 16))
    )
    rows = RNG.permutation(300)[:240]
    view, copy, labels = RowView(table, rows), table[rows], rows // 100
    assert (view.shape, len(view)) == (copy.shape, len(copy))
    space, expected = DenseSpace.fit(view), DenseSpace.fit(copy)
    assert space.mean.tobytes() == expected.mean.tobytes()
    assert space.common.tobytes() == expected.common.tobytes()
    model = ThemeModel.fit(view, labels, space)
    assert model.to_bytes() == ThemeModel.fit(copy, labels, space).to_bytes()
    assert np.array_equal(model.confidence(view, labels), model.confidence(copy, labels))


def test_few_vectors_are_left_as_they_are():
    vectors = unit(RNG.normal(size=(10, 4)))
    assert np.allclose(DenseSpace.fit(vectors).transform(vectors), vectors, atol=1e-6)


def test_lexical_space_brings_equal_words_together_and_can_take_new_texts():
    space = LexicalSpace(seed=0)
    found = space.fit_transform(TEXTS)
    assert np.allclose(space.transform(TEXTS), found, atol=1e-4)
    rows = unit(space.transform(["lose card", "lose the card", "send a parcel"]))
    assert rows[0] @ rows[1] > rows[0] @ rows[2]


def test_lexical_space_brings_together_what_shares_words_without_spaces():
    texts = [f"{who}{what}{end}" for who in ("我", "请", "他想", "现在") for end in ("吗", "呢", "")
             for what in ("取消订单", "设置闹钟", "播放音乐")]  # fmt: skip
    rows = LexicalSpace(seed=0)
    rows.fit_transform(texts)
    cancel, late, music = unit(rows.transform(["订单", "麻烦你取消订单", "麻烦你播放音乐"]))
    assert cancel @ late > 0.5
    assert cancel @ late > cancel @ music + 0.3


def test_texts_without_common_words_have_no_lexical_part():
    space = LexicalSpace(seed=0)
    assert space.fit_transform(["ab", "cd", "ef"]).shape == (3, 0)
    assert space.transform(["ab"]).shape == (1, 0)


def test_dispositions_and_words_pull_texts_of_equal_meaning_apart():
    dense = np.repeat(unit(RNG.normal(size=(1, 16))), 90, axis=0)
    codes = np.zeros((90, 2), np.float32)
    codes[:45, 0] = codes[45:, 1] = 1
    found = HybridSpace(0, 0.5, 0.3).fit_transform(dense, TEXTS, codes)
    plain = HybridSpace(0, 0.5, 0.3).fit_transform(dense, TEXTS, None)
    assert found[0] @ found[89] < plain[0] @ plain[89] < 1
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    assert (HybridSpace(0, 0.0, 0.3).fit_transform(dense, TEXTS, None) == dense).all()


def test_disposition_shares_count_what_was_chosen_for_each_node():
    shares = disposition_shares(["b", "a", None, "a", ""], np.array([0, 0, 0, 1, 2]), 3)
    assert np.allclose(shares, [[1 / 3, 1 / 3], [1, 0], [0, 0]])
