"""What an operation is to the doors: one request model, one method, and how each door shows it."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import anyio
from mcp_types import ToolAnnotations
from pydantic import BaseModel

from optimizer.errors import DependencyError, RequestError
from optimizer.events import EventBus
from optimizer.identity import Principal
from optimizer.monitoring.monitor import PerformanceMonitor
from optimizer.operations.metrics import MetricsHistory
from optimizer.settings import Toolset
from optimizer.thinking.question import OnThought
from server import views
from server.arguments import parse
from server.schemas import Schema

DEADLINE_S = 55.0
"""Desktop hosts cut calls at about 60 s; the longest wait that a request may ask for is 45 s."""


class HasPools(Protocol):
    """What the doors need of the allocator."""

    @property
    def pools(self) -> Mapping[str, object]:
        """The pools by resource."""


class Optimizer(Protocol):
    """What the doors need of `SequentialResourceOptimizer`, beside one method per operation.

    The method is named like the operation and takes `(request, *, principal)`, and `on_thought`
    where the operation thinks.
    """

    @property
    def events(self) -> EventBus:
        """What happened, for resource notices."""

    @property
    def performance_monitor(self) -> PerformanceMonitor:
        """The recent past, and where the doors count what they did."""

    @property
    def resource_allocator(self) -> HasPools:
        """The pools of this machine."""

    def strategies(self) -> Mapping[str, Mapping[str, str]]:
        """What can be asked for by name: objectives, allocation strategies, forecast models."""

    async def metrics_history(self, minutes: int) -> MetricsHistory:
        """The last minutes, thinned to a few means."""

    async def __aenter__(self) -> object:
        """Open the store and start monitoring."""

    async def __aexit__(self, *exc: object) -> None:
        """Stop monitoring and close the store."""


@dataclass(frozen=True)
class Rest:
    """The REST twin of an operation.

    Attributes:
        method: HTTP method. GET and DELETE take their arguments from the path and the query.
        path: Below /api/v1; `{name}` is the argument of that name.
        summary: One line for the API documentation.
        tag: The chapter of the API documentation.
        success: Status of an answer that is neither a refusal nor an error.
        statuses: Every other status that the operation itself can answer with.
        without: Arguments that this door does not offer.
        cached: Whether the answer carries an ETag.
    """

    method: Literal["GET", "POST", "DELETE"]
    path: str
    summary: str
    tag: str
    success: int = 200
    statuses: tuple[int, ...] = (422, 503)
    without: frozenset[str] = frozenset()
    cached: bool = False


@dataclass(frozen=True)
class Tool:
    """How an agent sees an operation.

    Attributes:
        description: When to use it, what it changes, what it costs.
        hints: Read-only, destructive, idempotent.
        about: Descriptions of arguments, shorter than the model's; an empty one is left out.
        without: Arguments that agents do not see.
        folded: Objects whose members are named in their description alone.
        answer: The output schema: what of the answer it promises.
        toolset: The list that it belongs to, which an operator turns on with TOOLSETS; None is the
            default list, at most ten tools, for good.
    """

    description: str
    hints: ToolAnnotations
    about: Mapping[str, str] = field(default_factory=dict)
    without: frozenset[str] = frozenset()
    folded: frozenset[str] = frozenset()
    answer: Schema = field(default_factory=lambda: {"type": "object"})
    toolset: Toolset | None = None


@dataclass(frozen=True)
class Command:
    """The shell command of an operation: `sro NAME`.

    Attributes:
        name: The word behind `sro`.
        help: One line.
        watched: Whether `--watch` shows it again and again.
    """

    name: str
    help: str
    watched: bool = False


@dataclass(frozen=True)
class Operation:
    """One thing that can be asked for, whatever the door.

    Attributes:
        name: Name of the tool, the REST operation id, and the facade's method.
        request: What it takes.
        answer: What the facade answers: a model or a TypedDict.
        view: Its answer as JSON, in one of three views.
        rest: The REST twin.
        command: The shell command.
        tool: The MCP tool; None where agents have a resource instead.
        writes: Whether it changes something, so that a reader may not.
        operates: Whether it acts on the machine itself, so that only an operator may.
        unchanged: What an error says to have not happened.
        thinks: Whether it takes `on_thought`, for progress.
    """

    name: str
    request: type[BaseModel]
    answer: Any
    view: views.Viewer
    rest: Rest
    command: Command
    tool: Tool | None = None
    writes: bool = False
    operates: bool = False
    unchanged: str = "Nothing was changed."
    thinks: bool = False

    def parse(self, values: object) -> BaseModel:
        """Check arguments.

        Raises:
            InvalidRequestError: Something is not allowed; the message says what is.
        """
        return parse(values, self.request, operation=self.name, unchanged=self.unchanged)


async def perform(
    operation: Operation,
    request: BaseModel,
    optimizer: Optimizer,
    *,
    principal: Principal,
    on_thought: OnThought | None = None,
    deadline_s: float = DEADLINE_S,
) -> Any:
    """Do it: the one call behind every door, counted in the monitor's workload.

    A call that may wait for room is not counted: its latency is the caller's wish.

    Returns:
        The facade's answer, for `operation.view`.

    Raises:
        ForbiddenError: The principal's role does not allow it.
        DependencyError: It did not end within `deadline_s`.
        OptimizerError: Whatever the operation raises.
    """
    if operation.writes:
        principal.require_writer(operation.name)
    if operation.operates:
        principal.require_operator(operation.name)
    further = {"on_thought": on_thought} if operation.thinks and on_thought is not None else {}
    began = time.perf_counter()
    ok = False
    try:
        with anyio.move_on_after(deadline_s):
            answer = await getattr(optimizer, operation.name)(
                request, principal=principal, **further
            )
            ok = True
            return answer
        raise DependencyError(
            f"{operation.name} did not end within {deadline_s:g} s and was given up; "
            "get_health says what is wrong"
        )
    except RequestError:
        ok = True
        raise
    finally:
        if not getattr(request, "wait_s", 0):
            latency_ms = (time.perf_counter() - began) * 1000
            optimizer.performance_monitor.workload.record(ok=ok, latency_ms=latency_ms)
