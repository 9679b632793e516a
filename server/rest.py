"""The operations as REST routes below /api/v1."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from optimizer.errors import InvalidRequestError
from optimizer.identity import Principal
from server.arguments import MAX_DEPTH, schema_of, shown
from server.awaited import awaited, may_last
from server.errors import Problem, problem_of, problem_response
from server.gate import ANONYMOUS
from server.operation import Operation, Optimizer, perform
from server.schemas import Schema

API = "/api/v1"

CLIENT_GONE = 499
"""What the log says of a request whose client did not wait; nobody is sent it."""

_INTEGER = re.compile(r"[+-]?\d{1,18}\Z")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d{1,3})?\Z", re.IGNORECASE)


def rest_routes(operations: Sequence[Operation], optimizer: Optimizer) -> list[BaseRoute]:
    """One route per path; a path answers 405 with `Allow` to every method that it lacks."""
    by_path: dict[str, dict[str, Operation]] = {}
    for operation in operations:
        by_path.setdefault(operation.rest.path, {})[operation.rest.method] = operation
    return [
        Route(f"{API}{path}", RestPath(methods, optimizer)) for path, methods in by_path.items()
    ]


class RestPath:
    """Answers every method of one path.

    Args:
        methods: Operation by HTTP method.
        optimizer: Does the work.
        told_to_anybody: The members of an answer that somebody without a token may see.
    """

    def __init__(
        self,
        methods: Mapping[str, Operation],
        optimizer: Optimizer,
        *,
        told_to_anybody: tuple[str, ...] = (),
    ) -> None:
        self._methods = dict(methods)
        if "GET" in methods:
            self._methods["HEAD"] = methods["GET"]
        self._optimizer = optimizer
        self._told_to_anybody = told_to_anybody

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        response = await self._answer(Request(scope, receive))
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        operation = self._methods.get(request.method)
        if operation is None:
            return problem_response(self._not_allowed(request.method))
        principal: Principal = request.scope["state"]["principal"]
        try:
            values = await _arguments(request, operation)
            if isinstance(values, Problem):
                return problem_response(values)
            asked = operation.parse(values)
            work = partial(perform, operation, asked, self._optimizer, principal=principal)
            if may_last(asked):
                with awaited(request.receive) as scope:
                    answer = await work()
                if scope.cancelled_caught:
                    return Response(status_code=CLIENT_GONE)
            else:
                answer = await work()
            body = operation.view(answer, asked, "reference")
        except InvalidRequestError as error:
            return problem_response(_without_such_path(problem_of(error), request))
        except Exception as error:
            return problem_response(problem_of(error))
        if principal == ANONYMOUS:
            body = {name: body[name] for name in self._told_to_anybody}
        return _json_answer(request, operation, body)

    def _not_allowed(self, method: str) -> Problem:
        allowed = ", ".join(sorted(self._methods))
        return Problem(
            status=405,
            code="method_not_allowed",
            detail=f"{shown(method)} is not answered here; allowed: {allowed}.",
            headers={"Allow": allowed},
        )


def _without_such_path(problem: Problem, request: Request) -> Problem:
    """A path whose id is malformed leads nowhere, so it is not found."""
    if problem.field in request.path_params:
        return replace(problem, status=404, code="not_found")
    return problem


def _json_answer(request: Request, operation: Operation, body: Mapping[str, Any]) -> Response:
    status = operation.rest.success
    if body.get("state") == "refused" and 409 in operation.rest.statuses:
        status = 409
    content = to_json(body)
    if not operation.rest.cached:
        return Response(content, status_code=status, media_type="application/json")
    tag = f'"{hashlib.blake2b(content, digest_size=12).hexdigest()}"'
    headers = {"etag": tag, "cache-control": "private, no-cache"}
    if tag in _tags(request.headers.get("if-none-match", "")):
        return Response(status_code=304, headers=headers)
    return Response(content, media_type="application/json", headers=headers)


def _tags(header: str) -> set[str]:
    return {part.strip().removeprefix("W/") for part in header.split(",")}


async def _arguments(request: Request, operation: Operation) -> dict[str, Any] | Problem:
    """The arguments of a call from its path and its query or body.

    Raises:
        InvalidRequestError: An argument is given twice, or by a part that cannot carry it.
    """
    path: dict[str, Any] = dict(request.path_params)
    query = request.query_params.multi_items()
    if operation.rest.method == "GET":
        given = _from_query(query, operation)
    else:
        if query:
            raise InvalidRequestError(
                f"{operation.name} takes no query parameters; got {shown(query[0][0])}. "
                f"{operation.unchanged}"
            )
        body = await _from_body(request, operation)
        if isinstance(body, Problem):
            return body
        given = body
    for name in given:
        if name in path or name in operation.rest.without:
            raise InvalidRequestError(
                f"{operation.name} has no argument {shown(name)} here. {operation.unchanged}",
                field=name,
            )
    return given | path


def _from_query(query: Sequence[tuple[str, str]], operation: Operation) -> dict[str, Any]:
    properties = schema_of(operation.request)["properties"]
    given: dict[str, Any] = {}
    for name, text in query:
        if name in given:
            raise InvalidRequestError(
                f"{operation.name}: {shown(name)} is given twice. {operation.unchanged}",
                field=name,
            )
        given[name] = from_text(text, properties.get(name, {}))
    return given


def from_text(text: str, schema: Schema) -> Any:
    """A query parameter as the type that its schema names; text that is not of it stays text."""
    options = [schema, *schema.get("anyOf", [])]
    kinds = {option.get("type") for option in options}
    if "integer" in kinds and _INTEGER.match(text):
        return int(text)
    if "number" in kinds and _NUMBER.match(text):
        return float(text)
    if "boolean" in kinds and text in ("true", "false"):
        return text == "true"
    if "array" in kinds:
        return text.split(",")
    return text


async def _from_body(request: Request, operation: Operation) -> dict[str, Any] | Problem:
    """The JSON object of the body; an absent one counts as empty."""
    content = await request.body()
    if not content:
        return {}
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        return Problem(
            status=415,
            code="unsupported_media_type",
            detail=f"Send the body as application/json. {operation.unchanged}",
            headers={"Accept": "application/json"},
        )
    try:
        decoded = json.loads(content.decode())
    except RecursionError:
        raise InvalidRequestError(
            f"{operation.name}: the request is nested deeper than {MAX_DEPTH} levels. "
            f"{operation.unchanged}"
        ) from None
    except ValueError:
        return Problem(
            status=400,
            code="malformed_json",
            detail=f"The body is not JSON in UTF-8. {operation.unchanged}",
        )
    if not isinstance(decoded, dict):
        raise InvalidRequestError(
            f"{operation.name} takes a JSON object of arguments. {operation.unchanged}"
        )
    return decoded
