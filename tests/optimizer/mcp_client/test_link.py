"""Connections that outlive the task that opened them."""

import asyncio
import sys
from datetime import timedelta
from pathlib import Path

import anyio
import pytest
from mcp.server import MCPServer

from optimizer.errors import McpServerError
from optimizer.mcp_client.link import Link, PerLoop
from optimizer.mcp_client.process import Command
from tests.processes import is_gone

SCRIPT = Path(__file__).with_name("scripted_child.py")
SOON = timedelta(seconds=60)


def child(behaviour: str) -> Command:
    return Command((sys.executable, "-S", str(SCRIPT), behaviour))


async def test_a_link_outlives_the_task_that_opened_it_and_serves_others() -> None:
    link = Link(child("good"), connect_within=SOON, era="legacy")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(link.connection)

    connection = await link.connection()
    result = await connection.call("echo", {}, within=SOON)
    await link.close()

    assert not result.is_error
    assert connection.pid is not None
    assert is_gone(connection.pid)
    assert not link.is_usable


async def test_a_caller_that_gives_up_waiting_does_not_stop_the_link() -> None:
    link = Link(child("good"), connect_within=SOON, era="legacy")
    with anyio.move_on_after(0):
        await link.connection()

    connection = await link.connection()

    assert connection.is_alive
    await link.close()


async def test_a_link_that_hangs_while_opening_closes_at_once() -> None:
    link = Link(child("never_answers"), connect_within=timedelta(minutes=10), era="legacy")
    await anyio.lowlevel.checkpoint()

    with anyio.fail_after(60):
        await link.close()

    with pytest.raises(McpServerError):
        await link.connection()


async def test_a_link_to_nothing_says_why_to_everyone_who_asks() -> None:
    link = Link(Command(("/nowhere/node",)), connect_within=SOON)

    for _ in range(2):
        with pytest.raises(McpServerError, match="cannot be started"):
            await link.connection()

    assert not link.is_usable
    await link.close()


async def test_a_link_whose_child_died_is_not_usable() -> None:
    link = Link(child("dies_on_call"), connect_within=SOON, era="legacy")
    connection = await link.connection()
    with pytest.raises(McpServerError):
        await connection.call("echo", {}, within=SOON)

    with anyio.fail_after(60):
        while connection.is_alive:
            await anyio.lowlevel.checkpoint()

    assert not link.is_usable
    await link.close()


def test_a_loop_that_ends_takes_its_children_along() -> None:
    pids: list[int | None] = []

    async def forget_to_close() -> None:
        link = Link(child("good"), connect_within=SOON, era="legacy")
        pids.append((await link.connection()).pid)

    asyncio.run(forget_to_close())

    assert pids[0] is not None
    assert is_gone(pids[0])


def test_each_event_loop_has_its_own() -> None:
    server = MCPServer("empty")
    links = PerLoop(lambda: Link(server, connect_within=SOON))
    seen: list[Link] = []

    async def use() -> None:
        seen.append(links.get())
        assert links.get() is seen[-1]
        await seen[-1].connection()

    asyncio.run(use())
    asyncio.run(use())

    assert seen[0] is not seen[1]
    assert not seen[0].is_usable
