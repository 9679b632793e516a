import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.cost_benefit.validation import (
    MAX_CYCLES,
    Strategy,
    ValidationRequirements,
    best_cycles,
    expected_total,
    missed_share,
    read_strategies,
)
from optimizer.errors import InvalidRequestError


def strategy(repeats: str = "independent", **fields: object) -> Strategy:
    return Strategy.model_validate(
        {"id": "x", "cycle_cost_usd": 0.1, "detection": 0.6, "repeats": repeats} | fields
    )


def needs(**fields: object) -> ValidationRequirements:
    return ValidationRequirements.model_validate(
        {"prior_error": 0.2, "escape_loss_usd": 10, "usd_per_second_waiting": 0} | fields
    )


def test_repeating_one_validator_misses_what_was_measured() -> None:
    assert missed_share(strategy("independent"), 5) == pytest.approx(0.0102, abs=1e-4)
    assert missed_share(strategy("same"), 5) == pytest.approx(0.0852, abs=1e-4)


def test_one_cycle_misses_the_same_either_way() -> None:
    assert missed_share(strategy("same"), 1) == pytest.approx(0.4)


@given(
    cost=st.floats(0.001, 5),
    detection=st.floats(0.05, 0.95),
    error=st.floats(0, 1),
    loss=st.floats(0, 1000),
)
def test_independent_cycles_follow_the_closed_form(
    cost: float, detection: float, error: float, loss: float
) -> None:
    at_stake = error * detection * loss
    expected = 0
    if at_stake > cost:
        expected = math.ceil(math.log(cost / at_stake) / math.log(1 - detection) - 1e-9)

    cycles = best_cycles(
        strategy(cycle_cost_usd=cost, detection=detection),
        needs(prior_error=error, escape_loss_usd=loss),
    )

    assert cycles == min(expected, MAX_CYCLES)


@given(
    cost=st.floats(0.001, 5),
    detection=st.floats(0, 1),
    error=st.floats(0, 1),
    loss=st.floats(0, 1000),
    repeats=st.sampled_from(["same", "independent"]),
)
def test_no_other_number_of_cycles_costs_less(
    cost: float, detection: float, error: float, loss: float, repeats: str
) -> None:
    option = strategy(repeats, cycle_cost_usd=cost, detection=detection)
    wanted = needs(prior_error=error, escape_loss_usd=loss)

    least = min(expected_total(option, wanted, n) for n in range(MAX_CYCLES + 1))

    chosen = expected_total(option, wanted, best_cycles(option, wanted))
    assert chosen == pytest.approx(least, rel=1e-9, abs=1e-12)


def test_a_budget_and_limits_bound_the_cycles() -> None:
    assert best_cycles(strategy(), needs(escape_loss_usd=1e6)) > 3
    assert best_cycles(strategy(), needs(escape_loss_usd=1e6, budget=0.3)) == 3
    assert best_cycles(strategy(cycle_cost_usd=1e-310), needs(budget=1e9)) > 3
    assert best_cycles(strategy(max_cycles=2), needs(escape_loss_usd=1e6)) == 2


def test_a_limit_on_escapes_can_ask_for_more_cycles_than_pay() -> None:
    assert best_cycles(strategy(), needs(escape_loss_usd=0)) == 0

    cycles = best_cycles(strategy(), needs(escape_loss_usd=0, max_escaped=0.01))

    assert 0.2 * missed_share(strategy(), cycles) <= 0.01
    assert 0.2 * missed_share(strategy(), cycles - 1) > 0.01


@pytest.mark.parametrize(
    "raw",
    [[], [{"id": "x", "cost": 1}], [{"id": "x", "cost": 1, "detection": 2}]],
)
def test_bad_strategies_are_refused(raw: list[dict[str, object]]) -> None:
    with pytest.raises(InvalidRequestError, match="Nothing was analysed"):
        read_strategies(raw)
