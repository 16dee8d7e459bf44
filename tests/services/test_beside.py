"""A process beside answers in order, says what went wrong, and is missed when it is gone."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from contextlib import closing
from functools import partial
from multiprocessing import connection

import pytest

from closedloop.services.beside import _ANSWERING, Beside, HelperStopped
from tests.services.answering import break_off, divide, echo, fail_unreadably
from tests.site import ROOT


def test_answers_come_in_order_and_with_what_it_began_with():
    with closing(Beside(partial(divide, 12))) as beside:
        for number in (1, 2, 3):
            beside.hand_over(number)
        assert [beside.take_back() for _ in range(3)] == [12, 6, 4]


def test_what_goes_wrong_is_raised_here_and_it_goes_on():
    with closing(Beside(partial(divide, 12))) as beside:
        beside.hand_over(0)
        beside.hand_over(4)
        with pytest.raises(ZeroDivisionError):
            beside.take_back()
        assert beside.take_back() == 3


def test_an_answer_that_cannot_be_read_is_told_instead_of_waited_for():
    with closing(Beside(fail_unreadably)) as beside:
        beside.hand_over(1)
        with pytest.raises(TypeError):
            beside.take_back()


def test_whoever_asks_a_process_that_is_gone_again_is_told_again():
    with closing(Beside(partial(os._exit, 0))) as beside:
        for _ in range(2):
            with pytest.raises(HelperStopped):
                beside.take_back()


def test_messages_larger_than_a_pipe_holds_do_not_block_each_other():
    with closing(Beside(echo)) as beside:
        for letter in "ab":
            beside.hand_over(letter * 3_000_000)
        assert [beside.take_back()[:1] for _ in range(2)] == ["a", "b"]


def test_an_answer_that_breaks_off_is_no_answer():
    with closing(Beside(break_off)) as beside:
        beside.hand_over(1)
        with pytest.raises(HelperStopped):
            beside.take_back()


@pytest.mark.parametrize("sent", [b"", struct.pack("!i", 100) + b"begun"], ids=["nothing", "half"])
def test_a_process_whose_starter_was_killed_before_a_whole_message_ends_quietly(sent):
    work, ours = connection.Pipe(duplex=False)
    done, answers = connection.Pipe(duplex=False)
    handles = (work.fileno(), answers.fileno())
    process = subprocess.Popen(
        [sys.executable, "-c", _ANSWERING, *map(str, handles)],
        cwd=ROOT,
        pass_fds=handles,
        stderr=subprocess.PIPE,
        text=True,
    )
    work.close()
    answers.close()
    os.write(ours.fileno(), sent)
    ours.close()

    said = process.communicate(timeout=120)[1]
    done.close()

    assert (process.returncode, said) == (0, "")
