"""Connections in memory, to scripted children and to a scripted HTTP server."""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path

import anyio
import anyio.abc
import pytest
from mcp.server import MCPServer

from optimizer.errors import ConfigurationError, McpServerError
from optimizer.mcp_client.connection import connect, shown
from optimizer.mcp_client.http import endpoint_url, shown_url
from optimizer.mcp_client.process import Command, parse_command
from tests.processes import ended, is_gone

SCRIPT = Path(__file__).with_name("scripted_child.py")
SOON = timedelta(seconds=60)
SHORT = timedelta(milliseconds=200)


def child(behaviour: str) -> Command:
    return Command((sys.executable, "-S", str(SCRIPT), behaviour))


def group_members(group: int) -> list[int]:
    """Processes of a process group."""
    found = []
    for pid in (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()):
        with suppress(ProcessLookupError):
            if os.getpgid(pid) == group:
                found.append(pid)
    return found


async def test_a_server_in_memory_is_called_and_lists_its_tools() -> None:
    server = MCPServer("adder")

    @server.tool()
    async def add(a: int, b: int) -> int:
        return a + b

    async with connect(server, within=SOON) as connection:
        result = await connection.call("add", {"a": 2, "b": 3}, within=SOON)
        tools = await connection.tools(within=SOON)

    assert result.structured_content == {"result": 5}
    assert [tool.name for tool in tools] == ["add"]
    assert connection.pid is None


async def test_a_child_answers_and_is_gone_when_the_connection_closes() -> None:
    async with connect(child("good"), within=SOON, era="legacy") as connection:
        result = await connection.call("echo", {}, within=SOON)
        pid = connection.pid
        assert connection.is_alive

    assert result.content[0].text == "done"  # type: ignore[union-attr]
    assert pid is not None
    assert is_gone(pid)
    assert not connection.is_alive


@pytest.mark.parametrize(
    ("behaviour", "problem", "words"),
    [
        ("dies_on_call", "closed", "out of cheese"),
        ("hangs_on_call", "timeout", "no answer within 0.2 s"),
        ("floods_on_call", "closed", "more than 4194304 bytes"),
    ],
)
async def test_a_child_that_fails_a_call_says_how(behaviour: str, problem: str, words: str) -> None:
    within = SHORT if problem == "timeout" else SOON
    async with connect(child(behaviour), within=SOON, era="legacy") as connection:
        with pytest.raises(McpServerError, match=words) as caught:
            await connection.call("echo", {}, within=within)
        pid = connection.pid

    assert caught.value.problem == problem
    assert pid is not None
    assert is_gone(pid)


async def test_lines_that_are_no_messages_are_passed_over() -> None:
    async with connect(child("garbage_on_call"), within=SOON, era="legacy") as connection:
        result = await connection.call("echo", {}, within=SOON)

    assert result.content[0].text == "done"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("command", "problem", "words"),
    [
        (child("dies_at_start"), "closed", "cannot find module 'thinking'"),
        (child("never_answers"), "timeout", "no answer within 0.2 s"),
        (Command(("/nowhere/node",)), "absent", "cannot be started"),
    ],
)
async def test_a_child_that_does_not_start_says_why(
    command: Command, problem: str, words: str
) -> None:
    within = SHORT if problem == "timeout" else SOON
    with pytest.raises(McpServerError, match=words) as caught:
        async with connect(command, within=within, era="legacy"):
            pass

    assert caught.value.problem == problem


async def test_a_child_that_ignores_sigterm_is_killed_with_its_own_children() -> None:
    async with connect(child("stubborn"), within=SOON, era="legacy") as connection:
        pid = connection.pid
        assert pid is not None
        members = group_members(pid)

    assert len(members) == 2
    assert all(ended(member) for member in members)


