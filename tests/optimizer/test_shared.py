import anyio
import pytest

from optimizer.shared import Shared


class Maker:
    def __init__(self) -> None:
        self.made = 0
        self.may_go_on = anyio.Event()

    async def __call__(self) -> int:
        self.made += 1
        await self.may_go_on.wait()
        return self.made


async def test_callers_at_once_share_one_answer() -> None:
    shared, maker, heard = Shared(), Maker(), list[int]()

    async def ask() -> None:
        heard.append(await shared.answer("health", 1, maker))

    async with anyio.create_task_group() as tasks:
        for _ in range(10):
            tasks.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        maker.may_go_on.set()

    assert heard == [1] * 10


async def test_another_state_or_kind_is_worked_out_anew() -> None:
    shared, maker = Shared(), Maker()
    maker.may_go_on.set()

    answers = [
        await shared.answer("health", 1, maker),
        await shared.answer("health", 1, maker),
        await shared.answer("health", 2, maker),
        await shared.answer("metrics", 2, maker),
    ]

    assert answers == [1, 1, 2, 3]


async def test_a_failure_is_not_kept() -> None:
    shared, maker = Shared(), Maker()
    maker.may_go_on.set()

    async def fail() -> int:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await shared.answer("health", 1, fail)

    assert await shared.answer("health", 1, maker) == 1


async def test_what_is_forgotten_is_worked_out_anew() -> None:
    shared, maker = Shared(), Maker()
    maker.may_go_on.set()

    first = await shared.answer("health", 1, maker)
    shared.forget("health")

    assert (first, await shared.answer("health", 1, maker)) == (1, 2)


async def test_the_kind_that_was_asked_for_longest_ago_is_dropped() -> None:
    shared, maker = Shared(kinds=2), Maker()
    maker.may_go_on.set()

    answers = [await shared.answer(kind, 1, maker) for kind in ("a", "b", "a", "c", "a", "b")]

    assert answers == [1, 2, 1, 3, 1, 4]
