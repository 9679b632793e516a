"""One sample from three places."""

from optimizer.machine.readings import GpuReading, usage_between
from optimizer.monitoring.compose import compose
from optimizer.monitoring.latency import latency_of
from optimizer.monitoring.probes import ProbeResult
from optimizer.monitoring.sample import METRICS, Reliability, Sample
from optimizer.monitoring.workload import Figures
from tests.optimizer.monitoring.fakes import NOON, READING

QUIET = Figures(None, None, None, None, 0, 0, 0, {"error_rate": "no requests"})
LIKELY = Reliability(at_least=0.84, seen=0.94, basis="0 of 20 requests failed")


def composed(probed: dict[str, ProbeResult], *targets: str) -> Sample:
    usage = usage_between(READING, READING._replace(monotonic_s=1.0, total_ticks=200))
    assert usage is not None
    return compose(usage, QUIET, LIKELY, latency_of(targets, probed), {}, host="here", at=NOON)


def test_every_metric_that_is_missing_says_why() -> None:
    sample = composed({})

    missing = {name for name in METRICS if sample.value(name) is None}
    from_the_machine = {"swap_usage", "network_latency_primary_ms", "network_latency_secondary_ms"}
    assert from_the_machine <= missing & set(sample.unknown)
    assert "no such probe is configured" in sample.unknown["network_latency_primary_ms"]


def test_the_first_two_probes_are_primary_and_secondary() -> None:
    answers = {"a": ProbeResult(12.5), "b": ProbeResult(None, "status 503"), "c": ProbeResult(7.0)}

    sample = composed(answers, "a", "b", "c")

    assert sample.network_latency == {
        "primary": 12.5,
        "secondary": None,
        "a": 12.5,
        "b": None,
        "c": 7.0,
    }
    assert sample.network_latency_primary_ms == 12.5
    assert sample.unknown["network_latency_secondary_ms"] == "status 503"


def test_a_probe_that_has_not_been_asked_yet_is_unknown() -> None:
    assert composed({}, "a").unknown["network_latency_primary_ms"] == "not asked yet"


def test_capacity_comes_with_its_sources() -> None:
    sample = composed({})

    assert (sample.cpu_cores, sample.memory_bytes, sample.storage_bytes) == (2.0, 1000, 5000)
    assert sample.capacity_source == {"cpu": "host", "memory": "host", "storage": "statvfs /"}


def test_devices_and_errors_are_shown_beside_the_stored_metrics() -> None:
    before = READING._replace(counters={"network_errors_s": 4})
    device = GpuReading(0, "H100", 40.0, memory_bytes=800, memory_used_bytes=200)
    after = before._replace(
        monotonic_s=2.0,
        total_ticks=200,
        counters={"network_errors_s": 10},
        gpus=(device,),
    )
    usage = usage_between(before, after)
    assert usage is not None

    sample = compose(usage, QUIET, LIKELY, latency_of((), {}), None, host="here", at=NOON)

    assert sample.network_errors_s == 3.0
    assert (sample.gpus[0].usage, sample.gpus[0].memory_usage) == (40.0, 25.0)
    assert sample.requests == 0
