import pytest

from optimizer.cost_benefit.routing import (
    Route,
    RoutingRequirements,
    belief,
    expected_cost,
    read_routes,
)
from optimizer.errors import InvalidRequestError


def route(**fields: object) -> Route:
    return Route.model_validate({"id": "x", "cost_usd": 0.1} | fields)


def test_the_terms_are_those_of_the_formula() -> None:
    proven = route(latency_ms=2000, successes=79.5, failures=19.5, right=89.5, wrong=9.5)
    needs = RoutingRequirements(
        loss_per_error_usd=10, loss_per_failure_usd=4, usd_per_second_waiting=0.01, max_attempts=2
    )

    cost = expected_cost(proven, needs)

    # f = 20 / 100, e = 10 / 100: 1.2 attempts, all fail in 0.04.
    assert cost.attempts == pytest.approx(1.2 * 0.1)
    assert cost.waiting == pytest.approx(1.2 * 2 * 0.01)
    assert cost.failure == pytest.approx(0.04 * 4)
    assert cost.errors == pytest.approx(0.96 * 0.1 * 10)


def test_endless_retries_cost_as_much_as_one_over_the_chance_of_success() -> None:
    flaky = route(successes=49.5, failures=49.5)
    needs = RoutingRequirements(max_attempts=100, loss_per_error_usd=0, loss_per_failure_usd=0)

    assert expected_cost(flaky, needs).total == pytest.approx(0.1 / 0.5)


def test_a_claim_counts_as_four_observations() -> None:
    claimed = belief(1.0, 0, 0)

    assert claimed.mean == pytest.approx(4.5 / 5)
    assert "claimed" in claimed.source


@pytest.mark.parametrize(
    "raw",
    [
        [],
        [{"id": "x", "cost_usd": 1}] * 51,
        [{"id": "x", "cost_usd": 1}, {"id": "x", "cost_usd": 2}],
        [{"id": "x"}],
        [{"id": "x", "cost_usd": -1}],
        [{"id": "x", "cost_usd": 1, "speed": 3}],
    ],
)
def test_bad_routes_are_refused(raw: list[dict[str, object]]) -> None:
    with pytest.raises(InvalidRequestError, match="Nothing was analysed"):
        read_routes(raw)
