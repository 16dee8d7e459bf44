"""A Python process beside this one, which answers what it is handed, one thing after the other."""

from __future__ import annotations

import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import BrokenExecutor
from multiprocessing import connection
from typing import Any

_ANSWERING = (
    "import sys; from closedloop.services.beside import answer_all; "
    "answer_all(*map(int, sys.argv[1:]))"
)


class HelperStopped(BrokenExecutor):
    """The process beside was stopped from outside."""


class Beside:
    """A process that answers messages in order, while this one goes on.

    Not of `multiprocessing`: that would run the main module again, whoever's it is. It ends by
    itself when this process is gone, as its pipe is closed then.

    Parameters
    ----------
    begin : callable
        Called there once, before the first message; returns what answers each of them. It goes
        over by its name, so that it is a function of a module, or a `partial` of one.
    """

    def __init__(self, begin: Callable[[], Callable[[Any], Any]]) -> None:
        work, self._work = connection.Pipe(duplex=False)
        done, answers = connection.Pipe(duplex=False)
        self._process = subprocess.Popen(  # noqa: S603 - this Python, words of ours
            [sys.executable, "-c", _ANSWERING, str(work.fileno()), str(answers.fileno())],
            pass_fds=(work.fileno(), answers.fileno()),
            stdin=subprocess.DEVNULL,
        )
        work.close()
        answers.close()
        self._answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
        # a list of one, so that None may be sent, too
        self._waiting: queue.SimpleQueue[list[Any] | None] = queue.SimpleQueue()
        # reads all the time: two processes that both wait to be read would wait for ever
        threading.Thread(target=self._listen, args=(done,), daemon=True).start()
        # a pipe holds far less than a message: who fills it waits until the process is free
        self._speaking = threading.Thread(target=self._speak, daemon=True)
        self._speaking.start()
        self.hand_over(begin)

    def hand_over(self, message: Any) -> None:
        """Give it a message to answer, when it is done with those before."""
        self._waiting.put([message])

    def take_back(self) -> Any:
        """Return the answer to the next message.

        Raises
        ------
        HelperStopped
            If it is gone. What went wrong while it answered is raised as it is.
        """
        answer = self._answers.get()
        if isinstance(answer, HelperStopped):
            self._answers.put(answer)  # there is no other answer any more
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def close(self) -> None:
        """End it; what it was doing is of no use any more."""
        self._process.kill()
        self._process.wait()
        self._waiting.put(None)
        self._speaking.join()

    def _speak(self) -> None:
        with self._work:
            while (message := self._waiting.get()) is not None:
                try:
                    self._work.send(message[0])
                except OSError:  # it is gone, which the other thread tells
                    return

    def _listen(self, done: connection.Connection) -> None:
        with done:
            while True:
                try:
                    self._answers.put(done.recv())
                except (EOFError, OSError):
                    self._answers.put(HelperStopped())
                    return
                except Exception as error:  # an answer that cannot be read is an answer, too
                    self._answers.put(error)


def answer_all(work_handle: int, answers_handle: int) -> None:
    """Answer what comes until nothing comes any more; the process beside does nothing else.

    Parameters
    ----------
    work_handle, answers_handle : int
        As `Beside` gives them. What an answer raises is sent as the answer: it belongs to whoever
        handed the message over.
    """
    work = connection.Connection(work_handle, writable=False)
    answers = connection.Connection(answers_handle, readable=False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the one that started it decides
    try:
        begin = work.recv()
    except (EOFError, OSError):  # whoever started it was killed before a whole message was sent
        return
    answer = begin()
    while True:
        try:
            message = work.recv()
        except (EOFError, OSError):
            return
        try:
            answers.send(answer(message))
        except BrokenPipeError:
            return
        except Exception as error:
            answers.send(error)
