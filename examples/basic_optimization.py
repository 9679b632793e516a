"""Ask this machine for a plan: python examples/basic_optimization.py."""

import asyncio

from sequential_resource_optimization import SequentialResourceOptimizer


async def main() -> None:
    """Measure, decide, and print the plan with its reasons."""
    async with SequentialResourceOptimizer() as optimizer:
        decision = await optimizer.optimize_resources(
            {
                "scope": "system_level",
                "primary_objective": "balanced_optimization",
                "constraints": {"max_resource_increase": 0.5},
            }
        )
    print(decision.summary)
    for step in decision.implementation_plan:
        print(f"{step['step']}. {step['description']} ({step['estimated_duration']})")
    for figure, reason in decision.unknown.items():
        print(f"{figure} is not known: {reason}")


if __name__ == "__main__":
    asyncio.run(main())
