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


def requirements_schema() -> Schema:
    """What a task needs; `mode` stands beside it in the request."""
    return input_schema(Requirements, without=frozenset({"mode"}))
