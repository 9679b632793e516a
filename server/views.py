"""One noun, three views: brief for agents, full, and reference for the documented REST shape.

The nouns already carry every key of the reference document, so reference is full wherever nothing
else is said. Brief picks what an agent acts on, fractions in four significant digits; a null that
has no reason in `unknown` is left out of it.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from optimizer.allocation.pool import NO_LIMIT
from optimizer.forecasting.forecast import Forecast, MetricForecast
from optimizer.operations.forecast import ForecastRequest
from optimizer.operations.select_mcp import brief as brief_selection
from optimizer.quantities import format_amount
from optimizer.statistics import significant

View = Literal["brief", "full", "reference"]

Json = dict[str, Any]

Viewer = Callable[[Any, BaseModel, View], Json]
"""Turns an operation's answer into JSON; it sees the request, whose `detail` may ask for more."""

SHOWN_WINDOWS = 3
"""Quiet windows of a forecast in the brief view."""

SHOWN_OPTIONS = 5
"""Options of an analysis in the brief view."""

SHOWN_ALTERNATIVES = 3
"""Runners-up of a decision in the brief view."""

_HEALTH = (
    "status",
    "host",
    "cpu_usage",
    "memory_usage",
    "reliability_score",
    "reliability_seen",
    "reliability_basis",
    "issues",
    "warnings",
    "details",
    "sampled_at",
)
_LEASE = (
    "allocation_id",
    "state",
    "summary",
    "granted",
    "burst",
    "burst_risk",
    "slots",
    "units",
    "expires_in_s",
    "ttl_s",
    "fencing_token",
    "used",
    "binding_resource",
    "free_now",
    "fits_in_s",
    "shortfalls",
    "alternatives",
    "preempted",
    "next",
    "notices",
)
_HELD = (
    "allocation_id",
    "observed",
    "notices",
    "expires_in_s",
    "priority_level",
    "purpose",
    "principal",
)
_DECISION = (
    "decision_id",
    "summary",
    "status",
    "strategy",
    "scope",
    "estimated_cost",
    "cost_delta",
    "estimated_performance",
    "estimated_reliability",
    "reliability",
    "confidence_score",
    "confidence_basis",
    "constraints",
    "conflict",
    "thought_frame",
    "warnings",
    "next",
)
_PAST_DECISION = ("decision_id", "created_at", "summary", "status", "strategy", "scope")
_STEP = ("step", "action", "description", "estimated_duration", "carried_out_by")
_OPTION = (
    "id",
    "cycles",
    "expected_cost_usd",
    "p_success",
    "p_right",
    "p_escape",
    "dominated_by",
    "rejected",
    "unknown",
)
_FORECAST = (
    "forecast_available",
    "reason",
    "have_hours",
    "need_hours",
    "forecast_horizon_hours",
    "origin",
    "saturation",
    "scaling_recommendations",
    "warnings",
)


def full(answer: Any, request: BaseModel, view: View) -> Json:
    """Everything the noun has, whatever the view."""
    return plain(answer)


def plain(answer: Any) -> Json:
    """A noun as JSON; a float that is not finite is null."""
    shown: Json = to_jsonable_python(answer, inf_nan_mode="null")
    return shown


def health(answer: Any, request: BaseModel, view: View) -> Json:
    """How the machine is; brief shows what is free in words."""
    shown = plain(answer)
    if view != "brief":
        return shown
    free = _in_words(shown["free"])
    return {**brief(shown, _HEALTH, keep=("issues", "warnings")), "free": free}


def allocation(answer: Any, request: BaseModel, view: View) -> Json:
    """A lease, or why there is none."""
    shown = plain(answer)
    return brief(shown, _LEASE) if view == "brief" else shown


def allocations(answer: Any, request: BaseModel, view: View) -> Json:
    """Leases and pools; brief shows the pools in words."""
    shown = plain(answer)
    if view != "brief":
        return shown
    return {
        "allocations": [_held(lease) for lease in shown["allocations"]],
        "total": shown["total"],
        "pools": _in_words(shown["pools"]),
    }


def _in_words(pools: Json) -> Json:
    """Pools in words; one line for those without a limit of which nothing is out."""
    words = {name: pool["summary"] for name, pool in pools.items()}
    untouched = [name for name, said in words.items() if said == NO_LIMIT]
    told = {name: said for name, said in words.items() if said != NO_LIMIT}
    return {**told, NO_LIMIT: ", ".join(untouched)} if untouched else told


def _held(lease: Json) -> Json:
    """One lease of a list: what it holds, in words."""
    units = lease["units"]
    held = {name: format_amount(amount, units[name]) for name, amount in lease["granted"].items()}
    return {"granted": held, **brief({**lease, "unknown": {}}, _HELD)}


def decision(answer: Any, request: BaseModel, view: View) -> Json:
    """A decision; `detail` full shows an agent the front, the assumptions and the reasoning too."""
    shown = plain(answer)
    if view != "brief" or getattr(request, "detail", "brief") == "full":
        return shown
    steps = [_tidy(_pick(step, _STEP)) for step in shown["implementation_plan"]]
    told = brief(shown, _DECISION)
    if "conflict" in told:  # Not rounded: a limit of just these values has to be enough.
        told["conflict"] = _tidy(shown["conflict"])
    if "unknown" in told:
        told["unknown"] = _each_reason_once(told["unknown"])
    told["reasoning"] = _reasoning(shown["reasoning"])
    if shown["objective_asked"] != shown["strategy"]:
        told["objective_because"] = shown["objective_because"]
    return {**told, "implementation_plan": steps}


