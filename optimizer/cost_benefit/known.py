"""What a profile adds to a candidate: its tools, and what was measured when it was started."""

from dataclasses import replace

from optimizer.catalog.entry import CatalogEntry, ToolEntry
from optimizer.catalog.quoting import quoted
from optimizer.cost_benefit.option import Option, Tool


def with_profile(option: Option, entry: CatalogEntry | None) -> Option:
    """The option with its profile; what the descriptor itself says of tools goes first."""
    if entry is None:
        return option
    has_tools = bool(option.tools)
    return replace(
        option,
        profile=entry,
        description=option.description or entry.instructions,
        tools=option.tools if has_tools else tuple(map(_tool, entry.tools)),
        tool_list_tokens=option.tool_list_tokens if has_tools else entry.tool_list_tokens,
    )


def _tool(tool: ToolEntry) -> Tool:
    return Tool(quoted(tool.name), tool.description, tool.parameters)
