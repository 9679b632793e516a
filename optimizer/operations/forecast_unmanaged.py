"""What of each pool will be used by what no lease covers, in the next two hours: for admission."""

from collections.abc import Mapping
from datetime import timedelta

from optimizer.forecasting.forecast import MetricForecast
from optimizer.forecasting.served import FIVE_MINUTES
from optimizer.monitoring.unmanaged import UNMANAGED
from optimizer.operations.forecast import Forecasting, recorded_state
from optimizer.operations.past import past_of

AHEAD = timedelta(hours=2)
"""As long as most leases last, and as far as the last minutes say much."""

RESOURCES = {metric: resource for resource, metric in UNMANAGED.items()}


async def forecast_unmanaged(of: Forecasting) -> Mapping[str, MetricForecast]:
    """Forecast the use of each pool that no lease covers, in steps of five minutes.

    It is worked out once for each recorded step of five minutes, on the planner's worker, and its
    score is kept as that of every forecast.

    Args:
        of: What it is made of.

    Returns:
        By resource (cpu, memory, storage), in the unit of its pool (cores, bytes): what will be
        used with each probability, step by step for two hours. A resource of which less than three
        hours are recorded is missing.
    """
    history = {metric: of.monitor.series(metric, step=FIVE_MINUTES) for metric in RESOURCES}

    async def make() -> Mapping[str, MetricForecast]:
        host = of.monitor.host
        past = await past_of(host, monitor=of.monitor, elsewhere=None, now=of.clock())
        record, _ = await of.record(past, host)
        planned = await of.planner.plan_fine(history, host=host, horizon=AHEAD, record=record)
        await of.keep(planned.served)
        return {RESOURCES[metric]: found for metric, found in planned.metrics.items()}

    return await of.shared.answer("unmanaged", recorded_state(history), make)
