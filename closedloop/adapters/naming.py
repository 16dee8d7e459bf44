"""Whoever suggests names of themes: a language model behind an address, or a local command.

What answers is not trusted: little of it is read, for a limited time. No redirect is followed,
no proxy of the environment is used, and nothing that was sent or answered is logged.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from pathlib import PurePath
from typing import IO, Protocol
from urllib.parse import urlsplit

from closedloop.config import Settings
from closedloop.domain.naming import ANSWER_BYTES, MODEL_LENGTH, BadAnswer, NoAnswer

ASK_SECONDS = 60.0
ENVELOPE_BYTES = 4 * ANSWER_BYTES
"""Of an endpoint's whole answer, which says more than what the model wrote."""

_ADVICE = {
    401: "check CLOSEDLOOP_NAMING_KEY",
    403: "check CLOSEDLOOP_NAMING_KEY",
    404: "check CLOSEDLOOP_NAMING_URL and CLOSEDLOOP_NAMING_MODEL",
    429: "it asks to wait; try again later",
}


class Namer(Protocol):
    """Answers a question; `where` and `model` are shown to people."""

    @property
    def where(self) -> str:
        """The host that is asked, or the program."""

    @property
    def model(self) -> str:
        """Who writes."""

    def ask(self, instruction: str, question: str) -> str:
        """Return what was written, at most `ANSWER_BYTES` of UTF-8.

        Raises
        ------
        NoAnswer
        BadAnswer
        """


def open_namer(settings: Settings) -> Namer | None:
    """Return whoever suggests names on this site; None where nobody does."""
    if settings.naming_url:
        return Endpoint(settings.naming_url, settings.naming_model, settings.naming_key)
    if settings.naming_command:
        return Command(shlex.split(settings.naming_command), settings.naming_model)
    return None


@dataclass(frozen=True)
class Endpoint:
    """An OpenAI-compatible endpoint.

    Parameters
    ----------
    url : str
        As in ``https://host/v1``; ``/chat/completions`` is added where it is missing.
    named : str
        The model asked.
    key : str
        Sent as a bearer token and nowhere shown; empty sends none.
    seconds : float
        For the whole of an answer.
    """

    url: str
    named: str
    key: str = field(default="", repr=False)
    seconds: float = ASK_SECONDS

    @property
    def where(self) -> str:
        """The host alone."""
        return urlsplit(self.url).hostname or ""

    @property
    def model(self) -> str:
        """Its name as it was set."""
        return self.named[:MODEL_LENGTH]

    def ask(self, instruction: str, question: str) -> str:
        """Send one question; see `Namer.ask`."""
        messages = [
            {"role": "system", "content": instruction},
            {"role": "user", "content": question},
        ]
        body = {
            "model": self.named,
            "messages": messages,
            "response_format": {"type": "json_object"},
        }
        return _content(self._post(json.dumps(body).encode()))

    def _post(self, body: bytes) -> bytes:
        connection = self._connection()
        opened: list[socket.socket] = []
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        try:
            with _deadline(self.seconds, lambda: _hang_up(connection, opened)) as late:
                try:
                    connection.connect()
                    opened.append(connection.sock)
                    connection.request("POST", self._path(), body, headers)
                    with connection.getresponse() as response:
                        return self._read(response, late)
                except (OSError, HTTPException) as error:
                    raise NoAnswer(self._why(error, late)) from None
        finally:
            connection.close()

    def _connection(self) -> HTTPConnection:
        parts = urlsplit(self.url)
        host = parts.hostname or ""
        if parts.scheme == "https":
            context = ssl.create_default_context()
            return HTTPSConnection(host, parts.port or 443, timeout=self.seconds, context=context)
        return HTTPConnection(host, parts.port or 80, timeout=self.seconds)

    def _path(self) -> str:
        path = urlsplit(self.url).path.rstrip("/")
        return path if path.endswith("/chat/completions") else f"{path}/chat/completions"

    def _read(self, response: HTTPResponse, late: threading.Event) -> bytes:
        if 300 <= response.status < 400:
            raise NoAnswer(f"{self.where} sends on to another address, which is not followed")
        if response.status != 200:
            advice = _ADVICE.get(response.status, "its own log says why")
            raise NoAnswer(f"{self.where} answered {response.status}: {advice}")
        read = response.read(ENVELOPE_BYTES + 1)
        if late.is_set():
            raise TimeoutError
        if len(read) > ENVELOPE_BYTES:
            raise BadAnswer("the answer is far too long")
        return read

    def _why(self, error: Exception, late: threading.Event) -> str:
        if late.is_set() or isinstance(error, TimeoutError):
            return f"{self.where} did not answer within {self.seconds:g} seconds"
        if isinstance(error, ssl.SSLError):
            return f"{self.where} has no certificate that can be trusted"
        return f"{self.where} cannot be reached or broke off"


