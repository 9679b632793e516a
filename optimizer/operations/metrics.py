"""get_metrics: the latest sample, where it is going, the pools; and the recent past."""

import math
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated

import anyio.to_thread
import numpy as np
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from optimizer.allocation.pool import PoolState
from optimizer.catalog.spent import Spent
from optimizer.monitoring.monitor import PerformanceMonitor
from optimizer.monitoring.sample import METRICS, Alert, Sample, Trend, TrendWord
from optimizer.operations.census import McpCensus
from optimizer.statistics import FloatArray

HISTORY_POINTS = 40
"""Points of a history, so that its answer stays small."""

MAX_MINUTES = 1440

USE_WINDOW = timedelta(hours=1)
"""Tokens and cost of recorded calls look back this far."""


class MetricsRequest(BaseModel):
    """Nothing to choose."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ResourceAllocation(BaseModel):
    """What is leased."""

    model_config = ConfigDict(frozen=True)

    total_allocations: int = Field(description="Leases that are held now.")
    resource_utilization: dict[str, PoolState] = Field(description="Every pool, by resource.")


class ReportedUse(BaseModel):
    """What the calls of the last hour used, as far as report_usage or our own doors know."""

    model_config = ConfigDict(frozen=True)

    window_s: float = Field(description="Seconds that are looked back on.")
    calls: int = Field(description="Calls that were recorded.")
    tokens_per_s: float | None = Field(description="Tokens per second, mean of the window.")
    tokens_per_operation: float | None = Field(description="Mean of the calls that state tokens.")
    usd_per_hour: float | None = Field(description="US dollars per hour, sum of the window.")
    usd_per_operation: float | None = Field(description="Mean of the calls that state a cost.")
    unknown: dict[str, str] = Field(description="Why a figure is null.")


class MetricsReport(BaseModel):
    """The reference document's three tables, and what stands behind them."""

    model_config = ConfigDict(frozen=True)

    current_metrics: Sample
    performance_trends: dict[str, TrendWord | None] = Field(
        description="cpu_trend, memory_trend and error_trend; null when there is too little data."
    )
    resource_allocation: ResourceAllocation
    trends: dict[str, Trend] = Field(description="The trends with their slopes and reasons.")
    alerts: tuple[Alert, ...] = Field(description="What is beyond a threshold now.")
    usage: ReportedUse | None = Field(
        None, description="Tokens and cost of recorded calls; null without a store to ask."
    )
    mcp_servers: McpCensus | None = Field(
        None, description="MCP servers that run here; null until they were counted."
    )
    unknown: dict[str, str] = Field(description="Why a trend is null.")
    computed_at: AwareDatetime


class MetricsHistory(BaseModel):
    """The recent past, thinned to means of equal steps."""

    model_config = ConfigDict(frozen=True)

    host: str
    start: AwareDatetime = Field(description="Beginning of the first step, UTC.")
    step_s: float = Field(description="Width of a step in seconds.")
    metrics: dict[str, tuple[float | None, ...]] = Field(
        description="Mean of each step, oldest first; null where nothing was recorded."
    )
    units: dict[str, str] = Field(description="Unit of each metric.")
    unknown: dict[str, str] = Field(description="Why a stored metric is not among them.")


async def get_metrics(
    request: MetricsRequest,
    *,
    monitor: PerformanceMonitor,
    pools: Mapping[str, PoolState],
    total_allocations: int,
    census: McpCensus | None = None,
    spent: Spent | None = None,
) -> MetricsReport:
    """Answer the latest sample, its trends, and the pools.

    Args:
        request: Nothing to choose.
        monitor: Of this machine.
        pools: What is leased and free.
        total_allocations: Leases that are held.
        census: The last count of MCP servers.
        spent: What the calls of the last `USE_WINDOW` used.

    Raises:
        DependencyError: CPU or memory of this machine cannot be read.
    """
    sample = await anyio.to_thread.run_sync(monitor.get_current_metrics)
    trends = monitor.trends()
    return MetricsReport(
        current_metrics=sample,
        performance_trends={name: trend.trend for name, trend in trends.items()},
        resource_allocation=ResourceAllocation(
            total_allocations=total_allocations, resource_utilization=dict(pools)
        ),
        trends=trends,
        alerts=monitor.alerts,
        usage=None if spent is None else use_of(spent),
        mcp_servers=census,
        unknown={name: trend.reason for name, trend in trends.items() if trend.reason is not None},
        computed_at=sample.timestamp,
    )


def use_of(spent: Spent, window: timedelta = USE_WINDOW) -> ReportedUse:
    """Rates and means from sums; what no call stated is null, not nothing."""
    seconds = window.total_seconds()
    unknown: dict[str, str] = {}
    nothing = "no call was recorded" if not spent.calls else "no recorded call stated it"
    reason = f"{nothing} in the last {seconds / 60:.0f} minutes (report_usage records calls)"
    if not spent.calls_with_tokens:
        unknown |= dict.fromkeys(("tokens_per_s", "tokens_per_operation"), reason)
    if not spent.calls_with_usd:
        unknown |= dict.fromkeys(("usd_per_hour", "usd_per_operation"), reason)
    return ReportedUse(
        window_s=seconds,
        calls=spent.calls,
        tokens_per_s=spent.tokens / seconds if spent.calls_with_tokens else None,
        tokens_per_operation=_mean(spent.tokens, spent.calls_with_tokens),
        usd_per_hour=spent.usd / seconds * 3600 if spent.calls_with_usd else None,
        usd_per_operation=_mean(spent.usd, spent.calls_with_usd),
        unknown=unknown,
    )


def _mean(total: float, count: int) -> float | None:
    return total / count if count else None


def get_metrics_history(
    minutes: Annotated[int, Field(ge=1, le=MAX_MINUTES)], *, monitor: PerformanceMonitor
) -> MetricsHistory:
    """The last minutes in at most `HISTORY_POINTS` means, from the first that is known."""
    recent = monitor.recent(timedelta(minutes=minutes), points=HISTORY_POINTS)
    known = {name: series for name, series in recent.items() if not np.isnan(series.values).all()}
    first = min((int(np.argmax(~np.isnan(each.values))) for each in known.values()), default=0)
    some = recent["cpu_usage"]
    return MetricsHistory(
        host=monitor.host,
        start=some.start + first * some.step,
        step_s=some.step.total_seconds(),
        metrics={name: _shown(series.values[first:]) for name, series in known.items()},
        units={name: METRICS[name].unit for name in known},
        unknown=dict.fromkeys(
            (name for name in recent if name not in known),
            f"not recorded in the last {minutes} minutes",
        ),
    )


def _shown(values: FloatArray) -> tuple[float | None, ...]:
    """Four digits each: more would only cost tokens."""
    return tuple(None if math.isnan(value) else float(f"{value:.4g}") for value in values.tolist())