def _reasoning(reasoning: Json) -> Json:
    """Who chose, and what that cost; the thoughts are counted, explain_decision has them."""
    told = {**reasoning, "thoughts": len(reasoning["thoughts"])}
    if not told["is_estimated"]:
        del told["is_estimated"]
    return dict(_rounded(_tidy(told)))


def _each_reason_once(unknown: Mapping[str, str]) -> dict[str, str]:
    """Reasons under the names of all the figures that share them."""
    figures: dict[str, list[str]] = {}
    for name, reason in unknown.items():
        figures.setdefault(reason, []).append(name)
    return {", ".join(names): reason for reason, names in figures.items()}


def explanation(answer: Any, request: BaseModel, view: View) -> Json:
    """Why a decision fell so; brief has the nearest alternatives and no empty member."""
    shown = plain(answer)
    if view != "brief":
        return shown
    told = _tidy(shown)
    if "why" in told:
        nearest = told["why"]["alternatives"][:SHOWN_ALTERNATIVES]
        told["why"] = _tidy({**told["why"], "alternatives": nearest})
    return dict(_rounded(told))


def decisions(answer: Any, request: BaseModel, view: View) -> Json:
    """Past decisions, newest first; brief has a line of each."""
    shown = plain(answer)
    if view != "brief":
        return shown
    history = [brief(past, _PAST_DECISION) for past in shown["optimization_history"]]
    return {"optimization_history": history, "total": shown["total"]}


def selection(answer: Any, request: BaseModel, view: View) -> Json:
    """An analysis of MCP servers."""
    return dict(_rounded(plain(brief_selection(answer)))) if view == "brief" else plain(answer)


def analysis(answer: Any, request: BaseModel, view: View) -> Json:
    """An analysis of routes or validation strategies; brief has the best few options."""
    shown = plain(answer)
    if view != "brief":
        return shown
    options = [_tidy(_pick(option, _OPTION)) for option in shown["options"][:SHOWN_OPTIONS]]
    flips = [flip["statement"] for flip in shown["sensitivity"]]
    return dict(_rounded({**_tidy(shown), "options": options, "sensitivity": flips}))


def forecast(answer: Forecast, request: BaseModel, view: View) -> Json:
    """A forecast; brief has each metric's peak and track record, and hourly adds the hours."""
    if view != "brief":
        return plain(answer)
    hourly = isinstance(request, ForecastRequest) and request.detail == "hourly"
    shown = plain(answer)
    metrics = {name: _metric(metric, hourly=hourly) for name, metric in answer.metrics.items()}
    windows = shown["quiet_windows"][:SHOWN_WINDOWS]
    return {**brief(shown, _FORECAST), **_tidy({"metrics": metrics, "quiet_windows": windows})}


def _metric(metric: MetricForecast, *, hourly: bool) -> Json:
    """One metric of a forecast: now, its highest hour with the 80 % band, and the back-test."""
    peak = metric.peak_step
    low, middle, high = (metric.quantiles[name] for name in ("0.1", "0.5", "0.9"))
    shown: Json = {
        "unit": metric.unit,
        "model": metric.model,
        "now": metric.last,
        "mean": sum(metric.mean) / len(metric.mean),
        "peak": {
            "hour": peak + 1,
            "p10": low[peak],
            "p50": middle[peak],
            "p90": high[peak],
            "confidence": metric.confidence[peak],
        },
        "backtest": plain(metric.backtest),
        "served": _served(metric),
    }
    if hourly:
        shown["hours"] = {"p10": low, "p50": middle, "p90": high}
    return dict(_rounded(_tidy(shown)))


def _served(metric: MetricForecast) -> Json:
    """By lead: how served forecasts did, without the words."""
    return {
        lead: _tidy({"n": score.n, "skill": score.skill, "coverage": score.coverage})
        for lead, score in metric.served.items()
    }


def brief(shown: Mapping[str, Any], names: Iterable[str], *, keep: Iterable[str] = ()) -> Json:
    """The named members that say something, rounded, with the reasons for those that are null.

    Args:
        shown: A noun as JSON.
        names: What to show, in order.
        keep: Names to show even when they are empty.
    """
    picked = _pick(shown, names)
    reasons = {name: reason for name, reason in shown.get("unknown", {}).items() if name in picked}
    kept = {name: picked[name] for name in (*reasons, *keep) if name in picked}
    told = _tidy(picked)
    ordered = {name: kept.get(name, told.get(name)) for name in picked if name in kept | told}
    return dict(_rounded(ordered | ({"unknown": reasons} if reasons else {})))


def _pick(shown: Mapping[str, Any], names: Iterable[str]) -> Json:
    return {name: shown[name] for name in names if name in shown}


def _tidy(shown: Mapping[str, Any]) -> Json:
    """Without what is null or empty."""
    return {name: value for name, value in shown.items() if value not in (None, "", [], {}, ())}


def _rounded(value: Any) -> Any:
    """Whole numbers as they are, since amounts are exact; others in four significant digits."""
    if isinstance(value, float):
        return int(value) if value.is_integer() else significant(value)
    if isinstance(value, Mapping):
        return {name: _rounded(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return value
