"""`sro config`: what is set, from where, and what is wrong with it."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from pydantic import SecretStr

from optimizer.errors import ConfigurationError
from optimizer.settings import Loaded, Settings, examine_settings
from server.logs import MASK, redact

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.group()
def config() -> None:
    """Check and show the settings: sro.toml and the environment."""


@config.command()
@click.argument("file", type=_FILE, required=False)
def check(file: Path | None) -> None:
    """Check FILE, or the sro.toml that would be read, with the environment over it.

    Tells everything that is wrong, and ends with 1 if something is.
    """
    found = problems(file)
    for problem in found:
        click.echo(str(problem), err=True)
    if found:
        sys.exit(1)
    click.echo("The configuration is good.")


@config.command()
@click.option("--config", "file", type=_FILE, help="An sro.toml.")
@click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
def show(file: Path | None, *, as_json: bool) -> None:
    """Every setting, its value without secrets, and where it is from."""
    examined = examine_settings(config_file=file)
    if not isinstance(examined, Loaded):
        raise click.ClickException(str(examined[0]))
    rows = {
        name: {"value": shown(name, examined.settings), "source": source(name, examined)}
        for name in Settings.model_fields
    }
    if as_json:
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    for name, row in rows.items():
        value = json.dumps(row["value"], ensure_ascii=False)
        click.echo(f"{name} = {value}  # {row['source']}")


def problems(file: Path | None) -> tuple[ConfigurationError, ...]:
    """Everything that is wrong: the settings, what the rooms refuse, and what the doors refuse."""
    from optimizer.configured import problems as problems_of_rooms
    from server.gate import Gate
    from server.http_door import check_certificate
    from server.security import check_binding

    examined = examine_settings(config_file=file)
    if not isinstance(examined, Loaded):
        return examined
    settings = examined.settings
    found = list(problems_of_rooms(settings))
    for check_door in (lambda s: check_binding(s, Gate(s)), check_certificate):
        try:
            check_door(settings)
        except ConfigurationError as error:
            found.append(error)
    return tuple(found)


def source(name: str, loaded: Loaded) -> str:
    """Where a value is from: default, the path of sro.toml, environment, or argument."""
    origin = loaded.origins.get(name, "default")
    return str(loaded.file) if origin == "sro.toml" else origin


def shown(name: str, settings: Settings) -> Any:
    """A value as JSON, with every secret masked."""
    value = getattr(settings, name)
    if isinstance(value, SecretStr):
        return MASK
    if name == "database_url" and value is not None:
        from optimizer.store.engine import Database

        return Database(value).shown_url
    return _masked(json.loads(settings.model_dump_json(include={name}))[name])


def _masked(value: Any, key: str = "") -> Any:
    """Masks the values of an `env` table, and whatever looks like a credential."""
    if isinstance(value, Mapping):
        hidden = key == "env"
        return {name: MASK if hidden else _masked(inside, name) for name, inside in value.items()}
    if isinstance(value, list):
        return [_masked(inside) for inside in value]
    return redact(value) if isinstance(value, str) else value
