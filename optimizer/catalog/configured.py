"""The servers that may be chosen without being named: those of host configurations and sro.toml.

Nothing is kept of what the files hold: they are read anew at every question, so an edited file
counts at once, and no secret of theirs stays in memory.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from optimizer.catalog.host_configs import (
    HostConfig,
    configured_server,
    host_config_path,
    read_host_config,
)
from optimizer.catalog.servers import ConfiguredServer
from optimizer.errors import ConfigurationError


@dataclass(frozen=True)
class Candidates:
    """What the operator configured.

    Attributes:
        host_configs: Configuration files, or hosts by name: claude, cursor, vscode.
        servers: Further servers: name to an entry as in mcp.json.
        may_profile: Ids that may be started without a person at a terminal.
        probes: Id to tools, to the arguments that each may be called with.
        allow_local: Whether a URL may lead to this machine or a private network.
    """

    host_configs: Sequence[str] = ()
    servers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)
    may_profile: frozenset[str] = frozenset()
    probes: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)
    allow_local: bool = False


def configured_servers(
    candidates: Candidates, environment: Mapping[str, str] | None = None
) -> HostConfig:
    """Every configured server; of two with one name the first counts, sro.toml before files.

    A file that cannot be read leaves out its own servers only.
    """
    variables = os.environ if environment is None else environment
    found = {
        name: configured_server(name, entry, source="sro.toml")
        for name, entry in candidates.servers.items()
    }
    left_out: dict[str, str] = {}
    for named in candidates.host_configs:
        path = host_config_path(named)
        try:
            config = read_host_config(path, environment=variables)
        except ConfigurationError as error:
            left_out[str(path)] = error.problem
            continue
        left_out |= config.left_out
        for server in config.servers:
            if server.id in found:
                left_out[f"{server.id} of {path}"] = f"{found[server.id].source} names one too"
            else:
                found[server.id] = server
    return HostConfig(tuple(found.values()), left_out)


def allowed_servers(
    ids: Sequence[str], candidates: Candidates
) -> tuple[tuple[ConfiguredServer, ...], dict[str, str]]:
    """Of these ids, the servers that may be started unattended, and why the others may not."""
    by_id = {server.id: server for server in configured_servers(candidates).servers}
    refused = {}
    for identifier in ids:
        if identifier not in candidates.may_profile:
            refused[identifier] = "not in the allow-list, [candidates] profile in sro.toml"
        elif identifier not in by_id:
            refused[identifier] = "no configuration names it"
    return tuple(by_id[each] for each in ids if each not in refused), refused
