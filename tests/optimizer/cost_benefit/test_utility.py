from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.cost_benefit.option import Claims, Option
from optimizer.cost_benefit.utility import Beliefs, Coefficients, utility

TASK = Coefficients(
    value_usd=10,
    calls=4,
    turns=5,
    waiting_usd_per_s=0.02,
    context_usd_per_token=3e-6,
    unknown_cost_usd=0,
    unknown_latency_ms=0,
)
BELIEFS = Beliefs(relevance=0.9, quality=0.8, success=0.95)
KNOWN = Claims(cost_usd=0.05, latency_ms=500, startup_ms=1000, context_tokens=1000)


def option(claims: Claims = KNOWN) -> Option:
    return Option(id="x", name="x", claims=claims)


def test_the_terms_are_those_of_the_formula() -> None:
    terms = utility(option(), BELIEFS, TASK)

    assert terms.benefit == pytest.approx(10 * 0.9 * 0.8 * 0.95)
    assert terms.calls == pytest.approx(4 * 0.05)
    assert terms.waiting == pytest.approx(0.02 * 4 * 0.5)
    assert terms.context == pytest.approx(3e-6 * 1000 * 5)
    assert terms.startup == pytest.approx(0.02 * 1)
    assert terms.net == pytest.approx(6.84 - 0.2 - 0.04 - 0.015 - 0.02)
    assert terms.unknown == {}


def test_what_is_not_known_is_named_and_not_invented() -> None:
    terms = utility(option(Claims()), BELIEFS, TASK)

    assert set(terms.unknown) == {"calls", "waiting", "context", "startup"}
    assert terms.cost == 0


def test_an_unknown_cost_is_charged_as_the_caller_says() -> None:
    task = replace(TASK, unknown_cost_usd=0.5, unknown_latency_ms=1000)

    terms = utility(option(Claims()), BELIEFS, task)

    assert (terms.calls, terms.waiting) == pytest.approx((2.0, 0.08))


amounts = st.floats(0, 1e6)
shares = st.floats(0, 1)


@given(cost=amounts, latency=amounts, tokens=amounts, more=st.floats(0.001, 1e5))
def test_a_dearer_slower_or_bigger_option_is_never_worth_more(
    cost: float, latency: float, tokens: float, more: float
) -> None:
    claims = Claims(cost_usd=cost, latency_ms=latency, context_tokens=tokens)
    here = utility(option(claims), BELIEFS, TASK).net

    for worse in (
        replace(claims, cost_usd=cost + more),
        replace(claims, latency_ms=latency + more),
        replace(claims, context_tokens=tokens + more),
    ):
        assert utility(option(worse), BELIEFS, TASK).net <= here


@given(share=shares, better=shares)
def test_more_relevance_quality_or_success_is_never_worth_less(share: float, better: float) -> None:
    low, high = sorted((share, better))

    for name in ("relevance", "quality", "success"):
        worth = [
            utility(option(), replace(BELIEFS, **{name: value}), TASK).net for value in (low, high)
        ]
        assert worth[0] <= worth[1]


@given(cost=amounts, factor=st.floats(0.01, 100))
def test_another_unit_of_money_scales_every_term(cost: float, factor: float) -> None:
    dollars = utility(option(replace(KNOWN, cost_usd=cost)), BELIEFS, TASK)
    others = utility(
        option(replace(KNOWN, cost_usd=cost * factor)),
        BELIEFS,
        replace(
            TASK,
            value_usd=TASK.value_usd * factor,
            waiting_usd_per_s=TASK.waiting_usd_per_s * factor,
            context_usd_per_token=TASK.context_usd_per_token * factor,
        ),
    )

    assert others.net == pytest.approx(dollars.net * factor, rel=1e-9, abs=1e-9)
