"""Scratchpads over the real npm server: stdio, HTTP behind a bridge; and what is no server."""

import asyncio
import os
import sys
from datetime import timedelta
from pathlib import Path

import anyio
import pytest

from optimizer.errors import ConfigurationError, McpServerError
from optimizer.mcp_client.process import Command
from optimizer.thinking.question import Question
from optimizer.thinking.remote import RemoteScratchpad
from optimizer.thinking.scratchpad import EmbeddedScratchpad, Scratchpad, scratchpad_at
from optimizer.thinking.thinker import Thinker
from optimizer.thinking.thoughts import chain_of_thoughts
from tests import node
from tests.bridge import thinking_over_http
from tests.loop_time import pass_by

from .questions import question

SOON = timedelta(seconds=60)
CHILD = Path(__file__).parents[1] / "mcp_client" / "scripted_child.py"


def npm_server(log: Path, *, gate: Path | None = None) -> Command:
    """The real server; each child writes the thoughts that it took to a file of its own.

    Args:
        log: A folder for these files.
        gate: A pipe out of which each child reads a line before it starts.
    """
    wait = "" if gate is None else f'read go <"{gate}"; '
    script = f'{wait}exec "$0" "$@" 2>"{log}/$$"'
    return Command(("sh", "-c", script, *node.sequential_thinking()))


def logs(folder: Path) -> list[str]:
    """What each child of `npm_server` logged."""
    return [path.read_text() for path in folder.iterdir()]


async def write_chain(scratchpad: Scratchpad, asked: Question) -> str:
    chain = chain_of_thoughts(asked)
    async with scratchpad.page(asked.decision_id, within=SOON) as page:
        for thought in chain:
            await page.write(thought, total=len(chain), within=SOON)
        return page.kind


class Meeting:
    """Two decisions wait for each other in the middle of their chains."""

    def __init__(self) -> None:
        self._arrived = 0
        self._all_here = anyio.Event()

    async def wait(self) -> None:
        self._arrived += 1
        if self._arrived == 2:
            self._all_here.set()
        await self._all_here.wait()


async def write_with_meeting(scratchpad: Scratchpad, canary: str, meeting: Meeting) -> None:
    asked = question(canary, canary=canary, dropped=1)
    chain = chain_of_thoughts(asked)
    async with scratchpad.page(asked.decision_id, within=SOON) as page:
        for thought in chain:
            await page.write(thought, total=len(chain), within=SOON)
            if thought.number == 1:
                await meeting.wait()


async def two_decisions_at_once(scratchpad: Scratchpad) -> None:
    meeting = Meeting()
    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            for canary in ("canary-one", "canary-two"):
                tasks.start_soon(write_with_meeting, scratchpad, canary, meeting)


async def test_two_concurrent_decisions_never_mix_thoughts_in_the_embedded_server() -> None:
    scratchpad = EmbeddedScratchpad()

    await two_decisions_at_once(scratchpad)
    await scratchpad.close()

    for own, other in [("canary-one", "canary-two"), ("canary-two", "canary-one")]:
        written = " ".join(scratchpad.history.thoughts(own))
        assert own in written
        assert other not in written


async def test_two_concurrent_decisions_never_share_a_child(tmp_path: Path) -> None:
    scratchpad = RemoteScratchpad("stdio", npm_server(tmp_path))

    await two_decisions_at_once(scratchpad)
    await scratchpad.close()

    assert sorted(("canary-one" in log, "canary-two" in log) for log in logs(tmp_path)) == [
        (False, True),
        (True, False),
    ]
    assert scratchpad.warnings == ()


async def test_the_real_server_behind_an_http_bridge_records_every_thought() -> None:
    async with thinking_over_http() as url:
        scratchpad = scratchpad_at(url)
        await two_decisions_at_once(scratchpad)
        kind = await write_chain(scratchpad, question(dropped=1))
        await scratchpad.close()

    assert kind == "http"
    assert scratchpad.warnings == ()


async def test_a_warm_child_is_used_again_and_replaced_after_some_thoughts(tmp_path: Path) -> None:
    scratchpad = RemoteScratchpad("stdio", npm_server(tmp_path), recycle_after=12)
    children = []
    for turn in range(4):
        await write_chain(scratchpad, question(f"d-{turn}"))
        children.append(len(logs(tmp_path)))
    await scratchpad.close()

    assert children[0] == children[1] == 1
    assert len(logs(tmp_path)) >= 2


