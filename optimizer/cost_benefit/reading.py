"""A caller's mapping into a model, with refusals that name the field and what is allowed."""

import difflib
from collections.abc import Iterable, Mapping
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from optimizer.errors import InvalidRequestError

ModelT = TypeVar("ModelT", bound=BaseModel)


def read(model: type[ModelT], raw: object, *, where: str) -> ModelT:
    """Read a mapping.

    Args:
        model: What it should be.
        raw: What the caller sent; None counts as empty.
        where: How the caller calls it, for messages.

    Raises:
        InvalidRequestError: It is no mapping, a key is unknown (the message names the nearest), or
            a value is not allowed.
    """
    if raw is not None and not isinstance(raw, Mapping):
        raise InvalidRequestError(
            f"{where} is a {type(raw).__name__}; give an object. Nothing was analysed", field=where
        )
    try:
        return model.model_validate({name: _whole(value) for name, value in (raw or {}).items()})
    except ValidationError as error:
        raise _explain(error, model, where) from None


def _whole(value: object) -> object:
    """3.0 as 3: JSON Schema counts both as integers."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def did_you_mean(key: str, allowed: Iterable[str]) -> str:
    """A hint at the nearest allowed name, or nothing when none is near."""
    nearest = difflib.get_close_matches(key[:60], list(allowed), n=1, cutoff=0.6)
    return f"; did you mean {nearest[0]}?" if nearest else ""


def _explain(error: ValidationError, model: type[BaseModel], where: str) -> InvalidRequestError:
    """Say what is wrong with the first bad key, and what is allowed."""
    first = error.errors(include_url=False, include_context=False)[0]
    field = ".".join((where, *(str(part) for part in first["loc"])))
    key = str(first["loc"][0]) if first["loc"] else ""
    if first["type"] == "extra_forbidden":
        hint = did_you_mean(key, model.model_fields)
        allowed = ", ".join(model.model_fields)
        message = f"{where} has no key {key[:60]!r}{hint}; allowed: {allowed}"
    elif not key:
        message = f"{where}: {first['msg'].removeprefix('Value error, ')}"
    else:
        info = model.model_fields.get(key)
        meaning = f" ({info.description})" if info is not None else ""
        given = "" if first["type"] == "missing" else f" {first['input']!r}"[:80]
        message = f"{field}{given}: {first['msg']}{meaning}"
    return InvalidRequestError(f"{message}. Nothing was analysed", field=field)
