"""The transport under httpx: aiohttp carries its requests, at a third of the CPU time of httpx's own transport.

Lives here: connection pools, limits of an answer, certificates, proxies, aiohttp's errors as httpx's.
Does not live here: the content of requests (client), authentication (auth), causes of errors (refusals).
"""

from __future__ import annotations

import asyncio
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import httpx
from aiohttp.client_proto import ResponseHandler
from yarl import URL

from pulltasks.errors import ConfigError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Hashable, Iterable

THIS_MACHINE = frozenset({"127.0.0.1", "localhost", "::1"})  # no proxy is used for these
# The extension of an answer with the outdated name of its encoding.
OLD_ENCODING = "old_encoding"
# Extensions of a request: the pool of connections that may carry it; whether only a new one may.
POOL, NEW_CONNECTION = "pool", "new_connection"
# The first match counts. If a connection breaks, nobody knows how much of the request arrived: that is a read error.
_ERRORS: tuple[tuple[type[BaseException], type[httpx.TransportError]], ...] = (
    (aiohttp.ConnectionTimeoutError, httpx.ConnectTimeout),
    (TimeoutError, httpx.ReadTimeout),
    (aiohttp.ClientProxyConnectionError, httpx.ProxyError),
    (aiohttp.ClientHttpProxyError, httpx.ProxyError),
    (aiohttp.ClientConnectorError, httpx.ConnectError),
    (aiohttp.ClientConnectorCertificateError, httpx.ConnectError),
    (aiohttp.ServerDisconnectedError, httpx.RemoteProtocolError),
    (aiohttp.ClientPayloadError, httpx.RemoteProtocolError),
    (aiohttp.ClientResponseError, httpx.RemoteProtocolError),
    (aiohttp.InvalidURL, httpx.UnsupportedProtocol),
    (aiohttp.ClientError, httpx.ReadError),
    (OSError, httpx.ReadError),
)


class AnswerTooLarge(httpx.TransportError):
    """Raised for an answer larger than any of this API, on the wire, decompressed, or in its headers."""


# A smaller answer is read at once; larger ones share the memory of `Bounds.in_flight_bytes`, so some of them wait.
ORDINARY_BYTES = 1_000_000


@dataclass(frozen=True)
class Bounds:
    """The limits of one answer, and of all answers that are being read.

    Attributes:
        answer_bytes: size of one body, on the wire and decompressed.
        in_flight_bytes: size of all bodies that are being read.
        header_bytes: size of all headers of one answer.
        answer_seconds: time from the request to the last byte of the answer, however slowly it comes.
    """

    answer_bytes: int = 32_000_000
    in_flight_bytes: int = 128_000_000
    header_bytes: int = 64_000
    answer_seconds: float = 120.0


class _Protocol(ResponseHandler):
    """A connection that closes when it receives bytes without a request.

    A second or late answer that a proxy sends on an open connection would otherwise count as the answer to the next
    request.
    """

    is_idle = False

    def data_received(self, data: bytes) -> None:
        if self.is_idle and data:
            self.close()
        else:
            super().data_received(data)


class _Connector(aiohttp.TCPConnector):
    """Opens connections that are watched while they are idle; aiohttp has no public hook for that."""

    def __init__(self) -> None:
        super().__init__(limit=0)  # callers limit the number of requests in flight
        self._factory = lambda: _Protocol(loop=self._loop)  # type: ignore[assignment]

    async def _get(self, *arguments: Any) -> Any:
        connection: Any = await super()._get(*arguments)
        if connection is not None and connection.protocol is not None:
            connection.protocol.is_idle = False
        return connection

    def _release(self, key: Any, protocol: Any, **options: bool) -> None:
        protocol.is_idle = True
        super()._release(key, protocol, **options)


