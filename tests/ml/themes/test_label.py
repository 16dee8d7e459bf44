from __future__ import annotations

import numpy as np
import pytest

from ml.themes.label import different, label_themes, may_lead, phrases, pick_exemplars
from ml.themes.vectors import DenseSpace, unit

TEXTS = [
    *(
        f"My card has not arrived {when}"
        for when in ("yet", "here", "since May", "in Rome", "at all")
    ),
    *(f"The card hasn't arrived {when}" for when in ("so far", "either", "where I live")),
    *(
        f"How do I change my PIN {where}?"
        for where in ("online", "in Spain", "in the app", "twice")
    ),
    *(f"Can I change the PIN {where}" for where in ("myself", "by phone", "at a branch")),
    *(
        f"my top up failed {why}"
        for why in ("again", "with an error", "for no reason", "on Friday")
    ),
]
LABELS = np.array([0] * 8 + [1] * 7 + [2] * 4)


def test_names_say_what_is_the_matter_as_a_person_would_write_it():
    names = [label.name for label in label_themes(TEXTS, LABELS, 3)]
    assert names == ["Card not arrived", "Change PIN", "Top up failed"]


def test_names_differ_even_for_themes_that_say_the_same():
    labels = np.array([0, 1] * 4 + [2] * 11)
    names = [label.name for label in label_themes(TEXTS, labels, 3)]
    assert len(set(names)) == 3
    identical = label_themes(["refund"] * 4, np.array([0, 1, 2, 3]), 4)
    assert len({label.name for label in identical}) == 4


def test_a_theme_of_nothing_but_filler_still_has_a_name():
    (label,) = label_themes(["it is", "so am I"], np.array([0, 0]), 1)
    assert label.name == "“it is”"
    assert label.keywords == ()


def test_names_write_words_as_most_writers_do_inside_a_sentence():
    texts = [
        "The album by Taylor Swift is greyed out",
        "Every album by Taylor Swift has gone from my iPhone",
        "Why is the album by taylor swift gone, on iPhone as well",
        "Albums by Taylor Swift do not play on my iPhone",
    ]
    others = ["My card has not arrived", "The new card has not arrived yet", "card not here yet"]
    names = [x.name for x in label_themes([*texts, *others], np.array([0] * 4 + [1] * 3), 2)]
    assert names[0] == "Album by Taylor Swift"
    assert names[1] == "Card not arrived"


def test_phrases_keep_particles_and_never_end_in_a_stop_word():
    found = set(phrases("I can't top-up with my card, it was not received").values())
    assert {"cannot top up", "top up", "not received", "card"} <= found
    assert not {"not", "cannot", "top up with", "with card", "up"} & found
    # A clause ends where a comma stands.
    assert "card not received" not in found


def test_inflections_count_as_one_phrase_and_are_written_as_most_do():
    texts = ["activating cards", "activate card", "activate card now", "activated the card"]
    (label,) = label_themes(texts, np.zeros(4, int), 1)
    assert label.name == "Activate card"


def test_keywords_do_not_repeat_the_name():
    for label in label_themes(TEXTS, LABELS, 3):
        assert len(set(label.keywords)) == len(label.keywords)


def test_exemplars_are_central_and_different():
    rng = np.random.default_rng(0)
    centre = unit(rng.normal(size=(1, 16)))
    near = unit(centre + 0.2 * rng.normal(size=(30, 16)))
    vectors = np.vstack([near, near[:10], -centre])
    labels = np.array([0] * 40 + [-1])
    nothing_in_common = DenseSpace.fit(vectors[:0])
    (chosen,) = pick_exemplars(vectors, labels, 1, nothing_in_common)
    assert len(chosen) == 5
    similarity = vectors[chosen] @ vectors[chosen].T
    assert (similarity[np.triu_indices(5, 1)] < 0.9).all()
    middle = near.mean(axis=0)
    assert vectors[chosen[0]] @ middle == (vectors[:40] @ middle).max()


def test_different_stops_when_it_has_enough():
    assert different(np.eye(4, dtype=np.float32), np.array([3, 1, 0]), 2) == [3, 1]


def test_a_name_begins_with_a_large_letter_unless_the_word_is_written_otherwise():
    texts = [
        "The app on my iPhone crashes",
        "Why does the iPhone app crash",
        "An iPhone crash again",
    ]
    (label,) = label_themes(texts, np.array([0, 0, 0]), 1)
    assert "iPhone" in label.name
    assert "IPhone" not in label.name


