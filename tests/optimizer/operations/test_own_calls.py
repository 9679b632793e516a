"""Calls of our own clients are recorded together."""

from collections.abc import Mapping, Sequence
from typing import Any

import anyio
import pytest

from optimizer.errors import StorageError
from optimizer.operations import own_calls
from optimizer.operations.own_calls import MOST_KEPT, OwnCalls


class FakeStore:
    """Keeps calls, when it is not broken."""

    def __init__(self) -> None:
        self.kept: list[Mapping[str, Any]] = []
        self.writes = 0
        self.is_broken = False
        self.asked = anyio.Event()

    async def record(self, calls: Sequence[Mapping[str, Any]]) -> int:
        self.writes += 1
        self.asked.set()
        if self.is_broken:
            raise StorageError("the disk is full")
        self.kept += calls
        return len(calls)


async def test_what_was_heard_is_written_once() -> None:
    store = FakeStore()
    calls = OwnCalls(store.record)
    calls.heard("sequentialthinking", "ok", 1.5)
    calls.heard("sequentialthinking", "timeout", 200.0)
    await calls.flush()
    await calls.flush()

    assert store.writes == 1
    assert [call["outcome"] for call in store.kept] == ["ok", "timeout"]


async def test_what_cannot_be_written_is_kept_up_to_a_bound() -> None:
    store = FakeStore()
    store.is_broken = True
    calls = OwnCalls(store.record)
    for number in range(MOST_KEPT + 10):
        calls.heard("t", "ok", float(number))
    await calls.flush()
    store.is_broken = False
    await calls.flush()

    assert len(store.kept) == MOST_KEPT
    assert store.kept[-1]["latency_ms"] == MOST_KEPT + 9


async def test_nothing_is_done_until_a_call_was_heard_and_a_failed_write_is_made_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(own_calls, "EVERY_S", 0.0)
    store = FakeStore()
    store.is_broken = True
    calls = OwnCalls(store.record)
    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(calls.run)
            await anyio.lowlevel.checkpoint()
            calls.heard("sequentialthinking", "ok", 1.5)
            await store.asked.wait()
            store.is_broken, store.asked = False, anyio.Event()
            await store.asked.wait()
            tasks.cancel_scope.cancel()

    assert [call["latency_ms"] for call in store.kept] == [1.5]
