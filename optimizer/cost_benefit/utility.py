"""What choosing an option is worth in US dollars, from the option's own data alone.

Because no figure of another candidate enters, adding or removing candidates never reorders the
rest. `U = V r q p - n c - l_t n t - l_K (K turns + n k) - l_t s`, with V the value of success, r
relevance, q quality, p success of a call, n expected calls, c USD and t seconds per call, K tokens
of the tool list, k tokens of an answer, s seconds of start-up.
"""

from dataclasses import dataclass

from optimizer.cost_benefit.option import Option
from optimizer.cost_benefit.requirements import Requirements


@dataclass(frozen=True)
class Coefficients:
    """The task's side of the utility; see `Requirements.assumptions` for units and sources."""

    value_usd: float
    calls: float
    turns: float
    waiting_usd_per_s: float
    context_usd_per_token: float
    unknown_cost_usd: float
    unknown_latency_ms: float


@dataclass(frozen=True)
class Beliefs:
    """An option's side that is uncertain: shares, each 0 to 1."""

    relevance: float
    quality: float
    success: float


@dataclass(frozen=True)
class Terms:
    """The utility, term by term, in USD per task; costs are positive.

    Attributes:
        benefit: Value of success times the chance of it.
        calls: What the calls cost.
        waiting: What waiting for the calls costs.
        context: What the tool list and the answers cost in the model's context.
        startup: What waiting for the start costs.
        unknown: Term to the reason why it is not, or not fully, known.
    """

    benefit: float
    calls: float
    waiting: float
    context: float
    startup: float
    unknown: dict[str, str]

    @property
    def cost(self) -> float:
        """All costs together."""
        return self.calls + self.waiting + self.context + self.startup

    @property
    def net(self) -> float:
        """What the choice is worth."""
        return self.benefit - self.cost


def coefficients(requirements: Requirements) -> Coefficients:
    """The coefficients of a task."""
    return Coefficients(
        value_usd=requirements.value_usd,
        calls=requirements.calls,
        turns=requirements.model_turns,
        waiting_usd_per_s=requirements.waiting_usd_per_s,
        context_usd_per_token=requirements.context_usd_per_token,
        unknown_cost_usd=requirements.unknown_cost_usd,
        unknown_latency_ms=requirements.unknown_latency_ms,
    )


def utility(option: Option, beliefs: Beliefs, task: Coefficients) -> Terms:
    """What the option is worth for the task, term by term.

    Args:
        option: Its own figures; one that is not known is charged as `task` says, or left out, and
            named in `Terms.unknown`.
        beliefs: Shares for relevance, quality and success.
        task: The coefficients.

    Returns:
        The terms in USD per task.
    """
    unknown = {}
    cost, latency = option.cost_usd, option.latency_ms
    if not cost.is_known:
        unknown["calls"] = f"cost: {cost.source}; charged {task.unknown_cost_usd:g} USD a call"
    if not latency.is_known:
        unknown["waiting"] = f"latency: {latency.source}; charged {task.unknown_latency_ms:g} ms"
    tool_list, answers = option.context_tokens, option.answer_tokens
    if not tool_list.is_known:
        unknown["context"] = f"tool list: {tool_list.source}; not charged"
    if not option.startup_ms.is_known:
        unknown["startup"] = f"start-up: {option.startup_ms.source}; not charged"
    usd = task.unknown_cost_usd if cost.value is None else cost.value
    milliseconds = task.unknown_latency_ms if latency.value is None else latency.value
    tokens = (tool_list.value or 0.0) * task.turns + (answers.value or 0.0) * task.calls
    return Terms(
        benefit=task.value_usd * beliefs.relevance * beliefs.quality * beliefs.success,
        calls=task.calls * usd,
        waiting=task.waiting_usd_per_s * task.calls * milliseconds / 1000,
        context=task.context_usd_per_token * tokens,
        startup=task.waiting_usd_per_s * (option.startup_ms.value or 0.0) / 1000,
        unknown=unknown,
    )
