"""Who is at the other end of an MCP request."""

from typing import Any

from mcp.server import ServerRequestContext

from optimizer.identity import LOCAL, Principal


def principal_of(ctx: ServerRequestContext[Any, Any]) -> Principal:
    """Who called: as the Unix socket or the HTTP credentials say, else who holds our own pipe."""
    if isinstance(ctx.request, Principal):
        return ctx.request
    if ctx.request is None:
        return LOCAL
    principal: Principal = ctx.request.scope["state"]["principal"]
    return principal
