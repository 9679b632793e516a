"""Commands under leases, with real processes, a real ledger and a machine that tests set."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import anyio
import pytest

from optimizer.allocation.lease import public_name
from optimizer.allocation.pool import build_pools
from optimizer.enforcement.asking import UNRESERVED, UNRESERVED_STILL
from optimizer.enforcement.groups import Home, find_home
from optimizer.enforcement.holder import Holder
from optimizer.enforcement.order import Granted, Refused, RunOrder
from optimizer.enforcement.runs import Runs
from optimizer.enforcement.usual import PastRun
from optimizer.errors import InvalidRequestError
from optimizer.events import EventBus, LeaseChanged
from optimizer.identity import Principal
from optimizer.machine.capacity import Capacity
from optimizer.store.engine import MEMORY_URL, Database
from tests.optimizer.allocation.house import ALICE, GIB, FakeClock, House

MIB = 2**20

GROW = """
import sys
kept = []
for line in sys.stdin:
    kept.append(bytearray(int(line) << 20))
    print(len(kept), flush=True)
"""
"""Takes as many MiB as each line says."""


@dataclass
class Workplace:
    """What runs under leases, and what was said and bound."""

    house: House
    home: Home
    kept: list[PastRun] = field(default_factory=list)
    bound: list[tuple[str, tuple[int, ...], str | None]] = field(default_factory=list)
    told: dict[str, list[Mapping[str, str]]] = field(default_factory=dict)
    capacity: float = 64.0 * GIB
    swap: float = 0.0
    scopes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.events = EventBus()
        self.runs = Runs(
            allocator=self.house.allocator,
            keeper=self,
            bind=self.bind,
            holder=Holder(
                find_home=lambda: self.home,
                find_scopes=lambda: self.scopes,
                memory=lambda: (self.capacity, self.swap),
            ),
            events=self.events,
            clock=self.house.clock,
        )
        self.house.allocator.terms.seen = self.runs.used_before

    async def past(
        self, command: str, *, directory: str, principal: str, limit: int
    ) -> tuple[PastRun, ...]:
        return tuple(run for run in self.kept if run.command == command)

    async def record(self, run: PastRun, *, principal: str) -> None:
        self.kept.append(run)

    async def bind(
        self, lease: str, pids: Sequence[int], cgroup: str | None, principal: Principal
    ) -> None:
        self.bound.append((lease, tuple(pids), cgroup))

    async def begin(self, **order: object) -> Granted | Refused:
        asked = RunOrder.model_validate({"command": ["program"], "directory": "/work", **order})
        said: list[Mapping[str, str]] = []
        begun = await self.runs.begin(asked, ALICE, said.append)
        if isinstance(begun, Granted):
            self.told[begun.lease] = said
        return begun


@pytest.fixture
async def workplace(tmp_path: Path) -> AsyncIterator[Workplace]:
    found = {
        "cpu": Capacity("cpu", 8.0, "core", "test"),
        "memory": Capacity("memory", 16.0 * GIB, "byte", "test"),
        "gpu": Capacity("gpu", 2.0, "device", "test"),
    }
    database = Database(MEMORY_URL)
    house = House(FakeClock(), database, build_pools(found, {}, host="here"))
    home = find_home(owner=str(tmp_path))
    yield Workplace(house, home)
    home.leave()
    await database.close()


class Grower:
    """A process that takes memory when it is told to."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-S", "-c", GROW], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def grow(self, mib: int) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(b"%d\n" % mib)
        self.process.stdin.flush()
        self.process.stdout.readline()

    def end(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=300)


async def started(workplace: Workplace, **order: object) -> tuple[str, Grower]:
    granted = await workplace.begin(**order)
    assert isinstance(granted, Granted)
    grower = Grower()
    await workplace.runs.started(granted.lease, grower.process.pid, front=os.getpid())
    return granted.lease, grower


async def ended(workplace: Workplace, lease: str, **used: float) -> None:
    end = {"wall_s": 2.0, "cpu_s": 1.0, "peak_bytes": 50 * MIB, "exit_code": 0} | used
    await workplace.runs.ended(lease, **end)  # type: ignore[arg-type]


