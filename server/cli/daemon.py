"""`sro status`, `sro stop` and `sro doctor`: the daemon of this machine."""

import json
import os
import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import anyio
import click
from rich.console import Console
from rich.table import Table

from optimizer.errors import ConfigurationError
from optimizer.places import socket_path
from optimizer.settings import load_settings
from server.control import ask

if TYPE_CHECKING:
    from server.doctor import Finding

NO_DAEMON = 3
"""Exit code when none runs."""

STOP_S = 30.0
"""How long `stop` waits; the daemon gives calls in flight 3 s, and open connections as much."""

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="The answer as JSON.")
def status(*, as_json: bool) -> None:
    """The daemon that answers here: who, since when, where, and what it keeps."""
    answer = _ask("status")
    if as_json:
        click.echo(json.dumps(answer, indent=2))
        return
    table = Table.grid(padding=(0, 2))
    for name, value in answer.items():
        table.add_row(name.replace("_", " "), _shown(value))
    Console().print(table)


@click.command()
def stop() -> None:
    """End the daemon; calls in flight are answered first, and leases stay in the store."""
    answer = _ask("stop")
    if not answer.get("stopping"):
        raise click.ClickException(str(answer.get("reason", "it does not stop")))
    path = socket_path(os.environ)
    end = time.monotonic() + STOP_S
    while os.path.exists(path) and time.monotonic() < end:
        time.sleep(0.05)
    if os.path.exists(path):
        raise click.ClickException(f"it still runs after {STOP_S:.0f} s; see `sro status`")
    click.echo("Stopped.", err=True)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="The findings as JSON.")
def doctor(*, as_json: bool) -> None:
    """Try everything that the optimizer needs here, and say what to do where it fails."""
    from server.doctor import Finding, examine

    try:
        settings = load_settings()
    except ConfigurationError as error:
        findings = [
            Finding("configuration", "fail", str(error), "correct it; see sro config check")
        ]
    else:
        findings = anyio.run(examine, settings, socket_path(os.environ))
    if as_json:
        click.echo(json.dumps([finding.as_json() for finding in findings], indent=2))
    else:
        _print(findings)
    if any(finding.verdict == "fail" for finding in findings):
        sys.exit(1)


def _print(findings: "list[Finding]") -> None:
    table = Table.grid(padding=(0, 2))
    for finding in findings:
        colour = _COLOURS[finding.verdict]
        said = finding.said + (f"\nWhat to do: {finding.fix}" if finding.fix else "")
        table.add_row(f"[{colour}]{finding.verdict}[/]", finding.name, said)
    Console().print(table)


def _ask(word: Any) -> Mapping[str, Any]:
    """Say a word to the daemon; ends with 3 when none runs."""
    path = socket_path(os.environ)
    try:
        answer = ask(path, word)
    except OSError as error:
        raise click.ClickException(f"the daemon at {path} does not answer ({error})") from None
    if answer is None:
        click.echo(f"No daemon runs at {path}; `sro serve` or the first stdio host starts one.")
        sys.exit(NO_DAEMON)
    return answer


def _shown(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name.replace('_', ' ')} {inside}" for name, inside in value.items())
    words = {None: "-", True: "yes", False: "no"}
    return words[value] if value is None or isinstance(value, bool) else str(value)
