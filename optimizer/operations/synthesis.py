"""Forecasts, choices of MCP servers and reallocations thought over: first what is computed."""

import math
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from optimizer.cost_benefit.analysis import McpSelectionAnalysis, OptionView, Recommendations
from optimizer.decisions.solve import MOST_OPTIONS, WITHIN
from optimizer.forecasting.forecast import BacktestScore, Forecast, Synthesis
from optimizer.operations.optimize import Thinks
from optimizer.operations.reallocate import Choice, Choose, Proposal
from optimizer.thinking.question import Candidate, OnThought, Question, Verdict

WITHOUT = "without_"
"""Begins the id of the candidate that leaves out the proposal of a number."""


@dataclass(frozen=True)
class Ranked:
    """Candidates in the order of one measure, the least first.

    Attributes:
        candidates: As thinking sees them.
        measures: The measure of each; None where it is not known.
        unit: What is measured.
    """

    candidates: tuple[Candidate, ...]
    measures: Mapping[str, float | None]
    unit: str

    def refusal(self, candidate_id: str) -> str | None:
        """Why a choice cannot stand; None when it can."""
        best = self.candidates[0].id
        if candidate_id not in self.measures:
            return f"{candidate_id[:60]!r} is none of the candidates"
        ours, theirs = self.measures[best], self.measures[candidate_id]
        if ours is None or theirs is None or theirs > ours + WITHIN * abs(ours):
            return f"{candidate_id} is more than {WITHIN:.0%} worse than {best} in {self.unit}"
        return None


async def synthesise_forecast(
    forecast: Forecast,
    *,
    thinker: Thinks,
    budget: timedelta,
    on_thought: OnThought | None = None,
) -> Forecast:
    """Think over which model's forecast to act on; the numbers stay as they were computed.

    Args:
        forecast: As it was computed.
        thinker: Thinks.
        budget: The most time that it may take.
        on_thought: Told of each thought.

    Returns:
        The forecast with its synthesis; as it came where there are not two models to weigh.
    """
    asked = forecast_question(forecast, _new_id("forecast"))
    if asked is None:
        return forecast
    verdict = await _think(asked, thinker, budget, on_thought)
    synthesis = Synthesis(act_on=str(verdict.candidate_id), reasoning=verdict.reasoning)
    return forecast.model_copy(update={"synthesis": synthesis})


async def synthesise_selection(
    analysis: McpSelectionAnalysis,
    *,
    task: str,
    thinker: Thinks,
    budget: timedelta,
    on_thought: OnThought | None = None,
) -> McpSelectionAnalysis:
    """Think over which MCP server to use; a choice that stands becomes the recommendation.

    Args:
        analysis: As it was computed.
        task: The task in words.
        thinker: Thinks.
        budget: The most time that it may take.
        on_thought: Told of each thought.

    Returns:
        The analysis with its reasoning; as it came where fewer than two can be recommended.
    """
    asked = selection_question(analysis, _new_id("selection"), task=task)
    if asked is None:
        return analysis
    verdict = await _think(asked, thinker, budget, on_thought)
    found = analysis["recommendations"]
    first = found["primary_recommendation"]
    chosen = next((o for o in found["alternatives"] if o["mcp_id"] == verdict.candidate_id), first)
    others = [first, *(one for one in found["alternatives"] if one is not chosen)]
    recommended = Recommendations(
        primary_recommendation=chosen,
        alternatives=found["alternatives"] if chosen is first else others,
        fallback_chain=found["fallback_chain"],
        set=found["set"],
    )
    return {**analysis, "recommendations": recommended, "reasoning": verdict.reasoning}