async def test_the_youngest_that_bursts_makes_room_when_memory_runs_out(
    workplace: Workplace,
) -> None:
    if workplace.home.reason:
        pytest.skip(f"no control groups may be made here: {workplace.home.reason}")
    workplace.capacity = 400.0 * MIB
    old, old_grower = await started(workplace, resources={"memory": "100-400 MiB"})
    young, young_grower = await started(workplace, resources={"memory": "20-400 MiB"})
    for _ in range(5):
        old_grower.grow(30)
        young_grower.grow(30)
        await workplace.runs.look(1.0)
    young_grower.grow(60)
    for _ in range(7):
        old_grower.grow(5)
        await workplace.runs.look(1.0)
    old_grower.end()
    young_grower.end()
    await ended(workplace, old)
    await ended(workplace, young)

    assert not [said for said in workplace.told[old] if "end" in said]
    assert "memory ran out" in next(said["end"] for said in workplace.told[young] if "end" in said)


async def test_what_was_seen_of_a_run_is_its_next_lease(workplace: Workplace) -> None:
    lease, grower = await started(workplace)
    grower.grow(200)
    await workplace.runs.look(1.0)
    grower.end()
    await ended(workplace, lease, wall_s=10.0, cpu_s=7.2, peak_bytes=60 * MIB)
    again = await workplace.begin()

    assert isinstance(again, Granted)
    [run] = workplace.kept
    assert run.peak_bytes >= 200 * MIB
    assert run.cores == pytest.approx(0.72, abs=0.05)
    assert "1 run, p95" in again.said


async def test_past_runs_decide_how_far_commands_burst_before_anybody_saw_them(
    workplace: Workplace,
) -> None:
    async def bursts() -> list[float]:
        begun = [await workplace.begin(resources={"memory": "1-8 GiB"}) for _ in range(4)]
        leases = [one.lease for one in begun if isinstance(one, Granted)]
        held = await workplace.house.allocator.list(ALICE)
        for lease in leases:
            await ended(workplace, lease, peak_bytes=100 * MIB)
        said.extend(one.said for one in begun if isinstance(one, Granted))
        return sorted(one.burst["memory"] / GIB for one in held.allocations)

    said: list[str] = []
    unknown, known = await bursts(), await bursts()

    assert unknown == [1, 1, 8, 8]
    assert known == [8, 8, 8, 8]
    assert "(4 runs, p95 0.5 core); risk that bursts are throttled: memory 0.2%" in said[-1]


async def test_the_lease_is_given_back_and_its_group_is_gone(workplace: Workplace) -> None:
    lease, grower = await started(workplace)
    grower.end()
    await ended(workplace, lease)

    assert (await workplace.house.allocator.list(ALICE)).total == 0
    left = [folder / lease for folder in workplace.home.folders.values()]
    assert [folder for folder in left if folder.exists()] == []


async def test_a_front_that_was_killed_leaves_nothing(workplace: Workplace) -> None:
    lease, grower = await started(workplace)
    await workplace.runs.lost(lease)

    assert grower.process.wait(300) == -9
    grower.end()
    assert (await workplace.house.allocator.list(ALICE)).total == 0


async def test_without_control_groups_it_says_what_holds(workplace: Workplace) -> None:
    workplace.home = Home(reason="a test wants none")
    granted = await workplace.begin(resources={"cpu": "1 core", "memory": "100 MiB"})
    assert isinstance(granted, Granted)
    grower = Grower()
    held = await workplace.runs.started(granted.lease, grower.process.pid, front=os.getpid())
    grower.end()

    assert held.words == (
        "held by nice 5 and RLIMIT_DATA, as control groups are not ours (a test wants none)"
    )
    assert (held.nice, held.data_bytes) == (5, 100 * MIB)
    assert workplace.bound == [(granted.lease, (grower.process.pid,), None)]


async def test_where_groups_are_systemds_to_give_a_command_begins_in_a_scope(
    workplace: Workplace,
) -> None:
    workplace.home = Home(reason="they belong to systemd")
    workplace.scopes = ("systemd-run", "--user", "--scope")
    granted = await workplace.begin(resources={"cpu": "1.5 cores", "memory": "100 MiB"})
    assert isinstance(granted, Granted)
    grower = Grower()
    held = await workplace.runs.started(granted.lease, grower.process.pid, front=os.getpid())
    grower.end()

    assert held.words.startswith("held by a scope of systemd, as control groups are not ours")
    assert (held.nice, held.data_bytes) == (0, None)
    assert held.prefix == (
        "systemd-run",
        "--user",
        "--scope",
        f"--unit=sro-{granted.lease}",
        "--property=CPUWeight=150",
        "--property=CPUQuota=150%",
        "--property=MemoryMax=104857600",
        "--",
    )


