"""A KGoT controller that shares the machine: python examples/kgot_controller.py."""

import asyncio

from sequential_resource_optimization import SequentialResourceOptimizer

BUSY = 80.0
"""CPU in % from which a graph operation asks for a plan before it starts."""


class KGoTController:
    """Runs graph operations under leases, and plans when the machine is busy.

    Args:
        optimizer: A started optimizer; every controller of this machine shares its ledger.
    """

    def __init__(self, optimizer: SequentialResourceOptimizer) -> None:
        self._optimizer = optimizer

    async def run(self, query: str) -> str:
        """Run one graph operation with a share of the machine that is its own."""
        metrics = self._optimizer.performance_monitor.get_current_metrics()
        if metrics.cpu_usage > BUSY:
            decision = await self._optimizer.optimize_resources(
                {"scope": "task_level", "primary_objective": "performance_maximization"}
            )
            print(decision.summary)
        async with self._optimizer.lease(memory="256 MiB", purpose=query) as lease:
            print(lease.allocation.summary)
            return f"answer to {query!r}"


async def main() -> None:
    """One operation."""
    async with SequentialResourceOptimizer() as optimizer:
        print(await KGoTController(optimizer).run("who cites whom"))


if __name__ == "__main__":
    asyncio.run(main())
