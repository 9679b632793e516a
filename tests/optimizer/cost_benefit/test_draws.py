import pytest

from optimizer.cost_benefit.draws import Stake, draw_success, probability_best
from optimizer.cost_benefit.posterior import BetaBelief


def stake(identifier: str, a: float, b: float, cost: float = 0.0) -> Stake:
    return Stake(identifier, 10, cost, BetaBelief(50, 50, ""), BetaBelief(a, b, ""))


def test_shares_add_up_to_one_and_the_better_one_leads() -> None:
    chances = probability_best([stake("a", 90, 10), stake("b", 60, 40)], seed=1)

    assert sum(chances.values()) == pytest.approx(1)
    assert chances["a"] > 0.9


def test_the_same_seed_draws_the_same_whatever_the_order() -> None:
    stakes = [stake("a", 9, 1), stake("b", 8, 2), stake("c", 7, 1)]

    assert probability_best(stakes, seed=3) == probability_best(stakes[::-1], seed=3)


def test_a_hopeless_option_takes_no_share_from_the_others() -> None:
    stakes = [stake("a", 9, 1), stake("b", 8, 2)]

    with_it = probability_best([*stakes, stake("hopeless", 1, 1, cost=100)], seed=3)

    assert with_it == {**probability_best(stakes, seed=3), "hopeless": 0.0}


def test_no_options_have_no_chances() -> None:
    assert probability_best([], seed=0) == {}


def test_exploring_draws_another_success_for_another_seed() -> None:
    belief = BetaBelief(5, 1, "")

    assert draw_success("a", belief, seed=1) == draw_success("a", belief, seed=1)
    assert draw_success("a", belief, seed=1) != draw_success("a", belief, seed=2)
