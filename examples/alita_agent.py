"""An Alita manager agent over MCP: python examples/alita_agent.py [URL].

With a URL, for example http://localhost:8000/mcp, it talks to a running server; without one it
starts `sro stdio` itself, as a desktop host does.
"""

import asyncio
import os
import sys
from typing import Any

from mcp import Client, StdioServerParameters

HEAVY = {"memory": "256 MiB"}
"""What a heavy task takes; a bare number would be a percentage of the machine."""


class AlitaManagerAgent:
    """Asks before heavy work, holds a lease while it runs, and gives it back.

    Args:
        client: A connected MCP client.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    async def run_heavy_task(self, purpose: str) -> str:
        """Run a task under a lease, or say when there will be room for it."""
        health = await self._call("get_health")
        print(f"machine: {health['status']}, cpu {health['cpu_usage']} %")
        lease = await self._call("allocate", resources=HEAVY, purpose=purpose, ttl_s=60)
        if lease["state"] == "refused":
            return f"not now: {lease['next']}"
        print(lease["summary"])
        try:
            return f"{purpose}: done"
        finally:
            await self._call("release_allocation", allocation_id=lease["allocation_id"])

    async def _call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool; an error of the tool says in words what to change."""
        result = await self._client.call_tool(tool, arguments)
        if result.is_error:
            raise RuntimeError(f"{tool}: {result.content}")
        return dict(result.structured_content or {})


async def main(url: str | None = None) -> None:
    """One heavy task."""
    server = url or StdioServerParameters(
        command="sequential-resource-optimization",
        args=["stdio"],
        env=dict(os.environ),  # without it a server knows none of our settings
    )
    async with Client(server) as client:
        tools = await client.list_tools()
        print(f"tools: {', '.join(tool.name for tool in tools.tools)}")
        print(await AlitaManagerAgent(client).run_heavy_task("index the repository"))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
