import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.cost_benefit.route_selection import select_route
from optimizer.cost_benefit.routing import Route, RoutingRequirements

ALITA = Route(id="alita", cost_usd=0.02, latency_ms=3000, successes=95, failures=5)
KGOT = Route(id="kgot", cost_usd=0.30, latency_ms=9000, successes=97, failures=3, quality=0.98)
FREE = RoutingRequirements(loss_per_error_usd=0, loss_per_failure_usd=0, usd_per_second_waiting=0)


def test_without_losses_the_cheapest_route_is_chosen() -> None:
    assert select_route([ALITA, KGOT], FREE)["chosen"] == "alita"


def test_when_errors_are_dear_the_better_route_is_chosen() -> None:
    dear = RoutingRequirements(loss_per_error_usd=20)

    assert select_route([ALITA, KGOT], dear)["chosen"] == "kgot"


def test_the_choice_flips_where_it_says() -> None:
    needs = RoutingRequirements(loss_per_error_usd=0.05)
    analysis = select_route([ALITA, KGOT], needs)
    [flip] = [f for f in analysis["sensitivity"] if f["input"] == "loss_per_error_usd"]
    assert flip["value"] is not None

    below, above = (
        select_route([ALITA, KGOT], RoutingRequirements(loss_per_error_usd=flip["value"] * factor))[
            "chosen"
        ]
        for factor in (0.999, 1.001)
    )
    assert (below, above) == (analysis["chosen"], flip["chosen"])


def test_limits_reject_with_both_numbers() -> None:
    analysis = select_route([ALITA, KGOT], RoutingRequirements(max_latency_ms=5000))

    [kgot] = [option for option in analysis["options"] if option["id"] == "kgot"]
    assert kgot["rejected"] == ["max_latency_ms: 9000 is over 5000"]
    assert analysis["chosen"] == "alita"


def test_nothing_is_chosen_when_every_route_is_rejected() -> None:
    analysis = select_route([ALITA], RoutingRequirements(budget=0.001))

    assert analysis["chosen"] is None
    assert "budget" in analysis["rationale"]


routes = st.lists(
    st.builds(
        Route,
        id=st.sampled_from("abcdef"),
        cost_usd=st.floats(0, 10),
        latency_ms=st.none() | st.floats(0, 1e5),
        successes=st.floats(0, 100),
        failures=st.floats(0, 100),
        quality=st.none() | st.floats(0, 1),
    ),
    min_size=2,
    max_size=5,
    unique_by=lambda route: route.id,
)


@settings(deadline=None, max_examples=50)
@given(routes=routes)
def test_order_and_routes_that_are_not_chosen_change_nothing(routes: list[Route]) -> None:
    needs = RoutingRequirements(usd_per_second_waiting=0.01)
    analysis = select_route(routes, needs)

    assert select_route(routes[::-1], needs) == analysis
    for leaving in routes:
        if leaving.id != analysis["chosen"]:
            rest = [route for route in routes if route is not leaving]
            assert select_route(rest, needs)["chosen"] == analysis["chosen"]


def test_what_is_not_known_is_named() -> None:
    [option] = select_route([Route(id="x", cost_usd=1)], FREE)["options"]

    assert option["unknown"] == {"latency_ms": "not given; waiting is not charged"}
    assert option["p_success"] == pytest.approx(0.5)
