"""A webhook on loopback that keeps what it gets and answers as asked; no test by itself."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOKEN = "hush-hush-webhook-token"
GOOD = {
    "json": (200, b""),
    "dingtalk": (200, b'{"errcode":0,"errmsg":"ok"}'),
}


class QuietServer(ThreadingHTTPServer):
    """Says nothing of a client that hung up, which a test of a time-out does; all else is printed."""

    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exception(), BrokenPipeError):
            super().handle_error(request, client_address)


@dataclass
class Webhook:
    """Attributes: what came in; what is answered in turn, the last one for ever."""

    bodies: list[bytes] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    types: list[str | None] = field(default_factory=list)
    answers: list[tuple[int, bytes]] = field(default_factory=lambda: [GOOD["json"]])
    location: str = ""
    address: str = ""
    stalls: threading.Event | None = None

    @property
    def messages(self) -> list[dict]:
        return [json.loads(body) for body in self.bodies]

    def kinds(self, number: int = -1) -> list[str]:
        return [alert["kind"] for alert in self.messages[number]["alerts"]]


@contextmanager
def listening() -> Iterator[Webhook]:
    """Serve a webhook; its address holds a token, as the real ones do."""
    webhook = Webhook()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # a heartbeat; a redirect that is followed would arrive here as well
            self.answer()

        def do_POST(self) -> None:
            webhook.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.answer()

        def answer(self) -> None:
            webhook.paths.append(self.path)
            webhook.types.append(self.headers["Content-Type"])
            if webhook.stalls:
                webhook.stalls.wait(10)
            status, content = webhook.answers.pop(0) if len(webhook.answers) > 1 else webhook.answers[0]
            self.send_response(status)
            if webhook.location:
                self.send_header("Location", webhook.location)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = QuietServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    webhook.address = f"http://127.0.0.1:{server.server_port}/hook/{TOKEN}?access_token={TOKEN}"
    try:
        yield webhook
    finally:
        if webhook.stalls:
            webhook.stalls.set()
        server.shutdown()
        server.server_close()
        thread.join()
