"""What analyze_mcp_selection takes, in the words of the API description.

Its request model takes open objects, because descriptors come in many dialects that
`cost_benefit.descriptor` reads; here are the names that are understood.
"""

from optimizer.cost_benefit.descriptor import MAX_ID, MAX_TOOLS, NUMBERS
from optimizer.cost_benefit.requirements import Requirements
from server.schemas import Schema, input_schema

_SHARES = ("performance", "reliability")

_TEXT: Schema = {"type": ["string", "null"]}
_NUMBER: Schema = {"type": ["number", "null"], "minimum": 0}
_SHARE: Schema = _NUMBER | {"maximum": 1}
_NAME: Schema = {"type": "string", "minLength": 1, "maxLength": MAX_ID}

DESCRIPTOR: Schema = {
    "type": "object",
    "description": "A candidate: its id and what is known of it; members of other names are kept "
    "out of the analysis, and the answer says so.",
    "required": ["id"],
    "properties": {
        "id": _NAME,
        "name": _TEXT,
        "description": _TEXT,
        "category": _TEXT,
        "capabilities": {"type": ["array", "null"], "items": {"type": "string"}},
        "tools": {
            "type": ["array", "null"],
            "maxItems": MAX_TOOLS,
            "items": {"type": "object", "properties": {"name": _TEXT, "description": _TEXT}},
        },
        **{names[0]: _SHARE if claim in _SHARES else _NUMBER for claim, names in NUMBERS.items()},
        "cost": _NUMBER | {"description": "The same as cost_usd: USD per call."},
    },
}


def requirements_schema() -> Schema:
    """What a task needs; `mode` stands beside it in the request."""
    return input_schema(Requirements, without=frozenset({"mode"}))


A_SET_NEEDS_CAPABILITIES: Schema = {
    "if": {"required": ["mode"], "properties": {"mode": {"const": "set"}}},
    "then": {
        "required": ["task_requirements"],
        "properties": {
            "task_requirements": {
                "required": ["capabilities"],
                "properties": {"capabilities": {"minItems": 1}},
            }
        },
    },
}
