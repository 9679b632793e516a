"""get_health: state, capacity, and what is free."""

from datetime import timedelta

import pytest
from pydantic import ValidationError

from optimizer.allocation.pool import PoolState
from optimizer.errors import NotFoundError
from optimizer.machine.capacity import Capacity
from optimizer.monitoring.monitor import PerformanceMonitor
from optimizer.operations.health import HealthReport, HealthRequest, get_health
from tests.optimizer.monitoring.fakes import NOON, FakeKeeper, FakeMachine, FakeTime, a_sample

CAPACITIES = {"cpu": Capacity("cpu", 8.0, "core", "cgroup v2 /x/cpu.max")}

POOLS = {
    "cpu": PoolState(
        resource="cpu",
        host="here",
        unit="core",
        kind="compressible",
        total=8.0,
        allocated=2.0,
        spent=None,
        unmanaged=1.0,
        reserved=0.1,
        available=4.2,
        summary="4.2 of 8 cores are free",
        source="cgroup v2 /x/cpu.max",
    )
}


async def health_of(
    host: str | None = None, keeper: FakeKeeper | None = None, cpu: float = 25.0
) -> HealthReport:
    time = FakeTime()
    monitor = PerformanceMonitor(
        machine=FakeMachine(cpu=cpu), host="here", clock=time.clock, monotonic=time.monotonic
    )
    return await get_health(
        HealthRequest(host=host),
        monitor=monitor,
        keeper=keeper,
        capacities=CAPACITIES,
        pools=POOLS,
        version="1.0.0",
        problems={"forecast_model_broken": "green_first failed to load"},
    )


async def test_it_says_how_the_machine_is_what_it_has_and_what_is_free() -> None:
    report = await health_of()

    assert (report.cpu_usage, report.memory_usage) == (25.0, 40.0)
    assert report.capacity["cpu"].amount == 8.0
    assert report.free["cpu"].available == 4.2
    assert report.version == "1.0.0"


async def test_troubles_of_other_parts_are_warnings() -> None:
    report = await health_of()

    assert (report.status, report.warnings) == ("degraded", ("forecast_model_broken",))


async def test_every_key_of_the_reference_is_there() -> None:
    plain = (await health_of(cpu=97.0)).model_dump(mode="json")

    assert plain["status"] == "critical"
    assert plain["issues"] == ["high_cpu_usage"]
    assert plain["reliability_score"] is None
    assert "reliability_score" in plain["unknown"]
    assert isinstance(plain["warnings"], list)


async def test_another_machine_is_judged_by_its_last_sample() -> None:
    keeper = FakeKeeper()
    keeper.kept = [a_sample(NOON, host="there", memory_usage=95.0)]

    report = await health_of("there", keeper)

    assert (report.host, report.status, report.issues) == (
        "there",
        "critical",
        ("high_memory_usage",),
    )
    assert report.free == {}
    assert "free" in report.unknown


async def test_a_machine_that_went_silent_is_unknown() -> None:
    keeper = FakeKeeper()
    keeper.kept = [a_sample(NOON - timedelta(hours=1), host="there")]

    report = await health_of("there", keeper)

    assert (report.status, report.warnings) == ("unknown", ("monitoring_stalled",))


async def test_a_machine_that_nobody_has_seen_is_not_found_and_the_known_ones_are_named() -> None:
    with pytest.raises(NotFoundError, match="machines with samples: here"):
        await health_of("nowhere", FakeKeeper())


def test_unknown_arguments_are_refused() -> None:
    with pytest.raises(ValidationError):
        HealthRequest.model_validate({"hostname": "x"})
