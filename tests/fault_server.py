"""A server on loopback that answers as badly as asked; no test by itself."""

from __future__ import annotations

import gzip
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

BODY = b'{"request_id":"r","total":0,"task_infos":[]}'
HEAD = b"HTTP/1.1 200 OK\r\nX-Request-Id: request-7\r\nContent-Type: application/json\r\n"


def _whole(connection: socket.socket, status: bytes, body: bytes, headers: bytes = b"") -> None:
    length = b"Content-Length: %d\r\n" % len(body)
    connection.sendall(b"HTTP/1.1 " + status + b"\r\nConnection: close\r\n" + headers + length + b"\r\n" + body)


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def silence(connection: socket.socket) -> None:
    """Close without a word."""


def stalled_headers(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    _wait_for_end(connection)


def stalled_body(connection: socket.socket) -> None:
    connection.sendall(HEAD + b"Content-Length: 500\r\n\r\n" + BODY)
    _wait_for_end(connection)


def truncated_body(connection: socket.socket) -> None:
    connection.sendall(HEAD + b"Content-Length: 500\r\n\r\n" + BODY)


def junk(connection: socket.socket) -> None:
    connection.sendall(b"220 mail.example.com ESMTP\r\n")


def bad_gzip(connection: socket.socket) -> None:
    _whole(connection, b"200 OK", b"\x1f\x8b not gzip at all", b"Content-Encoding: gzip\r\n")


def good_gzip(connection: socket.socket) -> None:
    _whole(connection, b"200 OK", gzip.compress(BODY), b"Content-Encoding: gzip\r\nContent-Type: application/json\r\n")


def wrong_type(connection: socket.socket) -> None:
    _whole(connection, b"200 OK", b"\x89PNG\r\n", b"Content-Type: image/png\r\n")


def redirect(connection: socket.socket) -> None:
    _whole(connection, b"302 Found", b"", b"Location: http://127.0.0.1:9/elsewhere\r\n")


def throttled_until_a_date(connection: socket.socket) -> None:
    body = b'{"error_code":"APIGW.0308","error_msg":"slower","request_id":"request-7"}'
    _whole(
        connection, b"429 Too Many", body, b"Retry-After: Sun, 01 Jan 2040 00:00:00 GMT\r\nX-Request-Id: request-7\r\n"
    )


def _wait_for_end(connection: socket.socket) -> None:
    """Hold the connection until the client gives up."""
    connection.settimeout(5)
    try:
        while connection.recv(4096):
            pass
    except OSError:
        return


@contextmanager
def misbehaving(manner: Callable[[socket.socket], None]) -> Iterator[tuple[str, list[bytes]]]:
    """Serve every request in one bad manner; yields the address and the requests as they come."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.05)
    requests: list[bytes] = []
    ended = threading.Event()

    def serve_one(connection: socket.socket) -> None:
        with connection:
            received = b""
            connection.settimeout(5)
            while b"\r\n\r\n" not in received:
                if not (piece := connection.recv(65536)):
                    return
                received += piece
            requests.append(received)
            manner(connection)

    def serve() -> None:
        while not ended.is_set():
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            threading.Thread(target=serve_one, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", requests
    finally:
        ended.set()
        thread.join()
        listener.close()
