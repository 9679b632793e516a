"""Calls of our own MCP clients: kept until they are recorded together."""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import anyio

from optimizer.due import Due
from optimizer.errors import OptimizerError

logger = logging.getLogger("sequential_resource_optimization")

EVERY_S = 10.0
MOST_KEPT = 5000
"""While the store does not answer; the oldest are forgotten."""


class OwnCalls:
    """Hears of every call, and has it recorded within ten seconds, with those that follow it.

    Args:
        record: Keeps calls.
    """

    def __init__(self, record: Callable[[Sequence[Mapping[str, Any]]], Awaitable[object]]) -> None:
        self._record = record
        self._calls: list[Mapping[str, Any]] = []
        self._due = Due()

    def heard(self, tool: str, outcome: str, latency_ms: float) -> None:
        """A call ended.

        Args:
            tool: Its name.
            outcome: How, in the words of `catalog.outcomes`.
            latency_ms: From the request to the answer, or to giving up.
        """
        self._calls.append({"tool": tool, "outcome": outcome, "latency_ms": latency_ms})
        del self._calls[:-MOST_KEPT]
        self._due.set()

    async def flush(self) -> None:
        """Have what was heard recorded; what cannot be is kept for the next time."""
        calls, self._calls = self._calls, []
        if not calls:
            return
        try:
            await self._record(calls)
        except OptimizerError as error:
            logger.warning("%d calls of our own could not be recorded: %s", len(calls), error)
            self._calls = calls + self._calls
            self._due.set()

    async def run(self) -> None:
        """Record until cancelled."""
        while True:
            await self._due.wait()
            await anyio.sleep(EVERY_S)
            await self.flush()
