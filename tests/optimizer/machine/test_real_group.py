"""The reader inside a control group of this machine that really limits it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from optimizer.enforcement.groups import Group, find_home
from optimizer.enforcement.limits import Limits

CORES, MEMORY, HELD = 0.25, 512 * 2**20, 64 * 2**20

UNCOUNTED = 64 * os.sysconf("SC_PAGE_SIZE") * (os.cpu_count() or 1)
"""The kernel charges a group in batches of so many pages a processor (MEMCG_CHARGE_BATCH)."""

NAME = f"test-reader-{os.getpid()}"

READ = """
import json, sys, time
sys.stdin.readline()
from pathlib import Path
from optimizer.machine.reader import Machine
from optimizer.machine.readings import usage_between
machine = Machine(data_dir=Path(sys.argv[1]))
before = machine.read()
kept = bytearray(b"x") * int(sys.argv[2])
while time.process_time() < 0.5:
    pass
after = machine.read()
usage = usage_between(before, after)
print(json.dumps({
    "cores": [after.allowed.cpu_cores, after.allowed.sources["cpu"]],
    "memory": [after.allowed.memory_bytes, after.allowed.sources["memory"]],
    "grown": after.memory_used_bytes - before.memory_used_bytes,
    "apart_s": after.monotonic_s - before.monotonic_s,
    "group_cpu_s": after.group_cpu_s - before.group_cpu_s,
    "cpu_usage": usage.values["cpu_usage"],
}))
"""


@pytest.fixture
def group() -> Iterator[Group]:
    """A group that holds a quarter of a core and half a gibibyte."""
    home = find_home()
    if home.reason:
        pytest.skip(f"no control groups may be made here: {home.reason}")
    made = home.make(NAME)
    try:
        made.limit(Limits(cores=CORES, most_bytes=MEMORY))
        yield made
    finally:
        made.kill()
        assert made.remove()


def test_a_limited_process_sees_its_own_limits_and_its_own_use(
    group: Group, tmp_path: Path
) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", READ, str(tmp_path), str(HELD)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    group.add(child.pid)
    answer, _ = child.communicate("\n", timeout=300)

    seen = json.loads(answer)
    version = f"cgroup v{group.version} "
    assert seen["cores"][0] == CORES
    assert seen["memory"][0] == MEMORY
    for _, source in (seen["cores"], seen["memory"]):
        assert source.startswith(version)
        assert f"/{NAME}/" in source
    assert HELD - UNCOUNTED <= seen["grown"] < 2 * HELD
    assert 0 < seen["group_cpu_s"] < 5
    of_its_cores = seen["group_cpu_s"] / (seen["apart_s"] * CORES)
    assert seen["cpu_usage"] == pytest.approx(100 * min(1, of_its_cores), rel=0.01)