class AiohttpTransport(httpx.AsyncBaseTransport):
    """Sends requests and reads complete answers within limits; it must be created and closed in one event loop.

    Answers are decompressed, redirects are not followed, cookies are dropped. Connections stay open in pools: a request
    with the extension `pool` uses only those of that pool, one with `new_connection` uses a connection of its own.
    """

    def __init__(self, timeout_seconds: float, bounds: Bounds = Bounds()) -> None:
        self._bounds = bounds
        self._timeout_seconds = timeout_seconds
        self._large_answers = asyncio.Semaphore(max(1, bounds.in_flight_bytes // bounds.answer_bytes - 1))
        self._pools: dict[Hashable, aiohttp.ClientSession] = {}
        self._proxies = {scheme: _with_scheme(proxy) for scheme, proxy in getproxies().items()}
        self._tls: ssl.SSLContext | None = None

    def _make_pool(self) -> aiohttp.ClientSession:
        pool = aiohttp.ClientSession(
            connector=_Connector(),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None, connect=self._timeout_seconds, sock_read=self._timeout_seconds),
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        )
        # The client decides on retries and counts them; aiohttp has no public switch for its own.
        pool._retry_connection = False  # noqa: SLF001
        return pool

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Return the answer to a request, with its body read and decompressed.

        A request may have the extensions `answer_seconds`, a limit of its own, `pool` and `new_connection`.

        Raises:
            AnswerTooLarge: when the answer exceeds a limit.
            httpx.DecodingError: when it cannot be decompressed.
            httpx.TransportError: when no complete answer came; the cause is aiohttp's error.
        """
        if request.extensions.get(NEW_CONNECTION):
            async with self._make_pool() as pool:
                return await self._answer(pool, request)
        name = request.extensions.get(POOL)
        if name not in self._pools:
            self._pools[name] = self._make_pool()
        return await self._answer(self._pools[name], request)

    async def close_pool(self, name: Hashable) -> None:
        """Close the connections of a pool that is no longer needed."""
        if name in self._pools:
            await self._pools.pop(name).close()

    async def _answer(self, pool: aiohttp.ClientSession, request: httpx.Request) -> httpx.Response:
        seconds = min(
            self._bounds.answer_seconds, request.extensions.get("answer_seconds", self._bounds.answer_seconds)
        )
        try:
            async with (
                asyncio.timeout(seconds),
                pool.request(
                    request.method,
                    URL(str(request.url), encoded=True),  # what was signed is sent unchanged
                    headers=_headers(request),
                    data=await request.aread() or None,
                    allow_redirects=False,
                    proxy=self._proxy(request.url),
                    ssl=self._certificates() if request.url.scheme == "https" else True,
                ) as answer,
            ):
                self._check_headers(answer.raw_headers, request)
                body = await self._read(answer.content, request)
        except (aiohttp.ClientError, OSError) as error:
            raise next(kind for cause, kind in _ERRORS if isinstance(error, cause))(
                f"{type(error).__name__}: {error}", request=request
            ) from error
        encodings = [name.strip().lower() for name in answer.headers.get("Content-Encoding", "").split(",")]
        for name in reversed(encodings):  # the last encoding was applied last
            body = _decompressed(body, name, self._bounds.answer_bytes, request)
        return httpx.Response(
            answer.status,
            headers=[(name, value) for name, value in answer.raw_headers if name.lower() not in _WIRE_HEADERS],
            content=body,
            request=request,
            extensions={OLD_ENCODING: "x-gzip"} if "x-gzip" in encodings else {},
        )

    def _check_headers(self, headers: Iterable[tuple[bytes, bytes]], request: httpx.Request) -> None:
        if sum(len(name) + len(value) for name, value in headers) > self._bounds.header_bytes:
            kilobytes = self._bounds.header_bytes // 1000
            raise AnswerTooLarge(f"the headers of the answer exceed {kilobytes} kB", request=request)

    async def _read(self, stream: aiohttp.StreamReader, request: httpx.Request) -> bytes:
        """Return the body as received; a large answer waits until there is room for it."""
        pieces: list[bytes] = []
        size = 0
        is_large = False
        try:
            async for piece in stream.iter_any():
                pieces.append(piece)
                size += len(piece)
                if size > self._bounds.answer_bytes:
                    raise AnswerTooLarge(_too_large(self._bounds.answer_bytes), request=request)
                if size > ORDINARY_BYTES and not is_large:
                    await self._large_answers.acquire()
                    is_large = True
        finally:
            if is_large:
                self._large_answers.release()
        return b"".join(pieces)

    async def aclose(self) -> None:
        """Close all connections."""
        for pool in self._pools.values():
            await pool.close()
        self._pools.clear()

    def check_proxy(self, address: str) -> None:
        """Check that the proxy of the environment for an address is supported.

        Raises:
            ConfigError: when it is another kind of proxy than HTTP.
        """
        proxy = self._proxy(httpx.URL(address))
        if proxy and urlsplit(proxy).scheme not in {"http", "https"}:
            kind = urlsplit(proxy).scheme
            raise ConfigError(
                [f"{kind.upper()} proxy: only HTTP proxies are supported; set one in HTTPS_PROXY, or none"]
            )

    def _proxy(self, url: httpx.URL) -> str | None:
        """Return the proxy of the environment for an address, or None."""
        if not self._proxies or url.host in THIS_MACHINE or proxy_bypass(url.host):
            return None
        return self._proxies.get(url.scheme) or self._proxies.get("all")

    def _certificates(self) -> ssl.SSLContext:
        """Return the TLS context."""
        # Created at the first request that needs it: reading all certificates is slow.
        if self._tls is None:
            self._tls = httpx.create_ssl_context()
        return self._tls


def _with_scheme(proxy: str) -> str:
    """Return the address of a proxy with a scheme; `host:port`, as curl accepts it, is an HTTP proxy."""
    return proxy if "://" in proxy else f"http://{proxy}"


# Headers about the body as it was on the wire; they are wrong for a decompressed one.
_WIRE_HEADERS = frozenset({b"content-encoding", b"content-length"})
# `x-gzip` is an old name of gzip (RFC 9110, section 8.4.1.3); 16 makes zlib read gzip's header.
_WINDOW_BITS = {"gzip": zlib.MAX_WBITS | 16, "x-gzip": zlib.MAX_WBITS | 16, "deflate": zlib.MAX_WBITS}


def _too_large(limit_bytes: int) -> str:
    return f"the answer exceeds {limit_bytes // 1_000_000} MB"


def _decompressed(body: bytes, encoding: str, limit_bytes: int, request: httpx.Request) -> bytes:
    """Return a body without one of its encodings; an encoding that was not requested stays, so it is not JSON then."""
    if encoding not in _WINDOW_BITS or not body:
        return body
    try:
        return _inflated(body, _WINDOW_BITS[encoding], limit_bytes, request)
    except zlib.error as error:
        if encoding != "deflate":
            raise httpx.DecodingError(str(error), request=request) from error
    try:
        return _inflated(body, -zlib.MAX_WBITS, limit_bytes, request)  # some services omit the header
    except zlib.error as error:
        raise httpx.DecodingError(str(error), request=request) from error


def _inflated(body: bytes, window_bits: int, limit_bytes: int, request: httpx.Request) -> bytes:
    """Return the content of all members of a compressed body; memory never exceeds the limit."""
    pieces: list[bytes] = []
    size = 0
    while body:
        inflater = zlib.decompressobj(window_bits)
        # One byte more than the limit shows that the limit is exceeded, whatever the rest would decompress to.
        pieces.append(inflater.decompress(body, limit_bytes - size + 1))
        size += len(pieces[-1])
        if size > limit_bytes:
            raise AnswerTooLarge(f"{_too_large(limit_bytes)} when it is decompressed", request=request)
        if not inflater.eof:
            raise zlib.error("the compressed answer is truncated")
        body = inflater.unused_data
    return b"".join(pieces)


def _headers(request: httpx.Request) -> list[tuple[str, str]]:
    """Return httpx's headers without `Content-Length`, which aiohttp adds itself."""
    return [
        (name.decode("ascii"), value.decode("latin-1"))
        for name, value in request.headers.raw
        if name.lower() != b"content-length"
    ]
