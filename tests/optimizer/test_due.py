import asyncio

import anyio

from optimizer.due import Due


async def test_what_was_rung_before_anybody_waited_is_heard_once() -> None:
    due = Due()
    due.set()
    with anyio.fail_after(5):
        await due.wait()

    with anyio.move_on_after(0) as scope:
        await due.wait()

    assert scope.cancelled_caught


async def test_who_waits_is_woken() -> None:
    due = Due()
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(due.wait)
            await anyio.lowlevel.checkpoint()
            due.set()


def test_one_event_loop_after_another_may_wait() -> None:
    due = Due()

    async def wait() -> None:
        asyncio.get_running_loop().call_soon(due.set)
        with anyio.fail_after(5):
            await due.wait()

    for _ in range(2):
        asyncio.run(wait())
