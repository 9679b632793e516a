"""Who may come in: the address we bind to, Host, Origin, the bearer token, and how often.

Every HTTP route passes here, MCP included. In order: Host (421), Origin (403), token (401), rate
(429). A principal comes from the token alone; its role is checked by `operation.perform`.
"""

import logging
import time
from collections.abc import Iterable
from dataclasses import replace
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from optimizer.errors import ConfigurationError
from optimizer.settings import Settings
from server.addresses import LOOPBACK_NAMES, is_loopback, without_port
from server.errors import Problem, problem_response, rate_limited
from server.gate import ANONYMOUS, Gate, Holder

logger = logging.getLogger("sequential_resource_optimization.http")

MCP_PATH = "/mcp"

OPEN_PATH = "/health"
"""The only route that asks for no token, so that probes can use it."""


def check_binding(settings: Settings, gate: Gate) -> None:
    """Refuse to serve other machines without a token, or every web page.

    Raises:
        ConfigurationError: HOST is not loopback and there is no token, the token file cannot be
            read, or ORIGINS holds `*`.
    """
    if not is_loopback(settings.host) and not gate.opens_other_addresses:
        raise ConfigurationError(
            setting="HOST",
            problem=f"{settings.host!r} can be reached from other machines and no token is set",
            fix="set API_TOKEN, add a token with `sro token add NAME`, or set HOST=127.0.0.1",
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

    A browser cannot send a bearer token by itself, so a request that only reads may carry the token
    as the password of Basic. A browser that knows it sends it along with every request to us, also
    those that a foreign page makes it send; hence what writes, MCP, and whatever the browser says
    comes from another site, need the bearer token.

    Args:
        app: What comes behind; it reads `scope["state"]["principal"]`.
        gate: The tokens that are set.
    """

    def __init__(self, app: ASGIApp, *, gate: Gate) -> None:
        self._app = app
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Put the principal into the scope's state, or answer 401; 503 when nobody can be told."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        reads = _is_reading_here(scope, headers)
        found = self._holder(headers.get("authorization"), basic=reads)
        if not isinstance(found, Holder) and scope["path"] == OPEN_PATH:
            found = Holder(ANONYMOUS)
        if not isinstance(found, Holder):
            await problem_response(found)(scope, receive, send)
            return
        state = {**scope.get("state", {}), "principal": found.principal, "holder": found}
        await self._app({**scope, "state": state}, receive, send)

    def _holder(self, authorization: str | None, *, basic: bool) -> Holder | Problem:
        try:
            return self._gate.holder(authorization, basic=basic) or (
                _UNAUTHORIZED_READER if basic else _UNAUTHORIZED
            )
        except ConfigurationError as error:
            logger.error("nobody is let in: %s", error)
            return _NO_TOKENS


def _is_reading_here(scope: Scope, headers: Headers) -> bool:
    """Whether a request changes nothing and is not one that another site makes a browser send."""
    return (
        scope["method"] in ("GET", "HEAD")
        and headers.get("sec-fetch-site", "none") in ("none", "same-origin")
        and scope["path"] != MCP_PATH
    )


_REALM = "sequential-resource-optimization"
_BEARER = f'Bearer realm="{_REALM}"'

_UNAUTHORIZED = Problem(
    status=401,
    code="unauthorized",
    detail="A bearer token is needed: send `Authorization: Bearer TOKEN`.",
    headers={"WWW-Authenticate": _BEARER},
)

_UNAUTHORIZED_READER = replace(
    _UNAUTHORIZED,
    detail=f"{_UNAUTHORIZED.detail} In a browser, give the token as the password.",
    headers={"WWW-Authenticate": f'Basic realm="{_REALM}", charset="UTF-8", {_BEARER}'},
)

_NO_TOKENS = Problem(
    status=503,
    code="bad_configuration",
    detail="The token file cannot be read, so nobody is let in; the server's log says why.",
)


class RateLimited:
    """Answers 429 to who asks more often than its rate; the open route is free.

    Args:
        app: What comes behind.
        gate: Counts the requests.
    """

    def __init__(self, app: ASGIApp, *, gate: Gate) -> None:
        self._app = app
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or say when the next one may come."""
        if scope["type"] != "http" or scope["path"] == OPEN_PATH:
            await self._app(scope, receive, send)
            return
        wait_s = self._gate.wait_s(scope["state"]["holder"], now_s=time.monotonic())
        if wait_s is None:
            await self._app(scope, receive, send)
            return
        await problem_response(rate_limited(wait_s))(scope, receive, send)
