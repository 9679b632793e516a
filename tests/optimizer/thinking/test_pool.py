"""The pool of warm connections, over servers in memory."""

from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from datetime import timedelta

import anyio
import pytest

from optimizer.mcp_client.link import Link
from optimizer.thinking.embedded import ThoughtHistory, embedded_server
from optimizer.thinking.pool import Pool, PoolBusyError

SOON = timedelta(seconds=20)


def link() -> Link:
    return Link(embedded_server(ThoughtHistory()), connect_within=SOON)


@asynccontextmanager
async def pool(
    *, size: int = 8, recycle_after: int = 1000, idle_after: timedelta = SOON
) -> AsyncIterator[Pool]:
    connections = Pool(link, size=size, recycle_after=recycle_after, idle_after=idle_after)
    try:
        yield connections
    finally:
        with anyio.fail_after(20):
            await connections.close()
    assert len(connections) == 0


async def test_a_connection_is_used_again_and_two_at_once_are_two() -> None:
    async with pool() as connections:
        with connections.lend() as first:
            await first.connection(within=SOON)
        with connections.lend() as again, connections.lend() as other:
            assert again is first
            assert other is not first
        assert len(connections) == 2


async def test_more_than_the_size_are_busy_at_once() -> None:
    async with pool(size=3) as connections:
        with ExitStack() as lent:
            for _ in range(3):
                lent.enter_context(connections.lend())
            with pytest.raises(PoolBusyError), connections.lend():
                pass
        with connections.lend():
            pass


async def test_a_full_connection_is_replaced_by_a_warm_one() -> None:
    async with pool(size=1, recycle_after=5) as connections:
        with connections.lend() as old:
            await old.connection(within=SOON)
            old.written = 5

        await until(lambda: connections.is_free)
        with connections.lend() as new:
            assert new is not old
            assert (await new.connection(within=SOON)).is_alive


async def test_a_connection_whose_history_is_unknown_is_not_used_again() -> None:
    async with pool() as connections:
        with connections.lend() as spoiled:
            spoiled.spoiled = True
        with connections.lend() as next_one:
            assert next_one is not spoiled


async def test_idle_connections_are_closed_but_for_the_last() -> None:
    async with pool(idle_after=timedelta(0)) as connections:
        with connections.lend(), connections.lend(), connections.lend():
            pass

        await until(lambda: len(connections) == 1)


async def test_a_warm_pool_has_one_connection_before_anyone_asks() -> None:
    async with pool() as connections:
        connections.warm()
        connections.warm()

        assert len(connections) == 1


async def test_what_is_given_back_to_a_closed_pool_is_closed() -> None:
    connections = Pool(link, size=8, recycle_after=1000, idle_after=SOON)
    with connections.lend() as member:
        await connections.close()

    await until(lambda: not member.link.is_usable and len(connections) == 0)


async def until(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(20):
        while not condition():
            await anyio.lowlevel.checkpoint()
