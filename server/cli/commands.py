"""The table of operations as commands, beside those that only a shell has."""

import sys
from typing import Any

import click

from optimizer.version import VERSION
from server.cli.asking import WATCH_S, answered, show, watch
from server.cli.config import config
from server.cli.daemon import doctor, status, stop
from server.cli.forecast import forecast
from server.cli.import_history import import_history
from server.cli.install import install
from server.cli.options import parameters_of, values_of
from server.cli.profile import profile
from server.cli.select import select
from server.cli.serve import serve, stdio
from server.cli.tokens import token
from server.operation import Operation
from server.operations import OPERATIONS


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

    def run(*, as_json: bool, every_s: float | None = None, **given: Any) -> None:
        if every_s is not None:
            watch(operation, values_of(operation, given), every_s=every_s, as_json=as_json)
            return
        show(operation, answered(operation, values_of(operation, given)), as_json=as_json)

    as_json = click.Option(["as_json", "--json"], is_flag=True, help="The answer as JSON.")
    again = click.Option(
        ["every_s", "--watch"],
        is_flag=False,
        flag_value=WATCH_S,
        type=click.FloatRange(min=0.1),
        metavar="[SECONDS]",
        help=f"Show it again every so many seconds, until Ctrl-C.  [{WATCH_S:g} if not given]",
    )
    further = [as_json, again] if operation.command.watched else [as_json]
    return click.Command(
        operation.command.name,
        callback=run,
        params=[*parameters_of(operation), *further],
        help=operation.command.help,
    )


@click.command(
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("typed", nargs=-1, type=click.UNPROCESSED)
def run(typed: tuple[str, ...]) -> None:
    """Run a command under a lease, held to it, and give the lease back when it ends."""
    from server.cli.run import main

    sys.exit(main(typed))


for _operation in OPERATIONS:
    sro.add_command(command_of(_operation))
for _command in (serve, stdio, run, status, stop, doctor, config, token, import_history, install):
    sro.add_command(_command)
for _command in (forecast, select, profile):  # in place of the plain command of the same name
    sro.add_command(_command)
