"""Choose a route by its expected cost, and say where the choice flips."""

from collections.abc import Sequence
from typing import Literal

from typing_extensions import TypedDict

from optimizer.cost_benefit.figure import rounded
from optimizer.cost_benefit.flips import Flip, nearest_flips
from optimizer.cost_benefit.pareto import dominated_by
from optimizer.cost_benefit.requirements import WAGE_SOURCE
from optimizer.cost_benefit.routing import Route, RoutingRequirements, belief, expected_cost


class RouteView(TypedDict):
    """One route, weighed."""

    id: str
    expected_cost_usd: float | None
    terms: dict[str, float | None]
    cost_usd: float | None
    latency_ms: float | None
    p_success: float | None
    success_interval: list[float | None]
    p_right: float | None
    right_interval: list[float | None]
    n_obs: float | None
    dominated_by: str | None
    rejected: list[str]
    unknown: dict[str, str]
    source: str


class RoutingAnalysis(TypedDict):
    """Which route to take, and why."""

    kind: Literal["routing"]
    chosen: str | None
    rationale: str
    options: list[RouteView]
    sensitivity: list[Flip]
    assumptions: dict[str, str]


def select_route(routes: Sequence[Route], requirements: RoutingRequirements) -> RoutingAnalysis:
    """Choose the route of least expected cost among those within the limits.

    The order of the routes, and routes that are not chosen, change nothing.
    """
    rejected = {route.id: broken_limits(route, requirements) for route in routes}
    allowed = [route for route in routes if not rejected[route.id]]
    chosen = _best(allowed, requirements) if allowed else None
    dominators = dominated_by({route.id: _criteria(route) for route in routes})
    ordered = sorted(
        routes,
        key=lambda r: (bool(rejected[r.id]), expected_cost(r, requirements).total, r.id),
    )
    return {
        "kind": "routing",
        "chosen": chosen,
        "rationale": _rationale(ordered[0], requirements, rejected[ordered[0].id]),
        "options": [
            _view(route, requirements, rejected[route.id], dominators[route.id])
            for route in ordered
        ],
        "sensitivity": _flips(allowed, requirements) if chosen is not None else [],
        "assumptions": {
            "loss_per_error_usd": f"{requirements.loss_per_error_usd:.4g} USD",
            "loss_per_failure_usd": f"{requirements.loss_per_failure_usd:.4g} USD",
            "usd_per_second_waiting": f"{requirements.usd_per_second_waiting:.4g} USD",
            "defaults": WAGE_SOURCE,
        },
    }


def _best(routes: Sequence[Route], requirements: RoutingRequirements) -> str:
    return min(routes, key=lambda r: (expected_cost(r, requirements).total, r.id)).id


def broken_limits(route: Route, requirements: RoutingRequirements) -> list[str]:
    """The limits that reject a route, with both numbers."""
    broken = []
    limit = requirements.max_latency_ms
    if limit is not None and route.latency_ms is not None and route.latency_ms > limit:
        broken.append(f"max_latency_ms: {route.latency_ms:g} is over {limit:g}")
    attempts = expected_cost(route, requirements).attempts
    if requirements.budget is not None and attempts > requirements.budget:
        broken.append(f"budget: {attempts:.4g} USD expected is over {requirements.budget:g}")
    right = belief(route.quality, route.right, route.wrong).mean
    target = requirements.performance_target
    if target is not None and right < target:
        broken.append(f"performance_target: {right:.3g} expected is below {target:g}")
    return broken


def _criteria(route: Route) -> list[float | None]:
    return [
        -route.cost_usd,
        None if route.latency_ms is None else -route.latency_ms,
        belief(route.success_rate, route.successes, route.failures).lower,
        belief(route.quality, route.right, route.wrong).mean,
    ]


def _rationale(route: Route, requirements: RoutingRequirements, broken: Sequence[str]) -> str:
    cost = expected_cost(route, requirements)
    if broken:
        return f"every route is rejected; the nearest is {route.id} ({'; '.join(broken)})"
    return (
        f"{route.id} costs least, {cost.total:.3g} USD expected: {cost.attempts:.3g} for attempts, "
        f"{cost.waiting:.3g} of waiting, {cost.failure:.3g} for failing, {cost.errors:.3g} for "
        "unnoticed errors"
    )


def _view(
    route: Route,
    requirements: RoutingRequirements,
    broken: Sequence[str],
    dominator: str | None,
) -> RouteView:
    cost = expected_cost(route, requirements)
    success = belief(route.success_rate, route.successes, route.failures)
    right = belief(route.quality, route.right, route.wrong)
    return {
        "id": route.id,
        "expected_cost_usd": rounded(cost.total),
        "terms": {
            "attempts": rounded(cost.attempts),
            "waiting": rounded(cost.waiting),
            "failure": rounded(cost.failure),
            "errors": rounded(cost.errors),
        },
        "cost_usd": route.cost_usd,
        "latency_ms": route.latency_ms,
        "p_success": rounded(success.mean),
        "success_interval": [rounded(bound) for bound in success.interval],
        "p_right": rounded(right.mean),
        "right_interval": [rounded(bound) for bound in right.interval],
        "n_obs": route.successes + route.failures + route.right + route.wrong,
        "dominated_by": dominator,
        "rejected": list(broken),
        "unknown": {}
        if route.latency_ms is not None
        else {"latency_ms": "not given; waiting is not charged"},
        "source": f"success: {success.source}. right: {right.source}",
    }


def _flips(routes: Sequence[Route], requirements: RoutingRequirements) -> list[Flip]:
    flips = []
    for name in ("loss_per_error_usd", "usd_per_second_waiting", "loss_per_failure_usd"):

        def chosen_at(value: float, name: str = name) -> str:
            return _best(routes, requirements.model_copy(update={name: value}))

        current = getattr(requirements, name)
        flips += nearest_flips(name, "USD", current, chosen_at, most=1e9)
    return flips
