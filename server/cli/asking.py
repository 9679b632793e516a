"""Asking an operation for an answer and showing it, with the exit codes of every command."""

import json
import logging
import sys
from collections.abc import Mapping
from typing import Any, NoReturn

import anyio
import click
from rich.console import Console
from rich.live import Live

from optimizer.errors import InvalidRequestError, OptimizerError
from optimizer.settings import load_settings
from server.cli.doors import ServerError, nearest_door
from server.cli.tables.shown import shown
from server.operation import Operation
from server.views import Json

WATCH_S = 2.0
"""Between two looks of `--watch`."""

FAILED, MISUSED = 1, 2
"""Exit codes: the answer is an error or a refusal; the command was written wrongly."""

NOT_DONE = ("refused", "rolled_back", "rollback_failed")
"""States of a decision that was not carried out as it says."""


def answered(operation: Operation, values: Mapping[str, Any]) -> Json:
    """The answer; when there is none, the process ends with a message."""
    try:
        return anyio.run(_ask, operation, values, click.get_current_context().obj)
    except (OptimizerError, ServerError) as error:
        fail(str(error), MISUSED if error.code == InvalidRequestError.code else FAILED)


def show(operation: Operation, answer: Json, *, as_json: bool) -> None:
    """Print an answer; a refusal ends the process."""
    if as_json:
        click.echo(json.dumps(answer, indent=2, ensure_ascii=False))
    else:
        Console().print(shown(operation.name, answer))
    if answer.get("state") in NOT_DONE or answer.get("holds") is False:
        sys.exit(FAILED)


def watch(
    operation: Operation, values: Mapping[str, Any], *, every_s: float, as_json: bool
) -> None:
    """Ask again and again until Ctrl-C: a table that changes in place, or lines of JSON.

    Where no terminal is, each answer is a table below the last.
    """
    try:
        anyio.run(_watch, operation, values, click.get_current_context().obj, every_s, as_json)
    except KeyboardInterrupt:
        return
    except (OptimizerError, ServerError) as error:
        fail(str(error), MISUSED if error.code == InvalidRequestError.code else FAILED)


def fail(message: str, code: int) -> NoReturn:
    """End the process with a message."""
    click.echo(f"Error: {message}", err=True)
    sys.exit(code)


async def _ask(operation: Operation, values: Mapping[str, Any], server: str | None) -> Json:
    # What goes wrong is told once, as the command's message, not in the library's log too.
    logging.getLogger("sequential_resource_optimization").addHandler(logging.NullHandler())
    async with nearest_door(load_settings(), server=server) as door:
        return await door.ask(operation, values)


async def _watch(
    operation: Operation,
    values: Mapping[str, Any],
    server: str | None,
    every_s: float,
    as_json: bool,
) -> None:
    logging.getLogger("sequential_resource_optimization").addHandler(logging.NullHandler())
    async with nearest_door(load_settings(), server=server) as door:
        console = Console()
        with Live(console=console, auto_refresh=False) as live:
            while True:
                answer = await door.ask(operation, values)
                if as_json:
                    click.echo(json.dumps(answer, ensure_ascii=False))
                elif console.is_terminal:
                    live.update(shown(operation.name, answer), refresh=True)
                else:
                    console.print(shown(operation.name, answer))
                await anyio.sleep(every_s)
