"""What a decision is optimised for: an order of the candidates that hold every limit.

An objective is any object with a `name` and a `rank`. A built-in one also has a `measure`, so that
a choice other than its first can be judged by how far it is from the best.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from optimizer.decisions.figures import Candidate
from optimizer.decisions.recommend import TARGET_PROBABILITY
from optimizer.decisions.request import OptimizationRequest
from optimizer.decisions.risk import LEAST_PROBABILITY

AUGMENTATION = 0.05
"""Weight of the sum beside the maximum in `balanced_optimization`: small enough that the maximum
leads, large enough that of two equal maxima the one that is better elsewhere wins (Steuer & Choo,
Mathematical Programming 26 (1983) 326-344)."""


class Objective(Protocol):
    """Orders candidates; plug-ins fit this."""

    @property
    def name(self) -> str:
        """What requests call it."""

    def rank(self, front: Sequence[Candidate], request: OptimizationRequest) -> list[str]:
        """Order candidate ids, best first. Every candidate already holds the limits."""


@runtime_checkable
class Measured(Protocol):
    """An objective that can say how good a candidate is."""

    def measure(self, candidate: Candidate, request: OptimizationRequest) -> float | None:
        """A figure that is better when smaller; None when what it needs is not known."""


Figure = Literal["cost", "response time", "reliability"]

Measure = Callable[[Candidate, OptimizationRequest], float | None]


@dataclass(frozen=True)
class ByMeasure:
    """Least measure first; ties go to less spend, then to the faster, then to the safer.

    Attributes:
        name: What requests call it.
        description: What it prefers, in one sentence.
        measure: The figure to minimise; a candidate without one comes last.
        needs: The figures without which the choice is not known to be the best.
        allowed: Which candidates come before all others.
    """

    name: str
    description: str
    measure: Measure
    needs: tuple[Figure, ...]
    allowed: Callable[[Candidate], bool] = lambda _: True

    def rank(self, front: Sequence[Candidate], request: OptimizationRequest) -> list[str]:
        """Order candidate ids, best first."""

        def key(candidate: Candidate) -> tuple[bool, float, float, float, float, int, str]:
            return (
                not self.allowed(candidate),
                _last(self.measure(candidate, request)),
                candidate.spend,
                _last(candidate.stretch),
                _last(candidate.risk),
                len(candidate.changes),
                candidate.id,
            )

        return [candidate.id for candidate in sorted(front, key=key)]


def _last(figure: float | None) -> float:
    """A figure to sort by; what is not known sorts last."""
    return math.inf if figure is None else figure


def _spend(candidate: Candidate, _: OptimizationRequest) -> float:
    return candidate.spend


def _stretch(candidate: Candidate, _: OptimizationRequest) -> float | None:
    return candidate.stretch


def _risk(candidate: Candidate, _: OptimizationRequest) -> float | None:
    return candidate.risk


def _distance(candidate: Candidate, request: OptimizationRequest) -> float | None:
    """Augmented Chebyshev distance from the ideal (0, 0, 0), on scales that no candidate changes.

    Cost counts in shares of max_cost, else of today's; response time in multiples of today's (0
    where today's has no steady state); risk in multiples of what min_reliability allows, else of
    the default allowance, and not at all while it is unknown.
    """
    if candidate.stretch is None:
        return None
    limits = request.constraints
    cost = candidate.spend_ratio
    if limits.max_cost and candidate.cost_usd_month is not None:
        cost = candidate.cost_usd_month / limits.max_cost
    distances = [cost, candidate.latency_ratio or 0.0]
    if candidate.risk is not None:
        distances.append(candidate.risk / _risk_scale(limits.min_reliability))
    return max(distances) + AUGMENTATION * sum(distances)


def _risk_scale(min_reliability: float | None) -> float:
    """The risk, as -ln R, that counts as 1; R is kept where its logarithm is neither 0 nor inf."""
    least = 1 - TARGET_PROBABILITY if min_reliability is None else min_reliability
    return -math.log(min(max(least, LEAST_PROBABILITY), 1 - LEAST_PROBABILITY))


BUILT_IN: tuple[ByMeasure, ...] = (
    ByMeasure(
        "balanced_optimization",
        "least augmented Chebyshev distance in cost, response time and risk, on fixed scales",
        _distance,
        needs=("cost", "response time", "reliability"),
    ),
    ByMeasure(
        "performance_maximization",
        "shortest response time; of equals the cheapest",
        _stretch,
        needs=("response time",),
    ),
    ByMeasure("cost_minimization", "cheapest that holds the limits", _spend, needs=("cost",)),
    ByMeasure(
        "reliability_optimization",
        "least probability of running out or failing; of equals the cheapest",
        _risk,
        needs=("reliability",),
    ),
    ByMeasure(
        "emergency",
        "reliability_optimization among what can be done here without interrupting running work",
        _risk,
        needs=("reliability",),
        allowed=lambda candidate: candidate.online,
    ),
)
"""The objectives that come with the product."""

ALIASES: dict[str, str] = {
    "validation_efficiency": "cost_minimization",
    "time_critical": "performance_maximization",
    "quality_priority": "reliability_optimization",
}
"""What the neighbours' further objectives are here."""

ALIAS_MEANINGS: dict[str, str] = {
    "validation_efficiency": "the least cost, of a task's validation too",
    "time_critical": "the shortest response time, or time of a task",
    "quality_priority": "the least probability of running out, failing or being wrong",
}
"""What each of them is taken to mean."""