def reallocation_choice(
    thinker: Thinks, *, budget: timedelta, on_thought: OnThought | None = None
) -> Choose:
    """Thinks over whether one of the proposed changes is to be left out.

    Args:
        thinker: Thinks.
        budget: The most time that it may take.
        on_thought: Told of each thought.
    """

    async def choose(proposals: tuple[Proposal, ...]) -> Choice | None:
        asked = reallocation_question(proposals, _new_id("reallocation"))
        if asked is None:
            return None
        verdict = await _think(asked, thinker, budget, on_thought)
        left_out = str(verdict.candidate_id).removeprefix(WITHOUT)
        return Choice(int(left_out) - 1 if left_out.isdecimal() else None, verdict.reasoning)

    return choose


async def _think(
    asked: tuple[Question, Ranked],
    thinker: Thinks,
    budget: timedelta,
    on_thought: OnThought | None,
) -> Verdict:
    question, ranked = asked
    return await thinker.think(question, budget=budget, on_thought=on_thought, judge=ranked.refusal)


def _new_id(topic: str) -> str:
    """Names the scratchpad page of a question that no decision is kept for."""
    return f"{topic}-{secrets.token_hex(8)}"


def forecast_question(forecast: Forecast, question_id: str) -> tuple[Question, Ranked] | None:
    """Which model's forecast to act on; None when there are not two with a track record.

    The measure is the geometric mean over metrics of a model's error relative to that of repeating
    yesterday; the solver's choice is the model that the forecast acts on.

    Args:
        forecast: As it was computed.
        question_id: What the thoughts belong to.
    """
    errors = {
        name: _relative_error(model.backtest) for name, model in forecast.model_forecasts.items()
    }
    acts_on = {metric.model for metric in forecast.metrics.values()}
    ranked = sorted(
        (name for name, error in errors.items() if error is not None),
        key=lambda name: (name not in acts_on, errors[name]),
    )[:MOST_OPTIONS]
    if len(ranked) < 2:
        return None
    candidates = tuple(
        Candidate(
            id=name,
            summary=f"error {errors[name]:.3f} times that of repeating yesterday",
            figures=_scores(forecast.model_forecasts[name].backtest),
        )
        for name in ranked
    )
    question = Question(
        decision_id=question_id,
        topic="forecast",
        situation=tuple(
            f"{name} was {metric.last:.4g} {metric.unit} in the last hour."
            for name, metric in forecast.metrics.items()
        ),
        outlook=(*_outlook(forecast), *_disagreement(forecast, ranked)),
        candidates=candidates,
        chosen_because=f"the forecast acts on {ranked[0]}, whose error on the recorded past is "
        f"{errors[ranked[0]]:.3f} times that of repeating yesterday",
    )
    return question, Ranked(candidates, {n: errors[n] for n in ranked}, "back-tested error")


def selection_question(
    analysis: McpSelectionAnalysis, question_id: str, *, task: str
) -> tuple[Question, Ranked] | None:
    """Which MCP server to use; None when fewer than two can be recommended.

    Args:
        analysis: As it was computed.
        question_id: What the thoughts belong to.
        task: The task in words.
    """
    found = analysis["recommendations"]
    recommended = [found["primary_recommendation"], *found["alternatives"]][:MOST_OPTIONS]
    options = {option["mcp_id"]: option for option in analysis["options"]}
    named = [one for one in recommended if one["mcp_id"] is not None]
    if len(named) < 2:
        return None
    candidates = tuple(
        Candidate(
            id=str(one["mcp_id"]), summary=one["reason"], figures=_figures(options[one["mcp_id"]])
        )
        for one in named
        if one["mcp_id"] in options
    )
    question = Question(
        decision_id=question_id,
        topic="mcp_selection",
        situation=(
            f"{len(named)} of {len(options)} servers can be recommended.",
            *(f"{one['mcp_id']} is rejected: {one['reason']}." for one in analysis["rejected"]),
        ),
        context=task,
        candidates=candidates,
        chosen_because=named[0]["reason"],
    )
    measures = {str(one["mcp_id"]): _loss(one["net_usd"]) for one in named}
    return question, Ranked(candidates, measures, "net dollars a task")


