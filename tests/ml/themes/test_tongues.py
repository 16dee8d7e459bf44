from __future__ import annotations

from ml.themes.tongues import n_languages, phrases_in, spoken_in, weight_of_words

LITHUANIAN = [
    "Mano nauja banko kortelė dar neatėjo, ką man daryti?",
    "Kortelė neatėjo paštu, nors laukiu jau dvi savaites",
    "Kodėl mano kortelė vis dar neatėjo į namus?",
    "Užsakiau kortelę, bet kortelė neatėjo iki šiandien",
]
INDONESIAN = [
    "Kartu baru saya belum sampai sampai hari ini",
    "Kenapa kartu saya belum sampai di rumah?",
    "Sudah dua minggu kartu belum sampai, tolong dibantu",
    "Saya pesan kartu bulan lalu tapi kartu belum sampai",
]
ENGLISH = [
    "My new card has not arrived yet, what should I do?",
    "I have been waiting for my card for two weeks and it has not arrived",
    "Why has the card not arrived at my home?",
    "The card that I ordered has not arrived",
]


def test_phrases_of_other_languages_neither_begin_nor_end_with_small_words():
    found = set(phrases_in("lt", LITHUANIAN[0]).values())
    assert {"banko kortelė", "neatėjo", "nauja banko kortelė"} <= found
    assert not {"mano", "dar neatėjo", "kortelė dar", "ką", "man"} & found

    found = set(phrases_in("id", INDONESIAN[1]).values())
    assert {"kartu", "belum sampai", "kartu saya belum"} <= found
    assert not {"belum", "kenapa kartu", "saya belum", "sampai di"} & found


def test_a_phrase_may_end_with_the_word_that_says_no():
    found = set(phrases_in("de", "Meine Karte funktioniert nicht!").values())
    assert "karte funktioniert nicht" in found
    assert "nicht" not in found


def test_forms_of_a_word_count_as_one_and_small_english_words_name_nothing():
    one, two = phrases_in("lt", "kortelė"), phrases_in("lt", "kortelės")
    assert set(one) == set(two)
    assert "of the" not in phrases_in("id", "temukan buku art of the deal").values()


def test_words_count_for_more_where_the_encoder_does_not_know_the_language():
    assert weight_of_words(spoken_in([*INDONESIAN, "ok"]), {"en"}) == 1.0
    assert weight_of_words(spoken_in([*INDONESIAN, ENGLISH[0]]), {"en"}) == 1.0
    assert weight_of_words(spoken_in([*INDONESIAN, *ENGLISH]), {"en"}) is None
    assert weight_of_words(spoken_in(INDONESIAN), None) is None
    assert weight_of_words(spoken_in(ENGLISH), {"en"}) is None
    assert weight_of_words(spoken_in([]), {"en"}) is None
    assert weight_of_words(spoken_in(["ok"]), {"en"}) is None


def test_words_do_not_count_where_a_multilingual_encoder_meets_several_languages():
    mixed = [*INDONESIAN, *ENGLISH, *LITHUANIAN]
    assert weight_of_words(spoken_in(mixed), None, is_multilingual=True) == 0.0
    assert weight_of_words(spoken_in([*INDONESIAN] * 3), None, is_multilingual=True) is None
    # one contact in a foreign language is no second language of a site
    assert (
        weight_of_words(spoken_in([*ENGLISH * 5, INDONESIAN[0]]), None, is_multilingual=True)
        is None
    )


def test_languages_that_few_speak_or_nobody_can_tell_are_not_counted():
    assert n_languages(spoken_in([*INDONESIAN, *ENGLISH, *LITHUANIAN])) == 3
    assert n_languages(spoken_in([*ENGLISH * 5, *INDONESIAN[:1]])) == 1
    assert n_languages(spoken_in(["ok", "123"])) == n_languages(spoken_in([])) == 1
