"""The daemon's socket over a fake optimizer, in this process."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
from anyio.abc import SocketStream

from optimizer.identity import Principal
from optimizer.operations.health import HealthReport, HealthRequest
from optimizer.settings import Settings
from server.gate import Gate
from server.lines import RATE_LIMITED, Lines
from server.mcp_surface import create_mcp_surface
from server.peers import Peer
from server.socket_door import SocketDoor
from tests.doors import nouns
from tests.doors.fakes import FakeOptimizer

META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


async def no_words(message: Mapping[str, Any], peer: Peer) -> dict[str, Any]:
    raise AssertionError("nobody says one")


@asynccontextmanager
async def connected(
    folder: Path, settings: Settings, optimizer: FakeOptimizer | None = None
) -> AsyncIterator[SocketStream]:
    optimizer = optimizer or FakeOptimizer()
    surface = create_mcp_surface(optimizer, lasting=True)
    path = str(folder / "d.sock")
    door = SocketDoor(path, surface, optimizer, gate=Gate(settings), answer=no_words)
    with anyio.fail_after(60):
        async with surface.notices.running(), door.open(), await anyio.connect_unix(path) as stream:
            yield stream


def request(number: int) -> bytes:
    call = {"name": "get_health", "arguments": {}, "_meta": META}
    line = {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": call}
    return json.dumps(line).encode() + b"\n"


async def ask(stream: SocketStream, lines: Lines, number: int) -> Any:
    await stream.send(request(number))
    answer = await lines.next()
    assert answer is not None
    return json.loads(answer)


async def test_who_asks_too_often_is_told_when_over_the_socket(tmp_path: Path) -> None:
    async with connected(tmp_path, Settings(rate_limit=1e-6)) as stream:
        lines = Lines(stream)
        first = await ask(stream, lines, 1)
        second = await ask(stream, lines, 2)

    assert "result" in first
    assert second["id"] == 2
    assert second["error"]["code"] == RATE_LIMITED
    assert second["error"]["data"]["retry_after_s"] > 1


async def test_without_a_limit_everything_passes(tmp_path: Path) -> None:
    async with connected(tmp_path, Settings()) as stream:
        lines = Lines(stream)
        answers = [await ask(stream, lines, number) for number in range(20)]

    assert all("result" in answer for answer in answers)


class Slow(FakeOptimizer):
    """Answers health only when told that it may."""

    def __init__(self) -> None:
        super().__init__()
        self.may_answer = anyio.Event()

    async def get_health(self, request: HealthRequest, *, principal: Principal) -> HealthReport:
        await self.may_answer.wait()
        return nouns.HEALTH


async def test_who_says_no_more_still_hears_the_answers(tmp_path: Path) -> None:
    slow = Slow()
    async with connected(tmp_path, Settings(), slow) as stream:
        await stream.send(request(1) + request(2))
        await stream.send_eof()
        await anyio.wait_all_tasks_blocked()
        slow.may_answer.set()

        lines = Lines(stream)
        answers = [json.loads(await lines.next() or b"null") for _ in range(2)]
        end = await lines.next()

    assert sorted(answer["id"] for answer in answers if "result" in answer) == [1, 2]
    assert end is None