async def test_the_ninth_decision_at_once_is_thought_in_the_embedded_server() -> None:
    scratchpad = RemoteScratchpad("stdio", scripted("never_answers"), size=2)
    async with anyio.create_task_group() as tasks:
        for name in ("a", "b"):
            tasks.start_soon(hold_page, scratchpad, name)
        await anyio.wait_all_tasks_blocked()

        verdict = await Thinker(scratchpad, page_within=SOON).think(question(), budget=SOON)
        tasks.cancel_scope.cancel()
    await scratchpad.close()

    assert verdict.reasoning.path == "scratchpad+solver"
    assert verdict.reasoning.scratchpad == "embedded"
    assert verdict.reasoning.warnings == ("pool_busy",)


async def test_while_a_child_starts_decisions_are_thought_in_the_embedded_server(
    tmp_path: Path,
) -> None:
    log, gate = tmp_path / "log", tmp_path / "gate"
    log.mkdir()
    os.mkfifo(gate)
    scratchpad = RemoteScratchpad("stdio", npm_server(log, gate=gate), connect_within=SOON)
    async with Thinker(scratchpad, page_within=timedelta(0), thought_within=SOON) as thinker:
        early = [await thinker.think(question(f"d-{n}"), budget=SOON) for n in range(6)]
        await anyio.to_thread.run_sync(gate.write_text, "\n")
        async with scratchpad.page("waits", within=SOON) as page:
            kind = page.kind
        late = await thinker.think(question("d-6"), budget=SOON)

    assert {verdict.reasoning.path for verdict in early} == {"scratchpad+solver"}
    assert {verdict.reasoning.scratchpad for verdict in early} == {"embedded"}
    assert {verdict.reasoning.warnings for verdict in early} == {("pool_starting",)}
    assert kind == late.reasoning.scratchpad == "stdio"
    assert late.reasoning.warnings == ()
    assert len(logs(log)) == 1


async def test_a_start_that_fails_counts_once_however_many_decisions_met_it() -> None:
    scratchpad = RemoteScratchpad("stdio", scripted("never_answers"), connect_within=SOON)
    thinker = Thinker(scratchpad, page_within=timedelta(0))
    for number in range(10):
        await thinker.think(question(f"d-{number}"), budget=SOON)
    pass_by(SOON.total_seconds())
    while scratchpad.warnings == ():  # noqa: ASYNC110
        await anyio.sleep(0.005)
    verdict = await thinker.think(question(), budget=SOON)
    await thinker.close()

    assert verdict.reasoning.scratchpad == "embedded"
    assert verdict.reasoning.warnings == ("pool_starting", "thinking_endpoint_down")


async def test_a_server_that_is_back_takes_the_next_decision_once_its_child_is_ready(
    tmp_path: Path,
) -> None:
    clock, flag = [0.0], tmp_path / "repaired"
    script = f'test -e "{flag}" && exec "$0" "$@" thinks'
    command = Command(("sh", "-c", script, sys.executable, "-S", str(CHILD)))
    scratchpad = RemoteScratchpad("stdio", command, timer=lambda: clock[0])
    async with Thinker(scratchpad, page_within=SOON, thought_within=SOON) as thinker:
        for turn in range(6):
            last = await thinker.think(question(f"d-{turn}"), budget=SOON)
        assert last.reasoning.warnings[0] == "scratchpad_absent"

        flag.touch()
        clock[0] += 31
        kinds = []
        impatient = Thinker(scratchpad, page_within=timedelta(0), thought_within=SOON)
        with anyio.fail_after(60):
            while "stdio" not in kinds:
                verdict = await impatient.think(question(f"e-{len(kinds)}"), budget=SOON)
                kinds.append(verdict.reasoning.scratchpad)
                await anyio.sleep(0.005)

    assert kinds[0] == "embedded"
    assert scratchpad.warnings == ("thinking_history_shared",)


async def hold_page(scratchpad: Scratchpad, decision: str) -> None:
    async with scratchpad.page(decision, within=SOON):
        await anyio.sleep_forever()


def scripted(behaviour: str) -> Command:
    return Command((sys.executable, "-S", str(CHILD), behaviour))


async def test_a_child_without_the_tool_is_replaced_by_the_embedded_server() -> None:
    scratchpad = RemoteScratchpad("stdio", scripted("good"))

    kind = await write_chain(scratchpad, question())
    await scratchpad.close()

    assert (kind, scratchpad.warnings) == ("embedded", ("thinking_endpoint_not_mcp",))


