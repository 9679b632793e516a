"""What every HTTP exchange passes, whatever it asks: clean headers, bounds, an id, safe answers."""

import logging
import time
from collections import deque
from collections.abc import Mapping

import anyio
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.errors import Problem, problem_of, problem_response
from server.logs import REQUEST_ID_HEADER, request_id, request_id_from

logger = logging.getLogger("sequential_resource_optimization.http")

MAX_BODY_BYTES = 2**20
"""Largest request body; the largest sensible request, 1,000 MCP descriptors, is about 200 KiB."""

BODY_TIMEOUT_S = 15.0
"""How long a client may take to send its body, so that slow senders do not pile up."""

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
    "frame-ancestors 'none'; form-action 'self'"
)

SECURITY_HEADERS: Mapping[str, str] = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}


class TrimmedHeaders:
    """Strips the blanks around header values, which httptools leaves and RFC 9110 excludes."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with trimmed header values."""
        if scope["type"] == "http":
            trimmed = [(name, value.strip(b" \t")) for name, value in scope["headers"]]
            scope = {**scope, "headers": trimmed}
        await self._app(scope, receive, send)


class Exchange:
    """Gives each request an id, adds the security headers, logs one line, and lets no error out.

    The query is never logged: somebody may have put a token there.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request under its id."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        identifier = request_id_from(Headers(scope=scope).get(REQUEST_ID_HEADER))
        token = request_id.set(identifier)
        began = time.perf_counter()
        status = 0

        async def send_marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers[REQUEST_ID_HEADER] = identifier
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self._app(scope, receive, send_marked)
        except Exception as error:
            if status:
                raise
            await problem_response(problem_of(error))(scope, receive, send_marked)
        finally:
            facts = {
                "method": scope["method"],
                "path": scope["path"][:200],
                "status": status,
                "ms": round((time.perf_counter() - began) * 1000, 1),
            }
            logger.info("request", extra={"facts": facts})
            request_id.reset(token)


class BoundedBody:
    """Reads the whole body within bounds before anything else sees it.

    Args:
        app: What comes behind; it receives the body in one piece.
        max_bytes: More than this is answered with 413.
        timeout_s: Slower than this is answered with 408.
    """

    def __init__(
        self, app: ASGIApp, *, max_bytes: int = MAX_BODY_BYTES, timeout_s: float = BODY_TIMEOUT_S
    ) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._timeout_s = timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 413 or 408, or pass the request on with its body replayed."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "0")
        if declared.isdecimal() and int(declared) > self._max_bytes:
            await self._refuse(413, scope, receive, send)
            return
        messages: deque[Message] = deque()
        with anyio.move_on_after(self._timeout_s) as waiting:
            complete = await self._read(receive, messages)
        if waiting.cancelled_caught:
            await self._refuse(408, scope, receive, send)
        elif not complete:
            await self._refuse(413, scope, receive, send)
        else:
            await self._app(scope, replayed(messages, receive), send)

    async def _read(self, receive: Receive, messages: deque[Message]) -> bool:
        """Collect the body; False when it is too large."""
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] != "http.request":
                messages.append(message)
                return True
            body += message.get("body", b"")
            if len(body) > self._max_bytes:
                return False
            if not message.get("more_body", False):
                messages.append({"type": "http.request", "body": bytes(body), "more_body": False})
                return True

    async def _refuse(self, status: int, scope: Scope, receive: Receive, send: Send) -> None:
        too_large = f"The body is larger than {self._max_bytes} bytes; nothing was changed."
        too_slow = f"The body did not arrive within {self._timeout_s:g} s; nothing was changed."
        problem = Problem(
            status=status,
            code="body_too_large" if status == 413 else "body_too_slow",
            detail=too_large if status == 413 else too_slow,
            headers={"Connection": "close"},
        )
        await problem_response(problem)(scope, receive, send)


def replayed(messages: deque[Message], receive: Receive) -> Receive:
    """Receive what came already, and then what comes."""

    async def receive_again() -> Message:
        return messages.popleft() if messages else await receive()

    return receive_again
