from collections.abc import Callable

import anyio

from optimizer.decisions.fronts import Fronts, frame_of
from optimizer.decisions.pareto_front import Front
from optimizer.decisions.snapshot import ResourceState, Snapshot

MakeSnapshot = Callable[..., Snapshot]
MakeState = Callable[..., ResourceState]


async def test_those_who_come_together_share_one_look(make_snapshot: MakeSnapshot) -> None:
    fronts, looks = Fronts(), 0

    async def look() -> Snapshot:
        nonlocal looks
        looks += 1
        await anyio.lowlevel.checkpoint()
        return make_snapshot()

    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(fronts.frame, 1, look)

    assert looks == 1
    await fronts.frame(2, look)
    assert looks == 2
    fronts.forget()
    await fronts.frame(2, look)
    assert looks == 3


async def test_a_front_is_built_once_for_everything_that_reaches_as_far(
    make_snapshot: MakeSnapshot,
) -> None:
    fronts, frame = Fronts(), frame_of(make_snapshot())
    built: list[Front] = []

    async def ask(max_increase: float | None) -> None:
        built.append(
            await fronts.ready(frame, "system_level", max_increase=max_increase, movable=None)
        )

    async with anyio.create_task_group() as group:
        for max_increase in (None, 1.0, 7.5, 0.5, 0.6):
            group.start_soon(ask, max_increase)

    assert len({id(front) for front in built}) == 2


async def test_another_snapshot_has_another_front(
    make_snapshot: MakeSnapshot, make_state: MakeState
) -> None:
    fronts = Fronts()
    frames = [
        frame_of(make_snapshot()),
        frame_of(make_snapshot({"cpu": make_state("cpu", 0.9)})),
    ]

    one, other = [
        await fronts.ready(frame, "system_level", max_increase=None, movable=None)
        for frame in frames
    ]

    assert one.today != other.today


async def test_a_look_that_fails_is_tried_again(make_snapshot: MakeSnapshot) -> None:
    fronts, attempts = Fronts(), 0

    async def look() -> Snapshot:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            raise OSError("no /proc")
        return make_snapshot()

    for _ in range(2):
        try:
            frame = await fronts.frame(1, look)
        except OSError:
            continue

    assert frame.snapshot == make_snapshot()
