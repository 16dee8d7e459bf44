"""A process beside answers in order, says what went wrong, and is missed when it is gone."""

from __future__ import annotations

from contextlib import closing

import pytest

from closedloop.services.beside import Beside, HelperStopped

ANSWERING = "import sys; from closedloop.services.beside import answer_all; "
HALVES = ANSWERING + "answer_all(*map(int, sys.argv[1:]), lambda whole: lambda n: whole // n)"
ENDS_MIDWAY = (
    "import os, struct, sys; number = int(sys.argv[2]); "
    "os.write(number, struct.pack('!i', 100) + b'begun')"
)


def test_answers_come_in_order_and_with_what_the_first_message_said():
    with closing(Beside(HALVES, 12)) as beside:
        for number in (1, 2, 3):
            beside.hand_over(number)
        assert [beside.take_back() for _ in range(3)] == [12, 6, 4]


def test_what_goes_wrong_is_raised_here_and_it_goes_on():
    with closing(Beside(HALVES, 12)) as beside:
        beside.hand_over(0)
        beside.hand_over(4)
        with pytest.raises(ZeroDivisionError):
            beside.take_back()
        assert beside.take_back() == 3


def test_an_answer_that_cannot_be_read_is_told_instead_of_waited_for():
    raises = (
        "from closedloop.adapters.times import BadTime\n"
        "def raising(_): raise BadTime('a', 'b', 'c')\n"
        f"{ANSWERING}answer_all(*map(int, sys.argv[1:]), lambda _: raising)"
    )
    with closing(Beside(raises, None)) as beside:
        beside.hand_over(1)
        with pytest.raises(TypeError):
            beside.take_back()


def test_whoever_asks_a_process_that_is_gone_again_is_told_again():
    with closing(Beside("", None)) as beside:
        for _ in range(2):
            with pytest.raises(HelperStopped):
                beside.take_back()


def test_messages_larger_than_a_pipe_holds_do_not_block_each_other():
    echo = ANSWERING + "answer_all(*map(int, sys.argv[1:]), lambda _: lambda text: text)"
    with closing(Beside(echo, None)) as beside:
        for letter in "ab":
            beside.hand_over(letter * 3_000_000)
        assert [beside.take_back()[:1] for _ in range(2)] == ["a", "b"]


def test_an_answer_that_breaks_off_is_no_answer():
    with closing(Beside(ENDS_MIDWAY, None)) as beside:
        beside.hand_over(1)
        with pytest.raises(HelperStopped):
            beside.take_back()