def test_names_of_themes_without_spaces_are_phrases_cut_from_their_texts():
    forms = ["{}取消我的订单", "{}把订单取消", "我要取消订单{}"]
    alarms = ["{}设置闹钟", "{}为我设置一个闹钟", "明天的闹钟{}怎么设置"]
    asides = ["", "请", "麻烦你", "现在", "马上", "今天"]
    texts = [form.format(aside) for form in forms for aside in asides]
    others = [form.format(aside) for form in alarms for aside in asides]
    labels = np.repeat([0, 1], 18)
    orders, clocks = label_themes([*texts, *others], labels, 2)
    assert orders.name == "订单, 取消"
    assert clocks.name == "设置一个闹钟"
    for label, own in ((orders, texts), (clocks, others)):
        assert all(any(keyword in text for text in own) for keyword in label.keywords)


def test_a_name_in_two_writings_keeps_the_words_of_both():
    texts = [
        f"{verb} Spotify 账户{end}" for verb in ("请关闭", "关闭", "我要关闭") for end in ("吗", "")
    ]
    (label,) = label_themes(texts, np.zeros(6, int), 1)
    assert {"spotify", "账户", "关闭"} <= {keyword.lower() for keyword in label.keywords}


def test_a_pasted_key_is_no_name():
    texts = [f"{'k' * 5000} {word}" for word in ("one", "card", "pin")]
    (label,) = label_themes(texts, np.zeros(3, int), 1)
    (quoted,) = label_themes(["漢" * 9000, "k" * 9000], np.zeros(2, int), 1)
    assert max(map(len, (label.name, quoted.name))) < 100


def test_a_theme_of_several_languages_is_named_in_one_and_has_keywords_of_each():
    english = [f"My new card has not arrived {when}" for when in ("yet", "so far", "here")]
    lithuanian = [
        f"Mano kortelė {when} neatėjo, ką man daryti?" for when in ("dar", "vis dar", "jau")
    ]
    indonesian = [f"{when} kartu saya belum sampai" for when in ("Kenapa", "Sudah lama", "Tolong")]
    elsewhere = [f"How do I change my PIN {where}, please?" for where in ("here", "today", "now")]
    texts = [*english, *lithuanian, *indonesian, *elsewhere]
    mixed, _ = label_themes(texts, np.array([0] * 9 + [1] * 3), 2)

    assert mixed.name == "Card not arrived"
    said = " | ".join(mixed.keywords)
    assert "kortelė" in said
    assert "belum sampai" in said
    assert not {"mano", "saya", "mano kortelė"} & set(mixed.keywords)


@pytest.mark.parametrize(
    "phrase", ["working", "looks working again", "come back", "used", "please", "good morning"]
)
def test_a_filler_never_leads_a_name(phrase):
    assert not may_lead(phrase)


@pytest.mark.parametrize(
    "phrase", ["not working", "cannot use", "card not work", "refund", "work abroad", "订单"]
)
def test_what_is_denied_or_says_what_it_is_about_may_lead(phrase):
    assert may_lead(phrase)


def name_of(texts, *others):
    """Name a theme of texts beside others."""
    groups = [texts, *others]
    labels = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    return label_themes([text for group in groups for text in group], labels, len(groups))[0].name


OTHERS = [f"Please send the parcel {when}" for when in ("soon", "on Monday", "to Rome", "at once")]


@pytest.mark.parametrize("filler", ["years", "year", "time", "times", "none"])
def test_words_of_time_and_number_are_in_no_name(filler):
    texts = [f"{filler} {say} album" for say in ("lost", "gone", "hidden", "grey")]
    assert filler not in name_of(texts, OTHERS).lower()


def test_verbs_of_everything_give_way_to_what_it_is_about():
    ends = ("shuffle", "shuffle mode", "shuffle here", "the shuffle")
    texts = [f"It looks working again, {end}" for end in ends]
    assert name_of(texts, OTHERS) == "Shuffle"
    texts = [f"The app is not working {when}" for when in ("here", "at home", "in Rome", "by car")]
    assert name_of(texts, OTHERS) == "App not working"
    texts = [f"It looks working again {when}" for when in ("here", "at last", "by itself", "fine")]
    assert name_of(texts, OTHERS).startswith("“It looks working again")


def test_a_bare_word_that_others_say_as_often_leads_no_name():
    own = [f"card: {what}" for what in ("fees", "fees", "fees are high", "limit", "colour")]
    others = [f"card: {what}" for what in ("lost", "stolen", "gone", "eaten", "bent")]
    assert not name_of(own, others).startswith("Card")
    assert name_of(own, OTHERS).startswith("Card")
