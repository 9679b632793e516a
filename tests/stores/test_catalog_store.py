from datetime import UTC, datetime

from optimizer.catalog.entry import CatalogEntry, ToolEntry
from optimizer.catalog.outcomes import CallOutcome
from optimizer.store.catalog import CatalogStore
from optimizer.store.engine import Database
from optimizer.store.outcomes import OutcomeKeeper

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


def entry(identifier: str, **further: object) -> CatalogEntry:
    return CatalogEntry.model_validate(
        {
            "id": identifier,
            "source": "mcp.json",
            "command": "node files.js",
            "status": "profiled",
            "profiled_at": NOW,
            **further,
        }
    )


async def test_the_newest_profile_of_a_server_is_kept(database: Database) -> None:
    store = CatalogStore(database)
    newest = entry("io.github.x/files", tools=(ToolEntry(name="read", description="Reads ✓"),))

    await store.keep(entry("io.github.x/files"), forget_calls=False)
    await store.keep(entry("b"), forget_calls=False)
    await store.keep(newest, forget_calls=False)

    assert await store.entries() == {"b": entry("b"), "io.github.x/files": newest}
    assert await store.entry("io.github.x/files") == newest
    assert await store.entry("absent") is None


async def test_a_server_that_is_another_one_now_begins_without_calls(database: Database) -> None:
    store, outcomes = CatalogStore(database), OutcomeKeeper(database)
    calls = [CallOutcome(mcp=mcp, outcome="ok", at=NOW) for mcp in ("a", "b")]
    await outcomes.record(calls, witness="client", principal="me")

    await store.keep(entry("a"), forget_calls=True)

    assert set(await outcomes.measured(["a", "b"], now=NOW)) == {"b"}
