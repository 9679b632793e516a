"""From what a caller sent to a request model, with errors that say what is allowed.

Callers are agents as often as people, so a message names the argument, its unit, bounds and
default, the nearest name for one that does not exist, and that nothing was done.
"""

import difflib
import json
import math
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from pydantic import BaseModel, ValidationError

from optimizer.errors import InvalidRequestError
from server.schemas import Schema, input_schema

MAX_DEPTH = 32
"""Deepest nesting of a request; ours need five."""

_UNITS = (
    ("_hours", "hours"),
    ("_minutes", "minutes"),
    ("_ms", "milliseconds"),
    ("_s", "seconds"),
    ("_usd", "US dollars"),
    ("_fraction", "share of 1"),
)
"""What the end of a name says about its unit."""


def parse(values: object, model: type[BaseModel], *, operation: str, unchanged: str) -> BaseModel:
    """Check arguments against a request model.

    Args:
        values: A decoded JSON value.
        model: The request model.
        operation: Name of the operation, for messages.
        unchanged: The sentence that says that nothing was done.

    Raises:
        InvalidRequestError: Something is not allowed; the message says what is.
    """
    schema = schema_of(model)
    if not isinstance(values, Mapping):
        raise InvalidRequestError(f"{operation} takes a JSON object of arguments. {unchanged}")
    _refuse_what_json_cannot_say(values, (), operation, unchanged)
    _refuse_unknown(values, (), schema, operation, unchanged)
    try:
        return model.model_validate_json(json.dumps(_whole(values, schema)), strict=True)
    except ValidationError as error:
        raise _worded(error, values, schema, operation, unchanged) from None


@cache
def schema_of(model: type[BaseModel]) -> Schema:
    """The input schema of a request model, made once; not to be changed."""
    return input_schema(model)


def _whole(value: Any, schema: Schema) -> Any:
    """Write 24.0 as 24 where an integer belongs; JSON Schema counts both as integers."""
    options = [schema, *schema.get("anyOf", [])]
    kinds = {option.get("type") for option in options}
    if isinstance(value, float) and value.is_integer():
        return int(value) if "integer" in kinds and "number" not in kinds else value
    if isinstance(value, Mapping):
        known = _properties(schema)
        return {
            name: _whole(item, known.get(name) or _any_member(options) or {})
            if isinstance(known.get(name) or _any_member(options), dict)
            else item
            for name, item in value.items()
        }
    if isinstance(value, list) and isinstance(inside := _first(options, "items"), dict):
        return [_whole(item, inside) for item in value]
    return value


def _refuse_unknown(
    value: object, path: tuple[str | int, ...], schema: Schema, operation: str, unchanged: str
) -> None:
    """Refuse a name that a closed object has not, at any depth.

    Raises:
        InvalidRequestError: There is one; the message names the nearest that is allowed.
    """
    options = [schema, *schema.get("anyOf", [])]
    if isinstance(value, Mapping):
        known = _properties(schema)
        closed = any(option.get("additionalProperties") is False for option in options)
        for name, item in value.items():
            if closed and name not in known:
                raise _unknown(name, path, schema, operation, unchanged)
            inside = known.get(name) or _any_member(options)
            if isinstance(inside, dict):
                _refuse_unknown(item, (*path, name), inside, operation, unchanged)
    elif isinstance(value, list):
        inside = _first(options, "items")
        for index, item in enumerate(value):
            if isinstance(inside, dict):
                _refuse_unknown(item, (*path, index), inside, operation, unchanged)


def _refuse_what_json_cannot_say(
    value: object, path: tuple[str | int, ...], operation: str, unchanged: str
) -> None:
    """Refuse NaN, infinities, unpaired surrogates and absurd depth wherever they stand.

    Raises:
        InvalidRequestError: One of them was found; the message has its path.
    """
    problem = None
    if len(path) > MAX_DEPTH:
        problem = f"is nested deeper than {MAX_DEPTH} levels"
        path = path[:3]
    elif isinstance(value, float) and not math.isfinite(value):
        problem = "must be a finite number"
    elif isinstance(value, str) and not value.isascii() and not _is_unicode(value):
        problem = "holds an unpaired surrogate, which is not a character"
    elif isinstance(value, Mapping):
        for name, item in value.items():
            _refuse_what_json_cannot_say(str(name), path, operation, unchanged)
            _refuse_what_json_cannot_say(item, (*path, str(name)), operation, unchanged)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _refuse_what_json_cannot_say(item, (*path, index), operation, unchanged)
    if problem is not None:
        raise InvalidRequestError(
            f"{operation}: {dotted(path) or 'the request'} {problem}. {unchanged}",
            field=dotted(path) or None,
        )


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _worded(
    error: ValidationError,
    values: Mapping[str, Any],
    schema: Schema,
    operation: str,
    unchanged: str,
) -> InvalidRequestError:
    """The first complaint of pydantic in words for agents."""
    first = error.errors(include_url=False)[0]
    path, at = _follow(first["loc"], values, schema)
    name = dotted(path)
    kind = first["type"]
    if kind == "missing":
        problem = "is needed"
    elif kind == "value_error":
        problem = first["msg"].removeprefix("Value error, ").removesuffix(".")
    else:
        problem = f"{_plainly(first['msg'])}; got {shown(first['input'])}"
    allowed = _spaced(describe(name.rpartition(".")[2], at)) if kind != "value_error" else ""
    said_already = "" if "Nothing was" in problem else f" {unchanged}"
    message = f"{operation}: {name or 'the request'}: {problem}{allowed}.{said_already}"
    return InvalidRequestError(message, field=name or None)


