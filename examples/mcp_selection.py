"""Which MCP server for this task? python examples/mcp_selection.py."""

import asyncio

from sequential_resource_optimization import SequentialResourceOptimizer

CANDIDATES = [
    {"id": "sequential_thinking", "cost": 0.05, "performance": 0.9},
    {"id": "cost_optimization", "cost": 0.02, "performance": 0.7},
    {"id": "graph_analysis", "cost": 0.08, "performance": 0.95},
]
TASK = {"complexity": "high", "budget": 100.0, "performance_target": 0.85}


async def main() -> None:
    """Choose, and say why."""
    async with SequentialResourceOptimizer() as optimizer:
        analysis = await optimizer.cost_benefit_analyzer.analyze_mcp_selection(CANDIDATES, TASK)
    recommended = analysis["recommendations"]["primary_recommendation"]
    print(f"Use {recommended['mcp_id']}")


if __name__ == "__main__":
    asyncio.run(main())
