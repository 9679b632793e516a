"""Waiting for what has begun and must end, whoever loses patience."""

import asyncio
import contextlib
from typing import TypeVar

import anyio

ResultT = TypeVar("ResultT")


async def finish(work: "asyncio.Future[ResultT]") -> ResultT:
    """Wait to the end even when the caller is cancelled, and only then pass the cancellation on.

    A shield of anyio keeps out its own cancel scopes, but not `asyncio.Task.cancel` and
    `asyncio.timeout`: those would leave a transaction running on a thread that nobody waits for.

    Raises:
        asyncio.CancelledError: The caller was cancelled meanwhile; the work is done all the same.
    """
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        with anyio.CancelScope(shield=True):
            while not work.done():
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.wait([work])
        if not work.cancelled():
            work.exception()
        raise