def _plainly(said: str) -> str:
    """Pydantic's words without its point of view."""
    said = said.replace("Input should be", "must be").replace("should have", "must have")
    said = said.replace("should match", "must match").replace(" after validation", "")
    return f"{said[:1].lower()}{said[1:]}"


def _unknown(
    name: str, path: tuple[str | int, ...], schema: Schema, operation: str, unchanged: str
) -> InvalidRequestError:
    """Name the argument that does not exist and the nearest that does."""
    known = _properties(schema)
    near = nearest(name, tuple(known))
    inside = f" in {dotted(path)}" if path else ""
    if near is not None:
        hint = f"did you mean {near}{_spaced(describe(near, known[near]))}?"
    elif known:
        hint = f"it has {', '.join(known)}."
    else:
        hint = "it takes none."
    return InvalidRequestError(
        f"{operation} has no argument {shown(name)}{inside}; {hint} {unchanged}",
        field=dotted((*path, name[:80])),
    )


def nearest(name: str, known: Sequence[str]) -> str | None:
    """The known name that was most likely meant: spelled alike, or with a unit behind it."""
    lowered = name.lower().replace("-", "_")
    for candidate in known:
        if candidate.startswith(f"{lowered}_") or lowered.startswith(f"{candidate}_"):
            return candidate
    close = difflib.get_close_matches(lowered[:80], known, n=1, cutoff=0.6)
    return close[0] if close else None


def describe(name: str, schema: Schema) -> str:
    """Unit, bounds, choices and default in brackets: `(seconds, 1-86400, default 900)`."""
    parts = [unit for ending, unit in _UNITS if name.endswith(ending)][:1]
    options = [schema, *schema.get("anyOf", [])]
    low, above = _first(options, "minimum"), _first(options, "exclusiveMinimum")
    high, below = _first(options, "maximum"), _first(options, "exclusiveMaximum")
    if low is not None and high is not None:
        parts.append(f"{low}-{high}")
    else:
        words = (("at least", low), ("more than", above), ("at most", high), ("less than", below))
        parts.extend(f"{word} {bound}" for word, bound in words if bound is not None)
    choices = _first(options, "enum")
    if choices:
        parts.append(" | ".join(str(choice) for choice in choices))
    if schema.get("default") is not None:
        parts.append(f"default {schema['default']}")
    return f"({', '.join(parts)})" if parts else ""


def dotted(path: Sequence[str | int]) -> str:
    """`calls.0.outcome`."""
    return ".".join(str(part) for part in path)


def shown(value: object) -> str:
    """A caller's value, quoted, escaped and short."""
    text = ascii(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _spaced(text: str) -> str:
    return f" {text}" if text else ""


def _first(options: Sequence[Schema], *keywords: str) -> Any:
    return next(
        (option[keyword] for option in options for keyword in keywords if keyword in option), None
    )


def _follow(
    location: Sequence[str | int], values: object, schema: Schema
) -> tuple[tuple[str | int, ...], Schema]:
    """Walk pydantic's location, which also names union members, through value and schema."""
    path: list[str | int] = []
    for index, part in enumerate(location):
        last = index == len(location) - 1
        known = _properties(schema)
        options = [schema, *schema.get("anyOf", [])]
        if isinstance(values, Mapping) and (part in values or (last and part in known)):
            inside = known.get(str(part)) or _any_member(options)
            values = values.get(part)
        elif isinstance(values, list) and isinstance(part, int) and part < len(values):
            inside = _first(options, "items")
            values = values[part]
        else:
            continue
        path.append(part)
        schema = inside if isinstance(inside, dict) else {}
    return tuple(path), schema


def _any_member(options: Sequence[Schema]) -> Any:
    """The schema of members whose names are free."""
    patterns = _first(options, "patternProperties")
    return next(iter(patterns.values())) if patterns else _first(options, "additionalProperties")


def _properties(schema: Schema) -> dict[str, Schema]:
    merged: dict[str, Schema] = {}
    for option in (schema, *schema.get("anyOf", [])):
        merged |= option.get("properties", {})
    return merged
