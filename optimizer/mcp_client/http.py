"""Streamable HTTP to an MCP server, with bounds on what it may send (I/O)."""

import ipaddress
import ssl
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from functools import cache
from types import TracebackType
from urllib.parse import urlsplit, urlunsplit

import httpx2
from mcp.client._transport import TransportStreams
from mcp.client.streamable_http import streamable_http_client

MAX_BODY_BYTES = 4 * 2**20
"""The longest answer that a server may send; an event stream is bounded event by event."""

MAX_EVENT_BYTES = 2**20


def endpoint_url(text: str) -> str:
    """The URL of the MCP endpoint: `http://host:3001` gets `/mcp`, `http://host/think` stays."""
    parts = urlsplit(text)
    path = parts.path if parts.path not in ("", "/") else "/mcp"
    return urlunsplit(parts._replace(path=path))


def shown_url(url: str) -> str:
    """The URL without what may be secret: user, password, query and fragment."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))


def is_loopback(host: str) -> bool:
    """Whether a host is this machine by its very name or address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def bounded_client(
    url: str, *, max_body_bytes: int, timeout: httpx2.Timeout | None
) -> httpx2.AsyncClient:
    """An HTTP client that cuts an answer that is too long and takes none that is packed.

    A packed answer may unpack to a thousand times its size. Proxies of the environment are used,
    but not towards this machine itself.

    Args:
        url: Where it will send to.
        max_body_bytes: The longest body; an event stream, which may go on for hours, is exempt.
        timeout: Of connect, write and read; None when the caller has a deadline of its own.
    """

    async def bound(response: httpx2.Response) -> None:
        if response.headers.get("content-encoding", "identity") != "identity":
            raise httpx2.DecodingError("the answer is packed, unasked", request=response.request)
        if not response.headers.get("content-type", "").startswith("text/event-stream"):
            assert isinstance(response.stream, httpx2.AsyncByteStream)
            response.stream = _BoundedStream(response.stream, max_body_bytes)

    return httpx2.AsyncClient(
        headers={"Accept-Encoding": "identity"},
        timeout=timeout,
        trust_env=not is_loopback(urlsplit(url).hostname or ""),
        verify=_tls(),
        event_hooks={"response": [bound]},
    )


@cache
def _tls() -> ssl.SSLContext:
    """Reading the certificates takes 20 ms or more, so it is done once."""
    return httpx2.create_ssl_context()


class HttpEndpoint:
    """The transport of one HTTP connection; it remembers how the server answered last.

    Args:
        url: The MCP endpoint.
        timeout_s: Seconds for each of connect, write and close; reading ends with the caller's
            own deadline.
        max_body_bytes: A longer answer ends the request.
    """

    def __init__(self, url: str, *, timeout_s: float, max_body_bytes: int = MAX_BODY_BYTES) -> None:
        self._url = url
        self._client = bounded_client(
            url,
            max_body_bytes=max_body_bytes,
            timeout=httpx2.Timeout(timeout_s, read=None),
        )
        self._client.event_hooks["response"].append(self._remember)
        self._stack: AsyncExitStack | None = None
        self.last_status: int | None = None

    async def __aenter__(self) -> TransportStreams:
        """Get ready to send; the first request connects."""
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._client)
            opened: AbstractAsyncContextManager[TransportStreams] = streamable_http_client(
                self._url, http_client=self._client, max_sse_event_size=MAX_EVENT_BYTES
            )
            streams = await stack.enter_async_context(opened)
            self._stack = stack.pop_all()
        return streams

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the server's session and close every connection."""
        if self._stack is not None:
            await self._stack.__aexit__(exc_type, exc, traceback)

    async def _remember(self, response: httpx2.Response) -> None:
        self.last_status = response.status_code


class _BoundedStream(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream, limit: int) -> None:
        self._stream = stream
        self._limit = limit

    async def __aiter__(self) -> AsyncIterator[bytes]:
        received = 0
        async for chunk in self._stream:
            received += len(chunk)
            if received > self._limit:
                raise httpx2.ReadError(f"the server sent more than {self._limit} bytes")
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()
