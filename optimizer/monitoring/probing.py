"""Probing: asks the configured services beside the samples, which take the last answers."""

import asyncio
import logging
from collections.abc import Mapping

from optimizer.monitoring.latency import latency_of
from optimizer.monitoring.probes import ProbeResult, Probes

logger = logging.getLogger("sequential_resource_optimization.monitoring")


class Probing:
    """One round of questions at a time, so that a slow service delays no sample.

    Args:
        probes: The services.

    Attributes:
        latency: What the services answered last.
    """

    def __init__(self, probes: Probes) -> None:
        self._probes = probes
        self._take({})
        self._round: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Ask, unless the last round is not over."""
        if self._probes.targets and (self._round is None or self._round.done()):
            self._round = asyncio.create_task(self._ask(), name="probes")

    async def change(self, probes: Probes) -> None:
        """Ask other services from now on."""
        former, self._probes = self._probes, probes
        await self._end()
        self._take({})
        await former.close()

    async def stop(self) -> None:
        """End the round, and the connections."""
        await self._end()
        await self._probes.close()

    async def _end(self) -> None:
        running, self._round = self._round, None
        if running is not None:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    async def _ask(self) -> None:
        try:
            self._take(await self._probes.measure())
        except Exception as error:
            logger.exception("the probes failed")
            failed = ProbeResult(None, f"the probe failed ({type(error).__name__})")
            self._take(dict.fromkeys(self._probes.targets, failed))

    def _take(self, answers: Mapping[str, ProbeResult]) -> None:
        self.latency = latency_of(tuple(self._probes.targets), answers)
