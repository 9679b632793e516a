"""How reliable and how good an option is, as a distribution rather than a number."""

from dataclasses import dataclass

from typing_extensions import TypedDict

from optimizer.cost_benefit.figure import rounded
from optimizer.cost_benefit.option import Option
from optimizer.statistics import beta_interval, beta_quantile

PRIOR_SUCCESSES = 3.76
PRIOR_FAILURES = 0.24
PRIOR_SOURCE = "prior Beta(3.76, 0.24), fitted on the success rates of 137 public MCP servers"

CLAIM_STRENGTH = 4.0
"""Pseudo-observations that a claim counts for: outweighed after a few real calls."""

INTERVAL = 0.9


class ReliabilityView(TypedDict):
    """Reliability as answers show it; claim and measurements stay apart."""

    value: float | None
    interval: list[float | None]
    claimed: float | None
    measured_calls: int
    measured_successes: float | None
    measured_failures: float | None
    source: str


@dataclass(frozen=True)
class BetaBelief:
    """What is believed of a share: Beta(a, b).

    Attributes:
        a: First shape: the prior's, the claim's and the counted successes together.
        b: Second shape, the same of failures.
        source: What the belief is made of.
    """

    a: float
    b: float
    source: str

    @property
    def mean(self) -> float:
        """Expected share."""
        return self.a / (self.a + self.b)

    @property
    def interval(self) -> tuple[float, float]:
        """Where the share lies with a probability of 90 %."""
        return beta_interval(self.a, self.b, confidence=INTERVAL)

    @property
    def lower(self) -> float:
        """The lower bound of the 90 % interval: what a limit is held against."""
        return beta_quantile((1 - INTERVAL) / 2, self.a, self.b)


def reliability(option: Option) -> BetaBelief:
    """The share of calls that succeed: Beta(3.76 + s, 0.24 + f), a claim as four observations.

    Args:
        option: Its claim and its measured, discounted successes s and failures f are used.
    """
    a, b = PRIOR_SUCCESSES, PRIOR_FAILURES
    parts = []
    measured = option.measured
    if measured is not None and measured.successes + measured.failures > 0:
        a, b = a + measured.successes, b + measured.failures
        parts.append(
            f"measured: {measured.successes:.1f} successes and {measured.failures:.1f} failures, "
            f"discounted, of {measured.calls} calls"
        )
    claim = option.claims.reliability
    if claim is not None:
        a, b = a + CLAIM_STRENGTH * claim, b + CLAIM_STRENGTH * (1 - claim)
        parts.append(f"claimed {claim:g}, counted as 4 observations")
    return BetaBelief(a, b, "; ".join([*parts, PRIOR_SOURCE]))


def quality(option: Option) -> BetaBelief:
    """How good its answers are, 0 to 1: a claim as four observations on a uniform prior.

    Nothing measures quality yet, so a claim of 1.0 is believed as 0.83, and silence as 0.5.
    """
    claim = option.claims.performance
    if claim is None:
        return BetaBelief(1.0, 1.0, "no performance is claimed: uniform prior")
    return BetaBelief(
        1 + CLAIM_STRENGTH * claim,
        1 + CLAIM_STRENGTH * (1 - claim),
        f"claimed performance {claim:g}, counted as 4 observations on a uniform prior",
    )


def view_reliability(option: Option, belief: BetaBelief) -> ReliabilityView:
    """Reliability for an answer."""
    measured = option.measured
    low, high = belief.interval
    return {
        "value": rounded(belief.mean),
        "interval": [rounded(low), rounded(high)],
        "claimed": option.claims.reliability,
        "measured_calls": measured.calls if measured else 0,
        "measured_successes": rounded(measured.successes) if measured else None,
        "measured_failures": rounded(measured.failures) if measured else None,
        "source": belief.source,
    }
