"""Which objective a request means."""

from dataclasses import dataclass

from optimizer.decisions.objectives import ALIAS_MEANINGS, ALIASES
from optimizer.decisions.snapshot import Snapshot


@dataclass(frozen=True)
class Strategies:
    """The configured objectives (`optimization_strategies`).

    Attributes:
        default: Used when a request names none.
        emergency: Used instead of the default while health is critical.
        cost_conscious: What the name `cost_conscious` stands for.
    """

    default: str = "balanced_optimization"
    emergency: str = "reliability_optimization"
    cost_conscious: str = "cost_minimization"


@dataclass(frozen=True)
class Meant:
    """An objective by name, and why it is this one."""

    name: str
    because: str


def meant_objective(asked: str | None, snapshot: Snapshot, strategies: Strategies) -> Meant:
    """Read the objective of a request.

    Args:
        asked: As the request names it; None for none.
        snapshot: Says whether health is critical, which matters only when none is named.
        strategies: What is configured.

    Returns:
        The name to look up among the objectives.
    """
    if asked is None and snapshot.health == "critical":
        issues = ", ".join(snapshot.issues) or "see get_health"
        return Meant(
            strategies.emergency,
            f"no objective was asked for, and health is critical ({issues}): "
            f"optimization_strategies.emergency is {strategies.emergency}",
        )
    if asked is None:
        return Meant(
            strategies.default,
            f"no objective was asked for: optimization_strategies.default is {strategies.default}",
        )
    configured = {"default": strategies.default, "cost_conscious": strategies.cost_conscious}
    if asked in configured:
        name = configured[asked]
        return Meant(name, f"{asked} is configured as {name} (optimization_strategies)")
    if asked in ALIASES:
        name, meaning = ALIASES[asked], ALIAS_MEANINGS[asked]
        return Meant(name, f"{asked} means {name} here: {meaning}")
    return Meant(asked, "asked for")
