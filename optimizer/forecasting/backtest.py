"""What a set of candidates would have said at many moments of the past, against what then came."""

from collections.abc import Sequence
from dataclasses import dataclass

from optimizer.forecasting.candidates import Candidate
from optimizer.forecasting.replay import Replay
from optimizer.statistics import FloatArray


@dataclass(frozen=True)
class Backtest:
    """Forecasts made from past origins, and the one from now.

    Attributes:
        now: Each candidate's path from the end of the history, shape (k, h).
        past: Their paths from the past origins, latest first, shape (k, o, h).
        actual: What came, shape (o, h); NaN where it has not come yet.
        recency: How much each actual counts, 0 where it has not come yet, shape (o, h).
    """

    now: FloatArray
    past: FloatArray
    actual: FloatArray
    recency: FloatArray


def run_backtest(replay: Replay, candidates: Sequence[Candidate]) -> Backtest:
    """Forecast now and from past origins, with every candidate."""
    paths = replay.paths(candidates)
    return Backtest(
        now=paths[:, 0], past=paths[:, 1:], actual=replay.actual, recency=replay.recency
    )
