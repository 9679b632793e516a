from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta as scipy_beta

from optimizer.catalog.outcomes import Measured
from optimizer.cost_benefit.option import Claims, Option
from optimizer.cost_benefit.posterior import quality, reliability, view_reliability

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def option(claim: float | None = None, *, successes: float = 0, failures: float = 0) -> Option:
    measured = Measured(
        calls=round(successes + failures),
        successes=successes,
        failures=failures,
        latency_ms=None,
        p95_latency_ms=None,
        usd=None,
        tokens=None,
        last_at=NOON,
    )
    return Option(
        id="x",
        name="x",
        claims=Claims(reliability=claim, performance=claim),
        measured=measured if measured.calls else None,
    )


def test_without_data_the_prior_of_public_servers_stands() -> None:
    belief = reliability(option())

    assert belief.mean == pytest.approx(0.94)
    assert belief.lower == pytest.approx(0.7078048523, abs=1e-6)


def test_counts_are_added_to_the_prior() -> None:
    belief = reliability(option(successes=90, failures=10))

    assert (belief.a, belief.b) == pytest.approx((93.76, 10.24))
    assert "measured" in belief.source


def test_a_claim_of_certainty_weighs_four_calls_and_no_more() -> None:
    claimed = reliability(option(1.0))
    measured = reliability(option(successes=100))

    assert (claimed.a, claimed.b) == pytest.approx((7.76, 0.24))
    assert claimed.lower < measured.lower


def test_measurements_outweigh_a_claim() -> None:
    belief = reliability(option(1.0, successes=50, failures=50))

    assert belief.mean == pytest.approx(0.535, abs=0.005)


def test_claims_and_measurements_are_shown_apart() -> None:
    candidate = option(0.99, successes=5, failures=1)

    view = view_reliability(candidate, reliability(candidate))

    assert (view["claimed"], view["measured_calls"]) == (0.99, 6)
    assert (view["measured_successes"], view["measured_failures"]) == (5, 1)


def test_claimed_quality_is_drawn_towards_not_knowing() -> None:
    assert quality(option(1.0)).mean == pytest.approx(5 / 6)
    assert quality(Option(id="x", name="x")).mean == 0.5


@given(successes=st.floats(1, 1e4), failures=st.floats(0, 1e4), more=st.floats(0.5, 1e3))
def test_more_successes_never_lower_and_more_failures_never_raise_the_belief(
    successes: float, failures: float, more: float
) -> None:
    here = reliability(option(successes=successes, failures=failures))
    better = reliability(option(successes=successes + more, failures=failures))
    worse = reliability(option(successes=successes, failures=failures + more))

    assert better.mean >= here.mean >= worse.mean
    assert better.lower >= here.lower - 1e-9
    assert here.lower >= worse.lower - 1e-9


@given(
    claim=st.none() | st.floats(0, 1),
    successes=st.floats(0, 1e5),
    failures=st.floats(0, 1e5),
)
def test_the_posterior_is_scipys(claim: float | None, successes: float, failures: float) -> None:
    belief = reliability(option(claim, successes=successes, failures=failures))

    counted = round(successes + failures) > 0
    a = 3.76 + (successes if counted else 0) + 4 * (claim or 0)
    b = 0.24 + (failures if counted else 0) + (0 if claim is None else 4 * (1 - claim))
    assert belief.mean == pytest.approx(scipy_beta.mean(a, b), abs=1e-6)
    assert belief.interval == pytest.approx(scipy_beta.ppf((0.05, 0.95), a, b), abs=1e-6)
    assert belief.lower == pytest.approx(scipy_beta.ppf(0.05, a, b), abs=1e-6)
