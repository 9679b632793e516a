"""MCP over HTTP: an answer comes in one piece, or as a stream where some news may come before it.

A stream needs tasks and channels of its own for each call, which cost more than most answers. So it
is for calls that can use it: who asks for progress, and who may wait, since a silent wait is kept
open by pings and ended when the client goes. Who listens has a stream in either way.
"""

import re
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from mcp.server import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.types import Message, Receive, Scope, Send

from server.transport import MAX_BODY_BYTES, replayed

_STREAMED = re.compile(rb'"(?:progressToken|wait_s)"')
"""What the body of such a call has; where it is in some text, nothing but time is lost."""


class McpEndpoint:
    """Answers MCP requests of every era, each by itself: no session outlives its request.

    Args:
        server: What is served.
    """

    def __init__(self, server: Server[Any]) -> None:
        self._streaming, self._whole = (
            StreamableHTTPSessionManager(
                server,
                stateless=True,
                json_response=whole,
                max_request_body_size=MAX_BODY_BYTES,
            )
            for whole in (False, True)
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Answer while the block runs."""
        async with self._streaming.run(), self._whole.run():
            yield

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whose body comes in one piece from `BoundedBody`."""
        first: Message = await receive()
        manager = self._streaming if _STREAMED.search(first.get("body", b"")) else self._whole
        await manager.handle_request(scope, replayed(deque([first]), receive), send)
