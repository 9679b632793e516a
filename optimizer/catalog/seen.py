"""Tool lists that passed through `sro run`, held against what is known of the server. Pure.

So a server that changes what it offers shows at its next start, whether it was ever profiled or
not. Of a server that was not, names and digests are kept and no description: only a profile knows
which words of it are secrets of its configuration.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from optimizer.catalog.entry import CatalogEntry, ToolEntry
from optimizer.catalog.fingerprint import approved, difference, digest, fingerprint
from optimizer.catalog.servers import shown_command
from optimizer.catalog.tool_tokens import estimate_tokens
from optimizer.mcp_client.caged.bounds import Bounds
from optimizer.mcp_client.caged.session import checked

SOURCE = "sro run"
MAX_PARAMETERS = 64


def tool_entry(tool: Mapping[str, Any], *, with_words: bool = True) -> ToolEntry:
    """A tool as the catalog keeps it; the digest is of all its words in any case."""
    properties = tool["inputSchema"].get("properties")
    names = list(properties) if isinstance(properties, Mapping) else []
    return ToolEntry(
        name=tool["name"],
        description=tool["description"] if with_words else "",
        parameters=tuple(str(name)[:200] for name in names[:MAX_PARAMETERS]),
        read_only=tool["readOnly"],
        digest=digest(tool)[:16],
    )


def seen(
    identifier: str,
    command: Sequence[str],
    listed: Sequence[object],
    before: CatalogEntry | None,
    *,
    now: datetime,
) -> CatalogEntry | None:
    """What a tool list says beyond what is known.

    A profile and a host may be offered different tools, as they can do different things for a
    server; so against a profile only tools of the same name count. What the first host saw is
    approved, as a first profile is.

    Args:
        identifier: The server.
        command: What was started.
        listed: Its tools, as it sent them.
        before: What the catalog knows of it.
        now: When they passed.

    Returns:
        The entry to keep; None when nothing is new.
    """
    bounds = Bounds()
    found = checked(list(listed[: bounds.tools]), bounds).tools
    tools = tuple(tool_entry(tool, with_words=False) for tool in found)
    tokens = estimate_tokens(found)
    if before is None:
        return approved(
            CatalogEntry(
                id=identifier,
                source=SOURCE,
                command=shown_command(command),
                status="seen",
                profiled_at=now,
                tools=tools,
                tool_list_tokens=tokens,
                fingerprint=fingerprint("", tools),
            )
        )
    if before.status == "changed" or before.approved_fingerprint is None:
        return None
    change = difference(before, before.approved_command, tools, now)
    if not (change.altered or (before.status == "seen" and (change.added or change.removed))):
        return None
    words = {tool.digest: tool.description for tool in before.tools}
    return before.model_copy(
        update={
            "status": "changed",
            "change": change,
            "tools": tuple(
                tool.model_copy(update={"description": words.get(tool.digest, "")})
                for tool in tools
            ),
            "tool_list_tokens": tokens,
            "fingerprint": fingerprint(before.approved_command, tools),
        }
    )
