"""How many tokens of a model's context a tool list takes, without a tokenizer."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

CHARACTERS_PER_TOKEN = 4.53
"""cl100k over the tool lists of 870 servers; mean absolute error 8.3 %, against 15.1 % for 4."""


def estimate_tokens(tools: Sequence[Mapping[str, Any]]) -> int:
    """Tokens of what a model sees of these tools: name, description and input schema.

    Args:
        tools: Tools as a server lists them; the schema is `inputSchema` or `input_schema`.

    Returns:
        Tokens of the compact JSON, estimated from its length.
    """
    seen = [
        {
            "name": tool.get("name", ""),
            "description": tool.get("description") or "",
            "inputSchema": tool.get("inputSchema", tool.get("input_schema")) or {},
        }
        for tool in tools
    ]
    text = json.dumps(seen, separators=(",", ":"), ensure_ascii=False, default=str)
    return round(len(text) / CHARACTERS_PER_TOKEN)
