"""What a server offers as one hash, so that a server that changes after it was approved shows."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime

from optimizer.catalog.entry import CatalogEntry, Change, ToolEntry


def digest(value: object) -> str:
    """SHA-256 in hex of the canonical JSON of a value."""
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode("utf-8", errors="surrogatepass")).hexdigest()


def fingerprint(command: str, tools: Sequence[ToolEntry]) -> str:
    """The hash of a command, as it is shown, and of its tools, whatever their order."""
    return digest([command, sorted([tool.name, tool.digest] for tool in tools)])


def judged(entry: CatalogEntry, before: CatalogEntry | None, *, now: datetime) -> CatalogEntry:
    """A fresh profile held against what was approved; the first one is approved as it is.

    Args:
        entry: Just profiled, with its fingerprint.
        before: What the catalog knows; None for a server that is new.
        now: When the change was seen.
    """
    if before is None or before.approved_fingerprint is None:
        return approved(entry)
    kept = entry.model_copy(
        update={
            "approved_fingerprint": before.approved_fingerprint,
            "approved_tools": before.approved_tools,
            "approved_command": before.approved_command,
        }
    )
    if entry.fingerprint == before.approved_fingerprint:
        return kept
    change = _change(before.approved_tools, before.approved_command, entry, now)
    return kept.model_copy(update={"status": "changed", "change": change})


def approved(entry: CatalogEntry) -> CatalogEntry:
    """The entry with what it offers now approved."""
    return entry.model_copy(
        update={
            "status": "profiled",
            "change": None,
            "approved_fingerprint": entry.fingerprint,
            "approved_tools": {tool.name: tool.digest for tool in entry.tools},
            "approved_command": entry.command,
        }
    )


def _change(
    tools_before: Mapping[str, str], command_before: str, entry: CatalogEntry, now: datetime
) -> Change:
    tools = {tool.name: tool.digest for tool in entry.tools}
    both = sorted(tools.keys() & tools_before.keys())
    return Change(
        seen_at=now,
        command=entry.command != command_before,
        added=tuple(sorted(tools.keys() - tools_before.keys())),
        removed=tuple(sorted(tools_before.keys() - tools.keys())),
        altered=tuple(name for name in both if tools[name] != tools_before[name]),
    )
