"""A host configuration with the chosen servers only, and what that saves. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optimizer.catalog.host_configs import HostConfig
from optimizer.catalog.servers import ConfiguredServer
from optimizer.cost_benefit.analysis import McpSelectionAnalysis, OptionView

Wrap = Callable[[str, Sequence[str]], tuple[str, list[str]]]
"""Id of a server and its command line, to the program and arguments that run it watched."""


@dataclass(frozen=True)
class Saving:
    """One quantity before and after.

    Attributes:
        before: Of all servers of the configuration, as far as it is known.
        after: Of the chosen ones.
        not_known: Servers whose share is in neither, because nothing measured it.
    """

    before: float
    after: float
    not_known: tuple[str, ...]


@dataclass(frozen=True)
class Emitted:
    """A new configuration.

    Attributes:
        document: The file's content. It holds what the entries held, secrets included.
        chosen: Servers in it.
        left_out: Servers that are not.
        tokens: Of tool lists in the model's context, on every turn.
        memory_bytes: Of one copy of each server: what one session of a host holds.
        first_use_ms: Chosen server to the milliseconds until it answers the first time.
    """

    document: Mapping[str, Any]
    chosen: tuple[str, ...]
    left_out: tuple[str, ...]
    tokens: Saving
    memory_bytes: Saving
    first_use_ms: Mapping[str, float | None]


def chosen_of(analysis: McpSelectionAnalysis) -> tuple[str, ...]:
    """The servers that an analysis recommends: one, a chain, or a set."""
    found = analysis["recommendations"]
    chain, cover = found["fallback_chain"], found["set"]
    if chain is not None:
        return tuple(chain["mcp_ids"])
    if cover is not None:
        return tuple(cover["mcp_ids"])
    primary = found["primary_recommendation"]["mcp_id"]
    return () if primary is None else (primary,)


def emit_config(
    analysis: McpSelectionAnalysis, config: HostConfig, *, wrap: Wrap | None = None
) -> Emitted:
    """Keep the entries of the chosen servers, as they were written.

    Args:
        analysis: A choice among the servers of `config`.
        config: The configuration that they are of.
        wrap: Makes a command one that is watched; servers at URLs stay as they are.
    """
    chosen = chosen_of(analysis)
    servers = {server.id: server for server in config.servers}
    options = {option["mcp_id"]: option for option in analysis["options"]}
    document: dict[str, Any] = {config.key: {i: _entry(servers[i], wrap) for i in chosen}}
    if config.inputs:
        document["inputs"] = list(config.inputs)
    return Emitted(
        document=document,
        chosen=chosen,
        left_out=tuple(identifier for identifier in servers if identifier not in chosen),
        tokens=_saving(options, servers, chosen, "context_tokens"),
        memory_bytes=_saving(options, servers, chosen, "resident_bytes"),
        first_use_ms={i: options[i]["startup_ms"]["value"] for i in chosen},
    )


def _entry(server: ConfiguredServer, wrap: Wrap | None) -> dict[str, Any]:
    if wrap is None or server.url is not None:
        return dict(server.written)
    written = [str(server.written["command"]), *map(str, server.written.get("args") or ())]
    command, arguments = wrap(server.id, written)
    return {**server.written, "command": command, "args": arguments}


def _saving(
    options: Mapping[str, OptionView],
    servers: Mapping[str, ConfiguredServer],
    chosen: Sequence[str],
    figure: str,
) -> Saving:
    values: dict[str, float | None] = {
        identifier: options[identifier][figure]["value"]  # type: ignore[literal-required]
        for identifier in servers
    }
    known = {identifier: value for identifier, value in values.items() if value is not None}
    return Saving(
        before=sum(known.values()),
        after=sum(value for identifier, value in known.items() if identifier in chosen),
        not_known=tuple(identifier for identifier in servers if identifier not in known),
    )
