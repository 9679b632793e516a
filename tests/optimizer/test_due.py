import asyncio
import logging

import anyio
import pytest

from optimizer.due import Due
from optimizer.errors import DependencyError


async def test_what_was_rung_before_anybody_waited_is_heard_once() -> None:
    due = Due()
    due.set()
    with anyio.fail_after(60):
        await due.wait()

    with anyio.move_on_after(0) as scope:
        await due.wait()

    assert scope.cancelled_caught


async def test_who_waits_is_woken() -> None:
    due = Due()
    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(due.wait)
            await anyio.lowlevel.checkpoint()
            due.set()


def test_one_event_loop_after_another_may_wait() -> None:
    due = Due()

    async def wait() -> None:
        asyncio.get_running_loop().call_soon(due.set)
        with anyio.fail_after(60):
            await due.wait()

    for _ in range(2):
        asyncio.run(wait())


async def test_a_look_that_fails_is_told_and_the_next_one_is_made(
    caplog: pytest.LogCaptureFixture,
) -> None:
    due = Due()
    failures: list[Exception] = [DependencyError("the disk is full"), KeyError("a bug")]
    seen = anyio.Event()

    async def look() -> None:
        if failures:
            due.set()
            raise failures.pop(0)
        seen.set()

    due.set()
    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(
                lambda: due.keep_looking(
                    look, logger=logging.getLogger("test"), trouble="it cannot be looked at"
                )
            )
            await seen.wait()
            tasks.cancel_scope.cancel()

    assert [record.levelname for record in caplog.records] == ["WARNING", "ERROR"]
    assert caplog.messages[0] == "it cannot be looked at: the disk is full"


async def test_what_becomes_due_again_too_soon_is_one_look_later() -> None:
    due, looks = Due(), []

    async def look() -> None:
        looks.append(1)

    async def keep() -> None:
        await due.keep_looking(look, logger=logging.getLogger(), trouble="", apart_s=3600)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(keep)
        for _ in range(5):
            due.set()
            await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()

    assert looks == [1]
