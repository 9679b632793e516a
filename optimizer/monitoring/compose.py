"""One sample from what was measured in three places: the machine, our doors, the probes. Pure."""

from collections.abc import Mapping
from datetime import datetime

from optimizer.machine.readings import GpuReading, Usage, percent
from optimizer.monitoring.latency import Latency
from optimizer.monitoring.sample import GpuUse, Reliability, Sample
from optimizer.monitoring.unmanaged import UNMANAGED
from optimizer.monitoring.workload import Figures

NOT_LOOKED_UP = dict.fromkeys(UNMANAGED.values(), "what is leased has not been looked up")


def compose(
    usage: Usage,
    workload: Figures,
    reliability: Reliability | str,
    latency: Latency,
    unmanaged: Mapping[str, float] | None,
    *,
    host: str,
    at: datetime,
) -> Sample:
    """Put a sample together; what is missing has its reason in `unknown`.

    Args:
        usage: What the machine's counters say.
        workload: What the doors counted.
        reliability: What is known of it, or why nothing is.
        latency: What the probes answered.
        unmanaged: What no lease covers, by resource; None when nobody could say what is leased.
        host: The machine.
        at: When it was measured.
    """
    reading = usage.latest
    allowed = reading.allowed
    values = dict(usage.values)
    unknown = {**usage.unknown, **workload.unknown, **latency.unknown}
    if isinstance(reliability, str):
        unknown["reliability_score"] = unknown["reliability_seen"] = reliability
        known = None
    else:
        known = reliability
    if unmanaged is None:
        unknown.update(NOT_LOOKED_UP)
    else:
        for resource, metric in UNMANAGED.items():
            if resource in unmanaged:
                values[metric] = unmanaged[resource]
            else:
                unknown[metric] = f"use of {resource} is not known"
    if allowed.storage_bytes is None:
        unknown["storage_bytes"] = f"{allowed.sources['storage']} does not answer"
    return Sample(
        host=host,
        timestamp=at,
        **values,
        cpu_per_core=usage.cores,
        gpus=tuple(map(_gpu, reading.gpus)),
        error_rate=workload.error_rate,
        throughput=workload.throughput,
        requests=workload.requests,
        requests_hour=workload.requests_hour,
        failures_hour=workload.failures_hour,
        response_time_ms=workload.response_time_ms,
        response_time_p95_ms=workload.response_time_p95_ms,
        reliability_score=known and known.at_least,
        reliability_seen=known and known.seen,
        reliability_basis=known and known.basis,
        network_latency_primary_ms=latency.ms["primary"],
        network_latency_secondary_ms=latency.ms["secondary"],
        network_latency=latency.ms,
        cpu_cores=allowed.cpu_cores,
        memory_bytes=allowed.memory_bytes,
        memory_used_bytes=reading.memory_used_bytes,
        storage_bytes=allowed.storage_bytes,
        capacity_source=allowed.sources,
        unknown=unknown,
    )


def _gpu(reading: GpuReading) -> GpuUse:
    return GpuUse(
        index=reading.index,
        name=reading.name,
        usage=reading.usage,
        memory_usage=percent(reading.memory_used_bytes, max(1, reading.memory_bytes)),
        memory_bytes=reading.memory_bytes,
        memory_used_bytes=reading.memory_used_bytes,
    )
