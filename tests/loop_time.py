"""The time of the running event loop, which tests can let pass."""

import asyncio


def pass_by(seconds: float) -> None:
    """Let so much time be gone at once: every deadline before then is over."""
    loop = asyncio.get_running_loop()
    before = loop.time
    loop.time = lambda: before() + seconds  # type: ignore[method-assign]
