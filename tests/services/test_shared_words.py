"""Names and keywords of what is found: does only what enough people said stand in them?"""

from __future__ import annotations

from closedloop.services.shared_words import NAMELESS, shared_words

SAID = [
    *((person, "My card has not come, I cannot activate it.") for person in range(6)),
    *((9, f"Hendrickson has my activated card, day {day}.") for day in range(8)),
]


def test_what_one_customer_says_again_and_again_is_no_keyword():
    keywords = ["hendrickson", "activating card", "hendrickson has", "not come"]

    name, kept = shared_words("Activating card", keywords, SAID, k=5)

    assert (name, kept) == ("Activating card", ["activating card", "not come"])


def test_a_short_name_that_one_customer_says_is_no_keyword_and_a_short_word_of_all_is_one():
    said = [
        *((n, "My SIM is lost, it didn't work") for n in range(5)),
        (9, "Kim took my sim simply"),
    ]

    assert shared_words("Kim, sim", ["kim", "sim", "kim lost", "not work"], said, k=5) == (
        "Sim, not work",
        ["sim", "not work"],
    )


def test_a_name_of_a_dropped_keyword_is_made_of_those_that_stay():
    keywords = ["hendrickson", "activating card", "not come"]

    assert shared_words("Hendrickson, card", keywords, SAID, k=5)[0] == "Activating card, not come"


def test_a_name_that_quotes_a_customer_is_none():
    assert shared_words("“Hendrickson has my card”", [], SAID, k=5) == (NAMELESS, [])


def test_customers_who_are_not_known_are_people_of_their_own():
    said = [(None, "card lost")] * 5

    assert shared_words("Card", ["card"], said, k=5) == ("Card", ["card"])
    assert shared_words("Card", ["card"], said[:4], k=5) == (NAMELESS, [])


def test_what_texts_write_in_many_ways_is_not_looked_for():
    said = [(person, "It hasn't arrived, I can't wait") for person in range(5)]

    assert shared_words("Not arrived", ["not arrived", "cannot wait"], said, k=5)[1] == [
        "not arrived",
        "cannot wait",
    ]
    said = [(person, "seat no please") for person in range(5)]
    assert shared_words("Seat number", ["seat number"], said, k=5)[1] == ["seat number"]


def test_words_without_spaces_are_looked_for_as_they_are():
    said = [(person, "银行卡还没有到") for person in range(5)]

    assert shared_words("银行卡", ["银行卡", "王小明"], said, k=5) == ("银行卡", ["银行卡"])
