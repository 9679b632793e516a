"""Prompts that a person picks in a host, and what the host may complete while they type."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import mcp_types as types
from mcp.server import ServerRequestContext
from mcp.shared.exceptions import MCPError

from optimizer.decisions.request import SCOPES
from server.arguments import nearest, shown
from server.operation import Optimizer, perform
from server.operations import BY_NAME
from server.principals import principal_of
from server.resources import DECISION, HISTORY, THOUGHTS

MAX_TEXT = 2000
"""Longest argument of a prompt."""


@dataclass(frozen=True)
class PromptText:
    """A prompt: its arguments and the words that they fill in.

    Attributes:
        name: Its name.
        description: When to pick it.
        arguments: Description by name; a name ending in `?` is optional.
        write: Makes the text of the user's message.
    """

    name: str
    description: str
    arguments: Mapping[str, str]
    write: Callable[[Mapping[str, str]], str]

    @property
    def names(self) -> list[str]:
        """Names of the arguments."""
        return [name.rstrip("?") for name in self.arguments]


def _diagnose(given: Mapping[str, str]) -> str:
    symptom = f" The symptom: {given['symptom']}." if given.get("symptom") else ""
    return (
        "Diagnose this machine with the sequential-resource-optimization tools."
        f"{symptom} First get_health, then forecast_workload, then list_allocations with "
        'whose="all"; read sro://metrics/history/60 where a trend is unclear. Say what is scarce '
        "now, what will be within a day, who holds it, and the smallest remedy. Quote the figures "
        "you rely on, and say which are unknown and why."
    )


def _plan(given: Mapping[str, str]) -> str:
    scope = given.get("scope") or "system_level"
    objective = given.get("objective")
    limit = f" and constraints.max_cost {given['max_cost']}" if given.get("max_cost") else ""
    with_objective = f", primary_objective {objective}" if objective else ""
    return (
        "Plan the capacity of this machine. Call forecast_workload with horizon_hours 168, then "
        f"optimize_resources with scope {scope}{with_objective}{limit}, then explain_decision on "
        "its decision_id. If it is infeasible, show the conflict and the smallest relaxation. End "
        "with the plan's steps, what each costs per month, and what would change the choice."
    )


def _choose(given: Mapping[str, str]) -> str:
    return (
        f"Choose MCP servers for this task: {given['task']}\n"
        "Call analyze_mcp_selection with the MCP servers that you can reach as available_mcps and "
        "the task under task_requirements. Name the first choice, the fallback, and the figures "
        "that decided; say which figures were measured and which the descriptors only claim."
    )


def _think(given: Mapping[str, str]) -> str:
    objective = given.get("objective")
    with_objective = f", primary_objective {objective}" if objective else ""
    return (
        "Think a decision about this machine through yourself. Call optimize_resources with "
        f"scope {given.get('scope') or 'system_level'}{with_objective} and thinking client. Its "
        "thought_frame holds the candidates, all of which hold every limit, with their figures. "
        f"Beside the figures, weigh this: {given['context']}\n"
        "Bring in no figure that is not in the frame. Where the words decide nothing, keep the "
        "solver's first candidate. Then call submit_choice with decision_id, candidate_id and your "
        "reason, or POST /api/v1/decisions/ID/choice where that tool is not listed "
        "(TOOLSETS=thinking). Say whether your choice stood, and if not, why."
    )


PROMPTS: tuple[PromptText, ...] = (
    PromptText(
        "diagnose_machine",
        "Find out what is wrong with this machine, or soon will be.",
        {"symptom?": "What somebody noticed, in words."},
        _diagnose,
    ),
    PromptText(
        "plan_capacity",
        "Plan capacity under a budget, with the reasons.",
        {
            "scope?": "task_level, session_level, system_level or global_level.",
            "objective?": "What to optimise for; see sro://strategies.",
            "max_cost?": "Most it may cost, in USD per month.",
        },
        _plan,
    ),
    PromptText(
        "think_through_decision",
        "Choose among computed candidates by what no figure shows.",
        {
            "context": "Maintenance windows, seasons, contracts: what matters, in words.",
            "scope?": "task_level, session_level, system_level or global_level.",
            "objective?": "What to optimise for; see sro://strategies.",
        },
        _think,
    ),
    PromptText(
        "choose_mcps",
        "Choose the MCP servers for a task.",
        {"task": "The task, in words."},
        _choose,
    ),
)


class Prompts:
    """Lists and writes the prompts, and completes their arguments and those of the templates.

    Args:
        optimizer: Knows strategies and decisions.
        prompts: What there is.
    """

    def __init__(self, optimizer: Optimizer, prompts: Sequence[PromptText] = PROMPTS) -> None:
        self._optimizer = optimizer
        self._prompts = {prompt.name: prompt for prompt in prompts}

    async def list(
        self, ctx: ServerRequestContext[Any, Any], params: types.PaginatedRequestParams | None
    ) -> types.ListPromptsResult:
        """Answer prompts/list."""
        return types.ListPromptsResult(
            prompts=[
                types.Prompt(
                    name=prompt.name,
                    description=prompt.description,
                    arguments=[
                        types.PromptArgument(
                            name=name.rstrip("?"),
                            description=text,
                            required=not name.endswith("?"),
                        )
                        for name, text in prompt.arguments.items()
                    ],
                )
                for prompt in self._prompts.values()
            ]
        )

    async def get(
        self, ctx: ServerRequestContext[Any, Any], params: types.GetPromptRequestParams
    ) -> types.GetPromptResult:
        """Answer prompts/get.

        Raises:
            MCPError: There is no such prompt, or an argument is missing, unknown or too long.
        """
        prompt = self._prompts.get(params.name)
        if prompt is None:
            raise MCPError(
                types.INVALID_PARAMS,
                f"No prompt {shown(params.name)}; there are {', '.join(self._prompts)}",
            )
        given = params.arguments or {}
        _check(prompt, given)
        message = types.PromptMessage(
            role="user", content=types.TextContent(type="text", text=prompt.write(given))
        )
        return types.GetPromptResult(description=prompt.description, messages=[message])

    async def complete(
        self, ctx: ServerRequestContext[Any, Any], params: types.CompleteRequestParams
    ) -> types.CompleteResult:
        """Answer completion/complete; what is not known, or cannot be completed, has no values."""
        values = await self._values(params.argument.name, ctx) if self._has(params) else ()
        begun = params.argument.value
        fitting = [value for value in values if value.startswith(begun)]
        return types.CompleteResult(
            completion=types.Completion(
                values=fitting[:100], total=len(fitting), has_more=len(fitting) > 100
            )
        )

    def _has(self, params: types.CompleteRequestParams) -> bool:
        """Whether what is completed exists and has such an argument."""
        argument = params.argument.name
        if isinstance(params.ref, types.PromptReference):
            prompt = self._prompts.get(params.ref.name)
            return prompt is not None and argument in prompt.names
        return (
            params.ref.uri in (HISTORY, DECISION, THOUGHTS) and f"{{{argument}}}" in params.ref.uri
        )

    async def _values(self, argument: str, ctx: ServerRequestContext[Any, Any]) -> Sequence[str]:
        if argument == "scope":
            return tuple(SCOPES)
        if argument == "minutes":
            return ("15", "60", "240", "1440")
        if argument == "objective":
            return tuple(self._optimizer.strategies()["objectives"])
        if argument == "decision_id":
            operation = BY_NAME["list_decisions"]
            request = operation.parse({"limit": 100})
            answer = await perform(operation, request, self._optimizer, principal=principal_of(ctx))
            history = operation.view(answer, request, "reference")["optimization_history"]
            return tuple(decision["decision_id"] for decision in history)
        return ()


def _check(prompt: PromptText, given: Mapping[str, str]) -> None:
    names = prompt.names
    for name, value in given.items():
        if name not in names:
            near = nearest(name, names)
            hint = f"did you mean {near}?" if near else f"it takes {', '.join(names)}"
            raise MCPError(
                types.INVALID_PARAMS, f"{prompt.name} has no argument {shown(name)}; {hint}"
            )
        if len(value) > MAX_TEXT:
            raise MCPError(types.INVALID_PARAMS, f"{name} is longer than {MAX_TEXT} characters")
    for name, text in prompt.arguments.items():
        if not name.endswith("?") and not given.get(name, "").strip():
            raise MCPError(types.INVALID_PARAMS, f"{prompt.name} needs {name}: {text}")
