"""The pool of warm connections, over servers in memory."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import timedelta

import anyio
import pytest
from mcp.server import MCPServer

from optimizer.mcp_client.connection import Connection
from optimizer.mcp_client.link import Link
from optimizer.thinking.pool import Pool, PoolBusyError, PoolStartingError

SOON = timedelta(seconds=60)


def link() -> Link:
    return Link(MCPServer("in memory"), connect_within=SOON)


@asynccontextmanager
async def pool(
    *, size: int = 8, recycle_after: int = 1000, idle_after: timedelta = SOON
) -> AsyncIterator[Pool]:
    connections = Pool(link, size=size, recycle_after=recycle_after, idle_after=idle_after)
    try:
        yield connections
    finally:
        with anyio.fail_after(60):
            await connections.close()
    assert len(connections) == 0


async def test_a_connection_is_used_again_and_two_at_once_are_two() -> None:
    async with pool() as connections:
        async with connections.lend(within=SOON) as first:
            pass
        async with connections.lend(within=SOON) as again, connections.lend(within=SOON) as other:
            assert again.member is first.member
            assert other.member is not first.member
        assert len(connections) == 2


async def test_more_than_the_size_are_busy_at_once() -> None:
    async with pool(size=3) as connections:
        async with AsyncExitStack() as lent:
            for _ in range(3):
                await lent.enter_async_context(connections.lend(within=SOON))
            with pytest.raises(PoolBusyError, match="3 of 3"):
                await lent.enter_async_context(connections.lend(within=SOON))
        async with connections.lend(within=SOON):
            pass


async def test_nobody_waits_long_for_what_is_being_opened_and_it_serves_those_who_come_later() -> (
    None
):
    async with pool() as connections:
        for _ in range(3):
            with pytest.raises(PoolStartingError):
                async with connections.lend(within=timedelta(0)):
                    pass
        assert len(connections) == 1

        async with connections.lend(within=SOON) as opened:
            assert opened.connection.is_alive
        async with connections.lend(within=timedelta(0)) as again:
            assert again.member is opened.member


async def test_only_so_many_are_opened_at_one_time() -> None:
    async def never(_connection: Connection) -> None:
        await anyio.sleep_forever()

    connections = Pool(
        lambda: Link(MCPServer("in memory"), connect_within=SOON, check=never),
        size=8,
        starts_at_once=2,
        recycle_after=1000,
        idle_after=SOON,
    )
    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(hold, connections)
        await anyio.wait_all_tasks_blocked()
        assert len(connections) == 2
        tasks.cancel_scope.cancel()
    await connections.close()


async def hold(connections: Pool) -> None:
    with suppress(PoolStartingError):
        async with connections.lend(within=SOON):
            pass


async def test_an_open_connection_goes_before_one_that_is_being_opened() -> None:
    async with pool() as connections:
        async with connections.lend(within=SOON) as opened:
            with pytest.raises(PoolStartingError):
                async with connections.lend(within=timedelta(0)):
                    pass
        async with connections.lend(within=timedelta(0)) as again:
            assert again.member is opened.member


async def test_a_full_connection_is_replaced_by_a_warm_one() -> None:
    async with pool(size=1, recycle_after=5) as connections:
        async with connections.lend(within=SOON) as old:
            old.member.written = 5

        await until(lambda: connections.is_free)
        async with connections.lend(within=SOON) as new:
            assert new.member is not old.member
            assert new.connection.is_alive


async def test_a_connection_whose_history_is_unknown_is_not_used_again() -> None:
    async with pool() as connections:
        async with connections.lend(within=SOON) as spoiled:
            spoiled.member.spoiled = True
        async with connections.lend(within=SOON) as next_one:
            assert next_one.member is not spoiled.member


def test_idle_connections_are_closed_but_for_the_last_in_a_program_that_knows_no_anyio() -> None:
    async def program() -> None:
        async with pool(idle_after=timedelta(0)) as connections:
            async with AsyncExitStack() as lent:
                for _ in range(2):
                    await lent.enter_async_context(connections.lend(within=SOON))

            await until(lambda: len(connections) == 1)

    asyncio.run(program())


async def test_a_warm_pool_has_one_connection_before_anyone_asks() -> None:
    async with pool() as connections:
        connections.warm()
        connections.warm()

        assert len(connections) == 1


async def test_what_is_given_back_to_a_closed_pool_is_closed() -> None:
    connections = Pool(link, size=8, recycle_after=1000, idle_after=SOON)
    async with connections.lend(within=SOON) as lent:
        await connections.close()

    await until(lambda: not lent.member.link.is_usable and len(connections) == 0)


async def until(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(60):
        while not condition():
            await anyio.lowlevel.checkpoint()
