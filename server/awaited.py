"""Work that ends when whoever asked for it over HTTP has gone."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import anyio
from pydantic import BaseModel
from starlette.types import Receive

WATCH_AFTER_S = 0.05
"""Most answers are there before; then nobody has to watch, and watching costs them nothing."""


def may_last(asked: BaseModel) -> bool:
    """Whether a request may wait for room, or for a language model that costs money."""
    thinks = getattr(asked, "thinks", None) or getattr(asked, "use_sequential_thinking", False)
    return bool(getattr(asked, "wait_s", 0)) or thinks in ("server", True)


@contextmanager
def awaited(receive: Receive) -> Iterator[anyio.CancelScope]:
    """Cancel the block when the client goes; `cancelled_caught` then says so.

    Args:
        receive: Of a request whose body was read, so that only the disconnection can come.
    """
    loop = asyncio.get_running_loop()
    watching: list[asyncio.Task[None]] = []

    async def watch() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        scope.cancel()

    timer = loop.call_later(WATCH_AFTER_S, lambda: watching.append(loop.create_task(watch())))
    with anyio.CancelScope() as scope:
        try:
            yield scope
        finally:
            timer.cancel()
            for task in watching:
                task.cancel()
