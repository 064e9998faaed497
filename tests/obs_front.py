"""What OBS refuses and other stores take, before any S3 server: a proxy on loopback; and the faults of a store.

It is an HTTP proxy as well, so that `BUCKET.obs.localhost` need not resolve: clients are pointed at it by HTTP_PROXY.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DOMAIN = "obs.localhost"
_HEAD_END = b"\r\n\r\n"


@dataclass
class Front:
    """What is refused, and what goes wrong: `faults` is taken from the front, one for each request that fits.

    A fault is `(method, part of the path, what)`: a status, a status with a code ("403 AccessDenied"), "lost" (done, but
    not answered), "swallowed" (answered, but not done), "slow", "dripping" (a byte now and then, without end), "empty" (a
    list that names nothing), "late" (a list that lacks its last name), "endless" (a list whose pages never end).
    Those in `always` stay.
    """

    upstream: int
    port: int = 0
    faults: list[tuple[str, str, int | str]] = field(default_factory=list)
    always: list[tuple[str, str, int | str]] = field(default_factory=list)
    on_put: Callable[[str, dict[str, str]], object] = lambda _path, _headers: None
    requests: list[tuple[str, str, int]] = field(default_factory=list)  # method, path, bytes of the body

    @property
    def endpoint(self) -> str:
        return f"http://{DOMAIN}:{self.port}"

    def fault_of(self, method: str, path: str) -> int | str | None:
        """What goes wrong with a request; what is not always so is over with it."""
        for faults in (self.faults, self.always):
            for each in faults:
                if each[0] in {method, "any"} and each[1] in path:
                    if faults is self.faults:
                        faults.remove(each)
                    return each[2]
        return None


def _refusal(status: int, code: str) -> bytes:
    body = f"<Error><Code>{code}</Code><Message>refused by the front</Message></Error>".encode()
    head = f"HTTP/1.1 {status} X\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _what_obs_refuses(method: str, path: str, headers: dict[str, str], body: bytes) -> bytes | None:
    digest = headers.get("x-amz-content-sha256", "")
    if not re.fullmatch(rf"[a-z0-9.-]+\.{re.escape(DOMAIN)}(:\d+)?", headers.get("host", "")):
        return _refusal(403, "VirtualHostDomainRequired")
    if digest.startswith("STREAMING") or any(name.startswith(("x-amz-checksum", "x-amz-trailer")) for name in headers):
        return _refusal(400, "XAmzContentSHA256Mismatch")
    if re.fullmatch("[0-9a-f]{64}", digest) and hashlib.sha256(body).hexdigest() != digest:
        return _refusal(400, "XAmzContentSHA256Mismatch")
    if method == "POST" and "delete" in path and "content-md5" not in headers:
        return _refusal(400, "InvalidRequest")
    if "list-type=2" in path:
        return _refusal(400, "InvalidArgument")
    return None


async def _read(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> tuple[list[bytes], dict[str, str], bytes]:
    """The lines of a head, its headers, and the body."""
    lines = (await reader.readuntil(_HEAD_END)).removesuffix(_HEAD_END).split(b"\r\n")
    pairs = (line.decode("latin1").split(":", 1) for line in lines[1:])
    headers = {name.strip().lower(): value.strip() for name, value in pairs}
    if "expect" in headers:
        writer.write(b"HTTP/1.1 100 Continue" + _HEAD_END)
    return lines, headers, await reader.readexactly(int(headers.get("content-length", 0)))


async def _answer(reader: asyncio.StreamReader, method: str) -> bytes:
    """One answer of the server behind, whole."""
    head = await reader.readuntil(_HEAD_END)
    while head.split(b" ")[1] == b"100":
        head = await reader.readuntil(_HEAD_END)
    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    if method == "HEAD" or head.split(b" ")[1] in {b"204", b"304"}:
        return head
    if length:
        return head + await reader.readexactly(int(length[1]))
    whole = head
    while True:  # chunked
        line = await reader.readline()
        size = int(line.split(b";")[0], 16)
        whole += line + await reader.readexactly(size + 2)
        if size == 0:
            return whole


async def _drip(writer: asyncio.StreamWriter) -> None:
    """Answer with a head that goes on and on, a byte now and then, until the caller hangs up."""
    writer.write(b"HTTP/1.1 200 OK\r\nX-Drop: ")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.2)


def _instead(fault: int | str | None, method: str, body: bytes, number: int) -> bytes | None:
    """What is answered in the place of the server behind."""
    status, _, code = str(fault).partition(" ")
    if status.isdecimal():
        refusal = _refusal(int(status), code or "SlowDown")
        return refusal.partition(_HEAD_END)[0] + _HEAD_END if method == "HEAD" else refusal
    if fault == "swallowed":
        digest = hashlib.md5(body).hexdigest()
        return f'HTTP/1.1 200 OK\r\nETag: "{digest}"\r\nContent-Length: 0\r\n\r\n'.encode()
    return _page_of_a_list_without_end(number) if fault == "endless" else None


def _page_of_a_list_without_end(number: int) -> bytes:
    keys = "".join(
        f"<Contents><Key>endless/{number:08d}-{n:04d}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
        f"<ETag>&quot;{n:032x}&quot;</ETag><Size>1</Size></Contents>"
        for n in range(1000)
    )
    body = f"<ListBucketResult><Name>lake</Name><IsTruncated>true</IsTruncated>{keys}</ListBucketResult>".encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _with_fewer(answer: bytes, *, all_of_them: bool) -> bytes:
    """A list without its names, or without its last one."""
    head, _, body = answer.partition(_HEAD_END)
    if b"chunked" in head.lower():
        body = b"".join(re.findall(rb"(?s)[0-9a-f]+\r\n(.*?)\r\n(?=[0-9a-f]+\r\n)", body))
    found = re.findall(rb"(?s)<Contents>.*?</Contents>", body)
    for each in found if all_of_them else found[-1:]:
        body = body.replace(each, b"")
    head = re.sub(rb"(?i)\r\n(content-length|transfer-encoding):[^\r]*", b"", head)
    return head + f"\r\nContent-Length: {len(body)}".encode() + _HEAD_END + body


async def _serve(front: Front, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    behind_reader, behind = await asyncio.open_connection("127.0.0.1", front.upstream)
    try:
        while True:
            lines, headers, body = await _read(reader, writer)
            method, target, version = lines[0].decode().split(" ")
            parts = urlsplit(target)
            path = parts.path + (f"?{parts.query}" if parts.query else "")
            front.requests.append((method, path, len(body)))
            if method == "PUT":
                front.on_put(path, headers)
            lines[0] = f"{method} {path} {version}".encode()
            if refused := _what_obs_refuses(method, path, headers, body):
                writer.write(refused)
                continue
            fault = front.fault_of(method, path)
            if fault == "dripping":
                await _drip(writer)
            if (made_up := _instead(fault, method, body, len(front.requests))) is not None:
                writer.write(made_up)
                continue
            behind.write(b"\r\n".join(lines) + _HEAD_END + body)
            answer = await _answer(behind_reader, method)
            if fault == "lost":
                return
            if fault == "slow":
                await asyncio.sleep(1)
            if fault in {"empty", "late"}:
                answer = _with_fewer(answer, all_of_them=fault == "empty")
            writer.write(answer)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()
        behind.close()


@contextmanager
def fronting(upstream: int) -> Iterator[Front]:
    """A front before a server on loopback, until the context ends."""
    front, started = Front(upstream), threading.Event()
    loop = asyncio.new_event_loop()

    async def main() -> None:
        server = await asyncio.start_server(lambda *ends: _serve(front, *ends), "127.0.0.1", 0, limit=1 << 20)
        front.port = server.sockets[0].getsockname()[1]
        started.set()
        async with server:
            await server.serve_forever()

    def serve() -> None:
        asyncio.set_event_loop(loop)
        task = loop.create_task(main())
        front_tasks.append(task)
        try:
            loop.run_until_complete(task)
        except asyncio.CancelledError:
            pass
        finally:
            for _ in range(5):  # a caller that was killed may have left a connection that is just being made
                pending = asyncio.all_tasks(loop)
                for each in pending:
                    each.cancel()
                loop.run_until_complete(asyncio.gather(*pending, return_exceptions=True))
                loop.run_until_complete(asyncio.sleep(0.01))
            loop.close()

    front_tasks: list[asyncio.Task] = []
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    started.wait(10)
    try:
        yield front
    finally:
        loop.call_soon_threadsafe(front_tasks[0].cancel)
        thread.join(10)
