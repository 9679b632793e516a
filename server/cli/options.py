"""From the arguments of an operation to the options of its command.

A command is made from the same request model as the tool and the REST route, so it takes the same
arguments under the same names; the shorter spellings below are there for fingers.
"""

import json
from collections.abc import Mapping
from typing import Any

import click

from server.operation import Operation
from server.schemas import Schema, agent_schema

SPELLED: Mapping[str, str] = {
    "constraints": "--constraint",
    "horizon_hours": "--hours",
    "metrics": "--metric",
    "primary_objective": "--objective",
    "priority_level": "--priority",
    "task_requirements": "--requirement",
    "ttl_s": "--ttl",
    "use_sequential_thinking": "--think",
    "wait_s": "--wait",
}
"""Shorter names of options, beside the full ones."""

_TYPES: Mapping[str, click.ParamType[Any]] = {"integer": click.INT, "number": click.FLOAT}


def parameters_of(operation: Operation) -> list[click.Parameter]:
    """The options and arguments of a command; what a request cannot do without has no dashes."""
    schema = _schema(operation)
    needed = schema.get("required", ())
    return [
        _argument(name, inside) if name in needed else _option(name, inside)
        for name, inside in schema["properties"].items()
    ]


def values_of(operation: Operation, given: Mapping[str, Any]) -> dict[str, Any]:
    """What was typed, as the arguments of the operation; what was left out keeps its default.

    Raises:
        click.UsageError: Something cannot be read, for example `max_cost` without a value.
    """
    properties = _schema(operation)["properties"]
    return {
        name: _read(properties[name], value)
        for name, value in given.items()
        if value is not None and value != ()
    }


def _schema(operation: Operation) -> Schema:
    return agent_schema(operation.request, about={}, without=operation.rest.without)


def _option(name: str, schema: Schema) -> click.Option:
    full = f"--{name.replace('_', '-')}"
    spellings = [name, *dict.fromkeys((SPELLED.get(name, full), full))]
    if schema.get("type") == "boolean":
        spellings[1:] = [f"{word}/--no-{word.removeprefix('--')}" for word in spellings[1:]]
        return click.Option(spellings, default=None, help=_help(schema))
    several = schema.get("type") in ("array", "object")
    return click.Option(
        spellings,
        type=_type(schema),
        multiple=several,
        metavar=_metavar(schema),
        help=_help(schema),
    )


def _argument(name: str, schema: Schema) -> click.Argument:
    several = schema.get("type") == "object"
    return click.Argument(
        [name],
        type=_type(schema),
        nargs=-1 if several else 1,
        required=True,
        metavar=f"{_metavar(schema)}..." if several else name.upper(),
    )


def _type(schema: Schema) -> click.ParamType[Any]:
    if "enum" in schema:
        return click.Choice(schema["enum"])
    if _is_file(schema):
        return click.File(encoding="utf-8")
    return _TYPES.get(schema.get("type", ""), click.STRING)


def _metavar(schema: Schema) -> str | None:
    return "NAME=VALUE" if schema.get("type") == "object" else None


def _help(schema: Schema) -> str:
    default = schema.get("default")
    said = schema.get("description", "")
    shown = default is not None and default not in ("", [], {}) and not isinstance(default, bool)
    return f"{said}  [default: {default}]" if shown else said


def _is_file(schema: Schema) -> bool:
    """A list of objects is too long for a command line: a file of JSON, or `-` for stdin."""
    return schema.get("type") == "array" and schema.get("items", {}).get("type") != "string"


def _read(schema: Schema, value: Any) -> Any:
    if _is_file(schema):
        return _from_json_file(value)
    if schema.get("type") == "object":
        return dict(_pair(text) for text in value)
    if schema.get("type") == "array":
        return [part.strip() for text in value for part in text.split(",")]
    return value


def _from_json_file(file: Any) -> Any:
    try:
        return json.load(file)
    except ValueError as error:
        raise click.UsageError(f"{file.name} does not hold JSON: {error}") from None


def _pair(text: str) -> tuple[str, Any]:
    """`max_cost=500` is a number, `focus=graphs` a text, and `a=[1,2]` a list."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise click.UsageError(f"{text!r} is not NAME=VALUE")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value