def _hang_up(connection: HTTPConnection, opened: Sequence[socket.socket]) -> None:
    """Wake whoever waits for the other side; the connection forgets its socket while reading."""
    for one in (*opened, connection.sock):
        with suppress(OSError):
            if one is not None:
                socket.socket.shutdown(one, socket.SHUT_RDWR)


def _content(answer: bytes) -> str:
    """Return what the model wrote out of an endpoint's answer."""
    try:
        content = json.loads(answer)["choices"][0]["message"]["content"]
    except (ValueError, RecursionError, LookupError, TypeError):
        raise BadAnswer("the endpoint does not speak as OpenAI's does") from None
    if not isinstance(content, str):
        raise BadAnswer("the model wrote no text")
    if len(content) > ANSWER_BYTES:
        raise BadAnswer("the answer is far too long")
    return content


@dataclass(frozen=True)
class Command:
    """A program of this machine: question on standard input, answer on standard output.

    It is run without a shell and without the variables of closedloop, which hold keys.

    Parameters
    ----------
    argv : sequence of str
    named : str
        Who is said to have written; empty is the program's name.
    seconds : float
        After which it is stopped, with whatever it started.
    """

    argv: Sequence[str]
    named: str = ""
    seconds: float = ASK_SECONDS

    @property
    def where(self) -> str:
        """The program's name, and that it is here."""
        return f"{PurePath(self.argv[0]).name} on this machine"

    @property
    def model(self) -> str:
        """As set, or the program's name."""
        return (self.named or PurePath(self.argv[0]).name)[:MODEL_LENGTH]

    def ask(self, instruction: str, question: str) -> str:
        """Run it once; see `Namer.ask`."""
        with tempfile.TemporaryFile() as asked:
            asked.write(f"{instruction}\n\n{question}\n".encode())
            asked.seek(0)
            written = self._run(asked)
        try:
            return written.decode()
        except UnicodeDecodeError:
            raise BadAnswer("the answer is no UTF-8") from None

    def _run(self, asked: IO[bytes]) -> bytes:
        child = self._start(asked)
        try:
            with _deadline(self.seconds, lambda: _stop(child)) as late:
                assert child.stdout is not None
                written = child.stdout.read(ANSWER_BYTES + 1)
                if len(written) > ANSWER_BYTES:
                    raise BadAnswer("the answer is far too long")
                status = child.wait()
                if late.is_set():
                    raise NoAnswer(f"{self.where} did not answer within {self.seconds:g} seconds")
        finally:
            if child.poll() is None:
                _stop(child)
            child.__exit__(None, None, None)
        if status:
            raise NoAnswer(f"{self.where} failed with status {status}")
        return written

    def _start(self, asked: IO[bytes]) -> subprocess.Popen[bytes]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("CLOSEDLOOP_")}
        try:
            return subprocess.Popen(  # noqa: S603 - the command that the site has set
                list(self.argv),
                stdin=asked,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=kept,
                start_new_session=True,
            )
        except OSError as error:
            raise NoAnswer(f"{self.where} cannot be started: {error.strerror}") from None


def _stop(child: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)


@contextmanager
def _deadline(seconds: float, stop: Callable[[], None]) -> Iterator[threading.Event]:
    """Call `stop` when the block takes longer; the event says whether that was so."""
    late = threading.Event()

    def end() -> None:
        late.set()
        stop()

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield late
    finally:
        timer.cancel()
