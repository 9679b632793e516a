from itertools import chain as chained
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.cost_benefit.chain import Link, best_chain, chain_value

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
    affordable = [order for order in orders if sum(link.spend for link in order) <= budget]

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
