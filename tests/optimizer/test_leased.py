"""What is leased is looked at when it may have changed, and else remembered."""

from collections.abc import Mapping
from datetime import UTC, datetime

import anyio
import pytest
from anyio.lowlevel import checkpoint

from optimizer.errors import StorageError
from optimizer.events import EventBus, LeaseChanged
from optimizer.leased import LOOK_AGAIN_S, Leased

NOW = datetime(2026, 3, 2, 10, tzinfo=UTC)
GRANTED = LeaseChanged(NOW, "allocation-1", "active")


class House:
    """A ledger, a store that others may write to, and a clock."""

    def __init__(self) -> None:
        self.amounts: Mapping[str, float] = {"cpu": 0.0}
        self.looks = 0
        self.is_broken = False
        self.written: int | None = 1
        self.now_s = 100.0
        self.bus = EventBus()
        self.leased = Leased(
            self.look, self.bus, others_wrote=lambda: self.written, monotonic=lambda: self.now_s
        )

    async def look(self) -> Mapping[str, float]:
        self.looks += 1
        if self.is_broken:
            raise StorageError("the disk is gone")
        return self.amounts


async def test_nobody_looks_again_while_nothing_was_written() -> None:
    house = House()
    for _ in range(5):
        house.now_s += LOOK_AGAIN_S
        await house.leased()

    assert house.looks == 1


async def test_a_change_here_or_by_another_process_is_seen_at_the_next_sample() -> None:
    house = House()
    await house.leased()
    house.amounts = {"cpu": 2.0}

    house.bus.publish(GRANTED)
    assert await house.leased() == {"cpu": 2.0}
    house.written = 2
    await house.leased()
    await house.leased()

    assert house.looks == 3


async def test_where_nobody_can_tell_it_is_looked_at_once_a_minute() -> None:
    house = House()
    house.written = None
    for _ in range(5):
        await house.leased()
        house.now_s += LOOK_AGAIN_S / 4

    assert house.looks == 2


async def test_a_look_that_fails_is_made_again() -> None:
    house = House()
    house.is_broken = True
    with pytest.raises(StorageError):
        await house.leased()
    house.is_broken = False
    await house.leased()

    assert house.looks == 2


async def test_who_waits_for_a_lease_is_woken_by_one_of_this_or_another_process() -> None:
    house = House()
    await house.leased()
    woken: list[str] = []

    async def wait(who: str) -> None:
        await house.leased.until_any()
        woken.append(who)

    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait, "of this process")
            for _ in range(5):
                await checkpoint()
            assert woken == []
            house.bus.publish(GRANTED)
        await house.leased()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait, "of another")
            await checkpoint()
            house.written, house.amounts = 2, {"cpu": 1.0}
            await house.leased()

    assert woken == ["of this process", "of another"]
    await house.leased.until_any()
