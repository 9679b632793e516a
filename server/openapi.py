"""The OpenAPI 3.1 description of the REST door, made from the table of operations."""

from collections.abc import Sequence
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from optimizer.version import VERSION
from server.errors import PROBLEM_MEDIA_TYPE
from server.examples import EXAMPLES
from server.operation import Operation
from server.rest import API
from server.schemas import Schema, input_schema
from server.selection_schemas import open_properties
from server.vocabulary import Vocabulary, with_names

_TEXT: dict[int, str] = {
    304: "Nothing has changed since the ETag of If-None-Match.",
    400: "The body is not JSON.",
    401: "A bearer token is set, and the request has none or a wrong one.",
    403: "The token may only read, or the Origin may not call.",
    404: "There is no such thing, or it is not the caller's.",
    405: "The path is not answered with this method.",
    408: "The body took too long to arrive.",
    409: "Refused for now, with what binds and what fits when; or the lease is over.",
    413: "The body is too large.",
    415: "The body is not application/json.",
    421: "The Host is not served here.",
    422: "An argument is not allowed; the detail says what is.",
    429: "More requests than the caller's rate allows; Retry-After says when the next may come.",
    500: "An error that nobody foresaw.",
    503: "Something that the answer needs is missing or broken.",
}

_ALWAYS = (401, 403, 405, 421, 429, 500)
_WITH_BODY = (400, 408, 413, 415)

PROBLEM: Schema = {
    "type": "object",
    "description": "RFC 9457 problem details.",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "description": "Stable word that programs compare."},
        "detail": {"type": "string", "description": "What happened and what to do next."},
        "field": {"type": "string", "description": "Dotted path of the offending argument."},
    },
}


def openapi(
    operations: Sequence[Operation], vocabulary: Vocabulary, *, guarded: bool
) -> dict[str, Any]:
    """The whole document.

    Args:
        operations: The table.
        vocabulary: The names that requests can use on this machine.
        guarded: Whether a token is set, so that callers have to send one.
    """
    answers, components = answer_schemas(operations)
    paths: dict[str, Any] = {}
    for operation in operations:
        item = paths.setdefault(f"{API}{operation.rest.path}", {})
        item[operation.rest.method.lower()] = _operation(
            operation, request_schema(operation, vocabulary), answers[operation.name]
        )
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": "Sequential Resource Optimization",
            "version": VERSION,
            "description": (
                "Measures this machine, forecasts its load, weighs costs, leases its resources and "
                "decides. Unknown figures are null, with their reasons in `unknown`."
            ),
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "paths": paths,
        "components": {
            "schemas": {"Problem": PROBLEM, **components},
        },
    }
    if guarded:
        document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"token": []}]
    return document


def answer_schemas(operations: Sequence[Operation]) -> tuple[dict[str, Schema], Schema]:
    """The schema of each operation's answer by name, and the components that they point to."""
    adapters: list[tuple[str, JsonSchemaMode, TypeAdapter[Any]]] = [
        (operation.name, "serialization", TypeAdapter(operation.answer)) for operation in operations
    ]
    schemas, definitions = TypeAdapter.json_schemas(
        adapters, ref_template="#/components/schemas/{model}"
    )
    by_name = {name: schema for (name, _), schema in schemas.items()}
    return by_name, definitions.get("$defs", {})


def request_schema(operation: Operation, vocabulary: Vocabulary) -> Schema:
    """What an operation takes over REST."""
    schema = with_names(
        input_schema(operation.request, without=operation.rest.without), operation.name, vocabulary
    )
    for name, inside in open_properties(operation.request).items():
        schema["properties"][name] |= inside
    return schema


def _operation(operation: Operation, schema: Schema, answer: Schema) -> dict[str, Any]:
    rest = operation.rest
    in_path = [name for name in schema["properties"] if f"{{{name}}}" in rest.path]
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": rest.summary,
        "tags": [rest.tag],
        "responses": _responses(operation, answer, has_body=rest.method != "GET"),
    }
    if operation.tool is not None:
        described["description"] = operation.tool.description
    parameters = [_parameter(name, schema, "path") for name in in_path]
    rest_of_it = [name for name in schema["properties"] if name not in in_path]
    if rest.method == "GET":
        parameters += [_parameter(name, schema, "query") for name in rest_of_it]
    elif rest_of_it:
        required = [name for name in schema.get("required", []) if name in rest_of_it]
        body = schema | {
            "properties": {name: schema["properties"][name] for name in rest_of_it},
        }
        body.pop("required", None)
        described["requestBody"] = {
            "required": bool(required),
            "content": {
                "application/json": {
                    "schema": body | ({"required": required} if required else {}),
                    "example": EXAMPLES[operation.name],
                }
            },
        }
    if parameters:
        described["parameters"] = parameters
    return described


def _parameter(name: str, schema: Schema, where: str) -> dict[str, Any]:
    described = dict(schema["properties"][name])
    text = described.pop("description", None)
    options = described.get("anyOf")
    if options is not None:
        kept = [option for option in options if option != {"type": "null"}]
        del described["anyOf"]
        described = {**described, **(kept[0] if len(kept) == 1 else {"anyOf": kept})}
        if described.get("default", ...) is None:
            del described["default"]
    parameter: dict[str, Any] = {
        "name": name,
        "in": where,
        "required": where == "path" or name in schema.get("required", []),
        "schema": described,
    }
    if described.get("type") == "array":
        parameter |= {"style": "form", "explode": False}
    return parameter | ({"description": text} if text else {})


def _responses(operation: Operation, schema: Schema, *, has_body: bool) -> dict[str, Any]:
    rest = operation.rest
    answer = {"application/json": {"schema": schema}}
    responses: dict[str, Any] = {
        str(rest.success): {"description": "The answer.", "content": answer}
    }
    if rest.cached:
        responses[str(rest.success)]["headers"] = {
            "ETag": {"description": "Version of the answer.", "schema": {"type": "string"}}
        }
        responses["304"] = {"description": _TEXT[304]}
    for status in sorted({*rest.statuses, *_ALWAYS, *(_WITH_BODY if has_body else ())}):
        content: dict[str, Any] = {
            PROBLEM_MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}
        }
        if status == 409:
            content |= answer
        responses[str(status)] = {"description": _TEXT[status], "content": content}
    return responses
