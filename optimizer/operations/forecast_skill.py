"""How the forecasts that were served did, against what came afterwards."""

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field

from optimizer.forecasting.forecast import ServedScore
from optimizer.forecasting.served import LEADS, RECORD_DAYS
from optimizer.forecasting.skill import Record, keep_score, width_factor, yesterday_share
from optimizer.operations.forecast import Forecasting

DECIMALS = 3


class ForecastSkillRequest(BaseModel):
    """Whose forecasts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str | None = Field(
        None, description="Host whose forecasts were served; by default this machine."
    )


class LeadScore(ServedScore):
    """How forecasts some steps ahead did, and what follows from it for the next ones."""

    lead: str = Field(description="Steps ahead that are judged together, for example 2-6h.")
    width_factor: float = Field(
        description="By how much the bands are widened (above 1) or narrowed for it."
    )
    yesterday_share: float = Field(
        ge=0, le=1, description="Share of yesterday that is mixed into the forecast for it."
    )


class ForecastSkill(BaseModel):
    """The record of served forecasts of one host."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str
    days: int = Field(description="How far back the record reaches.")
    metrics: Mapping[str, tuple[LeadScore, ...]] = Field(
        description="By metric, the shortest lead first: hours of hourly forecasts, minutes of the "
        "next two hours' forecasts that admission goes by."
    )
    notes: tuple[str, ...] = Field(description="What the record says, aloud.")


async def forecast_skill(request: ForecastSkillRequest, *, of: Forecasting) -> ForecastSkill:
    """Compare what has come since, and answer the record.

    Raises:
        NotFoundError: No machine of that name has samples.
        StorageError: The store cannot be read or written.
    """
    host = request.host or of.monitor.host
    recorded = await of.recorded(host, ())
    record = (
        Record()
        if of.keeper is None
        else await keep_score(of.keeper, recorded.past, host=host, now=of.clock())
    )
    metrics = {metric: _scores(record, metric) for metric in record.metrics}
    return ForecastSkill(host=host, days=RECORD_DAYS, metrics=metrics, notes=_notes(metrics))


def _scores(record: Record, metric: str) -> tuple[LeadScore, ...]:
    scores = record.scores(metric)
    found = []
    for lead in LEADS:
        if lead.name in scores:
            tally = record.tallies[metric, lead.name]
            found.append(
                LeadScore(
                    **dict(scores[lead.name]),
                    lead=lead.name,
                    width_factor=round(width_factor(tally, lead), DECIMALS),
                    yesterday_share=round(yesterday_share(tally, lead), DECIMALS),
                )
            )
    return tuple(found)


def _notes(metrics: Mapping[str, tuple[LeadScore, ...]]) -> tuple[str, ...]:
    if not metrics:
        return (
            "no served forecast has been compared yet: the first hour of one has to pass, and a "
            "day must be recorded before it",
        )
    return tuple(
        f"{metric}, {score.lead} ahead: {score.verdict}"
        for metric, scores in metrics.items()
        for score in scores
        if score.skill is not None and score.skill <= 0
    )
