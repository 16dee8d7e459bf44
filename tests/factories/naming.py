"""A language model for tests: an endpoint on this machine that answers as it is told."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

GOOD = {"name": "Card has not come", "summary": "Customers wait for a card that does not arrive."}


class Endpoint(ThreadingHTTPServer):
    """Keeps what it was asked; `content` is what the model writes, the rest is how it is sent."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.content: object = json.dumps(GOOD)
        self.body: bytes | None = None
        self.status = 200
        self.headers: dict[str, str] = {}
        self.drips = False
        self.asked: list[tuple[str, dict[str, str], dict]] = []
        self.ended = threading.Event()

    @property
    def url(self) -> str:
        """What to set."""
        return f"http://127.0.0.1:{self.server_port}/v1"


class _Handler(BaseHTTPRequestHandler):
    server: Endpoint

    def do_POST(self) -> None:
        server = self.server
        body = self.rfile.read(int(self.headers["Content-Length"]))
        server.asked.append((self.path, dict(self.headers), json.loads(body)))
        answer = server.body
        if answer is None:
            message = {"role": "assistant", "content": server.content}
            answer = json.dumps({"choices": [{"message": message}]}).encode()
        self.send_response(server.status)
        for name, value in server.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        try:
            self._send(answer)
        except OSError:
            self.close_connection = True

    def _send(self, answer: bytes) -> None:
        if not self.server.drips:
            self.wfile.write(answer)
            return
        for byte in answer:
            if self.server.ended.is_set():
                break
            self.wfile.write(bytes([byte]))
            self.wfile.flush()
            time.sleep(0.05)

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


@contextmanager
def serve_endpoint() -> Iterator[Endpoint]:
    """Give an endpoint that runs for the length of the block."""
    server = Endpoint()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.ended.set()
        server.shutdown()
        thread.join()
        server.server_close()
