"""Profiler: meets configured servers in cages, measures them, and notices when they change (I/O).

Nothing starts here but what the operator named: the commands come from configurations, and which
of them may run from whoever runs `sro profile`, or from the allow-list in sro.toml.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

import anyio

from optimizer.catalog.entry import CatalogEntry, Failure, Timed
from optimizer.catalog.fingerprint import approved, fingerprint, judged
from optimizer.catalog.outcomes import CallOutcome, Witness
from optimizer.catalog.seen import tool_entry
from optimizer.catalog.servers import ConfiguredServer, scrubbed
from optimizer.catalog.tool_tokens import estimate_tokens
from optimizer.clock import Clock, utc_now
from optimizer.errors import NotFoundError
from optimizer.mcp_client.cage import MEMORY_BYTES, Below, Job, MakeCell, Met, meet

AT_ONCE = 4

Probes = Mapping[str, Mapping[str, Any]]
"""Tool to the arguments that the operator allows it to be called with."""

OnProgress = Callable[[str, str], None]
"""Hears the id of a server and what happens to it: waiting, connecting, …, the status at last."""


class EntryKeeper(Protocol):
    """Where the catalog is kept."""

    async def entries(self) -> dict[str, CatalogEntry]:
        """Every entry by id."""

    async def entry(self, identifier: str) -> CatalogEntry | None:
        """One entry; None when there is none."""

    async def keep(self, entry: CatalogEntry, *, forget_calls: bool) -> None:
        """Store an entry in place of the one with its id; recorded calls may be forgotten."""


class CallRecorder(Protocol):
    """Where calls are recorded."""

    async def record(
        self, calls: Sequence[CallOutcome], *, witness: Witness, principal: str
    ) -> Mapping[str, int]:
        """Store calls."""


class Profiler:
    """Measures servers and keeps what it found.

    Args:
        keeper: The catalog.
        calls: Where probes are recorded as calls.
        below: What runs below a process.
        make_cell: Makes what holds a server to its memory.
        clock: The present moment.
    """

    def __init__(
        self,
        keeper: EntryKeeper,
        *,
        calls: CallRecorder,
        below: Below,
        make_cell: MakeCell,
        clock: Clock = utc_now,
    ) -> None:
        self._keeper = keeper
        self._calls = calls
        self._below = below
        self._make_cell = make_cell
        self._clock = clock

    async def profile(
        self,
        servers: Sequence[ConfiguredServer],
        *,
        probes: Mapping[str, Probes] | None = None,
        allow_local: bool = False,
        memory_bytes: int = MEMORY_BYTES,
        on_progress: OnProgress | None = None,
    ) -> tuple[CatalogEntry, ...]:
        """Meet servers, four at a time, each in a cage of its own; one cannot harm another.

        Args:
            servers: Those that the operator allows to be started.
            probes: By id, the tools that may be called.
            allow_local: Whether a URL may lead to this machine or a private network.
            memory_bytes: Most memory of one server with all that it starts.
            on_progress: Hears how each one is doing.

        Returns:
            What the catalog holds of each now, in their order; a failure is an entry too.

        Raises:
            StorageError: The catalog cannot be read or written.
        """
        known = await self._keeper.entries()
        found: dict[str, CatalogEntry] = {}
        room = anyio.CapacityLimiter(AT_ONCE)

        async def one(server: ConfiguredServer) -> None:
            async with room:
                found[server.id] = await self._one(
                    server,
                    known.get(server.id),
                    probes=(probes or {}).get(server.id, {}),
                    allow_local=allow_local,
                    memory_bytes=memory_bytes,
                    on_progress=on_progress or _unheard,
                )

        async with anyio.create_task_group() as tasks:
            for server in servers:
                tasks.start_soon(one, server)
        return tuple(found[server.id] for server in servers)

    async def approve(self, ids: Sequence[str]) -> tuple[CatalogEntry, ...]:
        """Approve what servers offer now; they may be chosen again.

        Raises:
            NotFoundError: The catalog has no such server.
        """
        known = await self._keeper.entries()
        for identifier in ids:
            if identifier not in known:
                hint = f"profiled are: {', '.join(sorted(known)) or 'none'}"
                raise NotFoundError(what="profiled server", name=identifier, hint=hint)
        entries = tuple(approved(known[identifier]) for identifier in ids)
        for entry in entries:
            await self._keeper.keep(entry, forget_calls=False)
        return entries

    async def _one(
        self,
        server: ConfiguredServer,
        before: CatalogEntry | None,
        *,
        probes: Probes,
        allow_local: bool,
        memory_bytes: int,
        on_progress: OnProgress,
    ) -> CatalogEntry:
        async def on_stage(stage: str) -> None:
            on_progress(server.id, stage)

        on_progress(server.id, "starting")
        if server.unresolved:
            met = Met(None, "unresolved", _needed(server.unresolved))
        else:
            met = await meet(
                _job(server, before, probes, allow_local=allow_local),
                below=self._below,
                make_cell=self._make_cell,
                memory_bytes=memory_bytes,
                on_stage=on_stage,
            )
        now = self._clock()
        entry = entry_of(server, met, before, now=now)
        is_new = entry.status == "changed" and (before is None or before.status != "changed")
        await self._keeper.keep(entry, forget_calls=is_new)
        if met.report is not None and entry.status == "profiled":
            calls = _as_outcomes(server.id, met.report.get("calls", ()), probes, now)
            await self._calls.record(calls, witness="client", principal="sro profile")
        on_progress(server.id, entry.status)
        return entry


def entry_of(
    server: ConfiguredServer, met: Met, before: CatalogEntry | None, *, now: datetime
) -> CatalogEntry:
    """What a meeting says of a server, without its secrets, held against what was approved."""
    report = scrubbed(met.report, server.secrets)
    failure = _failure(met, report, server)
    if failure is not None:
        if before is not None:
            changed = {"status": "failed", "failure": failure, "profiled_at": now}
            return before.model_copy(update=changed)
        return CatalogEntry(
            id=server.id,
            source=server.source,
            command=server.shown,
            status="failed",
            failure=failure,
            profiled_at=now,
        )
    hello = report["hello"]
    tools = tuple(tool_entry(tool) for tool in report["tools"])
    entry = CatalogEntry(
        id=server.id,
        source=server.source,
        command=server.shown,
        status="profiled",
        profiled_at=now,
        era=hello["era"],
        protocol=hello["protocol"],
        server_name=hello["name"],
        server_version=hello["version"],
        instructions=hello["instructions"],
        tools=tools,
        refused_tools=report["refused_tools"],
        tool_list_tokens=estimate_tokens(report["tools"]),
        connect_ms=round(report["connect_ms"], 1),
        list_ms=round(report["list_ms"], 1),
        timed=tuple(_timed(each) for each in report["calls"]),
        resident_bytes=None if server.url else met.resident_bytes,
        left_over=met.left_over,
        warnings=(*report["warnings"], *_wanted(report["asked_for"])),
        fingerprint=fingerprint(server.shown, tools),
    )
    return judged(entry, before, now=now)


def _needed(unresolved: Sequence[str]) -> str:
    """What a configuration lacks, and where to give it."""
    kinds = [each.partition(":") for each in unresolved]
    asked = "".join(f" --input {name}" for kind, _, name in kinds if kind == "input")
    needed = f"its configuration needs a value for {', '.join(unresolved)}"
    return f"{needed}; `sro profile` asks with{asked}" if asked else needed


def _job(
    server: ConfiguredServer, before: CatalogEntry | None, probes: Probes, *, allow_local: bool
) -> Job:
    return Job(
        argv=server.argv,
        env=server.env,
        cwd=server.cwd,
        url=server.url,
        headers=server.headers,
        allow_local=allow_local,
        era=before.era if before is not None else None,
        probes=probes,
    )


def _failure(met: Met, report: Any, server: ConfiguredServer) -> Failure | None:
    if met.problem is not None:
        return Failure(problem=met.problem, detail=scrubbed(met.detail, server.secrets))
    if report["failure"] is None:
        return None
    return Failure(**report["failure"], stderr_tail=report["stderr"])


def _timed(call: Mapping[str, Any]) -> Timed:
    took = sorted(round(ms, 3) for ms in call["ms"])
    return Timed(
        what=call["what"],
        calls=len(took) + len(call["failures"]),
        p50_ms=_quantile(took, 0.5),
        p95_ms=_quantile(took, 0.95),
        failures=tuple(call["failures"]),
    )


def _quantile(ordered: Sequence[float], share: float) -> float | None:
    """The smallest value with at least that share of the values at or below it."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else None


def _wanted(asked_for: Sequence[str]) -> list[str]:
    return [
        f"it asked for {method} while it was profiled, and was declined" for method in asked_for
    ]


def _as_outcomes(
    identifier: str, calls: Sequence[Mapping[str, Any]], probes: Probes, now: datetime
) -> list[CallOutcome]:
    """Calls of tools as recorded calls; pings say nothing about a tool.

    A tool that refuses the operator's arguments may be right to, so that is the caller's fault.
    """
    outcomes = []
    for call in calls:
        if call["what"] not in probes:
            continue
        tool = call["what"]
        outcomes += [
            CallOutcome(mcp=identifier, tool=tool, outcome="ok", latency_ms=ms, at=now)
            for ms in call["ms"]
        ]
        outcomes += [
            CallOutcome(mcp=identifier, tool=tool, outcome=_class_of(failure), at=now)
            for failure in call["failures"]
        ]
    return outcomes


def _class_of(failure: str) -> Any:
    return {"tool_error": "caller_fault", "timeout": "timeout"}.get(failure, "protocol_error")


def _unheard(identifier: str, stage: str) -> None:
    pass
