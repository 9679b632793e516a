"""The store's engine: one writer, group commit, and nothing lost or half done."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, Connection, Integer, MetaData, Table, insert, select, text

from optimizer.errors import ConfigurationError, StorageError
from optimizer.store.engine import (
    MEMORY_URL,
    Database,
    UtcDateTime,
    from_microseconds,
    to_microseconds,
)

notes = Table(
    "notes", MetaData(), Column("id", Integer, primary_key=True), Column("at", UtcDateTime)
)


def make_notes(connection: Connection) -> None:
    notes.create(connection)


def note(number: int) -> Callable[[Connection], int]:
    """A change that writes one row and answers its number."""

    def change(connection: Connection) -> int:
        connection.execute(insert(notes).values(id=number))
        return number

    return change


def numbers(connection: Connection) -> list[int]:
    return list(connection.scalars(select(notes.c.id).order_by(notes.c.id)))


class Gate:
    """A change that holds the writer until it is let go, so that others must wait together."""

    def __init__(self) -> None:
        self._entered = threading.Event()
        self._open = threading.Event()

    def __call__(self, connection: Connection) -> str:
        self._entered.set()
        self._open.wait(60)
        connection.execute(insert(notes).values(id=1000))
        return "through"

    async def entered(self) -> None:
        await anyio.to_thread.run_sync(self._entered.wait, 60)

    def open(self) -> None:
        self._open.set()


async def queued(database: Database, count: int) -> None:
    """Wait until that many changes stand in line."""
    with anyio.fail_after(60):
        while len(database._engine._waiting) < count:  # type: ignore[attr-defined]
            await anyio.lowlevel.checkpoint()


async def test_what_is_written_can_be_read_and_the_answer_comes_back(database: Database) -> None:
    await database.write(make_notes)

    assert await database.write(note(7)) == 7
    assert await database.read(numbers) == [7]


async def test_a_change_that_raises_is_undone_and_its_error_passed_on(database: Database) -> None:
    await database.write(make_notes)

    def fails(connection: Connection) -> None:
        note(1)(connection)
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        await database.write(fails)

    assert await database.read(numbers) == []


async def test_one_change_that_raises_does_not_undo_those_committed_with_it(
    sqlite: Database,
) -> None:
    await sqlite.write(make_notes)
    gate = Gate()

    def fails(connection: Connection) -> int:
        note(2)(connection)
        raise KeyError("mine")

    first = asyncio.create_task(sqlite.write(gate))
    await gate.entered()
    others = [
        asyncio.create_task(sqlite.write(change))
        for change in (note(1), fails, note(3), note(1), note(4))
    ]
    await queued(sqlite, 5)
    gate.open()
    outcomes = await asyncio.gather(first, *others, return_exceptions=True)

    assert outcomes[0] == "through"
    assert outcomes[1] == 1
    assert isinstance(outcomes[2], KeyError)
    assert outcomes[3] == 3
    assert isinstance(outcomes[4], StorageError)
    assert outcomes[5] == 4
    assert await sqlite.read(numbers) == [1, 3, 4, 1000]


async def test_changes_that_wait_together_are_committed_together(sqlite: Database) -> None:
    await sqlite.write(make_notes)
    gate = Gate()
    threads: set[int] = set()
    transactions: set[int] = set()

    def looks(connection: Connection) -> None:
        threads.add(threading.get_ident())
        transactions.add(id(connection.get_transaction()))

    first = asyncio.create_task(sqlite.write(gate))
    await gate.entered()
    others = [asyncio.create_task(sqlite.write(looks)) for _ in range(5)]
    await queued(sqlite, 5)
    gate.open()
    await asyncio.gather(first, *others)

    assert len(threads) == len(transactions) == 1


async def test_a_writer_that_gives_up_while_it_waits_changes_nothing(sqlite: Database) -> None:
    await sqlite.write(make_notes)
    gate = Gate()
    first = asyncio.create_task(sqlite.write(gate))
    await gate.entered()
    given_up = asyncio.create_task(sqlite.write(note(1)))
    stays = asyncio.create_task(sqlite.write(note(2)))
    await queued(sqlite, 2)

    given_up.cancel()
    await asyncio.wait([given_up])
    gate.open()
    await asyncio.gather(first, stays)

    assert given_up.cancelled()
    assert await sqlite.read(numbers) == [2, 1000]


async def test_a_change_that_has_begun_is_finished_even_when_its_writer_is_cancelled(
    sqlite: Database,
) -> None:
    await sqlite.write(make_notes)
    gate = Gate()
    first = asyncio.create_task(sqlite.write(gate))
    await gate.entered()
    second = asyncio.create_task(sqlite.write(note(2)))
    await queued(sqlite, 1)

    first.cancel()
    first.cancel()
    gate.open()
    outcomes = await asyncio.gather(first, second, return_exceptions=True)

    assert isinstance(outcomes[0], asyncio.CancelledError)
    assert outcomes[1] == 2
    assert await sqlite.read(numbers) == [2, 1000]


async def test_a_deadline_does_not_cut_a_change_in_two(sqlite: Database) -> None:
    await sqlite.write(make_notes)
    gate = Gate()

    async def let_go() -> None:
        await gate.entered()
        scope.cancel()
        gate.open()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(let_go)
        with anyio.CancelScope() as scope:
            await sqlite.write(gate)

    assert await sqlite.read(numbers) == [1000]


async def test_a_reader_that_is_cancelled_leaves_the_store_usable(sqlite: Database) -> None:
    await sqlite.write(make_notes)
    entered, let_go = threading.Event(), threading.Event()

    def reads(connection: Connection) -> list[int]:
        entered.set()
        let_go.wait(60)
        return numbers(connection)

    reader = asyncio.create_task(sqlite.read(reads))
    await anyio.to_thread.run_sync(entered.wait, 60)
    reader.cancel()
    let_go.set()
    await asyncio.wait([reader])

    assert await sqlite.write(note(1)) == 1
    assert await sqlite.read(numbers) == [1]


async def test_a_reading_is_of_one_moment(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'sro.db'}")
    await database.write(make_notes)
    await database.write(note(1))
    begun, go_on = threading.Event(), threading.Event()

    def reads_twice(connection: Connection) -> tuple[list[int], list[int]]:
        before = numbers(connection)
        begun.set()
        go_on.wait(60)
        return before, numbers(connection)

    reader = asyncio.create_task(database.read(reads_twice))
    await anyio.to_thread.run_sync(begun.wait, 60)
    await database.write(note(2))
    go_on.set()

    assert await reader == ([1], [1])
    assert await database.read(numbers) == [1, 2]
    await database.close()


@pytest.mark.parametrize(("durable", "synchronous"), [(True, 2), (False, 1)])
async def test_only_durable_changes_wait_for_the_disk(
    sqlite: Database, durable: bool, synchronous: int
) -> None:
    def level(connection: Connection) -> int:
        return int(connection.exec_driver_sql("PRAGMA synchronous").scalar_one())

    assert await sqlite.write(level, durable=durable) == synchronous


async def test_a_store_on_file_keeps_what_one_in_memory_forgets(tmp_path: Path) -> None:
    for url, kept in ((f"sqlite:///{tmp_path / 'sro.db'}", True), (MEMORY_URL, False)):
        database = Database(url)
        await database.write(make_notes)
        await database.close()
        found = await database.read(
            lambda connection: connection.dialect.has_table(connection, "notes")
        )
        assert found is kept
        await database.close()


async def test_two_stores_on_one_file_write_in_turns(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'deep' / 'sro.db'}"
    one, other = Database(url), Database(url)
    await one.write(make_notes)

    async with anyio.create_task_group() as tasks:
        for number in range(20):
            tasks.start_soon((one, other)[number % 2].write, note(number))

    assert await one.read(numbers) == list(range(20))
    await one.close()
    await other.close()


async def test_a_store_of_a_newer_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "sro.db"
    database = Database(f"sqlite:///{path}")
    await database.open()
    await database.write(
        lambda connection: (
            connection.execute(text("INSERT INTO schema_version VALUES (999)")) and None
        )
    )
    await database.close()
    before = path.read_bytes()

    with pytest.raises(StorageError, match="has schema 999"):
        await Database(f"sqlite:///{path}").open()

    assert path.read_bytes() == before


async def test_a_full_disk_is_an_error_that_reads_survive_and_that_ends(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'sro.db'}")
    await database.write(make_notes)

    def limit(pages: int) -> Callable[[Connection], None]:
        def change(connection: Connection) -> None:
            connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")

        return change

    def fill(connection: Connection) -> None:
        connection.exec_driver_sql("CREATE TABLE big AS SELECT zeroblob(1000000) AS x")

    await database.write(limit(1))
    with pytest.raises(StorageError, match="full"):
        await database.write(fill)

    assert await database.read(numbers) == []
    await database.write(limit(1_000_000))
    await database.write(fill)
    await database.close()


@pytest.mark.parametrize("damage", ["garbage", "truncated"])
async def test_a_damaged_file_is_set_aside_and_a_new_store_begun(
    tmp_path: Path, damage: str
) -> None:
    path = tmp_path / "sro.db"
    first = Database(f"sqlite:///{path}")
    await first.open()
    await first.close()
    whole = path.read_bytes()
    path.write_bytes(b"garbage" * 1000 if damage == "garbage" else whole[: len(whole) // 2])
    broken = path.read_bytes()

    database = Database(f"sqlite:///{path}")
    await database.write(make_notes)

    assert database.set_aside is not None
    assert database.set_aside.read_bytes() == broken
    assert await database.read(numbers) == []
    await database.close()


async def test_a_whole_file_is_not_set_aside(tmp_path: Path) -> None:
    for _ in range(2):
        database = Database(f"sqlite:///{tmp_path / 'sro.db'}")
        await database.open()
        await database.close()
        assert database.set_aside is None


async def test_a_folder_that_cannot_be_made_names_the_setting(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(ConfigurationError, match="DATABASE_URL"):
        await Database(f"sqlite:///{tmp_path / 'file' / 'sro.db'}").open()


@pytest.mark.parametrize("url", ["", "nonsense", "mysql://host/x", "sqlite+pysqlcipher:///x"])
def test_the_url_of_anything_else_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="DATABASE_URL"):
        Database(url)


def test_a_password_in_the_url_is_never_shown() -> None:
    database = Database("postgresql+asyncpg://user:canary@db.example/sro")

    assert "canary" not in database.shown_url
    assert not database.is_sqlite
    assert database.path is None


@given(
    st.datetimes(
        min_value=datetime(1, 1, 2),  # noqa: DTZ001
        max_value=datetime(9999, 12, 30),  # noqa: DTZ001
        timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30))]),
    )
)
def test_moments_come_back_exactly_and_in_utc(moment: datetime) -> None:
    back = from_microseconds(to_microseconds(moment))

    assert back == moment
    assert back.tzinfo is UTC


def test_a_moment_without_a_time_zone_is_refused() -> None:
    with pytest.raises(TypeError):
        to_microseconds(datetime(2026, 3, 2))  # noqa: DTZ001


async def test_a_column_of_moments_keeps_microseconds_and_nothing(database: Database) -> None:
    moment = datetime(2026, 3, 2, 12, 0, 0, 123457, tzinfo=UTC)
    await database.write(make_notes)

    def change(connection: Connection) -> list[datetime | None]:
        connection.execute(insert(notes), [{"id": 1, "at": moment}, {"id": 2, "at": None}])
        return list(connection.scalars(select(notes.c.at).order_by(notes.c.id)))

    assert await database.write(change) == [moment, None]


async def test_a_file_that_another_program_left_locked_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("optimizer.store.sqlite.BUSY_TIMEOUT_S", 0.01)
    path = tmp_path / "sro.db"
    database = Database(f"sqlite:///{path}")
    await database.write(make_notes)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(StorageError, match="locked"):
        await database.write(note(1))
    other.execute("ROLLBACK")
    other.close()

    assert await database.write(note(1)) == 1
    assert database.set_aside is None
    await database.close()


async def test_no_connection_holds_more_than_half_a_mebibyte_of_pages(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'small.db'}")

    def limit(connection: Connection) -> int | None:
        return connection.scalar(text("PRAGMA cache_size"))

    limits = [await database.read(limit), await database.write(limit)]
    await database.close()

    assert limits == [-512, -512]
