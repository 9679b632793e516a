"""A server with OpenAI's API, on loopback, that plays a script: answers, and every failure."""

import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import anyio.abc


@dataclass(frozen=True)
class Act:
    """What one request gets.

    Attributes:
        status: HTTP status line, without the version.
        body: The body; a dict is written as JSON.
        headers: Further headers.
        hangs: Whether nothing is ever answered.
        drips: Whether the body comes a byte at a time, and never ends.
        closes: Whether the connection is closed without an answer.
        on_play: Called when the request has come.
    """

    status: str = "200 OK"
    body: dict[str, Any] | str = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    hangs: bool = False
    drips: bool = False
    closes: bool = False
    on_play: Callable[[], object] = lambda: None


def says(
    text: str | dict[str, Any],
    *,
    finish_reason: str = "stop",
    tokens: int | None = 150,
    usd: float | None = 0.001,
) -> Act:
    """A completion."""
    usage = {"total_tokens": tokens, "cost": usd}
    return Act(
        body={
            "id": "1",
            "object": "chat.completion",
            "created": 1,
            "model": "scripted",
            "choices": [
                {
                    "index": 0,
                    "finish_reason": finish_reason,
                    "message": {
                        "role": "assistant",
                        "content": text if isinstance(text, str) else json.dumps(text),
                    },
                }
            ],
            "usage": {name: value for name, value in usage.items() if value is not None},
        }
    )


def chooses(candidate_id: str, *, more: bool = False, thought: str = "It fits the window.") -> Act:
    """A completion of the asked shape."""
    return says({"thought": thought, "candidate_id": candidate_id, "next_thought_needed": more})


def fails(status: str, **headers: str) -> Act:
    """An error as OpenAI and OpenRouter write it."""
    code = int(status.split()[0])
    return Act(
        status=status,
        body={"error": {"code": code, "message": f"scripted {status}"}},
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )


@dataclass
class Seen:
    """What the server was sent."""

    url: str
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    @property
    def prompts(self) -> str:
        """Everything that was said to the model."""
        return "\n".join(
            message["content"] for request in self.requests for message in request["messages"]
        )


@asynccontextmanager
async def upstream(acts: Sequence[Act]) -> AsyncIterator[Seen]:
    """Serve a script for the length of a block; after its end the last act is repeated."""
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(anyio.abc.SocketAttribute.local_port)
    seen = Seen(url=f"http://127.0.0.1:{port}/v1")

    async def serve(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            try:
                await _read_request(stream, seen)
                await _play(stream, acts[min(len(seen.requests), len(acts)) - 1])
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                pass

    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, serve)
        yield seen
        tasks.cancel_scope.cancel()


async def _read_request(stream: anyio.abc.SocketStream, seen: Seen) -> None:
    received = b""
    while b"\r\n\r\n" not in received:
        received += await stream.receive()
    head, _, body = received.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")[1:]
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    while len(body) < int(headers.get("content-length", 0)):
        body += await stream.receive()
    seen.headers.append(headers)
    seen.requests.append(json.loads(body))


async def _play(stream: anyio.abc.SocketStream, act: Act) -> None:
    act.on_play()
    if act.closes:
        return
    if act.hangs:
        await anyio.sleep_forever()
    body = act.body if isinstance(act.body, str) else json.dumps(act.body)
    headers = {"Content-Type": "application/json", "Connection": "close", **act.headers}
    if not act.drips:
        headers["Content-Length"] = str(len(body.encode()))
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    await stream.send(f"HTTP/1.1 {act.status}\r\n{head}\r\n".encode())
    while act.drips:
        await stream.send(b" ")
        await anyio.sleep(0.02)
    await stream.send(body.encode())
