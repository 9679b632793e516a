"""JSON Schemas of request models, shaped for their readers: short for agents, complete for REST."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from pydantic import BaseModel

Schema = dict[str, Any]


def input_schema(model: type[BaseModel], *, without: frozenset[str] = frozenset()) -> Schema:
    """The schema of a request, self-contained and without pydantic's titles.

    Args:
        model: A request model; extra members are forbidden by it.
        without: Names of top-level properties to leave out.

    Returns:
        JSON Schema 2020-12 with every `$ref` replaced by what it points to.
    """
    generated = model.model_json_schema(mode="validation")
    definitions = generated.pop("$defs", {})
    schema: Schema = _without_titles(_inlined(generated, definitions))
    schema["properties"] = {
        name: value for name, value in schema.get("properties", {}).items() if name not in without
    }
    required = [name for name in schema.pop("required", []) if name not in without]
    schema.pop("description", None)
    return schema | {"required": required} if required else schema


def agent_schema(
    model: type[BaseModel],
    *,
    about: Mapping[str, str],
    without: frozenset[str] = frozenset(),
    folded: frozenset[str] = frozenset(),
) -> Schema:
    """The schema that an agent reads: what it needs to fill in a call, and not a word more.

    Nulls, lengths and patterns stay checked on the wire; not telling them saves a third of the
    tokens.

    Args:
        model: A request model.
        about: Descriptions by dotted path, over those of the model, for example
            `constraints.max_cost` or `calls.[].n`; an empty one is left out.
        without: Properties that agents do not see.
        folded: Objects whose members are named in their description alone.
    """
    schema: Schema = _terse(input_schema(model, without=without))
    for name in folded:
        schema["properties"][name] = {"type": "object"}
    for path, text in about.items():
        described = at(schema, path)
        described.pop("description", None)
        if text:
            described["description"] = text
    return schema


def at(schema: Schema, path: str) -> Schema:
    """The schema of a property, through objects and, by `[]`, lists."""
    for name in path.split("."):
        keyword = "items" if name == "[]" else "properties"
        options = (schema, *schema.get("anyOf", []))
        inside = next(option[keyword] for option in options if keyword in option)
        schema = inside if name == "[]" else inside[name]
    return schema


def _inlined(node: Any, definitions: Mapping[str, Any]) -> Any:
    if isinstance(node, list):
        return [_inlined(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        target = deepcopy(definitions[node["$ref"].removeprefix("#/$defs/")])
        beside = {key: value for key, value in node.items() if key != "$ref"}
        return _inlined({**target, **beside}, definitions)
    return {key: _inlined(value, definitions) for key, value in node.items()}


def _without_titles(node: Any, *, names: bool = False) -> Any:
    """Drop `title` keywords; under `properties` the keys are names, not keywords."""
    if isinstance(node, list):
        return [_without_titles(item) for item in node]
    if not isinstance(node, dict):
        return node
    return {
        key: _without_titles(value, names=key == "properties" and not names)
        for key, value in node.items()
        if names or key != "title" or not isinstance(value, str)
    }


_NOT_FOR_AGENTS = frozenset(
    {
        "maxItems",
        "maxLength",
        "maxProperties",
        "minItems",
        "minLength",
        "minProperties",
        "pattern",
        "propertyNames",
    }
)

_LARGE = 1e6
"""A bound from here on only keeps figures finite; no agent needs to know it."""


def _terse(node: Any) -> Any:
    """What an agent needs of a schema; under `properties` the keys are names, not keywords."""
    if isinstance(node, list):
        return [_terse(item) for item in node]
    if not isinstance(node, dict):
        return int(node) if isinstance(node, float) and node.is_integer() else node
    kept: Schema = {}
    for key, value in node.items():
        if key == "properties":
            kept[key] = {name: _terse(inside) for name, inside in value.items()}
        elif key == "patternProperties":
            kept["additionalProperties"] = _terse(next(iter(value.values())))
        elif not _is_noise(key, value):
            kept[key] = _terse(value)
    if "anyOf" not in kept:
        return kept
    options = [option for option in kept.pop("anyOf") if option != {"type": "null"}]
    return {**options[0], **kept} if len(options) == 1 else kept | {"anyOf": options}


def _is_noise(key: str, value: Any) -> bool:
    if key == "default":
        return value in (None, "") or isinstance(value, dict)
    if key in ("maximum", "minimum"):
        return bool(abs(value) >= _LARGE)
    return key in _NOT_FOR_AGENTS or (key == "additionalProperties" and value is True)
