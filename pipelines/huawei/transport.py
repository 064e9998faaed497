"""The engine under httpx: its requests and answers, carried by aiohttp at a third of the CPU time of its own.

Lives here: one connection pool, certificates, the proxies of the environment, aiohttp's errors in httpx's words.
Does not live here: what is sent (client), how it is proved (auth), what an error means (refusals).
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.request import getproxies, proxy_bypass

import aiohttp
import httpx
from yarl import URL

if TYPE_CHECKING:
    import ssl

THIS_MACHINE = frozenset({"127.0.0.1", "localhost", "::1"})  # no proxy is asked for what runs here
# The extension of an answer that says under which old name its encoding came.
OLD_ENCODING = "old_encoding"
# The first that fits. Of a connection that broke it is not known how much of the request arrived: that is a read error.
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


class AiohttpTransport(httpx.AsyncBaseTransport):
    """Sends whole requests and reads whole answers; must be made and closed within one event loop.

    Answers come as they are on the wire: httpx decompresses them, redirects are not followed, cookies not kept.
    """

    def __init__(self, timeout_seconds: float) -> None:
        # How many requests are in flight is the callers' to limit.
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None, connect=timeout_seconds, sock_read=timeout_seconds),
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        )
        # Whether a request is sent again is the client's to decide and to count; aiohttp has no public switch for it.
        self._session._retry_connection = False  # noqa: SLF001
        self._proxies = getproxies()
        self._tls: ssl.SSLContext | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The answer to a request, its body read.

        Raises:
            httpx.TransportError: when no whole answer came; the cause is aiohttp's error.
        """
        try:
            async with self._session.request(
                request.method,
                URL(str(request.url), encoded=True),  # what was signed is sent as it stands
                headers=_headers(request),
                data=await request.aread() or None,
                allow_redirects=False,
                proxy=self._proxy(request.url),
                ssl=self._certificates() if request.url.scheme == "https" else True,
            ) as answer:
                body = await answer.read()
        except (aiohttp.ClientError, OSError) as error:
            raise next(kind for cause, kind in _ERRORS if isinstance(error, cause))(
                f"{type(error).__name__}: {error}", request=request
            ) from error
        old_name = _has_old_name(answer.headers.get("Content-Encoding"))
        return httpx.Response(
            answer.status,
            headers=[
                (name, b"gzip") if old_name and name.lower() == b"content-encoding" else (name, value)
                for name, value in answer.raw_headers
            ],
            content=body,
            request=request,
            extensions={OLD_ENCODING: "x-gzip"} if old_name else {},
        )

    async def aclose(self) -> None:
        """Close all connections."""
        await self._session.close()

    def _proxy(self, url: httpx.URL) -> str | None:
        """The proxy that the environment names for an address."""
        if not self._proxies or url.host in THIS_MACHINE or proxy_bypass(url.host):
            return None
        return self._proxies.get(url.scheme) or self._proxies.get("all")

    def _certificates(self) -> ssl.SSLContext:
        """Reading all certificates takes longer than a hundred requests: it waits for the first that needs them."""
        if self._tls is None:
            self._tls = httpx.create_ssl_context()
        return self._tls


def _has_old_name(encoding: str | None) -> bool:
    """`x-gzip` is an old name of gzip, which httpx does not know (RFC 9110, section 8.4.1.3)."""
    return encoding is not None and encoding.strip().lower() == "x-gzip"


def _headers(request: httpx.Request) -> list[tuple[str, str]]:
    """As httpx has them; the length of the body is the engine's to say."""
    return [
        (name.decode("ascii"), value.decode("latin-1"))
        for name, value in request.headers.raw
        if name.lower() != b"content-length"
    ]
