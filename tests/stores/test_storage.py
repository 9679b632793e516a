"""Everything that is written stays below the limit."""

from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from optimizer.store.engine import Database
from optimizer.store.storage import NEAR_LIMIT, StorageKeeper, problems

ROWS = 2000


@pytest.fixture
async def database(tmp_path: Path) -> Database:
    return Database(f"sqlite:///{tmp_path / 'sro.db'}")


def fill(connection: Connection) -> None:
    """Some megabytes of decisions and of samples, one each second."""
    connection.execute(text("INSERT INTO hosts (id, name) VALUES (1, 'here')"))
    for number in range(ROWS):
        connection.execute(
            text("INSERT INTO samples (host_id, at, cpu_usage) VALUES (1, :at, 1)"), {"at": number}
        )
        connection.execute(
            text(
                "INSERT INTO decisions (decision_id, created_at, schema_version, decision, inputs)"
                " VALUES (:id, :at, 1, :text, '')"
            ),
            {"id": str(number), "at": number, "text": "x" * 2000},
        )


def count(table: str, connection: Connection) -> int:
    return connection.scalar(text(f"SELECT count(*) FROM {table}")) or 0


async def test_while_there_is_room_nothing_is_dropped(database: Database) -> None:
    await database.write(fill)
    keeper = StorageKeeper(database, limit=10**9, log=None)

    use = await keeper.keep_below()

    assert use.dropped == ()
    assert use.total > ROWS * 2000
    assert problems(keeper.latest) == {}
    await database.close()


async def test_near_the_limit_the_oldest_goes_samples_first(database: Database) -> None:
    await database.write(fill)
    full = (await StorageKeeper(database, limit=10**9, log=None).measure()).database
    keeper = StorageKeeper(database, limit=int(full * 1.2), log=None)
    wide = await keeper.keep_below()
    keeper.limit = int(full * 0.8)
    await database.close()

    narrow = await keeper.keep_below()
    samples = await database.read(lambda connection: count("samples", connection))
    oldest = await database.read(
        lambda connection: connection.scalar(text("SELECT min(created_at) FROM decisions"))
    )

    assert wide.dropped == ()
    assert narrow.dropped == ("raw samples", "decisions")
    assert 0.3 * full < narrow.database < 0.9 * keeper.limit
    assert samples == 0
    assert oldest is None or oldest > 0
    await database.close()


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
async def test_on_a_server_it_is_measured_and_nothing_is_dropped(store_url: str) -> None:
    server = Database(store_url)
    await server.write(fill)
    keeper = StorageKeeper(server, limit=10**5, log=None)

    use = await keeper.keep_below()

    assert use.dropped == ()
    assert use.database > 10**5
    assert NEAR_LIMIT in problems(keeper.latest)
    await server.close()


async def test_what_cannot_be_dropped_is_told(database: Database, tmp_path: Path) -> None:
    log = tmp_path / "sro.log"
    log.write_bytes(bytes(2**20))
    keeper = StorageKeeper(database, limit=2**20, log=log)

    use = await keeper.keep_below()

    assert use.is_near
    assert "raise STORAGE_LIMIT" in problems(keeper.latest)[NEAR_LIMIT]
    await database.close()
