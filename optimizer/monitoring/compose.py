"""One sample from what was measured in three places: the machine, our doors, the probes. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from optimizer.machine.readings import GpuReading, Usage, percent
from optimizer.monitoring.probes import NOT_ASKED, ProbeResult
from optimizer.monitoring.sample import METRICS, GpuUse, Reliability, Sample
from optimizer.monitoring.workload import Figures

ROLES = ("primary", "secondary")

_MEASURED = {*METRICS, "network_errors_s", "disk_errors_s"}


def compose(
    usage: Usage,
    workload: Figures,
    reliability: Reliability | str,
    probed: Mapping[str, ProbeResult],
    *,
    targets: Sequence[str],
    host: str,
    at: datetime,
) -> Sample:
    """Put a sample together; what is missing has its reason in `unknown`.

    Args:
        usage: What the machine's counters say.
        workload: What the doors counted.
        reliability: What is known of it, or why nothing is.
        probed: The last answers of the probes, by name.
        targets: Names of the configured probes; the first two are primary and secondary.
        host: The machine.
        at: When it was measured.
    """
    answers = {name: probed.get(name, ProbeResult(None, NOT_ASKED)) for name in targets}
    unknown = {**usage.unknown, **workload.unknown}
    known = None if isinstance(reliability, str) else reliability
    if isinstance(reliability, str):
        unknown |= dict.fromkeys(("reliability_score", "reliability_seen"), reliability)
    latency: dict[str, float | None] = {}
    for place, role in enumerate(ROLES):
        answer = (
            answers[targets[place]]
            if place < len(targets)
            else ProbeResult(None, "no such probe is configured ([probes] in sro.toml)")
        )
        latency[role] = answer.ms
        if answer.reason is not None:
            unknown[f"network_latency_{role}_ms"] = answer.reason
    for name, answer in answers.items():
        latency[name] = answer.ms
        if answer.reason is not None:
            unknown[f"network_latency.{name}"] = answer.reason
    reading = usage.latest
    if reading.storage_bytes is None:
        unknown["storage_bytes"] = f"{reading.storage_source} does not answer"
    return Sample(
        host=host,
        timestamp=at,
        **{name: value for name, value in usage.values.items() if name in _MEASURED},
        cpu_per_core=usage.cores,
        gpus=tuple(_gpu(each) for each in reading.gpus),
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
        network_latency_primary_ms=latency["primary"],
        network_latency_secondary_ms=latency["secondary"],
        network_latency=latency,
        cpu_cores=reading.cpu_cores,
        memory_bytes=reading.memory_bytes,
        memory_used_bytes=reading.memory_used_bytes,
        storage_bytes=reading.storage_bytes,
        capacity_source={
            "cpu": reading.cpu_source,
            "memory": reading.memory_source,
            "storage": reading.storage_source,
        },
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
