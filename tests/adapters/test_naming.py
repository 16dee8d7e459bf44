"""Talking to a language model that may be slow, rude or broken."""

from __future__ import annotations

import dataclasses
import json
import stat
import sys
import time
from pathlib import Path

import pytest

from closedloop.adapters.naming import Command, Endpoint, open_namer
from closedloop.domain.naming import BadAnswer, NoAnswer
from tests.factories.naming import GOOD, serve_endpoint


@pytest.fixture
def server():
    with serve_endpoint() as running:
        yield running


@pytest.fixture
def ask(server):
    def ask_it(seconds=5.0, key="sk-secret", url=""):
        return Endpoint(url or server.url, "small", key, seconds).ask("Name it.", '{"quotes": []}')

    return ask_it


def test_nobody_is_asked_where_nothing_is_set(settings):
    assert open_namer(settings) is None
    at = dataclasses.replace(settings, naming_url="https://a.example/v1", naming_model="m")
    assert (open_namer(at).where, open_namer(at).model) == ("a.example", "m")
    named = dataclasses.replace(settings, naming_command="/opt/llm 'a model'")
    assert open_namer(named).argv == ["/opt/llm", "a model"]


def test_an_endpoint_is_asked_as_openai_is(server, ask):
    assert json.loads(ask()) == GOOD
    path, headers, body = server.asked[0]
    assert path == "/v1/chat/completions"
    assert headers["Authorization"] == "Bearer sk-secret"
    assert body["model"] == "small"
    assert [(m["role"], m["content"]) for m in body["messages"]] == [
        ("system", "Name it."),
        ("user", '{"quotes": []}'),
    ]


def test_the_whole_address_of_an_endpoint_is_taken_too_and_no_key_sends_none(server, ask):
    ask(url=f"{server.url}/chat/completions", key="")
    path, headers, _ = server.asked[0]
    assert path == "/v1/chat/completions"
    assert "Authorization" not in headers


def test_proxies_of_the_environment_are_passed_by(monkeypatch, ask):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert json.loads(ask()) == GOOD


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(server, ask, status):
    with serve_endpoint() as other:
        server.status, server.headers = status, {"Location": f"{other.url}/chat/completions"}
        with pytest.raises(NoAnswer, match="not followed"):
            ask()
        assert not other.asked


@pytest.mark.parametrize(
    ("status", "said"), [(401, "CLOSEDLOOP_NAMING_KEY"), (404, "MODEL"), (429, "later"), (500, "")]
)
def test_a_refusal_is_said_with_what_to_look_at_and_never_with_its_words(server, ask, status, said):
    server.status, server.body = status, b"your key sk-secret is wrong"
    with pytest.raises(NoAnswer, match=f"answered {status}.*{said}") as refusal:
        ask()
    assert "sk-secret" not in str(refusal.value)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>Sign in</html>",
        b"[]",
        b"{}",
        b'{"choices": []}',
        b'{"choices": [7]}',
        b"\xff\xfe\xff",
        b"[" * 50_000,
    ],
)
def test_another_language_is_refused(server, ask, body):
    server.body = body
    with pytest.raises(BadAnswer, match="OpenAI"):
        ask()


def test_no_text_and_far_too_much_text_are_refused(server, ask):
    server.content = None
    with pytest.raises(BadAnswer, match="no text"):
        ask()
    server.content = "n" * 70_000
    with pytest.raises(BadAnswer, match="far too long"):
        ask()
    server.content = "n" * 1_000_000
    with pytest.raises(BadAnswer, match="far too long"):
        ask()


def test_an_answer_that_drips_is_given_up_in_time(server, ask):
    server.drips = True  # each byte comes in time, the last after seconds
    began = time.monotonic()
    with pytest.raises(NoAnswer, match=r"within 0\.4 seconds"):
        ask(seconds=0.4)
    assert time.monotonic() - began < 3


def test_nobody_there_is_said_without_the_key():
    with pytest.raises(NoAnswer, match=r"127\.0\.0\.1 cannot be reached"):
        Endpoint("http://127.0.0.1:9/v1", "small", "sk-secret", 2.0).ask("", "")
    assert "sk-secret" not in repr(Endpoint("http://127.0.0.1:9/v1", "small", "sk-secret"))


def program(tmp_path, code):
    path = tmp_path / "writer"
    path.write_text(f"#!{sys.executable}\nimport os, sys, time, json, subprocess\n{code}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_a_command_reads_the_question_and_writes_the_answer(tmp_path, monkeypatch):
    monkeypatch.setenv("CLOSEDLOOP_SECRET_KEY", "sk-secret")
    code = (
        "asked = sys.stdin.buffer.read().decode()[:30]\n"
        "print(json.dumps([asked, sys.argv[1:], sorted(os.environ)]))"
    )
    command = Command((program(tmp_path, code), "a b; echo c"))
    asked, arguments, names = json.loads(command.ask("Name it.", "ą" * 100_000))
    assert asked == "Name it.\n\n" + "ą" * 20
    assert arguments == ["a b; echo c"]
    assert "PATH" in names
    assert not [name for name in names if name.startswith("CLOSEDLOOP_")]
    assert (command.where, command.model) == ("writer on this machine", "writer")


def test_a_command_that_fails_or_is_not_there_gives_no_answer(tmp_path):
    with pytest.raises(NoAnswer, match="failed with status 3"):
        Command((program(tmp_path, "sys.exit(3)"),)).ask("", "")
    with pytest.raises(NoAnswer, match="cannot be started"):
        Command((str(tmp_path / "nothing"),)).ask("", "")


def test_a_command_that_writes_without_end_is_stopped(tmp_path):
    code = "while True: sys.stdout.write('n' * 10_000)"
    with pytest.raises(BadAnswer, match="far too long"):
        Command((program(tmp_path, code),)).ask("", "")
    with pytest.raises(BadAnswer, match="UTF-8"):
        Command((program(tmp_path, "sys.stdout.buffer.write(b'\\xff')"),)).ask("", "")


def test_a_command_that_hangs_is_stopped_with_what_it_started(tmp_path):
    note = tmp_path / "child"
    code = (
        "child = subprocess.Popen(['sleep', '60'])\n"
        f"open({str(note)!r}, 'w').write(str(child.pid))\n"
        "time.sleep(60)"
    )
    began = time.monotonic()
    with pytest.raises(NoAnswer, match=r"within 4 seconds"):
        Command((program(tmp_path, code),), seconds=4.0).ask("", "")
    assert time.monotonic() - began < 30  # of the 60 that it would take
    assert not _runs(int(note.read_text()))


def _runs(pid: int) -> bool:
    """Return whether a process lives on for 3 seconds; one that waits to be buried does not."""
    for _ in range(60):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            return False
        if state == "Z":
            return False
        time.sleep(0.05)
    return True
