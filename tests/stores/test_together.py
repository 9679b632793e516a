"""Things that wait at once are written in one transaction, and each hears what came of its own."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import anyio
import pytest
from sqlalchemy import Connection

from optimizer.store.engine import MEMORY_URL, Database
from optimizer.store.together import Together


class Notes:
    """Writes down what it is given, a group at a time; refuses what is negative, and all of a 0."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []

    def __call__(self, connection: Connection, items: Sequence[int]) -> list[int | Exception]:
        self.groups.append(list(items))
        if 0 in items:
            raise KeyError("a zero")
        return [ValueError(f"{item} is negative") if item < 0 else 10 * item for item in items]


@pytest.fixture
async def database() -> AsyncIterator[Database]:
    store = Database(MEMORY_URL)
    await store.open()
    yield store
    await store.close()


async def test_what_waits_at_once_is_one_group_in_the_order_in_which_it_came(
    database: Database,
) -> None:
    notes = Notes()
    together = Together(database, notes, name="notes")

    outcomes = await asyncio.gather(*(together.add(one, durable=False) for one in (3, 1, 2)))

    assert outcomes == [30, 10, 20]
    assert notes.groups == [[3, 1, 2]]


async def test_what_is_wrong_with_one_is_raised_to_that_one_alone(database: Database) -> None:
    together = Together(database, Notes(), name="notes")

    outcomes = await asyncio.gather(
        *(together.add(one, durable=False) for one in (1, -2, 3)), return_exceptions=True
    )

    assert (outcomes[0], outcomes[2]) == (10, 30)
    assert isinstance(outcomes[1], ValueError)


async def test_a_group_that_cannot_be_written_fails_for_everybody_and_the_next_does_not(
    database: Database,
) -> None:
    together = Together(database, Notes(), name="notes")

    outcomes = await asyncio.gather(
        *(together.add(one, durable=False) for one in (1, 0)), return_exceptions=True
    )

    assert [type(outcome) for outcome in outcomes] == [KeyError, KeyError]
    assert await together.add(4, durable=False) == 40


async def test_who_is_cancelled_leaves_only_when_what_it_handed_in_is_written(
    database: Database,
) -> None:
    notes = Notes()
    together = Together(database, notes, name="notes")
    impatient = asyncio.create_task(together.add(1, durable=False))
    patient = asyncio.create_task(together.add(2, durable=False))
    await anyio.lowlevel.checkpoint()

    impatient.cancel()
    with anyio.fail_after(60), pytest.raises(asyncio.CancelledError):
        await impatient

    assert notes.groups == [[1, 2]]
    assert await patient == 20


async def test_an_error_that_nobody_stayed_to_hear_is_not_logged_as_forgotten(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    together = Together(database, Notes(), name="notes")
    asker = asyncio.create_task(together.add(-1, durable=False))
    await anyio.lowlevel.checkpoint()

    asker.cancel()
    await asyncio.wait([asker])
    del asker

    assert caplog.records == []
