"""The thoughts of one decision, written to a sequential-thinking server one by one (I/O)."""

import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Protocol

from mcp_types import CallToolResult
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from optimizer.errors import McpProblem, McpServerError
from optimizer.thinking.embedded import Count
from optimizer.thinking.pool import Lent
from optimizer.thinking.question import ScratchpadKind, Thought

TOOL = "sequentialthinking"

Heard = Callable[[str, str, float], None]
"""Told of a call that ended: the tool, how, and after how many milliseconds."""

_OUTCOMES: Mapping[McpProblem, str] = {"timeout": "timeout", "protocol": "protocol_error"}
"""The other problems are of the way there: `transport`."""


class Page(Protocol):
    """The thoughts of one decision."""

    @property
    def kind(self) -> ScratchpadKind:
        """Which server records them."""

    @property
    def stands_in(self) -> str | None:
        """Why it is not the server that is configured, as a stable code; None when it is."""

    async def write(self, thought: Thought, *, total: int, within: timedelta) -> None:
        """Record a thought.

        Raises:
            McpServerError: It was not recorded within the deadline.
        """


class _Recorded(BaseModel):
    """What the tool answers; names on the wire are in camel case."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel)

    thought_number: int
    total_thoughts: int
    next_thought_needed: bool
    branches: tuple[str, ...]
    thought_history_length: int


class RecordedPage:
    """A page over one connection to a sequential-thinking server.

    Args:
        kind: Which server.
        lent: The connection, which counts what it took.
        shared: Called when the server's history holds more than this connection wrote.
        heard: Told of each call: the tool, how it ended, and its milliseconds.

    Attributes:
        failure: Why a thought was not recorded; None while all were.
    """

    stands_in = None

    def __init__(
        self,
        kind: ScratchpadKind,
        lent: Lent,
        *,
        shared: Callable[[], None] | None = None,
        heard: Heard | None = None,
    ) -> None:
        self.kind = kind
        self._connection = lent.connection
        self._member = lent.member
        self._shared = shared
        self._heard = heard
        self.failure: McpServerError | None = None

    async def write(self, thought: Thought, *, total: int, within: timedelta) -> None:
        """Record a thought, and compare what the server says that it recorded."""
        began_s = time.perf_counter()
        try:
            await self._write(thought, total, within)
        except McpServerError as error:
            self.failure = error
            self._tell(_OUTCOMES.get(error.problem, "transport"), began_s)
            raise
        self._tell("ok", began_s)

    def _tell(self, outcome: str, began_s: float) -> None:
        if self._heard is not None:
            self._heard(TOOL, outcome, (time.perf_counter() - began_s) * 1e3)

    async def _write(self, thought: Thought, total: int, within: timedelta) -> None:
        member = self._member
        member.spoiled = True
        result = await self._connection.call(
            TOOL, tool_arguments(thought, total), within=within, check_output=False
        )
        count = self._count(result)
        if count.number != thought.number:
            raise self._broken(f"it recorded thought {count.number}, not {thought.number}")
        member.spoiled = False
        member.written += 1
        if self._shared is not None and count.held != member.written:
            self._shared()

    def _count(self, result: CallToolResult) -> Count:
        if result.is_error:
            raise self._broken("it refused a thought")
        try:
            recorded = _Recorded.model_validate(result.structured_content)
        except ValidationError as error:
            raise self._broken(f"{error.error_count()} fields of its answer are wrong") from error
        return Count(
            number=recorded.thought_number,
            total=recorded.total_thoughts,
            branches=recorded.branches,
            held=recorded.thought_history_length,
        )

    def _broken(self, detail: str) -> McpServerError:
        return McpServerError(server=self._connection.server, problem="protocol", detail=detail)


def tool_arguments(thought: Thought, total: int) -> dict[str, object]:
    """The arguments of the tool; those that do not apply are left out."""
    arguments: dict[str, object] = {
        "thought": thought.text,
        "thoughtNumber": thought.number,
        "totalThoughts": total,
        "nextThoughtNeeded": thought.number < total,
    }
    if thought.revises is not None:
        arguments |= {"isRevision": True, "revisesThought": thought.revises}
    if thought.branch_from is not None:
        arguments |= {"branchFromThought": thought.branch_from, "branchId": thought.branch_id}
    return arguments
