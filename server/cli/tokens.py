"""`sro token`: who may ask over HTTP."""

from datetime import UTC, datetime
from typing import get_args

import click

from optimizer.errors import OptimizerError
from optimizer.identity import Role
from optimizer.settings import load_settings
from server.tokens import TokenFile


@click.group()
def token() -> None:
    """Add, list and revoke bearer tokens. A running server notices at the next request.

    As soon as there is one, every route but /health asks for a token.
    """


@token.command()
@click.argument("name")
@click.option(
    "--role", type=click.Choice(get_args(Role)), default="user", show_default=True, help="Rights."
)
@click.option("--rate", type=click.FLOAT, help="Requests a second, instead of RATE_LIMIT.")
def add(name: str, role: Role, rate: float | None) -> None:
    """Make a token for NAME and show it, this once; only its hash is kept."""
    try:
        secret = _file().add(name, role, now=datetime.now(UTC), requests_per_s=rate)
    except OptimizerError as error:
        raise click.ClickException(str(error)) from None
    click.echo(secret)
    click.echo("Keep it: it is not shown again. Send it as `Authorization: Bearer …`.", err=True)


@token.command("list")
def list_tokens() -> None:
    """Name, role, rate and age of every token."""
    try:
        tokens = _file().tokens()
    except OptimizerError as error:
        raise click.ClickException(str(error)) from None
    for one in tokens:
        rate = "RATE_LIMIT" if one.requests_per_s is None else f"{one.requests_per_s:g}/s"
        click.echo(f"{one.name}  {one.role}  {rate}  since {one.created_at:%Y-%m-%d}")
    if not tokens:
        click.echo("There is no token.", err=True)


@token.command()
@click.argument("name")
def revoke(name: str) -> None:
    """Forget the token of NAME; who uses it is refused from the next request on."""
    try:
        _file().revoke(name)
    except OptimizerError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"Revoked {name}.", err=True)


def _file() -> TokenFile:
    return TokenFile(load_settings().tokens_path)
