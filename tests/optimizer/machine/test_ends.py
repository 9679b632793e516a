"""The end of real processes, heard through pidfds."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress

import anyio
import pytest

from optimizer.machine.attribution import Binding
from optimizer.machine.ends import ProcessEnds
from optimizer.machine.processes import ProcessId, identify

pytestmark = pytest.mark.skipif(
    not hasattr(os, "pidfd_open"), reason="only Linux tells the end of a process to others"
)


@pytest.fixture
def children() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Two processes that end when their input does."""
    command = [sys.executable, "-S", "-E", "-c", "input()"]
    started = [subprocess.Popen(command, stdin=subprocess.PIPE) for _ in range(2)]
    yield started
    for child in started:
        child.kill()
        child.communicate()


def pidfds() -> set[str]:
    """Names of the open files that tell of a process."""
    found = set()
    for name in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):
            if os.readlink(f"/proc/self/fd/{name}") == "anon_inode:[pidfd]":
                found.add(name)
    return found


def end(child: subprocess.Popen[bytes]) -> None:
    child.communicate(b"\n")


class Heard:
    """What was told, and an event to wait for it."""

    def __init__(self) -> None:
        self.leases: list[str] = []
        self.some = anyio.Event()

    def __call__(self, binding: Binding) -> None:
        self.leases.append(binding.lease)
        self.some.set()


async def test_the_end_of_the_last_process_is_heard_once(
    children: list[subprocess.Popen[bytes]],
) -> None:
    heard = Heard()
    ends = ProcessEnds(heard)
    binding = Binding("a", tuple(identify(child.pid) for child in children))
    ends.watch([binding])

    end(children[0])
    await anyio.wait_all_tasks_blocked()
    ends.watch([binding])
    before = list(heard.leases)
    end(children[1])
    with anyio.fail_after(60):
        await heard.some.wait()
    ends.watch([])
    await anyio.wait_all_tasks_blocked()

    assert (before, heard.leases) == ([], ["a"])


async def test_processes_that_are_gone_when_watching_begins_are_heard_too(
    children: list[subprocess.Popen[bytes]],
) -> None:
    heard = Heard()
    gone = identify(children[0].pid)
    another = ProcessId(children[1].pid, identify(children[1].pid).started_ticks - 1)
    end(children[0])

    ends = ProcessEnds(heard)
    ends.watch([Binding("gone", (gone,)), Binding("number_reused", (another,))])
    await anyio.wait_all_tasks_blocked()

    assert heard.leases == ["gone", "number_reused"]


async def test_what_is_forgotten_is_not_heard(children: list[subprocess.Popen[bytes]]) -> None:
    heard = Heard()
    ends = ProcessEnds(heard)
    ends.watch(
        [
            Binding("a", (identify(children[0].pid),)),
            Binding("b", (identify(children[1].pid),)),
            Binding("c", (identify(children[1].pid),), cgroup="/x"),
        ]
    )

    ends.forget("a")
    end(children[0])
    end(children[1])
    with anyio.fail_after(60):
        await heard.some.wait()
    watched = pidfds()
    ends.close()

    assert heard.leases == ["b"]
    assert pidfds() == watched
