"""How sure a decision is that its limits will hold, and on what that rests."""

from dataclasses import dataclass

from optimizer.decisions.constraints import Asked
from optimizer.decisions.decision import ConfidenceBasis
from optimizer.decisions.figures import Candidate
from optimizer.decisions.risk import exceedance
from optimizer.decisions.snapshot import Snapshot, TrackRecord
from optimizer.statistics import beta_interval

LEAST_SETTLED = 10
"""Settled decisions from which the confidence rests on them; with fewer the prior would speak."""

PRIOR = 0.5
"""Jeffreys' prior of a share: half a decision that held and half a one that did not."""

BETA_CONFIDENCE = 0.9
"""Of the Beta interval whose lower bound is the score."""


OF_SPEED = ("max_latency_ms", "min_performance")
"""The limits of the response time."""


@dataclass(frozen=True)
class Confidence:
    """A probability with its ground; None with the reason.

    Attributes:
        score: Probability that nothing runs out and every limit holds over the horizon.
        basis: What it was computed from.
        observations: How many observations the basis has.
        reason: Why the score is None.
    """

    score: float | None
    basis: ConfidenceBasis | None = None
    observations: int | None = None
    reason: str | None = None


def confidence_in(chosen: Candidate, snapshot: Snapshot, limits: Asked) -> Confidence:
    """By the settled decisions of this machine where there are enough, else by the back-test."""
    if chosen.ways and not limits.keys().isdisjoint(OF_SPEED):
        return Confidence(None, reason="how much the task's seconds vary is not known")
    past, record = snapshot.past, snapshot.track_record
    if past is None or record is None or past.settled < LEAST_SETTLED or chosen.exhaustion is None:
        return from_backtest(chosen, snapshot, limits)
    a, b = past.held + PRIOR, past.settled - past.held + PRIOR
    return Confidence(
        score=beta_interval(a, b, confidence=BETA_CONFIDENCE)[0] * _honesty(record),
        basis="settled_decisions",
        observations=past.settled,
    )


def from_backtest(chosen: Candidate, snapshot: Snapshot, limits: Asked) -> Confidence:
    """The probability that all limits hold, by a forecast whose intervals were back-tested.

    One minus the summed probabilities of everything that demand can break: a resource that runs
    out, and a response time beyond its limit (Boole's inequality). It is scaled down by how far the
    forecast's intervals fell short of what they promise in the back-test.

    Args:
        chosen: The decision's candidate.
        snapshot: The forecast and its track record.
        limits: The limits that were asked for, by name.

    Returns:
        The confidence; None with a reason without a forecast or without a back-test.
    """
    if chosen.exhaustion is None:
        return Confidence(None, reason="there is no forecast of cpu and memory yet")
    record = snapshot.track_record
    if record is None:
        return Confidence(None, reason="the forecast has not been back-tested yet")
    breaks = chosen.exhaustion[1] + _too_slow(chosen, snapshot, limits)
    return Confidence(
        score=max(0.0, 1 - breaks) * _honesty(record),
        basis="forecast_backtest",
        observations=record.observations,
    )


def _honesty(record: TrackRecord) -> float:
    """How far the forecast's intervals kept their promise, at most 1."""
    return min(1.0, record.coverage / record.nominal)


def _too_slow(chosen: Candidate, snapshot: Snapshot, limits: Asked) -> float:
    """The probability that CPU demand makes responses slower than the limits allow.

    With W = S / (1 - rho), a response time of at most W* means a use of at most 1 - S / W*, where
    S = W (1 - rho) from what the candidate is expected to have.
    """
    if chosen.stretch is None or chosen.latency_ratio is None:
        return 0.0
    allowed = (
        [100 * chosen.latency_ratio / (100 - limits["min_performance"])]
        if (limits.get("min_performance", 100.0) < 100)
        else []
    )
    if "max_latency_ms" in limits and chosen.latency_ms is not None and limits["max_latency_ms"]:
        allowed.append(chosen.latency_ms / limits["max_latency_ms"])
    cpu = snapshot.state("cpu")
    if not allowed or cpu is None or not cpu.outlook:
        return 0.0
    most_use = 1 - max(allowed) / chosen.stretch
    return exceedance([(q.probability, q.amount) for q in cpu.outlook], most_use * chosen.cores)
