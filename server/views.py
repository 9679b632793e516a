"""One noun, three views: brief for agents, full, and reference for the documented REST shape."""

from collections.abc import Callable
from typing import Any, Literal

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

View = Literal["brief", "full", "reference"]

Json = dict[str, Any]

Viewer = Callable[[Any, BaseModel, View], Json]
"""Turns an operation's answer into JSON; it sees the request, whose `detail` may ask for more."""


def full(answer: Any, request: BaseModel, view: View) -> Json:
    """Everything the noun has, whatever the view."""
    plain: Json = to_jsonable_python(answer, inf_nan_mode="null")
    return plain
