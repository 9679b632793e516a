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
) -> Schema:
    """The schema that an agent reads: nulls dropped, descriptions as short as `about` has them.

    A null stays allowed on the wire; it is not advertised, which saves a quarter of the tokens.

    Args:
        model: A request model.
        about: Descriptions by property, over those of the model; an empty one is left out.
        without: Properties that agents do not see.
    """
    schema: Schema = _without_nulls(input_schema(model, without=without))
    for name, text in about.items():
        described = schema["properties"][name]
        described.pop("description", None)
        if text:
            described["description"] = text
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


def _without_nulls(node: Any) -> Any:
    if isinstance(node, list):
        return [_without_nulls(item) for item in node]
    if not isinstance(node, dict):
        return node
    kept = {key: _without_nulls(value) for key, value in node.items()}
    if "default" in kept and kept["default"] is None:
        del kept["default"]
    if isinstance(kept.get("anyOf"), list):
        options = [option for option in kept["anyOf"] if option != {"type": "null"}]
        if len(options) == 1:
            del kept["anyOf"]
            return {**options[0], **kept}
        kept["anyOf"] = options
    return kept
