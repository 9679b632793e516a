"""What is coming, as data: predictions, bands, their track record, and what follows from them.

Hours are counted from `origin`, the end of the last whole hour that was recorded; hour 1 begins
there. What is not known is null, and `unknown` says why.
"""

from collections.abc import Mapping
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from optimizer.thinking.question import Reasoning

Priority = Literal["low", "medium", "high", "critical"]
QuantileName = Literal["0.1", "0.5", "0.9", "0.95"]

CONFIDENCE_TEXT = (
    "Probability, 0 to 1, that the actual value lies within 10 percentage points of the 0.5 "
    "quantile (a tenth of another maximum; without a maximum within 20 % of the quantile itself), "
    "read off the forecast's own quantiles, "
    "which come from its errors in the back-test."
)


class _Noun(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Prediction(_Noun):
    """What one model expects for one hour."""

    hour_offset: int = Field(ge=1, description="Hours after the origin of the forecast.")
    timestamp: AwareDatetime = Field(description="End of the hour that is predicted, UTC.")
    cpu_usage: float | None = Field(
        description="Expected busy share of all cores, in %; null when it was not forecast."
    )
    memory_usage: float | None = Field(
        description="Expected used share of memory, in %; null when it was not forecast."
    )
    confidence: float | None = Field(
        ge=0,
        le=1,
        description="Probability, at least, with which each of the two lies within 10 percentage "
        "points of what is expected: the smaller of theirs, read off the model's own quantiles, "
        "which come from its errors in the back-test.",
    )


class BacktestScore(_Noun):
    """How a model did when it forecast the recent past again, from what was known then."""

    skill: float | None = Field(
        description="1 - error / error of repeating yesterday: 1 perfect, 0 no better, below 0 "
        "worse; null when repeating yesterday made no error."
    )
    error: float = Field(ge=0, description="Mean absolute error, in the metric's unit.")
    naive_error: float = Field(
        ge=0, description="Mean absolute error of repeating yesterday, in the metric's unit."
    )
    coverage: float | None = Field(
        ge=0,
        le=1,
        description="Share of actual values inside the 80 % band; null when too few to tell.",
    )
    n: int = Field(ge=0, description="Actual values that were compared.")


class ServedScore(_Noun):
    """How forecasts that were served did, against what came afterwards."""

    n: int = Field(
        ge=0,
        description="Forecast steps that were compared. Forecasts of one day are alike, so they "
        "tell less than as many independent ones.",
    )
    skill: float | None = Field(
        description="1 - error / error of repeating the last day before the forecast: 1 perfect, "
        "0 no better, below 0 worse; null when that made no error, or nothing was compared."
    )
    coverage: float | None = Field(
        ge=0, le=1, description="Share of actual values inside the 80 % band; null when n is 0."
    )
    coverage_interval: tuple[float, float] = Field(
        description="Where the true share lies with 95 % confidence, were steps independent."
    )
    verdict: str = Field(description="The same in words.")


class MetricForecast(_Noun):
    """What is expected of one metric, step by step."""

    metric: str = Field(description="Name of the metric.")
    unit: str = Field(description="Unit of every value.")
    maximum: float | None = Field(description="Largest possible value; null when open.")
    model: str = Field(description="Model that made it.")
    step_s: int = Field(gt=0, description="Seconds in one step.")
    origin: AwareDatetime = Field(description="When the first step begins, UTC.")
    last: float = Field(description="Mean of the last recorded step.")
    mean: tuple[float, ...] = Field(description="Point forecast of each step.")
    quantiles: Mapping[QuantileName, tuple[float, ...]] = Field(
        description="By probability: the value that each step stays below with it. 0.1 to 0.9 is "
        "the 80 % band."
    )
    confidence: tuple[float, ...] = Field(description="For each step. " + CONFIDENCE_TEXT)
    backtest: BacktestScore | None = Field(
        description="Track record on the recent past; null when history is too short for one."
    )
    weights: Mapping[str, float] = Field(
        description="Share of each way to continue the series in the mixture; empty for a cold "
        "start."
    )
    served: Mapping[str, ServedScore] = Field(
        default_factory=dict,
        description="By lead (1h, 2-6h, 7-24h, 25-168h): how the forecasts served in the last 30 "
        "days did against what came; empty before one was compared. The bands are widened or "
        "narrowed, and yesterday is mixed in, as this record says.",
    )

    @property
    def peak_step(self) -> int:
        """Index of the step with the highest 0.9 quantile."""
        high = self.quantiles["0.9"]
        return high.index(max(high))


class ModelForecast(_Noun):
    """What one model expects, in the reference document's shape, and how it did before."""

    predictions: tuple[Prediction, ...] = Field(description="One for each hour.")
    backtest: Mapping[str, BacktestScore] = Field(
        description="Track record by metric, as far as there is one."
    )


class Saturation(_Noun):
    """A metric that is about to reach its limit."""

    metric: str
    limit: float = Field(description="The critical threshold, in the metric's unit.")
    at: AwareDatetime = Field(
        description="Beginning of the first hour whose 0.9 quantile is at or above the limit, UTC."
    )
    in_hours: float = Field(ge=0, description="Hours from the forecast's making until then.")
    probability: float = Field(
        ge=0, le=1, description="Largest probability of being above the limit in any one hour."
    )
    peak: float = Field(description="Highest 0.9 quantile over the horizon.")


class QuietWindow(_Noun):
    """Hours in which heavy work would disturb least."""

    start: AwareDatetime
    end: AwareDatetime
    hours: int = Field(ge=1)
    cpu_usage: float = Field(description="Highest 0.9 quantile of cpu_usage in it, in %.")
    memory_usage: float | None = Field(
        description="Highest 0.9 quantile of memory_usage in it, in %; null when not forecast."
    )


class Spike(_Noun):
    """An hour far above what that hour usually brings."""

    metric: str
    at: AwareDatetime = Field(description="Beginning of its first hour, UTC.")
    hours: int = Field(ge=1, description="How long it lasted.")
    size: float = Field(gt=0, description="Largest excess over the usual, in the metric's unit.")
    usual: float = Field(description="What that hour usually brings.")
    is_over: bool = Field(description="False when the last recorded hour belongs to it.")


class ScalingRecommendation(_Noun):
    """How much more, or less, of a resource the forecast calls for."""

    type: str = Field(description="scale_<resource>_resources, or reduce_<resource>_resources.")
    priority: Priority = Field(description="From the hours that are left until it is needed.")
    target_increase: str = Field(
        description="How much more of the resource, in % of what there is now; negative for less."
    )
    reason: str = Field(description="What is predicted, with numbers.")
    metric: str = Field(description="Metric that it follows from.")
    probability: float = Field(
        ge=0, le=1, description="Probability of exhaustion, in the worst hour, if nothing is done."
    )
    target_probability: float = Field(
        ge=0,
        le=1,
        description="What the change brings that probability down to, or keeps it under.",
    )
    needed_by: AwareDatetime | None = Field(
        description="When the probability first exceeds its target, UTC; null for a reduction."
    )


class Synthesis(_Noun):
    """The forecast thought over: which model to act on, and how that came about."""

    act_on: str = Field(description="The model; its predictions stand in model_forecasts.")
    reasoning: Reasoning


class Forecast(_Noun):
    """What is coming on one host."""

    schema_version: Literal[1] = 1
    forecast_available: bool
    reason: str | None = Field(
        None, description="Why there is no forecast, and what is still missing."
    )
    have_hours: float = Field(ge=0, description="Hours of history that are recorded.")
    need_hours: float = Field(ge=0, description="Hours of history that a first forecast needs.")
    host: str | None = None
    forecast_horizon_hours: int = Field(ge=1, le=168)
    generated_at: AwareDatetime
    origin: AwareDatetime | None = Field(
        None, description="End of the last recorded hour, from which hours are counted, UTC."
    )
    metrics: Mapping[str, MetricForecast] = Field(
        default_factory=dict, description="By metric, from the model to act on."
    )
    model_forecasts: Mapping[str, ModelForecast] = Field(
        default_factory=dict, description="By model, in the reference document's shape."
    )
    saturation: tuple[Saturation, ...] = Field((), description="The earliest first.")
    quiet_windows: tuple[QuietWindow, ...] = Field((), description="The quietest first.")
    spikes: tuple[Spike, ...] = Field((), description="Of the last week, the latest first.")
    scaling_recommendations: tuple[ScalingRecommendation, ...] = Field(
        (), description="The most urgent first."
    )
    synthesis: Synthesis | None = Field(
        None, description="With use_sequential_thinking: the models weighed; else null."
    )
    warnings: tuple[str, ...] = Field(
        (), description="What to know before acting on it: short history, no better than naive, …"
    )
    unknown: Mapping[str, str] = Field(
        default_factory=dict, description="Why a figure is null or missing, by its name."
    )
