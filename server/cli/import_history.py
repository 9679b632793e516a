"""`sro import FILE`: history from elsewhere, so that a forecast need not wait a week."""

import json
import os
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TextIO

import anyio
import click
from rich.console import Console
from rich.progress import Progress

from optimizer.errors import OptimizerError
from optimizer.operations.import_history import ImportReport, OnProgress
from optimizer.places import socket_path
from server.control import ask

if TYPE_CHECKING:
    from optimizer.orchestrator import SequentialResourceOptimizer

_Read = Callable[["SequentialResourceOptimizer", OnProgress], Awaitable[ImportReport]]


@click.command("import")
@click.argument("file", type=click.File(encoding="utf-8"), required=False)
@click.option("--sysstat", is_flag=True, help="FILE is what `sadf -j` printed.")
@click.option("--prometheus", metavar="URL", help="Ask this Prometheus server instead of a FILE.")
@click.option("--instance", default="localhost:9100", show_default=True, help="Its node_exporter.")
@click.option("--days", type=click.IntRange(1, 365), default=30, show_default=True, help="Of it.")
@click.option("--json", "as_json", is_flag=True, help="The report as JSON.")
def import_history(
    file: TextIO | None,
    *,
    sysstat: bool,
    prometheus: str | None,
    instance: str,
    days: int,
    as_json: bool,
) -> None:
    """Fill the history from a CSV FILE, or from stdin with `-`.

    The first line names the columns: timestamp (ISO 8601, or seconds since 1970) and metrics, such
    as cpu_usage and memory_usage. What was measured here stays as it is. The daemon of
    this machine, where one runs, takes the new past over at once.
    """
    if (file is None) == (prometheus is None):
        raise click.UsageError("give either a FILE or --prometheus URL")

    async def read(optimizer: "SequentialResourceOptimizer", heard: OnProgress) -> ImportReport:
        if prometheus is not None:
            return await optimizer.import_prometheus(
                prometheus, instance=instance, days=days, on_progress=heard
            )
        return await optimizer.import_history(file or (), on_progress=heard, sysstat=sysstat)

    try:
        report = anyio.run(_import, read)
    except OptimizerError as error:
        raise click.ClickException(str(error)) from None
    _tell_the_daemon(socket_path(os.environ))
    if as_json:
        click.echo(json.dumps(report.model_dump(mode="json"), indent=2))
        return
    click.echo(
        f"{report.host}: {report.rows} lines of {', '.join(report.metrics)}, "
        f"{report.first:%Y-%m-%d %H:%M} to {report.last:%Y-%m-%d %H:%M} UTC\n"
        f"filled {report.hours_filled} hours and {report.five_minutes_filled} steps of 5 minutes; "
        f"{report.kept} steps had data and stayed, {report.too_old} hours were too old"
    )
    if not (report.hours_filled or report.five_minutes_filled or report.kept or report.too_old):
        click.echo("Nothing was filled: a step of 5 minutes is filled once it is over.")


def _tell_the_daemon(path: str) -> None:
    """Let a daemon that runs here read the history again; where it does not, say what to do."""
    try:
        answer = ask(path, "reload_history")
    except (OSError, ValueError) as error:
        answer = {"reason": str(error)}
    if answer is not None and not answer.get("reloaded"):
        click.echo(
            f"The daemon at {path} goes on without it ({answer.get('reason')}); restart it.",
            err=True,
        )


async def _import(read: _Read) -> ImportReport:
    from optimizer.orchestrator import SequentialResourceOptimizer

    optimizer = SequentialResourceOptimizer()
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("importing", total=None)

        def advance(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        try:
            return await read(optimizer, advance)
        finally:
            await optimizer.stop_performance_monitoring()
