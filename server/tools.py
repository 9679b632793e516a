"""The operations as MCP tools: the list, and one call."""

import json
import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

import mcp_types as types
from mcp.server import ServerRequestContext
from mcp.shared.exceptions import MCPError

from optimizer.thinking.question import Thought
from server.arguments import nearest, shown
from server.errors import Problem, problem_of, tool_error
from server.logs import request_named
from server.operation import Operation, Optimizer, perform
from server.operations import ALL_TOOLS
from server.principals import principal_of
from server.schemas import agent_schema

logger = logging.getLogger("sequential_resource_optimization.mcp")


def tool_of(operation: Operation) -> types.Tool:
    """The operation as agents see it."""
    assert operation.tool is not None, operation.name
    schema = agent_schema(
        operation.request,
        about=operation.tool.about,
        without=operation.tool.without,
        folded=operation.tool.folded,
    )
    return types.Tool(
        name=operation.name,
        description=operation.tool.description,
        input_schema=schema,
        output_schema=operation.tool.answer,
        annotations=operation.tool.hints,
    )


class Tools:
    """Lists and calls the operations that agents see.

    Args:
        operations: Those of the table with a tool.
        optimizer: Does the work.
    """

    def __init__(self, operations: Sequence[Operation], optimizer: Optimizer) -> None:
        self._operations: Mapping[str, Operation] = {op.name: op for op in operations}
        self._optimizer = optimizer
        self.listed = [tool_of(operation) for operation in operations]

    async def list(
        self, ctx: ServerRequestContext[Any, Any], params: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        """Answer tools/list; the list is the same for everybody."""
        return types.ListToolsResult(tools=self.listed)

    async def call(
        self, ctx: ServerRequestContext[Any, Any], params: types.CallToolRequestParams
    ) -> types.CallToolResult:
        """Answer tools/call under a request id; what goes wrong is an error that agents read."""
        with request_named():
            began = time.perf_counter()
            result = await self._answer(ctx, params)
            facts = {
                "tool": params.name[:100],
                "ok": not result.is_error,
                "ms": round((time.perf_counter() - began) * 1000, 1),
            }
            logger.info("tool call", extra={"facts": facts})
        return result

    async def _answer(
        self, ctx: ServerRequestContext[Any, Any], params: types.CallToolRequestParams
    ) -> types.CallToolResult:
        operation = self._operations.get(params.name)
        if operation is None:
            return tool_error(self._no_such_tool(params.name))

        async def report(thought: Thought) -> None:
            await ctx.session.report_progress(float(thought.number), None, thought.text)

        try:
            request = operation.parse(params.arguments or {})
            answer = await perform(
                operation,
                request,
                self._optimizer,
                principal=principal_of(ctx),
                on_thought=report,
            )
            view = operation.view(answer, request, "brief")
        except MCPError:
            raise
        except Exception as error:
            return tool_error(problem_of(error))
        text = json.dumps(view, ensure_ascii=False, separators=(",", ":"))
        return types.CallToolResult(
            content=[types.TextContent(type="text", text=text)], structured_content=view
        )

    def _no_such_tool(self, name: str) -> Problem:
        """A result and not a protocol error, so that the agent reads it and can correct itself."""
        near = nearest(name, tuple(self._operations))
        hidden = next((op.tool for op in ALL_TOOLS if op.name == name), None)
        if hidden is not None:
            hint = f"it is shown when an operator sets TOOLSETS={hidden.toolset}"
        else:
            hint = f"did you mean {near}?" if near else f"tools: {', '.join(self._operations)}"
        return Problem(status=404, code="unknown_tool", detail=f"No tool {shown(name)}; {hint}")