async def test_a_cancelled_caller_leaves_no_child() -> None:
    pids: list[int | None] = []
    with anyio.move_on_after(60) as scope:
        async with connect(child("hangs_on_call"), within=SOON, era="legacy") as connection:
            pids.append(connection.pid)
            scope.cancel()
            await connection.call("echo", {}, within=SOON)

    assert pids[0] is not None
    assert is_gone(pids[0])


async def test_no_secret_of_ours_reaches_a_child(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENROUTER_API_KEY", "sk-canary")
    async with connect(child("shows_key"), within=SOON, era="legacy") as connection:
        result = await connection.call("echo", {}, within=SOON)

    assert result.content[0].text == "unset"  # type: ignore[union-attr]
    assert os.environ["OPENROUTER_API_KEY"] == "sk-canary"


async def test_an_exception_of_the_block_leaves_it_as_it_was_raised() -> None:
    with pytest.raises(KeyError, match="mine"):
        async with connect(child("good"), within=SOON, era="legacy"):
            raise KeyError("mine")


@asynccontextmanager
async def http_server(answer: bytes) -> AsyncIterator[str]:
    """A server on loopback that gives every request the same raw answer."""

    async def serve(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            received = b""
            while b"\r\n\r\n" not in received:
                received += await stream.receive()
            await stream.send(answer)

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(anyio.abc.SocketAttribute.local_port)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, serve)
        yield f"http://127.0.0.1:{port}/mcp"
        tasks.cancel_scope.cancel()
    await listener.aclose()


def http_answer(status: str, content_type: str, body: bytes = b"{}") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nConnection: close\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (http_answer("200 OK", "text/html", b"<html></html>"), "not_mcp"),
        (http_answer("200 OK", "application/json", b'{"ok": true}'), "not_mcp"),
        (http_answer("404 Not Found", "text/plain"), "not_mcp"),
        (http_answer("405 Method Not Allowed", "text/plain"), "not_mcp"),
        (http_answer("401 Unauthorized", "text/plain"), "forbidden"),
        (http_answer("503 Service Unavailable", "text/plain"), "closed"),
        (http_answer("429 Too Many Requests", "text/plain"), "closed"),
        (http_answer("200 OK", "application/json", b" " * 5_000_000), "closed"),
        (b"this is not HTTP\r\n\r\n", "closed"),
    ],
)
async def test_a_url_that_is_no_mcp_server_is_told_from_one_that_is_down(
    answer: bytes, problem: str
) -> None:
    async with http_server(answer) as url:
        with pytest.raises(McpServerError) as caught:
            async with connect(url, within=SOON, era="legacy"):
                pass

    assert caught.value.problem == problem


async def test_a_url_where_nothing_listens_is_absent() -> None:
    async with http_server(b"") as url:
        pass
    with pytest.raises(McpServerError, match="nothing accepts connections") as caught:
        async with connect(url, within=SOON):
            pass

    assert caught.value.problem == "absent"


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("http://localhost:3001", "http://localhost:3001/mcp"),
        ("http://localhost:3001/", "http://localhost:3001/mcp"),
        ("https://host/think?key=1", "https://host/think?key=1"),
    ],
)
def test_a_url_without_a_path_gets_mcp(text: str, url: str) -> None:
    assert endpoint_url(text) == url


def test_names_for_messages_hold_no_secrets() -> None:
    assert shown_url("https://me:secret@host:1/mcp?key=secret#secret") == "https://host:1/mcp"
    assert shown(Command(("/usr/bin/node", "--token=secret"))) == "node"
    assert shown(MCPServer("x")) == "in memory"


def test_a_command_is_split_without_a_shell() -> None:
    command = parse_command("node 'my server.js' $HOME;ls", setting="X")

    assert command.argv == ("node", "my server.js", "$HOME;ls")


@pytest.mark.parametrize("text", ["", "  ", "node 'open"])
def test_a_command_that_cannot_be_read_names_its_setting(text: str) -> None:
    with pytest.raises(ConfigurationError, match="THE_SETTING"):
        parse_command(text, setting="THE_SETTING")
