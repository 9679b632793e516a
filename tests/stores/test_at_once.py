"""Small writes that wait for nobody: committed here and now, or not begun."""

import sqlite3
from pathlib import Path

import anyio
import pytest
from sqlalchemy import Column, Connection, Integer, MetaData, Table, insert, select

from optimizer.store.engine import Database
from optimizer.store.prepared import Prepared
from tests.stores.test_engine import Gate, make_notes, note, numbers
from tests.stores.test_engine import notes as notes_table

_plain = Table("notes", MetaData(), Column("id", Integer, primary_key=True))
NOTE = Prepared(insert(_plain))


def level(connection: Connection) -> int:
    return int(connection.exec_driver_sql("PRAGMA synchronous").scalar_one())


async def test_what_is_written_at_once_is_committed(sqlite: Database) -> None:
    await sqlite.write(make_notes)

    assert sqlite.write_at_once([(NOTE, (1,)), (NOTE, (2,))])

    assert await sqlite.read(numbers) == [1, 2]
    await sqlite.write(note(3))
    assert await sqlite.read(numbers) == [1, 2, 3]


async def test_another_program_sees_it_at_once(tmp_path: Path) -> None:
    path = tmp_path / "sro.db"
    database = Database(f"sqlite:///{path}")
    await database.write(make_notes)
    database.write_at_once([(NOTE, (1,))])

    other = sqlite3.connect(path)

    assert other.execute("SELECT id FROM notes").fetchall() == [(1,)]
    other.close()
    await database.close()


async def test_a_statement_that_fails_undoes_those_before_it(sqlite: Database) -> None:
    await sqlite.write(make_notes)
    await sqlite.write(note(2))

    assert not sqlite.write_at_once([(NOTE, (1,)), (NOTE, (2,))])

    assert await sqlite.read(numbers) == [2]


async def test_it_does_not_wait_for_another_program(tmp_path: Path) -> None:
    path = tmp_path / "sro.db"
    database = Database(f"sqlite:///{path}")
    await database.write(make_notes)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    assert not database.write_at_once([(NOTE, (1,))])

    other.execute("ROLLBACK")
    other.close()
    assert database.write_at_once([(NOTE, (1,))])
    await database.close()


async def test_it_does_not_wait_for_a_change_that_is_being_made(sqlite: Database) -> None:
    await sqlite.write(make_notes)
    gate = Gate()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(sqlite.write, gate)
        await gate.entered()

        assert not sqlite.write_at_once([(NOTE, (1,))])

        gate.open()

    assert sqlite.write_at_once([(NOTE, (1,))])


async def test_the_next_durable_change_waits_for_the_disk_all_the_same(sqlite: Database) -> None:
    await sqlite.write(make_notes)

    assert sqlite.write_at_once([(NOTE, (1,))])

    assert await sqlite.write(level, durable=True) == 2


async def test_a_change_of_the_schema_is_looked_into_by_a_change_that_may_wait(
    tmp_path: Path,
) -> None:
    path = tmp_path / "sro.db"
    database = Database(f"sqlite:///{path}")
    await database.write(make_notes)
    await database.write(note(1))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("CREATE TABLE more (id INTEGER)")
    other.close()

    assert not database.write_at_once([(NOTE, (2,))])
    await database.write(note(2))
    assert database.write_at_once([(NOTE, (3,))])

    assert await database.read(numbers) == [1, 2, 3]
    await database.close()


@pytest.mark.parametrize("store_url", ["memory", "file", "postgresql"], indirect=True)
async def test_before_the_store_is_open_nothing_is_written(store_url: str) -> None:
    database = Database(store_url)

    assert not database.write_at_once([(NOTE, (1,))])

    await database.write(make_notes)
    found = await database.read(lambda c: list(c.scalars(select(notes_table.c.id))))
    assert found == []
    await database.close()


async def test_what_others_write_is_told_from_what_we_write(tmp_path: Path) -> None:
    path = tmp_path / "sro.db"
    database = Database(f"sqlite:///{path}")
    assert database.others_wrote() is None
    await database.write(make_notes)
    before = database.others_wrote()
    await database.write(note(1))
    database.write_at_once([(NOTE, (2,))])
    assert before is not None
    assert database.others_wrote() == before

    other = sqlite3.connect(path)
    other.execute("INSERT INTO notes (id) VALUES (3)")
    assert database.others_wrote() == before
    other.commit()

    assert database.others_wrote() != before
    other.close()
    await database.close()


async def test_while_a_change_is_made_nobody_can_tell_what_others_write(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'sro.db'}")
    await database.write(make_notes)
    gate = Gate()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(database.write, gate)
        await gate.entered()

        assert database.others_wrote() is None

        gate.open()
    await database.close()
