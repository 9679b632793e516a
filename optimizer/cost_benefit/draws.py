"""Seeded draws from what is believed, the same for an option whoever stands beside it."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from optimizer.cost_benefit.posterior import BetaBelief
from optimizer.statistics import FloatArray

DRAWS = 2000


@dataclass(frozen=True)
class Stake:
    """What of an option is uncertain.

    Attributes:
        id: The option; it also seeds its draws.
        gain: USD when quality and success are both certain: value of success times relevance.
        cost: USD of all cost terms.
        quality: Belief about quality.
        success: Belief about the success of a call.
    """

    id: str
    gain: float
    cost: float
    quality: BetaBelief
    success: BetaBelief


def probability_best(stakes: Sequence[Stake], *, seed: int) -> Mapping[str, float]:
    """How often each option has the highest utility, over draws from the beliefs.

    Args:
        stakes: The options to compare.
        seed: Draws with the same seed are the same.

    Returns:
        Option to its share of the draws; the shares add up to 1.
    """
    if not stakes:
        return {}
    ordered = sorted(stakes, key=lambda stake: stake.id)
    worth = np.stack([_worth(stake, seed) for stake in ordered])
    wins = np.bincount(worth.argmax(axis=0), minlength=len(ordered))
    return {stake.id: float(n) / DRAWS for stake, n in zip(ordered, wins, strict=True)}


def draw_success(identifier: str, belief: BetaBelief, *, seed: int) -> float:
    """One seeded draw of an option's success, for exploring (Thompson sampling)."""
    return float(_generator(identifier, seed, "explore").beta(belief.a, belief.b))


def _worth(stake: Stake, seed: int) -> FloatArray:
    generator = _generator(stake.id, seed, "best")
    success = generator.beta(stake.success.a, stake.success.b, DRAWS)
    quality = generator.beta(stake.quality.a, stake.quality.b, DRAWS)
    return stake.gain * success * quality - stake.cost


def _generator(identifier: str, seed: int, purpose: str) -> np.random.Generator:
    digest = hashlib.sha256(f"{purpose}:{seed}:{identifier}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))
