from __future__ import annotations

import pytest

from ml.text.unspaced import (
    Joints,
    close_gaps,
    is_unspaced,
    length_unspaced,
    pairs_apart,
    without_unspaced,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("今天下雨", "今天 天下 下雨"),
        ("卡 kaart 卡片", "卡 kaart 卡片"),
        ("カードが", "カー ード ドが"),
        ("播放 列表", "播放 放列 列表"),
        ("用iPhone播放音乐", "用 iPhone 播放 放音 音乐"),
    ],
)
def test_words_that_stand_together_become_overlapping_pairs(text, expected):
    assert pairs_apart(text).split() == expected.split()


def test_marks_above_and_below_thai_letters_do_not_break_a_pair():
    assert pairs_apart("ที่นี่").split() == ["ทน"]
    assert length_unspaced("ที่นี่") == 2


@pytest.mark.parametrize(
    "text",
    ["My card has  gone", "Užsakymas neatvyko", "카드가 도착하지 않았어요", "बैंक कार्ड", "😀 ok"],
)
def test_writing_with_spaces_comes_back_as_it_is(text):
    assert not is_unspaced(text)
    assert pairs_apart(text) == close_gaps(text) == without_unspaced(text, ".") == text
    assert Joints([text]).phrases(text) == set()


def test_spaces_are_closed_between_chinese_characters_alone():
    assert close_gaps("取消 订单 now ok 吗 吧") == "取消订单 now ok 吗吧"
    assert close_gaps("บัตร หาย") == "บัตร หาย"


TEXTS = [
    f"{before}{what}{after}"
    for before in ("我想", "请", "为什么")
    for what in ("取消订单", "查看账单", "设置闹钟", "播放音乐")
    for after in ("吗", "", "呢")
]


def test_phrases_are_cut_from_the_text_and_are_neither_broken_words_nor_framed_by_little_words():
    found = Joints(TEXTS).phrases("请问我的订单可以取消吗")
    assert "订单" in found
    assert not {phrase for phrase in found if phrase[0] in "我的请" or phrase[-1] in "我的吗"}
    assert all(phrase in "请问我的订单可以取消吗" and 2 <= len(phrase) <= 6 for phrase in found)
    assert not {phrase for phrase in found if phrase.startswith("单")}
