"""`sro select`: the operation's command, and the configuration that follows from its answer."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import click

from optimizer.catalog.host_configs import HostConfig, host_config_path, read_host_config
from optimizer.cost_benefit.analysis import McpSelectionAnalysis
from optimizer.errors import ConfigurationError
from optimizer.operations.emit_config import Emitted, Saving, emit_config
from optimizer.settings import file_to_edit
from server.cli.asking import answered, show
from server.cli.copies import limit_copies
from server.cli.files import replace_file
from server.cli.install import console_script
from server.cli.options import parameters_of, values_of
from server.operations import BY_NAME
from server.views import Json

OPERATION = BY_NAME["analyze_mcp_selection"]
DEFAULT_FILE = "mcp.selected.json"

CANDIDATES = "available_mcps"

_CANDIDATES = click.Argument([CANDIDATES], type=click.File(encoding="utf-8"), required=False)
"""A file of candidates as JSON, or `-` for stdin; without one those of the catalog are meant."""

_FURTHER = [
    click.Option(["--task"], metavar="TEXT", help="The task in words."),
    click.Option(
        ["--config"],
        metavar="FILE",
        help="Choose among the servers of this mcp.json, or of a host: claude, cursor, vscode.",
    ),
    click.Option(
        ["--emit-config", "emit"],
        metavar="[FILE]",
        is_flag=False,
        flag_value=DEFAULT_FILE,
        help=f"Write an mcp.json with the chosen servers only ({DEFAULT_FILE}).",
    ),
    click.Option(["--force"], is_flag=True, help="Replace FILE where there is one."),
    click.Option(["--wrap"], is_flag=True, help="Start each server through `sro run`."),
    click.Option(
        ["--copies"],
        type=click.IntRange(1, 1000),
        help="With --wrap: most copies of a server on this machine at once; goes into sro.toml.",
    ),
    click.Option(["as_json", "--json"], is_flag=True, help="The answer as JSON."),
]


def _select(
    *,
    task: str | None,
    config: str | None,
    emit: str | None,
    force: bool,
    wrap: bool,
    copies: int | None,
    as_json: bool,
    **given: Any,
) -> None:
    values = values_of(OPERATION, given)
    if task is not None:
        values["task_requirements"] = {"task": task, **values.get("task_requirements", {})}
    if emit is not None and config is None:
        raise click.UsageError("--emit-config needs --config FILE, whose servers it chooses among")
    if copies is not None and not wrap:
        raise click.UsageError("--copies needs --wrap: `sro run` is what counts them")
    if config is None:
        show(OPERATION, answered(OPERATION, values), as_json=as_json)
        return
    read = _read(config)
    values[CANDIDATES] = [{"id": server.id} for server in read.servers]
    answer = answered(OPERATION, values)
    answer["unknown"] |= {name: f"left out: {why}" for name, why in read.left_out.items()}
    emitted = None
    if emit is not None and answer["recommendations"]["primary_recommendation"]["mcp_id"]:
        emitted = _emit(answer, read, Path(emit), force=force, wrap=wrap)
        answer["emitted"] = _told(emitted, emit)
        if copies is not None:
            answer["emitted"]["limit"] = _limit(emitted, read, copies)
    show(OPERATION, answer, as_json=as_json)
    if emit is not None and emitted is None:
        raise click.ClickException("no server can be recommended, so nothing was written")


def _read(config: str) -> HostConfig:
    try:
        read = read_host_config(host_config_path(config), environment=os.environ)
    except ConfigurationError as error:
        raise click.ClickException(str(error)) from None
    if not read.servers:
        raise click.ClickException(f"{config} names no server that can be used")
    return read


def _emit(answer: Json, config: HostConfig, path: Path, *, force: bool, wrap: bool) -> Emitted:
    emitted = emit_config(
        cast(McpSelectionAnalysis, answer), config, wrap=_watched if wrap else None
    )
    if path.exists() and not force:
        raise click.ClickException(f"{path} is there already; --force replaces it")
    text = json.dumps(emitted.document, indent=2, ensure_ascii=False) + "\n"
    replace_file(path, text, keep_mode=False)
    return emitted


def _watched(identifier: str, command: Sequence[str]) -> tuple[str, list[str]]:
    return console_script(), ["run", "--mcp", identifier, "--", *command]


def _limit(emitted: Emitted, config: HostConfig, copies: int) -> Json:
    """Limit the copies of the servers that are wrapped; those at URLs have none."""
    commands = {server.id for server in config.servers if server.url is None}
    try:
        return limit_copies([i for i in emitted.chosen if i in commands], copies, file_to_edit())
    except ConfigurationError as error:
        raise click.ClickException(str(error)) from None


def _told(emitted: Emitted, path: str) -> Json:
    """The file in numbers; nothing of its content, which may hold secrets."""
    return {
        "file": path,
        "chosen": list(emitted.chosen),
        "left_out": list(emitted.left_out),
        "context_tokens": _numbers(emitted.tokens),
        "memory_bytes_per_session": _numbers(emitted.memory_bytes),
        "first_use_ms": dict(emitted.first_use_ms),
    }


def _numbers(saving: Saving) -> Json:
    return {
        "before": saving.before,
        "after": saving.after,
        "not_known": list(saving.not_known),
    }


select = click.Command(
    OPERATION.command.name,
    callback=_select,
    params=[
        _CANDIDATES,
        *(option for option in parameters_of(OPERATION) if option.name != CANDIDATES),
        *_FURTHER,
    ],
    help=OPERATION.command.help,
)