def reallocation_question(
    proposals: tuple[Proposal, ...], question_id: str
) -> tuple[Question, Ranked] | None:
    """Whether to make all proposed changes, or all but one; None when there is none.

    The measure is how many changes are made; the solver makes them all.

    Args:
        proposals: In the order in which they would be made.
        question_id: What the thoughts belong to.
    """
    if not proposals:
        return None
    count = len(proposals)
    without = [
        Candidate(
            id=f"{WITHOUT}{at}",
            summary=f"all but change {at}",
            figures={"changes": float(count - 1)},
        )
        for at in range(1, min(count, MOST_OPTIONS - 1) + 1)
    ]
    everything = Candidate(
        id="all", summary=f"all {count} changes", figures={"changes": float(count)}
    )
    candidates = (everything, *without)
    question = Question(
        decision_id=question_id,
        topic="reallocation",
        situation=tuple(f"Change {at}: {one.why}" for at, one in enumerate(proposals, start=1)),
        candidates=candidates,
        chosen_because=f"all {count} changes give leases what they asked for, and none falls below "
        "what it accepts",
    )
    kept = {c.id: -float(c.figures["changes"] or 0.0) for c in candidates}
    return question, Ranked(candidates, kept, "changes made")


def _loss(net_usd: float | None) -> float | None:
    """Dollars that a choice leaves behind: less is better, as every measure here."""
    return None if net_usd is None else -net_usd


def _relative_error(scores: Mapping[str, BacktestScore]) -> float | None:
    """Geometric mean of error over naive error; None where nothing can be compared."""
    ratios = [s.error / s.naive_error for s in scores.values() if s.naive_error > 0 < s.error]
    return math.exp(sum(map(math.log, ratios)) / len(ratios)) if ratios else None


def _scores(scores: Mapping[str, BacktestScore]) -> dict[str, float | None]:
    return {f"{metric}_skill": score.skill for metric, score in scores.items()}


def _outlook(forecast: Forecast) -> Sequence[str]:
    peaks = [
        f"{name} peaks in hour {metric.peak_step + 1}: 0.5 quantile "
        f"{metric.quantiles['0.5'][metric.peak_step]:.4g}, 0.9 quantile "
        f"{metric.quantiles['0.9'][metric.peak_step]:.4g} {metric.unit}."
        for name, metric in forecast.metrics.items()
    ]
    reached = [
        f"{one.metric} may reach {one.limit:.4g} in {one.in_hours:.0f} h "
        f"(probability {one.probability:.2f})."
        for one in forecast.saturation
    ]
    return [*peaks, *reached]


def _disagreement(forecast: Forecast, models: Sequence[str]) -> Iterator[str]:
    """The hour about which the models differ most, for each metric that all of them foresee."""
    for metric in ("cpu_usage", "memory_usage"):
        rows = {
            name: [getattr(step, metric) for step in forecast.model_forecasts[name].predictions]
            for name in models
        }
        if any(None in row for row in rows.values()):
            continue
        hours = [
            sorted(zip(values, rows, strict=True)) for values in zip(*rows.values(), strict=True)
        ]
        at = max(range(len(hours)), key=lambda hour: hours[hour][-1][0] - hours[hour][0][0])
        (low, lowest), (high, highest) = hours[at][0], hours[at][-1]
        yield (
            f"The models differ most about {metric} in hour {at + 1}: {low:.4g} % ({lowest}) to "
            f"{high:.4g} % ({highest})."
        )


def _figures(option: OptionView) -> dict[str, float | None]:
    return {
        "net_usd": option["net_usd"],
        "p_success": option["reliability"]["value"],
        "cost_usd": option["cost_usd"]["value"],
        "latency_ms": option["latency_ms"]["value"],
        "context_tokens": option["context_tokens"]["value"],
        "relevance": option["relevance"],
    }
