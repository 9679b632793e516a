"""Control groups: real ones as far as this machine has them, and version 2 on a tree of files."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from optimizer.enforcement.groups import Group, Home, find_home
from optimizer.enforcement.limits import Limits, weight
from tests.processes import until

BURN = "import os\nos.fork()\nwhile True: pass"
FILL = "import sys\nkept = bytearray(int(sys.argv[1]) << 20)\nprint(len(kept), flush=True)"

HELD_TO = 0.1
"""Cores; so few that a busy machine gives the burner more than that too."""


@pytest.fixture
def group(request: pytest.FixtureRequest) -> Iterator[Group]:
    """A real group, of whichever version this machine has."""
    home = find_home()
    if home.reason:
        pytest.skip(f"no control groups may be made here: {home.reason}")
    made = home.make(f"test-{os.getpid()}-{request.node.name[:40]}")
    yield made
    made.kill()
    assert made.remove()


def run_in(group: Group, code: str, *arguments: str) -> subprocess.Popen[bytes]:
    """Start Python that waits for a line before it does anything, and put it into the group."""
    waiting = f"import sys\nsys.stdin.readline()\n{code}"
    process = subprocess.Popen(
        [sys.executable, "-S", "-c", waiting, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    group.add(process.pid)
    assert process.stdin is not None
    process.stdin.write(b"\n")
    process.stdin.flush()
    return process


def throttled(group: Group) -> int:
    folder = group.folders["" if group.version == 2 else "cpu"]
    rows = dict(line.split() for line in (folder / "cpu.stat").read_text().splitlines())
    return int(rows["nr_throttled"])


def is_frozen(group: Group) -> bool:
    if group.version == 2:
        return "frozen 1" in (group.folders[""] / "cgroup.events").read_text()
    return (group.folders["freezer"] / "freezer.state").read_text() == "FROZEN\n"


def used(group: Group) -> float:
    use = group.use()
    assert use is not None
    return use.cpu_s


def children(home: Home) -> set[str]:
    return {
        group.name
        for folder in home.folders.values()
        for group in folder.iterdir()
        if group.is_dir()
    }


def read_weight(home: Home) -> int:
    file = (
        home.folders[""] / "cpu.weight" if home.version == 2 else home.folders["cpu"] / "cpu.shares"
    )
    return int(file.read_text())


def test_where_no_group_can_be_made_the_reason_is_told() -> None:
    home = find_home()

    assert bool(home.folders) != bool(home.reason)


def test_what_one_daemon_makes_weighs_and_takes_away_is_not_its_neighbours(
    tmp_path: Path, group: Group
) -> None:
    one, two = (find_home(owner=f"{tmp_path}/{name}") for name in ("one", "two"))
    busy = one.make("lease")
    one.make("of a daemon that was killed")
    with run_in(busy, "sys.stdin.read()") as process:
        two.weigh(1)
        one.weigh(3)
        for home in (two, one):
            home.leave()
        assert children(one) == {"lease"}
        assert read_weight(one) == weight(3, version=one.version)
        busy.kill()
        process.communicate(timeout=300)
    assert busy.remove()
    one.leave()

    assert not any(folder.exists() for home in (one, two) for folder in home.folders.values())
    assert group.use() is not None, "a third one's groups are there still"


def test_a_burner_with_two_processes_is_held_to_its_cores(group: Group) -> None:
    group.limit(Limits(cores=HELD_TO))
    with run_in(group, BURN) as process:
        until(lambda: throttled(group) >= 3)
        before, began = used(group), time.monotonic()
        until(lambda: throttled(group) >= 10)
        cores = (used(group) - before) / (time.monotonic() - began)
        group.kill()
        process.communicate(timeout=300)

    assert throttled(group) >= 10
    assert cores <= HELD_TO * 1.5, "a slice of the quota may be dealt out just before a look"


def test_memory_beyond_the_most_ends_the_command(group: Group) -> None:
    group.limit(Limits(most_bytes=64 << 20))
    within = run_in(group, FILL, "20")
    out, _ = within.communicate(timeout=300)
    beyond = run_in(group, FILL, "200")
    beyond.communicate(timeout=300)

    assert (out, within.returncode) == (b"20971520\n", 0)
    assert beyond.returncode == -9


def test_use_is_that_of_the_whole_group(group: Group) -> None:
    with run_in(group, "import os\nos.fork()\n" + FILL + "\nsys.stdin.read()", "30") as process:
        assert process.stdout is not None
        assert process.stdin is not None
        for _ in range(2):
            process.stdout.readline()
        use = group.use()
        process.stdin.close()

    assert use is not None
    assert use.memory_bytes >= 60 << 20
    assert use.peak_bytes is not None
    assert use.peak_bytes >= use.memory_bytes


def test_what_is_parked_uses_nothing_and_is_killed_all_the_same(group: Group) -> None:
    with run_in(group, "print('on', flush=True)\n" + BURN) as process:
        assert process.stdout is not None
        process.stdout.readline()
        group.park(is_parked=True)
        until(lambda: is_frozen(group))
        parked = used(group)
        time.sleep(0.3)
        still = used(group)
        group.park(is_parked=False)
        until(lambda: used(group) - still >= 0.05)
        group.park(is_parked=True)
        group.kill()
        process.communicate(timeout=300)

    assert still - parked < 0.02
    assert process.returncode == -9


def tree(folder: Path, *, controllers: str, here: str) -> tuple[Path, Path]:
    """A machine with version 2 alone, as files; the kernel's own checks are not in it."""
    (folder / "proc/self").mkdir(parents=True)
    (folder / "proc/self/cgroup").write_text("0::/user.slice/app\n")
    mount = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
    (folder / "proc/self/mountinfo").write_text(mount)
    own = folder / "sys/fs/cgroup/user.slice/app"
    own.mkdir(parents=True)
    (own / "cgroup.controllers").write_text(controllers)
    (own / "cgroup.subtree_control").write_text("")
    (own / "cgroup.procs").write_text(here)
    return folder, own


def test_version_2_hands_down_its_controllers_and_takes_limits(tmp_path: Path) -> None:
    root, own = tree(tmp_path, controllers="cpu io memory pids", here="")
    home = find_home(root)
    group = home.make("lease")
    group.limit(Limits(cores=1.5, throttle_bytes=1000, most_bytes=2000, held_cores=1.5))
    home.weigh(4)
    group.park(is_parked=True)
    group.kill()

    assert home == Home(2, {"": own / "sro"})
    assert (own / "cgroup.subtree_control").read_text() == "+cpu +memory"
    assert (own / "sro/cgroup.subtree_control").read_text() == "+cpu +memory"
    written = {path.name: path.read_text() for path in (own / "sro/lease").iterdir()}
    assert (own / "sro/cpu.weight").read_text() == "400"
    assert written == {
        "cpu.weight": "150",
        "cpu.max": "150000 100000",
        "memory.high": "1000",
        "memory.max": "2000",
        "cgroup.freeze": "1",
        "cgroup.kill": "1",
    }


def test_version_2_without_the_memory_controller_is_none(tmp_path: Path) -> None:
    root, _ = tree(tmp_path, controllers="cpu io", here="")

    assert "no memory controller" in find_home(root).reason


def test_a_machine_without_control_groups_is_told(tmp_path: Path) -> None:
    assert find_home(tmp_path).reason == "no control groups are mounted"
