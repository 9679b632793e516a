"""Leases that processes are bound to: what they use is theirs, and the rest stays leasable."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import anyio
import pytest

from optimizer.errors import InvalidRequestError, NotFoundError
from optimizer.events import AlertChanged, LeaseChanged
from optimizer.identity import Principal
from optimizer.machine.attribution import LeaseUse
from optimizer.operations.release import ReleaseRequest
from sequential_resource_optimization import SequentialResourceOptimizer, load_settings
from tests.optimizer.monitoring.fakes import a_sample


@pytest.fixture
async def sro(tmp_path: Path) -> AsyncIterator[SequentialResourceOptimizer]:
    """Eight cores, of which a tenth is never leased."""
    config = tmp_path / "sro.toml"
    config.write_text('[pools.cpu]\ncapacity = "8 cores"\nreserve = 0.1\n')
    settings = load_settings(environment={"DATA_DIR": str(tmp_path)}, config_file=config)
    async with SequentialResourceOptimizer(settings=settings) as optimizer:
        yield optimizer


async def lease_of(sro: SequentialResourceOptimizer, cores: int) -> str:
    lease = await sro.allocate({"resources": {"cpu": f"{cores} cores"}})
    assert lease.allocation_id is not None
    await sro.bind_allocation(lease.allocation_id, pids=[os.getpid()])
    return lease.allocation_id


def measured(sro: SequentialResourceOptimizer, *, busy: float, by_lease: dict[str, float]) -> None:
    """A sample of eight cores, of which some are busy, for leases or for nobody."""
    monitor = sro.performance_monitor
    monitor.latest = a_sample(datetime.now(UTC), cpu_cores=8.0, cpu_usage=100 * busy / 8)
    monitor.lease_use = {
        lease: LeaseUse({"cpu": 4.0}, {"cpu": cores, "memory": 0.0})
        for lease, cores in by_lease.items()
    }


async def free_cores(sro: SequentialResourceOptimizer) -> float | None:
    return (await sro.resource_allocator.utilization())["cpu"].available


async def test_a_leased_job_that_uses_all_of_its_lease_leaves_the_rest_leasable(
    sro: SequentialResourceOptimizer,
) -> None:
    job = await lease_of(sro, 4)

    seen = []
    for _ in range(120):
        measured(sro, busy=4.0, by_lease={job: 4.0})
        seen.append(await free_cores(sro))
    measured(sro, busy=6.0, by_lease={job: 4.0})

    assert seen == [pytest.approx(3.2)] * 120
    assert await free_cores(sro) == pytest.approx(1.2)


async def test_a_grant_between_two_samples_leaves_others_load_counted(
    sro: SequentialResourceOptimizer,
) -> None:
    measured(sro, busy=2.0, by_lease={})
    sro.performance_monitor.unmanaged = {"cpu": 2.0}

    first = await sro.allocate({"resources": {"cpu": "4 cores"}})
    second = await sro.allocate({"resources": {"cpu": "3 cores"}, "min_fraction": 1})

    assert (first.state, second.state) == ("active", "refused")
    assert await free_cores(sro) == pytest.approx(1.2)


async def test_an_idle_lease_does_not_hide_what_others_use(
    sro: SequentialResourceOptimizer,
) -> None:
    job = await lease_of(sro, 4)

    measured(sro, busy=2.0, by_lease={job: 0.0})

    assert await free_cores(sro) == pytest.approx(1.2)


async def test_what_a_bound_lease_really_uses_is_shown_to_its_holder(
    sro: SequentialResourceOptimizer,
) -> None:
    job = await lease_of(sro, 2)
    await sro.performance_monitor.sample_once()
    await sro.performance_monitor.sample_once()

    (mine,) = (await sro.list_allocations()).allocations

    assert mine.allocation_id == job
    assert mine.observed is not None
    assert mine.observed["memory"] > 2**20
    assert "observed" not in mine.unknown


async def test_the_rest_that_no_lease_covers_is_part_of_every_sample(
    sro: SequentialResourceOptimizer,
) -> None:
    await lease_of(sro, 2)
    await sro.performance_monitor.sample_once()

    sample = await sro.performance_monitor.sample_once()

    assert sample.unmanaged_cpu is not None
    assert sample.unmanaged_cpu <= sample.used["cpu"]
    assert sample.unmanaged_memory == pytest.approx(sample.used["memory"], rel=0.5)


async def test_bindings_outlive_a_restart_and_end_with_their_lease(
    sro: SequentialResourceOptimizer,
) -> None:
    job = await lease_of(sro, 2)
    await sro.stop_performance_monitoring()
    await sro.start_performance_monitoring()
    await sro.performance_monitor.sample_once()
    await sro.performance_monitor.sample_once()
    assert set(sro.performance_monitor.lease_use) == {job}

    await sro.release_allocation(ReleaseRequest(allocation_id=job))
    await sro.performance_monitor.sample_once()

    assert sro.performance_monitor.lease_use == {}


async def test_nobody_binds_to_the_lease_of_another(sro: SequentialResourceOptimizer) -> None:
    job = await lease_of(sro, 2)

    with pytest.raises(NotFoundError):
        await sro.bind_allocation(job, pids=[os.getpid()], principal=Principal(name="uid:4242"))


@pytest.mark.parametrize("what", [{}, {"pids": [1], "cgroup": "/x"}, {"pids": [2**22 + 1]}])
async def test_a_binding_names_processes_that_run_or_a_control_group(
    sro: SequentialResourceOptimizer, what: dict[str, object]
) -> None:
    with pytest.raises(InvalidRequestError, match="Nothing was changed"):
        await sro.bind_allocation("alloc_x", **what)  # type: ignore[arg-type]


async def test_the_mcp_servers_of_the_machine_are_counted_and_shown_with_the_metrics(
    sro: SequentialResourceOptimizer,
) -> None:
    census = await sro.get_census()

    assert (await sro.get_metrics()).mcp_servers == census
    assert census.copies == sum(server.copies for server in census.servers)


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    """A process that ends when its input does."""
    started = subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE)
    yield started
    started.kill()
    started.communicate()


async def test_the_end_of_its_process_frees_a_lease_at_once(
    sro: SequentialResourceOptimizer, child: subprocess.Popen[bytes]
) -> None:
    ended = anyio.Event()
    sro.events.subscribe(
        lambda event: (
            ended.set() if isinstance(event, LeaseChanged) and event.state == "released" else None
        )
    )
    lease = await sro.allocate({"resources": {"cpu": "4 cores"}, "ttl_s": 3600})
    await sro.bind_allocation(lease.allocation_id or "", pids=[child.pid])
    held = (await sro.list_allocations()).total

    child.communicate(b"\n")
    with anyio.fail_after(60):
        await ended.wait()

    assert (held, (await sro.list_allocations()).total) == (1, 0)


async def test_overuse_is_told_to_the_holder_and_to_everybody_in_the_health(
    sro: SequentialResourceOptimizer,
) -> None:
    lease = await sro.allocate({"resources": {"memory": "1 MiB"}})
    await sro.bind_allocation(lease.allocation_id or "", pids=[os.getpid()])
    told: list[str] = []
    sro.events.subscribe(
        lambda event: (
            told.append(f"{event.metric} {event.level}")
            if isinstance(event, AlertChanged) and event.metric.startswith("lease_")
            else None
        )
    )
    for _ in range(4):
        await sro.performance_monitor.sample_once()

    (mine,) = (await sro.list_allocations()).allocations
    warnings = (await sro.get_health()).warnings
    alerts = await sro.get_alerts()
    await sro.release_allocation(ReleaseRequest(allocation_id=lease.allocation_id or ""))
    await sro.performance_monitor.sample_once()

    metric = f"lease_memory:{lease.fencing_token}"
    assert told == [f"{metric} warning", f"{metric} cleared"]
    assert "may use 1.00 MiB" in mine.notices[0]
    assert mine.granted["memory"] == 2**20 < (mine.observed or {})["memory"]
    assert f"overused_{metric}" in warnings
    assert metric in {alert.metric for alert in alerts.standing}
    (past,) = [each for each in (await sro.get_alerts()).recent if each.alert.metric == metric]
    assert past.cleared_at is not None
