"""The embedded sequential-thinking server: it records and counts thoughts, in this process.

It keeps the contract of npm's @modelcontextprotocol/server-sequential-thinking 2026.8.31: the same
tool, arguments and answers (a test plays the same calls against both). Unlike that server it keeps
the thoughts of each decision apart, by a key in the request's `_meta`, and its memory is bounded.
"""

import json
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from mcp.server import Server, ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
    Tool,
    ToolAnnotations,
)
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

TOOL = "sequentialthinking"

DECISION_KEY = "sequential-resource-optimization/decision"
"""The key in a request's `_meta` that says whose thoughts these are."""

MAX_DECISIONS = 256
MAX_THOUGHTS = 256
MAX_THOUGHT_CHARS = 8192

_Number = Annotated[int, Field(ge=1, le=2**53 - 1)]


class ThoughtArguments(BaseModel):
    """What the tool takes; names on the wire are in camel case."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel)

    thought: Annotated[str, Field(max_length=MAX_THOUGHT_CHARS)] = Field(
        description="Your current thinking step"
    )
    next_thought_needed: bool = Field(description="Whether another thought step is needed")
    thought_number: _Number = Field(description="Current thought number")
    total_thoughts: _Number = Field(description="Estimated total thoughts needed")
    is_revision: bool | None = Field(None, description="Whether this revises previous thinking")
    revises_thought: _Number | None = Field(None, description="Which thought is being reconsidered")
    branch_from_thought: _Number | None = Field(None, description="Branching point thought number")
    branch_id: Annotated[str, Field(max_length=256)] | None = Field(
        None, description="Branch identifier"
    )
    needs_more_thoughts: bool | None = Field(None, description="If more thoughts are needed")


class Recorded(BaseModel):
    """What the tool answers."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True)

    thought_number: int
    total_thoughts: int
    next_thought_needed: bool
    branches: tuple[str, ...]
    thought_history_length: int


@dataclass
class _Page:
    """The thoughts of one decision."""

    thoughts: list[ThoughtArguments] = field(default_factory=list)
    branches: dict[str, None] = field(default_factory=dict)


class ThoughtHistory:
    """Thoughts by decision; the decision that was written to longest ago goes first.

    Args:
        max_decisions: How many decisions are kept.
        max_thoughts: How many thoughts a decision may have.
    """

    def __init__(
        self, *, max_decisions: int = MAX_DECISIONS, max_thoughts: int = MAX_THOUGHTS
    ) -> None:
        self._max_decisions = max_decisions
        self._max_thoughts = max_thoughts
        self._pages: OrderedDict[str, _Page] = OrderedDict()

    def __len__(self) -> int:
        return len(self._pages)

    def thoughts(self, decision: str) -> tuple[str, ...]:
        """The texts of a decision's thoughts, in the order in which they came."""
        page = self._pages.get(decision)
        return tuple(entry.thought for entry in page.thoughts) if page else ()

    def record(self, decision: str, entry: ThoughtArguments) -> Recorded:
        """Keep a thought.

        Raises:
            ValueError: The decision has as many thoughts as it may have.
        """
        page = self._pages.setdefault(decision, _Page())
        self._pages.move_to_end(decision)
        while len(self._pages) > self._max_decisions:
            self._pages.popitem(last=False)
        if len(page.thoughts) >= self._max_thoughts:
            raise ValueError(f"a decision may have {self._max_thoughts} thoughts; begin another")
        page.thoughts.append(entry)
        if entry.branch_from_thought and entry.branch_id:
            page.branches[entry.branch_id] = None
        return Recorded(
            thought_number=entry.thought_number,
            total_thoughts=max(entry.thought_number, entry.total_thoughts),
            next_thought_needed=entry.next_thought_needed,
            branches=tuple(page.branches),
            thought_history_length=len(page.thoughts),
        )


def embedded_server(history: ThoughtHistory) -> Server[Any]:
    """An MCP server that writes to `history`; connect to it in memory."""

    async def list_tools(
        _context: ServerRequestContext[Any], _params: PaginatedRequestParams | None
    ) -> ListToolsResult:
        return ListToolsResult(tools=[_TOOL])

    async def call_tool(
        context: ServerRequestContext[Any], params: CallToolRequestParams
    ) -> CallToolResult:
        if params.name != TOOL:
            raise MCPError(INVALID_PARAMS, f"there is no tool {params.name!r}, only {TOOL}")
        try:
            entry = ThoughtArguments.model_validate(params.arguments or {})
            recorded = history.record(_decision(context.meta), entry)
        except ValidationError as error:
            return _refusal(_first_problem(error))
        except ValueError as error:
            return _refusal(str(error))
        answer = recorded.model_dump(by_alias=True, mode="json")
        return CallToolResult(
            content=[TextContent(text=json.dumps(answer))], structured_content=answer
        )

    server = Server(
        "embedded-sequential-thinking", on_list_tools=list_tools, on_call_tool=call_tool
    )
    server.middleware.clear()  # a span for each thought cost a fifth of a decision's CPU time
    return server


def _decision(meta: Mapping[str, Any] | None) -> str:
    key = (meta or {}).get(DECISION_KEY, "")
    return key if isinstance(key, str) else ""


def _refusal(problem: str) -> CallToolResult:
    text = json.dumps({"error": problem, "status": "failed"})
    return CallToolResult(content=[TextContent(text=text)], is_error=True)


def _first_problem(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"


_TOOL = Tool(
    name=TOOL,
    title="Sequential Thinking",
    description="Record one thought of a chain that may revise itself and branch. "
    "It keeps and counts thoughts; it does not think.",
    input_schema=ThoughtArguments.model_json_schema(by_alias=True),
    output_schema=Recorded.model_json_schema(by_alias=True),
    annotations=ToolAnnotations(
        read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
    ),
)
