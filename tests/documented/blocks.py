"""The code blocks of a Markdown page, and a way to run one as written."""

import ast
import asyncio
import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_FENCE = "```"


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        source: What it shows.
        page: The page it is on.
        line: Number of its first line there.
        heading: The nearest heading above it.
    """

    source: str
    page: Path
    line: int
    heading: str

    def __str__(self) -> str:
        """What a test report shows."""
        return f"{self.page.name}:{self.line} {self.heading}"


def code_blocks(page: Path, *, language: str = "python") -> list[Block]:
    """The blocks of a language, in the order of the page."""
    blocks: list[Block] = []
    heading, opened, begins, lines = "", None, 0, []
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1):
        if opened is None and line.startswith("#"):
            heading = line.lstrip("# ")
        elif opened is None and line.startswith(_FENCE):
            opened, begins, lines = line.removeprefix(_FENCE).strip(), number + 1, []
        elif opened is not None and line.startswith(_FENCE):
            if opened == language:
                blocks.append(Block("\n".join(lines) + "\n", page, begins, heading))
            opened = None
        elif opened is not None:
            lines.append(line)
    return blocks


async def run_block(block: Block, names: dict[str, Any]) -> dict[str, Any]:
    """Run a block in an event loop, as a notebook would; `await` may stand at its top level.

    Returns:
        The names that it left behind, beside those that it was given.
    """
    code = _compiled(block)
    result = eval(code, names)
    if inspect.iscoroutine(result):
        await result
    return names


def run_script(block: Block, names: dict[str, Any]) -> dict[str, Any]:
    """Run a block that starts its own event loop, or needs none."""
    result = eval(_compiled(block), names)
    if inspect.iscoroutine(result):
        asyncio.run(result)
    return names


def _compiled(block: Block) -> Any:
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    padded = "\n" * (block.line - 1) + block.source
    return compile(padded, str(block.page), "exec", flags=flags)
