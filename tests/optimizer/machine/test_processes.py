"""Processes of the machine that runs the tests."""

import os
import subprocess
import sys

import pytest

from optimizer.machine.processes import children_of, identify, read_process, resident_below


def test_this_process_is_itself_and_has_used_something() -> None:
    use = read_process(os.getpid())

    assert use is not None
    assert use.identity == identify(os.getpid())
    assert use.cpu_s > 0
    assert use.memory_bytes > 0


def test_a_child_is_found_below_its_parent_until_it_is_gone() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert child.pid in children_of(os.getpid())

    assert read_process(child.pid) is None
    with pytest.raises(ProcessLookupError):
        identify(child.pid)


def test_what_processes_share_is_counted_once_when_they_hold_much() -> None:
    command = [sys.executable, "-c", "print(flush=True); input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        resident = resident_below(os.getpid())
        in_parts = resident_below(os.getpid(), in_parts=True)

    assert 0 < in_parts[child.pid] < resident[child.pid]
