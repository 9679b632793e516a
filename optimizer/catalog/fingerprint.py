"""What a server offers as one hash, so that a server that changes after it was approved shows."""

import hashlib
import json
from collections.abc import Sequence
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

    A server that was only seen so far may offer a profile fewer tools, or others, as it may any
    host; those of the same name have to read the same.

    Args:
        entry: Just profiled, with its fingerprint.
        before: What the catalog knows; None for a server that is new.
        now: When the change was seen.
    """
    if before is None or before.approved_fingerprint is None:
        return approved(entry)
    command = before.approved_command
    change = difference(before, entry.command, entry.tools, now)
    if not command and not change.altered:
        return approved(entry)
    kept = entry.model_copy(
        update={
            "approved_fingerprint": before.approved_fingerprint,
            "approved_tools": before.approved_tools,
            "approved_command": command,
        }
    )
    if entry.fingerprint == before.approved_fingerprint:
        return kept
    return kept.model_copy(update={"status": "changed", "change": change})


def approved(entry: CatalogEntry) -> CatalogEntry:
    """The entry with what it offers now approved; a command only where it was profiled."""
    was_profiled = entry.era is not None
    return entry.model_copy(
        update={
            "status": "profiled" if was_profiled else "seen",
            "change": None,
            "approved_fingerprint": entry.fingerprint,
            "approved_tools": {tool.name: tool.digest for tool in entry.tools},
            "approved_command": entry.command if was_profiled else "",
        }
    )


def difference(
    before: CatalogEntry, command: str, tools: Sequence[ToolEntry], now: datetime
) -> Change:
    """How a command and its tools differ from what was approved."""
    offered = {tool.name: tool.digest for tool in tools}
    known = before.approved_tools
    both = sorted(offered.keys() & known.keys())
    return Change(
        seen_at=now,
        command=command != before.approved_command and bool(before.approved_command),
        added=tuple(sorted(offered.keys() - known.keys())),
        removed=tuple(sorted(known.keys() - offered.keys())),
        altered=tuple(name for name in both if offered[name] != known[name]),
    )
