"""Hard limits: which options they reject, by name and with both numbers."""

from dataclasses import dataclass
from typing import Literal

from typing_extensions import TypedDict

from optimizer.cost_benefit.figure import Figure, rounded, spoken
from optimizer.cost_benefit.option import Option
from optimizer.cost_benefit.requirements import Requirements

LimitName = Literal[
    "budget",
    "max_latency_ms",
    "min_reliability",
    "performance_target",
    "max_context_tokens",
    "capabilities",
    "min_relevance",
    "profile",
]


class CheckView(TypedDict):
    """A limit held against an option; `held` is null where the figure is not known."""

    limit: str
    allowed: float | None
    actual: float | None
    held: bool | None
    reason: str


@dataclass(frozen=True)
class Check:
    """One limit held against one option.

    Attributes:
        limit: Its name in the requirements; `profile` for a server that changed or failed.
        allowed: What it allows; None for capabilities.
        actual: What the option has; None when that is not known.
        held: Whether it is kept; None when it cannot be checked.
        reason: Both numbers, in words.
    """

    limit: LimitName
    allowed: float | None
    actual: float | None
    held: bool | None
    reason: str

    def view(self) -> CheckView:
        """The check for an answer."""
        return {
            "limit": self.limit,
            "allowed": rounded(self.allowed),
            "actual": rounded(self.actual),
            "held": self.held,
            "reason": self.reason,
        }


def check_limits(
    option: Option,
    requirements: Requirements,
    *,
    reliability_lower: float,
    missing_capabilities: tuple[str, ...],
) -> list[Check]:
    """Hold every limit of the task against an option.

    Args:
        option: The option.
        requirements: The task's limits; one that is None is not checked.
        reliability_lower: Lower 90 % bound of the option's reliability.
        missing_capabilities: Required capabilities that it does not offer.

    Returns:
        One check per limit that was set.
    """
    checks = []
    held_back = None if option.profile is None else option.profile.held_back
    if held_back is not None:
        checks.append(Check("profile", None, None, False, held_back))
    budget = requirements.budget_usd_per_task
    if budget is not None:
        cost = option.cost_usd
        total = None if cost.value is None else cost.value * requirements.calls
        spent = Figure(
            total,
            f"USD for {requirements.calls} call{'s' * (requirements.calls != 1)}",
            cost.source,
        )
        checks.append(_at_most("budget", budget, spent))
    if requirements.max_latency_ms is not None:
        checks.append(
            _at_most("max_latency_ms", requirements.max_latency_ms, option.p95_latency_ms)
        )
    if requirements.max_context_tokens is not None:
        limit = requirements.max_context_tokens
        checks.append(_at_most("max_context_tokens", limit, option.context_tokens))
    if requirements.min_reliability is not None:
        lower = Figure(reliability_lower, "as the lower 90 % bound of success", "posterior")
        checks.append(_at_least("min_reliability", requirements.min_reliability, lower))
    if requirements.performance_target is not None:
        target = requirements.performance_target
        checks.append(_at_least("performance_target", target, option.performance))
    if requirements.capabilities and requirements.mode != "set":
        missing = ", ".join(missing_capabilities)
        reason = f"does not offer {missing}" if missing else "offers all that is required"
        checks.append(Check("capabilities", None, None, not missing, reason))
    return checks


def _at_most(limit: LimitName, allowed: float, figure: Figure) -> Check:
    if figure.value is None:
        return _not_known(limit, allowed, figure)
    held = figure.value <= allowed
    sign = "within" if held else "over"
    actual = spoken(figure.value, digits=4)
    reason = f"{actual} {figure.unit} ({figure.source}) is {sign} {allowed:g}"
    return Check(limit, allowed, figure.value, held, reason)


def _at_least(limit: LimitName, allowed: float, figure: Figure) -> Check:
    if figure.value is None:
        return _not_known(limit, allowed, figure)
    held = figure.value >= allowed
    sign = "reaches" if held else "is below"
    actual = spoken(figure.value, digits=4)
    reason = f"{actual} {figure.unit} ({figure.source}) {sign} {allowed:g}"
    return Check(limit, allowed, figure.value, held, reason)


def _not_known(limit: LimitName, allowed: float, figure: Figure) -> Check:
    return Check(limit, allowed, None, None, f"cannot be checked: {figure.source}")
