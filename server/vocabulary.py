"""The names that requests can use on this machine, for the API description.

Which objectives, strategies and pools there are depends on plug-ins and on `sro.toml`, so the
request models take any text and the operations check it; the description says what they accept.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Literal

from optimizer.decisions.objectives import ALIASES
from optimizer.monitoring.sample import METRICS
from optimizer.settings_tables import Strategies
from server.operation import Optimizer
from server.schemas import Schema, at

Kind = Literal["objectives", "strategies", "metrics", "resources"]


@dataclass(frozen=True)
class Vocabulary:
    """Names by kind.

    Attributes:
        objectives: What a decision can be optimised for, aliases included.
        strategies: How much to grant when less is acceptable.
        metrics: What is stored with every sample.
        resources: The pools of this machine.
    """

    objectives: tuple[str, ...]
    strategies: tuple[str, ...]
    metrics: tuple[str, ...]
    resources: tuple[str, ...]

    @classmethod
    def of(cls, optimizer: Optimizer) -> "Vocabulary":
        """The names that an optimizer knows."""
        known = optimizer.strategies()
        return cls(
            objectives=tuple(
                dict.fromkeys((*known["objectives"], *ALIASES, *Strategies.model_fields))
            ),
            strategies=tuple(known["allocation_strategies"]),
            metrics=tuple(METRICS),
            resources=tuple(optimizer.resource_allocator.pools),
        )


NAMED: Mapping[str, Mapping[str, Kind]] = {
    "forecast_workload": {"metrics.[]": "metrics"},
    "optimize_resources": {"primary_objective": "objectives"},
    "allocate": {"resources": "resources", "strategy": "strategies"},
    "allocate_batch": {
        "requests.[].resources": "resources",
        "requests.[].strategy": "strategies",
    },
    "release_allocation": {"used": "resources"},
}
"""Where each operation takes a name: dotted path to kind. Of an object its keys are the names."""


def with_names(schema: Schema, operation: str, vocabulary: Vocabulary) -> Schema:
    """The input schema of an operation, in place, with the names that it accepts."""
    for path, kind in NAMED.get(operation, {}).items():
        _name(at(schema, path), getattr(vocabulary, kind))
    return schema


def _name(schema: Schema, names: Sequence[str]) -> None:
    for option in (schema, *schema.get("anyOf", [])):
        if option.get("type") == "string":
            for keyword in ("minLength", "maxLength", "pattern"):
                option.pop(keyword, None)
            option["enum"] = list(names)
        elif option.get("type") == "object":
            patterns: Mapping[str, Schema] = option.pop("patternProperties")
            value = next(iter(patterns.values()))
            option["properties"] = {name: deepcopy(value) for name in names}
            option["additionalProperties"] = False