async def test_a_process_of_somebody_else_is_not_held(workplace: Workplace) -> None:
    granted = await workplace.begin()
    assert isinstance(granted, Granted)

    with pytest.raises(InvalidRequestError, match="was not started by"):
        await workplace.runs.started(granted.lease, 1, front=os.getpid())
    assert workplace.bound == []


async def test_a_guessed_core_that_is_not_free_keeps_nothing_from_starting(
    workplace: Workplace,
) -> None:
    workplace.house.unmanaged["cpu"] = 8.0
    guessed = await workplace.begin()
    named = await workplace.begin(resources={"cpu": "1 core"})

    assert isinstance(guessed, Granted)
    assert UNRESERVED in guessed.said
    assert isinstance(named, Refused)
    assert named.allocation.binding_resource == "cpu"


async def test_a_guessed_core_is_waited_for_and_then_done_without(workplace: Workplace) -> None:
    workplace.house.unmanaged["cpu"] = 8.0
    guessed = await workplace.begin(wait_s=0.1)

    assert isinstance(guessed, Granted)
    assert UNRESERVED_STILL in guessed.said


async def test_what_can_never_be_had_is_not_to_be_waited_for(workplace: Workplace) -> None:
    refused = await workplace.begin(resources={"memory": "90 GiB"})

    assert isinstance(refused, Refused)
    assert refused.message.endswith("Ask for at most 16.00 GiB, all that can ever be leased here.")


async def test_two_leases_of_a_gpu_see_different_ones(workplace: Workplace) -> None:
    seen = [await workplace.begin(resources={"gpu": "1 gpu"}) for _ in range(2)]

    devices = [
        each.environment["CUDA_VISIBLE_DEVICES"] for each in seen if isinstance(each, Granted)
    ]
    assert sorted(devices) == ["0", "1"]


async def test_a_lease_that_gave_way_ends_its_command(workplace: Workplace) -> None:
    lease, grower = await started(workplace)
    workplace.events.publish(LeaseChanged(workplace.house.clock(), lease, "preempted"))
    grower.end()
    await ended(workplace, lease)

    assert workplace.told[lease] == [{"end": "its lease is preempted, so the command ends"}]


async def test_what_another_daemon_does_to_a_lease_is_not_left_to_the_next_renewal(
    workplace: Workplace,
) -> None:
    """Nothing is published here: what changes leases has a bus of its own."""
    lease, grower = await started(workplace, resources={"memory": "200 MiB"}, priority_level="low")
    [run] = workplace.runs._runs.values()
    run.renewed_s = 1e9
    await workplace.runs.compare()
    as_it_was = run.renewed_s
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(
            partial(
                workplace.house.ask,
                resources={"memory": "16 GiB"},
                priority_level="high",
                allow_preemption=True,
                wait_s=45,
            )
        )
        await workplace.house.noticed(lease)
        await workplace.runs.compare()
        is_due = run.renewed_s == 0.0
        await workplace.runs.renew(lease)
        run.renewed_s = 1e9
        await workplace.runs.compare()
        when_told = run.renewed_s
        tasks.cancel_scope.cancel()
    await workplace.runs.compare()
    grower.end()
    await ended(workplace, lease)

    assert (as_it_was, is_due, when_told) == (1e9, True, 1e9)
    assert run.renewed_s == 0.0
    assert "has to give way to a request of high priority" in workplace.told[lease][0]["notice"]


async def test_a_lease_that_was_resized_is_told_and_held_to_its_new_size(
    workplace: Workplace,
) -> None:
    lease, grower = await started(workplace, resources={"memory": "200 MiB"})
    [held] = await workplace.house.allocator.held()
    name = public_name(held.allocation_id)
    await workplace.house.allocator.resize(name, "memory", 150 * MIB)
    await workplace.runs.renew(lease)
    grower.end()
    await ended(workplace, lease)

    [said] = workplace.told[lease]
    assert "150.00 MiB" in said["notice"]


async def test_what_is_leased_weighs_as_much_as_it_holds(workplace: Workplace) -> None:
    if workplace.home.reason:
        pytest.skip(f"no control groups may be made here: {workplace.home.reason}")
    one, grower = await started(workplace, resources={"cpu": "3 cores"})
    two, second = await started(workplace, resources={"cpu": "1.5 cores"})
    folder = workplace.home.folders["" if workplace.home.version == 2 else "cpu"]
    name = "cpu.weight" if workplace.home.version == 2 else "cpu.shares"
    weights = [int((folder / each / name).read_text()) for each in (one, two)]
    grower.end()
    second.end()
    await ended(workplace, one)
    await ended(workplace, two)

    assert weights[0] == 2 * weights[1]
