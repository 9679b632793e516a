"""What the analyses of choices take, in the words of the API description.

Their request models take open objects, because descriptors come in many dialects that
`cost_benefit.descriptor` and its like read; here are the names that are understood.
"""

from pydantic import BaseModel

from optimizer.cost_benefit.descriptor import MAX_ID, MAX_TOOLS, NUMBERS
from optimizer.cost_benefit.requirements import Requirements
from optimizer.cost_benefit.routing import Route, RoutingRequirements
from optimizer.cost_benefit.validation import Strategy, ValidationRequirements
from optimizer.operations.analyses import AnalyzeRoutingRequest, AnalyzeValidationRequest
from optimizer.operations.select_mcp import SelectMcpRequest
from server.schemas import Schema, input_schema

_SHARES = ("performance", "reliability")

_TEXT: Schema = {"type": ["string", "null"]}
_NUMBER: Schema = {"type": ["number", "null"], "minimum": 0}
_SHARE: Schema = _NUMBER | {"maximum": 1}

DESCRIPTOR: Schema = {
    "type": "object",
    "description": "A candidate: its id (or name), and what is known of it. Members of other names "
    "are kept out of the analysis, and the answer says so.",
    "properties": {
        "id": _TEXT | {"maxLength": MAX_ID},
        "name": _TEXT,
        "description": _TEXT,
        "category": _TEXT,
        "capabilities": {
            "type": ["array", "string", "object", "null"],
            "description": "Words: a list, text with commas, or the keys of an object.",
        },
        "tools": {
            "type": ["array", "null"],
            "maxItems": MAX_TOOLS,
            "items": {"type": ["object", "string"]},
        },
        "cost": _NUMBER | {"description": "USD per call."},
        **{
            claim: _SHARE if claim in _SHARES else _NUMBER
            for claim in NUMBERS
            if claim != "cost_usd"
        },
    },
}


def open_properties(request: type[BaseModel]) -> dict[str, Schema]:
    """What stands in the open objects of a request, by property; `mode` has one of its own."""
    if request is SelectMcpRequest:
        needs = input_schema(Requirements, without=frozenset({"mode"}))
        return {"available_mcps": {"items": DESCRIPTOR}, "task_requirements": needs}
    if request is AnalyzeRoutingRequest:
        return {
            "available_systems": {"items": input_schema(Route)},
            "task_requirements": input_schema(RoutingRequirements),
        }
    if request is AnalyzeValidationRequest:
        return {
            "strategies": {"items": input_schema(Strategy)},
            "requirements": input_schema(ValidationRequirements),
        }
    return {}
