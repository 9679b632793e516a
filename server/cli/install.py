"""`sro install`: our entry in the configuration file of a desktop host."""

import json
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from optimizer.catalog.hosts import HOSTS, Host
from server.cli.files import replace_file

NAME = "sequential-resource-optimization"


@click.command()
@click.argument("host", type=click.Choice(sorted(HOSTS)))
@click.option("--file", type=click.Path(path_type=Path, dir_okay=False), help="Another file.")
@click.option("--env", "pairs", metavar="NAME=VALUE", multiple=True, help="A setting for us.")
@click.option("--print", "only_print", is_flag=True, help="Show the file, and write nothing.")
def install(host: str, file: Path | None, pairs: tuple[str, ...], *, only_print: bool) -> None:
    """Add this server to a desktop HOST; its other servers and settings stay as they are."""
    chosen = HOSTS[host]
    path = file or chosen.path(home=Path.home(), platform=sys.platform)
    entry = entry_for(chosen, command=console_script(), env=_environment(pairs))
    document = merged(_read(path), key=chosen.key, entry=entry)
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    if not only_print:
        replace_file(path, text, keep_mode=True)
        click.echo(f"Wrote {path}; restart {chosen.title} to start the server.", err=True)
    click.echo(text, nl=False)


def entry_for(host: Host, *, command: str, env: Mapping[str, str]) -> dict[str, Any]:
    """What a host needs to start us; hosts start servers with a bare environment."""
    entry: dict[str, Any] = {"type": "stdio"} if host.typed else {}
    return entry | {"command": command, "args": ["stdio"]} | ({"env": dict(env)} if env else {})


def console_script() -> str:
    """The absolute path of the command that hosts start, beside the Python that runs this."""
    beside = Path(sys.executable).with_name(NAME)
    found = str(beside) if beside.is_file() else shutil.which(NAME)
    if found is None:
        raise click.ClickException(
            f"the command {NAME} is not installed; run `pip install .` in the checkout first"
        )
    return os.path.abspath(found)


def merged(document: Mapping[str, Any], *, key: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    """The host's document with our entry in it.

    Everything else stays, and so do members that somebody added to our entry, such as `env`.

    Raises:
        click.ClickException: The document holds something else where the servers belong.
    """
    servers = document.get(key, {})
    ours = servers.get(NAME, {}) if isinstance(servers, dict) else None
    if not isinstance(ours, dict):
        raise click.ClickException(f'"{key}" is not an object there; nothing was written')
    env = {**ours.get("env", {}), **entry.get("env", {})}
    new = {**ours, **entry, **({"env": env} if env else {})}
    return {**document, key: {**servers, NAME: new}}


def _environment(pairs: tuple[str, ...]) -> dict[str, str]:
    for pair in pairs:
        if not pair.partition("=")[0] or "=" not in pair:
            raise click.BadParameter(f"{pair!r} is not NAME=VALUE", param_hint="--env")
    return dict(pair.split("=", 1) for pair in pairs)


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise click.ClickException(f"{path} cannot be read ({error})") from None
    try:
        document = json.loads(text or "{}")
    except ValueError as error:
        raise click.ClickException(
            f"{path} is not plain JSON ({error}), so nothing was written; "
            "add by hand what --print --file /dev/null shows"
        ) from None
    if not isinstance(document, dict):
        raise click.ClickException(f"{path} does not hold an object; nothing was written")
    return document
