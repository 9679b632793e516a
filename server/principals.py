"""Who is at the other end of an MCP request."""

from typing import Any

from mcp.server import ServerRequestContext

from optimizer.identity import LOCAL, Principal


def principal_of(ctx: ServerRequestContext[Any, Any]) -> Principal:
    """Who called: from the HTTP credentials, or whoever started us and holds our pipe."""
    if ctx.request is None:
        return LOCAL
    principal: Principal = ctx.request.scope["state"]["principal"]
    return principal
