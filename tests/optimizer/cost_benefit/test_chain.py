from itertools import chain as chained
from itertools import combinations, permutations
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.cost_benefit.chain import MAX_KEPT, ROUNDING, Link, best_chain, chain_value

links = st.builds(
    Link,
    id=st.sampled_from("abcdefgh"),
    success=st.floats(0, 1),
    cost=st.floats(0, 5),
    spend=st.floats(0, 5),
)
some_links = st.lists(links, max_size=5, unique_by=lambda link: link.id)


@given(links=some_links, value=st.floats(0, 10))
def test_a_chain_is_worth_as_much_as_the_best_order_of_any_subset(
    links: list[Link], value: float
) -> None:
    orders = chained.from_iterable(permutations(links, n) for n in range(len(links) + 1))

    assert best_chain(links, value_usd=value).value == pytest.approx(
        max(chain_value(order, value) for order in orders), abs=1e-9
    )


@given(links=some_links, value=st.floats(0, 10), budget=st.floats(0, 10))
def test_a_chain_within_a_budget_is_the_best_that_fits(
    links: list[Link], value: float, budget: float
) -> None:
    orders = chained.from_iterable(permutations(links, n) for n in range(len(links) + 1))
    most = budget * (1 + ROUNDING)
    affordable = [order for order in orders if sum(link.spend for link in order) <= most]

    chain = best_chain(links, value_usd=value, budget_usd=budget)

    assert chain.spend <= budget + 1e-9
    assert chain.value == pytest.approx(
        max(chain_value(order, value) for order in affordable), abs=1e-9
    )


def test_attempts_go_by_success_per_cost_and_bad_bargains_are_dropped() -> None:
    chain = best_chain(
        [Link("dear", 0.9, 0.5), Link("cheap", 0.6, 0.1), Link("hopeless", 0.01, 2)], value_usd=5
    )

    assert chain.ids == ("cheap", "dear")
    assert chain.success == pytest.approx(1 - 0.4 * 0.1)


@given(seed=st.integers(0, 2**32), chance=st.sampled_from([0.02, 0.3, 0.9]))
def test_of_many_links_the_best_that_a_budget_allows_are_tried(seed: int, chance: float) -> None:
    random = Random(seed)
    some = [
        Link(f"s{i}", random.uniform(0, chance), price := random.uniform(0, 0.02), price)
        for i in range(9)
    ]
    ordered = sorted(some, key=lambda link: link.cost / link.success)
    sets = chained.from_iterable(combinations(ordered, n) for n in range(len(some) + 1))

    chain = best_chain(some, value_usd=1, budget_usd=0.04)

    assert chain.value == pytest.approx(
        max(chain_value(each, 1) for each in sets if sum(link.spend for link in each) <= 0.04),
        abs=1e-12,
    )


def test_where_every_set_differs_the_chain_is_nearly_the_best() -> None:
    doubling = [Link(f"s{i}", 1e-12 * 2**i, 0, 2.0**i) for i in range(24)]

    chain = best_chain(doubling, value_usd=1, budget_usd=11_184_810)

    assert chain.value == pytest.approx(11_184_810e-12, rel=24 / MAX_KEPT)
    assert chain.spend <= 11_184_810


def test_a_budget_is_not_missed_by_the_rounding_of_a_sum() -> None:
    chain = best_chain(
        [Link("a", 0.5, 0.1, 0.1), Link("b", 0.5, 0.2, 0.2)], value_usd=5, budget_usd=0.3
    )

    assert chain.ids == ("a", "b")
