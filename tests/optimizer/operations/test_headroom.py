from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import anyio

from optimizer.events import EventBus, SampleTaken
from optimizer.forecasting.forecast import MetricForecast
from optimizer.operations.headroom import Headroom

NOW = datetime(2026, 3, 2, 10, tzinfo=UTC)


def forecast(*high: float) -> MetricForecast:
    return MetricForecast(
        metric="unmanaged_cpu",
        unit="cores",
        maximum=8.0,
        model="ml_hybrid",
        step_s=300,
        origin=NOW,
        last=1.0,
        mean=high,
        quantiles=dict.fromkeys(("0.1", "0.5", "0.9", "0.95"), high),
        confidence=tuple(0.5 for _ in high),
        backtest=None,
        weights={},
    )


async def test_the_forecast_is_looked_at_once_in_five_minutes() -> None:
    looked = 0
    seen = anyio.Event()

    async def look() -> Mapping[str, MetricForecast]:
        nonlocal looked, seen
        looked += 1
        seen.set()
        return {"cpu": forecast(2.0, 3.0)}

    headroom, bus = Headroom(look), EventBus()
    bus.subscribe(headroom.hear)
    assert headroom() == {}

    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(headroom.run)
            for seconds in (0, 30, 299):
                bus.publish(SampleTaken(NOW + timedelta(seconds=seconds)))
            await seen.wait()
            seen = anyio.Event()
            bus.publish(SampleTaken(NOW + timedelta(seconds=300)))
            await seen.wait()
            tasks.cancel_scope.cancel()

    assert looked == 2
    ahead = headroom()["cpu"]
    assert list(ahead.amounts) == [2.0, 3.0]
    assert list(ahead.at) == [NOW + timedelta(minutes=5), NOW + timedelta(minutes=10)]
