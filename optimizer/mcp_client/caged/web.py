"""A server at a URL: streamable HTTP to an address that was checked before (I/O).

The name is resolved once, every address is checked, and the connection goes to one of them, so that
a name cannot point somewhere else a moment later. Redirects are not followed.
"""

import http.client
import ipaddress
import json
import socket
import ssl
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from optimizer.mcp_client.caged.bounds import Bounds, CagedError, Clock
from optimizer.mcp_client.caged.pipe import parsed

Message = dict[str, Any]


class Web:
    """A server that is reached, not started.

    Args:
        url: Its endpoint.
        headers: What every request carries.
        allow_local: Whether http, loopback and private addresses are allowed.
        bounds: What it may send.

    Raises:
        CagedError: The URL or its address is not allowed, or nothing is there.
    """

    stderr_tail = ""

    def __init__(
        self, url: str, *, headers: Mapping[str, str], allow_local: bool, bounds: Bounds
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme != "https" and not (parts.scheme == "http" and allow_local):
            raise CagedError("address", f"{parts.scheme or 'no scheme'}: only https is allowed")
        if not parts.hostname:
            raise CagedError("address", "the URL names no host")
        self._host = parts.hostname
        self._tls = parts.scheme == "https"
        self._port = parts.port or (443 if self._tls else 80)
        self._netloc = parts.netloc.rpartition("@")[2]
        self._path = (parts.path or "/mcp") + (f"?{parts.query}" if parts.query else "")
        self._headers = dict(headers)
        self._bounds = bounds
        self._received = 0
        self._address = self._checked_address(allow_local)
        self._response: http.client.HTTPResponse | None = None
        self._connection: http.client.HTTPConnection | None = None

    def exchange(self, message: Message, headers: Mapping[str, str], clock: Clock) -> None:
        """Post a message; `messages` brings what the server answers to it.

        Raises:
            CagedError: It cannot be reached, or its answer is no answer of an MCP server.
        """
        body = json.dumps(message).encode()
        if self._response is not None and not self._response.isclosed():
            self.close()
        accepted = {
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
            "Accept-Encoding": "identity",
            "Host": self._netloc,
        }
        try:
            connection = self._connected(clock)
            connection.request("POST", self._path, body, {**self._headers, **accepted, **headers})
            self._response = connection.getresponse()
        except TimeoutError:
            raise CagedError("timeout", f"no answer within {clock.seconds:g} s") from None
        except (OSError, http.client.HTTPException) as error:
            raise CagedError("closed", f"the connection broke ({type(error).__name__})") from None
        session = self._response.headers.get("Mcp-Session-Id")
        if session:
            self._headers["Mcp-Session-Id"] = session
        self._look_at_status(self._response)

    def messages(self, clock: Clock, what: str) -> Iterator[Message]:
        """The answer, or the events that lead to it.

        Raises:
            CagedError: It sent too much, or not in time.
        """
        response = self._response
        if response is None:
            return
        kind = response.headers.get_content_type()
        if response.status == 202:
            self._read(response, clock, what)
        elif kind == "text/event-stream":
            yield from self._events(response, clock, what)
        else:
            message = parsed(self._read(response, clock, what))
            if message is not None:
                # An error of JSON-RPC in an answer of status 400 is an answer too.
                yield message
            elif response.status >= 400:
                raise CagedError(
                    "not_mcp", f"it answers HTTP {response.status}, not as an MCP server"
                )

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _checked_address(self, allow_local: bool) -> str:
        try:
            found = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        except OSError:
            raise CagedError("absent", "its name cannot be resolved") from None
        addresses = [str(entry[4][0]) for entry in found]
        for address in addresses:
            if not allow_local and not ipaddress.ip_address(address.partition("%")[0]).is_global:
                raise CagedError(
                    "address", "its name leads to an address of this machine or a private network"
                )
        return addresses[0]

    def _connected(self, clock: Clock) -> http.client.HTTPConnection:
        left = clock.require("a connection")
        if self._connection is not None and self._connection.sock is not None:
            self._connection.sock.settimeout(left)
            return self._connection
        try:
            plain = socket.create_connection((self._address, self._port), timeout=left)
        except TimeoutError:
            raise CagedError("timeout", "it does not accept a connection") from None
        except OSError:
            raise CagedError("absent", "nothing accepts connections there") from None
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # head and body go apart
        connection = http.client.HTTPConnection(self._host, self._port)
        try:
            connection.sock = self._secured(plain) if self._tls else plain
        except (OSError, ssl.SSLError) as error:
            plain.close()
            reason = f"TLS failed ({getattr(error, 'reason', None) or type(error).__name__})"
            raise CagedError("absent", reason) from None
        self._connection = connection
        return connection

    def _secured(self, plain: socket.socket) -> ssl.SSLSocket:
        return ssl.create_default_context().wrap_socket(plain, server_hostname=self._host)

    def _look_at_status(self, response: http.client.HTTPResponse) -> None:
        status = response.status
        if 300 <= status < 400:
            raise CagedError("not_mcp", f"it redirects (HTTP {status}), which is not followed")
        if status in (401, 403):
            raise CagedError("forbidden", f"it answers HTTP {status}")
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise CagedError("protocol", "its answer is packed, unasked")

    def _read(self, response: http.client.HTTPResponse, clock: Clock, what: str) -> bytes:
        return b"".join(self._chunks(response, clock, what))

    def _chunks(
        self, response: http.client.HTTPResponse, clock: Clock, what: str
    ) -> Iterator[bytes]:
        while True:
            left = clock.require(what)
            if self._connection is not None and self._connection.sock is not None:
                self._connection.sock.settimeout(left)
            try:
                chunk = response.read1(65_536)
            except TimeoutError:
                raise CagedError("timeout", f"no answer to {what} in time") from None
            except (OSError, http.client.HTTPException):
                raise CagedError("closed", "the connection broke") from None
            if not chunk:
                return
            self._received += len(chunk)
            if self._received > self._bounds.received:
                raise CagedError("too_much", f"it sent more than {self._bounds.received} bytes")
            yield chunk

    def _events(
        self, response: http.client.HTTPResponse, clock: Clock, what: str
    ) -> Iterator[Message]:
        """The messages of an event stream; the connection is not used again after it."""
        rest = b""
        data: list[bytes] = []
        try:
            for chunk in self._chunks(response, clock, what):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in (each.rstrip(b"\r") for each in lines):
                    if line.startswith(b"data:"):
                        data.append(line[5:].removeprefix(b" "))
                    elif not line and data:
                        message = parsed(b"\n".join(data))
                        data = []
                        if message is not None:
                            yield message
        finally:
            self.close()
