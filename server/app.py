"""The HTTP application: REST, MCP, the pages, and what guards them."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cache
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from optimizer.errors import OptimizerError
from optimizer.settings import Settings
from server.errors import Problem, problem_response
from server.exposition import Counted, RequestCounts, exposition_route
from server.gate import Gate
from server.mcp_http import McpEndpoint
from server.mcp_surface import create_mcp_surface
from server.openapi import openapi
from server.operation import Optimizer
from server.operations import OPERATIONS, PROBE, listed
from server.page import page_routes
from server.rest import RestPath, rest_routes
from server.security import (
    MCP_PATH,
    OPEN_PATH,
    BearerToken,
    HostAndOrigin,
    RateLimited,
    check_binding,
    served_hosts,
)
from server.transport import BoundedBody, Exchange, TrimmedHeaders
from server.vocabulary import Vocabulary

TOLD_TO_ANYBODY = ("status", "version")
"""What the probe answers to somebody without a token, where one is set."""

_CODES = {404: "not_found", 405: "method_not_allowed"}


def create_app(optimizer: Optimizer, settings: Settings, gate: Gate | None = None) -> Starlette:
    """Build the application; its lifespan starts and stops the optimizer.

    Args:
        optimizer: Does the work.
        settings: Address, tokens, hosts and origins.
        gate: Knows the tokens and the rates; made from the settings when None.

    Returns:
        The application; `app.state.mcp` is its MCP surface.

    Raises:
        ConfigurationError: The settings would leave the door open.
    """
    gate = gate or Gate(settings)
    check_binding(settings, gate)
    surface = create_mcp_surface(optimizer, lasting=False, operations=listed(settings.toolsets))
    mcp = McpEndpoint(surface.server)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(optimizer)
            except OptimizerError as error:
                app.state.failure = str(error)
                raise
            await stack.enter_async_context(surface.notices.running())
            await stack.enter_async_context(mcp.running())
            yield
            surface.listen.close()

    counts = RequestCounts()
    app = Starlette(
        routes=[*_routes(optimizer, gate, mcp), exposition_route(optimizer, counts)],
        middleware=[Middleware(Counted, counts=counts), *_middleware(settings, gate)],
        exception_handlers={HTTPException: _http_problem},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    app.state.mcp = surface
    app.state.failure = "the application could not start; its log says why"
    return app


def _routes(optimizer: Optimizer, gate: Gate, mcp: McpEndpoint) -> list[BaseRoute]:
    @cache
    def described(*, guarded: bool) -> dict[str, Any]:
        """Made when it is first asked for; it takes a quarter of a second."""
        return openapi(OPERATIONS, Vocabulary.of(optimizer), guarded=guarded)

    async def description(_: Request) -> Response:
        return JSONResponse(described(guarded=gate.is_guarded))

    return [
        Route(MCP_PATH, mcp, methods=["POST"]),
        Route(OPEN_PATH, RestPath({"GET": PROBE}, optimizer, told_to_anybody=TOLD_TO_ANYBODY)),
        *rest_routes(OPERATIONS, optimizer),
        Route("/openapi.json", description),
        *page_routes(),
    ]


def _middleware(settings: Settings, gate: Gate) -> Sequence[Middleware]:
    """Outermost first."""
    return [
        Middleware(TrimmedHeaders),
        Middleware(Exchange),
        Middleware(HostAndOrigin, hosts=served_hosts(settings), origins=settings.origins),
        Middleware(
            CORSMiddleware,
            allow_origins=list(settings.origins),
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["*"],
            expose_headers=[
                "Mcp-Session-Id",
                "Mcp-Protocol-Version",
                "ETag",
                "Retry-After",
                "X-Request-Id",
            ],
        ),
        Middleware(BearerToken, gate=gate),
        Middleware(RateLimited, gate=gate),
        Middleware(BoundedBody),
    ]


async def _http_problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return problem_response(
        Problem(
            status=error.status_code,
            code=_CODES.get(error.status_code, "http_error"),
            detail=f"{error.detail}. REST is under /api/v1, MCP at /mcp, the description at /docs.",
            headers=dict(error.headers or {}),
        )
    )
