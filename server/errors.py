"""The one place that turns the optimizer's errors into protocol.

REST answers RFC 9457 problem+json with `code` and `detail`; MCP answers a tool error with the same
two texts. An error that nobody foresaw is logged here and told as "internal error": its text stays
inside.
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from mcp_types import CallToolResult, TextContent
from starlette.responses import Response

from optimizer.errors import (
    CapacityError,
    DependencyError,
    ForbiddenError,
    InvalidRequestError,
    LeaseEndedError,
    NotFoundError,
    OptimizerError,
    RequestError,
)
from server.rate_limit import retry_after

logger = logging.getLogger("sequential_resource_optimization.server")

PROBLEM_MEDIA_TYPE = "application/problem+json"

_STATUS: tuple[tuple[type[OptimizerError], int], ...] = (
    (NotFoundError, 404),
    (ForbiddenError, 403),
    (LeaseEndedError, 409),
    (RequestError, 422),
    (CapacityError, 409),
    (DependencyError, 503),
)
"""HTTP status of each branch of the error tree; the first that fits counts."""


@dataclass(frozen=True)
class Problem:
    """What went wrong, in the words of every door.

    Attributes:
        status: HTTP status.
        code: Stable word that programs compare.
        detail: What happened and what to do next; a person or an agent reads it.
        headers: Further response headers, for example `Allow`.
        field: Dotted path of the offending argument, or None.
    """

    status: int
    code: str
    detail: str
    headers: Mapping[str, str] = field(default_factory=dict)
    field: str | None = None

    def body(self) -> dict[str, Any]:
        """The members of the problem document."""
        document: dict[str, Any] = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
        }
        return document if self.field is None else document | {"field": self.field}


def problem_of(error: Exception) -> Problem:
    """The problem that an exception stands for; an unforeseen one is logged and kept inside."""
    if isinstance(error, OptimizerError):
        for branch, status in _STATUS:
            if isinstance(error, branch):
                at = error.field if isinstance(error, InvalidRequestError) else None
                return Problem(status=status, code=error.code, detail=str(error), field=at)
    logger.error("unforeseen error", exc_info=error)
    return Problem(
        status=500,
        code="internal_error",
        detail="An error that nobody foresaw; the server's log has it under this request id.",
    )


def rate_limited(wait_s: float) -> Problem:
    """A request that came before its principal's rate allows it."""
    return Problem(
        status=429,
        code="rate_limited",
        detail=(
            f"More requests than your rate allows; the next may come in {wait_s:.2g} s. "
            "Nothing was done. An operator sets RATE_LIMIT, or the rate of a token."
        ),
        headers={"Retry-After": retry_after(wait_s)},
    )


def problem_response(problem: Problem) -> Response:
    """The problem as an HTTP answer."""
    return Response(
        json.dumps(problem.body()),
        status_code=problem.status,
        media_type=PROBLEM_MEDIA_TYPE,
        headers=dict(problem.headers),
    )


def tool_error(problem: Problem) -> CallToolResult:
    """The problem as the result of a tool call, in the same two texts."""
    told: dict[str, Any] = {"code": problem.code, "detail": problem.detail}
    if problem.field is not None:
        told["field"] = problem.field
    return CallToolResult(
        content=[TextContent(type="text", text=f"{problem.code}: {problem.detail}")],
        structured_content=told,
        is_error=True,
    )