@pytest.mark.parametrize(
    ("behaviour", "problem"),
    [
        ("thinks_then_hangs", "timeout"),
        ("thinks_then_dies", "closed"),
        ("thinks_then_lies", "protocol"),
        ("thinks_then_babbles", "protocol"),
        ("thinks_then_refuses", "protocol"),
    ],
)
async def test_a_server_that_fails_midway_leaves_the_thoughts_in_memory(
    behaviour: str, problem: str
) -> None:
    thought_within = timedelta(milliseconds=300) if problem == "timeout" else SOON
    scratchpad = RemoteScratchpad("stdio", scripted(behaviour))
    async with Thinker(scratchpad, page_within=SOON, thought_within=thought_within) as thinker:
        verdict = await thinker.think(question(), budget=SOON)
        warnings = thinker.warnings

    assert verdict.candidate_id == "c0"
    assert verdict.reasoning.path == "solver_without_scratchpad"
    assert verdict.reasoning.scratchpad == "none"
    assert len(verdict.reasoning.thoughts) == 6
    assert verdict.reasoning.warnings == (f"scratchpad_{problem}", "thinking_endpoint_down")
    assert warnings == ("thinking_endpoint_down",)


async def test_a_history_that_others_write_to_is_a_warning() -> None:
    scratchpad = RemoteScratchpad("stdio", scripted("thinks_with_others"))

    await write_chain(scratchpad, question())
    await scratchpad.close()

    assert scratchpad.warnings == ("thinking_history_shared",)


@pytest.mark.parametrize(
    ("behaviour", "last"), [("thinks", "ok"), ("thinks_then_babbles", "protocol_error")]
)
async def test_calls_of_the_server_are_heard(behaviour: str, last: str) -> None:
    heard: list[tuple[str, str]] = []
    scratchpad = RemoteScratchpad(
        "stdio", scripted(behaviour), heard=lambda tool, outcome, _: heard.append((tool, outcome))
    )
    async with Thinker(scratchpad, page_within=SOON, thought_within=SOON) as thinker:
        await thinker.think(question(), budget=SOON)

    assert heard[0] == ("sequentialthinking", "ok")
    assert heard[-1] == ("sequentialthinking", last)


async def test_a_server_that_is_down_is_left_alone_after_five_failures() -> None:
    scratchpad = RemoteScratchpad("stdio", Command(("/nowhere/node",)))
    messages = []
    for _ in range(6):
        with pytest.raises(McpServerError) as caught:
            await write_chain(scratchpad, question())
        messages.append(str(caught.value))
    await scratchpad.close()

    assert "cannot be started" in messages[4]
    assert "tried again in 30 s" in messages[5]
    assert scratchpad.warnings == ("thinking_endpoint_down",)


async def test_a_url_that_is_no_mcp_server_is_replaced_by_the_embedded_one() -> None:
    async def web_agent(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            await stream.receive()
            await stream.send(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(anyio.abc.SocketAttribute.local_port)
    clock = [0.0]
    scratchpad = RemoteScratchpad("http", f"http://127.0.0.1:{port}/mcp", timer=lambda: clock[0])
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, web_agent)
        kind = await write_chain(scratchpad, question())
        warnings = scratchpad.warnings
        tasks.cancel_scope.cancel()
    await listener.aclose()

    assert (kind, warnings) == ("embedded", ("thinking_endpoint_not_mcp",))
    assert await write_chain(scratchpad, question()) == "embedded"
    clock[0] += 61
    with pytest.raises(McpServerError, match="nothing accepts connections"):
        await write_chain(scratchpad, question())
    await scratchpad.close()


def test_one_scratchpad_serves_several_event_loops(tmp_path: Path) -> None:
    for scratchpad in (
        EmbeddedScratchpad(),
        RemoteScratchpad("stdio", npm_server(tmp_path)),
    ):
        for turn in range(2):
            asyncio.run(write_chain(scratchpad, question(f"d-{turn}")))

    assert len(logs(tmp_path)) == 2


def test_the_endpoint_setting_chooses_the_scratchpad() -> None:
    assert isinstance(scratchpad_at("  "), EmbeddedScratchpad)
    for endpoint in ("stdio:node server.js", "http://localhost:3001"):
        assert isinstance(scratchpad_at(endpoint), RemoteScratchpad)


def test_a_scratchpad_is_named_without_its_secrets() -> None:
    names = [
        scratchpad_at(endpoint).name
        for endpoint in ("", "stdio:/usr/bin/node s.js --key=secret", "http://me:secret@host:1?k=s")
    ]

    assert names == ["embedded", "node", "http://host:1/mcp"]


@pytest.mark.parametrize("endpoint", ["localhost:3001", "stdio:", "ftp://host/mcp"])
def test_an_endpoint_that_is_none_names_the_setting(endpoint: str) -> None:
    with pytest.raises(ConfigurationError, match="SEQUENTIAL_THINKING_MCP_ENDPOINT"):
        scratchpad_at(endpoint)
