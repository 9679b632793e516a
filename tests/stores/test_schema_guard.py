"""A program and a database of different schemas."""

from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from optimizer.errors import StorageError
from optimizer.store import backup, engine, migrations
from optimizer.store.engine import Database


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sro.db"


def add_a_table(connection: Connection) -> None:
    connection.execute(text("CREATE TABLE later (id INTEGER PRIMARY KEY)"))


def become_newer(monkeypatch: pytest.MonkeyPatch) -> None:
    newer = (*migrations.MIGRATIONS, add_a_table)
    monkeypatch.setattr(migrations, "MIGRATIONS", newer)
    monkeypatch.setattr(migrations, "SCHEMA", len(newer))
    monkeypatch.setattr(engine, "SCHEMA", len(newer))


def nothing(_: Connection) -> None:
    """A write that is allowed to be made."""


async def test_a_newer_program_copies_the_database_before_it_migrates(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = Database(f"sqlite:///{path}")
    await older.write(nothing)
    await older.close()
    become_newer(monkeypatch)

    newer = Database(f"sqlite:///{path}")
    version = await newer.read(migrations.version_of)
    await newer.close()

    [copy] = backup.copies(path)
    kept = Database(f"sqlite:///{copy}")
    monkeypatch.undo()
    assert version == migrations.SCHEMA + 1
    assert await kept.read(migrations.version_of) == migrations.SCHEMA
    assert copy.name.startswith(f"sro.db.schema-{migrations.SCHEMA}-")
    await kept.close()


@pytest.mark.parametrize("store_url", ["file", "postgresql"], indirect=True)
async def test_an_older_program_that_runs_refuses_to_write_and_still_reads(
    store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = Database(store_url)
    await older.write(nothing)
    with monkeypatch.context() as patch:
        become_newer(patch)
        newer = Database(store_url)
        await newer.open()
        await newer.close()

    with pytest.raises(StorageError, match="Restart this program"):
        await older.write(nothing)
    assert await older.read(migrations.version_of) == migrations.SCHEMA + 1
    await older.close()


async def test_a_change_of_the_schema_by_the_same_version_stops_nobody(path: Path) -> None:
    database = Database(f"sqlite:///{path}")
    await database.write(nothing)

    await database.write(add_a_table)
    await database.write(nothing)

    await database.close()


async def test_a_new_database_needs_no_copy(path: Path) -> None:
    database = Database(f"sqlite:///{path}")
    await database.write(nothing)
    await database.close()

    assert backup.copies(path) == []


def test_the_last_three_copies_are_kept(path: Path) -> None:
    path.touch()
    made = [backup.back_up(path, version=version) for version in (9, 10, 11, 12)]

    assert backup.copies(path) == made[1:]
