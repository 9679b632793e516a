"""`sro profile`: start MCP servers that the operator names, in cages, and measure them."""

import json
import os
import sys
from collections.abc import Sequence
from typing import Any

import anyio
import click
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from optimizer.catalog.configured import configured_servers
from optimizer.catalog.entry import CatalogEntry
from optimizer.catalog.host_configs import HostConfig, host_config_path, read_host_config
from optimizer.catalog.servers import ConfiguredServer
from optimizer.errors import OptimizerError
from optimizer.quantities import RESOURCES, parse_amount
from optimizer.settings import load_settings
from server.cli.tables.catalog import profiles

FAILED = 1


@click.command("profile")
@click.argument("ids", nargs=-1)
@click.option(
    "--config",
    metavar="FILE",
    help="Servers of this mcp.json, or of a host: claude, cursor, vscode; else those of sro.toml.",
)
@click.option("--all", "everything", is_flag=True, help="Start every server of it, unasked.")
@click.option(
    "--probe",
    "probes",
    multiple=True,
    metavar="ID.TOOL=JSON",
    help="Call a tool that says that it only reads, with these arguments.",
)
@click.option("--input", "inputs", multiple=True, metavar="ID", help="Ask for ${input:ID}.")
@click.option("--allow-local", is_flag=True, help="URLs may lead to this machine, over http too.")
@click.option(
    "--memory",
    metavar="AMOUNT",
    default="150 MiB",
    show_default=True,
    help="Most memory of a server with all that it starts.",
)
@click.option("--approve", is_flag=True, help="Approve what IDS offer now; start nothing.")
@click.option("--json", "as_json", is_flag=True, help="The catalog's entries as JSON.")
def profile(
    ids: tuple[str, ...],
    *,
    config: str | None,
    everything: bool,
    probes: tuple[str, ...],
    inputs: tuple[str, ...],
    allow_local: bool,
    memory: str,
    approve: bool,
    as_json: bool,
) -> None:
    """Start configured MCP servers, each in a cage of its own, and measure them.

    What is started is shown first, with its secrets masked; nothing goes through a shell. Without
    IDS you are asked. What is found is kept for `sro select`; a server that later offers something
    else is held back until you approve it.
    """
    if approve and not ids:
        raise click.UsageError("name the IDS to approve")
    try:
        if approve:
            entries = anyio.run(_approve, ids)
        else:
            given = {name: click.prompt(name, hide_input=True, err=True) for name in inputs}
            most = parse_amount(memory, resource=RESOURCES["memory"], capacity=None)
            servers = _chosen(_read(config, given), ids)
            _show_commands(servers)
            if not (ids or everything):
                click.confirm(f"Start {len(servers)} servers?", abort=True, err=True)
            entries = anyio.run(
                _profile, servers, _probes(probes), allow_local, int(most.guaranteed)
            )
    except OptimizerError as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        click.echo(json.dumps([each.model_dump(mode="json") for each in entries], indent=2))
    else:
        Console().print(profiles(entries))
    if any(each.status != "profiled" for each in entries):
        sys.exit(FAILED)


def _read(config: str | None, inputs: dict[str, str]) -> HostConfig:
    if config is not None:
        path = host_config_path(config)
        return read_host_config(path, environment=os.environ, inputs=inputs)
    from optimizer.configured import candidates

    return configured_servers(candidates(load_settings()))


def _chosen(config: HostConfig, ids: Sequence[str]) -> list[ConfiguredServer]:
    for name, why in config.left_out.items():
        click.echo(f"{name}: left out, {why}", err=True)
    by_id = {server.id: server for server in config.servers}
    for identifier in ids:
        if identifier not in by_id:
            known = ", ".join(by_id) or "none"
            raise click.UsageError(f"no server {identifier!r} is configured; there are: {known}")
    if not by_id:
        raise click.UsageError("no server is configured; give --config FILE")
    return [by_id[identifier] for identifier in ids] or list(by_id.values())


def _show_commands(servers: Sequence[ConfiguredServer]) -> None:
    for server in servers:
        names = f"  (env: {', '.join(server.env)})" if server.env else ""
        click.echo(f"{server.id}: {server.shown}{names}", err=True)


def _probes(texts: Sequence[str]) -> dict[str, dict[str, dict[str, Any]]]:
    """`files.list={"path": "/tmp"}` as id to tool to arguments."""
    probes: dict[str, dict[str, dict[str, Any]]] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        identifier, dot, tool = name.rpartition(".")
        try:
            arguments = json.loads(value or "{}")
        except ValueError:
            arguments = None
        if not (equals and dot and identifier and tool) or not isinstance(arguments, dict):
            raise click.UsageError(f"{text!r} is not ID.TOOL=JSON, for example files.list={{}}")
        probes.setdefault(identifier, {})[tool] = arguments
    return probes


async def _profile(
    servers: Sequence[ConfiguredServer],
    probes: dict[str, dict[str, dict[str, Any]]],
    allow_local: bool,
    memory_bytes: int,
) -> tuple[CatalogEntry, ...]:
    from optimizer.orchestrator import SequentialResourceOptimizer

    optimizer = SequentialResourceOptimizer()
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        tasks = {server.id: progress.add_task(f"{server.id}: waiting") for server in servers}

        def advance(identifier: str, stage: str) -> None:
            progress.update(tasks[identifier], description=f"{identifier}: {stage}")
            if stage in ("profiled", "failed", "changed"):
                progress.stop_task(tasks[identifier])

        try:
            return await optimizer.profiler.profile(
                servers,
                probes={**optimizer.candidates.probes, **probes},
                allow_local=allow_local or optimizer.candidates.allow_local,
                memory_bytes=memory_bytes,
                on_progress=advance,
            )
        finally:
            await optimizer.stop_performance_monitoring()


async def _approve(ids: Sequence[str]) -> tuple[CatalogEntry, ...]:
    from optimizer.orchestrator import SequentialResourceOptimizer

    optimizer = SequentialResourceOptimizer()
    try:
        return await optimizer.profiler.approve(ids)
    finally:
        await optimizer.stop_performance_monitoring()
