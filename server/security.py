"""Who may come in: the address we bind to, Host, Origin, and the bearer token.

Every HTTP route passes here, MCP included. Order: Host (421), Origin (403), token (401). A
principal comes from the token and from nothing else; its role is checked by `operation.perform`.
"""

import hmac
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from mcp.server.transport_security import TransportSecuritySettings
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from optimizer.errors import ConfigurationError
from optimizer.identity import Principal
from optimizer.settings import Settings
from server.errors import Problem, problem_response

OPEN_PATH = "/health"
"""The only route that asks for no token, so that probes can use it."""

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")

UNGUARDED = Principal(name="local", role="user")
"""Whoever calls over loopback while no token is set."""

ANONYMOUS = Principal(name="anonymous", role="reader")
"""Whoever calls the open route without a token while one is set."""

TOKEN_HOLDER = Principal(name="token:default", role="user")
READER = Principal(name="token:read-only", role="reader")


def is_loopback(host: str) -> bool:
    """Whether an address to bind to can only be reached from this machine."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_binding(settings: Settings) -> None:
    """Refuse to serve other machines without a token, or every web page.

    Raises:
        ConfigurationError: HOST is not loopback and API_TOKEN is not set, or ORIGINS holds `*`.
    """
    if not is_loopback(settings.host) and settings.api_token is None:
        raise ConfigurationError(
            setting="HOST",
            problem=f"{settings.host!r} can be reached from other machines and no token is set",
            fix="set API_TOKEN, or HOST=127.0.0.1",
        )
    if "*" in settings.origins:
        raise ConfigurationError(
            setting="ORIGINS",
            problem="'*' would let every web page call this server",
            fix="name the origins, for example https://app.example.com",
        )


def served_hosts(settings: Settings) -> tuple[str, ...]:
    """Names that a Host header may carry, without port."""
    literal = f"[{settings.host}]" if ":" in settings.host else settings.host
    return tuple(dict.fromkeys((*LOOPBACK_NAMES, literal.lower(), *settings.allowed_hosts)))


def transport_security(settings: Settings) -> TransportSecuritySettings:
    """The same two lists for the MCP transport's own check, behind ours."""
    hosts = served_hosts(settings)
    same = [f"{scheme}://{host}" for scheme in ("http", "https") for host in hosts]
    return TransportSecuritySettings(
        enable_dns_rebinding_protection=True,
        allowed_hosts=[*hosts, *(f"{host}:*" for host in hosts)],
        allowed_origins=[*settings.origins, *same, *(f"{origin}:*" for origin in same)],
    )


def without_port(host: str) -> str:
    """`localhost` of `localhost:8000`, `[::1]` of `[::1]:8000`."""
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]


@dataclass(frozen=True)
class Tokens:
    """The bearer tokens that are set; with neither, everybody on loopback may come in."""

    writing: str | None
    reading: str | None

    @classmethod
    def of(cls, settings: Settings) -> "Tokens":
        """The tokens of the settings."""
        api, read_only = settings.api_token, settings.read_only_token
        return cls(
            writing=None if api is None else api.get_secret_value(),
            reading=None if read_only is None else read_only.get_secret_value(),
        )

    @property
    def guard(self) -> bool:
        """Whether any token is set."""
        return self.writing is not None or self.reading is not None

    def principal(self, authorization: str | None) -> Principal | None:
        """Who an Authorization header stands for; None when its token is missing or wrong.

        Both comparisons always run and take the same time whatever the token is.
        """
        if not self.guard:
            return UNGUARDED
        scheme, _, given = (authorization or "").partition(" ")
        offered = given.strip() if scheme.lower() == "bearer" else ""
        writes = _same(offered, self.writing)
        reads = _same(offered, self.reading)
        if writes:
            return TOKEN_HOLDER
        return READER if reads else None


def _same(offered: str, token: str | None) -> bool:
    equal = hmac.compare_digest(offered.encode(), (token or "").encode())
    return equal and token is not None


class HostAndOrigin:
    """Answers only those who call us by our name, and web pages only where they may.

    Args:
        app: What comes behind.
        hosts: Host names without port that are ours.
        origins: Web origins that may call beside our own.
    """

    def __init__(self, app: ASGIApp, *, hosts: Iterable[str], origins: Iterable[str]) -> None:
        self._app = app
        self._hosts = frozenset(host.lower() for host in hosts)
        self._origins = frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a foreign Host with 421 and a foreign Origin with 403."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        problem = self._problem(Headers(scope=scope))
        if problem is not None:
            await problem_response(problem)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _problem(self, headers: Headers) -> Problem | None:
        hosts = headers.getlist("host")
        host = hosts[0].lower() if len(hosts) == 1 else ""
        if not {host, without_port(host)} & self._hosts:
            return Problem(
                status=421,
                code="wrong_host",
                detail="This Host is not served here; an operator can add it to ALLOWED_HOSTS.",
            )
        origin = headers.get("origin")
        if origin is None or origin in self._origins or _is_same_origin(origin, host):
            return None
        return Problem(
            status=403,
            code="forbidden_origin",
            detail="Web pages of this Origin may not call; an operator can add it to ORIGINS.",
        )


def _is_same_origin(origin: str, host: str) -> bool:
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and parts.netloc.lower() == host


class BearerToken:
    """Finds the principal of a request and turns away who has no token where one is set.

    Args:
        app: What comes behind; it reads `scope["state"]["principal"]`.
        tokens: The tokens that are set.
    """

    def __init__(self, app: ASGIApp, *, tokens: Tokens) -> None:
        self._app = app
        self._tokens = tokens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Put the principal into the scope's state, or answer 401."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        principal = self._tokens.principal(Headers(scope=scope).get("authorization"))
        if principal is None and scope["path"] == OPEN_PATH:
            principal = ANONYMOUS
        if principal is None:
            await problem_response(_UNAUTHORIZED)(scope, receive, send)
            return
        state = {**scope.get("state", {}), "principal": principal}
        await self._app({**scope, "state": state}, receive, send)


_UNAUTHORIZED = Problem(
    status=401,
    code="unauthorized",
    detail="A bearer token is needed: send `Authorization: Bearer API_TOKEN`.",
    headers={"WWW-Authenticate": 'Bearer realm="sequential-resource-optimization"'},
)
