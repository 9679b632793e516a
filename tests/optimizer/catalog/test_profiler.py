"""Profiles of a server that really runs, and what happens when it changes."""

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from optimizer.catalog.entry import CatalogEntry
from optimizer.catalog.outcomes import CallOutcome, Witness
from optimizer.catalog.profiler import Profiler
from optimizer.catalog.servers import ConfiguredServer
from optimizer.machine.processes import resident_below

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
HOSTILE = str(Path(__file__).parents[1] / "mcp_client" / "hostile_server.py")
CANARY = "canary-5f1b22c9"


class KeptInMemory:
    """A catalog and recorded calls."""

    def __init__(self) -> None:
        self.kept: dict[str, CatalogEntry] = {}
        self.forgotten: list[str] = []
        self.calls: list[CallOutcome] = []

    async def entries(self) -> dict[str, CatalogEntry]:
        return self.kept

    async def entry(self, identifier: str) -> CatalogEntry | None:
        return self.kept.get(identifier)

    async def keep(self, entry: CatalogEntry, *, forget_calls: bool) -> None:
        self.kept[entry.id] = entry
        self.forgotten += [entry.id] if forget_calls else []

    async def record(
        self, calls: Sequence[CallOutcome], *, witness: Witness, principal: str
    ) -> Mapping[str, int]:
        self.calls += calls
        return {}


def server(mode: str, **further: object) -> ConfiguredServer:
    argv = (sys.executable, HOSTILE, mode)
    return ConfiguredServer("x", "mcp.json", argv, shown="python server.py", **further)  # type: ignore[arg-type]


def profiler_of(kept: KeptInMemory) -> Profiler:
    return Profiler(
        kept, calls=kept, below=resident_below, make_cell=lambda _: None, clock=lambda: NOW
    )


async def test_a_profile_measures_and_remembers_how_the_server_speaks() -> None:
    kept, heard = KeptInMemory(), []

    [entry] = await profiler_of(kept).profile(
        [server("behaves")], on_progress=lambda _, stage: heard.append(stage)
    )

    assert (entry.status, entry.protocol, entry.era) == ("profiled", "2025-06-18", "handshake")
    assert [tool.name for tool in entry.tools] == ["look"]
    assert entry.tool_list_tokens is not None
    assert entry.connect_ms is not None
    assert entry.resident_bytes is not None
    assert 2**20 < entry.resident_bytes < 2**28
    assert [(timed.what, timed.calls) for timed in entry.timed] == [("ping", 20)]
    assert heard == ["starting", "connecting", "listing", "probing", "profiled"]
    assert kept.kept["x"] == entry


async def test_a_failure_names_its_reason_and_keeps_what_was_known() -> None:
    kept = KeptInMemory()
    profiler = profiler_of(kept)
    await profiler.profile([server("behaves")])

    [entry] = await profiler.profile([server("exits")])

    assert entry.status == "failed"
    assert entry.failure is not None
    assert entry.failure.stderr_tail == "cannot find my database"
    assert [tool.name for tool in entry.tools] == ["look"]
    assert "it ended with code 3" in (entry.held_back or "")


async def test_a_server_that_changes_waits_for_approval_and_begins_anew() -> None:
    kept = KeptInMemory()
    profiler = profiler_of(kept)
    await profiler.profile([server("behaves")])

    [changed] = await profiler.profile([server("tells")])
    [still] = await profiler.profile([server("tells")])

    assert changed.status == still.status == "changed"
    assert changed.change is not None
    assert changed.change.altered == ("look",)
    assert kept.forgotten == ["x"]
    assert "rewritten: look" in (changed.held_back or "")
    [approved] = await profiler.approve(["x"])
    assert (approved.status, approved.held_back) == ("profiled", None)
    [again] = await profiler.profile([server("tells")])
    assert again.status == "profiled"


async def test_a_changed_server_that_changes_back_is_the_approved_one() -> None:
    profiler = profiler_of(KeptInMemory())
    await profiler.profile([server("behaves")])
    await profiler.profile([server("tells")])

    [entry] = await profiler.profile([server("behaves")])

    assert (entry.status, entry.change) == ("profiled", None)


async def test_probes_are_recorded_as_calls() -> None:
    kept = KeptInMemory()

    await profiler_of(kept).profile([server("tells")], probes={"x": {"look": {"at": 1}}})

    assert [(call.mcp, call.tool, call.outcome) for call in kept.calls] == [("x", "look", "ok")] * 5


async def test_what_needs_an_input_is_not_started() -> None:
    [entry] = await profiler_of(KeptInMemory()).profile(
        [server("behaves", unresolved=("input:key",))]
    )

    assert entry.failure is not None
    assert entry.failure.detail == (
        "its configuration needs a value for input:key; `sro profile` asks with --input key"
    )


async def test_a_secret_that_the_server_tells_is_not_kept() -> None:
    kept = KeptInMemory()

    [entry] = await profiler_of(kept).profile([server("tells", env={"SECRET": CANARY})])

    assert entry.tools[0].description == "Uses ***."
    assert CANARY not in json.dumps(entry.model_dump(mode="json"))
