"""`sro serve` and `sro stdio`: the server itself."""

import os
import sys
from pathlib import Path

import click

from optimizer.errors import ConfigurationError
from optimizer.places import socket_path
from optimizer.settings import Settings, load_settings
from server.quick_start import quick_imports


@click.command()
@click.option("--host", help="Address to serve on; HOST.")
@click.option("--port", type=click.INT, help="TCP port, 0 for a free one; PORT.")
@click.option("--config", type=click.Path(path_type=Path, dir_okay=False), help="An sro.toml.")
def serve(host: str | None, port: int | None, config: Path | None) -> None:
    """Serve REST, MCP and a live page over HTTP until Ctrl-C."""
    arguments = {"host": host, "port": port}
    settings = _settings(config, **arguments)
    with quick_imports():
        from server.serve import serve as serve_until_told

    def reread() -> Settings:
        return load_settings(arguments=arguments, config_file=config)

    sys.exit(serve_until_told(settings, socket_path=socket_path(os.environ), reread=reread))


@click.command()
@click.option("--in-process", is_flag=True, help="Answer here, instead of through the daemon.")
@click.option("--rest", is_flag=True, help="Let the daemon serve HTTP on HOST:PORT too.")
def stdio(*, in_process: bool, rest: bool) -> None:
    """Serve MCP over stdin and stdout, for a host that starts us.

    The one daemon of this machine answers; it is started when none runs.
    """
    if in_process and rest:
        raise click.UsageError("--rest needs the daemon, and --in-process does without it")
    if not in_process:
        from server.shim import main as join_daemon

        sys.exit(join_daemon(rest=rest))
    settings = _settings(None)
    with quick_imports():
        from optimizer.orchestrator import SequentialResourceOptimizer
        from server.stdio import serve_stdio

    sys.exit(serve_stdio(lambda: SequentialResourceOptimizer(settings=settings), settings))


def _settings(config: Path | None, **arguments: object) -> Settings:
    try:
        return load_settings(arguments=arguments, config_file=config)
    except ConfigurationError as error:
        raise click.ClickException(str(error)) from None
