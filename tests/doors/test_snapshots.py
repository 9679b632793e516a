"""The contract with callers as snapshots: a change of it shows in review.

`UPDATE_SNAPSHOTS=1 pytest tests/doors/test_snapshots.py` writes them anew.
"""

import json
import os
from pathlib import Path
from typing import Any, get_args

from optimizer.settings import Toolset
from server.openapi import openapi
from server.operation import Operation
from server.operations import OPERATIONS, TOOLS, listed
from server.prompts import PROMPTS
from server.resources import READABLES
from server.tools import tool_of
from server.vocabulary import Vocabulary
from tests.doors.fakes import FakeOptimizer

SNAPSHOTS = Path(__file__).parent / "snapshots"


def compare(name: str, contract: Any) -> None:
    path = SNAPSHOTS / name
    text = json.dumps(contract, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    if os.environ.get("UPDATE_SNAPSHOTS") == "1":
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8"), f"{name} changed; see the docstring"


def on_the_wire(operation: Operation) -> dict[str, Any]:
    return tool_of(operation).model_dump(by_alias=True, mode="json", exclude_none=True)


def test_what_agents_see_is_as_agreed() -> None:
    compare(
        "mcp.json",
        {
            "tools": [on_the_wire(operation) for operation in TOOLS],
            "toolsets": {
                toolset: [on_the_wire(op) for op in listed([toolset]) if op not in TOOLS]
                for toolset in get_args(Toolset)
            },
            "resources": [readable.uri for readable in READABLES],
            "prompts": {prompt.name: dict(prompt.arguments) for prompt in PROMPTS},
        },
    )


def test_what_rest_takes_and_answers_is_as_agreed() -> None:
    document = openapi(OPERATIONS, Vocabulary.of(FakeOptimizer()), guarded=True)
    del document["info"]["version"]

    compare("openapi.json", without_words(document))


def without_words(node: Any, *, names: bool = False) -> Any:
    """Shapes alone: descriptions are documentation and may change at any time."""
    if isinstance(node, list):
        return [without_words(item) for item in node]
    if not isinstance(node, dict):
        return node
    return {
        key: without_words(value, names=key in ("properties", "schemas"))
        for key, value in node.items()
        if names or key not in ("description", "title", "summary")
    }
