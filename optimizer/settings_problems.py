"""From what pydantic says of bad settings to errors that name the source, the place and the fix."""

import difflib
from collections.abc import Mapping, Sequence
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from optimizer.errors import ConfigurationError

Origins = Mapping[str, str]
"""Field to the source that its value is from."""


def explain(
    error: ValidationError, origins: Origins, model: type[BaseModel], *, secrets: frozenset[str]
) -> tuple[ConfigurationError, ...]:
    """Everything that is wrong, each with its source, its place and what is allowed.

    Unknown keys come first: a key that seems to be missing is often one of them, misspelt.

    Args:
        error: Of validating the settings.
        origins: Where each field is from.
        model: The settings.
        secrets: Fields whose values are not shown.
    """
    details = error.errors(include_url=False, include_context=False)
    details.sort(key=lambda detail: detail["type"] != "extra_forbidden")
    return tuple(_explain(detail, origins, model, secrets) for detail in details)


def _explain(
    detail: ErrorDetails, origins: Origins, model: type[BaseModel], secrets: frozenset[str]
) -> ConfigurationError:
    path = detail["loc"]
    reason = detail["msg"].removeprefix("Value error, ")
    if not path:
        setting, _, rest = reason.partition(" ")
        problem, _, fix = rest.partition("; ")
        return ConfigurationError(setting=setting, problem=problem, fix=fix)
    field = str(path[0])
    source = origins.get(field, "argument")
    dotted = ".".join(str(part) for part in path)
    unknown = detail["type"] == "extra_forbidden"
    shown = "" if field in secrets else f"{detail['input']!r}"[:80]
    return ConfigurationError(
        setting=field.upper() if source == "environment" else f"{source}: {dotted}",
        problem=f"{shown}: {'there is no such key' if unknown else reason}".removeprefix(": "),
        fix=_nearest(path, model) if unknown else _meaning(field, model),
    )


def _meaning(field: str, model: type[BaseModel]) -> str:
    info = model.model_fields[field]
    return f"{info.description} Default: {info.get_default(call_default_factory=True)!r}"


def _nearest(path: Sequence[str | int], model: type[BaseModel]) -> str:
    known = known_keys(path, model)
    near = difflib.get_close_matches(str(path[-1]), known, n=1)
    if near:
        return f"did you mean {near[0]}?"
    return "see docs/configuration.md for what is allowed"


def known_keys(path: Sequence[str | int], model: type[BaseModel]) -> tuple[str, ...]:
    """The keys that may stand where the last one of a path stands.

    Args:
        path: For example `("pools", "cpu", "capcity")`.
        model: What the path begins in.
    """
    if len(path) == 1:
        return tuple(model.model_fields)
    info = model.model_fields.get(str(path[0]))
    if info is None:
        return ()
    named = get_origin(info.annotation) is dict
    table, rest = _table(info.annotation), path[2:] if named else path[1:]
    return known_keys(rest, table) if table is not None and rest else ()


def _table(annotation: Any) -> type[BaseModel] | None:
    """The model inside an annotation such as `dict[str, PoolSetting]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_table, get_args(annotation))), None)
