"""The table of operations as commands, beside those that only a shell has."""

import json
import logging
import sys
from typing import Any

import anyio
import click
from rich.console import Console

from optimizer.errors import InvalidRequestError, OptimizerError
from optimizer.settings import load_settings
from optimizer.version import VERSION
from server.cli.config import config
from server.cli.daemon import doctor, status, stop
from server.cli.doors import ServerError, nearest_door
from server.cli.import_history import import_history
from server.cli.install import install
from server.cli.options import parameters_of, values_of
from server.cli.serve import serve, stdio
from server.cli.tables.shown import shown
from server.cli.tokens import token
from server.operation import Operation
from server.operations import OPERATIONS
from server.views import Json

FAILED, MISUSED = 1, 2
"""Exit codes: the answer is an error or a refusal; the command was written wrongly."""


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(VERSION, message="%(version)s")
@click.option(
    "--server",
    metavar="URL",
    envvar="SRO_SERVER",
    help="Ask this server over HTTP, with API_TOKEN, instead of this machine's daemon; SRO_SERVER.",
)
@click.pass_context
def sro(context: click.Context, server: str | None) -> None:
    """Ask a machine how it is, what is coming, and what should run where.

    A command asks the daemon of this machine over its socket; where none runs it measures and
    answers itself, from the same store. Exit codes: 0 done, 1 failed or refused, 2 used wrongly.
    """
    context.obj = server


def command_of(operation: Operation) -> click.Command:
    """The operation as a command with a table for people and --json for programs."""

    def run(*, as_json: bool, **given: Any) -> None:
        values = values_of(operation, given)
        try:
            answer = anyio.run(_ask, operation, values, click.get_current_context().obj)
        except (OptimizerError, ServerError) as error:
            _fail(str(error), MISUSED if error.code == InvalidRequestError.code else FAILED)
        if as_json:
            click.echo(json.dumps(answer, indent=2, ensure_ascii=False))
        else:
            Console().print(shown(operation.name, answer))
        if answer.get("state") == "refused":
            sys.exit(FAILED)

    as_json = click.Option(["as_json", "--json"], is_flag=True, help="The answer as JSON.")
    return click.Command(
        operation.command.name,
        callback=run,
        params=[*parameters_of(operation), as_json],
        help=operation.command.help,
    )


async def _ask(operation: Operation, values: dict[str, Any], server: str | None) -> Json:
    # What goes wrong is told once, as the command's message, not in the library's log too.
    logging.getLogger("sequential_resource_optimization").addHandler(logging.NullHandler())
    async with nearest_door(load_settings(), server=server) as door:
        return await door.ask(operation, values)


def _fail(message: str, code: int) -> None:
    click.echo(f"Error: {message}", err=True)
    sys.exit(code)


for _operation in OPERATIONS:
    sro.add_command(command_of(_operation))
for _command in (serve, stdio, status, stop, doctor, config, token, import_history, install):
    sro.add_command(_command)
