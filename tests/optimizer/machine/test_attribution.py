"""Whose use it is: trees of processes, control groups, and the rest that no lease covers."""

import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.machine.attribution import (
    Attribution,
    Binding,
    LeaseReading,
    LeaseUse,
    beyond_leases,
    still_run,
    use_between,
)
from optimizer.machine.processes import ProcessId, identify
from tests.optimizer.machine.trees import plant


def process(
    pid: int, *, started: int, cpu_ticks: int, pages: int, children: str = ""
) -> dict[str, str]:
    """Files of a process that has no shared pages but ten."""
    fields = "S 1 1 1 0 -1 0 0 0 0 0"
    return {
        f"proc/{pid}/stat": f"{pid} (a (b) c) {fields} {cpu_ticks} 0 0 0 20 0 1 0 {started} 0 0\n",
        f"proc/{pid}/statm": f"999 {pages + 10} 10 0 0 0 0\n",
        f"proc/{pid}/task/{pid}/children": children,
    }


def test_a_tree_of_processes_is_added_up(tmp_path: Path) -> None:
    plant(tmp_path, process(10, started=5, cpu_ticks=100, pages=2, children="11 "))
    plant(tmp_path, process(11, started=6, cpu_ticks=50, pages=3))
    plant(tmp_path, process(12, started=7, cpu_ticks=9000, pages=99))
    attribution = Attribution(tmp_path)
    attribution.bind([Binding("a", (ProcessId(10, 5),))])

    reading = attribution.read()["a"]

    assert (reading.cpu_s, reading.memory_bytes) == (1.5, 5 * 4096)


def test_a_process_that_got_the_number_of_another_is_not_taken_for_it(tmp_path: Path) -> None:
    plant(tmp_path, process(10, started=77, cpu_ticks=100, pages=2))
    attribution = Attribution(tmp_path)
    attribution.bind([Binding("a", (ProcessId(10, 5),))])

    reading = attribution.read()["a"]

    assert (reading.cpu_s, reading.memory_bytes) == (0.0, 0)


def test_a_child_stays_with_its_lease_when_its_parent_ends(tmp_path: Path) -> None:
    plant(tmp_path, process(10, started=5, cpu_ticks=100, pages=2, children="11"))
    plant(tmp_path, process(11, started=6, cpu_ticks=50, pages=3))
    attribution = Attribution(tmp_path)
    attribution.bind([Binding("a", (ProcessId(10, 5),))])
    attribution.read()

    (tmp_path / "proc/10/stat").unlink()

    assert attribution.read()["a"].cpu_s == 0.5


def test_a_control_group_counts_without_what_the_kernel_can_drop(tmp_path: Path) -> None:
    plant(
        tmp_path,
        {
            "sys/fs/cgroup/job/cpu.stat": "usage_usec 2500000\n",
            "sys/fs/cgroup/job/memory.current": "40000",
            "sys/fs/cgroup/job/memory.stat": "anon 1\ninactive_file 10000\n",
        },
    )
    attribution = Attribution(tmp_path)
    attribution.bind([Binding("a", cgroup="/sys/fs/cgroup/job"), Binding("b", cgroup="/gone")])

    found = attribution.read()

    assert found["b"].cpu_s == 0.0
    assert (found["a"].cpu_s, found["a"].memory_bytes) == (2.5, 30_000)


def test_a_control_group_of_version_1_has_no_use_that_is_known_here(tmp_path: Path) -> None:
    plant(tmp_path, {"sys/fs/cgroup/memory/job/memory.usage_in_bytes": "40000"})
    attribution = Attribution(tmp_path)
    attribution.bind([Binding("a", cgroup="/sys/fs/cgroup/memory/job")])

    assert attribution.read() == {}


def test_use_is_the_growth_since_the_look_before_and_never_negative() -> None:
    binding = Binding("a", granted=(("cpu", 4.0),))
    before = {"a": LeaseReading(binding, 10.0, 100)}

    grown = use_between(before, {"a": LeaseReading(binding, 25.0, 70)}, 5.0)
    fallen = use_between(before, {"a": LeaseReading(binding, 7.0, 70)}, 5.0)
    other = Binding("a", cgroup="/x")

    assert grown["a"] == LeaseUse({"cpu": 4.0}, {"cpu": 3.0, "memory": 70.0})
    assert fallen["a"].used["cpu"] == 0.0
    assert use_between(before, {"a": LeaseReading(other, 25.0, 70)}, 5.0) == {}
    assert use_between({}, {"a": LeaseReading(binding, 25.0, 70)}, 5.0) == {}


rest = partial(beyond_leases, before={})


def test_a_lease_that_uses_all_it_holds_leaves_nothing_unmanaged() -> None:
    job = LeaseUse({"cpu": 4.0}, {"cpu": 4.0, "memory": 0.0})

    assert rest({"cpu": 4.0}, {"cpu": 4.0}, [job]) == {"cpu": 0.0}
    assert rest({"cpu": 6.0}, {"cpu": 4.0}, [job]) == {"cpu": 2.0}


def test_an_idle_bound_lease_hides_no_load_of_others() -> None:
    idle = LeaseUse({"cpu": 4.0}, {"cpu": 0.0})

    assert rest({"cpu": 2.0}, {"cpu": 4.0}, [idle]) == {"cpu": 2.0}


@pytest.mark.parametrize(
    ("used", "before", "told"),
    [
        (2.0, 2.0, 2.0),
        (6.0, 2.0, 2.0),
        (4.0, 0.0, 0.0),
        (7.0, 2.0, 3.0),
        (1.0, 2.0, 1.0),
        (2.0, None, 0.0),
    ],
    ids=[
        "it is idle beside a load",
        "it uses all it holds beside the load",
        "it uses all it holds and there is no load",
        "so much is used that the load has grown",
        "so little is used that the load has shrunk",
        "nobody knows what was before",
    ],
)
def test_beside_an_unbound_lease_of_four_cores_the_rest_stays_what_it_was_if_it_can(
    used: float, before: float | None, told: float
) -> None:
    known = {} if before is None else {"cpu": before}

    assert beyond_leases({"cpu": used}, {"cpu": 4.0}, [], before=known) == {"cpu": told}


def test_what_a_lease_uses_beyond_what_it_holds_is_covered_by_none() -> None:
    greedy = LeaseUse({"cpu": 2.0}, {"cpu": 5.0, "memory": 300.0})

    assert rest({"cpu": 5.0, "memory": 300.0}, {"cpu": 2.0}, [greedy]) == {
        "cpu": 3.0,
        "memory": 300.0,
    }


amounts = st.floats(0, 1e12)


@given(used=amounts, leased=amounts, held=amounts, own=amounts, before=amounts)
def test_the_rest_lies_between_nothing_and_all_that_is_used(
    used: float, leased: float, held: float, own: float, before: float
) -> None:
    lease = LeaseUse({"cpu": held}, {"cpu": own})

    found = beyond_leases({"cpu": used}, {"cpu": leased}, [lease], before={"cpu": before})

    assert 0 <= found["cpu"] <= used


def test_a_lease_runs_as_long_as_its_process_does() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    binding = Binding("alloc_1", (identify(process.pid),))
    before = still_run([binding])

    process.communicate(b"\n")

    assert before == {"alloc_1"}
    assert still_run([binding, Binding("alloc_2", cgroup="/sys/fs/cgroup/not_there")]) == set()
